import pytest

from catalog.models import Behaviour, Package
from tests.builders import (
    a_credit_type,
    a_product,
    a_published_addon,
    a_published_plan,
    some_credits,
)
from tests.workspace.admin.conftest import Visitor
from tests.workspace.builders import a_user
from workspace.models import Role


@pytest.fixture
def support(db) -> Visitor:
    return Visitor(a_user(Role.CUSTOMER_SUPPORT))


@pytest.fixture
def manager(db) -> Visitor:
    return Visitor(a_user(Role.PRODUCT_MANAGER))


@pytest.fixture
def reader(db) -> Visitor:
    return Visitor(a_user(Role.READ_ONLY))


class Studio:
    """A product with the plan Pro and two add-ons of API credits."""

    def __init__(self) -> None:
        self.product = a_product("Studio")
        self.api = a_credit_type("API Credits", public_id="api")
        self.extra = self._addon("Extra API Credits", 10_000, monthly=49)
        self.override = self._addon(
            "API 500k", 500_000, behaviour=Behaviour.OVERRIDE, monthly=499, max_quantity=1
        )
        self.pro = a_published_plan(
            "Pro",
            public_id="pro",
            product=self.product,
            monthly=99,
            yearly=990,
            entitlements=[some_credits(self.api, 50_000)],
            compatible_addons=[self.extra, self.override],
        )

    def _addon(self, name: str, amount: int, **options) -> Package:
        terms = {"behaviour": options.pop("behaviour")} if "behaviour" in options else {}
        return a_published_addon(
            name,
            product=self.product,
            entitlements=[some_credits(self.api, amount, **terms)],
            **options,
        )

    def form(self, **changes: str) -> dict[str, str]:
        """The form for a new subscription to Pro, filled in."""
        return {
            "product": str(self.product.pk),
            "plan": str(self.pro.pk),
            "billing_period": "MONTHLY",
            f"addon_{self.extra.pk}": "0",
            "start": "now",
            "trial": "none",
        } | changes


@pytest.fixture
def studio(db) -> Studio:
    return Studio()
