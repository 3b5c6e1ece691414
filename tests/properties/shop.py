"""The packages of `histories`, stored: a shop that many histories buy in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction

from catalog.entitlements import NewCredits, NewFeature
from catalog.models import Cadence, CreditType, Feature, Package, Product, ResetPeriod
from catalog.models.products import UsageReset
from tests.builders import (
    a_credit_type,
    a_metered_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    some_credits,
    some_units,
)
from tests.properties import histories
from tests.properties.histories import ADDONS, COST_OF_AN_EVENT, PLANS

EVENT = "image"


@dataclass(frozen=True)
class Shop:
    """The packages of `histories`, stored: for each setting of R31 a product that has them."""

    credit_type: CreditType
    feature: Feature
    products: dict[UsageReset, Product]
    packages: dict[UsageReset, dict[int, Package]]

    @classmethod
    def opened(cls) -> "Shop":
        products = {
            setting: a_product(multiple_subscriptions=True, usage_reset=setting)
            for setting in UsageReset
        }
        shop = cls(a_credit_type(), a_metered_feature(event_name=EVENT), products, {})
        mapping = a_rate(shop.feature, shop.credit_type, int(COST_OF_AN_EVENT))
        for setting, product in products.items():
            addons = {
                key: a_published_addon(product=product, entitlements=shop.included(key, each))
                for key, each in ADDONS.items()
            }
            plans = {
                key: a_published_plan(
                    product=product,
                    entitlements=shop.included(key, each),
                    mappings=[mapping],
                    compatible_addons=list(addons.values()),
                )
                for key, each in PLANS.items()
            }
            shop.packages[setting] = plans | addons
        return shop

    def included(self, key: int, package: histories.Package) -> list[NewCredits | NewFeature]:
        """What a package of `histories` includes, to be stored; plans count use by the month."""
        some = some_credits(
            self.credit_type,
            str(package.amount),
            Cadence(package.cadence),
            behaviour=package.behaviour,
        )
        if key not in PLANS:
            return [some]
        return [some, some_units(self.feature, None, reset_period=ResetPeriod.MONTH)]


@contextmanager
def forgotten() -> Iterator[None]:
    """Take back all that is written within, so that one shop serves many histories."""
    atomic = transaction.atomic()
    atomic._from_testcase = True  # type: ignore[attr-defined]  # as around every test
    with atomic:
        yield
        transaction.set_rollback(True)
