from decimal import Decimal

import pytest

from catalog.entitlements import in_order
from catalog.models import CreditEntitlement, FeatureType
from tests.builders import (
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_plan,
    an_addon,
    some_credits,
    some_units,
)
from tests.catalog.admin.test_packages import page
from tests.workspace.admin.conftest import words

pytestmark = pytest.mark.django_db

TERMS = {"amount": "5,000", "cadence": "MONTH", "limit": "hard", "is_granted": "on"}


class TestPickEntitlement:
    def test_offers_what_is_not_included_yet(self, administrator):
        ai, api, seats = a_credit_type("AI"), a_credit_type("API"), a_feature("Seats")
        plan = a_plan(entitlements=[some_credits(ai)])

        groups = dict(administrator.get(page(plan, "include")).context["groups"])

        assert [link["name"] for link in groups["Credits"]] == ["API"]
        assert [link["name"] for link in groups["Features"]] == ["Seats"]
        assert groups["Credits"][0]["url"] == page(plan, f"include-credits/{api.pk}")
        assert groups["Features"][0]["url"] == page(plan, f"include-feature/{seats.pk}")

    @pytest.mark.parametrize("query", ["%", "_", "'", "x" * 10_000, "\0", "<b>"])
    def test_survives_strange_searches(self, administrator, query):
        answer = administrator.get(page(a_plan(), "include"), {"q": query})

        assert answer.status_code == 200


class TestIncludeCredits:
    def include(self, administrator, package, **fields):
        credit_type = a_credit_type()
        return administrator.press(
            page(package, f"include-credits/{credit_type.pk}"), **{**TERMS, **fields}
        )

    def test_adds_them(self, administrator):
        plan = a_plan()

        answer = self.include(administrator, plan, cadence="YEAR", limit="soft")

        assert words(answer) == ["AI Credits is added."]
        assert answer.redirect_chain == [(f"{page(plan)}#entitlements", 302)]
        included = plan.draft.credit_entitlements.get()
        assert (included.amount, included.cadence) == (5000, "YEAR")
        assert (included.has_soft_limit, included.is_granted) == (True, True)

    @pytest.mark.parametrize(
        "amount", ["0", "-5", "", "0.0000001", "1000000000000", "ten", "1e5", "5,00", "NaN"]
    )
    def test_refuses_what_is_no_amount(self, administrator, amount):
        answer = self.include(administrator, a_plan(), amount=amount)

        assert "amount" in answer.context["form"].errors
        assert not CreditEntitlement.objects.exists()

    def test_takes_six_places(self, administrator):
        plan = a_plan()

        self.include(administrator, plan, amount=" 0.000001 ")

        assert plan.draft.credit_entitlements.get().amount == Decimal("0.000001")

    def test_offers_behaviour_for_addons_alone(self, administrator):
        """R16."""
        credit_type = a_credit_type()
        fields = [
            administrator.get(page(package, f"include-credits/{credit_type.pk}"))
            .context["form"]
            .fields
            for package in (an_addon(), a_plan())
        ]

        labels = [label for _, label in fields[0]["behaviour"].choices]
        assert labels == ["Increment plan limit", "Override plan limit"]
        assert "behaviour" not in fields[1]

    def test_offers_custom_values_for_custom_plans_alone(self, administrator):
        custom = a_plan(pricing_type="CUSTOM")
        self.include(administrator, custom, amount="", is_custom="on")
        assert custom.draft.credit_entitlements.get().amount is None

        paid = a_plan("Paid")
        answer = self.include(administrator, paid, amount="", is_custom="on")
        assert "amount" in answer.context["form"].errors

    def test_links_numbers_that_the_package_includes(self, administrator):
        """R17."""
        seats, other = a_feature("Seats"), a_feature("Other")
        switch = a_feature("Export", type=FeatureType.BOOLEAN)
        plan = a_plan(entitlements=[some_units(seats)])

        answer = self.include(administrator, plan, linked_feature=str(seats.pk))
        assert words(answer)[0] == "AI Credits is added."
        assert plan.draft.credit_entitlements.get().linked_feature == seats

        for wrong in (other, switch):
            answer = self.include(administrator, plan, linked_feature=str(wrong.pk))
            assert "linked_feature" in answer.context["form"].errors

    def test_leads_back_from_what_does_not_exist(self, administrator):
        plan = a_plan()

        answer = administrator.get(page(plan, "include-credits/999999"))

        assert answer.status_code == 302


