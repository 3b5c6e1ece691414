"""Consumption (R33–R42) and the access check (R43–R45)."""

import pytest

from catalog.models import Aggregation
from subscriptions import customers
from tests.builders import (
    a_credit_type,
    a_formula,
    a_metered_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_resource,
    some_credits,
    some_units,
)
from tests.scenarios.story import Story, a_plan_with, on, used_of

PROMOTIONAL, PAID = "PROMOTIONAL", "PAID"


@pytest.fixture
def held(story: Story):
    """Acme, and a credit type of which it has nothing yet."""
    story.customer()
    return a_credit_type("AI Credits", public_id="ai")


def granted(story: Story, amount: int, **fields: object) -> dict:
    grant: dict = story.grant("acme", "ai", amount, **fields)
    return grant


class TestMapping:
    def test_of_an_add_on_counts_only_where_the_plan_has_none(self, story):
        """R33."""
        product, credit_type = a_product(), a_credit_type()
        images = a_metered_feature("Images", event_name="image")
        films = a_metered_feature("Films", event_name="film")
        addon = a_published_addon(
            product=product,
            mappings=[a_rate(images, credit_type, 1), a_rate(films, credit_type, 100)],
        )
        plan = a_published_plan(
            product=product,
            compatible_addons=[addon],
            entitlements=[some_credits(credit_type, 5_000), some_units(images, None)],
            mappings=[a_rate(images, credit_type, 10)],
        )
        story.subscribe(plan, [(addon, 1)])

        story.event("image", "i")
        story.event("film", "f")

        assert story.left(credit_type) == 5_000 - 10 - 100

    def test_multiplies_units_by_the_rate(self, story):
        """R34, first example: 7 images cost 70."""
        credit_type, images = a_credit_type(), a_metered_feature(event_name="image")
        plan = a_published_plan(
            entitlements=[some_credits(credit_type, 5_000)],
            mappings=[a_rate(images, credit_type, 10)],
        )
        story.subscribe(plan)

        for number in range(7):
            story.event("image", f"image-{number}")

        assert story.left(credit_type) == 4_930

    def test_evaluates_a_formula_per_event(self, story):
        """R34, second example: 2.5 × 100 + 10 × 20 is 450."""
        credit_type = a_credit_type()
        chats = a_metered_feature(
            event_name="chat", aggregation=Aggregation.SUM, aggregation_field="input"
        )
        plan = a_published_plan(
            entitlements=[some_credits(credit_type, 5_000), some_units(chats, None)],
            mappings=[a_formula(chats, credit_type, "2.5*input + 10*output")],
        )
        story.subscribe(plan)

        story.event("chat", "c", dimensions={"input": 100, "output": 20})

        assert story.left(credit_type) == 4_550
        assert used_of(story, chats) == 100


class TestBurnOrder:
    def test_lets_priority_expiry_and_promotions_decide(self, story, held):
        """R35, first and second example."""
        september, august = "2026-09-01T00:00:00Z", "2026-08-15T00:00:00Z"
        a = granted(story, 50, grantType=PAID, priority=1, expireAt=september)
        b = granted(story, 20, grantType=PROMOTIONAL, priority=1, expireAt=september)
        c = granted(story, 100, grantType=PROMOTIONAL, priority=2, expireAt=august)

        def consumed() -> list[int]:
            rows = story.get("credits/grants", customerId="acme").body["data"]
            by_id = {row["id"]: row["consumedAmount"] for row in rows}
            return [by_id[grant["id"]] for grant in (a, b, c)]

        story.use(held, 60)
        assert consumed() == [40, 20, 0]
        story.use(held, 125)

        assert consumed() == [50, 20, 100]
        assert story.left(held) == -15
        assert story.entries(held)[3:] == [
            ("CONSUMED", -20),
            ("CONSUMED", -40),
            ("CONSUMED", -10),
            ("CONSUMED", -100),
            ("CONSUMED", -15),
        ]


