import pytest

from catalog.models import Package, Product
from tests.builders import (
    a_credit_type,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    some_credits,
)
from tests.workspace.admin.conftest import words
from workspace.models import Role

pytestmark = pytest.mark.django_db

LIST = "/admin/catalog/product/"


class TestAddProduct:
    def test_creates_one_and_leads_to_it(self, administrator):
        """R4."""
        answer = administrator.press(
            f"{LIST}add/", name="Studio", public_id="studio", subscriptions="multiple"
        )

        product = Product.objects.get()
        assert product.multiple_subscriptions
        assert answer.redirect_chain == [(f"{LIST}{product.pk}/change/", 302)]


class TestProductPage:
    def test_shows_prices_of_the_chosen_period(self, administrator):
        product = a_product()
        a_published_plan("Pro", product=product, monthly=49, yearly=490)
        a_plan("Team", product=product)

        monthly = administrator.get(f"{LIST}{product.pk}/change/").context
        yearly = administrator.get(f"{LIST}{product.pk}/change/?period=yearly").context

        assert [row.price for row in monthly["plans"]] == ["49 USD / month", "49 USD / month"]
        assert [row.price for row in yearly["plans"]] == ["490 USD / year", "–"]
        assert [badge.label for badge in monthly["plans"][1].badges] == ["Draft"]

    def test_takes_a_constant_number_of_queries(self, administrator, django_assert_max_num_queries):
        product, credit_type = a_product(), a_credit_type()
        for _ in range(10):
            a_published_plan(product=product, entitlements=[some_credits(credit_type)])
            a_published_addon(product=product)

        with django_assert_max_num_queries(12):
            administrator.get(f"{LIST}{product.pk}/change/")


class TestEditJourney:
    def test_saves_it(self, administrator):
        """R4."""
        plan = a_published_plan(pricing_type="FREE")

        answer = administrator.press(
            f"{LIST}{plan.product_id}/journey/",
            start_setup="FREE_PLAN",
            start_plan=str(plan.pk),
            usage_reset="NEVER_RESET",
            downgrade_time="IMMEDIATE",
            cancellation_time="IMMEDIATE",
            end_setup="CANCEL_SUBSCRIPTION",
            prorate_at_period_end="False",
        )

        assert words(answer) == ["The customer journey of Studio is saved."]
        product = Product.objects.get()
        assert (product.start_plan, product.usage_reset) == (plan, "NEVER_RESET")
        assert product.prorate_at_period_end is False
        form = administrator.get(f"{LIST}{product.pk}/journey/").context["form"]
        assert form["prorate_at_period_end"].value() == "False"
        page = administrator.get(f"{LIST}{product.pk}/change/")
        assert ("Changes that wait for the end of a period are charged", "In full") in (
            page.context["journey"]
        )

    def test_wants_the_plan_of_a_step(self, administrator):
        product = a_product()

        answer = administrator.press(
            f"{LIST}{product.pk}/journey/",
            start_setup="FREE_PLAN",
            usage_reset="NEVER_RESET",
            downgrade_time="IMMEDIATE",
            cancellation_time="IMMEDIATE",
            end_setup="CANCEL_SUBSCRIPTION",
        )

        assert "start_plan" in answer.context["form"].errors


class TestProductAdmin:
    def test_archives_with_plans(self, administrator):
        """R4."""
        plan = a_published_plan()

        administrator.press(f"{LIST}{plan.product_id}/archive/")

        plan.refresh_from_db()
        assert plan.archived_at is not None


class TestDuplicate:
    def test_copies_it_with_its_plans(self, administrator):
        """R8."""
        product = a_product("Studio")
        a_published_plan("Pro", public_id="pro", product=product)
        page = f"{LIST}{product.pk}/duplicate/"

        assert administrator.get(page).context["form"]["name"].value() == "Copy of Studio"
        answer = administrator.press(page, name="Studio EU", public_id="studio-eu")

        assert words(answer) == ["Studio EU is created; its plans and add-ons are drafts."]
        assert Package.objects.get(product__public_id="studio-eu").public_id == "studio-eu-pro"

    def test_shows_a_taken_id_beside_the_field(self, administrator):
        product = a_product("Studio", public_id="studio")

        answer = administrator.press(
            f"{LIST}{product.pk}/duplicate/", name="Copy", public_id="studio"
        )

        assert "public_id" in answer.context["form"].errors
        assert Product.objects.count() == 1

    @pytest.mark.parametrize("role", [Role.CUSTOMER_SUPPORT, Role.READ_ONLY])
    def test_is_not_for_everybody(self, visit, role):
        """X9."""
        product = a_product()

        assert visit(role).get(f"{LIST}{product.pk}/duplicate/").status_code == 403
