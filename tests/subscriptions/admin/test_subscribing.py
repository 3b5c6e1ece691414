from decimal import Decimal

import pytest

from catalog.models import PricingType, TrialEnd
from subscriptions import customers
from subscriptions.models import Customer, Status, Subscription
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_feature,
    a_product,
    a_published_plan,
    a_subscription,
    some_credits,
    some_units,
)
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM


def address(customer: Customer) -> str:
    return f"/admin/subscriptions/customer/{customer.pk}/subscribe/"


@pytest.fixture
def acme(db) -> Customer:
    return a_customer("Acme")


class TestForm:
    def test_begins_with_the_product(self, support, studio, acme):
        a_published_plan(product=a_product("Other"))

        form = support.get(address(acme)).context["form"]

        assert list(form.fields) == ["product"]

    def test_chooses_what_is_the_only_choice(self, support, studio, acme):
        answer = support.get(address(acme))

        assert answer.context["form"].plan == studio.pro
        assert answer.context["summary"].credits[0].value == "50,000 credits / month"

    def test_offers_compatible_addons_only(self, support, studio, acme):
        form = support.get(address(acme)).context["form"]

        assert [field.label for field in form.addon_inputs] == ["Extra API Credits", "API 500k"]

    def test_grows_with_what_is_chosen_and_does_nothing(self, support, studio, acme):
        sent = studio.form(refresh="1", start="date", trial="date", billing_period="ANNUALLY")

        answer = support.post(address(acme), sent)

        form = answer.context["form"]
        assert {"started_at", "trial_ends_at", "trial_end"} <= form.fields.keys()
        assert form["billing_period"].value() == "ANNUALLY"
        assert not form.errors
        assert not Subscription.objects.exists()

    def test_asks_for_a_resource_where_there_may_be_several(self, support, acme):
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))
        sent = {"refresh": "1", "product": str(plan.product_id)}

        assert "resource_id" in support.post(address(acme), sent).context["form"].fields

    def test_is_forbidden_to_readers(self, reader, studio, acme):
        assert reader.get(address(acme)).status_code == 403
        assert reader.post(address(acme), studio.form()).status_code == 403
        assert not Subscription.objects.exists()


class TestSummary:
    def summary(self, visitor, customer, form):
        return visitor.post(address(customer), form | {"refresh": "1"}).context["summary"]

    def test_forgets_what_another_plan_does_not_offer(self, support, studio, acme):
        tried = {"trial_length": 14, "trial_unit": "DAY", "trial_end": TrialEnd.CONVERT_TO_PAID}
        with_trial = a_published_plan("Trial", product=studio.product, **tried)
        yearly = a_published_plan("Annual", product=studio.product, monthly=None, yearly=490)
        form = studio.form(billing_period="MONTHLY")

        first = self.summary(support, acme, form | {"plan": str(with_trial.pk), "trial": "plan"})
        then = self.summary(support, acme, form | {"plan": str(yearly.pk), "trial": "plan"})

        assert (first.problem, then.problem) == ("", "")
        assert [price.value for price in then.prices] == ["490 USD / year"]

    def test_says_what_will_be_granted(self, support, studio, acme):
        """R15: 50,000 + 10,000 × 3."""
        form = studio.form(**{f"addon_{studio.extra.pk}": "3"})

        summary = self.summary(support, acme, form)

        (line,) = summary.credits
        assert line.value == "80,000 credits / month"
        assert line.granted.startswith("80,000 credits now, until ")
        assert [(price.name, price.value) for price in summary.prices] == [
            ("Pro", "99 USD / month"),
            ("Extra API Credits × 3", "147 USD / month"),
            ("Total", "246 USD / month"),
        ]

    def test_says_what_an_override_silences(self, support, studio, acme):
        """R16."""
        form = studio.form(**{f"addon_{studio.extra.pk}": "3", f"addon_{studio.override.pk}": "on"})

        (line,) = self.summary(support, acme, form).credits

        assert line.value == "500,000 credits / month"
        assert line.note == (
            "API 500k overrides: Pro and Extra API Credits give nothing while the override lasts."
        )

    def test_says_why_it_cannot_be(self, support, studio, acme):
        a_subscription(acme, studio.pro)

        summary = self.summary(support, acme, studio.form())

        assert "There is a subscription to Studio at that time" in summary.problem

    def test_says_what_is_wrong_with_an_input(self, support, studio, acme):
        form = studio.form(**{f"addon_{studio.extra.pk}": "-1"})

        assert self.summary(support, acme, form).problem.startswith("Extra API Credits: ")

    def test_grants_nothing_now_to_what_starts_later(self, support, studio, acme):
        form = studio.form(start="date", started_at="2090-01-01T10:00")

        summary = self.summary(support, acme, form)

        assert ("Status", "Scheduled") in summary.facts
        assert summary.credits[0].granted == ""


