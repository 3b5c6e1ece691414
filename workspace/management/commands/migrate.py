"""Django's `migrate`, which brings triggers and functions along."""

from typing import Any

from django.core.management.commands import migrate


class Command(migrate.Command):
    def check(self, *args: Any, **kwargs: Any) -> None:
        """Leave the database itself unchecked: what is missing there, this command brings.

        Otherwise an update that declares a new trigger could not be installed.
        """
        super().check(*args, **{**kwargs, "databases": None})
