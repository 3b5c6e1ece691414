from datetime import timedelta

import pytest

from catalog import archiving, drafts
from catalog.archiving import (
    AlreadyArchived,
    CreditTypeInUse,
    FeatureInUse,
    IdInUse,
    NamedByOthers,
    NoLiveVersion,
    NotArchived,
    ProductIsArchived,
)
from catalog.models import Coupon, CreditType, Feature, FeatureStatus, Package, Product
from catalog.products import update as update_product
from catalog.signals import credit_type_archived
from tests.builders import (
    NOW,
    a_coupon,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_new_version,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    an_addon,
    some_credits,
    some_units,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


def archive_credit_type(credit_type: CreditType) -> CreditType:
    return archiving.archive_credit_type(credit_type_id=credit_type.pk, actor=SYSTEM, now=NOW)


class TestPackagesUsingCreditType:
    def test_finds_grants_and_consumption_alike(self):
        """R3."""
        credit_type = a_credit_type()
        plan = a_published_plan(entitlements=[some_credits(credit_type)])
        addon = a_published_addon(mappings=[a_rate(a_metered_feature(), credit_type)])

        assert archiving.packages_using_credit_type(credit_type) == [addon, plan]

    def test_finds_what_is_inherited(self):
        """R5."""
        credit_type = a_credit_type()
        base = a_published_plan(
            "Free", pricing_type="FREE", entitlements=[some_credits(credit_type)]
        )
        child = a_published_plan("Pro", product=base.product, base_plan=base)
        a_new_version(base)

        assert archiving.packages_using_credit_type(credit_type) == [child]

    def test_takes_a_constant_number_of_queries(self, django_assert_num_queries):
        credit_type = a_credit_type()
        for _ in range(5):
            a_published_plan(entitlements=[some_credits(credit_type)])

        with django_assert_num_queries(6):
            assert len(archiving.packages_using_credit_type(credit_type)) == 5


class TestArchiveCreditType:
    def test_retires_it_and_tells_the_others(self):
        """R3."""
        credit_type, told = a_credit_type(), []

        def listen(sender, credit_type, **kwargs):
            told.append(credit_type)

        credit_type_archived.connect(listen)
        archive_credit_type(credit_type)
        credit_type_archived.disconnect(listen)

        assert CreditType.objects.get().archived_at == NOW
        assert told == [credit_type]
        newest = activity.for_subject("credittype", credit_type.public_id)[0]
        assert newest.event == "credit_type.archived"

    def test_is_refused_while_published_packages_use_it(self):
        """R3: the message lists them."""
        credit_type = a_credit_type()
        a_published_plan("Pro", entitlements=[some_credits(credit_type)])
        a_published_addon("Extra", entitlements=[some_credits(credit_type)])

        with pytest.raises(CreditTypeInUse) as refusal:
            archive_credit_type(credit_type)

        assert refusal.value.message == "AI Credits is used by add-on Extra and plan Pro."
        assert CreditType.objects.get().archived_at is None

    def test_ignores_drafts_and_archived_packages(self):
        credit_type = a_credit_type()
        a_plan(entitlements=[some_credits(credit_type)])
        retired = a_published_plan("Old", entitlements=[some_credits(credit_type)])
        archiving.archive_package(package_id=retired.pk, actor=SYSTEM, now=NOW)

        archive_credit_type(credit_type)

        assert CreditType.objects.get().archived_at == NOW

    def test_happens_once(self):
        credit_type = archive_credit_type(a_credit_type())

        with pytest.raises(AlreadyArchived):
            archive_credit_type(credit_type)


class TestUnarchiveCreditType:
    def unarchive(self, credit_type: CreditType) -> CreditType:
        return archiving.unarchive_credit_type(
            credit_type_id=credit_type.pk, actor=SYSTEM, now=LATER
        )

    def test_brings_it_back(self):
        self.unarchive(archive_credit_type(a_credit_type()))

        assert CreditType.objects.get().archived_at is None

    def test_is_refused_when_an_active_type_has_the_id(self):
        """R3."""
        retired = archive_credit_type(a_credit_type(public_id="ai"))
        a_credit_type(public_id="ai")

        with pytest.raises(IdInUse):
            self.unarchive(retired)

        assert CreditType.objects.get(pk=retired.pk).archived_at == NOW

    def test_is_refused_for_active_ones(self):
        with pytest.raises(NotArchived):
            self.unarchive(a_credit_type())


class TestArchiveFeature:
    def archive(self, feature: Feature) -> Feature:
        return archiving.archive_feature(feature_id=feature.pk, actor=SYSTEM, now=NOW)

    def test_retires_it_and_brings_it_back(self):
        feature = self.archive(a_feature())
        assert Feature.objects.get().status == FeatureStatus.SUSPENDED

        archiving.unarchive_feature(feature_id=feature.pk, actor=SYSTEM, now=NOW)
        assert Feature.objects.get().status == FeatureStatus.ACTIVE

        with pytest.raises(NotArchived):
            archiving.unarchive_feature(feature_id=feature.pk, actor=SYSTEM, now=NOW)

    def test_is_refused_while_published_packages_use_it(self):
        feature = a_feature()
        a_published_plan(entitlements=[some_units(feature)])

        with pytest.raises(FeatureInUse, match="plan Pro"):
            self.archive(feature)

        assert Feature.objects.get().status == FeatureStatus.ACTIVE

    def test_happens_once(self):
        feature = self.archive(a_feature())

        with pytest.raises(AlreadyArchived):
            self.archive(feature)


class TestArchivePackage:
    def archive(self, package: Package) -> Package:
        return archiving.archive_package(package_id=package.pk, actor=SYSTEM, now=NOW)

    def test_takes_it_off_sale(self):
        plan = self.archive(a_published_plan())

        assert not Package.objects.on_sale().exists()
        newest = activity.for_subject("plan", plan.public_id)[0]
        assert newest.event == "package.archived"

    def test_refuses_drafts(self):
        """R8: discarded, not archived."""
        with pytest.raises(NoLiveVersion):
            self.archive(an_addon())

    def test_refuses_base_plans_of_plans_on_sale(self):
        base = a_published_plan("Free", pricing_type="FREE")
        a_published_plan("Pro", product=base.product, base_plan=base)

        with pytest.raises(NamedByOthers, match="plan Pro"):
            self.archive(base)

    def test_refuses_plans_of_the_journey(self):
        plan = a_published_plan()
        update_product(product_id=plan.product_id, start_plan=plan, actor=SYSTEM, now=NOW)

        with pytest.raises(NamedByOthers, match="journey"):
            self.archive(plan)

    def test_happens_once(self):
        plan = self.archive(a_published_plan())

        with pytest.raises(AlreadyArchived):
            self.archive(plan)


class TestUnarchivePackage:
    def test_brings_it_back(self):
        plan = a_published_plan()
        archiving.archive_package(package_id=plan.pk, actor=SYSTEM, now=NOW)

        archiving.unarchive_package(package_id=plan.pk, actor=SYSTEM, now=NOW)

        assert Package.objects.on_sale().get() == plan

    def test_needs_an_active_product(self):
        plan = a_published_plan()
        archiving.archive_product(product_id=plan.product_id, actor=SYSTEM, now=NOW)

        with pytest.raises(ProductIsArchived):
            archiving.unarchive_package(package_id=plan.pk, actor=SYSTEM, now=NOW)

    def test_is_refused_for_active_ones(self):
        with pytest.raises(NotArchived):
            archiving.unarchive_package(package_id=a_plan().pk, actor=SYSTEM, now=NOW)


class TestArchiveProduct:
    def test_takes_plans_and_addons_along(self):
        """R4."""
        product = a_product()
        plan, addon = a_published_plan(product=product), an_addon(product=product)

        archiving.archive_product(product_id=product.pk, actor=SYSTEM, now=NOW)

        assert Product.objects.get().archived_at == NOW
        assert {row.archived_at for row in Package.objects.all()} == {NOW}
        newest = activity.for_subject("product", product.public_id)[0]
        assert sorted(newest.payload["packages"]) == sorted([plan.public_id, addon.public_id])

    def test_happens_once(self):
        product = a_product()
        archiving.archive_product(product_id=product.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(AlreadyArchived):
            archiving.archive_product(product_id=product.pk, actor=SYSTEM, now=NOW)


class TestUnarchiveProduct:
    def test_brings_back_what_was_archived_along_with_it(self):
        """R4."""
        product = a_product()
        together, earlier = (
            a_published_plan(product=product),
            a_published_plan("Old", product=product),
        )
        archiving.archive_package(package_id=earlier.pk, actor=SYSTEM, now=NOW)
        archiving.archive_product(product_id=product.pk, actor=SYSTEM, now=LATER)

        archiving.unarchive_product(product_id=product.pk, actor=SYSTEM, now=LATER)

        assert Package.objects.on_sale().get() == together

    def test_is_refused_for_active_ones(self):
        with pytest.raises(NotArchived):
            archiving.unarchive_product(product_id=a_product().pk, actor=SYSTEM, now=NOW)


class TestDraftsOfArchivedProducts:
    def test_cannot_be_opened(self):
        plan = a_published_plan()
        archiving.archive_product(product_id=plan.product_id, actor=SYSTEM, now=NOW)

        with pytest.raises(drafts.PackageArchived):
            drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)


class TestArchiveCoupon:
    def test_retires_it_and_records_it(self):
        coupon = a_coupon(public_id="launch")

        archiving.archive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=LATER)

        assert Coupon.objects.get().archived_at == LATER
        assert activity.for_subject("coupon", "launch")[0].event == "coupon.archived"

    def test_is_refused_twice(self):
        coupon = a_coupon()
        archiving.archive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(AlreadyArchived):
            archiving.archive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=LATER)

        assert Coupon.objects.get().archived_at == NOW


class TestUnarchiveCoupon:
    def test_brings_it_back_and_records_it(self):
        coupon = a_coupon(public_id="launch")
        archiving.archive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=NOW)

        archiving.unarchive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=LATER)

        assert Coupon.objects.get().archived_at is None
        assert activity.for_subject("coupon", "launch")[0].event == "coupon.unarchived"

    def test_is_refused_for_an_active_one(self):
        coupon = a_coupon()

        with pytest.raises(NotArchived):
            archiving.unarchive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=LATER)
