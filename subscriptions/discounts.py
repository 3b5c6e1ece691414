"""A subscription gets a coupon, in place of the one it has; what that takes off, a preview says."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from catalog.models import Coupon
from subscriptions import periods
from subscriptions.models import Subscription, SubscriptionCoupon
from workspace.errors import BadInput

CENT = Decimal("0.01")


class InvalidCoupon(BadInput):
    """There is no such coupon, or nobody new gets it."""


@dataclass(frozen=True, slots=True)
class Discount:
    """A coupon by its id, and from when on; without, from the start or now."""

    coupon_id: str
    starts_at: datetime | None = None


def apply(
    locked_subscription: Subscription, discount: Discount, now: datetime
) -> dict[str, list[str | None]]:
    """Let a subscription have a coupon; what changed, for the record.

    The same coupon again changes nothing while it lasts.

    Raises:
        InvalidCoupon: there is none of that id, or it is archived.
    """
    wanted = _wanted(locked_subscription, discount, now)
    rows = SubscriptionCoupon.objects.filter(subscription=locked_subscription, removed_at=None)
    current = rows.select_related("coupon").first()
    if current is not None:
        lasts = current.ends_at is None or current.ends_at > now
        is_same = discount.starts_at is None or discount.starts_at == current.starts_at
        if current.coupon_id == wanted.coupon_id and lasts and is_same:
            return {}
        current.removed_at = now
        current.save(update_fields=["removed_at"])
    wanted.save(force_insert=True)
    before = current.coupon.public_id if current else None
    return {"coupon": [before, wanted.coupon.public_id]}


def previewed(
    subscription: Subscription, discount: Discount | None, *, at: datetime, now: datetime
) -> Coupon | None:
    """The coupon that would count at an instant: the one asked for, else the one there is.

    Raises:
        InvalidCoupon: as in `apply`.
    """
    row: SubscriptionCoupon | None = None
    if discount is not None:
        row = _wanted(subscription, discount, now)
    elif subscription.pk is not None:
        rows = SubscriptionCoupon.objects.filter(subscription=subscription, removed_at=None)
        row = rows.select_related("coupon").first()
    if row is None or row.starts_at > at or (row.ends_at is not None and row.ends_at <= at):
        return None
    return row.coupon


def taken_off(coupon: Coupon, total: Decimal, currency: str) -> Decimal:
    """What a coupon takes off an amount of money; never more than all of it.

    A share is rounded half-up to hundredths. In a currency that it does not name, it takes
    off nothing.
    """
    if coupon.percent_off is None:
        return min(coupon.amounts.get(currency, Decimal(0)), total)
    return (total * coupon.percent_off / 100).quantize(CENT, rounding=ROUND_HALF_UP)


def _wanted(subscription: Subscription, discount: Discount, now: datetime) -> SubscriptionCoupon:
    """The unsaved row of a coupon that is asked for."""
    coupon = Coupon.objects.filter(public_id=discount.coupon_id).first()
    if coupon is None or coupon.archived_at is not None:
        noun = "coupon" if coupon is None else "active coupon"
        raise InvalidCoupon(f"There is no {noun} {discount.coupon_id}.", field="appliedCoupon")
    starts_at = discount.starts_at or max(now, subscription.started_at)
    months = coupon.duration_in_months
    return SubscriptionCoupon(
        subscription=subscription,
        coupon=coupon,
        starts_at=starts_at,
        ends_at=None if months is None else periods.boundary(starts_at, months),
        created_at=now,
    )
