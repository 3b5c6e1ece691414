"""What `benchmarks.profile` looks into: the product's work, and the same by hand."""

import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from benchmarks import by_hand, filling, static_urls
from catalog import drafts, entitlements, publishing
from catalog.models import Package, PackageKind
from catalog.publishing import Audience
from credits import consumption, resets
from credits.consumption import Demand
from subscriptions import impacts, periods, tasks
from subscriptions.models import RolloutRun
from workspace import keys
from workspace.actors import SYSTEM
from workspace.models import KeyKind


@dataclass(frozen=True)
class Work:
    """`calls` of something, each doing `weight` pieces of work."""

    unit: str
    product: Callable[[], object]
    by_hand: Callable[[], object] | None
    calls: int
    weight: int = 1
    warm_up: int = 1


def consume(pools: int, batch: int) -> Work:
    """One consumption on one of many pools."""
    stock = filling.stock(pools, timezone.now())
    by_hand.install("consume")
    generator = random.Random(1)

    def product() -> None:
        now = timezone.now()
        demand = Demand(Decimal(1), str(uuid4()), now)
        pool_id = generator.choice(stock.ids)
        consumption.consume(pool_id=pool_id, demand=demand, actor=SYSTEM, now=now)

    def hand() -> None:
        _ask("SELECT consume_by_hand(%s, 1000000, %s)", generator.choice(stock.ids), str(uuid4()))

    return Work("one consumption", product, hand, calls=2000, warm_up=50)


def batches(pools: int, batch: int) -> Work:
    """A batch of consumptions on one of many pools."""
    stock = filling.stock(pools, timezone.now())
    by_hand.install("consume_several")
    generator = random.Random(1)

    def product() -> None:
        now = timezone.now()
        demands = [Demand(Decimal(1), str(uuid4()), now) for _ in range(batch)]
        pool_id = generator.choice(stock.ids)
        consumption.consume_several(pool_id=pool_id, demands=demands, actor=SYSTEM, now=now)

    def hand() -> None:
        _ask(
            "SELECT consume_several_by_hand(%s, %s::bigint[], %s::text[])",
            generator.choice(stock.ids),
            [1_000_000] * batch,
            [str(uuid4()) for _ in range(batch)],
        )

    calls = max(5, 20_000 // batch)
    return Work(f"one of {batch:,} consumptions", product, hand, calls, weight=batch, warm_up=6)


def reset(pools: int, batch: int) -> Work:
    """All pools due at one instant, month after month."""
    anchor = (timezone.now() - timedelta(days=3660)).replace(microsecond=0)
    filling.stock(pools, anchor)
    by_hand.install("reset")
    months = iter(range(1, 120))

    def product() -> None:
        at = periods.boundary(anchor, next(months)) + timedelta(seconds=1)
        resets.sweep(now=at, seconds=3600)

    def hand() -> None:
        _ask(
            "SELECT reset_by_hand(%s)",
            periods.boundary(anchor, next(months)) + timedelta(seconds=1),
        )

    return Work("one due pool", product, hand, calls=1, weight=pools + 1)


def preview(pools: int, batch: int) -> Work:
    """What a publication would do to all who have the plan."""
    catalog = _Catalog(pools)
    catalog.open_draft()

    def product() -> None:
        impacts.begin(package_id=catalog.plan.pk, actor=SYSTEM, now=catalog.now)
        while tasks.preview_impacts(catalog.now):
            pass

    return Work("one subscription of a preview", product, None, calls=1, weight=pools + 1)


def rollout(pools: int, batch: int) -> Work:
    """A publication to all who have the plan, one after the other."""
    catalog = _Catalog(pools)

    def product() -> None:
        catalog.open_draft()
        catalog.publish()
        while RolloutRun.objects.unfinished().exists():
            tasks.roll_out(catalog.now)

    return Work("one subscription of a rollout", product, None, calls=1, weight=pools + 1)


def check(pools: int, batch: int) -> Work:
    """A check as the web server hands it over, without the server."""
    site = _Site(pools)

    def product() -> None:
        site.ask(
            "GET",
            f"/api/v1/customers/{site.customer()}/entitlements/check",
            query=f"currencyId={site.stock.credit_type_id}&requestedUsage=1",
        )

    return Work("one check, from its arrival to its end", product, static, calls=2000)


def post(pools: int, batch: int) -> Work:
    """A consumption as the web server hands it over, without the server."""
    site = _Site(pools)

    def product() -> None:
        body = (
            f'{{"customerId":"{site.customer()}","currencyId":"{site.stock.credit_type_id}",'
            f'"amount":1,"idempotencyKey":"{uuid4()}"}}'
        )
        site.ask("POST", "/api/v1/credits/consumption", body=body.encode())

    return Work("one posted consumption, from its arrival to its end", product, static, calls=1000)


def static() -> None:
    """The answer of the static twin, without the way there."""
    static_urls.answer(HttpRequest())


class _Catalog:
    """A plan that many have; each version gives 1,000 credits more than the one before."""

    def __init__(self, pools: int) -> None:
        self.now = timezone.now()
        self.stock = filling.stock(pools, self.now)
        self.plan = Package.objects.get(kind=PackageKind.PLAN)

    def open_draft(self) -> None:
        """Open a draft that gives more."""
        self.now += timedelta(seconds=1)
        drafts.open_draft(package_id=self.plan.pk, actor=SYSTEM, now=self.now)
        self.plan.refresh_from_db()
        assert self.plan.draft is not None
        entitlement = self.plan.draft.credit_entitlements.get()
        assert entitlement.amount is not None
        entitlements.change_credits(
            package_id=self.plan.pk,
            credit_type=entitlement.credit_type,
            amount=entitlement.amount + 1_000,
            actor=SYSTEM,
            now=self.now,
        )

    def publish(self) -> None:
        """Publish it for all customers."""
        publishing.publish(
            package_id=self.plan.pk, audience=Audience.ALL_CUSTOMERS, actor=SYSTEM, now=self.now
        )


class _Site:
    """The product as a web server sees it, with a key and many customers."""

    def __init__(self, pools: int) -> None:
        now = timezone.now()
        self.stock = filling.stock(pools, now)
        self.key = keys.create(name="Profile", kind=KeyKind.FULL, actor=SYSTEM, now=now).raw
        self.application = get_wsgi_application()
        self.generator = random.Random(1)

    def customer(self) -> str:
        """The id of one of them."""
        return f"{self.stock.customer_id}-{self.generator.randint(1, self.stock.count)}"

    def ask(self, method: str, path: str, *, query: str = "", body: bytes = b"") -> None:
        """Send a request, and read the answer to its end."""
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": "application/json" if body else "",
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "HTTP_X_API_KEY": self.key,
            "HTTP_ACCEPT": "application/json",
            "HTTP_HOST": "localhost",
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
        }
        response = self.application(environ, lambda *status: print)
        b"".join(response)
        response.close()
        assert response.status_code == 200, response


def _ask(statement: str, *parameters: Any) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()
