from datetime import timedelta

import pytest

from catalog import products
from catalog.models.products import StartSetup
from subscriptions.customers import Link
from subscriptions.models import Customer, Status, Subscription
from tests.builders import NOW, a_customer, a_published_plan, a_resource, a_subscription
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

KEYS = {
    "id",
    "archivedAt",
    "createdAt",
    "updatedAt",
    "billingCurrency",
    "billingId",
    "couponId",
    "defaultPaymentMethod",
    "email",
    "integrations",
    "language",
    "metadata",
    "name",
    "passthrough",
    "timezone",
}


class TestProvision:
    def test_creates_a_customer(self, caller):
        answer = caller.post("/api/v1/customers", {"id": "acme", "name": "Acme"})

        assert answer.status_code == 201
        data = answer.json()["data"]
        assert data.keys() == KEYS
        assert (data["id"], data["name"], data["email"]) == ("acme", "Acme", None)
        assert (data["integrations"], data["metadata"]) == ([], {})
        assert data["createdAt"].endswith("Z")
        assert Customer.objects.get().public_id == "acme"

    def test_begins_with_what_a_product_gives_to_new_customers(self, caller):
        """R4; who is imported brings what they have."""
        plan = a_published_plan(pricing_type="FREE")
        settings = {"start_setup": StartSetup.FREE_PLAN, "start_plan": plan}
        products.update(product_id=plan.product_id, **settings, actor=SYSTEM, now=NOW)
        row = {"id": "globex", "name": None, "email": None}

        caller.post("/api/v1/customers", {"id": "acme"})
        caller.post("/api/v1/customers/import", {"customers": [row]})

        assert Customer.objects.count() == 2
        assert Subscription.objects.get().customer.public_id == "acme"

    def test_gives_back_everything_it_was_told(self, caller):
        told = {
            "id": "acme",
            "name": "Acme",
            "email": "a@acme.example",
            "billingCurrency": "eur",
            "billingId": "cus_1",
            "couponId": "spring",
            "language": "fr",
            "timezone": "Europe/Paris",
            "metadata": {"tier": "gold"},
            "integrations": [
                {"id": "stripe", "syncedEntityId": None, "vendorIdentifier": "STRIPE"}
            ],
            "defaultPaymentMethod": {
                "billingId": "pm_1",
                "cardExpiryMonth": 12,
                "cardExpiryYear": 2030,
                "cardLast4Digits": "4242",
                "type": "CARD",
            },
        }
        passthrough = {"stripe": {"customerName": "Acme", "metadata": {"a": "b"}}}

        answer = caller.post("/api/v1/customers", told | {"passthrough": passthrough})

        data = answer.json()["data"]
        assert {name: data[name] for name in told} == told
        assert data["passthrough"]["stripe"]["customerName"] == "Acme"
        assert data["passthrough"]["stripe"]["metadata"] == {"a": "b"}
        assert Customer.objects.get().billing_currency == "EUR"

    def test_refuses_an_id_that_is_taken(self, caller):
        a_customer(public_id="acme")

        answer = caller.post("/api/v1/customers", {"id": "acme"})

        assert answer.status_code == 409
        assert answer["x-should-retry"] == "false"
        assert answer.json()["code"] == "IdTaken"
        assert answer.json()["errors"] == {"id": ["Another customer has the ID acme already."]}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("id", None),
            ("id", ""),
            ("id", "a b"),
            ("id", "a" * 256),
            ("id", 5),
            ("name", 5),
            ("name", "a" * 256),
            ("name", "a\u202eb"),
            ("name", ["a"]),
            ("email", "acme"),
            ("billingCurrency", "xxx"),
            ("billingCurrency", 1),
            ("metadata", {"a": 1}),
            ("metadata", ["a"]),
            ("metadata", None),
            ("integrations", {"id": "x"}),
            ("integrations", [{"id": "x", "vendorIdentifier": "NOBODY"}]),
            ("integrations", [{"id": "a/b", "vendorIdentifier": "STRIPE"}]),
            ("integrations", [{"id": "x", "vendorIdentifier": "STRIPE"}] * 2),
            ("integrations", [{"id": "x", "vendorIdentifier": "STRIPE"}] * 101),
            ("defaultPaymentMethod", {"type": "GOLD"}),
            ("defaultPaymentMethod", {"type": "CARD", "cardExpiryMonth": 13}),
            ("defaultPaymentMethod", {"type": "CARD", "cardExpiryYear": -1}),
            ("passthrough", {"stripe": {"metadata": {"a": {}}}}),
            ("passthrough", {"stripe": {"taxIds": [None]}}),
        ],
    )
    def test_refuses_bad_input(self, caller, field: str, value: object):
        answer = caller.post("/api/v1/customers", {"id": "acme"} | {field: value})

        assert answer.status_code == 400
        assert any(name.startswith(field) for name in answer.json()["errors"])
        assert not Customer.objects.exists()

    def test_ignores_what_cannot_be_said(self, caller):
        """X6."""
        body = {"id": "acme", "archivedAt": "2020-01-01T00:00:00Z", "pk": 7, "createdAt": "x"}

        data = caller.post("/api/v1/customers", body).json()["data"]

        assert data["archivedAt"] is None
        assert Customer.objects.get().created_at > NOW

    def test_answers_a_repeated_key_as_the_first_time(self, caller):
        """R40."""
        headers = {"Idempotency-Key": "one"}
        first = caller.post("/api/v1/customers", {"id": "acme"}, headers=headers)
        second = caller.post("/api/v1/customers", {"id": "acme"}, headers=headers)
        other = caller.post("/api/v1/customers", {"id": "other"}, headers=headers)

        assert (first.status_code, second.status_code, other.status_code) == (201, 201, 422)
        assert first.json() == second.json()
        assert Customer.objects.count() == 1

    def test_is_for_keys_that_may_write(self, reading_caller):
        """X3."""
        assert reading_caller.post("/api/v1/customers", {"id": "acme"}).status_code == 403


