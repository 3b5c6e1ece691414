"""A small world in which most requests find what they name."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction

from tests.application import Application
from tests.builders import (
    a_coupon,
    a_credit_type,
    a_customer,
    a_feature,
    a_metered_feature,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_subscription,
    some_credits,
    some_entities,
    some_units,
)

KNOWN = {
    "addonId": "extra",
    "couponId": "coupon",
    "currencyId": "ai-credits",
    "customerId": "acme",
    "destinationId": "warehouse",
    "entityId": "ada",
    "entityTypeId": "team",
    "featureId": "images",
    "integrationId": "crm",
    "parentId": "ada",
    "parentPlanId": "free",
    "payingCustomerId": "umbrella",
    "planId": "pro",
    "productId": "studio",
    "subscriptionId": "sub",
    "targetCustomerId": "umbrella",
    "targetId": "ai-credits",
    "topUpCustomCurrencyId": "ai-credits",
}
"""What there is, by the names that callers give to ids."""


@contextmanager
def undone() -> Iterator[None]:
    """Undo what happens inside, as the transaction around a test does."""
    atomic = transaction.atomic()
    atomic._from_testcase = True  # type: ignore[attr-defined]
    with atomic:
        yield
        transaction.set_rollback(True)


def a_world(now: datetime) -> Application:
    """A catalog, customers, a subscription with credits that were used, and who asks for them."""
    ai = a_credit_type("AI Credits", public_id="ai-credits", now=now)
    images = a_metered_feature("Images", public_id="images", now=now)
    seats = a_feature("Seats", public_id="seats", now=now)
    studio = a_product(public_id="studio", now=now)
    a_published_plan("Free", public_id="free", product=studio, now=now)
    a_plan("Next", public_id="next", product=studio, now=now)
    extra = a_published_addon(
        public_id="extra", product=studio, entitlements=[some_credits(ai)], now=now
    )
    pro = a_published_plan(
        public_id="pro",
        product=studio,
        entitlements=[some_credits(ai), some_units(seats), some_units(images, None)],
        mappings=[a_rate(images, ai)],
        compatible_addons=[extra],
        now=now,
    )
    a_coupon("coupon", now=now)
    acme = a_customer(public_id="acme", now=now)
    a_customer("Umbrella", public_id="umbrella", now=now)
    some_entities(acme, "team", "ada", now=now)
    a_subscription(acme, pro, addons=[(extra, 1)], public_id="sub", now=now)
    application = Application(now=now)
    application.consume("acme", "ai-credits", 100, "first")
    application.grant("acme", "ai-credits", 10)
    return application


def with_known_ids(value: Any) -> Any:
    """The same body, its ids such as there are."""
    if isinstance(value, list):
        return [with_known_ids(each) for each in value]
    if isinstance(value, dict):
        return {
            name: KNOWN[name] if name in KNOWN and isinstance(each, str) else with_known_ids(each)
            for name, each in value.items()
        }
    return value
