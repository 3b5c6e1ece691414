import pytest

from catalog.models import Package, PackageVersion
from tests.builders import (
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    an_addon,
    reloaded,
)
from tests.catalog.admin.test_packages import ADDONS, PLANS, page
from tests.workspace.admin.conftest import words

pytestmark = pytest.mark.django_db


class TestAddPackage:
    def test_begins_a_plan_as_a_draft(self, administrator):
        """R8."""
        product = a_product()

        answer = administrator.press(
            f"{PLANS}add/",
            product=str(product.pk),
            name="Pro",
            public_id="pro",
            pricing_type="PAID",
        )

        plan = Package.objects.get()
        assert (plan.kind, plan.live) == ("PLAN", None)
        assert answer.redirect_chain == [(page(plan), 302)]

    @pytest.mark.parametrize(
        ("fields", "most"),
        [
            ({"instances": "single", "max_quantity": "7"}, 1),
            ({"instances": "multiple"}, None),
            ({"instances": "multiple", "max_quantity": "7"}, 7),
        ],
    )
    def test_begins_an_addon_with_its_quantity(self, administrator, fields, most):
        """R6."""
        administrator.press(
            f"{ADDONS}add/",
            product=str(a_product().pk),
            name="Extra",
            public_id="extra",
            pricing_type="PAID",
            **fields,
        )

        assert PackageVersion.objects.get().max_quantity == most

    def test_wants_a_product_first(self, administrator):
        answer = administrator.get(f"{PLANS}add/", follow=True)

        assert "Create a product first" in words(answer)[0]


class TestDraftDialog:
    def test_saves_details(self, administrator):
        plan = a_plan()

        answer = administrator.press(
            page(plan, "details"),
            revision=str(plan.draft.revision),
            name="Team",
            pricing_type="CUSTOM",
        )

        assert words(answer) == ["The details are saved."]
        assert reloaded(plan).draft.pricing_type == "CUSTOM"

    def test_does_not_overwrite_what_somebody_saved_meanwhile(self, administrator):
        """Two tabs on one draft: the second is told."""
        plan = a_plan()
        seen = str(plan.draft.revision)
        administrator.press(page(plan, "details"), revision=seen, name="Mine", pricing_type="PAID")

        answer = administrator.press(
            page(plan, "details"), revision=seen, name="Yours", pricing_type="PAID"
        )

        [message] = answer.context["form"].non_field_errors()
        assert "Somebody changed this draft" in message
        assert reloaded(plan).draft.name == "Mine"

    @pytest.mark.parametrize("name", ["details", "prices", "trial", "include", "publish"])
    def test_leads_back_when_the_draft_is_gone(self, administrator, name):
        """A stale form after a publication."""
        plan = a_published_plan()

        for send in (administrator.get, administrator.post):
            answer = send(page(plan, name), follow=True)
            assert answer.redirect_chain == [(page(plan), 302)]
            assert "no open draft" in words(answer)[0]
        assert reloaded(plan).live.number == 1

    def test_saves_a_trial_and_takes_it_away(self, administrator):
        """R5."""
        plan = a_plan()

        for length, expected in (("14", 14), ("", None)):
            administrator.press(
                page(plan, "trial"),
                trial_length=length,
                trial_unit="DAY",
                trial_end="CANCEL_SUBSCRIPTION",
            )
            assert reloaded(plan).draft.trial_length == expected

    def test_saves_the_budget_of_a_trial_and_takes_it_away(self, administrator):
        plan = a_plan()
        terms = {"trial_unit": "DAY", "trial_end": "CONVERT_TO_PAID", "budget_limit": "soft"}
        shown = []

        for length, budget in (("14", "1,000.50"), ("14", ""), ("", "5")):
            administrator.press(page(plan, "trial"), trial_length=length, budget=budget, **terms)
            form = administrator.get(page(plan, "trial")).context["form"]
            shown.append((reloaded(plan).draft.trial_budget, form["budget"].value()))

        assert shown == [
            ({"limit": "1000.5", "has_soft_limit": True}, "1000.5"),
            (None, None),
            (None, None),
        ]

    def test_chooses_compatible_addons(self, administrator):
        """R5."""
        addon = a_published_addon()
        plan = a_plan(product=addon.product)

        administrator.press(page(plan, "addons"), addons=[str(addon.pk)])

        assert list(reloaded(plan).draft.compatible_addons.all()) == [addon]

    def test_refuses_addons_of_other_products(self, administrator):
        plan = a_plan()

        answer = administrator.press(page(plan, "addons"), addons=[str(a_published_addon().pk)])

        assert "addons" in answer.context["form"].errors

    def test_chooses_dependencies(self, administrator):
        """R6."""
        first = a_published_addon("First")
        second = an_addon("Second", product=first.product)

        administrator.press(page(second, "dependencies"), addons=[str(first.pk)])

        assert list(reloaded(second).draft.dependencies.all()) == [first]
