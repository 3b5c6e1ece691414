from datetime import timedelta
from typing import Any

import pytest

from catalog.checking import CreatedMeanwhile
from subscriptions import customer_imports
from subscriptions.customer_imports import Arrival, InvalidCustomers
from subscriptions.customers import Link
from subscriptions.models import Customer, CustomerIntegration
from tests.builders import NOW, a_customer
from workspace import activity
from workspace.actors import SYSTEM
from workspace.models import Activity

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=2)


def an_arrival(public_id: str = "acme", **said: Any) -> Arrival:
    return Arrival(public_id=public_id, **{"name": "Acme", "email": "", **said})


def bring_in(*arrivals: Arrival, integration_id: str = "") -> list[str]:
    return customer_imports.bring_in(
        arrivals=arrivals, integration_id=integration_id, actor=SYSTEM, now=LATER
    )


class TestBringIn:
    def test_creates_those_who_are_unknown_and_updates_the_others(self):
        a_customer("Old", public_id="known", billing_id="cus_1", email="old@acme.example")

        new = bring_in(
            an_arrival("known", name="New"),
            an_arrival("acme", billing_id="cus_2", metadata={"tier": "gold"}),
        )

        known, acme = Customer.objects.order_by("pk")
        assert new == ["acme"]
        assert (known.name, known.email, known.billing_id) == ("New", "", "cus_1")
        assert (acme.billing_id, acme.metadata, acme.created_at) == (
            "cus_2",
            {"tier": "gold"},
            LATER,
        )
        assert activity.for_subject("customer", "acme").get().event == "customer.created"
        newest = activity.for_subject("customer", "known")[0]
        assert (newest.event, newest.payload["name"]) == ("customer.updated", ["Old", "New"])

    def test_records_nothing_of_those_who_stay_the_same(self):
        a_customer("Acme", public_id="acme")

        assert bring_in(an_arrival()) == []

        assert Activity.objects.count() == 1
        assert Customer.objects.get().updated_at == NOW

    def test_leaves_those_alone_who_were_changed_here_later(self):
        a_customer("Here", public_id="acme")

        bring_in(an_arrival(name="There", updated_at=NOW - timedelta(seconds=1)))
        assert Customer.objects.get().name == "Here"

        bring_in(an_arrival(name="There", updated_at=NOW))
        assert Customer.objects.get().name == "There"

    def test_remembers_payment_methods_with_their_billing_system(self):
        bring_in(an_arrival(payment_method_id="pm_1"), integration_id="billing")

        method = Customer.objects.get().payment_method or {}
        assert (method["billingId"], method["integrationId"]) == ("pm_1", "billing")

    def test_links_to_records_in_salesforce(self):
        a_customer(public_id="linked", integrations=[Link("crm", "SALESFORCE", "001")])
        a_customer(public_id="other", integrations=[Link("billing", "STRIPE", "cus_1")])

        bring_in(
            an_arrival("linked", salesforce_id="002"),
            an_arrival("other", salesforce_id="003"),
            an_arrival("new", salesforce_id="004"),
        )

        links = CustomerIntegration.objects.order_by("customer_id", "pk")
        assert list(links.values_list("customer__public_id", "public_id", "synced_entity_id")) == [
            ("linked", "crm", "002"),
            ("other", "billing", "cus_1"),
            ("other", "salesforce", "003"),
            ("new", "salesforce", "004"),
        ]
        newest = activity.for_subject("customer", "linked")[0]
        assert newest.payload["salesforce"] == ["001", "002"]

    def test_stores_nobody_if_one_fits_nowhere(self):
        a_customer("Old", public_id="known")

        with pytest.raises(InvalidCustomers) as refusal:
            bring_in(
                an_arrival("known", name="New"),
                an_arrival("good"),
                an_arrival("bad", email="no address"),
                an_arrival("worse", name="x" * 256),
            )

        assert list(refusal.value.rows) == [2, 3]
        assert refusal.value.rows[2].startswith("email: ")
        assert Customer.objects.get().name == "Old"
        assert Activity.objects.count() == 1

    def test_may_be_tried_again_when_somebody_else_creates_them_in_the_same_moment(
        self, monkeypatch
    ):
        a_customer(public_id="acme")
        monkeypatch.setattr(customer_imports, "_lock", lambda public_ids: {})

        with pytest.raises(CreatedMeanwhile):
            bring_in(an_arrival("acme"))

    def test_refuses_a_customer_who_comes_twice(self):
        with pytest.raises(InvalidCustomers) as refusal:
            bring_in(an_arrival("a"), an_arrival("b"), an_arrival("a"))

        assert refusal.value.rows == {2: "This is the customer of row 1 again."}
        assert not Customer.objects.exists()
