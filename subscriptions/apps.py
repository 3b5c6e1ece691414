"""Who bought what, for which period."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """The app that owns customers, their resources and subscriptions."""

    name = "subscriptions"
    verbose_name = "Customers"

    def ready(self) -> None:
        """Declare the database's own guard against two subscriptions at one time."""
        from subscriptions import guards  # noqa: F401
