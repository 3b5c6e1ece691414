"""What subscriptions give, and what is left of it."""

from django.apps import AppConfig

MODELS = {
    "credit_grants": "Credit grants",
    "credit_ledger": "Credit ledger",
    "usage": "Usage",
}
"""What of it can be exported."""


class CreditsConfig(AppConfig):
    """The app that owns pools, grants, the ledger and consumption."""

    name = "credits"
    verbose_name = "Credits"

    def ready(self) -> None:
        """Declare guards, functions and what can be exported; answer what subscriptions say."""
        from credits import at_once, guards, receivers  # noqa: F401
        from workspace import data_export

        data_export.offer(data_export.Group("credits", self.verbose_name, MODELS))