class TestOverdraft:
    def in_deficit(self, story: Story, held) -> None:
        granted(story, 10)
        story.use(held, 25)
        assert story.left(held) == -15

    def test_is_settled_and_voided_by_a_grant_that_covers_it(self, story, held):
        """R36, first example."""
        self.in_deficit(story, held)

        granted(story, 50)

        assert story.left(held) == 35
        rows = story.get("credits/grants", customerId="acme").body["data"]
        [overdraft] = [row for row in rows if row["grantType"] == "OVERDRAFT"]
        assert (overdraft["status"], overdraft["consumedAmount"]) == ("VOIDED", 0)

    def test_takes_all_of_a_grant_that_does_not_cover_it(self, story, held):
        """R36, second example."""
        self.in_deficit(story, held)

        grant = granted(story, 10)

        assert story.left(held) == -5
        rows = story.get("credits/grants", customerId="acme").body["data"]
        by_id = {row["id"]: row for row in rows}
        assert by_id[grant["id"]]["consumedAmount"] == 10

    def test_is_there_under_a_hard_limit_too_unless_use_is_strict(self, story):
        """R37."""
        plan, credit_type = a_plan_with(100)
        story.subscribe(plan)

        refused = story.consume("acme", credit_type.public_id, 101, "k", strict=True)
        story.use(credit_type, 101)

        assert refused.body["code"] == "InsufficientCredits"
        assert story.left(credit_type) == -1


class TestLateUse:
    def test_burns_what_is_active_when_it_arrives(self, story):
        """R38: an event of a second before the reset, a second after it."""
        credit_type, images = a_credit_type(), a_metered_feature(event_name="image")
        plan = a_published_plan(
            entitlements=[some_credits(credit_type, 100)],
            mappings=[a_rate(images, credit_type, 10)],
        )
        story.subscribe(plan)
        story.now = on(2026, 2, 1, 10, 1)

        story.event("image", "late", timestamp="2026-02-01T09:59:59Z")

        assert story.left(credit_type) == 90
        assert story.entries(credit_type)[-1] == ("CONSUMED", -10)
        answer = story.get("credits/ledger", customerId="acme", limit=1)
        assert answer.body["data"][0]["timestamp"] == "2026-02-01T10:01:00.000Z"
        usage = story.get(
            "credits/usage",
            customerId="acme",
            startDate="2026-02-01T08:00:00Z",
            endDate="2026-02-01T12:00:00Z",
        )
        points = {point["timestamp"]: point["value"] for point in usage.data["series"][0]["points"]}
        assert points["2026-02-01T09:00:00.000Z"] == 10


class TestReports:
    def test_of_all_four_kinds_burn_one_pool(self, story):
        """R39."""
        credit_type = a_credit_type(public_id="ai")
        images = a_metered_feature(public_id="images", event_name="image")
        plan = a_published_plan(
            entitlements=[some_credits(credit_type, 1_000)],
            mappings=[a_rate(images, credit_type, 10)],
        )
        story.subscribe(plan)
        direct = {"customerId": "acme", "currencyId": "ai", "amount": 5, "idempotencyKey": "a"}
        usage = {"customerId": "acme", "featureId": "images"}

        story.event("image", "e")
        story.post("usage", {"usages": [{**usage, "value": 2}]})
        story.post("usage", {"usages": [{**usage, "value": 5, "updateBehavior": "SET"}]})
        story.use(credit_type, 7)
        story.post("credits/consumption/async", {"consumptions": [direct]})

        # 1 image, 2 more, then a total of 5: two more; and 12 directly.
        assert story.left(credit_type) == 1_000 - 10 - 20 - 20 - 7 - 5

    def test_repeated_change_nothing(self, story, held):
        """R40: whatever the amount, and in another pool the same key is another one."""
        a_resource(customers.find("acme"), "project")
        granted(story, 100)
        story.use(held, 10, "same")

        again = story.consume("acme", "ai", 99, "same")
        elsewhere = story.consume("acme", "ai", 3, "same", resourceId="project")

        assert again.data["amount"] == 0
        assert again.data["credit"]["currentUsage"] == 10
        assert elsewhere.data["amount"] == 3
        assert story.left(held) == 90

    def test_can_be_estimated_first(self, story):
        """R41."""
        credit_type = a_credit_type(public_id="ai")
        images = a_metered_feature(public_id="images", event_name="image")
        plan = a_published_plan(
            entitlements=[some_credits(credit_type, 25)],
            mappings=[a_rate(images, credit_type, 10)],
        )
        story.subscribe(plan)

        body = {"customerId": "acme", "featureId": "images", "value": 3}
        [estimate] = story.post("usage/estimate", body).data["estimates"]

        assert estimate["estimatedCost"] == 30
        assert estimate["balanceAfterEstimate"] == -5
        assert estimate["wouldOverdraft"] is True
        assert story.left(credit_type) == 25


class TestResources:
    def test_are_sealed(self, story, held):
        """R42."""
        a_resource(customers.find("acme"), "project")
        granted(story, 100)
        granted(story, 10, resourceId="project")

        story.use(held, 15, resourceId="project")
        story.use(held, 20)

        assert story.left(held, resourceId="project") == -5
        assert story.left(held) == 80


