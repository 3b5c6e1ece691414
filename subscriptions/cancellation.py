"""A subscription ends: now, with its period, or on a date; or is kept after all (R4, R18, R32)."""

from datetime import datetime
from enum import StrEnum

from catalog.models import Package, TrialEnd
from catalog.models.products import CancellationTime, EndSetup
from subscriptions import endings, finding, updates
from subscriptions.endings import InvalidEndDate
from subscriptions.models import CancelReason, EndReason, Status, Subscription
from workspace.actors import Actor
from workspace.acts import act


class CancellationAction(StrEnum):
    """What a cancelation leads to, in the words of the contract."""

    DEFAULT = "DEFAULT"  # as the product says (R4)
    REVOKE_ENTITLEMENTS = "REVOKE_ENTITLEMENTS"


@act
def cancel(
    *,
    subscription_id: str,
    time: str | None = None,
    ends_at: datetime | None = None,
    action: str = CancellationAction.DEFAULT,
    actor: Actor,
    now: datetime,
) -> Subscription:
    """End a subscription: at once, with its billing period, or at `ends_at`.

    `time` is a `CancellationTime`; by default the one of the product (R4). What has not
    started ends at once. An earlier cancelation is replaced; repeating one changes nothing.
    Where the product lets ended subscriptions go over to a plan, it does that instead, unless
    `action` says that all is revoked.

    Raises:
        UnknownSubscription: there is none.
        SubscriptionEnded: it expired.
        InvalidEndDate: a date is needed and missing, or lies in the past.
    """
    subscription = finding.lock(subscription_id, now)
    if subscription.status_at(now) == Status.CANCELED:
        return subscription
    finding.refuse_ended(subscription, now)
    instant = cancels_at(subscription, time, ends_at, now)
    plan = (
        None
        if action == CancellationAction.REVOKE_ENTITLEMENTS
        else falls_back_on(subscription, now)
    )
    if plan is not None:
        return updates.fall_back(subscription, plan, at=instant, actor=actor, now=now)
    if (instant, EndReason.CANCELED) != (subscription.ends_at, subscription.end_reason):
        reason = CancelReason.IMMEDIATE if instant == now else CancelReason.SCHEDULED
        endings.set_end(subscription, instant, reason, actor=actor, now=now)
    return subscription


def falls_back_on(subscription: Subscription, now: datetime) -> Package | None:
    """The plan that a canceled subscription goes over to by the product's setting (R4).

    None where it really ends: the plan is archived, or is the one it is on; it has not
    started; or its trial ends it anyway.
    """
    product = subscription.product
    in_trial = subscription.trial_ends_at is not None and now < subscription.trial_ends_at
    ends_with_trial = in_trial and subscription.trial_end == TrialEnd.CANCEL_SUBSCRIPTION
    if subscription.started_at > now or ends_with_trial:
        return None
    if product.end_setup != EndSetup.DOWNGRADE_TO_FREE or product.downgrade_plan_id is None:
        return None
    plans = Package.objects.plans().on_sale().exclude(pk=subscription.plan_id)
    return plans.filter(pk=product.downgrade_plan_id).first()


def cancels_at(
    subscription: Subscription, time: str | None, ends_at: datetime | None, now: datetime
) -> datetime:
    """When a cancelation takes effect that is asked for at `now`; see `cancel`.

    Raises:
        InvalidEndDate: a date is needed and missing, or lies in the past.
    """
    match CancellationTime(time or subscription.product.cancellation_time):
        case CancellationTime.SPECIFIC_DATE:
            return _future(ends_at, now)
        case CancellationTime.END_OF_BILLING_PERIOD if subscription.started_at <= now:
            return finding.billing_period_at(subscription, now)[1]
        case _:
            return now


@act
def expire(*, subscription_id: str, actor: Actor, now: datetime) -> Subscription:
    """End a subscription at once because its time is over, not because somebody wished so.

    Raises:
        UnknownSubscription: there is none.
        SubscriptionEnded: it is over already.
    """
    subscription = finding.lock(subscription_id, now)
    finding.refuse_ended(subscription, now)
    endings.set_end(subscription, now, CancelReason.EXPIRED, actor=actor, now=now)
    return subscription


@act
def keep(*, subscription_id: str, actor: Actor, now: datetime) -> Subscription:
    """Take a cancelation back before it takes effect. Without one, nothing changes.

    Raises:
        UnknownSubscription: there is none.
        SubscriptionEnded: it took effect.
        SubscriptionExists: another one starts where this one would go on (R4).
    """
    subscription = finding.lock(subscription_id, now)
    finding.refuse_ended(subscription, now)
    if subscription.end_reason == EndReason.CANCELED:
        endings.take_back(subscription, actor=actor, now=now)
    return subscription


def _future(ends_at: datetime | None, now: datetime) -> datetime:
    if ends_at is None:
        raise InvalidEndDate("Say on which date it ends.", field="end_date")
    if ends_at <= now:
        raise InvalidEndDate("The date lies in the past.", field="end_date")
    return ends_at
