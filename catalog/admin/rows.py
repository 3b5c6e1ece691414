"""Plans and add-ons as lines of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog import inheritance, prices, wording
from catalog.models import (
    Addon,
    BillingPeriod,
    Charge,
    Package,
    PackageKind,
    PackageVersion,
    Plan,
    PricingType,
)
from workspace.admin.base import Badge
from workspace.admin.pages import model_url


@dataclass(frozen=True)
class PackageRow:
    """A plan or add-on in a table, in finished values."""

    kind: str
    name: str
    public_id: str
    url: str
    pricing: str
    price: str
    credits: tuple[str, ...]
    version: str
    badges: tuple[Badge, ...]


@dataclass(frozen=True)
class PackageLink:
    """A plan or add-on that another page mentions."""

    name: str
    public_id: str
    kind: str
    product: str
    version: str
    url: str
    is_draft: bool


def package_links(packages: Sequence[Package]) -> list[PackageLink]:
    """Packages as other pages mention them. They come with `live`, `draft` and `product`."""
    return [
        PackageLink(
            name=package.name,
            public_id=package.public_id,
            kind=package.get_kind_display(),
            product=package.product.name,
            version=version_of(package),
            url=url_of(package),
            is_draft=package.live_id is None,
        )
        for package in packages
    ]


def url_of(package: Package, name: str = "change", *args: int) -> str:
    """The address of a page of a plan or add-on."""
    return model_url(model_of(package), name, package.pk, *args)


def model_of(package: Package) -> type[Plan] | type[Addon]:
    """Plan or Addon: as what the package has its screens."""
    return Plan if package.kind == PackageKind.PLAN else Addon


def badges_of(package: Package) -> list[Badge]:
    """Its status, and whether a draft waits to be published."""
    if package.archived_at is not None:
        return [Badge("Archived")]
    if package.live_id is None:
        return [Badge("Draft", "info")]
    badges = [Badge("Published", "success")]
    if package.draft_id is not None:
        badges.append(Badge("Unpublished changes", "warning"))
    return badges


def version_of(package: Package) -> str:
    """The number of the live version, such as "v3"; a dash before there is one."""
    return f"v{package.live.number}" if package.live is not None else "–"


def package_rows(packages: Sequence[Package], period: BillingPeriod) -> list[PackageRow]:
    """Rows in the order given, with prices of `period`; a constant number of queries.

    Packages come with `live` and `draft` loaded. Shown is what is live, or else the draft.
    """
    shown = {package.pk: package.live or package.current for package in packages}
    ids = [version.pk for version in shown.values()]
    charges: dict[int, list[Charge]] = {}
    for charge in Charge.objects.filter(version_id__in=ids):
        charges.setdefault(charge.version_id, []).append(charge)
    included = inheritance.credit_entitlements_of(ids)
    return [
        PackageRow(
            kind=package.kind,
            name=shown[package.pk].name,
            public_id=package.public_id,
            url=url_of(package),
            pricing=shown[package.pk].get_pricing_type_display(),
            price=_price(shown[package.pk], charges.get(shown[package.pk].pk, []), period),
            credits=tuple(
                f"{wording.credit_value(entitlement)} ({entitlement.credit_type.name})"
                for entitlement in included[shown[package.pk].pk]
            ),
            version=version_of(package),
            badges=tuple(badges_of(package)),
        )
        for package in packages
    ]


def _price(version: PackageVersion, charges: Sequence[Charge], period: BillingPeriod) -> str:
    if version.pricing_type == PricingType.FREE:
        return "Free"
    if version.pricing_type == PricingType.CUSTOM:
        return "Custom"
    base = prices.base_prices(charges).get(period)
    return wording.price(base) if base is not None else "–"
