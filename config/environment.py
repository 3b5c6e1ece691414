"""Reads the environment, which is the only place settings come from.

`NAME_FILE` names a file that holds the value of `NAME`, for secrets that are mounted as files.
"""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment(environ.FileAwareEnv):
    """The environment, refusing in a sentence what cannot be read as what it should be."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """Read `var` as the package does, without spaces or line breaks around it.

        Raises:
            ImproperlyConfigured: The value is of the wrong kind, or its file cannot be read.
        """
        try:
            value = super().get_value(var, *args, **kwargs)
        except OSError as error:
            raise unreadable_file(var, error) from error
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} is of the wrong kind: {error}.") from error
        return value.strip() if isinstance(value, str) else value

    def secret(self, var: str) -> str:
        """Read `var` to the letter, or nothing.

        The package would take a secret that begins with `$` for the name of another variable.
        """
        try:
            return str(self.ENVIRON.get(var, "")).strip()
        except OSError as error:
            raise unreadable_file(var, error) from error

    def database(self, url: str) -> dict[str, Any]:
        """Take a database URL apart; the refusal does not repeat it, for it holds a password."""
        try:
            return dict(self.db_url_config(url))
        except ValueError:
            raise ImproperlyConfigured(
                "DATABASE_URL cannot be read; a password with special characters needs escapes."
            ) from None


def unreadable_file(var: str, error: OSError) -> ImproperlyConfigured:
    """Say which file is missing, without its path: logs are read by more people than hosts."""
    return ImproperlyConfigured(f"The file that {var}_FILE names cannot be read: {error.strerror}.")
