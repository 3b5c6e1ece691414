from decimal import Decimal
from typing import Any

import pytest

from catalog.archiving import archive_coupon
from catalog.models import Coupon
from tests.builders import NOW, a_coupon
from tests.catalog.api.conftest import STRANGE_NUMBERS, STRANGE_TEXTS
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LIST = "/api/v1/coupons"


def a_body(**changes: Any) -> dict[str, Any]:
    """Twenty per cent for good, with all seven fields."""
    return {
        "id": "launch",
        "name": "Launch",
        "description": None,
        "percentOff": 20,
        "amountsOff": None,
        "durationInMonths": None,
        "metadata": None,
    } | changes


class TestCoupons:
    def test_creates_a_percentage(self, caller):
        answer = caller.post(
            LIST, a_body(description="Early birds", durationInMonths=3, metadata={"team": "growth"})
        )

        assert answer.status_code == 201
        body = answer.json()["data"]
        created_at = body.pop("createdAt")
        assert created_at == body.pop("updatedAt")
        assert created_at.endswith("Z")
        assert body == {
            "id": "launch",
            "name": "Launch",
            "description": "Early birds",
            "type": "PERCENTAGE",
            "percentOff": 20,
            "amountsOff": None,
            "durationInMonths": 3,
            "status": "ACTIVE",
            "source": "STIGG",
            "billingId": None,
            "billingLinkUrl": None,
            "metadata": {"team": "growth"},
        }

    @pytest.mark.parametrize(
        ("sent", "shown"), [("12.4", 12), ("12.5", 13), ("99.999999", 100), ("0.000001", 0)]
    )
    def test_keeps_a_fraction_and_shows_a_whole_number(self, caller, sent, shown):
        answer = caller.post(LIST, a_body(percentOff=Decimal(sent)))

        assert answer.json()["data"]["percentOff"] == shown
        assert Coupon.objects.get().percent_off == Decimal(sent)

    def test_creates_amounts_in_several_currencies(self, caller):
        amounts = [{"amount": 12.5, "currency": "usd"}, {"amount": 10, "currency": "eur"}]

        body = caller.post(LIST, a_body(percentOff=None, amountsOff=amounts)).json()["data"]

        assert (body["type"], body["percentOff"]) == ("FIXED", None)
        assert body["amountsOff"] == [
            {"amount": 10, "currency": "eur"},
            {"amount": 12.5, "currency": "usd"},
        ]
        assert (body["description"], body["metadata"]) == (None, {})

    @pytest.mark.parametrize("missing", list(a_body()))
    def test_wants_all_seven_fields(self, caller, missing):
        body = a_body()
        del body[missing]

        answer = caller.post(LIST, body)

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [missing]
        assert not Coupon.objects.exists()

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"percentOff": None}, "percentOff"),
            ({"percentOff": None, "amountsOff": []}, "percentOff"),
            ({"amountsOff": [{"amount": 1, "currency": "usd"}]}, "percentOff"),
            ({"percentOff": 100.5}, "percentOff"),
            ({"percentOff": None, "amountsOff": {}}, "amountsOff"),
            ({"percentOff": None, "amountsOff": [5]}, "amountsOff[0]"),
            (
                {"percentOff": None, "amountsOff": [{"amount": 1, "currency": "xyz"}]},
                "amountsOff[0].currency",
            ),
            ({"percentOff": None, "amountsOff": [{"amount": 1}]}, "amountsOff[0].currency"),
            (
                {"percentOff": None, "amountsOff": [{"amount": 1, "currency": "usd"}] * 2},
                "amountsOff",
            ),
            ({"durationInMonths": 0}, "durationInMonths"),
            ({"durationInMonths": 1.5}, "durationInMonths"),
            ({"durationInMonths": 10**9}, "durationInMonths"),
            ({"durationInMonths": "3"}, "durationInMonths"),
            ({"metadata": {"a": 1}}, "metadata.a"),
        ],
    )
    def test_says_which_field_is_wrong(self, caller, fields, field):
        answer = caller.post(LIST, a_body(**fields))

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert not Coupon.objects.exists()

    @pytest.mark.parametrize("name", STRANGE_TEXTS)
    def test_refuses_strange_names(self, caller, name):
        assert caller.post(LIST, a_body(name=name)).status_code == 400
        assert not Coupon.objects.exists()

    @pytest.mark.parametrize("number", STRANGE_NUMBERS)
    @pytest.mark.parametrize(
        "discount", ['"percentOff":{},"amountsOff":null', '"percentOff":null,"amountsOff":[{}]']
    )
    def test_refuses_strange_numbers(self, caller, number, discount):
        if "[" in discount:
            number = f'{{"amount":{number},"currency":"usd"}}'
        start = '{"id":"a","name":"A","description":null,"durationInMonths":null,"metadata":null,'
        body = start + discount.replace("{}", number, 1) + "}"

        answer = caller.send(LIST, body.encode())

        assert answer.status_code == 400
        assert not Coupon.objects.exists()

    def test_answers_a_taken_id_with_a_lasting_conflict(self, caller):
        a_coupon(public_id="launch")

        answer = caller.post(LIST, a_body())

        assert (answer.status_code, answer["x-should-retry"]) == (409, "false")
        assert list(answer.json()["errors"]) == ["id"]

    def test_lists_what_is_asked_for(self, caller):
        a_coupon(public_id="share")
        a_coupon(public_id="amount", amounts_off={"USD": Decimal(5)})
        old = a_coupon(public_id="old")
        archive_coupon(coupon_id=old.pk, actor=SYSTEM, now=NOW)

        def ids(query: str = "") -> list[str]:
            return [row["id"] for row in caller.get(LIST + query).json()["data"]]

        assert ids() == ids("?status=") == ["old", "amount", "share"]
        assert ids("?status=ACTIVE,ARCHIVED") == ["old", "amount", "share"]
        assert ids("?status=ACTIVE") == ["amount", "share"]
        assert ids("?status=ARCHIVED") == ["old"]
        assert ids("?type=FIXED") == ["amount"]
        assert ids("?id=share") == ["share"]
        assert ids("?createdAt[gt]=2026-01-02T00:00:00Z") == []

    @pytest.mark.parametrize(
        "query", ["status=OTHER", "type=OTHER", "limit=0", "after=x", "id=a%20b", "type=FIXED&" * 2]
    )
    def test_refuses_strange_filters(self, caller, query):
        assert caller.get(f"{LIST}?{query}").status_code == 400

    def test_pages_newest_first_in_two_statements(self, caller, django_assert_max_num_queries):
        for number in range(5):
            a_coupon(public_id=f"coupon-{number}")
        caller.get(LIST)

        with django_assert_max_num_queries(2):
            first = caller.get(LIST + "?limit=3").json()
        second = caller.get(LIST, {"limit": 3, "after": first["pagination"]["next"]}).json()

        assert [row["id"] for row in first["data"]] == ["coupon-4", "coupon-3", "coupon-2"]
        assert [row["id"] for row in second["data"]] == ["coupon-1", "coupon-0"]

    def test_lets_read_only_keys_read_alone(self, reading_caller):
        assert reading_caller.get(LIST).status_code == 200
        assert reading_caller.post(LIST, a_body()).status_code == 403

    def test_needs_a_key(self, client):
        assert client.get(LIST).status_code == 401


