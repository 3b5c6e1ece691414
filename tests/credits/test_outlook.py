from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog import publishing
from catalog.models import PackageVersion
from catalog.models.products import CancellationTime
from catalog.publishing import Audience
from credits import consumption, events, forecast, outlook, resets, summaries
from credits.book import ZERO
from credits.consumption import Demand
from credits.events import Event
from credits.forecast import Forecast, Use
from credits.models import LedgerEntry, Pool
from credits.outlook import Habit, Milestone
from subscriptions import cancellation, tasks, updates
from subscriptions.provisioning import Trial
from tests.builders import (
    a_credit_type,
    a_draft_of,
    a_formula,
    a_metered_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_subscription,
    some_credits,
)
from tests.credits.pools import START, a_pool, consumed, granted, stored
from workspace.actors import SYSTEM, Actor, ActorKind

pytestmark = pytest.mark.django_db

ALICE = Actor(ActorKind.USER, "1", "Alice")
DAY = timedelta(days=1)
NOW = START + 10 * DAY
LATER = NOW.replace(year=2027)
WRITING = ["INSERT", "UPDATE", "DELETE"]
RESET = START.replace(month=4, day=30)


class Shop:
    """A plan of 5,000 a month with rates of 10 for images and films, and who subscribed to it."""

    def __init__(self) -> None:
        self.credit_type = a_credit_type()
        self.product = a_product()
        self.images = a_metered_feature("Images", event_name="image")
        self.films = a_metered_feature("Films", event_name="film")
        self.addon = a_published_addon(
            "Extra", product=self.product, entitlements=[some_credits(self.credit_type, 300)]
        )
        self.plan = a_published_plan(
            product=self.product,
            entitlements=[some_credits(self.credit_type, 5000)],
            mappings=[a_rate(self.images, self.credit_type), a_rate(self.films, self.credit_type)],
            compatible_addons=[self.addon],
        )
        self.subscription = a_subscription(plan=self.plan, now=START)
        self.pool = stored(Pool.objects.get())

    def happened(self, name: str, times: int, *, now: datetime = START + DAY) -> None:
        customer_id = self.subscription.customer.public_id
        reported = [Event(customer_id, name, f"{name} {now} {number}") for number in range(times)]
        events.report(events=reported, actor=SYSTEM, now=now)

    def draft(self, amount: int = 6000, **details: Any) -> PackageVersion:
        """An open draft of the plan that gives another amount a month."""
        return a_draft_of(
            self.plan, entitlements=[some_credits(self.credit_type, amount)], now=NOW, **details
        )

    def by_id(self) -> dict[str, Any]:
        """Whom an update is about."""
        return {"subscription_id": self.subscription.public_id, "actor": SYSTEM, "now": NOW}


@pytest.fixture
def shop() -> Shop:
    return Shop()


def ahead(pool: Pool, draft: PackageVersion | None = None) -> Forecast:
    """What is foreseen at NOW for twelve months, without use."""
    row = stored(pool)
    state = summaries.on_paper(row, NOW)
    if draft is not None:
        state = outlook.under(outlook.draft(row, draft, NOW), row, state, NOW)
    return forecast.forecast(state, now=NOW, until=LATER)


def lines(entries: Any) -> list[tuple[str, Decimal, datetime, Decimal]]:
    return [
        (str(each.type), each.amount, each.effective_at, each.balance_after) for each in entries
    ]


def what_happens(pool: Pool) -> list[tuple[str, Decimal, datetime, Decimal]]:
    """What the verbs write from just after NOW on until LATER, where a worker comes weekly."""
    known = stored(pool).last_entry_number
    at = NOW
    while at < LATER:
        at = min(at + 7 * DAY, LATER)
        tasks.write_down_updates(at)
        resets.sweep(now=at, seconds=5)
    return lines(LedgerEntry.objects.filter(pool=pool, number__gt=known).order_by("number"))


class TestForecastOfAStoredPool:
    def test_is_what_happens(self, shop):
        """With an add-on that ends, a gift that expires, and an end that is agreed on."""
        updates.update(addons=[(shop.addon.public_id, 2)], **shop.by_id())
        granted(shop.pool, 250, now=NOW, expires_at=NOW + 40 * DAY)
        granted(shop.pool, 70, now=NOW, effective_at=NOW + 20 * DAY)
        cancellation.cancel(
            time=CancellationTime.SPECIFIC_DATE, ends_at=NOW + 100 * DAY, **shop.by_id()
        )

        found = ahead(shop.pool)

        assert len(found.entries) > 12
        assert lines(found.entries) == what_happens(shop.pool)

    def test_foresees_a_scheduled_update(self, shop):
        updates.update(
            addons=[(shop.addon.public_id, 3)],
            when=updates.When.END_OF_BILLING_PERIOD,
            **shop.by_id(),
        )

        found = ahead(shop.pool)

        assert [each.amount for each in found.entries][:3] == [-5000, 5000, 900]
        assert lines(found.entries) == what_happens(shop.pool)

    def test_under_a_draft_is_what_its_publication_does(self, shop):
        shop.happened("image", 20)
        draft = shop.draft(6000)

        found = ahead(shop.pool, draft)
        gained = outlook.under(
            outlook.draft(shop.pool, draft, NOW), shop.pool, summaries.on_paper(shop.pool, NOW), NOW
        )
        publishing.publish(
            package_id=shop.plan.pk, audience=Audience.ALL_CUSTOMERS, actor=SYSTEM, now=NOW
        )
        tasks.roll_out(NOW)

        assert gained.balance == 5000 - 200 + 1000 == stored(shop.pool).balance
        assert lines(found.entries) == what_happens(shop.pool)
        assert [each.amount for each in found.entries if each.amount > 0] == [6000] * 12

    def test_writes_nothing(self, shop):
        shop.happened("image", 3)
        draft = shop.draft()
        before = LedgerEntry.objects.count(), Pool.objects.values().get()

        with CaptureQueriesContext(connection) as queries:
            plans = outlook.draft(shop.pool, draft, NOW)
            outlook.habits(shop.pool, now=NOW, plans=plans)
            outlook.milestones(shop.pool, now=NOW, until=LATER)
            ahead(shop.pool, draft)

        assert {query["sql"].split()[0] for query in queries} == {"SELECT", "WITH"}
        assert not any(word in query["sql"] for query in queries for word in WRITING)
        assert not any(" FOR " in query["sql"] for query in queries)
        assert (LedgerEntry.objects.count(), Pool.objects.values().get()) == before


