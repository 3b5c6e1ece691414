"""Settings of the tests: those of development, with a database and passwords made for speed."""

import os

# A shell prepared for another installation must not decide what the tests test.
os.environ["STIPEND_MODE"] = "development"
os.environ["SECRET_KEY"] = "for tests only, and therefore known to everybody in the world"

from config.settings import *  # noqa: F403
from config.settings import BASE_DIR, DATABASES

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file: connections of several threads and processes share it. One per process, so that
    # two runs in one checkout do not meet.
    DATABASES["default"]["TEST"] = {"NAME": BASE_DIR / "var" / f"test-{os.getpid()}.sqlite3"}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
