"""Settings, from the environment alone: docs/settings.md lists every variable.

`STIPEND_MODE` is production unless it says otherwise, and production refuses to start unsafely.
"""

from pathlib import Path

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from config import safety
from config.environment import Environment
from config.unfold import UNFOLD as UNFOLD  # noqa: PLC0414  # a setting, too

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# Mode and secrets

STIPEND_MODE = env.str("STIPEND_MODE", default="production")
safety.check_mode(STIPEND_MODE)
in_production = STIPEND_MODE == "production"

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.secret("SECRET_KEY_FALLBACKS").split()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
database_url = env.secret("DATABASE_URL")

if in_production:
    safety.check_production(
        debug=DEBUG,
        secret_keys=[SECRET_KEY, *SECRET_KEY_FALLBACKS],
        database_url=database_url,
        allowed_hosts=ALLOWED_HOSTS,
    )
else:
    SECRET_KEY = SECRET_KEY or "known to everybody, good enough for development only"
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
    database_url = database_url or f"sqlite:///{BASE_DIR}/var/development.sqlite3"

# Our own

STIPEND_WORKSPACE_NAME = env.str("STIPEND_WORKSPACE_NAME", default="Stipend")
STIPEND_WORKSPACE_COLOUR = env.str("STIPEND_WORKSPACE_COLOUR", default="info")
STIPEND_SWEEP_SECONDS = env.float("STIPEND_SWEEP_SECONDS", default=60)
# Tasks that look for rows that are due, every tick.
STIPEND_SWEEPS = [
    "subscriptions.tasks.write_down_updates",
    "subscriptions.tasks.import_subscriptions",
    "subscriptions.tasks.roll_out",
    "subscriptions.tasks.preview_impacts",
    "credits.tasks.sweep",
    "credits.tasks.sum_up_chapters",
    "credits.tasks.carry_out_bulk_changes",
    "workspace.tasks.tidy_up",
]
STIPEND_WORKERS = env.int("STIPEND_WORKERS", default=2)
STIPEND_RATE_LIMIT = env.str("STIPEND_RATE_LIMIT", default="")
STIPEND_TRUSTED_PROXIES = safety.proxy_networks(env.list("STIPEND_TRUSTED_PROXIES", default=[]))

safety.check_label_colour(STIPEND_WORKSPACE_COLOUR)
safety.check_at_least("STIPEND_SWEEP_SECONDS", STIPEND_SWEEP_SECONDS, 0.1)
safety.check_at_least("STIPEND_WORKERS", STIPEND_WORKERS, 1)
safety.check_rate_limit(STIPEND_RATE_LIMIT)

# Applications

INSTALLED_APPS = [
    # Unfold replaces templates of the admin, so it stands before it.
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "csp",
    "django_filters",
    "django_q",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "workspace",
    "catalog",
    "subscriptions",
    "credits",
]

MIDDLEWARE = [
    # Before all that looks at the address or the scheme.
    "config.proxies.TrustedProxyMiddleware",
    "workspace.tracing.TraceMiddleware",
    # Those who watch over a process know neither its name nor a key, and speak plain HTTP.
    "workspace.api.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # What follows is for pages only.
    "workspace.api.middleware.ApiMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "workspace.admin.sign_ins.DeniedAccessMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

database = env.database(database_url)
safety.check_engine(database.get("ENGINE", ""))
if database["ENGINE"] == "django.db.backends.sqlite3":
    options = {
        # A transaction takes the write lock when it begins, as the row locks do elsewhere.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL;"
            "PRAGMA synchronous=FULL;"
            # REPLACE would walk past the triggers that keep the ledger append-only.
            "PRAGMA recursive_triggers=ON;"
        ),
    }
