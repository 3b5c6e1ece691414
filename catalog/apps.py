"""What is sold: credit types, features, products, plans and add-ons."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """The app that owns everything a product manager describes and publishes."""

    name = "catalog"
    verbose_name = "Product catalog"

    def ready(self) -> None:
        """Declare the database's own guards of published versions."""
        from catalog import guards
        from workspace import triggers

        triggers.register(*guards.TRIGGERS)
