import pytest

from catalog.models import Aggregation, ConsumptionMapping
from tests.builders import a_credit_type, a_feature, a_formula, a_metered_feature, a_plan, a_rate
from tests.catalog.admin.test_packages import page
from tests.workspace.admin.conftest import words

pytestmark = pytest.mark.django_db


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