class TestRetrieve:
    def test_reads_one(self, caller):
        a_customer("Acme", public_id="acme|x.y@z-1_2")

        answer = caller.get("/api/v1/customers/acme%7Cx.y@z-1_2")

        assert answer.status_code == 200
        assert answer.json()["data"]["name"] == "Acme"

    @pytest.mark.parametrize("customer_id", ["nobody", "a%20b", "%2e%2e", "x" * 5000])
    def test_knows_no_others(self, caller, customer_id: str):
        answer = caller.get(f"/api/v1/customers/{customer_id}")

        assert answer.status_code == 404
        assert answer.json()["code"] == "CustomerNotFound"


class TestUpdate:
    def test_leaves_what_is_absent_and_clears_what_is_null(self, caller):
        a_customer("Acme", public_id="acme", email="a@acme.example", billing_id="cus_1")

        answer = caller.patch("/api/v1/customers/acme", {"name": "New", "billingId": None})

        data = answer.json()["data"]
        assert answer.status_code == 200
        assert (data["name"], data["billingId"], data["email"]) == ("New", None, "a@acme.example")

    def test_takes_an_empty_body(self, caller):
        a_customer(public_id="acme")

        assert caller.patch("/api/v1/customers/acme", {}).status_code == 200

    def test_replaces_all_integrations(self, caller):
        a_customer(public_id="acme", integrations=[Link("old", "STRIPE", "cus_1")])
        links = [
            {"id": "crm", "syncedEntityId": "c1", "vendorIdentifier": "HUBSPOT"},
            {"id": "billing", "syncedEntityId": None, "vendorIdentifier": "ZUORA"},
        ]

        data = caller.patch("/api/v1/customers/acme", {"integrations": links}).json()["data"]

        assert data["integrations"] == links
        newest = activity.for_subject("customer", "acme")[0]
        assert newest.payload["integrations"][0] == [
            {"integration_id": "old", "vendor": "STRIPE", "synced_entity_id": "cus_1"}
        ]

    def test_keeps_integrations_that_are_the_same(self, caller):
        a_customer(public_id="acme", integrations=[Link("old", "STRIPE", "cus_1")])
        link = {"id": "old", "syncedEntityId": "cus_1", "vendorIdentifier": "STRIPE"}

        caller.patch("/api/v1/customers/acme", {"integrations": [link]})

        assert activity.for_subject("customer", "acme").count() == 1

    def test_cannot_change_the_id(self, caller):
        """R1."""
        a_customer(public_id="acme")

        answer = caller.patch("/api/v1/customers/acme", {"id": "other", "name": "New"})

        assert answer.json()["data"]["id"] == "acme"


