"""Products are created and changed here (R4); `archiving` retires them."""

from datetime import datetime
from typing import TypedDict, Unpack

from catalog.checking import InvalidField, changed_fields, store_new
from catalog.models import Package, PackageKind, Product
from catalog.models.products import EndSetup, StartSetup
from catalog.signals import product_changed
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import UnknownObject


class UnknownProduct(UnknownObject):
    """There is no such product."""


class ProductFields(TypedDict, total=False):
    """What can be changed about a product; what is absent stays as it is."""

    name: str
    description: str
    metadata: dict[str, str]
    multiple_subscriptions: bool
    start_setup: str
    start_plan: Package | None
    end_setup: str
    downgrade_plan: Package | None
    downgrade_time: str
    cancellation_time: str
    prorate_at_period_end: bool | None
    usage_reset: str


def lock(product_id: int) -> Product:
    """The product, locked until the end of the transaction.

    Raises:
        UnknownProduct: there is none.
    """
    row = Product.objects.select_for_update().filter(pk=product_id).first()
    if row is None:
        raise UnknownProduct("There is no such product.")
    return row


@act
def create(
    *, public_id: str, actor: Actor, now: datetime, **fields: Unpack[ProductFields]
) -> Product:
    """Add a product line (R4).

    Raises:
        InvalidField: a text is missing or too long.
        IdTaken: another product has this ID.
    """
    product = store_new(
        Product(public_id=public_id, created_at=now, updated_at=now, **fields),
        taken=f"Another product has the ID {public_id} already.",
    )
    activity.record(
        "product.created", subject=product, actor=actor, now=now, payload={"name": product.name}
    )
    return product


@act
def update(
    *, product_id: int, actor: Actor, now: datetime, **changes: Unpack[ProductFields]
) -> Product:
    """Change a product or the journey of its customers (R4). Not retroactive.

    Raises:
        UnknownProduct: there is none.
        InvalidField: the journey names no published plan of this product.
        Conflict: from an app that builds on products, such as "it has subscriptions".
    """
    product = lock(product_id)
    changed = changed_fields(product, changes)
    _check_journey(product)
    if changed:
        product.updated_at = now
        product.save(update_fields=[*changed, "updated_at"])
        product_changed.send(
            sender=Product, product=product, changed=frozenset(changed), actor=actor, now=now
        )
        activity.record(
            "product.updated",
            subject=product,
            actor=actor,
            now=now,
            payload={
                name: [_readable(before), _readable(after)]
                for name, (before, after) in changed.items()
            },
        )
    return product


def _check_journey(product: Product) -> None:
    """A journey starts and ends on published plans of the same product (R4)."""
    for field in ("start_plan", "downgrade_plan"):
        plan: Package | None = getattr(product, field)
        if plan is None:
            continue
        if plan.product_id != product.pk or plan.kind != PackageKind.PLAN:
            raise InvalidField("Choose a plan of this product.", field=field)
        if plan.live_id is None or plan.archived_at is not None:
            raise InvalidField("Choose a published plan.", field=field)
    if product.start_setup != StartSetup.PLAN_SELECTION and product.start_plan is None:
        raise InvalidField("Choose the plan to start with.", field="start_plan")
    if product.end_setup == EndSetup.DOWNGRADE_TO_FREE and product.downgrade_plan is None:
        raise InvalidField("Choose the plan to downgrade to.", field="downgrade_plan")


def _readable(value: object) -> object:
    return value.public_id if isinstance(value, Package) else value
