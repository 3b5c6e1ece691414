from datetime import timedelta

import pytest

from catalog.checking import InvalidField
from subscriptions import integrations, journeys
from subscriptions.customers import Link, UnknownCustomer
from subscriptions.integrations import AlreadyLinked, UnknownIntegration
from subscriptions.models import Customer, CustomerIntegration
from tests.builders import NOW, a_customer
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)
STRIPE = Link("billing", "STRIPE", "cus_1")


def link(customer: Customer, given: Link = STRIPE) -> CustomerIntegration:
    return integrations.link(customer_id=customer.public_id, link=given, actor=SYSTEM, now=LATER)


class TestLink:
    def test_stores_the_record_and_says_so(self):
        customer = a_customer(public_id="acme")

        row = link(customer)

        customer.refresh_from_db()
        assert CustomerIntegration.objects.get() == row
        assert (row.vendor, row.synced_entity_id, customer.updated_at) == (
            "STRIPE",
            "cus_1",
            LATER,
        )
        newest = activity.for_subject("customer", "acme")[0]
        assert newest.event == "customer.linked"
        assert newest.payload == {
            "integration": "billing",
            "vendor": "STRIPE",
            "synced_entity_id": "cus_1",
        }

    def test_goes_through_an_integration_once_for_each_customer(self):
        customer = a_customer()
        link(customer)
        link(a_customer())

        with pytest.raises(AlreadyLinked):
            link(customer, Link("billing", "ZUORA", "z1"))

        assert CustomerIntegration.objects.count() == 2

    @pytest.mark.parametrize(
        "wrong",
        [
            Link("no id", "STRIPE", "x"),
            Link("billing", "NOBODY", "x"),
            Link("billing", "STRIPE", "x" * 256),
        ],
    )
    def test_refuses_what_fits_nowhere(self, wrong):
        with pytest.raises(InvalidField):
            link(a_customer(), wrong)

        assert not CustomerIntegration.objects.exists()

    def test_does_not_know_strangers(self):
        with pytest.raises(UnknownCustomer):
            integrations.link(customer_id="nobody", link=STRIPE, actor=SYSTEM, now=NOW)


class TestRelink:
    def test_names_another_record_and_remembers_both(self):
        customer = a_customer(public_id="acme", integrations=[STRIPE])

        integrations.relink(
            customer_id="acme",
            integration_id="billing",
            synced_entity_id="cus_2",
            actor=SYSTEM,
            now=LATER,
        )

        assert customer.integrations.get().synced_entity_id == "cus_2"
        newest = activity.for_subject("customer", "acme")[0]
        assert newest.payload["synced_entity_id"] == ["cus_1", "cus_2"]

    def test_records_nothing_where_nothing_changes(self):
        a_customer(public_id="acme", integrations=[STRIPE])

        integrations.relink(
            customer_id="acme",
            integration_id="billing",
            synced_entity_id="cus_1",
            actor=SYSTEM,
            now=LATER,
        )

        assert activity.for_subject("customer", "acme").count() == 1


class TestUnlink:
    def test_forgets_the_record_and_says_which(self):
        customer = a_customer(public_id="acme", integrations=[STRIPE])

        integrations.unlink(customer_id="acme", integration_id="billing", actor=SYSTEM, now=LATER)

        assert not customer.integrations.exists()
        newest = activity.for_subject("customer", "acme")[0]
        assert (newest.event, newest.payload["synced_entity_id"]) == (
            "customer.unlinked",
            "cus_1",
        )

    def test_knows_only_the_links_of_the_customer(self):
        a_customer(integrations=[STRIPE])
        a_customer(public_id="acme")

        with pytest.raises(UnknownIntegration):
            integrations.unlink(
                customer_id="acme", integration_id="billing", actor=SYSTEM, now=LATER
            )

        assert CustomerIntegration.objects.count() == 1


class TestReplacing:
    def test_refuses_two_records_in_one_integration(self):
        with pytest.raises(InvalidField, match="one record in each"):
            journeys.begin(public_id="acme", integrations=[STRIPE, STRIPE], actor=SYSTEM, now=NOW)

        assert not Customer.objects.exists()
