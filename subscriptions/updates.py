"""A subscription changes: at once, or scheduled for later (R4, R10, R25–R31).

Every verb stores the new state, or what will be, and tells the others why; what becomes of
credits is decided by whoever keeps them.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypedDict, Unpack

from catalog.checking import clean_metadata
from catalog.models import (
    BillingPeriod,
    Package,
    PackageKind,
    PackageVersion,
    PricingType,
    TrialEnd,
)
from catalog.models.products import UsageReset
from catalog.prices import base_prices
from subscriptions import (
    choices,
    discounts,
    endings,
    exclusivity,
    finding,
    news,
    periods,
    scheduled,
    terms,
)
from subscriptions.causes import Cause
from subscriptions.choices import Value
from subscriptions.discounts import Discount
from subscriptions.endings import InvalidEndDate
from subscriptions.models import (
    CancelReason,
    EndReason,
    Status,
    Subscription,
    SubscriptionAddon,
    UpdateKind,
)
from subscriptions.parts import Parts
from subscriptions.previews import Planned, Preview, preview_of
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput, Conflict

BATCH = 200


class OtherProduct(BadInput):
    """A subscription stays with its product."""


class NotInTrial(Conflict):
    """The subscription is in no trial."""


class InvalidTrialEnd(BadInput):
    """A trial that runs can only end later than now."""


class NoPaymentPending(Conflict):
    """The subscription waits for no payment."""


class NoScheduledUpdate(Conflict):
    """Nothing is scheduled that could be taken back."""


class RestartsNow(BadInput):
    """A period that begins now is no update for later."""


class When(StrEnum):
    """When an update takes effect, in the words of the contract."""

    IMMEDIATE = "IMMEDIATE"
    END_OF_BILLING_MONTH = "END_OF_BILLING_MONTH"
    END_OF_BILLING_PERIOD = "END_OF_BILLING_PERIOD"


class Changes(TypedDict, total=False):
    """What is to change; what is absent stays.

    `addons`, pairs of id and quantity, and `entitlements` are whole lists: what is not in
    them goes. `units` are limits of features that replace those of the same features only.
    A new `plan_id` or `billing_period` takes the prices of today; add-ons stay, values only
    where the new plan has room for them (R31). `billing_cycle_anchor` begins a new period
    (R26). `ends_at` cancels on a date, or takes the cancelation back.
    """

    plan_id: str
    billing_period: str | None
    addons: Sequence[tuple[str, int]]
    entitlements: Sequence[Value]
    units: Sequence[Value]
    billing_cycle_anchor: datetime
    trial_ends_at: datetime
    ends_at: datetime | None
    coupon: Discount
    metadata: dict[str, str]


PARTS = frozenset({"plan_id", "billing_period", "addons", "entitlements", "units"})
"""The changes that can be scheduled; all others happen at once."""


@act
def update(
    *,
    subscription_id: str,
    when: str | None = When.IMMEDIATE,
    actor: Actor,
    now: datetime,
    **changes: Unpack[Changes],
) -> Subscription:
    """Change what a subscription includes, and when (R25–R31).

    Plan, billing period, add-ons and values change at once or, with `when`, at the end of the
    running billing month or period. Where `when` is None, the product says it of a downgrade
    (R4). They replace what was scheduled before; where they say what is so already, they only
    take it back.

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
        UnknownPlan, PlanNotOnSale, OtherProduct: it cannot be this plan.
        EndsBefore, RestartsNow: it cannot be changed later.
        NotInTrial, InvalidTrialEnd: of `trial_ends_at`.
        InvalidCoupon: of `coupon`.
        SubscriptionExists: it would run at the same time as another one.
        Whatever `choices` refuses of add-ons, values and billing period.
    """
    return _update(subscription_id, changes, when, actor, now)


def fall_back(
    locked_subscription: Subscription, plan: Package, *, at: datetime, actor: Actor, now: datetime
) -> Subscription:
    """Let a subscription go over to `plan` at an instant instead of ending then (R4).

    Without add-ons, billed as the plan allows; an end that was set is taken back. A repeated
    wish changes nothing.
    """
    if locked_subscription.next_update_at == at:
        update = terms.scheduled_update(locked_subscription)
        if update.plan_version is not None and update.plan_version.package_id == plan.pk:
            return locked_subscription
    if locked_subscription.end_reason == EndReason.CANCELED:
        endings.take_back(locked_subscription, actor=actor, now=now)
    assert plan.live is not None, "what is on sale has a live version"
    priced = base_prices(list(plan.live.charges.all()))
    kept = locked_subscription.billing_period
    period = kept if not priced or kept in priced else next(iter(priced))
    changes: Changes = {"plan_id": plan.public_id, "billing_period": period, "addons": []}
    return _update(locked_subscription.public_id, changes, at, actor, now)


def running_beside(
    *, customer_id: str, plan_id: str, resource_id: str | None, now: datetime
) -> Subscription | None:
    """The subscription that runs where one to this plan is ordered; None if none does.

    Of the same customer, product and resource: the active one, else one in a trial that
    converts, for it would stand in the way from then on. A trial that cancels may run beside.
    """
    found = Subscription.objects.filter(
        customer__public_id=customer_id,
        product__packages__kind=PackageKind.PLAN,
        product__packages__public_id=plan_id,
        resource__public_id=resource_id,
    )
    running = found.select_related("plan")
    converting = running.with_any_status([Status.IN_TRIAL], now)
    return (
        running.with_any_status([Status.ACTIVE], now).first()
        or converting.filter(trial_end=TrialEnd.CONVERT_TO_PAID).first()
    )


@act
def cancel_scheduled(*, subscription_id: str, actor: Actor, now: datetime) -> Subscription:
    """Take a scheduled update back before it takes effect.

    Raises:
        UnknownSubscription: there is none.
        NoScheduledUpdate: nothing is scheduled.
    """
    subscription = finding.lock(subscription_id, now)
    if not scheduled.take_back(subscription, actor=actor, now=now):
        raise NoScheduledUpdate("No update of this subscription is scheduled.")
    news.tell(subscription, Cause.SCHEDULE, actor=actor, now=now)
    return subscription


@act
def write_down(*, subscription_pk: int, now: datetime) -> None:
    """Write down an update that has taken effect; where that was done, nothing changes."""
    finding.lock_row(subscription_pk, now)


def write_down_due(now: datetime) -> int:
    """Write down some updates that have taken effect, each by itself; say how many (R18).

    Late is harmless: until then the terms say the same to whoever asks.
    """
    due = Subscription.objects.due_for_update(now).order_by("next_update_at", "pk")
    found = list(due.values_list("pk", flat=True)[:BATCH])
    for pk in found:
        write_down(subscription_pk=pk, now=now)
    return len(found)


def preview(
    *,
    subscription_id: str,
    when: str | None = When.IMMEDIATE,
    now: datetime,
    **changes: Unpack[Changes],
) -> Preview:
    """The subscription as `update` would leave it, with nothing written.

    Raises:
        As `update`; only the database's last word is not asked for.
    """
    subscription = finding.find(subscription_id)
    finding.refuse_ended(subscription, now)
    before = terms.at(subscription, now)
    draft = _draw_up(subscription, _wanted(subscription.pk, changes), changes, when, now)
    if "billing_cycle_anchor" in changes:
        draft.subscription.billing_cycle_anchor = changes["billing_cycle_anchor"]
    causes = [Cause.ANCHOR] if "billing_cycle_anchor" in changes else []
    return preview_of(
        draft.subscription,
        draft.parts.addons,
        draft.parts.value_rows(),
        Planned(
            cause=_strongest([*draft.causes, *causes]) or Cause.SCHEDULE,
            resets=draft.resets,
            takes_effect_at=draft.at,
            before=before,
            kinds=tuple(draft.kinds),
        ),
    )


def effective_at(subscription: Subscription, when: str | datetime, now: datetime) -> datetime:
    """When an update takes effect that is asked for at `now`: by its words, or as they say.

    A billing month is a month counted from the anchor. A trial, and what has not started,
    has none: there it is the billing period.
    """
    if isinstance(when, datetime):
        return when
    if when == When.IMMEDIATE:
        return now
    start, end = finding.billing_period_at(subscription, now)
    if when == When.END_OF_BILLING_PERIOD or end == subscription.trial_ends_at or start > now:
        return end
    anchor = subscription.billing_cycle_anchor
    return min(periods.containing(anchor, BillingPeriod.MONTHLY, now)[1], end)


def is_downgrade(before: PackageVersion, after: PackageVersion, billing_period: str) -> bool:
    """Whether one plan is less than another: free < paid < custom, then by price (R4)."""
    ranks = {PricingType.FREE: 0, PricingType.PAID: 1, PricingType.CUSTOM: 2}
    old_rank, new_rank = (ranks[PricingType(each.pricing_type)] for each in (before, after))
    if old_rank != new_rank:
        return new_rank < old_rank
    old_prices, new_prices = (_monthly_prices(each) for each in (before, after))
    for period in (billing_period, *BillingPeriod.values):
        if period in old_prices and period in new_prices:
            return new_prices[period] < old_prices[period]
    return min(new_prices.values(), default=0) < min(old_prices.values(), default=0)


def resets_use(usage_reset: str, *, restarts: bool) -> bool:
    """Whether a plan change lets use start afresh instead of carrying it over (R31).

    `restarts` says that the anchor or the billing period changes with the plan.
    """
    if usage_reset == UsageReset.BILLING_PERIOD_CHANGE:
        return restarts
    return usage_reset == UsageReset.ALWAYS_RESET


@act
def confirm_payment(*, subscription_id: str, actor: Actor, now: datetime) -> Subscription:
    """Let a subscription begin to give what it includes: its payment arrived (R18).

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
        NoPaymentPending: it waits for none.
    """
    subscription = finding.lock(subscription_id, now)
    finding.refuse_ended(subscription, now)
    if not subscription.payment_pending:
        raise NoPaymentPending("This subscription waits for no payment.")
    subscription.payment_pending = False
    subscription.updated_at = now
    subscription.save(update_fields=["payment_pending", "updated_at"])
    news.record("subscription.payment_confirmed", subscription, {}, actor=actor, now=now)
    news.tell(subscription, Cause.PAYMENT, actor=actor, now=now)
    return subscription


@dataclass(frozen=True, slots=True)
class Wanted:
    """The packages that changes name, held: a plan, and the whole list of add-ons.

    Without a plan, or a list, these stay.
    """

    plan: Package | None
    addons: Sequence[tuple[str, int]] | None
    packages: dict[str, Package]


@dataclass(frozen=True, slots=True)
class Draft:
    """A change of what a subscription includes, drawn up on a copy of it and not stored."""

    subscription: Subscription
    parts: Parts
    at: datetime
    kinds: list[UpdateKind]
    causes: list[Cause]
    resets: bool
    new_plan_version: PackageVersion | None

    @property
    def cause(self) -> Cause | None:
        """The cause that wins; None if nothing differs."""
        return _strongest(self.causes)


def _update(
    subscription_id: str,
    changes: Changes,
    when: str | datetime | None,
    actor: Actor,
    now: datetime,
) -> Subscription:
    pk = finding.lock_customer_of(subscription_id, now)
    wanted = _wanted(pk, changes)
    subscription = finding.lock_row(pk, now)
    finding.refuse_ended(subscription, now)
    is_about_parts = bool(PARTS & changes.keys())
    is_replaced = is_about_parts and scheduled.take_back(subscription, actor=actor, now=now)
    before = (subscription.plan.public_id, subscription.billing_period)
    draft = _draw_up(subscription, wanted, changes, when, now)
    is_later = draft.at > now
    if not is_later:
        subscription = draft.subscription
    causes, payload = _move_instants(subscription, changes, now)
    if "metadata" in changes:
        payload["metadata"] = subscription.metadata = clean_metadata(changes["metadata"])
    if "coupon" in changes:
        payload |= discounts.apply(subscription, changes["coupon"], now)
    if is_later:
        subscription.save()
    else:
        draft.parts.save(now)
        causes += draft.causes
        payload |= _told(draft, before, changes)
    if payload or not is_later:
        news.record("subscription.updated", subscription, payload, actor=actor, now=now)
    if "ends_at" in changes and changes["ends_at"] != subscription.ends_at:
        _move_end(subscription, changes["ends_at"], actor, now)
    if is_later and draft.cause is not None:
        scheduled.refuse_too_late(subscription, draft.at)
        scheduled.put(
            subscription,
            draft.parts,
            takes_effect_at=draft.at,
            kinds=draft.kinds,
            plan_version=draft.new_plan_version,
            cause=draft.cause,
            resets=draft.resets,
            actor=actor,
            now=now,
        )
    cause = _strongest(causes) or (Cause.SCHEDULE if is_replaced else None)
    if cause is not None:
        resets = draft.resets and cause == Cause.PLAN_CHANGE
        news.tell(subscription, cause, resets=resets, actor=actor, now=now)
    return subscription


def _wanted(subscription_pk: int, changes: Changes) -> Wanted:
    """The packages that changes name, held until the end of the transaction."""
    plan = choices.plan_on_sale(changes["plan_id"]) if "plan_id" in changes else None
    addons = changes.get("addons")
    if addons is None and plan is not None:
        attached = SubscriptionAddon.objects.filter(subscription=subscription_pk)
        addons = [(row.addon.public_id, row.quantity) for row in attached.select_related("addon")]
    packages = choices.addons_on_sale([addon_id for addon_id, _ in addons or []])
    return Wanted(plan, addons, packages)


def _draw_up(
    stored: Subscription,
    wanted: Wanted,
    changes: Changes,
    when: str | datetime | None,
    now: datetime,
) -> Draft:
    subscription = copy(stored)
    _choose_plan(subscription, wanted.plan, changes)
    moves = subscription.plan_id != stored.plan_id
    rebills = subscription.billing_period != stored.billing_period
    is_less = moves and is_downgrade(
        stored.plan_version, subscription.plan_version, subscription.billing_period
    )
    if when is None:
        when = stored.product.downgrade_time if is_less else When.IMMEDIATE
    at = effective_at(stored, when, now) if PARTS & changes.keys() else now
    if at > now and "billing_cycle_anchor" in changes:
        raise RestartsNow(
            "A new billing cycle begins at once: ask for it without a schedule.",
            field="billing_cycle_anchor",
        )
    parts = Parts(subscription)
    if wanted.addons is not None:
        since = max(at, subscription.started_at)
        parts.choose_addons(wanted.addons, wanted.packages, now=since)
    if "entitlements" in changes or "units" in changes:
        listed = changes.get("entitlements", parts.values_before)
        chosen = choices.merged(listed, changes.get("units", []))
        parts.choose_values(chosen)
        new = [value for value in chosen if value not in parts.values_before]
        choices.check_units(subscription.plan_version, parts.addons, new)
    elif wanted.addons is not None:
        parts.keep_fitting_values()
    causes = [*parts.addon_causes(), *([Cause.QUANTITY] if parts.new_values is not None else [])]
    kinds = parts.kinds()
    if moves or rebills:
        parts.price_anew()
        causes.append(Cause.PLAN_CHANGE)
    if rebills:
        kinds.insert(0, UpdateKind.BILLING_PERIOD)
    if moves:
        kinds.insert(0, UpdateKind.DOWNGRADE if is_less else UpdateKind.PLAN)
    resets = (moves or rebills) and resets_use(
        stored.product.usage_reset, restarts="billing_cycle_anchor" in changes or rebills
    )
    new_plan_version = subscription.plan_version if moves else None
    return Draft(subscription, parts, at, kinds, causes, resets, new_plan_version)


def _choose_plan(subscription: Subscription, plan: Package | None, changes: Changes) -> None:
    """Put an unsaved copy on another plan, billed as is said or else as before."""
    if plan is not None and plan.product_id != subscription.product_id:
        raise OtherProduct(f"{plan.name} belongs to another product.", field="plan_id")
    if plan is not None and plan.pk != subscription.plan_id:
        assert plan.live is not None, "what is on sale has a live version"
        subscription.plan, subscription.plan_version = plan, plan.live
    if plan is not None or changes.get("billing_period"):
        subscription.billing_period = choices.choose_billing_period(
            subscription.plan_version, changes.get("billing_period") or subscription.billing_period
        )


def _move_instants(
    subscription: Subscription, changes: Changes, now: datetime
) -> tuple[list[Cause], dict[str, Any]]:
    """Move the anchor and the end of the trial; what that is the cause of, and what to tell."""
    causes: list[Cause] = []
    payload: dict[str, Any] = {}
    if "billing_cycle_anchor" in changes:
        anchor = changes["billing_cycle_anchor"]
        payload["billing_cycle_anchor"] = [subscription.billing_cycle_anchor, anchor]
        subscription.billing_cycle_anchor = anchor
        causes.append(Cause.ANCHOR)
    if "trial_ends_at" in changes:
        payload["trial_ends_at"] = [subscription.trial_ends_at, changes["trial_ends_at"]]
        _move_trial_end(subscription, changes["trial_ends_at"], now)
        causes.append(Cause.TRIAL)
    return causes, payload


def _told(draft: Draft, before: tuple[str, str], changes: Changes) -> dict[str, Any]:
    """What is remembered of a change of what a subscription includes."""
    subscription, parts = draft.subscription, draft.parts
    payload: dict[str, Any] = {}
    if Cause.PLAN_CHANGE in draft.causes:
        payload["plan"] = [before[0], subscription.plan.public_id]
        payload["version"] = subscription.plan_version.number
        payload["billing_period"] = [before[1], subscription.billing_period]
    if "addons" in changes or Cause.PLAN_CHANGE in draft.causes:
        payload["addons"] = parts.addon_changes()
    if parts.new_values is not None:
        payload["entitlements"] = [str(row) for row in parts.new_values]
    return payload


def _strongest(causes: Sequence[Cause]) -> Cause | None:
    """A change of plan, else the first in the order of causes; None of none."""
    if Cause.PLAN_CHANGE in causes:
        return Cause.PLAN_CHANGE
    return min(causes, key=list(Cause).index, default=None)


def _monthly_prices(version: PackageVersion) -> dict[str, Decimal]:
    """What a plan costs per month, by the billing periods that have a flat price."""
    return {
        period: charge.amount / periods.MONTHS[period]
        for period, charge in base_prices(list(version.charges.all())).items()
        if charge.amount is not None
    }


def _move_trial_end(subscription: Subscription, ends_at: datetime, now: datetime) -> None:
    """Let a trial that runs, or will, end at another instant, and what follows it begin then."""
    if subscription.trial_ends_at is None or subscription.trial_ends_at <= now:
        raise NotInTrial("This subscription is in no trial.", field="trial_end_date")
    if ends_at <= max(now, subscription.started_at):
        raise InvalidTrialEnd("A trial ends later than now.", field="trial_end_date")
    if subscription.trial_end == TrialEnd.CONVERT_TO_PAID:
        subscription.billing_cycle_anchor = ends_at
    elif subscription.cancel_reason == CancelReason.TRIAL_ENDED:
        subscription.ends_at = ends_at
    elif subscription.ends_at is not None:
        subscription.ends_at = min(subscription.ends_at, ends_at)
    subscription.trial_ends_at = ends_at
    exclusivity.check(subscription)


def _move_end(
    subscription: Subscription, ends_at: datetime | None, actor: Actor, now: datetime
) -> None:
    if ends_at is None and subscription.end_reason != EndReason.CANCELED:
        return
    if ends_at is None:
        endings.take_back(subscription, actor=actor, now=now)
    elif ends_at <= max(now, subscription.started_at):
        raise InvalidEndDate("A subscription ends later than now.", field="cancellation_date")
    else:
        endings.set_end(subscription, ends_at, CancelReason.SCHEDULED, actor=actor, now=now)
