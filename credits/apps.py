"""What subscriptions give, and what is left of it."""

from django.apps import AppConfig


class CreditsConfig(AppConfig):
    """The app that owns pools, grants, the ledger and consumption."""

    name = "credits"
    verbose_name = "Credits"

    def ready(self) -> None:
        """Declare the database's guards, and answer what subscriptions say."""
        from credits import guards, receivers  # noqa: F401