class TestAccess:
    def test_counts_active_grants_less_the_overdraft(self, story, held):
        """R43: granted less consumed is the balance, in deficit too."""
        granted(story, 10)
        granted(story, 99, effectiveAt="2026-05-01T00:00:00Z")
        story.use(held, 25)

        answer = story.check("acme", "ai")

        assert (answer["usageLimit"], answer["currentUsage"]) == (10, 25)

    def test_compares_with_what_is_asked_for(self, story):
        """R45, first to third example: ask 100, ask 150, ask without an amount."""
        hard_plan, hard = a_plan_with(100)
        soft_plan, soft = a_plan_with(100, terms={"has_soft_limit": True})
        story.subscribe(hard_plan, customer="hard")
        story.subscribe(soft_plan, customer="soft")

        assert story.check("hard", hard.public_id, requestedUsage="100")["isGranted"] is True
        refused = story.check("hard", hard.public_id, requestedUsage="150")
        assert (refused["isGranted"], refused["accessDeniedReason"]) == (
            False,
            "InsufficientCredits",
        )
        allowed = story.check("soft", soft.public_id, requestedUsage="150")
        assert (allowed["isGranted"], allowed["hasSoftLimit"]) == (True, True)
        story.consume("hard", hard.public_id, 100, "k")
        assert story.check("hard", hard.public_id)["isGranted"] is False

    def test_is_soft_if_any_source_is(self, story):
        """R44."""
        product, credit_type = a_product(), a_credit_type()
        addon = a_published_addon(
            product=product,
            entitlements=[some_credits(credit_type, 10, has_soft_limit=True)],
        )
        plan = a_published_plan(
            product=product,
            compatible_addons=[addon],
            entitlements=[some_credits(credit_type, 10)],
        )
        story.subscribe(plan, [(addon, 1)])
        story.use(credit_type, 50)

        assert story.check("acme", credit_type.public_id)["isGranted"] is True

    def test_gives_its_reasons(self, story):
        """R45."""
        plan, credit_type = a_plan_with(100, terms={"is_granted": False})
        story.subscribe(plan)
        story.customer("idle")
        story.customer("gone")
        story.post("customers/gone/archive")

        def reason(customer: str, **query: str) -> str | None:
            answer: str | None = story.check(customer, credit_type.public_id, **query)[
                "accessDeniedReason"
            ]
            return answer

        assert reason("nobody") == "CustomerNotFound"
        assert reason("gone") == "CustomerIsArchived"
        assert reason("acme", resourceId="nowhere") == "CustomerResourceNotFound"
        assert reason("idle") == "EntitlementNotFound"
        assert reason("acme") == "Revoked"
        story.grant("acme", credit_type.public_id, 5)
        assert reason("acme") is None
        assert reason("acme", requestedUsage="6") == "InsufficientCredits"


class TestGrants:
    def test_pass_through_their_states(self, story, held):
        """R47: scheduled, active, expired."""
        granted(story, 10, effectiveAt="2026-01-02T00:00:00Z", expireAt="2026-01-03T00:00:00Z")

        def status() -> str:
            rows = story.get("credits/grants", customerId="acme").body["data"]
            answer: str = rows[0]["status"]
            return answer

        seen = []
        for day in (1, 2, 3):
            story.now = on(2026, 1, day)
            seen.append((status(), story.check("acme", "ai")["usageLimit"]))

        assert seen == [("SCHEDULED", 0), ("ACTIVE", 10), ("EXPIRED", 0)]
        assert story.entries(held) == [("GRANTED", 10), ("EXPIRED", -10)]

    def test_stay_active_when_they_are_empty(self, story, held):
        """R47."""
        granted(story, 10)
        story.use(held, 10)

        [row] = story.get("credits/grants", customerId="acme").body["data"]

        assert (row["status"], row["consumedAmount"]) == ("ACTIVE", 10)

    def test_cost_nothing_when_they_are_promotional(self, story, held):
        """R46."""
        free = granted(story, 10)
        paid = granted(story, 10, grantType=PAID, cost={"amount": 2.5, "currency": "usd"})

        assert free["cost"]["amount"] == 0
        assert float(paid["cost"]["amount"]) == 2.5

    def test_are_voided_with_what_is_left(self, story, held):
        """R48, first example."""
        grant = granted(story, 1_000)
        story.use(held, 300)

        story.post(f"credits/grants/{grant['id']}/void")

        assert story.entries(held)[-1] == ("VOIDED", -700)
        [row] = story.get("credits/grants", customerId="acme").body["data"]
        assert (row["status"], row["consumedAmount"]) == ("VOIDED", 300)
