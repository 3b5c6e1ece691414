"""A running subscription changes at once (R10, R25–R31).

Every verb stores the new state and tells the others why; what becomes of credits is decided
by whoever keeps them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

from catalog.checking import clean_metadata
from catalog.models import TrialEnd
from catalog.models.products import UsageReset
from subscriptions import choices, endings, exclusivity, finding, news
from subscriptions.cancellation import InvalidEndDate
from subscriptions.causes import Cause
from subscriptions.choices import Value
from subscriptions.models import (
    CancelReason,
    EndReason,
    Subscription,
    SubscriptionAddon,
    SubscriptionEntitlement,
)
from subscriptions.previews import Preview, preview_of
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput, Conflict


class OtherProduct(BadInput):
    """A subscription stays with its product."""


class SamePlan(Conflict):
    """The subscription is on this plan, billed like this, already."""


class NotInTrial(Conflict):
    """The subscription is in no trial."""


class InvalidTrialEnd(BadInput):
    """A trial that runs can only end later than now."""


class NoPaymentPending(Conflict):
    """The subscription waits for no payment."""


class Changes(TypedDict, total=False):
    """What is to change; what is absent stays.

    `addons`, pairs of id and quantity, and `entitlements` are whole lists: what is not in
    them goes. `units` are limits of features that replace those of the same features only.
    `billing_cycle_anchor` begins a new period (R26). `ends_at` cancels on a date,
    or takes the cancelation back.
    """

    addons: Sequence[tuple[str, int]]
    entitlements: Sequence[Value]
    units: Sequence[Value]
    billing_cycle_anchor: datetime
    trial_ends_at: datetime
    ends_at: datetime | None
    metadata: dict[str, str]


@act
def update(
    *, subscription_id: str, actor: Actor, now: datetime, **changes: Unpack[Changes]
) -> Subscription:
    """Change what a subscription includes, and when (R25–R30).

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
        NotInTrial, InvalidTrialEnd: of `trial_ends_at`.
        SubscriptionExists: it would run at the same time as another one.
        Whatever `choices` refuses of add-ons and values.
    """
    pk = finding.lock_customer_of(subscription_id)
    packages = choices.addons_on_sale([addon_id for addon_id, _ in changes.get("addons", [])])
    subscription = finding.lock_row(pk)
    finding.refuse_ended(subscription, now)
    parts = Parts(subscription)
    causes: list[Cause] = []
    payload: dict[str, Any] = {}
    if "billing_cycle_anchor" in changes:
        payload["billing_cycle_anchor"] = [
            subscription.billing_cycle_anchor,
            changes["billing_cycle_anchor"],
        ]
        subscription.billing_cycle_anchor = changes["billing_cycle_anchor"]
        causes.append(Cause.ANCHOR)
    if "trial_ends_at" in changes:
        payload["trial_ends_at"] = [subscription.trial_ends_at, changes["trial_ends_at"]]
        _move_trial_end(subscription, changes["trial_ends_at"], now)
        causes.append(Cause.TRIAL)
    if "addons" in changes:
        since = max(now, subscription.started_at)
        parts.choose_addons(changes["addons"], packages, now=since)
        payload["addons"] = parts.addon_changes()
        causes += parts.addon_causes()
    if "entitlements" in changes or "units" in changes:
        listed = changes.get("entitlements", parts.values_before)
        parts.choose_values(choices.merged(listed, changes.get("units", [])))
    elif "addons" in changes:
        parts.keep_fitting_values()
    if parts.new_values is not None:
        payload["entitlements"] = [str(row) for row in parts.new_values]
        causes.append(Cause.QUANTITY)
    if "metadata" in changes:
        subscription.metadata = clean_metadata(changes["metadata"])
        payload["metadata"] = subscription.metadata
    parts.save(now)
    news.record("subscription.updated", subscription, payload, actor=actor, now=now)
    if "ends_at" in changes and changes["ends_at"] != subscription.ends_at:
        _move_end(subscription, changes["ends_at"], actor, now)
    if causes:
        news.tell(subscription, min(causes, key=list(Cause).index), actor=actor, now=now)
    return subscription


def preview(
    *,
    subscription_id: str,
    addons: Sequence[tuple[str, int]],
    entitlements: Sequence[Value],
    now: datetime,
) -> Preview:
    """The subscription as `update` would leave it, with nothing written.

    Raises:
        As `update`, of add-ons and values.
    """
    subscription = finding.find(subscription_id)
    packages = choices.addons_on_sale([addon_id for addon_id, _ in addons])
    parts = Parts(subscription)
    parts.choose_addons(addons, packages, now=max(now, subscription.started_at))
    values = choices.choose_values(subscription.plan_version, parts.addons, entitlements)
    return preview_of(subscription, parts.addons, values)


@act
def change_plan(
    *,
    subscription_id: str,
    plan_id: str,
    addons: Sequence[tuple[str, int]] | None = None,
    entitlements: Sequence[Value] | None = None,
    billing_period: str | None = None,
    restart_period: bool = False,
    actor: Actor,
    now: datetime,
) -> Subscription:
    """Put a subscription on another plan of its product, or bill it otherwise, at once (R31).

    Add-ons and values stay where nothing else is said, values only where the new plan has
    room for them. `restart_period` begins a new period now (R26). Whether use starts afresh
    the product says: always, never, or only when the anchor or the billing period changes.

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
        UnknownPlan, PlanNotOnSale, OtherProduct, SamePlan: it cannot be this plan.
        Whatever `choices` refuses of add-ons, values and billing period.
    """
    pk = finding.lock_customer_of(subscription_id)
    plan = choices.plan_on_sale(plan_id)
    attached = SubscriptionAddon.objects.filter(subscription=pk).select_related("addon")
    wanted = [(row.addon.public_id, row.quantity) for row in attached]
    wanted = wanted if addons is None else list(addons)
    packages = choices.addons_on_sale([addon_id for addon_id, _ in wanted])
    subscription = finding.lock_row(pk)
    finding.refuse_ended(subscription, now)
    if plan.product_id != subscription.product_id:
        raise OtherProduct(f"{plan.name} belongs to another product.", field="plan_id")
    before = (subscription.plan.public_id, subscription.billing_period)
    if plan.pk != subscription.plan_id:
        assert plan.live is not None, "what is on sale has a live version"
        subscription.plan, subscription.plan_version = plan, plan.live
    subscription.billing_period = choices.choose_billing_period(
        subscription.plan_version, billing_period or subscription.billing_period
    )
    if before == (plan.public_id, subscription.billing_period):
        raise SamePlan(f"The subscription is on {plan.name} already.", field="plan_id")
    if restart_period:
        subscription.billing_cycle_anchor = now
    parts = Parts(subscription)
    parts.choose_addons(wanted, packages, now=max(now, subscription.started_at))
    if entitlements is None:
        parts.keep_fitting_values()
    else:
        parts.choose_values(entitlements)
    parts.price_anew()
    parts.save(now)
    payload = {
        "plan": [before[0], plan.public_id],
        "version": subscription.plan_version.number,
        "billing_period": [before[1], subscription.billing_period],
        "addons": parts.addon_changes(),
    }
    news.record("subscription.updated", subscription, payload, actor=actor, now=now)
    resets = resets_use(
        subscription.product.usage_reset,
        restarts=restart_period or before[1] != subscription.billing_period,
    )
    news.tell(subscription, Cause.PLAN_CHANGE, resets=resets, actor=actor, now=now)
    return subscription


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
    subscription = finding.lock(subscription_id)
    finding.refuse_ended(subscription, now)
    if not subscription.payment_pending:
        raise NoPaymentPending("This subscription waits for no payment.")
    subscription.payment_pending = False
    subscription.updated_at = now
    subscription.save(update_fields=["payment_pending", "updated_at"])
    news.record("subscription.payment_confirmed", subscription, {}, actor=actor, now=now)
    news.tell(subscription, Cause.PAYMENT, actor=actor, now=now)
    return subscription


class Parts:
    """The add-ons, values and prices of a locked subscription, before and after a change.

    Nothing is written until `save`.
    """

    def __init__(self, locked_subscription: Subscription) -> None:
        self.subscription = locked_subscription
        self.addons_before = list(
            SubscriptionAddon.objects.filter(subscription=locked_subscription).select_related(
                "addon", "version"
            )
        )
        self.quantities_before = {row.addon.public_id: row.quantity for row in self.addons_before}
        self.addons = self.addons_before
        self.values_before = choices.values_of(locked_subscription)
        self.new_values: list[SubscriptionEntitlement] | None = None

    @property
    def quantities(self) -> dict[str, int]:
        """How many of which add-on there are now."""
        return {row.addon.public_id: row.quantity for row in self.addons}

    def choose_addons(
        self, wanted: Sequence[tuple[str, int]], packages: dict[str, Any], *, now: datetime
    ) -> None:
        """Make `wanted` the whole list of add-ons; what is new is priced as of today."""
        self.addons = choices.choose_addons(
            self.subscription.plan_version,
            wanted,
            packages=packages,
            attached=self.addons_before,
            now=now,
        )
        known = {row.addon_id for row in self.addons_before}
        new = [row for row in self.addons if row.addon_id not in known]
        kept = {None, *(row.addon.public_id for row in self.addons if row.addon_id in known)}
        self.subscription.prices = [
            price for price in self.subscription.prices if price["addonId"] in kept
        ] + choices.prices_of(None, new, self.subscription.billing_period)

    def choose_values(self, wanted: Sequence[Value]) -> None:
        """Make `wanted` the whole list of values."""
        chosen = choices.choose_values(self.subscription.plan_version, self.addons, wanted)
        self.new_values = chosen if list(wanted) != self.values_before else None

    def keep_fitting_values(self) -> None:
        """Drop the values that the packages leave no room for any more."""
        fitting = choices.values_that_still_fit(
            self.subscription.plan_version, self.addons, self.values_before
        )
        if fitting != self.values_before:
            self.choose_values(fitting)

    def price_anew(self) -> None:
        """Take today's prices for everything."""
        self.subscription.prices = choices.prices_of(
            self.subscription.plan_version, self.addons, self.subscription.billing_period
        )

    def addon_changes(self) -> dict[str, list[int]]:
        """Which quantities differ: add-on → [before, after]; 0 is none."""
        before, after = self.quantities_before, self.quantities
        return {
            addon_id: [before.get(addon_id, 0), after.get(addon_id, 0)]
            for addon_id in before | after
            if before.get(addon_id) != after.get(addon_id)
        }

    def addon_causes(self) -> list[Cause]:
        """ADDONS if one came or went, QUANTITY if only their numbers changed."""
        changed = self.addon_changes()
        if any(0 in pair for pair in changed.values()):
            return [Cause.ADDONS]
        return [Cause.QUANTITY] if changed else []

    def save(self, now: datetime) -> None:
        """Write the subscription with its parts."""
        self.subscription.updated_at = now
        self.subscription.save()
        kept = {row.addon_id for row in self.addons}
        for row in self.addons_before:
            if row.addon_id not in kept:
                row.delete()
        for row in self.addons:
            row.subscription = self.subscription
            row.save()
        if self.new_values is not None:
            SubscriptionEntitlement.objects.filter(subscription=self.subscription).delete()
            for value in self.new_values:
                value.subscription = self.subscription
                value.save(force_insert=True)


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
