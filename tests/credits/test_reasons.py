from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from catalog.models import Aggregation, Behaviour, Cadence, CreditType, Feature
from catalog.prices import NewMapping
from credits import consumption, events, explanation, grants, summaries
from credits.book import GrantType
from credits.consumption import Demand
from credits.events import Event
from credits.models import Consumption, Pool
from credits.reasons import Reason
from subscriptions import updates
from subscriptions.models import Subscription
from tests.builders import (
    a_credit_type,
    a_feature,
    a_formula,
    a_metered_feature,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_subscription,
    some_credits,
    some_units,
)
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, granted, stored
from workspace.actors import SYSTEM, Actor, ActorKind

pytestmark = pytest.mark.django_db

ALICE = Actor(ActorKind.USER, "1", "Alice")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RESET = START.replace(month=4, day=30)
MONTH = "31 Mar 2026, 10:00 UTC – 30 Apr 2026, 10:00 UTC"


def reasons(pool: Pool, now: datetime = RESET - DAY) -> list[Reason]:
    """Why each entry is there, in their order."""
    state = summaries.on_paper(stored(pool), now)
    found = explanation.explain(state, since=START, until=now + HOUR)
    proofs = [
        proof for line in found.lines for proof in explanation.proofs(state, found, line).found
    ]
    return [proof.reason for proof in sorted(proofs, key=lambda proof: proof.entry.number)]


def a_shop(rule, aggregation: Aggregation = Aggregation.COUNT, **fields: str):
    """A subscription whose plan gives 1,000 a month and prices images by `rule`."""
    credit_type = a_credit_type()
    images = a_metered_feature("Images", event_name="image", aggregation=aggregation, **fields)
    plan = a_published_plan(
        entitlements=[some_credits(credit_type, 1000)],
        mappings=[rule(images, credit_type)],
        now=START,
    )
    subscription = a_subscription(plan=plan, now=START)
    return plan, subscription, Pool.objects.get(customer=subscription.customer)


def a_rule(formula: str) -> Callable[[Feature, CreditType], NewMapping]:
    return partial(a_formula, formula=formula)


def happened(subscription: Subscription, **dimensions: object) -> None:
    event = Event(subscription.customer.public_id, "image", "first", dimensions=dimensions)
    events.report(events=[event], actor=SYSTEM, now=START + HOUR)


class TestOfUse:
    def test_shows_the_rate_and_the_units(self):
        """R34, first example: 7 images at 10 credits."""
        _, subscription, pool = a_shop(a_rate, Aggregation.SUM, aggregation_field="count")

        happened(subscription, count=7)

        assert reasons(pool)[1] == Reason(
            "R34", "By the rate of Pro, version 1.", "7 × 10 = 70", (("count", "7"),)
        )

    def test_shows_the_formula_and_what_was_put_into_it(self):
        """R34, second example: 100 and 20 give 450."""
        _, subscription, pool = a_shop(a_rule("2.5*input + 10*output"))

        happened(subscription, model="large", output=20, input=100)

        assert reasons(pool)[1] == Reason(
            "R34",
            "By the formula of Pro, version 1.",
            "2.5*input + 10*output = 450",
            (("input", "100"), ("output", "20"), ("model", "large")),
        )

    def test_says_what_was_missing(self):
        _, subscription, pool = a_shop(a_rule("5 + 10*output"))

        happened(subscription)

        reason = reasons(pool)[1]
        assert (reason.formula, reason.values) == (
            "5 + 10*output = 5",
            (("output", "missing, counts 0"),),
        )
        assert "output" in reason.notes[0]

    def test_keeps_the_rule_of_that_time(self):
        plan, subscription, pool = a_shop(a_rate)
        happened(subscription)
        mapping = plan.live.mappings.get()

        a_new_version(plan, mappings=[a_rate(mapping.feature, mapping.credit_type, 99)])

        assert reasons(pool)[1].formula == "1 × 10 = 10"

    def test_admits_that_older_use_kept_no_rule(self):
        pool = a_pool_of_a_plan()
        demand = Demand(Decimal(5), "old", START, feature_id=a_metered_feature("Images").pk)
        consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=START)

        assert reasons(pool)[1].sentence == "5 for Images. The rule was not kept at that time."

    def test_names_what_an_application_asked_for(self):
        pool = a_pool_of_a_plan()
        demand = Demand(Decimal(5), "job-1", START, dimensions={"team": "blue"})
        consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=START)

        assert reasons(pool)[1] == Reason(
            "R39",
            "An application asked for 5, under the key “job-1”.",
            values=(("team", "blue"),),
        )

    def test_names_the_person_who_took_credits(self):
        pool = a_pool_of_a_plan()
        demand = Demand(Decimal(5), "p", START, reason="Refund")
        consumption.consume(pool_id=pool.pk, demand=demand, actor=ALICE, now=START)

        assert reasons(pool)[1].sentence == "Alice took away 5."

    def test_says_which_part_a_grant_paid_and_what_is_owed(self):
        pool = a_pool()
        granted(pool, 10)
        demand = Demand(Decimal(25), "job-1", START)
        consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=START)

        _, paid, owed = reasons(pool)

        assert paid.notes == ("10 of the 25 were taken here.",)
        assert owed.notes[0] == "15 of the 25 were taken here."
        assert "owed" in owed.notes[1]

    def test_is_stored_with_a_usage_that_cost_something(self):
        plan, subscription, _ = a_shop(a_rate)

        happened(subscription)

        used = Consumption.objects.get()
        assert (used.mapping, used.units) == (plan.live.mappings.get(), 1)


