"""Who bought what, for which period."""

from django.apps import AppConfig

MODELS = {
    "customers": "Customers",
    "subscriptions": "Subscriptions",
    "promotional_entitlements": "Promotional entitlements",
}
"""What of it can be exported."""


class SubscriptionsConfig(AppConfig):
    """The app that owns customers, their resources and subscriptions."""

    name = "subscriptions"
    verbose_name = "Customers"

    def ready(self) -> None:
        """Declare guards of the database and what can be exported; listen to the catalog."""
        from catalog import impact, signals
        from subscriptions import guards, receivers
        from workspace import data_export, triggers

        triggers.register(*guards.TRIGGERS)
        data_export.offer(data_export.Group("customers", self.verbose_name, MODELS))
        signals.package_published.connect(
            receivers.follow_publication, dispatch_uid="subscriptions.follow_publication"
        )
        signals.product_changed.connect(
            receivers.keep_multiplicity, dispatch_uid="subscriptions.keep_multiplicity"
        )
        impact.register(receivers.impact_of)
