"""The screens of the catalog: one module per family."""

from catalog.admin import credit_types, features, packages, products

__all__ = ["credit_types", "features", "packages", "products"]