class TestOneCoupon:
    def test_reads_it(self, caller):
        a_coupon(public_id="a.b|c@d_e-f")

        assert caller.get(f"{LIST}/a.b%7Cc%40d_e-f").json()["data"]["id"] == "a.b|c@d_e-f"

    def test_changes_name_and_description(self, caller):
        a_coupon(public_id="launch", description="Old", metadata={"a": "b"})

        body = caller.patch(
            f"{LIST}/launch", {"name": "New", "description": None, "metadata": None}
        ).json()["data"]

        assert (body["name"], body["description"], body["metadata"]) == ("New", None, {})

    def test_leaves_what_is_absent_and_what_cannot_change(self, caller):
        """X6."""
        a_coupon("Launch", public_id="launch", description="Old")

        body = caller.patch(
            f"{LIST}/launch", {"id": "x", "percentOff": 90, "status": "ARCHIVED"}
        ).json()["data"]

        assert (body["id"], body["name"], body["description"]) == ("launch", "Launch", "Old")
        assert (body["percentOff"], body["status"]) == (20, "ACTIVE")

    @pytest.mark.parametrize("public_id", ["nobody", "a" * 5000, "a%2Fb", "%F0"])
    def test_does_not_know_strangers(self, caller, public_id):
        assert caller.get(f"{LIST}/{public_id}").status_code == 404
        assert caller.patch(f"{LIST}/{public_id}", {"name": "x"}).status_code == 404
        assert caller.post(f"{LIST}/{public_id}/archive").status_code == 404

    def test_has_no_other_methods(self, caller):
        a_coupon(public_id="launch")

        assert caller.delete(f"{LIST}/launch").status_code == 405


class TestArchiveCoupon:
    def test_retires_it_once(self, caller):
        a_coupon(public_id="launch")

        assert caller.post(f"{LIST}/launch/archive").json()["data"]["status"] == "ARCHIVED"
        again = caller.post(f"{LIST}/launch/archive")

        assert (again.status_code, again.json()["code"]) == (409, "AlreadyArchived")