class TestHabits:
    def test_add_up_by_feature_what_was_used_in_thirty_days(self, shop):
        shop.happened("image", 3)
        shop.happened("film", 7)
        consumed(shop.pool, 4, now=START + DAY)
        shop.happened("image", 5, now=NOW + 35 * DAY)

        early = outlook.habits(shop.pool, now=NOW)
        late = outlook.habits(shop.pool, now=NOW + 40 * DAY)

        assert early.parts == (
            Habit("Films", Decimal(70)),
            Habit("Images", Decimal(30)),
            Habit("", Decimal(4)),
        )
        assert (late.parts, late.over) == ((Habit("Images", Decimal(50)),), 30 * DAY)
        assert late.use == Use(Decimal(50), 30 * DAY)

    def test_are_those_since_the_pool_is_there(self, shop):
        shop.happened("image", 3)

        over = [outlook.habits(shop.pool, now=START + span).over for span in (DAY / 2, 10 * DAY)]

        assert over == [DAY, 10 * DAY]

    def test_leave_out_what_people_took_away(self, shop):
        demand = Demand(Decimal(100), "p", NOW, reason="Refund")
        consumption.consume(pool_id=shop.pool.pk, demand=demand, actor=ALICE, now=NOW)

        assert outlook.habits(shop.pool, now=NOW).use.amount == 0

    def test_cost_what_a_draft_says(self, shop):
        shop.happened("image", 3)
        shop.happened("film", 7)
        draft = shop.draft(mappings=[a_rate(shop.images, shop.credit_type, 25)])

        plans = outlook.draft(shop.pool, draft, NOW)

        assert outlook.habits(shop.pool, now=NOW, plans=plans).parts == (
            Habit("Images", Decimal(75), is_repriced=True),
            Habit("Films", ZERO, is_repriced=True),
        )

    def test_keep_their_price_where_a_formula_needs_each_event(self, shop):
        shop.happened("image", 3)
        draft = shop.draft(mappings=[a_formula(shop.images, shop.credit_type, "2*size")])

        plans = outlook.draft(shop.pool, draft, NOW)

        assert outlook.habits(shop.pool, now=NOW, plans=plans).parts == (
            Habit("Images", Decimal(30), keeps_price=True),
        )

    def test_keep_their_price_where_units_were_not_noted(self, shop):
        consumed(shop.pool, 40, feature=shop.images, now=NOW)
        draft = shop.draft(mappings=[a_rate(shop.images, shop.credit_type, 25)])

        plans = outlook.draft(shop.pool, draft, NOW)

        [part] = outlook.habits(shop.pool, now=NOW, plans=plans).parts
        assert part == Habit("Images", Decimal(40), keeps_price=True)


class TestMilestones:
    def test_are_what_is_agreed_on(self):
        credit_type = a_credit_type()
        plan = a_published_plan(entitlements=[some_credits(credit_type)])
        subscription = a_subscription(plan=plan, now=START, trial=Trial(START + 30 * DAY))
        cancellation.cancel(
            subscription_id=subscription.public_id,
            time=CancellationTime.SPECIFIC_DATE,
            ends_at=START + 90 * DAY,
            actor=SYSTEM,
            now=NOW,
        )

        found = outlook.milestones(Pool.objects.get(), now=NOW, until=LATER)

        assert found == [
            Milestone(START + 30 * DAY, "The trial of Pro ends"),
            Milestone(START + 90 * DAY, "Pro ends"),
        ]

    def test_name_a_scheduled_update_and_a_start(self, shop):
        updates.update(
            addons=[(shop.addon.public_id, 3)],
            when=updates.When.END_OF_BILLING_PERIOD,
            **shop.by_id(),
        )

        found = outlook.milestones(shop.pool, now=NOW, until=LATER)

        assert found == [Milestone(RESET, "A scheduled update of Pro takes effect")]

    def test_end_with_the_forecast(self, shop):
        assert outlook.milestones(shop.pool, now=START - DAY, until=START - DAY / 2) == []


class TestDrafts:
    def test_are_those_of_what_the_pool_lives_on(self, shop):
        draft = shop.draft()
        a_draft_of(a_published_plan(product=shop.product), now=NOW)

        assert outlook.drafts(shop.pool, NOW) == [draft]

    def test_are_none_without_a_subscription(self):
        assert outlook.drafts(a_pool(), NOW) == []

    def test_of_add_ons_count_as_well(self, shop):
        updates.update(addons=[(shop.addon.public_id, 2)], **shop.by_id())
        draft = a_draft_of(shop.addon, entitlements=[some_credits(shop.credit_type, 500)], now=NOW)

        assert outlook.drafts(shop.pool, NOW) == [draft]
        assert ahead(shop.pool, draft).entries[0].balance_before == 5000 + 1000
