import pytest

from catalog import impact, products
from subscriptions.receivers import ProductHasSubscriptions
from tests.builders import NOW, a_plan, a_product, a_published_plan, a_subscription
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


class TestKeepMultiplicity:
    def test_fixes_it_after_the_first_subscription(self):
        """R4."""
        product = a_product()
        a_subscription(plan=a_published_plan(product=product))

        with pytest.raises(ProductHasSubscriptions):
            products.update(
                product_id=product.pk, multiple_subscriptions=True, actor=SYSTEM, now=NOW
            )

        product.refresh_from_db()
        assert product.multiple_subscriptions is False

    def test_lets_it_change_before(self):
        product = a_product()

        products.update(product_id=product.pk, multiple_subscriptions=True, actor=SYSTEM, now=NOW)

        product.refresh_from_db()
        assert product.multiple_subscriptions is True

    def test_lets_everything_else_change(self):
        product = a_product()
        a_subscription(plan=a_published_plan(product=product))

        products.update(product_id=product.pk, name="Studio 2", actor=SYSTEM, now=NOW)

        product.refresh_from_db()
        assert product.name == "Studio 2"


class TestImpact:
    def lines(self, draft):
        return [
            (line.label, line.for_all, line.for_new)
            for line in impact.lines(draft, now=NOW)
            if line.label.startswith("Subscriptions that")
        ]

    def test_counts_the_subscriptions_that_move(self):
        """R9, R10, R13."""
        plan = a_published_plan()
        a_subscription(plan=plan)
        a_subscription(plan=plan)
        a_subscription(plan=plan, started_at=NOW.replace(year=2027))

        assert self.lines(plan.live) == [
            ("Subscriptions that move to this version", "3", "1"),
            ("Subscriptions that stay on earlier versions", "0", "2"),
        ]

    def test_says_nothing_of_a_plan_that_nobody_has(self):
        assert self.lines(a_plan().draft) == []
