from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from catalog.models import Charge, CreditEntitlement, PackageVersion
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_new_version,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    some_credits,
    some_units,
)
from workspace import triggers

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> PackageVersion:
    """A published version with something of every kind hanging on it."""
    product, credit_type, image = a_product(), a_credit_type(), a_metered_feature()
    plan = a_published_plan(
        product=product,
        entitlements=[some_credits(credit_type), some_units(a_feature())],
        mappings=[a_rate(image, credit_type)],
        compatible_addons=[a_published_addon(product=product)],
    )
    assert plan.live is not None
    return plan.live


PARTS = ["credit_entitlements", "feature_entitlements", "charges", "mappings"]


def refused(write: Callable[[], object]) -> bool:
    """Whether the database refuses the write."""
    try:
        with transaction.atomic():
            write()
    except IntegrityError as error:
        return "Published versions never change." in str(error)
    return False


class TestPublishedVersion:
    """R8, rule 9 of the design: the database has the last word."""

    def test_keeps_every_trigger_installed(self):
        assert triggers.missing(connection) == []

    def test_cannot_be_changed(self, version: PackageVersion):
        rows = PackageVersion.objects.filter(pk=version.pk)

        assert refused(lambda: rows.update(name="Other"))
        assert refused(lambda: rows.update(published_at=None, number=None))

    def test_cannot_be_deleted(self, version: PackageVersion):
        assert refused(lambda: PackageVersion.objects.filter(pk=version.pk)._raw_delete("default"))

    @pytest.mark.parametrize("relation", PARTS)
    def test_keeps_its_parts_as_they_are(self, version: PackageVersion, relation: str):
        part = getattr(version, relation).get()
        rows = type(part).objects.filter(pk=part.pk)

        assert refused(lambda: rows.update(created_at=NOW))
        assert refused(lambda: rows._raw_delete("default"))

    @pytest.mark.parametrize("relation", PARTS)
    def test_takes_no_more_parts(self, version: PackageVersion, relation: str):
        part = getattr(version, relation).get()
        part.pk = None
        part._state.adding = True

        assert refused(lambda: part.save(force_insert=True))

    def test_takes_no_part_of_a_draft(self, version: PackageVersion):
        draft = a_plan(entitlements=[some_credits(a_credit_type("Other"))]).draft
        rows = CreditEntitlement.objects.filter(version=draft)

        assert refused(lambda: rows.update(version=version))
        assert rows.count() == 1

    def test_gives_no_part_to_a_draft(self, version: PackageVersion):
        draft = a_plan(monthly=None).draft

        assert refused(lambda: Charge.objects.filter(version=version).update(version=draft))

    def test_keeps_its_compatible_addons(self, version: PackageVersion):
        other = a_published_addon("Other", product=version.package.product)

        assert refused(lambda: version.compatible_addons.add(other))
        assert refused(version.compatible_addons.clear)

    def test_keeps_its_dependencies(self):
        product = a_product()
        first = a_published_addon(product=product)
        second = a_published_addon("Second", product=product, dependencies=[first])
        assert second.live is not None

        assert refused(second.live.dependencies.clear)
        assert refused(lambda: second.live.dependencies.add(second))


class TestDrafts:
    """Rule 9 of the design, too."""

    def test_are_one_per_package(self):
        plan = a_plan()

        with pytest.raises(IntegrityError, match="package"), transaction.atomic():
            PackageVersion.objects.create(package=plan, name="Pro", created_at=NOW, updated_at=NOW)

        assert plan.versions.count() == 1


class TestNumbers:
    """Version numbers have no gaps."""

    def test_refuse_a_jump(self):
        plan = a_published_plan()
        draft = PackageVersion.objects.create(
            package=plan, name="Pro", created_at=NOW, updated_at=NOW
        )

        with pytest.raises(IntegrityError, match="no gaps"):
            PackageVersion.objects.filter(pk=draft.pk).update(number=3, published_at=NOW)

    def test_follow_each_other(self):
        plan = a_published_plan()

        assert [a_new_version(plan).number, a_new_version(plan).number] == [2, 3]

    def test_begin_with_a_draft(self):
        plan = a_published_plan()

        with pytest.raises(IntegrityError, match="begins as a draft"):
            PackageVersion.objects.create(
                package=plan, name="Pro", number=2, published_at=NOW, created_at=NOW, updated_at=NOW
            )

    def test_stay_with_their_package(self):
        draft, other = a_plan().draft, a_plan("Other")

        with pytest.raises(IntegrityError, match="stays with its package"):
            PackageVersion.objects.filter(pk=draft.pk).update(package=other)

    def test_count_nothing_but_edits_while_a_draft(self):
        draft = a_plan().draft

        PackageVersion.objects.filter(pk=draft.pk).update(revision=F("revision") + 1)

        assert PackageVersion.objects.get(pk=draft.pk).revision == draft.revision + 1


class TestChecks:
    """What no row may say, whoever writes it: also where a value is missing."""

    def test_want_an_amount_unless_the_value_is_custom(self):
        draft = a_plan(entitlements=[some_credits(a_credit_type())]).draft

        with pytest.raises(IntegrityError, match="entitled_amount_is_positive"):
            CreditEntitlement.objects.filter(version=draft).update(amount=None)

    def test_want_a_rate_or_a_formula(self):
        draft = a_plan(mappings=[a_rate(a_metered_feature(), a_credit_type())]).draft

        with pytest.raises(IntegrityError, match="mapping_has_a_rate_or_formula"):
            draft.mappings.update(rate=None)

    def test_want_a_number_on_what_is_published(self):
        draft = a_plan().draft

        with pytest.raises(IntegrityError, match="published_versions_are_numbered"):
            PackageVersion.objects.filter(pk=draft.pk).update(published_at=NOW)

    def test_want_trials_whole(self):
        draft = a_plan().draft

        with pytest.raises(IntegrityError, match="trials_are_whole"):
            PackageVersion.objects.filter(pk=draft.pk).update(trial_unit="DAY", trial_end="CANCEL")
