"""Coupons are created and described here; `archiving` retires them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypedDict, Unpack

from django.core.exceptions import ValidationError

from catalog.amounts import validate_amount
from catalog.checking import InvalidField, changed_fields, store_new
from catalog.models import Coupon, CouponType
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import UnknownObject
from workspace.json import plain


class UnknownCoupon(UnknownObject):
    """There is no such coupon."""


class CouponFields(TypedDict, total=False):
    """What can be changed about a coupon; what is absent stays as it is."""

    name: str
    description: str
    metadata: dict[str, str]


def lock(coupon_id: int) -> Coupon:
    """The coupon, locked until the end of the transaction.

    Raises:
        UnknownCoupon: there is none.
    """
    row = Coupon.objects.select_for_update().filter(pk=coupon_id).first()
    if row is None:
        raise UnknownCoupon("There is no such coupon.")
    return row


@act
def create(
    *,
    public_id: str,
    percent_off: Decimal | None = None,
    amounts_off: Mapping[str, Decimal] | None = None,
    duration_in_months: int | None = None,
    actor: Actor,
    now: datetime,
    **fields: Unpack[CouponFields],
) -> Coupon:
    """Add a discount: `percent_off`, or `amounts_off` by currency; without months for good.

    What it takes off never changes: whoever has it was promised that.

    Raises:
        InvalidField: a text is missing or too long, or there is not exactly one kind of
            discount, or it is none.
        IdTaken: another coupon has this ID.
    """
    if (percent_off is None) == (not amounts_off):
        raise InvalidField("Give either a percentage or amounts.", field="percent_off")
    for amount in (amounts_off or {}).values():
        try:
            validate_amount(amount)
        except ValidationError as error:
            raise InvalidField(error.messages[0], field="amounts_off") from error
    coupon = store_new(
        Coupon(
            public_id=public_id,
            type=CouponType.FIXED if percent_off is None else CouponType.PERCENTAGE,
            percent_off=percent_off,
            amounts_off={name: plain(amount) for name, amount in (amounts_off or {}).items()},
            duration_in_months=duration_in_months,
            created_at=now,
            updated_at=now,
            **fields,
        ),
        taken=f"Another coupon has the ID {public_id} already.",
    )
    activity.record(
        "coupon.created",
        subject=coupon,
        actor=actor,
        now=now,
        payload={
            "name": coupon.name,
            "percent_off": None if percent_off is None else plain(percent_off),
            "amounts_off": coupon.amounts_off,
            "duration_in_months": duration_in_months,
        },
    )
    return coupon


@act
def update(
    *, coupon_id: int, actor: Actor, now: datetime, **changes: Unpack[CouponFields]
) -> Coupon:
    """Change how a coupon is called and described.

    Raises:
        UnknownCoupon: there is none.
        InvalidField: as in `create`.
    """
    coupon = lock(coupon_id)
    changed = changed_fields(coupon, changes)
    if changed:
        coupon.updated_at = now
        coupon.save(update_fields=[*changed, "updated_at"])
        activity.record("coupon.updated", subject=coupon, actor=actor, now=now, payload=changed)
    return coupon
