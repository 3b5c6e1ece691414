"""The screens of the catalog: one module per family."""

from catalog.admin import coupons, credit_types, features, home, packages, palette, products

__all__ = ["coupons", "credit_types", "features", "home", "packages", "palette", "products"]
