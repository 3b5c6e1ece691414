from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Aggregation
from credits import governance
from credits.governance import Line
from subscriptions import assignments, entities
from subscriptions.assignments import AssignmentTerms
from subscriptions.models import Customer
from tests.application import Application
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_metered_feature,
    some_entities,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def acme() -> Customer:
    """Ada and Bob are in Engineering, which is in the organization; there are two models."""
    a_metered_feature("Images", public_id="images", event_name="image")
    a_metered_feature(
        "Tokens",
        public_id="tokens",
        event_name="tokens",
        aggregation=Aggregation.SUM,
        aggregation_field="count",
    )
    a_credit_type(public_id="ai")
    customer = a_customer(public_id="acme")
    some_entities(customer, "org", "hq")
    some_entities(customer, "team", "eng", "ops")
    some_entities(customer, "user", "ada", "bob")
    some_entities(customer, "model", "small", "large")
    assign(("eng", 100, {"parent_id": "hq"}), ("ops", 100, {"parent_id": "hq"}))
    assign(("ada", 100, {"parent_id": "eng"}), ("bob", 100, {"parent_id": "eng"}))
    return customer


def assign(*given: tuple[str, int | None, dict[str, Any]]) -> None:
    """Limits of images per month, unless a test says otherwise."""
    assignments.put(
        customer_id="acme",
        assignments=[
            AssignmentTerms(
                entity_id=entity_id,
                usage_limit=None if limit is None else Decimal(limit),
                **{"cadence": "P1M"}
                | ({} if "credit_type_id" in said else {"feature_id": "images"})
                | said,
            )
            for entity_id, limit, said in given
        ],
        actor=SYSTEM,
        now=NOW,
    )


def an_event(key: str, name: str = "image", **dimensions: Any) -> dict[str, Any]:
    """The body of a call that reports one event of Acme."""
    event = {"customerId": "acme", "eventName": name, "idempotencyKey": key}
    return {"events": [{**event, "dimensions": dimensions}]}


def used(customer: Customer, *, now: datetime = NOW, **asked: Any) -> dict[str, Decimal]:
    """By entity, what was used of images, or of what is asked for."""
    asked = {"feature_ids": ["images"], "credit_type_ids": []} | asked
    found = governance.lines(customer, now=now, **asked)
    return {line.entity.public_id: line.used for line in found}


