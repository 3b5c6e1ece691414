"""A preview of a publication is what the publication does, to the last millionth (R14)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from catalog import drafts, entitlements, publishing
from catalog.models import Behaviour, Cadence, CreditType, Package
from catalog.publishing import Audience
from credits import consumption, impact, pools, resets
from credits.consumption import Demand
from credits.models import LedgerEntry, Pool
from subscriptions import cancellation, impacts, tasks, updates
from subscriptions.impacts import Effect
from subscriptions.models import ImpactRow, RolloutResult, Subscription
from subscriptions.periods import boundary
from subscriptions.provisioning import Trial
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
    some_units,
)
from tests.properties.test_catalog_files import an_empty_workspace
from workspace.actors import SYSTEM
from workspace.json import plain

AMOUNTS = st.integers(1, 9 * 10**9).map(lambda micros: Decimal(micros).scaleb(-6))
CADENCES = st.sampled_from(list(Cadence))
DAYS = st.integers(0, 70).map(lambda days: timedelta(days=days, hours=7))


@dataclass(frozen=True)
class Terms:
    """What a version gives of one credit type; None of it where `amount` is None."""

    amount: Decimal | None
    cadence: Cadence
    is_granted: bool
    is_linked: bool
    behaviour: Behaviour

    def of(self, credit_type: CreditType, seats: Any) -> list[Any]:
        if self.amount is None:
            return []
        linked = {"linked_feature": seats} if self.is_linked else {}
        terms = {"is_granted": self.is_granted, "behaviour": self.behaviour, **linked}
        return [some_credits(credit_type, str(self.amount), self.cadence, **terms)]


def terms(*behaviours: Behaviour) -> st.SearchStrategy[Terms]:
    return st.builds(
        Terms,
        amount=st.one_of(st.none(), AMOUNTS, AMOUNTS),
        cadence=CADENCES,
        is_granted=st.sampled_from([True, True, True, False]),
        is_linked=st.sampled_from([False, False, True]),
        behaviour=st.sampled_from(behaviours),
    )


PLAN_TERMS = st.tuples(terms(Behaviour.INCREMENT), terms(Behaviour.INCREMENT))
ADDON_TERMS = st.tuples(terms(*Behaviour), terms(*Behaviour))


@dataclass(frozen=True)
class Buyer:
    """A customer: when they subscribe, what they use, and how it goes on."""

    after: timedelta
    quantity: int
    trial_days: int
    used: Decimal
    fate: str


BUYERS = st.builds(
    Buyer,
    after=DAYS,
    quantity=st.integers(0, 3),
    trial_days=st.sampled_from([0, 0, 0, 20]),
    used=AMOUNTS,
    fate=st.sampled_from(["", "", "more", "cancels at period end", "canceled"]),
)
GENERATE_ONLY = (Phase.explicit, Phase.reuse, Phase.generate)
"""Each example takes a second, so shrinking one would take hours."""
PUBLISHED_AT = NOW + timedelta(days=75)


def buy(buyer: Buyer, plan: Package, addon: Package) -> None:
    """Let somebody subscribe, use, and change their mind."""
    at = NOW + buyer.after
    trial = Trial(at + timedelta(days=buyer.trial_days)) if buyer.trial_days else None
    subscription = a_subscription(
        a_customer(),
        plan,
        addons=[(addon, buyer.quantity)] if buyer.quantity else [],
        now=at,
        trial=trial,
    )
    for pool in Pool.objects.filter(customer=subscription.customer):
        demand = Demand(amount=buyer.used, key="k", used_at=at)
        consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=at)
    public_id = subscription.public_id
    if buyer.fate == "more":
        updates.update(
            subscription_id=public_id,
            addons=[(addon.public_id, buyer.quantity + 1)],
            actor=SYSTEM,
            now=at,
        )
    elif buyer.fate:
        time = "IMMEDIATE" if buyer.fate == "canceled" else "END_OF_BILLING_PERIOD"
        cancellation.cancel(subscription_id=public_id, time=time, actor=SYSTEM, now=at)


def edit(package: Package, wanted: Sequence[Any]) -> None:
    """Open a draft that includes these credits and no others."""
    draft = drafts.open_draft(package_id=package.pk, actor=SYSTEM, now=NOW)
    for own in draft.credit_entitlements.select_related("credit_type"):
        entitlements.exclude_credits(
            package_id=package.pk, credit_type=own.credit_type, actor=SYSTEM, now=NOW
        )
    if wanted:
        entitlements.include(package_id=package.pk, entitlements=wanted, actor=SYSTEM, now=NOW)


def issued(pool: Pool, subscription: Subscription, **filters: Any) -> Decimal:
    """What sources of a subscription were granted in a pool."""
    rows = LedgerEntry.objects.filter(
        pool=pool, type="CREDITS_GRANTED", grant__schedule__subscription=subscription, **filters
    )
    return sum((row.amount for row in rows), Decimal(0))


def pool_of(subscription: Subscription, effect: Effect) -> Pool | None:
    return Pool.objects.filter(
        customer=subscription.customer_id, credit_type=effect.credit_type_id
    ).first()


@pytest.mark.django_db
class TestPreview:
    @given(
        st.tuples(PLAN_TERMS, PLAN_TERMS),
        st.tuples(ADDON_TERMS, ADDON_TERMS),
        st.lists(BUYERS, min_size=1, max_size=4),
        st.booleans(),
    )
    @settings(max_examples=20, phases=GENERATE_ONLY)
    def test_is_the_outcome_to_the_last_millionth(
        self,
        plan_terms: tuple[tuple[Terms, ...], tuple[Terms, ...]],
        addon_terms: tuple[tuple[Terms, ...], tuple[Terms, ...]],
        buyers: list[Buyer],
        is_plan_published: bool,
    ):
        with an_empty_workspace():
            types = [a_credit_type("One"), a_credit_type("Two")]
            seats, product = a_feature(), a_product()
            contents = [
                [
                    some_units(seats, 3),
                    *(
                        each
                        for pair in zip(given, types, strict=True)
                        for each in pair[0].of(pair[1], seats)
                    ),
                ]
                for given in (plan_terms[0], plan_terms[1], addon_terms[0], addon_terms[1])
            ]
            addon = a_published_addon(product=product, entitlements=contents[2])
            plan = a_published_plan(
                product=product, entitlements=contents[0], compatible_addons=[addon]
            )
            for buyer in buyers:
                buy(buyer, plan, addon)
            package = plan if is_plan_published else addon
            edit(package, contents[1][1:] if is_plan_published else contents[3][1:])

            report = impacts.begin(package_id=package.pk, actor=SYSTEM, now=PUBLISHED_AT)
            tasks.preview_impacts(PUBLISHED_AT)
            shown = {row.subscription_id: row for row in ImpactRow.objects.filter(report=report)}
            draft = drafts.lock(package.pk, revision=None)
            concerned = list(
                Subscription.objects.filter(pk__in=shown).select_related("plan_version")
            )
            foreseen = impacts.effects(concerned, draft, PUBLISHED_AT)
            publishing.publish(
                package_id=package.pk,
                audience=Audience.ALL_CUSTOMERS,
                preview_id=report.pk,
                actor=SYSTEM,
                now=PUBLISHED_AT,
            )
            tasks.roll_out(PUBLISHED_AT)

            results = {row.subscription_id: row for row in RolloutResult.objects.all()}
            assert results.keys() == shown.keys()
            assert not any(row.changed_since_review for row in results.values())
            for subscription in concerned:
                granted = {}
                for effect in foreseen[subscription.pk]:
                    self.check_at_once(subscription, effect)
                    if effect.granted:
                        granted[effect.credit_type] = plain(effect.granted)
                assert results[subscription.pk].granted == granted
            for subscription in concerned:
                for effect in foreseen[subscription.pk]:
                    self.check_at_reset(subscription, effect)

    def check_at_once(self, subscription: Subscription, effect: Effect) -> None:
        pool = pool_of(subscription, effect)
        if pool is None:
            assert (effect.granted, effect.recurring_after) == (0, {})
            return
        state = pools.load([pool], with_schedules=True)[0]
        assert state.balance == effect.balance_after
        assert effect.balance_after == effect.balance_before + effect.granted
        assert impact.recurring_of(state, subscription.pk) == effect.recurring_after
        since = {"recorded_at": PUBLISHED_AT, "effective_at": PUBLISHED_AT}
        assert issued(pool, subscription, **since) == effect.granted

    def check_at_reset(self, subscription: Subscription, effect: Effect) -> None:
        """The next turn of the month issues what was foreseen for it.

        What is yearly goes on until its year is over, even if it gives nothing; that is not
        waited for.
        """
        pool = pool_of(subscription, effect)
        if pool is None or subscription.trial_ends_at:
            return
        running = pool.schedules.filter(subscription=subscription, ended=False, cadence="YEAR")
        if running.filter(starts_at__lt=PUBLISHED_AT).exists():
            return
        anchor = subscription.billing_cycle_anchor
        reset_at = next(
            boundary(anchor, months)
            for months in range(9)
            if boundary(anchor, months) > PUBLISHED_AT
        )
        resets.sweep(now=reset_at, seconds=60)
        is_over = subscription.ends_at is not None and subscription.ends_at <= reset_at
        monthly = Decimal(0) if is_over else effect.recurring_after.get("MONTH", Decimal(0))
        at_reset = {"effective_at": reset_at, "grant__schedule__cadence": "MONTH"}
        assert issued(pool, subscription, **at_reset) == monthly
