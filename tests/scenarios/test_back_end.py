"""A customer's back end, which knows nothing but HTTP and loses the first answer to everything."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.application import Answer
from tests.scenarios.story import Story, on

NOW = "IMMEDIATE"
IMAGES, WORDS, SEATS = "images", "words", "seats"


class BackEnd(Story):
    """Sends everything twice, as after a lost answer: nothing may happen twice."""

    sent = 0

    def sure(self, path: str, body: Any = None) -> Any:
        """POST with an `Idempotency-Key`; the data of the second answer (R40, end)."""
        self.sent += 1
        lost, answer = (
            self.post(path, body, idempotency_key=f"request-{self.sent}") for _ in range(2)
        )
        assert lost.status in (200, 201), lost.body
        assert (answer.status, answer.body) == (lost.status, lost.body)
        assert "Idempotency-Replayed" not in lost.headers
        assert answer.headers["Idempotency-Replayed"] == "true"
        return answer.data

    def keyed(self, path: str, body: Mapping[str, Any]) -> Answer:
        """POST with keys of its own in the body, twice; the first answer (R40)."""
        first, _ = (self.post(path, body) for _ in range(2))
        assert first.status in (200, 201), first.body
        return first

    def put_right(self, path: str, body: Mapping[str, Any]) -> Any:
        """PATCH, twice; the data of the second answer."""
        lost, answer = (self.patch(path, body) for _ in range(2))
        assert (lost.status, answer.status) == (200, 200), lost.body
        return answer.data

    def sell(self) -> None:
        """Make the catalog: two plans of one product, an increment and an override."""
        for public_id, name in (("ai", "AI Credits"), ("api", "API Credits")):
            self.sure("credits/custom-currencies", {"id": public_id, "displayName": name})
        self.sure(
            "features",
            {"id": SEATS, "displayName": "Seats", "featureType": "NUMBER", "meterType": "None"},
        )
        for public_id in (IMAGES, WORDS):
            self.sure(
                "features",
                {
                    "id": public_id,
                    "displayName": public_id.capitalize(),
                    "featureType": "NUMBER",
                    "meterType": "INCREMENTAL",
                },
            )
            self.put_right(f"features/{public_id}", {"meter": a_meter(public_id)})
        self.sure("products", {"id": "studio", "displayName": "Studio"})
        for public_id, behavior, amount in (
            ("extra", "Increment", 10_000),
            ("large", "Override", 500_000),
        ):
            self.package("addons", public_id, [some("api", amount, behavior=behavior)])
        self.package(
            "plans",
            "pro",
            [
                some("ai", Decimal("5000.000001")),
                some("api", 50_000),
                some("seats", 5, type="FEATURE"),
            ],
            prices=[a_rate(IMAGES, "10"), a_rate(WORDS, "0", "0.000001 * words + 0.5")],
            compatibleAddonIds=["extra", "large"],
        )
        self.package(
            "plans", "team", [some("ai", 8_000), some("api", 90_000)], compatibleAddonIds=["extra"]
        )

    def begin(self, plan: str, **extra: int) -> str:
        """Acme comes, and subscribes to a plan with so many of an add-on; the subscription."""
        self.sure("customers", {"id": "acme", "name": "Acme"})
        order = {"customerId": "acme", "planId": plan, "addons": addons(**extra)}
        begun: str = self.sure("subscriptions", order)["subscription"]["id"]
        return begun

    def package(
        self,
        kind: str,
        public_id: str,
        entitlements: list[dict[str, Any]],
        *,
        prices: list[dict[str, Any]] | None = None,
        product: str = "studio",
        **changes: Any,
    ) -> None:
        """Make a plan or an add-on and publish it."""
        names = {"id": public_id, "displayName": public_id.capitalize(), "productId": product}
        self.sure(kind, {**names, "pricingType": "PAID"})
        self.sure(f"{kind}/{public_id}/entitlements", {"entitlements": entitlements})
        charges = {"pricingType": "PAID", "pricingModels": [a_price(49), *(prices or [])]}
        self.put_right(f"{kind}/{public_id}", {"charges": charges, **changes})
        self.sure(f"{kind}/{public_id}/publish", {"migrationType": "NEW_CUSTOMERS"})

    def holds(self, credit_type: str) -> Decimal:
        """What Acme has left, by every way to ask, and by the sum of the ledger's pages."""
        check = self.check("acme", credit_type)
        left: Decimal = check["usageLimit"] - check["currentUsage"]
        [listed] = [
            entry
            for entry in self.get("customers/acme/entitlements").data["entitlements"]
            if entry["type"] == "CREDIT" and entry["currency"]["currencyId"] == credit_type
        ]
        assert listed == check
        assert check["isGranted"] is (left > 0)
        assert sum(row["amount"] for row in self.pages(credit_type)) == left
        return left

    def pages(self, credit_type: str) -> list[dict[str, Any]]:
        """Acme's ledger, read forwards page by page and, to the same effect, backwards."""
        query = {"customerId": "acme", "currencyId": credit_type, "limit": 3}
        forwards: list[dict[str, Any]] = []
        page: dict[str, Any] = {"pagination": {"next": None}}
        while True:
            after = page["pagination"]["next"]
            page = self.get("credits/ledger", **query, **({"after": after} if after else {})).body
            forwards += page["data"]
            if page["pagination"]["next"] is None:
                break
        backwards = page["data"]
        while page["pagination"]["prev"] is not None:
            before = page["pagination"]["prev"]
            page = self.get("credits/ledger", **query, before=before).body
            backwards = page["data"] + backwards
        assert backwards == forwards
        return forwards


