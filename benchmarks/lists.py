"""W4: pages and lists among many customers, beside the same where one page holds them all."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from benchmarks import filling
from benchmarks.databases import Databases
from benchmarks.figures import Figure, Table
from credits.models import Pool
from workspace import keys
from workspace.actors import SYSTEM
from workspace.models import KeyKind, User

A_PAGE = 25
WARM_UP = 3
CALLS = 15
HOST = "127.0.0.1"

Asked = Callable[[], int]
"""One request; the status of its answer."""


@dataclass(frozen=True)
class Sizes:
    """Customers, each with a subscription and a pool; how often all is measured."""

    customers: int
    rounds: int


def measure(databases: Databases, table: Table, sizes: Sizes) -> None:
    """Ask for each page before and after the customers are there."""
    pool = filling.a_pool(timezone.now())
    filling.copy_customer(pool.customer, A_PAGE)
    pages = _pages(pool)
    few = {name: PageTimes(ask, sizes.rounds) for name, ask in pages.items()}
    filling.copy_customer(pool.customer, sizes.customers - A_PAGE, first=A_PAGE + 1)
    databases.settle()
    for name, ask in pages.items():
        many = PageTimes(ask, sizes.rounds)
        table.add(many.beside(few[name], f"W4 {name}"))


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


def _pages(pool: Pool) -> Mapping[str, Asked]:
    """Screens and lists of the API, by name."""
    customer = pool.customer
    person = Client(headers={"host": HOST})
    person.force_login(User.objects.create_superuser("benchmark", password=None))
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
        "customers, page 50": screen(customers, p="50"),
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
