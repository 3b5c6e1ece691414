from datetime import timedelta

import pytest

from catalog.checking import IdTaken, InvalidField
from subscriptions import customers, journeys
from subscriptions.customers import UnknownCustomer
from subscriptions.models import CancelReason, Customer, Resource, Status, Subscription
from tests.builders import NOW, a_customer, a_product, a_published_plan, a_resource, a_subscription
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=3)


class TestCreate:
    def test_adds_a_customer(self):
        customer = a_customer("Acme", public_id="acme", email="a@acme.example")

        assert Customer.objects.get() == customer
        assert customer.created_at == NOW
        assert [entry.event for entry in activity.for_subject("customer", "acme")] == [
            "customer.created"
        ]

    def test_refuses_an_id_that_is_taken(self):
        a_customer("Acme", public_id="acme")

        with pytest.raises(IdTaken, match="Another customer has the ID acme already"):
            a_customer("Acme again", public_id="acme")

        assert Customer.objects.count() == 1

    @pytest.mark.parametrize("public_id", ["", "-acme", "a cme", "a" * 256, "acme\n"])
    def test_refuses_what_is_no_id(self, public_id: str):
        """R1."""
        with pytest.raises(InvalidField):
            journeys.begin(public_id=public_id, actor=SYSTEM, now=NOW)

        assert not Customer.objects.exists()

    def test_refuses_what_is_no_address(self):
        with pytest.raises(InvalidField) as refusal:
            a_customer(email="acme")

        assert refusal.value.field == "email"


class TestUpdate:
    def test_changes_what_is_named_and_leaves_the_rest(self):
        customer = a_customer("Acme", email="a@acme.example")

        customers.update(
            customer_id=customer.public_id, name="Acme Corporation", actor=SYSTEM, now=LATER
        )

        customer.refresh_from_db()
        assert (customer.name, customer.email) == ("Acme Corporation", "a@acme.example")
        assert customer.updated_at == LATER

    def test_records_nothing_where_nothing_changes(self):
        customer = a_customer("Acme")

        customers.update(customer_id=customer.public_id, name="Acme", actor=SYSTEM, now=LATER)

        events = [entry.event for entry in activity.for_subject("customer", customer.public_id)]
        assert events == ["customer.created"]

    @pytest.mark.parametrize("customer_id", ["nobody", "", "a\x00b", "x" * 5000])
    def test_knows_nobody_else(self, customer_id: str):
        with pytest.raises(UnknownCustomer) as refusal:
            customers.update(customer_id=customer_id, name="X", actor=SYSTEM, now=NOW)

        assert refusal.value.code == "CustomerNotFound"


class TestArchive:
    def test_ends_all_subscriptions_at_once(self, told):
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))
        customer = a_customer()
        a_subscription(customer, plan, resource_id="berlin")
        a_subscription(customer, plan, resource_id="paris", started_at=LATER + timedelta(days=9))

        customers.archive(customer_id=customer.public_id, actor=SYSTEM, now=LATER)

        for subscription in Subscription.objects.all():
            assert subscription.status_at(LATER) == Status.CANCELED
            assert subscription.cancel_reason == CancelReason.CUSTOMER_ARCHIVED
        assert [said.what for said in told] == ["started", "started", "ended", "ended"]

    def test_is_harmless_when_repeated(self, told):
        customer = a_customer()
        customers.archive(customer_id=customer.public_id, actor=SYSTEM, now=NOW)

        again = customers.archive(customer_id=customer.public_id, actor=SYSTEM, now=LATER)

        assert again.archived_at == NOW


class TestUnarchive:
    def test_brings_the_customer_back_but_not_the_subscriptions(self):
        customer = a_customer()
        subscription = a_subscription(customer)
        customers.archive(customer_id=customer.public_id, actor=SYSTEM, now=LATER)

        customers.unarchive(customer_id=customer.public_id, actor=SYSTEM, now=LATER)

        customer.refresh_from_db()
        subscription.refresh_from_db()
        assert customer.archived_at is None
        assert subscription.status_at(LATER) == Status.CANCELED


class TestResource:
    def test_is_made_once(self):
        customer = a_customer()

        first = a_resource(customer, "berlin")

        assert a_resource(customer, "berlin") == first
        assert Resource.objects.get() == first

    def test_belongs_to_its_customer_alone(self):
        ours, theirs = a_resource(a_customer(), "berlin"), a_resource(a_customer(), "berlin")

        assert ours != theirs
