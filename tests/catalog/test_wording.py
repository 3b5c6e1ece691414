from decimal import Decimal

import pytest

from catalog import wording
from catalog.entitlements import NewFeature
from catalog.models import Cadence, FeatureType
from tests.builders import (
    a_coupon,
    a_credit_type,
    a_feature,
    a_formula,
    a_metered_feature,
    a_plan,
    a_rate,
    an_addon,
    some_credits,
    some_units,
)

pytestmark = pytest.mark.django_db


class TestJoined:
    @pytest.mark.parametrize(
        ("parts", "text"),
        [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
    )
    def test_is_a_sentence(self, parts, text):
        assert wording.joined(parts) == text


class TestCreditValue:
    @pytest.mark.parametrize(
        ("given", "text"),
        [
            ({"amount": 5000}, "5,000 credits / month"),
            ({"amount": 1}, "1 credit / month"),
            ({"amount": 60_000, "cadence": Cadence.YEAR}, "60,000 credits / year"),
        ],
    )
    def test_says_how_much_and_how_often(self, given, text):
        plan = a_plan(entitlements=[some_credits(a_credit_type(), **given)])

        assert wording.credit_value(plan.draft.credit_entitlements.get()) == text

    def test_names_the_unit_it_is_linked_to(self):
        seats = a_feature(unit_singular="seat", unit_plural="seats")
        plan = a_plan(entitlements=[some_credits(a_credit_type(), 1000, linked_feature=seats)])

        assert (
            wording.credit_value(plan.draft.credit_entitlements.get())
            == "1,000 credits / month per seat"
        )

    def test_names_the_type_when_it_has_no_units(self):
        tokens = a_credit_type("Tokens", unit_singular="", unit_plural="")
        plan = a_plan(entitlements=[some_credits(tokens, 2)])

        assert wording.credit_value(plan.draft.credit_entitlements.get()) == "2 Tokens / month"


class TestFeatureValue:
    def test_says_what_is_included(self):
        seats = a_feature(unit_singular="seat", unit_plural="seats")
        calls = a_feature("Calls")
        export = a_feature("Export", type=FeatureType.BOOLEAN)
        level = a_feature(
            "Level", type=FeatureType.ENUM, enum_values=[{"value": "a", "displayName": "Alpha"}]
        )
        plan = a_plan(
            entitlements=[
                some_units(seats, 1),
                some_units(calls, None, reset_period="MONTH"),
                NewFeature(export),
                NewFeature(level, {"enum_values": ["a"]}),
            ]
        )

        shown = [wording.feature_value(row) for row in plan.draft.feature_entitlements.all()]
        assert shown == ["1 seat", "Unlimited / month", "Yes", "Alpha"]

    @pytest.mark.parametrize(
        ("period", "word", "text"),
        [
            ("WEEK", "EveryMonday", "7 / week from Monday"),
            ("MONTH", "StartOfTheMonth", "7 / month from the first"),
            ("MONTH", "SubscriptionStart", "7 / month"),
        ],
    )
    def test_says_from_when_periods_are_counted(self, period, word, text):
        terms = {"reset_period": period, "reset_configuration": {"accordingTo": word}}
        plan = a_plan(entitlements=[some_units(a_metered_feature(), 7, **terms)])

        assert wording.feature_value(plan.draft.feature_entitlements.get()) == text


class TestCost:
    def test_shows_rates_and_formulas(self):
        credit_type = a_credit_type()
        image = a_metered_feature(unit_singular="image", unit_plural="images")
        call = a_metered_feature("Call")
        plan = a_plan(
            mappings=[a_rate(image, credit_type, 10), a_formula(call, credit_type, "2*input")]
        )

        shown = [wording.cost(row) for row in plan.draft.mappings.all()]
        assert shown == ["10 credits per image", "2*input credits per event"]


class TestTrial:
    def test_says_what_follows(self):
        plan = a_plan(trial_length=1, trial_unit="MONTH", trial_end="CANCEL_SUBSCRIPTION")

        assert wording.trial(plan.draft) == "1 month, then cancel"
        plan.draft.trial_budget = {"limit": "5", "has_soft_limit": False}
        assert wording.trial(plan.draft) == "1 month, then cancel; budget 5 (hard)"
        assert wording.trial(a_plan().draft) == "None"


class TestQuantity:
    @pytest.mark.parametrize(
        ("most", "text"),
        [(1, "Single instance"), (5, "Multiple, up to 5"), (None, "Multiple, any number")],
    )
    def test_says_how_often_it_can_be_bought(self, most, text):
        """R6."""
        assert wording.quantity(an_addon(max_quantity=most).draft) == text


class TestDiscount:
    @pytest.mark.parametrize(
        ("given", "text"),
        [
            ({"percent_off": 20}, "20 %"),
            ({"percent_off": "12.5"}, "12.5 %"),
            ({"amounts_off": {"USD": Decimal(1200)}}, "1,200 USD"),
            ({"amounts_off": {"USD": Decimal(12), "EUR": Decimal("9.5")}}, "9.5 EUR or 12 USD"),
        ],
    )
    def test_says_what_a_coupon_takes_off(self, given, text):
        assert wording.discount(a_coupon(**given)) == text


class TestDuration:
    @pytest.mark.parametrize(
        ("months", "text"), [(None, "Forever"), (1, "1 month"), (12, "12 months")]
    )
    def test_says_for_how_long(self, months, text):
        assert wording.duration(a_coupon(duration_in_months=months)) == text