def addons(**quantities: int) -> list[dict[str, Any]]:
    """Add-ons by their ids, and how many of each."""
    return [{"id": public_id, "quantity": many} for public_id, many in quantities.items()]


def some(public_id: str, amount: Any, *, type: str = "CREDIT", **terms: Any) -> dict[str, Any]:
    """An entitlement of a package."""
    if type == "FEATURE":
        return {"type": type, "id": public_id, "usageLimit": amount, **terms}
    return {"type": type, "id": public_id, "amount": amount, "cadence": "MONTH", **terms}


def a_price(amount: int) -> dict[str, Any]:
    """So much a month."""
    price = {"billingPeriod": "MONTHLY", "price": {"amount": amount, "currency": "usd"}}
    return {"billingModel": "FLAT_FEE", "pricePeriods": [price]}


def a_rate(feature_id: str, amount: str, formula: str = "") -> dict[str, Any]:
    """What a use costs in AI Credits."""
    rate = {"amount": Decimal(amount), "currencyId": "ai"}
    if formula:
        rate["costFormula"] = formula
    period = {"billingPeriod": "MONTHLY", "creditRate": rate}
    return {"billingModel": "CREDIT_BASED", "featureId": feature_id, "pricePeriods": [period]}


def a_meter(event_name: str) -> dict[str, Any]:
    """Counts the events of this name."""
    condition = {"field": "eventName", "operation": "EQUALS", "value": event_name}
    return {"aggregation": {"function": "COUNT"}, "filters": [{"conditions": [condition]}]}


@pytest.fixture
def back_end(db: None) -> BackEnd:
    back_end = BackEnd()
    back_end.sell()
    return back_end


def use(amount: Any, key: str, **fields: Any) -> dict[str, Any]:
    """Acme takes AI Credits."""
    body = {"customerId": "acme", "currencyId": "ai", "amount": Decimal(amount)}
    return {**body, "idempotencyKey": key, **fields}


def happened(name: str, key: str, **dimensions: Any) -> dict[str, Any]:
    """Something happens at Acme."""
    event = {"customerId": "acme", "eventName": name, "idempotencyKey": key}
    return {"events": [{**event, "dimensions": dimensions}]}


def counted(value: int, key: str, behavior: str) -> dict[str, Any]:
    """Acme counted its images."""
    row = {"customerId": "acme", "featureId": IMAGES, "value": value, "idempotencyKey": key}
    return {"usages": [{**row, "updateBehavior": behavior}]}


