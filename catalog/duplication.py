"""A product is copied whole, as a beginning for another one (R4, R8)."""

from collections.abc import Mapping
from datetime import datetime
from itertools import count

from catalog import drafts, products
from catalog.checking import store_new
from catalog.models import Package, PackageKind, Product
from catalog.models.products import EndSetup, StartSetup
from catalog.packages import ProductArchived
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.ids import LONGEST_ID

LONGEST_NUMBER = 10  # characters that tell two copies of one ID apart


@act
def duplicate(
    *,
    product_id: int,
    public_id: str,
    name: str | None = None,
    description: str | None = None,
    actor: Actor,
    now: datetime,
) -> Product:
    """Add a product with copies of all plans and add-ons that are not archived.

    Copied is what is live, or the draft of what was never published, with entitlements,
    prices and consumption mappings. All copies are drafts (R8) and name each other where the
    originals do; their IDs begin with that of the new product. A step of the customer journey
    that leads to a plan is not taken over, because no plan of the copy is on sale yet, and
    the ids that billing systems know stay with the originals.

    `name` and `description` are those of the original unless given.

    Raises:
        UnknownProduct: there is none.
        ProductArchived: its plans and add-ons are archived with it.
        IdTaken: another product has this ID.
        InvalidField: a text is missing or too long. Nothing is copied.
    """
    original = products.lock(product_id)
    if original.archived_at is not None:
        raise ProductArchived(f"{original.name} is archived.")
    product = store_new(
        _begin(original, public_id, name, description, now),
        taken=f"Another product has the ID {public_id} already.",
    )
    activity.record(
        "product.created",
        subject=product,
        actor=actor,
        now=now,
        payload={"name": product.name, "copied_from": original.public_id},
    )
    packages = Package.objects.active().filter(product=original).order_by("pk")
    list(packages.select_for_update().values_list("pk", flat=True))
    originals = list(packages.select_related("live", "draft"))
    copies = _store_packages(originals, product, now)
    for package in originals:
        _fill(package, copies, actor=actor, now=now)
    return product


def _begin(
    original: Product, public_id: str, name: str | None, description: str | None, now: datetime
) -> Product:
    """The copy of a product alone, with all its settings but the steps that lead to a plan."""
    product = Product.objects.get(pk=original.pk)
    product.pk = None
    product._state.adding = True
    product.public_id = public_id
    product.name = original.name if name is None else name
    product.description = original.description if description is None else description
    product.start_setup, product.start_plan = StartSetup.PLAN_SELECTION, None
    product.end_setup, product.downgrade_plan = EndSetup.CANCEL_SUBSCRIPTION, None
    product.created_at = product.updated_at = now
    return product


def _store_packages(
    originals: list[Package], product: Product, now: datetime
) -> dict[int, Package]:
    """A package without contents for each of `originals`, by the key of the original."""
    taken = {
        kind: set(Package.objects.filter(kind=kind).values_list("public_id", flat=True))
        for kind in PackageKind
    }
    copies = {}
    for original in originals:
        ids = taken[PackageKind(original.kind)]
        public_id = _free_id(f"{product.public_id}-{original.public_id}", ids)
        ids.add(public_id)
        copies[original.pk] = Package.objects.create(
            kind=original.kind,
            product=product,
            public_id=public_id,
            created_at=now,
            updated_at=now,
        )
    return copies


def _fill(original: Package, copies: Mapping[int, Package], *, actor: Actor, now: datetime) -> None:
    """Give the copy of a package its draft, naming copies where the original names originals."""
    version = original.live or original.draft
    assert version is not None, "a package has a live version or a draft"
    package = copies[original.pk]
    draft = drafts.copy_version(version, package=package, now=now)
    draft.base_plan = copies.get(version.base_plan_id or 0)
    draft.billing_id = ""
    draft.save(update_fields=["base_plan", "billing_id"])
    for choice in drafts.COPIED_CHOICES:
        named = getattr(version, choice).values_list("pk", flat=True)
        getattr(draft, choice).set(copies[key] for key in named if key in copies)
    package.draft = draft
    package.save(update_fields=["draft"])
    activity.record(
        "package.created",
        subject=package,
        actor=actor,
        now=now,
        payload={
            "name": draft.name,
            "product": package.product.public_id,
            "copied_from": original.public_id,
        },
    )


def _free_id(wanted: str, taken: set[str]) -> str:
    """`wanted`, shortened and numbered as far as necessary to be an ID that nobody has (R1)."""
    wanted = wanted[:LONGEST_ID]
    if wanted not in taken:
        return wanted
    begin = wanted[: LONGEST_ID - LONGEST_NUMBER]
    return next(found for number in count(2) if (found := f"{begin}-{number}") not in taken)