class TestCreate:
    def test_starts_the_subscription(self, support, studio, acme):
        form = studio.form(**{f"addon_{studio.extra.pk}": "3", f"addon_{studio.override.pk}": ""})

        answer = support.press(address(acme), **form)

        subscription = Subscription.objects.get()
        assert subscription.status_at(subscription.created_at) == Status.ACTIVE
        assert subscription.addons.get().quantity == 3
        assert words(answer) == ["Acme is subscribed to Pro: active."]
        assert answer.redirect_chain == [(f"/admin/subscriptions/customer/{acme.pk}/change/", 302)]

    def test_acts_once_when_sent_twice(self, support, studio, acme):
        form = studio.form(once="same")
        support.post(address(acme), form)

        answer = support.post(address(acme), form, follow=True)

        assert Subscription.objects.count() == 1
        assert words(answer)[-1].startswith("This was done before: ")

    def test_shows_a_refusal_and_changes_nothing(self, support, studio, acme):
        customers.archive(customer_id=acme.public_id, actor=SYSTEM, now=NOW)

        answer = support.press(address(acme), **studio.form())

        [refusal] = answer.context["form"].non_field_errors()
        assert refusal == f"Customer {acme.public_id} is archived. Unarchive it first."
        assert not Subscription.objects.exists()

    @pytest.mark.parametrize(
        "change",
        [
            {"plan": ""},
            {"plan": "12345"},
            {"product": "x"},
            {"billing_period": "DAILY"},
            {"start": "date"},
            {"start": "date", "started_at": "2026-02-30T10:00"},
            {"trial": "date", "trial_ends_at": "2020-01-01T10:00", "trial_end": "CONVERT_TO_PAID"},
        ],
    )
    def test_says_what_is_wrong(self, support, studio, acme, change: dict[str, str]):
        answer = support.press(address(acme), **studio.form(**change))

        assert answer.status_code == 200
        assert answer.context["form"].errors
        assert not Subscription.objects.exists()

    def test_takes_start_trial_and_payment(self, support, studio, acme):
        support.press(
            address(acme),
            **studio.form(
                start="date",
                started_at="2026-01-31T10:00",
                trial="date",
                trial_ends_at="2090-01-01T10:00",
                trial_end=TrialEnd.CANCEL_SUBSCRIPTION,
                payment_pending="on",
            ),
        )

        subscription = Subscription.objects.get()
        assert f"{subscription.started_at:%Y-%m-%d %H:%M}" == "2026-01-31 10:00"
        assert subscription.trial_end == TrialEnd.CANCEL_SUBSCRIPTION
        assert subscription.status_at(NOW.replace(year=2030)) == Status.PAYMENT_PENDING

    def test_takes_custom_values(self, support, acme):
        """R17, and custom credits."""
        seats, credit_type = a_feature(), a_credit_type()
        plan = a_published_plan(
            pricing_type=PricingType.CUSTOM,
            entitlements=[
                some_credits(credit_type, None, is_custom=True),
                some_credits(a_credit_type(), 10, linked_feature=seats),
                some_units(seats, 5),
            ],
        )

        support.press(
            address(acme),
            product=str(plan.product_id),
            plan=str(plan.pk),
            billing_period="MONTHLY",
            start="now",
            trial="none",
            **{
                f"units_{seats.pk}": "8",
                f"credit_{credit_type.pk}": "70,000.5",
                f"credit_{credit_type.pk}_cadence": "YEAR",
            },
        )

        values = Subscription.objects.get().entitlements
        assert values.get(feature=seats).usage_limit == 8
        custom = values.get(credit_type=credit_type)
        assert (custom.amount, custom.cadence) == (Decimal("70000.5"), "YEAR")
