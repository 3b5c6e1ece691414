"""What is sold: credit types, features, products, plans and add-ons."""

from django.apps import AppConfig

MODELS = {
    "products": "Products",
    "plans": "Plans",
    "addons": "Add-ons",
    "features": "Features",
    "credit_types": "Credit types",
    "coupons": "Coupons",
}
"""What of it can be exported."""


class CatalogConfig(AppConfig):
    """The app that owns everything a product manager describes and publishes."""

    name = "catalog"
    verbose_name = "Product Catalog"

    def ready(self) -> None:
        """Declare the database's own guards of published versions, and what can be exported."""
        from catalog import guards
        from workspace import data_export, triggers

        triggers.register(*guards.TRIGGERS)
        data_export.offer(data_export.Group("catalog", self.verbose_name, MODELS))
