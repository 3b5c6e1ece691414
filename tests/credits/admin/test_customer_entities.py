from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from subscriptions import assignments
from subscriptions.assignments import AssignmentTerms
from subscriptions.models import Customer
from tests.builders import a_credit_type, a_customer, some_entities
from tests.credits.admin.conftest import EVERYBODY
from tests.credits.pools import START, a_pool, consumed
from tests.workspace.admin.conftest import Visitor
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


def page(visitor: Visitor, customer: Customer, **query: str) -> Any:
    url = f"/admin/credits/pool/customers/{customer.pk}/entities/"
    answer = visitor.get(url, query)
    assert answer.status_code == 200
    return answer.context


def assign(customer: Customer, entity_id: str, limit: int | None, **terms: Any) -> None:
    """A limit on credits of the type "ai" per month."""
    given = {"credit_type_id": "ai", "cadence": "P1M"} | terms
    amount = None if limit is None else Decimal(limit)
    found = AssignmentTerms(entity_id=entity_id, usage_limit=amount, **given)
    assignments.put(customer_id=customer.public_id, assignments=[found], actor=SYSTEM, now=START)


class TestEntitiesPage:
    @pytest.mark.parametrize("role", EVERYBODY)
    def test_is_open_to_everybody_who_works_here(self, visit, role):
        page(visit(role), a_customer())

    def test_shows_what_each_used_of_its_limit(self, reader):
        customer, credit_type = a_customer(), a_credit_type(public_id="ai")
        some_entities(customer, "team", "blue", "red", now=START)
        assign(customer, "red", 200)
        pool = a_pool(customer, credit_type)
        consumed(pool, 50, dimensions={"teamId": "red"})

        blue, red = page(reader, customer)["rows"]

        assert (blue["entity"].public_id, blue["line"].assignment) == ("blue", None)
        assert (red["what"], red["line"].used, red["limit"]) == ("AI Credits", 50, "200")
        assert (red["percent_label"], red["cadence"]) == ("25 %", "month")
        assert f"{red['ends_at']:%d %b}" == "01 Apr"

    @pytest.mark.parametrize(
        ("cadence", "said"), [("P1W", "week"), ("P3M", "3 months"), ("PT5M", "PT5M")]
    )
    def test_says_how_often_a_limit_begins_anew(self, reader, cadence, said):
        customer = a_customer()
        a_credit_type(public_id="ai")
        some_entities(customer, "team", "red", now=START)
        assign(customer, "red", None, cadence=cadence)

        [row] = page(reader, customer)["rows"]

        assert (row["cadence"], row["limit"], row["percent"]) == (said, "Unlimited", None)

    def test_finds_entities_by_the_beginning_of_their_id(self, reader):
        customer = a_customer()
        some_entities(customer, "team", "blue", "red", now=START)

        assert [row["entity"].public_id for row in page(reader, customer, q="RE")["rows"]] == [
            "red"
        ]
        assert page(reader, customer, q="green")["rows"] == []

    def test_turns_pages(self, reader):
        customer = a_customer()
        some_entities(customer, "team", *(f"t{number:02}" for number in range(30)), now=START)

        first, second = page(reader, customer), page(reader, customer, page="2")

        assert (len(first["rows"]), len(second["rows"])) == (25, 5)
        assert (bool(first["newer"]), bool(first["older"])) == (False, True)
        assert (bool(second["newer"]), bool(second["older"])) == (True, False)

    @pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30])
    def test_begins_at_the_beginning_when_the_page_is_nonsense(self, reader, number):
        customer = a_customer()
        some_entities(customer, "team", "red", now=START)

        assert len(page(reader, customer, page=number)["rows"]) == 1

    def test_has_a_tab_where_there_are_entities(self, reader):
        without, within = a_customer(), a_customer()
        some_entities(within, "team", "red", now=START)

        def tabs(customer: Customer) -> list[str]:
            url = f"/admin/subscriptions/customer/{customer.pk}/change/"
            return [tab.label for tab in reader.get(url).context["tabs"]]

        assert "Entities" not in tabs(without)
        assert "Entities" in tabs(within)

    def test_takes_as_many_queries_for_many_entities_as_for_few(self, reader):
        a_credit_type(public_id="ai")
        few, many = a_customer(), a_customer()
        for customer, count in ((few, 1), (many, 9)):
            names = [f"t{number}" for number in range(count)]
            some_entities(customer, "team", *names, now=START)
            for name in names:
                assign(customer, name, 100)
        page(reader, few)

        counts = []
        for customer in (few, many):
            with CaptureQueriesContext(connection) as queries:
                page(reader, customer)
            counts.append(len(queries))

        assert counts[0] == counts[1] <= 9