class TestOfGrants:
    def test_shows_what_a_plan_gives_for_which_period(self):
        assert reasons(a_pool_of_a_plan(5000)) == [
            Reason("R22", f"All that it gives for the period {MONTH}.", "5,000")
        ]

    def test_multiplies_by_the_quantity_and_takes_off_what_was_given(self):
        """R27: add-on 10,000 × 3 → × 5 gives 20,000 more."""
        product, credit_type = a_product(), a_credit_type()
        addon = a_published_addon(
            "Extra", product=product, entitlements=[some_credits(credit_type, 10_000)]
        )
        plan = a_published_plan(product=product, compatible_addons=[addon])
        subscription = a_subscription(plan=plan, addons=[(addon, 3)], now=START)
        updates.update(
            subscription_id=subscription.public_id,
            addons=[(addon.public_id, 5)],
            actor=SYSTEM,
            now=START + DAY,
        )

        first, second = reasons(Pool.objects.get())

        assert (first.rule, first.formula) == ("R22", "10,000 × 3 = 30,000")
        assert (second.rule, second.formula, second.notes) == (
            "R27",
            "10,000 × 5 = 50,000; 50,000 − 30,000 = 20,000",
            (),
        )

    def test_multiplies_by_the_units_that_were_bought(self):
        """R17: 1,000 per seat, 5 seats."""
        credit_type, seats = a_credit_type(), a_feature("Seats")
        per_seat = some_credits(credit_type, 1000, Cadence.MONTH, linked_feature=seats)
        plan = a_published_plan(entitlements=[some_units(seats, 5), per_seat])
        a_subscription(plan=plan, now=START)

        assert reasons(Pool.objects.get())[0].formula == "1,000 × 5 = 5,000"

    def test_says_what_was_paid_and_why_it_was_given(self):
        pool = a_pool()
        granted(pool, 10, unit_cost=Decimal(2), comment="Order 4711")
        granted(pool, 10, type=GrantType.PROMOTIONAL)

        assert reasons(pool) == [
            Reason("R46", "Bought for 20 USD.", notes=("“Order 4711”",)),
            Reason("R46", "Given for free."),
        ]


class TestOfEnds:
    def test_shows_what_was_left_at_the_reset(self):
        """R21: 5,000 granted, 3,200 used."""
        pool = a_pool_of_a_plan(5000)
        demand = Demand(Decimal(3200), "p", START)
        consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=START)

        expired = reasons(pool, now=RESET)[2]

        assert (expired.rule, expired.formula) == (
            "R21",
            "5,000 granted − 3,200 used = 1,800 left",
        )

    def test_tells_a_promotion_that_ran_out(self):
        pool = a_pool()
        granted(pool, 10, expires_at=START + DAY)

        assert reasons(pool)[1] == Reason(
            "R47", "Its time is over.", "10 granted − 0 used = 10 left"
        )

    def test_names_who_revoked_and_why(self):
        pool = a_pool()
        gift = granted(pool, 10)
        grants.void(grant_id=gift.public_id, reason="By mistake", actor=ALICE, now=START + HOUR)

        assert reasons(pool)[1] == Reason(
            "R48",
            "Alice revoked what was left.",
            "10 granted − 0 used = 10 left",
            notes=("“By mistake”",),
        )

    def test_tells_what_made_way_and_where_its_use_went(self):
        """R29: plan 100, 60 used; override 500: transfer 60, void 100."""
        product, credit_type = a_product(), a_credit_type()
        override = a_published_addon(
            "More",
            product=product,
            entitlements=[some_credits(credit_type, 500, behaviour=Behaviour.OVERRIDE)],
        )
        plan = a_published_plan(
            product=product,
            entitlements=[some_credits(credit_type, 100)],
            compatible_addons=[override],
        )
        subscription = a_subscription(plan=plan, now=START)
        pool = Pool.objects.get()
        demand = Demand(Decimal(60), "p", START)
        consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=START)
        updates.update(
            subscription_id=subscription.public_id,
            addons=[(override.public_id, 1)],
            actor=SYSTEM,
            now=START + DAY,
        )

        _, _, _, source, target, voided = reasons(pool)

        moved = "Use goes along to what took the place of its grant: 60 from Pro to More."
        assert (source.rule, source.sentence, target.sentence) == ("R29–R31", moved, moved)
        assert (voided.rule, voided.formula) == (
            "R29–R32",
            "100 granted − 0 used = 100 left",
        )

    def test_tells_that_what_was_owed_is_paid(self):
        pool = a_pool()
        demand = Demand(Decimal(25), "p", START)
        consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=START)
        granted(pool, 50, name="Order")

        _, _, source, target = reasons(pool)

        assert source.sentence == "What was owed is paid by a grant: 25 from Overdraft to Order."
        assert (source.rule, target.sentence) == ("R36", source.sentence)
