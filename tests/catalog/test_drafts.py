import pytest
from django.db import IntegrityError

from catalog import drafts, packages
from catalog.archiving import archive_package
from catalog.drafts import (
    DraftExists,
    NoDraft,
    PackageArchived,
    PackageNamed,
    StaleDraft,
    UnknownPackage,
)
from catalog.models import Package, PackageVersion
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
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


class TestOpenDraft:
    def test_copies_everything_of_the_live_version(self):
        """R8."""
        product, credit_type = a_product(), a_credit_type()
        addon = a_published_addon(product=product)
        plan = a_published_plan(
            product=product,
            entitlements=[some_credits(credit_type, 5000), some_units(a_feature(), 7)],
            mappings=[a_rate(a_metered_feature(), credit_type, 10)],
            compatible_addons=[addon],
            yearly=490,
            trial_length=14,
            trial_unit="DAY",
            trial_end="CONVERT_TO_PAID",
        )

        draft = drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)

        plan.refresh_from_db()
        assert plan.draft == draft
        assert plan.live != draft
        assert (draft.number, draft.published_at, draft.revision) == (None, None, 1)
        assert draft.trial_length == 14
        assert draft.credit_entitlements.get().amount == 5000
        assert draft.feature_entitlements.get().usage_limit == 7
        assert draft.mappings.get().rate == 10
        assert {charge.amount for charge in draft.charges.all()} == {49, 490}
        assert draft.compatible_addons.get() == addon
        assert plan.live.credit_entitlements.get().amount == 5000

    def test_opens_one_at_most(self):
        """R8."""
        plan = a_published_plan()
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(DraftExists):
            drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)

        assert plan.versions.count() == 2

    def test_is_kept_to_one_by_the_database(self):
        plan = a_plan()

        with pytest.raises(IntegrityError):
            PackageVersion.objects.create(package=plan, name="x", created_at=NOW, updated_at=NOW)

    def test_refuses_archived_packages(self):
        plan = a_published_plan()
        archive_package(package_id=plan.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(PackageArchived):
            drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)

    def test_does_not_know_strangers(self):
        with pytest.raises(UnknownPackage):
            drafts.open_draft(package_id=1, actor=SYSTEM, now=NOW)


class TestLock:
    def test_tells_a_second_editor(self):
        plan = a_plan()
        seen = plan.draft.revision
        packages.edit(package_id=plan.pk, revision=seen, name="Mine", actor=SYSTEM, now=NOW)

        with pytest.raises(StaleDraft):
            packages.edit(package_id=plan.pk, revision=seen, name="Yours", actor=SYSTEM, now=NOW)

        assert PackageVersion.objects.get().name == "Mine"

    def test_finds_no_draft_after_publication(self):
        plan = a_published_plan()

        with pytest.raises(NoDraft):
            packages.edit(package_id=plan.pk, name="Other", actor=SYSTEM, now=NOW)


class TestDiscard:
    def test_returns_to_the_live_version(self):
        """R8."""
        plan = a_published_plan()
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)
        packages.edit(package_id=plan.pk, name="Other", actor=SYSTEM, now=NOW)

        drafts.discard(package_id=plan.pk, actor=SYSTEM, now=NOW)

        plan = Package.objects.get()
        assert plan.draft is None
        assert plan.name == "Pro"
        assert plan.versions.count() == 1

    def test_takes_a_package_that_was_never_published_along(self):
        """R8."""
        plan = a_plan(entitlements=[some_credits(a_credit_type())])

        drafts.discard(package_id=plan.pk, actor=SYSTEM, now=NOW)

        assert not Package.objects.exists()
        assert not PackageVersion.objects.exists()
        newest = activity.for_subject("plan", plan.public_id)[0]
        assert newest.event == "package.draft_discarded"
        assert newest.payload["package_removed"] is True

    def test_refuses_while_a_draft_inherits_from_it(self):
        base = a_plan("Base")
        a_plan("Child", product=base.product, base_plan=base)

        with pytest.raises(PackageNamed):
            drafts.discard(package_id=base.pk, actor=SYSTEM, now=NOW)

        assert Package.objects.count() == 2

    def test_refuses_what_somebody_changed_meanwhile(self):
        plan = a_plan()

        with pytest.raises(StaleDraft):
            drafts.discard(package_id=plan.pk, revision=99, actor=SYSTEM, now=NOW)

    def test_happens_once(self):
        plan = a_published_plan()

        with pytest.raises(NoDraft):
            drafts.discard(package_id=plan.pk, actor=SYSTEM, now=NOW)