class TestIncludeFeature:
    def test_asks_what_the_type_of_feature_needs(self, administrator):
        """R7."""
        plan = a_plan()
        level = a_feature(
            "Level", type=FeatureType.ENUM, enum_values=[{"value": "a", "displayName": "Alpha"}]
        )

        number = administrator.get(page(plan, f"include-feature/{a_feature().pk}")).context["form"]
        choice = administrator.get(page(plan, f"include-feature/{level.pk}")).context["form"]

        assert "usage_limit" in number.fields
        assert "usage_limit" not in choice.fields
        assert choice.fields["enum_values"].choices == [("a", "Alpha")]

    @pytest.mark.parametrize(
        ("fields", "limit", "is_unlimited"),
        [
            ({"usage": "limited", "usage_limit": "5"}, 5, False),
            ({"usage": "limited", "usage_limit": "0"}, 0, False),
            ({"usage": "unlimited", "usage_limit": "5"}, None, True),
        ],
    )
    def test_adds_a_number(self, administrator, fields, limit, is_unlimited):
        plan, seats = a_plan(), a_feature()

        administrator.press(
            page(plan, f"include-feature/{seats.pk}"), limit="hard", is_granted="on", **fields
        )

        included = plan.draft.feature_entitlements.get()
        assert (included.usage_limit, included.has_unlimited_usage) == (limit, is_unlimited)

    @pytest.mark.parametrize(
        ("period", "configuration"),
        [
            ("WEEK", {"accordingTo": "EveryMonday"}),
            ("MONTH", {"accordingTo": "StartOfTheMonth"}),
            ("YEAR", None),
        ],
    )
    def test_says_from_when_periods_are_counted(self, administrator, period, configuration):
        plan, images = a_plan(), a_metered_feature()
        path = page(plan, f"include-feature/{images.pk}")

        administrator.press(
            path,
            usage="limited",
            usage_limit="5",
            limit="hard",
            is_granted="on",
            reset_period=period,
            counted_from_month="StartOfTheMonth",
            counted_from_week="EveryMonday",
        )

        included = plan.draft.feature_entitlements.get()
        assert (included.reset_period, included.reset_configuration) == (period, configuration)
        change = administrator.get(path.replace("include", "change")).context["form"]
        if configuration:
            chosen = change[f"counted_from_{period.lower()}"].value()
            assert chosen == configuration["accordingTo"]

    def test_wants_a_limit(self, administrator):
        plan, seats = a_plan(), a_feature()

        answer = administrator.press(
            page(plan, f"include-feature/{seats.pk}"), usage="limited", limit="hard"
        )

        assert "usage_limit" in answer.context["form"].errors


class TestChangeCredits:
    def test_begins_with_the_terms_and_saves_them(self, administrator):
        credit_type = a_credit_type()
        plan = a_plan(entitlements=[some_credits(credit_type, "0.25")])
        address = page(plan, f"change-credits/{credit_type.pk}")

        form = administrator.get(address).context["form"]
        assert form["amount"].value() == "0.25"

        administrator.press(address, **{**TERMS, "amount": "6000"})
        assert plan.draft.credit_entitlements.get().amount == 6000


class TestChangeFeature:
    def test_saves_the_limit(self, administrator):
        seats = a_feature()
        plan = a_plan(entitlements=[some_units(seats, 5)])

        administrator.press(
            page(plan, f"change-feature/{seats.pk}"),
            usage="limited",
            usage_limit="6",
            limit="hard",
            is_granted="on",
        )

        assert plan.draft.feature_entitlements.get().usage_limit == 6


class TestExcludeCredits:
    def test_takes_them_out(self, administrator):
        credit_type = a_credit_type()
        plan = a_plan(entitlements=[some_credits(credit_type)])

        answer = administrator.press(page(plan, f"exclude-credits/{credit_type.pk}"))

        assert words(answer) == ["AI Credits is removed."]
        assert not CreditEntitlement.objects.exists()


class TestExcludeFeature:
    def test_takes_it_out(self, administrator):
        seats = a_feature()
        plan = a_plan(entitlements=[some_units(seats)])

        administrator.press(page(plan, f"exclude-feature/{seats.pk}"))

        assert not plan.draft.feature_entitlements.exists()


class TestMoveEntitlement:
    def test_changes_the_order(self, administrator):
        first, second = a_credit_type("First"), a_credit_type("Second")
        plan = a_plan(entitlements=[some_credits(first), some_credits(second)])

        administrator.post(
            page(plan, "move"),
            {
                "kind": "credits",
                "key": second.pk,
                "places": "-1",
                "revision": plan.draft.revision,
            },
        )

        rows = in_order(list(plan.draft.credit_entitlements.all()))
        assert [str(row).partition(":")[0] for row in rows] == ["Second", "First"]

    def test_moves_over_several_places(self, administrator):
        """As a handle does that is dragged."""
        types = [a_credit_type(name) for name in ("First", "Second", "Third")]
        plan = a_plan(entitlements=[some_credits(each) for each in types])

        administrator.post(
            page(plan, "move"),
            {
                "kind": "credits",
                "key": types[0].pk,
                "places": "2",
                "revision": plan.draft.revision,
            },
        )

        rows = in_order(list(plan.draft.credit_entitlements.all()))
        assert [str(row).partition(":")[0] for row in rows] == ["Second", "Third", "First"]

    def test_refuses_a_stale_order(self, administrator):
        first, second = a_credit_type("First"), a_credit_type("Second")
        plan = a_plan(entitlements=[some_credits(first), some_credits(second)])

        answer = administrator.post(
            page(plan, "move"),
            {"kind": "credits", "key": second.pk, "places": "-1", "revision": 1},
            follow=True,
        )

        assert b"Somebody changed this draft" in answer.content
