"""Addresses of the catalog, below `/api/v1/`."""

from django.urls import URLPattern, path

from catalog.api import coupons, credit_types, entitlements, features, packages, products
from catalog.models import PackageKind


def package_urls(word: str, kind: PackageKind) -> list[URLPattern]:
    """The addresses of plans, or of add-ons: the same operations twice."""
    one = f"{word}/<str:package_id>"
    return [
        path(word, packages.Packages.as_view(kind=kind)),
        path(one, packages.OnePackage.as_view(kind=kind)),
        path(f"{one}/archive", packages.ArchivePackage.as_view(kind=kind)),
        path(f"{one}/charges", packages.PackageCharges.as_view(kind=kind)),
        path(f"{one}/draft", packages.PackageDraft.as_view(kind=kind)),
        path(f"{one}/publish", packages.PublishPackage.as_view(kind=kind)),
        path(f"{one}/entitlements", entitlements.Entitlements.as_view(kind=kind)),
        path(f"{one}/entitlements/<str:target_id>", entitlements.OneEntitlement.as_view(kind=kind)),
    ]


credit_type = "credits/custom-currencies/<str:currency_id>"

urlpatterns = [
    path("coupons", coupons.Coupons.as_view()),
    path("coupons/<str:coupon_id>", coupons.OneCoupon.as_view()),
    path("coupons/<str:coupon_id>/archive", coupons.ArchiveCoupon.as_view()),
    path("credits/custom-currencies", credit_types.CreditTypes.as_view()),
    path(credit_type, credit_types.OneCreditType.as_view()),
    path(f"{credit_type}/archive", credit_types.ArchiveCreditType.as_view()),
    path(f"{credit_type}/associated-entities", credit_types.AssociatedEntities.as_view()),
    path(f"{credit_type}/unarchive", credit_types.UnarchiveCreditType.as_view()),
    path("features", features.Features.as_view()),
    path("features/<str:feature_id>", features.OneFeature.as_view()),
    path("features/<str:feature_id>/archive", features.ArchiveFeature.as_view()),
    path("features/<str:feature_id>/unarchive", features.UnarchiveFeature.as_view()),
    path("products", products.Products.as_view()),
    path("products/<str:product_id>", products.OneProduct.as_view()),
    path("products/<str:product_id>/archive", products.ArchiveProduct.as_view()),
    path("products/<str:product_id>/duplicate", products.DuplicateProduct.as_view()),
    path("products/<str:product_id>/unarchive", products.UnarchiveProduct.as_view()),
    *package_urls("plans", PackageKind.PLAN),
    path(
        "plans/<str:package_id>/overage-charges",
        packages.PackageCharges.as_view(kind=PackageKind.PLAN, is_overage=True),
    ),
    *package_urls("addons", PackageKind.ADDON),
]