class TestImport:
    PATH = "/api/v1/customers/import"

    def test_answers_with_the_new_ones(self, caller):
        a_customer("Old", public_id="known", email="old@acme.example")
        rows = [
            {"id": "known", "name": "New", "email": None},
            {
                "id": "acme",
                "name": None,
                "email": "a@acme.example",
                "billingId": "cus_1",
                "metadata": {"tier": "gold"},
                "paymentMethodId": "pm_1",
                "salesforceId": "001",
            },
        ]

        answer = caller.post(self.PATH, {"customers": rows, "integrationId": "billing"})

        assert answer.status_code == 200
        assert answer.json() == {"data": {"newCustomers": ["acme"]}}
        acme = caller.get("/api/v1/customers/acme").json()["data"]
        known = caller.get("/api/v1/customers/known").json()["data"]
        assert (known["name"], known["email"]) == ("New", None)
        assert (acme["name"], acme["billingId"], acme["metadata"]) == (
            None,
            "cus_1",
            {"tier": "gold"},
        )
        assert acme["defaultPaymentMethod"]["billingId"] == "pm_1"
        assert acme["integrations"] == [
            {"id": "salesforce", "syncedEntityId": "001", "vendorIdentifier": "SALESFORCE"}
        ]

    @pytest.mark.parametrize(
        ("rows", "field"),
        [
            (None, "customers"),
            ("acme", "customers"),
            ([], "customers"),
            ([{"id": "a", "name": None, "email": None}] * 1001, "customers"),
            ([{"id": "a", "name": None, "email": None}] * 2, "customers[1]"),
            ([{"id": "a", "name": None}], "customers[0].email"),
            ([{"id": "a", "email": None}], "customers[0].name"),
            ([{"id": "a b", "name": None, "email": None}], "customers[0].id"),
            ([{"id": "a", "name": None, "email": "x"}], "customers[0].email"),
            ([{"id": "a", "name": "x\u202e", "email": None}], "customers[0].name"),
            ([{"id": "a", "name": "x", "email": None, "metadata": 5}], "customers[0].metadata"),
            ([{"id": "a", "name": "x", "email": None, "updatedAt": "x"}], "customers[0].updatedAt"),
            ([5], "customers[0]"),
        ],
    )
    def test_refuses_bad_rows_among_good_ones(self, caller, rows, field):
        good = [{"id": "good", "name": "Good", "email": None}]
        sent = [*rows, *good] if isinstance(rows, list) and len(rows) < 10 and rows else rows

        answer = caller.post(self.PATH, {"customers": sent})

        assert answer.status_code == 400
        assert field in answer.json()["errors"]
        assert not Customer.objects.exists()

    def test_is_for_keys_that_may_write(self, reading_caller):
        """X3."""
        assert reading_caller.post(self.PATH, {"customers": []}).status_code == 403


class TestPaymentMethod:
    PATH = "/api/v1/customers/acme/payment-method"
    BODY = {"integrationId": "billing", "paymentMethodId": "pm_1", "vendorIdentifier": "STRIPE"}

    def test_is_remembered_and_forgotten(self, caller):
        a_customer(public_id="acme", billing_currency="EUR")

        attached = caller.post(self.PATH, self.BODY)
        detached = caller.delete(self.PATH)

        assert (attached.status_code, detached.status_code) == (200, 200)
        data = attached.json()["data"]
        assert data.keys() == KEYS
        assert data["defaultPaymentMethod"] == {
            "billingId": "pm_1",
            "cardExpiryMonth": None,
            "cardExpiryYear": None,
            "cardLast4Digits": None,
            "type": "CARD",
        }
        assert data["billingCurrency"] == "eur"
        assert detached.json()["data"]["defaultPaymentMethod"] is None

    @pytest.mark.parametrize(("sent", "shown"), [("usd", "usd"), (None, None)])
    def test_may_bring_a_currency(self, caller, sent, shown):
        a_customer(public_id="acme", billing_currency="EUR")

        data = caller.post(self.PATH, self.BODY | {"billingCurrency": sent}).json()["data"]

        assert data["billingCurrency"] == shown

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("integrationId", None),
            ("integrationId", ""),
            ("paymentMethodId", 5),
            ("paymentMethodId", "x" * 256),
            ("paymentMethodId", "a\u202eb"),
            ("vendorIdentifier", "NOBODY"),
            ("billingCurrency", "xyz"),
        ],
    )
    def test_refuses_bad_input(self, caller, field, value):
        a_customer(public_id="acme")

        answer = caller.post(self.PATH, self.BODY | {field: value})

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert Customer.objects.get().payment_method is None

    def test_of_nobody_is_unknown(self, caller):
        assert caller.post(self.PATH, self.BODY).status_code == 404
        assert caller.delete(self.PATH).status_code == 404


