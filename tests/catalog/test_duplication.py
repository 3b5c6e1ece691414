from datetime import timedelta
from decimal import Decimal

import pytest

from catalog import archiving, drafts, duplication, packages, products, publishing
from catalog.checking import IdTaken, InvalidField
from catalog.models import (
    BillingPeriod,
    CreditType,
    Feature,
    Package,
    PackageVersion,
    Product,
)
from catalog.models.products import DowngradeTime, EndSetup, StartSetup, UsageReset
from catalog.packages import ProductArchived
from catalog.products import UnknownProduct
from catalog.publishing import Audience
from tests.builders import (
    NOW,
    a_credit_type,
    a_metered_feature,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    some_credits,
    some_units,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


class Studio:
    """A product with two plans, one upon the other, and an add-on."""

    def __init__(self) -> None:
        self.product = a_product(
            "Studio",
            public_id="studio",
            usage_reset=UsageReset.NEVER_RESET,
            downgrade_time=DowngradeTime.IMMEDIATE,
            metadata={"a": "b"},
        )
        self.credits: CreditType = a_credit_type()
        self.images: Feature = a_metered_feature()
        self.extra = a_published_addon(
            "Extra",
            public_id="extra",
            product=self.product,
            entitlements=[some_credits(self.credits, "0.000001")],
            max_quantity=3,
        )
        self.basic = a_published_plan("Basic", public_id="basic", product=self.product)
        self.pro = a_published_plan(
            "Pro",
            public_id="pro",
            product=self.product,
            base_plan=self.basic,
            compatible_addons=[self.extra],
            billing_id="price_123",
            entitlements=[some_credits(self.credits, 5000), some_units(self.images, 7)],
            mappings=[a_rate(self.images, self.credits, "2.5")],
            monthly=49,
            yearly=490,
        )


@pytest.fixture
def studio() -> Studio:
    return Studio()


def duplicate(product: Product, public_id: str = "copy", **names: str) -> Product:
    return duplication.duplicate(
        product_id=product.pk, public_id=public_id, **names, actor=SYSTEM, now=LATER
    )


def draft_of(public_id: str) -> PackageVersion:
    draft = Package.objects.get(public_id=public_id).draft
    assert draft is not None
    return draft


class TestDuplicate:
    def test_copies_the_product_with_its_settings(self, studio):
        """R4."""
        copy = duplicate(studio.product, name="Copy", description="Mine")

        stored = Product.objects.get(public_id="copy")
        assert stored == copy
        assert (stored.name, stored.description) == ("Copy", "Mine")
        assert (stored.usage_reset, stored.metadata) == (UsageReset.NEVER_RESET, {"a": "b"})
        assert stored.downgrade_time == DowngradeTime.IMMEDIATE
        assert stored.created_at == LATER
        created = activity.for_subject("product", "copy").get()
        assert created.payload == {"name": "Copy", "copied_from": "studio"}

    def test_keeps_the_name_unless_another_is_given(self, studio):
        assert duplicate(studio.product).name == "Studio"

    def test_copies_plans_and_addons_as_drafts(self, studio):
        """R8."""
        copy = duplicate(studio.product)

        copies = Package.objects.filter(product=copy).order_by("public_id")
        assert [package.public_id for package in copies] == [
            "copy-basic",
            "copy-extra",
            "copy-pro",
        ]
        assert all(package.live is None and package.draft is not None for package in copies)
        assert activity.for_subject("plan", "copy-pro").get().payload == {
            "name": "Pro",
            "product": "copy",
            "copied_from": "pro",
        }

    def test_copies_what_packages_include_and_cost(self, studio):
        duplicate(studio.product)

        pro, extra = draft_of("copy-pro"), draft_of("copy-extra")
        paid, features = pro.credit_entitlements.get(), pro.feature_entitlements.get()
        mapping = pro.mappings.get()
        assert (paid.credit_type, paid.amount) == (studio.credits, 5000)
        assert (features.feature, features.usage_limit) == (studio.images, 7)
        assert (mapping.feature, mapping.rate) == (studio.images, Decimal("2.5"))
        assert dict(pro.charges.values_list("billing_period", "amount")) == {
            BillingPeriod.MONTHLY: 49,
            BillingPeriod.ANNUALLY: 490,
        }
        assert extra.credit_entitlements.get().amount == Decimal("0.000001")
        assert extra.max_quantity == 3

    def test_lets_copies_name_copies(self, studio):
        """R5, R6."""
        duplicate(studio.product)

        pro = draft_of("copy-pro")
        assert pro.base_plan == Package.objects.get(public_id="copy-basic")
        assert list(pro.compatible_addons.all()) == [Package.objects.get(public_id="copy-extra")]
        assert pro.billing_id == ""

    def test_can_be_published_as_it_is(self, studio):
        """R11."""
        duplicate(studio.product)

        for public_id in ("copy-extra", "copy-basic", "copy-pro"):
            package = Package.objects.get(public_id=public_id)
            publishing.publish(
                package_id=package.pk, audience=Audience.NEW_CUSTOMERS, actor=SYSTEM, now=LATER
            )

        assert Package.objects.filter(product__public_id="copy").on_sale().count() == 3

    def test_leaves_the_original_alone(self, studio):
        before = list(PackageVersion.objects.order_by("pk").values())

        duplicate(studio.product)

        mine = PackageVersion.objects.filter(package__product=studio.product)
        assert list(mine.order_by("pk").values()) == before
        assert studio.pro.live.credit_entitlements.count() == 1

    def test_copies_what_is_live_and_no_draft_beside_it(self, studio):
        drafts.open_draft(package_id=studio.pro.pk, actor=SYSTEM, now=NOW)
        packages.edit(package_id=studio.pro.pk, name="Beta", actor=SYSTEM, now=NOW)

        duplicate(studio.product)

        assert draft_of("copy-pro").name == "Pro"

    def test_copies_the_draft_of_what_was_never_published(self, studio):
        a_plan("Beta", public_id="beta", product=studio.product)

        duplicate(studio.product)

        assert draft_of("copy-beta").name == "Beta"

    def test_leaves_out_what_is_archived(self, studio):
        archiving.archive_package(package_id=studio.extra.pk, actor=SYSTEM, now=NOW)

        duplicate(studio.product)

        assert not Package.objects.filter(public_id="copy-extra").exists()
        assert not draft_of("copy-pro").compatible_addons.exists()

    def test_takes_no_step_to_a_plan_over(self, studio):
        """R4."""
        products.update(
            product_id=studio.product.pk,
            start_setup=StartSetup.FREE_PLAN,
            start_plan=studio.basic,
            end_setup=EndSetup.DOWNGRADE_TO_FREE,
            downgrade_plan=studio.basic,
            actor=SYSTEM,
            now=NOW,
        )

        copy = duplicate(studio.product)

        assert (copy.start_setup, copy.start_plan) == (StartSetup.PLAN_SELECTION, None)
        assert (copy.end_setup, copy.downgrade_plan) == (EndSetup.CANCEL_SUBSCRIPTION, None)

    def test_finds_ids_that_nobody_has(self, studio):
        """R1."""
        a_plan(public_id="copy-pro")
        a_plan(public_id="copy-pro-2")
        a_plan(public_id="x" * 255, product=studio.product)

        duplicate(studio.product)

        plans = Package.objects.filter(product__public_id="copy").plans()
        assert sorted(plan.public_id for plan in plans) == [
            "copy-basic",
            "copy-pro-3",
            "copy-" + "x" * 250,
        ]

    @pytest.mark.parametrize(
        ("wanted", "error"),
        [
            ({"public_id": "studio"}, IdTaken),
            ({"public_id": "no id"}, InvalidField),
            ({"name": " "}, InvalidField),
            ({"description": "x" * 256}, InvalidField),
        ],
    )
    def test_copies_nothing_if_it_cannot_be_called_that(self, studio, wanted, error):
        with pytest.raises(error):
            duplicate(studio.product, **wanted)

        assert (Product.objects.count(), Package.objects.count()) == (1, 3)

    def test_refuses_what_is_archived(self, studio):
        archiving.archive_product(product_id=studio.product.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(ProductArchived):
            duplicate(studio.product)

        assert Product.objects.count() == 1

    def test_does_not_know_strangers(self):
        with pytest.raises(UnknownProduct):
            duplication.duplicate(product_id=1, public_id="copy", actor=SYSTEM, now=NOW)
