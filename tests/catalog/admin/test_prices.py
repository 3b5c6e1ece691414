from decimal import Decimal

import pytest

from catalog.models import Aggregation, ConsumptionMapping
from tests.builders import (
    a_credit_type,
    a_feature,
    a_formula,
    a_metered_feature,
    a_plan,
    a_rate,
    reloaded,
)
from tests.catalog.admin.test_packages import page
from tests.workspace.admin.conftest import words

pytestmark = pytest.mark.django_db


class TestEditPrices:
    def test_saves_them(self, administrator):
        plan = a_plan(monthly=None)

        administrator.press(page(plan, "prices"), monthly=" 1,049.50 ", yearly="", currency="EUR")

        charge = reloaded(plan).draft.charges.get()
        assert (charge.amount, charge.currency) == (Decimal("1049.50"), "EUR")

    @pytest.mark.parametrize(
        "amount",
        ["-1", "1,5", "1e5", "ten", "１２", "1.2345678", "1 000", "0x10", "9" * 50, "1\u200b"],
    )
    def test_refuses_what_could_mean_two_things(self, administrator, amount):
        plan = a_plan(monthly=49)

        answer = administrator.press(page(plan, "prices"), monthly=amount, currency="USD")

        assert "monthly" in answer.context["form"].errors
        assert reloaded(plan).draft.charges.get().amount == 49


class TestPrices:
    """Those beside the base prices."""

    GRADUATED = "100: 5\n1,000: 4 + 20\nbeyond: 3"

    def test_are_added_in_tiers_edited_and_removed(self, administrator):
        plan, seats = a_plan(monthly=49), a_feature("Seats")
        wanted = {
            "billing_model": "PER_UNIT",
            "feature": seats.pk,
            "billing_period": "MONTHLY",
            "billing_cadence": "RECURRING",
            "currency": "EUR",
            "is_overage": "on",
            "minimum_quantity": "2",
        }

        administrator.press(
            page(plan, "add-price"), **wanted, tiers_mode="GRADUATED", tiers=self.GRADUATED
        )

        charge = reloaded(plan).draft.charges.get(feature=seats)
        assert (charge.is_overage, charge.minimum_quantity, charge.amount) == (True, 2, None)
        overview = administrator.get(page(plan, "change"))
        [row] = [row for row in overview.context["prices"] if row.change_url]
        assert row.label == "Monthly per unit – Seats, overage"
        assert "up to 100: 5 EUR each; up to 1,000: 4 EUR each + 20 EUR in all" in row.value
        form = administrator.get(row.change_url).context["form"]
        assert form["tiers"].initial == "100: 5\n1000: 4 + 20\nbeyond: 3"
        assert form["currency"].initial == "EUR"

        administrator.press(row.change_url, **wanted, amount="7")

        charge = reloaded(plan).draft.charges.get(feature=seats)
        assert (charge.amount, charge.tiers, charge.currency) == (7, [], "EUR")

        administrator.press(f"{page(plan, 'remove-price')}{charge.pk}/")

        assert reloaded(plan).draft.charges.get().amount == 49

    def test_say_from_when_use_is_counted_and_how_often_credits_come(self, administrator):
        plan, seats, tokens = a_plan(monthly=49), a_feature("Seats"), a_credit_type("Tokens")
        shared = {"billing_period": "MONTHLY", "billing_cadence": "RECURRING", "currency": "USD"}
        by_use = {"billing_model": "USAGE_BASED", "feature": seats.pk, "reset_period": "WEEK"}
        bought = {"billing_model": "CREDIT_BASED", "credit_type": tokens.pk}
        monthly = {"credit_grant_cadence": "MONTHLY", "counted_from_week": "EveryFriday"}

        for wanted in (by_use, bought):
            administrator.press(page(plan, "add-price"), amount="5", **wanted, **monthly, **shared)

        said = {
            charge.billing_model: (
                charge.reset_period,
                charge.reset_configuration,
                charge.credit_grant_cadence,
            )
            for charge in reloaded(plan).draft.charges.exclude(billing_model="FLAT_FEE")
        }
        assert said == {
            "USAGE_BASED": ("WEEK", {"accordingTo": "EveryFriday"}, ""),
            "CREDIT_BASED": ("", None, "MONTHLY"),
        }
        rows = administrator.get(page(plan, "change")).context["prices"]
        [use, bought_credits] = [row for row in rows if row.change_url]
        assert use.value == "5 USD / month; use starts afresh every week from Friday"
        assert bought_credits.value == "5 USD / month; credits granted every month"
        assert administrator.get(use.change_url).context["form"].initial["counted_from_week"] == (
            "EveryFriday"
        )
        cadence = administrator.get(bought_credits.change_url).context["form"][
            "credit_grant_cadence"
        ]
        assert cadence.initial == "MONTHLY"

    @pytest.mark.parametrize("tiers", ["", "5", "x: 5", "beyond: 5\n9: 4", "9: 5 + x", "9:"])
    def test_refuse_steps_that_nobody_could_follow(self, administrator, tiers):
        plan, seats = a_plan(monthly=49), a_feature("Seats")

        answer = administrator.post(
            page(plan, "add-price"),
            {
                "billing_model": "USAGE_BASED",
                "feature": seats.pk,
                "billing_period": "ANNUALLY",
                "billing_cadence": "RECURRING",
                "currency": "USD",
                "tiers_mode": "VOLUME",
                "tiers": tiers,
            },
        )

        assert answer.context["form"].errors
        assert reloaded(plan).draft.charges.count() == 1

    def test_of_units_want_what_is_counted(self, administrator):
        plan = a_plan(monthly=49)

        answer = administrator.post(
            page(plan, "add-price"),
            {
                "billing_model": "PER_UNIT",
                "billing_period": "MONTHLY",
                "billing_cadence": "RECURRING",
                "currency": "USD",
                "amount": "5",
            },
        )

        assert answer.context["form"].errors["feature"] == ["Choose what is counted."]


