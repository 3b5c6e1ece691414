"""From an empty catalog to 80,000 credits: the path that everybody walks first."""

from datetime import timedelta

import pytest

from catalog.models import Behaviour, Cadence, PricingType
from tests.builders import (
    a_credit_type,
    a_metered_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    some_credits,
    some_units,
)
from tests.scenarios.story import on


class Catalog:
    """What is sold along the path."""

    def __init__(self) -> None:
        self.ai = a_credit_type("AI Credits", public_id="ai-credits")
        self.api = a_credit_type("API Credits", public_id="api-credits")
        self.images = a_metered_feature("AI Image Generation", event_name="image")
        product = a_product("Studio")
        self.extra = a_published_addon(
            "Extra API Credits",
            product=product,
            monthly=49,
            entitlements=[some_credits(self.api, 10_000)],
        )
        self.large = a_published_addon(
            "API 500k",
            product=product,
            entitlements=[some_credits(self.api, 500_000, behaviour=Behaviour.OVERRIDE)],
        )
        self.pro = a_published_plan(
            "Pro",
            product=product,
            monthly=99,
            yearly=990,
            compatible_addons=[self.extra, self.large],
            entitlements=[
                some_credits(self.ai, 5_000),
                some_credits(self.api, 50_000),
                some_units(self.images, None),
            ],
            mappings=[a_rate(self.images, self.ai, 10)],
        )
        self.free = a_published_plan(
            "Free",
            product=product,
            pricing_type=PricingType.FREE,
            entitlements=[some_credits(self.ai, 500)],
        )
        self.annual = a_published_plan(
            "Annual",
            product=product,
            yearly=990,
            entitlements=[some_credits(self.ai, 60_000, Cadence.YEAR)],
        )


@pytest.fixture
def catalog(db: None) -> Catalog:
    return Catalog()


class TestTheFirstPath:
    def test_gives_80_000_api_credits_with_three_add_ons(self, story, catalog):
        story.subscribe(catalog.pro, [(catalog.extra, 3)], billingPeriod="MONTHLY")

        assert story.left(catalog.api) == 80_000
        assert story.left(catalog.ai) == 5_000

    def test_gives_500_000_with_the_override(self, story, catalog):
        story.subscribe(catalog.pro, [(catalog.large, 1), (catalog.extra, 3)])

        assert story.left(catalog.api) == 500_000
        assert story.left(catalog.ai) == 5_000

    def test_gives_500_for_nothing(self, story, catalog):
        story.subscribe(catalog.free)

        assert story.left(catalog.ai) == 500

    def test_gives_60_000_up_front_for_a_year(self, story, catalog):
        story.subscribe(catalog.annual, billingPeriod="ANNUALLY")

        assert story.left(catalog.ai) == 60_000
        answer = story.check("acme", "ai-credits")
        assert answer["usagePeriodEnd"] == "2027-01-01T10:00:00.000Z"

    def test_takes_ten_for_an_image_and_as_many_as_asked_for_directly(self, story, catalog):
        story.subscribe(catalog.pro)

        story.event("image", "image-1")
        story.use(catalog.ai, 90)

        assert story.left(catalog.ai) == 4_900
        assert story.check("acme", "ai-credits", requestedUsage="4900")["isGranted"] is True
        assert story.check("acme", "ai-credits", requestedUsage="4901")["isGranted"] is False

    def test_answers_alike_at_the_edge(self, story, catalog):
        story.subscribe(catalog.pro, [(catalog.extra, 3)])
        story.use(catalog.api, 30_000)

        state = story.get("/v1/c/acme/entitlements-state.json").data["entitlementsState"]

        assert state["accessDeniedReason"] is None
        left = {
            entry["currency"]["currencyId"]: entry["usageLimit"] - entry["currentUsage"]
            for entry in state["entitlementsV2"]
            if entry["__typename"] == "CreditEntitlement"
        }
        assert left == {"ai-credits": 5_000, "api-credits": 50_000}

    def test_resets_at_the_boundary_whether_or_not_a_worker_runs(self, story, catalog):
        story.subscribe(catalog.pro, [(catalog.extra, 3)])
        story.use(catalog.api, 70_000)
        story.now = on(2026, 2, 1) - timedelta(microseconds=1)
        before = story.check("acme", "api-credits")
        story.now = on(2026, 2, 1)

        unswept = story.check("acme", "api-credits")
        story.sweep()
        swept = story.check("acme", "api-credits")

        assert before["usageLimit"] - before["currentUsage"] == 10_000
        assert unswept["usageLimit"] - unswept["currentUsage"] == 80_000
        assert swept == unswept

    def test_resets_a_free_plan_and_a_yearly_one_too(self, story, catalog):
        story.subscribe(catalog.free, customer="small")
        story.subscribe(catalog.annual, customer="large")
        for customer in ("small", "large"):
            story.consume(customer, "ai-credits", 100, "k")

        story.now = on(2026, 12, 31)
        assert story.left(catalog.ai, "small") == 500
        assert story.left(catalog.ai, "large") == 59_900
        story.now = on(2027, 1, 1)
        assert story.left(catalog.ai, "large") == 60_000

    def test_may_sweep_twice_and_late(self, story, catalog):
        story.subscribe(catalog.pro)
        story.now = on(2026, 2, 11)

        story.sweep()
        once = story.entries(catalog.ai)
        story.sweep()

        assert (
            story.entries(catalog.ai)
            == once
            == [
                ("GRANTED", 5_000),
                ("EXPIRED", -5_000),
                ("GRANTED", 5_000),
            ]
        )
