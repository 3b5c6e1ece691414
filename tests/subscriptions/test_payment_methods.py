from datetime import timedelta

import pytest

from subscriptions import payment_methods
from subscriptions.customers import UnknownCustomer
from subscriptions.models import Customer
from tests.builders import NOW, a_customer
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


def attach(customer_id: str = "acme", **options: str) -> Customer:
    return payment_methods.attach(
        customer_id=customer_id,
        payment_method_id="pm_1",
        integration_id="billing",
        vendor="STRIPE",
        actor=SYSTEM,
        now=LATER,
        **options,
    )


class TestAttach:
    def test_remembers_the_id_and_where_it_comes_from(self):
        a_customer(public_id="acme", billing_currency="EUR")

        attach()

        stored = Customer.objects.get()
        method = stored.payment_method or {}
        assert method["billingId"] == "pm_1"
        assert (method["integrationId"], method["vendorIdentifier"]) == ("billing", "STRIPE")
        assert (stored.billing_currency, stored.updated_at) == ("EUR", LATER)
        newest = activity.for_subject("customer", "acme")[0]
        assert newest.event == "customer.payment_method_attached"

    @pytest.mark.parametrize("currency", ["USD", ""])
    def test_takes_the_currency_over(self, currency: str):
        a_customer(public_id="acme", billing_currency="EUR")

        attach(billing_currency=currency)

        assert Customer.objects.get().billing_currency == currency

    def test_records_a_repetition_once(self):
        a_customer(public_id="acme")

        attach()
        attach()

        assert activity.for_subject("customer", "acme").count() == 2

    def test_does_not_know_strangers(self):
        with pytest.raises(UnknownCustomer):
            attach("nobody")


class TestDetach:
    def test_forgets_it_and_is_harmless_when_repeated(self):
        a_customer(public_id="acme")
        attach()

        for _ in range(2):
            payment_methods.detach(customer_id="acme", actor=SYSTEM, now=LATER)

        assert Customer.objects.get().payment_method is None
        events = [entry.event for entry in activity.for_subject("customer", "acme")]
        assert events[0] == "customer.payment_method_detached"
        assert len(events) == 3