class TestArchive:
    def test_goes_there_and_back(self, caller):
        customer = a_customer(public_id="acme")
        a_subscription(customer)

        archived = caller.post("/api/v1/customers/acme/archive")
        again = caller.post("/api/v1/customers/acme/archive")
        back = caller.post("/api/v1/customers/acme/unarchive")

        assert archived.json()["data"]["archivedAt"] is not None
        assert again.json() == archived.json()
        assert back.json()["data"]["archivedAt"] is None
        subscription = Subscription.objects.get()
        assert subscription.status_at(subscription.updated_at) == Status.CANCELED


class TestList:
    def test_pages_newest_first(self, caller):
        for number in range(3):
            a_customer(public_id=f"customer-{number}", now=NOW + timedelta(days=number))

        first = caller.get("/api/v1/customers?limit=2").json()
        after = first["pagination"]["next"]
        second = caller.get(f"/api/v1/customers?limit=2&after={after}").json()

        assert [row["id"] for row in first["data"]] == ["customer-2", "customer-1"]
        assert [row["id"] for row in second["data"]] == ["customer-0"]
        assert second["pagination"]["next"] is None
        assert first["data"][0].keys() == KEYS

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("email=a@acme.example", ["acme"]),
            ("name=Acme", ["acme"]),
            ("name=Nobody", []),
            ("createdAt[gte]=2026-01-02T10:00:00Z", ["later"]),
            ("createdAt[lt]=2026-01-02T10:00:00Z", ["acme"]),
            ("createdAt[gt]=2026-01-01T10:00:00Z&createdAt[lte]=2026-01-02T10:00:00", ["later"]),
        ],
    )
    def test_filters(self, caller, query: str, found: list[str]):
        a_customer("Acme", public_id="acme", email="a@acme.example")
        a_customer("Later", public_id="later", now=NOW + timedelta(days=1))

        answer = caller.get(f"/api/v1/customers?{query}")

        assert [row["id"] for row in answer.json()["data"]] == found

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "after=x", "createdAt[gte]=yesterday", "name=a&name=b"]
    )
    def test_refuses_bad_queries(self, caller, query: str):
        assert caller.get(f"/api/v1/customers?{query}").status_code == 400

    def test_takes_as_many_queries_for_many_as_for_one(self, caller, django_assert_num_queries):
        a_customer()
        caller.get("/api/v1/customers")  # the key's last use is noted once
        with django_assert_num_queries(3):
            caller.get("/api/v1/customers")
        for _ in range(10):
            a_customer(integrations=[Link("billing", "STRIPE")])

        with django_assert_num_queries(3):
            assert len(caller.get("/api/v1/customers").json()["data"]) == 11


class TestResources:
    def test_are_those_of_the_customer(self, caller):
        acme = a_customer(public_id="acme")
        a_resource(acme, "berlin")
        a_resource(a_customer(), "paris")

        answer = caller.get("/api/v1/customers/acme/resources")

        (row,) = answer.json()["data"]
        assert row.keys() == {"id", "createdAt", "updatedAt"}
        assert row["id"] == "berlin"
        assert answer.json()["pagination"] == {"next": None, "prev": None}

    def test_of_nobody_are_unknown(self, caller):
        assert caller.get("/api/v1/customers/nobody/resources").status_code == 404


class TestMethods:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("delete", "/api/v1/customers/acme"), ("put", "/api/v1/customers/acme")],
    )
    def test_outside_the_contract_are_refused(self, caller, method: str, path: str):
        assert getattr(caller, method)(path).status_code == 405