class TestWindow:
    @pytest.mark.parametrize(
        ("cadence", "start", "end"),
        [
            ("P1M", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
            ("P3M", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
            ("P1Y", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
            ("P2Y", datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)),
            ("P1W", datetime(2025, 12, 29, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)),
            ("P1D", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
            ("PT1H", datetime(2026, 1, 1, 10, tzinfo=UTC), datetime(2026, 1, 1, 11, tzinfo=UTC)),
            ("PT5M", datetime(2026, 1, 1, 10, tzinfo=UTC), datetime(2026, 1, 1, 10, 5, tzinfo=UTC)),
            (
                "PT1S",
                datetime(2026, 1, 1, 10, tzinfo=UTC),
                datetime(2026, 1, 1, 10, 0, 1, tzinfo=UTC),
            ),
        ],
    )
    def test_lies_on_the_calendar(self, cadence, start, end):
        assert governance.window(cadence, NOW) == (start, end)

    @pytest.mark.parametrize("cadence", ["P1M", "P7M", "P30D", "P1W", "PT1M"])
    def test_begins_where_the_one_before_ended(self, cadence):
        instants = [datetime(1999, 12, 31, 23, tzinfo=UTC), NOW, datetime(2199, 2, 28, tzinfo=UTC)]

        for instant in instants:
            start, end = governance.window(cadence, instant)
            assert start <= instant < end
            assert governance.window(cadence, end)[0] == end
            assert governance.window(cadence, start - timedelta(microseconds=1))[1] == start


class TestLines:
    def test_count_use_for_those_it_names_and_all_above(self, acme, application: Application):
        application.post("events", an_event("e1", userId="ada"))
        application.post("events", an_event("e2", userId="bob", teamId="eng", orgId="hq"))
        application.post("events", an_event("e3", teamId="ops"))
        application.post("events", an_event("e4", userId="nobody"))
        application.post("events", an_event("e5"))
        assign(("hq", 100, {}))

        assert used(acme) == {"hq": 3, "eng": 2, "ops": 1, "ada": 1, "bob": 1}

    def test_count_use_in_the_window_that_runs(self, acme, application: Application):
        application.post("events", an_event("e1", userId="ada"))
        application.now = datetime(2026, 2, 1, tzinfo=UTC)
        application.post("events", an_event("e2", userId="ada"))

        assert used(acme)["ada"] == 1
        assert used(acme, now=application.now)["ada"] == 1
        assert used(acme, now=datetime(2026, 3, 1, tzinfo=UTC))["ada"] == 0

    def test_add_up_what_is_summed(self, acme, application: Application):
        assign(("ada", 9, {"feature_id": "tokens"}))
        for number, count in enumerate((2.5, 4)):
            application.post("events", an_event(f"t{number}", "tokens", userId="ada", count=count))

        assert used(acme, feature_ids=["tokens"]) == {"ada": Decimal("6.5")}

    def test_count_credits_that_were_consumed(self, acme, application: Application):
        assign(("eng", 50, {"credit_type_id": "ai"}), ("bob", None, {"credit_type_id": "ai"}))
        application.grant("acme", "ai", 100)
        application.consume("acme", "ai", 1.25, "k1", dimensions={"userId": "bob"})
        application.consume("acme", "ai", 7, "k2")

        found = used(acme, feature_ids=[], credit_type_ids=["ai"])

        assert found == {"eng": Decimal("1.25"), "bob": Decimal("1.25")}

    def test_count_in_a_scope_what_names_all_of_it(self, acme, application: Application):
        assign(("eng", 5, {"scope": ["large"]}), ("eng", 1, {"scope": ["large", "ada"]}))
        application.post("events", an_event("e1", userId="ada", modelId="large"))
        application.post("events", an_event("e2", userId="bob", modelId="large"))
        application.post("events", an_event("e3", userId="bob", modelId="small"))

        found = governance.lines(acme, feature_ids=["images"], credit_type_ids=[], now=NOW)

        of_eng = {
            tuple(line.assignment.scope): line.used
            for line in found
            if line.assignment and line.entity.public_id == "eng"
        }
        assert of_eng == {(): 3, ("large",): 2, ("ada", "large"): 1}

    def test_leave_archived_entities_out(self, acme, application: Application):
        application.post("events", an_event("e1", userId="ada"))
        entities.archive(customer_id="acme", ids=["ada"], actor=SYSTEM, now=NOW)

        assert "ada" not in used(acme)

    def test_show_the_bare_tree_if_nothing_is_asked_for(self, acme):
        found = governance.lines(acme, feature_ids=[], credit_type_ids=[], now=NOW)

        assert {line.entity.public_id for line in found} == {
            *("hq", "eng", "ops", "ada", "bob", "small", "large")
        }
        assert all(line.assignment is None for line in found)

    def test_belong_to_one_customer(self, acme, application: Application):
        other = a_customer(public_id="other")
        some_entities(other, "user", "ada")
        body = an_event("e1", userId="ada")
        body["events"][0]["customerId"] = "other"
        application.post("events", body)

        assert used(acme)["ada"] == 0

    def test_take_as_many_queries_for_many_as_for_few(
        self, acme, application: Application, django_assert_max_num_queries
    ):
        names = [f"user-{number}" for number in range(20)]
        some_entities(acme, "user", *names)
        assign(*((name, 10, {"parent_id": "eng"}) for name in names))
        for name in names:
            application.post("events", an_event(name, userId=name))

        with django_assert_max_num_queries(7):
            assert used(acme)["eng"] == 20


class TestUtilization:
    @pytest.mark.parametrize(
        ("spent", "limit", "share"),
        [(5, 20, Decimal("0.25")), (0, 0, Decimal(1)), (30, 20, Decimal("1.5")), (5, None, None)],
    )
    def test_is_used_by_limit(self, acme, spent, limit, share):
        assign(("ada", limit, {}))
        [line] = [
            line
            for line in governance.lines(acme, feature_ids=["images"], credit_type_ids=[], now=NOW)
            if line.entity.public_id == "ada"
        ]

        measured = Line(entity=line.entity, assignment=line.assignment, used=Decimal(spent))

        assert measured.utilization == share


class TestChains:
    def chains(self, customer: Customer, **dimensions: str) -> list[list[tuple[str, int]]]:
        found = governance.chains(
            customer, dimensions=dimensions, feature_id="images", credit_type_id=None, now=NOW
        )
        return [[(line.entity.public_id, int(line.used)) for line in chain] for chain in found]

    def test_lead_from_each_that_is_named_up_to_the_root(self, acme, application: Application):
        assign(("hq", 100, {}))
        application.post("events", an_event("e1", userId="ada"))

        assert self.chains(acme, userId="ada") == [[("ada", 1), ("eng", 1), ("hq", 1)]]
        assert self.chains(acme, userId="bob", teamId="ops") == [
            [("ops", 0), ("hq", 1)],
            [("bob", 0), ("eng", 1), ("hq", 1)],
        ]

    def test_hold_a_scope_where_all_of_it_is_named(self, acme):
        assign(("eng", 5, {"scope": ["large"]}))

        assert self.chains(acme, userId="ada", modelId="small") == [
            [],
            [("ada", 0), ("eng", 0)],
        ]
        with_large = self.chains(acme, userId="ada", modelId="large")
        assert with_large == [[], [("ada", 0), ("eng", 0), ("eng", 0)]]

    def test_are_none_for_those_who_are_not_known(self, acme):
        assert self.chains(acme, userId="nobody", colour="red") == []
