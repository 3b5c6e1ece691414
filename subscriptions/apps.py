"""Who bought what, for which period."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """The app that owns customers, their resources and subscriptions."""

    name = "subscriptions"
    verbose_name = "Customers"

    def ready(self) -> None:
        """Declare the database's own guards, and listen to the catalog."""
        from catalog import impact, signals
        from subscriptions import guards, receivers
        from workspace import triggers

        triggers.register(*guards.TRIGGERS)
        signals.package_published.connect(
            receivers.follow_publication, dispatch_uid="subscriptions.follow_publication"
        )
        signals.product_changed.connect(
            receivers.keep_multiplicity, dispatch_uid="subscriptions.keep_multiplicity"
        )
        impact.register(receivers.impact_of)
