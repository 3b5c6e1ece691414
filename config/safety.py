"""The settings with which Stipend refuses to start (X21).

Every refusal is one sentence that says what to change.
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured

MODES = ("production", "development")
ENGINES = ("django.db.backends.postgresql", "django.db.backends.sqlite3")
LABEL_COLOURS = ("info", "success", "warning", "danger")
SHORTEST_SECRET = 50
FEWEST_DIFFERENT_CHARACTERS = 5  # as `check --deploy` measures it


def check_mode(mode: str) -> None:
    """Refuse a mode that does not exist."""
    if mode not in MODES:
        raise ImproperlyConfigured(
            f"STIPEND_MODE is {mode!r}; it must be one of {', '.join(MODES)}."
        )


def check_production(
    *, debug: bool, secret_keys: list[str], database_url: str, allowed_hosts: list[str]
) -> None:
    """Refuse what no production may run with.

    `secret_keys` holds the current key first, then those it replaced.
    """
    if debug:
        raise ImproperlyConfigured("DEBUG shows code and settings to visitors; unset it.")
    for key in secret_keys:
        check_secret_key(key)
    if not database_url:
        raise ImproperlyConfigured(
            "DATABASE_URL is missing; set it, for example to postgres://user:password@host/name."
        )
    if not allowed_hosts:
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS is missing; set it to the host names of this installation."
        )
    if "*" in allowed_hosts:
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS contains *, which lets every name in; list the host names instead."
        )


def check_engine(engine: str) -> None:
    """Refuse a database on which nobody tested the locks and triggers we rely on."""
    if engine not in ENGINES:
        raise ImproperlyConfigured(
            "DATABASE_URL must begin with postgres:// or sqlite:///; others are not supported."
        )


def check_secret_key(key: str) -> None:
    """Refuse a key that can be guessed."""
    if not key:
        raise ImproperlyConfigured("SECRET_KEY is missing; set it, or SECRET_KEY_FILE.")
    if len(key) < SHORTEST_SECRET or len(set(key)) < FEWEST_DIFFERENT_CHARACTERS:
        raise ImproperlyConfigured(
            "SECRET_KEY or one of SECRET_KEY_FALLBACKS is too weak;"
            f" each needs at least {SHORTEST_SECRET} random characters."
        )


def check_label_colour(colour: str) -> None:
    """Refuse a colour that the header of the admin does not have."""
    if colour not in LABEL_COLOURS:
        raise ImproperlyConfigured(
            f"STIPEND_WORKSPACE_COLOUR is {colour!r}; it must be one of {', '.join(LABEL_COLOURS)}."
        )


def check_rate_limit(limit: str) -> None:
    """Refuse a limit that is not `number/period`; empty means no limit."""
    if limit and not re.fullmatch(r"[1-9][0-9]*/(second|minute|hour|day)", limit):
        raise ImproperlyConfigured(
            f"STIPEND_RATE_LIMIT is {limit!r}; it must look like 6000/minute, or be empty."
        )


def check_at_least(name: str, value: float, smallest: float) -> None:
    """Refuse a number that would stand still or turn back."""
    if value < smallest:
        raise ImproperlyConfigured(f"{name} is {value}; it must be {smallest} or more.")


def proxy_networks(values: list[str]) -> list[IPv4Network | IPv6Network]:
    """Read addresses and networks of proxies, such as `10.0.0.0/8`."""
    try:
        return [ip_network(value) for value in values]
    except ValueError as error:
        raise ImproperlyConfigured(f"STIPEND_TRUSTED_PROXIES is wrong: {error}.") from error