else:
    database["ENGINE"] = "config.postgresql"  # Django's, with a cheaper health check
    database["CONN_MAX_AGE"] = 60  # a new connection for every task costs ten tasks
    database["CONN_HEALTH_CHECKS"] = True
    statement_timeout = env.int("STIPEND_STATEMENT_TIMEOUT_SECONDS", default=30)
    lock_timeout = env.int("STIPEND_LOCK_TIMEOUT_SECONDS", default=10)
    options = {
        # Never "pool": forked workers would share its sockets and mix up their answers.
        "server_side_binding": True,
        "prepare_threshold": 2,  # planning costs half of the database's part of a small statement
        "connect_timeout": 5,
        "application_name": "stipend",
        "options": (
            f"-c statement_timeout={statement_timeout}s -c lock_timeout={lock_timeout}s"
            " -c idle_in_transaction_session_timeout=60s"
        ),
    }
database["OPTIONS"] = options | database.get("OPTIONS", {})
DATABASES = {"default": database}

cache = env.cache("CACHE_URL", default="locmemcache://")
if cache["BACKEND"].endswith("RedisCache"):
    # Requests are counted there, and go on uncounted rather than wait for it.
    patience = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
    cache["OPTIONS"] = patience | cache.get("OPTIONS", {})
CACHES = {"default": cache}

# Jobs: the database is the queue. `workspace.worker` says why the scheduler is off.

Q_CLUSTER = {
    "name": "stipend",
    "label": "Operations",
    "orm": "default",
    "workers": STIPEND_WORKERS,
    "queue_limit": STIPEND_WORKERS,
    "bulk": 1,
    # The clock of a retry starts when a task is pulled: retry >= timeout x (1 + 2).
    "timeout": 60,
    "retry": 300,
    "max_attempts": 5,
    "save_limit": 50,
    "catch_up": False,
    "scheduler": False,
}

# People

AUTH_USER_MODEL = "workspace.User"
AUTHENTICATION_BACKENDS = ["workspace.roles.RoleBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# Cookies and headers

SESSION_COOKIE_AGE = 12 * 60 * 60  # from sign-in: nothing prolongs it
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

if in_production:
    SESSION_COOKIE_NAME = "__Host-session"
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_NAME = "__Host-csrf"
    CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    # Safe, because TrustedProxyMiddleware drops the header when no proxy of ours sent it.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],  # Alpine, of Unfold, evaluates its attributes
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # X8

# Language, time, files

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = ["config.formats"]

STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))
if not in_production:
    STATIC_ROOT = ""  # development serves the files of the applications: nothing to collect
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if in_production
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        ),
    },
}
WHITENOISE_USE_FINDERS = not in_production

# API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["workspace.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["workspace.api.authentication.KeyScope"],
    "DEFAULT_PARSER_CLASSES": ["workspace.api.json.DecimalJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["workspace.api.json.DecimalJSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "workspace.api.schema.Description",
    "EXCEPTION_HANDLER": "workspace.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": False,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["workspace.api.json.DecimalJSONRenderer"],
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Stipend API",
    "DESCRIPTION": "Catalog, subscriptions, and the one question: may this customer go on?",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/(api/)?v1(-beta)?",
    "CAMELIZE_NAMES": True,
    "POSTPROCESSING_HOOKS": ["workspace.api.schema.describe_health"],
    # From our own static files: the docs page asks no other host.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Log

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"trace_id": {"()": "workspace.tracing.TraceIdFilter"}},
    "formatters": {
        "json": {"()": "config.log_lines.JsonLines"},
        "plain": {"format": "{levelname} {name} [{trace_id}]: {message}", "style": "{"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["trace_id"],
            "formatter": "json" if in_production else "plain",
        },
    },
    "root": {
        "handlers": ["console"],
        "level": env.str("STIPEND_LOG_LEVEL", default="INFO").upper(),
    },
    "loggers": {
        # These two bring handlers of their own, which would write every line twice.
        "django": {"handlers": [], "propagate": True},
        # It warns of every HEAD request, whose body Django leaves to the server to drop.
        "gunicorn.http.wsgi": {"level": "ERROR"},
        # Its four lines for every task say nothing that the table of results does not.
        "django-q": {"handlers": [], "propagate": True, "level": "WARNING"},
    },
}
