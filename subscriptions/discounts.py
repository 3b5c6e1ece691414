"""A subscription gets a coupon, in place of the one it has."""

from dataclasses import dataclass
from datetime import datetime

from catalog.models import Coupon
from subscriptions import periods
from subscriptions.models import Subscription, SubscriptionCoupon
from workspace.errors import BadInput


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
    coupon = Coupon.objects.filter(public_id=discount.coupon_id).first()
    if coupon is None or coupon.archived_at is not None:
        noun = "coupon" if coupon is None else "active coupon"
        raise InvalidCoupon(f"There is no {noun} {discount.coupon_id}.", field="appliedCoupon")
    rows = SubscriptionCoupon.objects.filter(subscription=locked_subscription, removed_at=None)
    current = rows.select_related("coupon").first()
    starts_at = discount.starts_at or max(now, locked_subscription.started_at)
    if current is not None:
        lasts = current.ends_at is None or current.ends_at > now
        is_same = discount.starts_at is None or discount.starts_at == current.starts_at
        if current.coupon_id == coupon.pk and lasts and is_same:
            return {}
        current.removed_at = now
        current.save(update_fields=["removed_at"])
    months = coupon.duration_in_months
    SubscriptionCoupon.objects.create(
        subscription=locked_subscription,
        coupon=coupon,
        starts_at=starts_at,
        ends_at=None if months is None else periods.boundary(starts_at, months),
        created_at=now,
    )
    before = current.coupon.public_id if current else None
    return {"coupon": [before, coupon.public_id]}
