"""Pages and lists among many customers, and of a pool with a long ledger.

Each beside the same where one page holds everything there is.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from benchmarks import filling
from benchmarks.databases import Databases
from benchmarks.figures import Figure, Table
from catalog.models import Feature
from credits import chapters, consumption, grants
from credits.admin.words import balance_url, forecast_url
from credits.book import GrantType
from credits.consumption import Demand
from credits.grants import Gift
from credits.models import LedgerEntry, Pool
from tests.builders import a_metered_feature
from workspace import keys
from workspace.actors import SYSTEM, Actor, ActorKind
from workspace.models import KeyKind, User

A_PAGE = 25
FEW = 2 * A_PAGE
AT_ONCE = 1_000
DAYS = 25  # of use, all in the running month
A_PERSON = Actor(ActorKind.USER, "1", "Somebody")
WARM_UP = 3
CALLS = 15
HOST = "127.0.0.1"

Asked = Callable[[], int]
"""One request; the status of its answer."""
Pages = Mapping[str, Asked]
"""What is asked for, by name."""


@dataclass(frozen=True)
class Sizes:
    """Customers, each with a subscription and a pool; entries of a long ledger; rounds."""

    customers: int
    entries: int
    rounds: int


def measure(databases: Databases, table: Table, sizes: Sizes) -> None:
    """Ask for each page before and after the customers, or the entries, are there."""
    person = _somebody()
    _of_a_long_ledger(databases, table, sizes, person)
    pool = filling.a_pool(timezone.now())
    filling.copy_customer(pool.customer, FEW)
    pages = _pages(pool, person)
    few = {name: PageTimes(ask, sizes.rounds) for name, ask in pages.items()}
    filling.copy_customer(pool.customer, sizes.customers - FEW, first=FEW + 1)
    databases.settle()
    for name, ask in pages.items():
        table.add(PageTimes(ask, sizes.rounds).beside(few[name], name))


def _of_a_long_ledger(databases: Databases, table: Table, sizes: Sizes, person: Client) -> None:
    """The same of the pages of one pool; of each the short one is asked for just before."""
    first, now = timezone.now() - timedelta(days=DAYS), timezone.now()
    names = ("Images", "Films", "Texts")
    features = [a_metered_feature(name, event_name=name.lower()) for name in names]
    short, long = filling.a_pool(first), filling.a_pool(first)
    for pool, entries in (short, A_PAGE), (long, sizes.entries):
        _use(pool, features, entries, first, now)
    started = time.monotonic()
    done = chapters.sum_up_due(until=started + 3600)
    table.note(f"{done} chapters were added up in {time.monotonic() - started:.1f} s")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    databases.settle()
    of_long = _pages_of(long, features[0], person)
    for name, ask in _pages_of(short, features[0], person).items():
        few = PageTimes(ask, sizes.rounds)
        many = PageTimes(of_long[name], sizes.rounds)
        table.add(many.beside(few, f"{sizes.entries:,} entries: {name}"))


def _use(
    pool: Pool, features: Sequence[Feature], entries: int, start: datetime, end: datetime
) -> None:
    """Use a pool till it has so many entries, evenly from `start` to `end`, by the real verbs.

    Ten times a person takes something away, and gives something.
    """
    at_once = min(AT_ONCE, -(-entries // DAYS))
    batches = -(-entries // at_once)
    for batch in range(batches):
        now = start + (end - start) * batch / batches
        first = batch * at_once
        demands = [
            Demand(
                Decimal(1),
                f"{now} {number}",
                now,
                feature_id=features[number % len(features)].pk if number % 4 else None,
                dimensions={"model": f"model {number % 7}"},
            )
            for number in range(first, min(first + at_once, entries))
        ]
        consumption.consume_several(pool_id=pool.pk, demands=demands, actor=SYSTEM, now=now)
        if batch % (batches // 10) == 0:
            taken = Demand(Decimal(1), f"{now} by hand", now, reason="Refund")
            consumption.consume(pool_id=pool.pk, demand=taken, actor=A_PERSON, now=now)
            gift = Gift(type=GrantType.PROMOTIONAL, amount=Decimal(9), name="Thanks", priority=99)
            grants.grant(pool_id=pool.pk, gift=gift, actor=A_PERSON, now=now)


class PageTimes:
    """How long a page took, by the median of each round, and how many statements it sent."""

    def __init__(self, ask: Asked, rounds: int) -> None:
        for _ in range(WARM_UP):
            status = ask()
            assert status == 200, status
        with CaptureQueriesContext(connection) as captured:
            ask()
        self.statements = len(captured)
        self.milliseconds = [self._median(ask) for _ in range(rounds)]

    def beside(self, few: "PageTimes", name: str) -> Figure:
        """These times beside those of the same page when there was little to show."""
        notes = ""
        if self.statements != few.statements:
            notes = f"{self.statements} statements instead of {few.statements}"
        times = self.milliseconds, few.milliseconds
        return Figure(name, "ms", *times, 2, at_least=False, notes=notes)

    def _median(self, ask: Asked) -> float:
        taken = []
        for _ in range(CALLS):
            started = time.perf_counter()
            ask()
            taken.append(time.perf_counter() - started)
        return statistics.median(taken) * 1000


def _somebody() -> Client:
    """The browser of an administrator."""
    person = Client(headers={"host": HOST})
    person.force_login(User.objects.create_superuser("benchmark", password=None))
    return person


def _pages_of(pool: Pool, feature: Feature, person: Client) -> Pages:
    """Screens of one pool."""
    tab = reverse("admin:credits_customer_credits", args=[pool.customer_id])
    why, forecast = balance_url(pool), forecast_url(pool)
    granted = LedgerEntry.objects.filter(pool=pool, type="CREDITS_GRANTED").latest("number")
    past = timezone.now() - timedelta(days=DAYS - 1)
    day = f"{past:%Y-%m-%d}"

    def screen(address: str, **query: str) -> Asked:
        return lambda: person.get(address, query).status_code

    return {
        "credits": screen(tab),
        "credits, chart of a day": screen(tab, range="day"),
        "credits, chart of a year": screen(tab, range="year"),
        "credits, chart by dimension": screen(tab, by="model"),
        "credits, all grants": screen(tab, grants="all"),
        "credits, grants in ledger": screen(tab, type="CREDITS_GRANTED"),
        "credits, none expired": screen(tab, type="CREDITS_EXPIRED"),
        "credits, a feature in ledger": screen(tab, source=f"feature:{feature.public_id}"),
        "credits, top-ups in ledger": screen(tab, source="top-up"),
        "credits, a past day in ledger": screen(tab, since=day, until=day),
        "why": screen(why),
        "why, last period": screen(why, span="last"),
        "why, 7 days": screen(why, span="week"),
        "why, as known": screen(why, view="known"),
        "why, of a past instant": screen(why, since="2020-01-01", until=day),
        "why, entries of a feature": screen(why, open=f"used-{feature.pk}"),
        "why, entries of people": screen(why, open="taken"),
        "why, a grant": screen(why, open=f"granted-{granted.number}"),
        "forecast": screen(forecast),
        "usage": screen(reverse("admin:credits_customer_usage", args=[pool.customer_id])),
    }


def _pages(pool: Pool, person: Client) -> Pages:
    """Screens and lists of the API, by name."""
    customer = pool.customer
    key = keys.create(name="Benchmark", kind=KeyKind.FULL, actor=SYSTEM, now=timezone.now()).raw
    application = Client(headers={"host": HOST, "X-API-KEY": key})

    def screen(address: str, **query: str) -> Asked:
        return lambda: person.get(address, query).status_code

    def operation(path: str, **query: str) -> Asked:
        return lambda: application.get(f"/api/v1/{path}", query).status_code

    customers = reverse("admin:subscriptions_customer_changelist")
    subscriptions = reverse("admin:subscriptions_subscription_changelist")
    balances = reverse("admin:credits_pool_changelist")
    subscription = customer.subscriptions.get()
    return {
        "home": screen(reverse("admin:index")),
        "customers": screen(customers),
        "customers, page 2": screen(customers, p="2"),
        "customers, archived": screen(customers, status="archived"),
        "customers, search an ID": screen(customers, q=customer.public_id),
        "customers, search what all have": screen(customers, q="acme"),
        "customers, search two words": screen(customers, q="acme 1"),
        "customers, search nothing like it": screen(customers, q="no such customer"),
        "customers, by name": screen(customers, o="1"),
        "palette": screen(reverse("admin:search"), s=customer.public_id),
        "subscriptions": screen(subscriptions),
        "subscriptions, expired": screen(subscriptions, status="EXPIRED"),
        "subscriptions, search": screen(subscriptions, q="acme 1"),
        "grants, search": screen(reverse("admin:credits_grant_changelist"), q="top"),
        "balances, negative": screen(balances, standing="negative"),
        "resets": screen(reverse("admin:credits_pool_resets")),
        "subscription": screen(
            reverse("admin:subscriptions_subscription_change", args=[subscription.pk])
        ),
        **{
            f"customer, {name}": screen(reverse(f"admin:{name}", args=[customer.pk]))
            for name in (
                "subscriptions_customer_change",
                "subscriptions_customer_entitlements",
                "subscriptions_customer_activity",
                "credits_customer_usage",
                "credits_customer_credits",
            )
        },
        "activity": screen(reverse("admin:workspace_activity_changelist")),
        "GET customers": operation("customers"),
        "GET customers?email": operation("customers", email="nobody@example.com"),
        "GET subscriptions": operation("subscriptions"),
        "GET subscriptions of one": operation("subscriptions", customerId=customer.public_id),
        "GET grants": operation(
            "credits/grants", customerId=customer.public_id, currencyId=pool.credit_type.public_id
        ),
        "GET ledger": operation("credits/ledger", customerId=customer.public_id),
    }
