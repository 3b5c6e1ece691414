from typing import Any

import pytest

from subscriptions.customers import Link
from subscriptions.models import CustomerIntegration
from tests.builders import a_customer

pytestmark = pytest.mark.django_db

LIST = "/api/v1/customers/acme/integrations"
STRIPE: dict[str, Any] = {
    "id": "billing",
    "syncedEntityId": "cus_1",
    "vendorIdentifier": "STRIPE",
}


@pytest.fixture(autouse=True)
def acme(db):
    return a_customer(public_id="acme")


class TestIntegrations:
    def test_links_a_customer(self, caller):
        answer = caller.post(LIST, STRIPE)

        assert answer.status_code == 201
        assert answer.json() == {"data": STRIPE | {"syncData": None}}
        customer = caller.get("/api/v1/customers/acme").json()["data"]
        assert customer["integrations"] == [STRIPE]

    def test_links_through_an_integration_once(self, caller):
        caller.post(LIST, STRIPE)

        answer = caller.post(LIST, STRIPE | {"syncedEntityId": "cus_2"})

        assert (answer.status_code, answer.json()["code"]) == (409, "AlreadyLinked")
        assert answer["x-should-retry"] == "false"
        assert CustomerIntegration.objects.get().synced_entity_id == "cus_1"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("id", None),
            ("id", "a/b"),
            ("id", "a" * 256),
            ("syncedEntityId", None),
            ("syncedEntityId", ""),
            ("syncedEntityId", 5),
            ("syncedEntityId", "a\u202eb"),
            ("syncedEntityId", "x" * 256),
            ("vendorIdentifier", "NOBODY"),
            ("vendorIdentifier", None),
        ],
    )
    def test_refuses_bad_input(self, caller, field, value):
        answer = caller.post(LIST, STRIPE | {field: value})

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert not CustomerIntegration.objects.exists()

    def test_lists_newest_first_and_by_vendor(self, caller):
        for number, vendor in enumerate(["STRIPE", "HUBSPOT", "ZUORA"]):
            caller.post(LIST, {**STRIPE, "id": f"link-{number}", "vendorIdentifier": vendor})

        def ids(query: str = "") -> list[str]:
            return [row["id"] for row in caller.get(LIST + query).json()["data"]]

        assert ids() == ids("?vendorIdentifier=") == ["link-2", "link-1", "link-0"]
        assert ids("?vendorIdentifier=STRIPE,ZUORA") == ["link-2", "link-0"]
        first = caller.get(LIST + "?limit=2").json()
        assert ids(f"?limit=2&after={first['pagination']['next']}") == ["link-0"]
        assert caller.get(LIST + "?vendorIdentifier=NOBODY").status_code == 400

    def test_shows_nobody_elses(self, caller):
        a_customer(integrations=[Link("theirs", "STRIPE", "cus_9")])

        assert caller.get(LIST).json()["data"] == []
        assert caller.get(f"{LIST}/theirs").status_code == 404

    def test_takes_a_constant_number_of_queries(self, caller, django_assert_num_queries):
        for number in range(10):
            caller.post(LIST, STRIPE | {"id": f"link-{number}"})

        with django_assert_num_queries(3):
            assert len(caller.get(LIST).json()["data"]) == 10

    def test_of_nobody_are_unknown(self, caller):
        assert caller.get("/api/v1/customers/nobody/integrations").status_code == 404
        assert caller.post("/api/v1/customers/nobody/integrations", STRIPE).status_code == 404

    def test_are_for_keys_that_may_write(self, reading_caller):
        """X3."""
        assert reading_caller.get(LIST).status_code == 200
        assert reading_caller.post(LIST, STRIPE).status_code == 403


class TestIntegration:
    @pytest.fixture(autouse=True)
    def linked(self, acme, caller):
        caller.post(LIST, STRIPE)

    def test_is_read(self, caller):
        assert caller.get(f"{LIST}/billing").json() == {"data": STRIPE | {"syncData": None}}

    @pytest.mark.parametrize("record", ["cus_2", None])
    def test_is_changed(self, caller, record):
        answer = caller.patch(f"{LIST}/billing", {"syncedEntityId": record})

        assert answer.status_code == 200
        assert answer.json()["data"]["syncedEntityId"] == record

    @pytest.mark.parametrize("body", [{}, {"syncedEntityId": 5}, {"syncedEntityId": "x" * 256}])
    def test_is_not_changed_to_what_is_no_record(self, caller, body):
        assert caller.patch(f"{LIST}/billing", body).status_code == 400
        assert CustomerIntegration.objects.get().synced_entity_id == "cus_1"

    def test_is_removed_and_shown_as_it_was(self, caller):
        answer = caller.delete(f"{LIST}/billing")

        assert answer.json() == {"data": STRIPE | {"syncData": None}}
        assert not CustomerIntegration.objects.exists()
        assert caller.delete(f"{LIST}/billing").status_code == 404

    @pytest.mark.parametrize("integration_id", ["other", "a" * 5000, "a%20b", "a%2Fb"])
    def test_knows_no_others(self, caller, integration_id):
        address = f"{LIST}/{integration_id}"

        assert caller.get(address).status_code == 404
        assert caller.patch(address, {"syncedEntityId": "x"}).status_code == 404
        assert caller.delete(address).status_code == 404