class TestTheLifeOfACustomer:
    def test_is_exact_to_the_millionth_and_nothing_happens_twice(self, back_end):
        """R15, R21, R27, R31–R41: subscribe, use, report, top up, change, cancel."""
        subscription = back_end.begin("pro", extra=3)
        assert back_end.holds("ai") == Decimal("5000.000001")
        assert back_end.holds("api") == 80_000
        for wanted, is_granted in (("5000.000001", True), ("5000.000002", False)):
            answer = back_end.check("acme", "ai", requestedUsage=wanted)
            assert answer["isGranted"] is is_granted

        answer = back_end.keyed("credits/consumption", use("0.000001", "first"))
        assert answer.data["amount"] == Decimal("0.000001")
        assert back_end.holds("ai") == 5_000
        back_end.keyed("events", happened(IMAGES, "image-1"))
        assert back_end.holds("ai") == 4_990
        cost = back_end.post(
            "events/estimate",
            {"customerId": "acme", "eventName": WORDS, "dimensions": {"words": 250}},
        ).data["estimates"][0]
        assert cost["estimatedCost"] == Decimal("0.50025")
        assert cost["balanceAfterEstimate"] == Decimal("4989.49975")
        back_end.keyed("events", happened(WORDS, "words-1", words=250))
        assert back_end.holds("ai") == Decimal("4989.49975")
        answer = back_end.keyed("usage", counted(7, "count-1", "DELTA"))
        assert (answer.data[0]["currentUsage"], answer.data[0]["credit"]["consumed"]) == (8, 70)
        answer = back_end.keyed("usage", counted(10, "count-2", "SET"))
        assert (answer.data[0]["currentUsage"], answer.data[0]["credit"]["consumed"]) == (10, 20)
        assert back_end.holds("ai") == Decimal("4899.49975")

        refused = back_end.post("credits/consumption", use("5000", "too-much", strict=True))
        assert (refused.status, refused.body["code"]) == (409, "InsufficientCredits")
        assert refused.headers["x-should-retry"] == "false"
        assert back_end.holds("ai") == Decimal("4899.49975")
        both = {"consumptions": [use("1.5", "async-1"), use("2.25", "async-2")]}
        back_end.keyed("credits/consumption/async", both)
        back_end.keyed("credits/consumption", use("4900", "all"))
        assert back_end.holds("ai") == Decimal("-4.25025")
        top_up = {"customerId": "acme", "currencyId": "ai", "amount": Decimal("1000.5")}
        terms = {"displayName": "Top-up", "grantType": "PAID", "priority": 20}
        back_end.sure("credits/grants", {**top_up, **terms})
        assert back_end.holds("ai") == Decimal("996.24975")

        back_end.now = on(2026, 2, 1)
        assert back_end.holds("ai") == Decimal("5996.249751")
        assert back_end.holds("api") == 80_000
        for quantity in (5, 2):
            changes = {"addons": addons(extra=quantity)}
            back_end.put_right(f"subscriptions/{subscription}", changes)
            assert back_end.holds("api") == 100_000
        move = {"customerId": "acme", "planId": "team", "scheduleStrategy": "IMMEDIATE"}
        assert back_end.sure("subscriptions", move)["subscription"]["id"] == subscription
        assert back_end.holds("ai") == Decimal("8996.24975")
        assert back_end.holds("api") == 140_000

        ended = back_end.sure(f"subscriptions/{subscription}/cancel", {"cancellationTime": NOW})
        assert ended["status"] == "CANCELED"
        assert back_end.holds("ai") == Decimal("996.24975")
        back_end.keyed("credits/consumption", use("996.24975", "last"))
        assert back_end.holds("ai") == 0
        assert back_end.check("acme", "ai")["accessDeniedReason"] == "InsufficientCredits"

    def test_takes_over_consumption_from_and_back_to_what_an_override_suspends(self, back_end):
        """R28–R30: override of 500,000 bought with 60,000 used, then removed."""
        subscription = back_end.begin("pro", extra=3)
        back_end.keyed("credits/consumption", use("60000", "first", currencyId="api"))

        path = f"subscriptions/{subscription}"
        back_end.put_right(path, {"addons": addons(extra=3, large=1)})
        assert back_end.holds("api") == 440_000
        back_end.put_right(path, {"addons": addons(extra=3)})
        assert back_end.holds("api") == 20_000

    def test_follows_what_is_published_for_all(self, back_end):
        """R14, both examples: 5,000 with 3,200 used, then 6,000 and 4,000 for all."""
        back_end.package("plans", "basic", [some("ai", 5_000)])
        back_end.begin("basic")
        back_end.keyed("credits/consumption", use("3200", "first"))

        balances = []
        for amount in (6_000, 4_000):
            back_end.sure("plans/basic/draft")
            back_end.put_right("plans/basic/entitlements/ai", {"type": "CREDIT", "amount": amount})
            back_end.sure("plans/basic/publish", {"migrationType": "ALL_CUSTOMERS"})
            back_end.roll_out()
            balances.append(back_end.holds("ai"))
        back_end.now = on(2026, 2, 1)

        assert balances == [2_800, 2_800]
        assert back_end.holds("ai") == 4_000

    def test_stays_on_its_version_until_it_is_migrated(self, back_end):
        """R10, R14: what is for new customers comes with `migrate`, in the difference."""
        back_end.package("plans", "basic", [some("ai", 5_000)])
        subscription = back_end.begin("basic")
        back_end.keyed("credits/consumption", use("3200", "first"))
        back_end.sure("plans/basic/draft")
        back_end.put_right("plans/basic/entitlements/ai", {"type": "CREDIT", "amount": 6_000})
        back_end.sure("plans/basic/publish", {"migrationType": "NEW_CUSTOMERS"})
        back_end.roll_out()

        before = back_end.holds("ai")
        back_end.sure(f"subscriptions/{subscription}/migrate", {})

        assert (before, back_end.holds("ai")) == (1_800, 2_800)

    @pytest.mark.parametrize(
        ("behavior", "up", "down"),
        [("ALWAYS_RESET", 500, 40), ("NEVER_RESET", 440, 0), ("BILLING_PERIOD_CHANGE", 440, 0)],
    )
    def test_changes_its_plan_as_the_product_says(self, back_end, behavior, up, down):
        """R31: 100 with 60 used, to 500, all but 40 used of it, and back to 100."""
        back_end.sure("products", {"id": "small-studio", "displayName": "Small studio"})
        rule = {"usageResetCutoffRule": {"behavior": behavior}}
        back_end.put_right("products/small-studio", rule)
        for public_id, amount in (("small", 100), ("large-plan", 500)):
            back_end.package("plans", public_id, [some("ai", amount)], product="small-studio")
        back_end.begin("small")
        back_end.keyed("credits/consumption", use("60", "first"))

        move = {"customerId": "acme", "scheduleStrategy": "IMMEDIATE"}
        back_end.sure("subscriptions", {**move, "planId": "large-plan"})
        assert back_end.holds("ai") == up
        back_end.keyed("credits/consumption", use(up - 40, "second"))
        back_end.sure("subscriptions", {**move, "planId": "small"})
        assert back_end.holds("ai") == down
