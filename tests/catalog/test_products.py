import pytest

from catalog import products
from catalog.checking import IdTaken, InvalidField
from catalog.models import Product
from catalog.models.products import EndSetup, StartSetup, UsageReset
from catalog.products import UnknownProduct
from catalog.signals import product_changed
from tests.builders import NOW, a_plan, a_product, a_published_addon, a_published_plan
from workspace import activity
from workspace.actors import SYSTEM
from workspace.errors import Conflict

pytestmark = pytest.mark.django_db


class TestCreate:
    def test_stores_a_product(self):
        """R4."""
        product = products.create(
            public_id="studio", name="Studio", multiple_subscriptions=True, actor=SYSTEM, now=NOW
        )

        assert Product.objects.get() == product
        assert product.usage_reset == UsageReset.ALWAYS_RESET
        assert activity.for_subject("product", "studio").get().event == "product.created"

    def test_refuses_a_second_use_of_an_id(self):
        """R1."""
        a_product(public_id="studio")

        with pytest.raises(IdTaken):
            a_product(public_id="studio")


class TestUpdate:
    def test_sets_the_journey(self):
        """R4."""
        plan = a_published_plan(pricing_type="FREE")

        products.update(
            product_id=plan.product_id,
            start_setup=StartSetup.FREE_PLAN,
            start_plan=plan,
            end_setup=EndSetup.DOWNGRADE_TO_FREE,
            downgrade_plan=plan,
            actor=SYSTEM,
            now=NOW,
        )

        product = Product.objects.get()
        assert (product.start_plan, product.downgrade_plan) == (plan, plan)
        newest = activity.for_subject("product", product.public_id)[0]
        assert newest.payload["start_plan"] == [None, plan.public_id]

    def test_refuses_a_start_without_its_plan(self):
        with pytest.raises(InvalidField) as refusal:
            products.update(
                product_id=a_product().pk, start_setup=StartSetup.FREE_PLAN, actor=SYSTEM, now=NOW
            )

        assert refusal.value.field == "start_plan"
        assert Product.objects.get().start_setup == StartSetup.PLAN_SELECTION

    @pytest.mark.parametrize("make", [a_plan, a_published_addon])
    def test_refuses_what_is_no_published_plan(self, make):
        package = make()

        with pytest.raises(InvalidField):
            products.update(
                product_id=package.product_id, start_plan=package, actor=SYSTEM, now=NOW
            )

    def test_refuses_a_plan_of_another_product(self):
        with pytest.raises(InvalidField, match="this product"):
            products.update(
                product_id=a_product().pk, start_plan=a_published_plan(), actor=SYSTEM, now=NOW
            )

    def test_lets_other_apps_refuse(self):
        """R4: fixed after the first subscription, of which the catalog knows nothing."""
        product = a_product()

        def refuse(sender, changed, **kwargs):
            if "multiple_subscriptions" in changed:
                raise Conflict("It has subscriptions.")

        product_changed.connect(refuse)
        try:
            with pytest.raises(Conflict, match="subscriptions"):
                products.update(
                    product_id=product.pk, multiple_subscriptions=True, actor=SYSTEM, now=NOW
                )
        finally:
            product_changed.disconnect(refuse)

        assert not Product.objects.get().multiple_subscriptions

    def test_does_not_know_strangers(self):
        with pytest.raises(UnknownProduct):
            products.update(product_id=1, name="x", actor=SYSTEM, now=NOW)