class TestAddMapping:
    def send(self, administrator, **fields):
        image, credit_type = a_metered_feature(unit_singular="image"), a_credit_type()
        plan = a_plan()
        return administrator.press(
            page(plan, "consumption"),
            **{
                "feature": str(image.pk),
                "credit_type": str(credit_type.pk),
                "mode": "rate",
                "rate": "10",
                **fields,
            },
        )

    def test_adds_a_rate(self, administrator):
        """R34."""
        answer = self.send(administrator)

        assert words(answer) == ["AI Image Generation costs 10 credits per image."]
        assert ConsumptionMapping.objects.get().rate == 10

    def test_adds_a_formula(self, administrator):
        """R34."""
        self.send(administrator, mode="formula", rate="", formula="2.5*input + 10*output")

        mapping = ConsumptionMapping.objects.get()
        assert (mapping.rate, mapping.formula) == (None, "2.5*input + 10*output")

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"rate": ""}, "rate"),
            ({"rate": "-1"}, "rate"),
            ({"mode": "formula"}, "formula"),
            ({"mode": "formula", "formula": "1 +"}, "formula"),
            ({"mode": "formula", "formula": "__import__('os')"}, "formula"),
            ({"mode": "formula", "formula": "x" * 10_000}, "formula"),
        ],
    )
    def test_says_what_is_wrong_beside_the_field(self, administrator, fields, field):
        answer = self.send(administrator, **fields)

        assert field in answer.context["form"].errors
        assert not ConsumptionMapping.objects.exists()

    def test_offers_counted_features_alone(self, administrator):
        """R33."""
        a_feature("Seats")
        counted = a_metered_feature()
        a_metered_feature("Peak", aggregation=Aggregation.MAX, aggregation_field="n")

        form = administrator.get(page(a_plan(), "consumption")).context["form"]

        assert list(form.fields["feature"].queryset) == [counted]

    @pytest.mark.parametrize(
        ("fields", "sentence", "warnings"),
        [
            ({"sample": "7"}, "Costs 70 credits.", 0),
            ({}, "Costs 10 credits.", 0),
            (
                {
                    "mode": "formula",
                    "formula": "2.5*input + 10*output",
                    "sample": "input=100, output=20",
                },
                "Costs 450 credits.",
                0,
            ),
            ({"mode": "formula", "formula": "5/n"}, "Costs 0 credits.", 2),
            ({"mode": "formula", "formula": "n*n", "sample": "n=10000000"}, "", 1),
            ({"sample": "many"}, "", 1),
        ],
    )
    def test_tries_without_saving(self, administrator, fields, sentence, warnings):
        """R34."""
        answer = self.send(administrator, **{"try": "1", **fields})

        assert answer.context["tried"]["sentence"] == sentence
        assert len(answer.context["tried"]["warnings"]) == warnings
        assert not ConsumptionMapping.objects.exists()


class TestEditMapping:
    def test_begins_with_what_it_says_and_saves_it(self, administrator):
        image, credit_type = a_metered_feature(), a_credit_type()
        plan = a_plan(mappings=[a_formula(image, credit_type, "2*size")])
        mapping = plan.draft.mappings.get()
        address = page(plan, f"change-consumption/{mapping.pk}")

        form = administrator.get(address).context["form"]
        assert (form["mode"].value(), form["formula"].value()) == ("formula", "2*size")

        administrator.press(
            address,
            feature=str(image.pk),
            credit_type=str(credit_type.pk),
            mode="rate",
            rate="0.5",
        )
        assert str(plan.draft.mappings.get().rate) == "0.500000"


class TestRemoveMapping:
    def test_removes_it(self, administrator):
        plan = a_plan(mappings=[a_rate(a_metered_feature(), a_credit_type())])
        mapping = plan.draft.mappings.get()

        administrator.press(page(plan, f"remove-consumption/{mapping.pk}"))

        assert not ConsumptionMapping.objects.exists()

    def test_leads_back_when_it_is_gone(self, administrator):
        answer = administrator.get(page(a_plan(), "remove-consumption/999999"))

        assert answer.status_code == 302
