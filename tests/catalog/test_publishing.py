import pytest

from catalog import archiving, comparison, drafts, packages, publishing
from catalog.drafts import NoDraft, PackageArchived, StaleDraft
from catalog.models import Package, PackageVersion
from catalog.publishing import Audience, NotPublishable
from catalog.signals import package_published
from tests.builders import (
    NOW,
    Built,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_new_version,
    a_plan,
    a_published_addon,
    a_published_plan,
    a_rate,
    an_addon,
    reloaded,
    some_credits,
    some_units,
)
from workspace import activity
from workspace.actors import SYSTEM
from workspace.errors import Conflict

pytestmark = pytest.mark.django_db


def publish(package: Package, audience=Audience.NEW_CUSTOMERS, **options) -> PackageVersion:
    return publishing.publish(
        package_id=package.pk, audience=audience, actor=SYSTEM, now=NOW, **options
    )


class TestPublish:
    def test_makes_the_draft_the_next_version(self):
        """R8, R9."""
        plan = a_plan(entitlements=[some_credits(a_credit_type())])

        version = publish(plan)

        stored = Package.objects.get()
        assert (stored.live, stored.draft) == (version, None)
        assert (version.number, version.published_at, version.published_by) == (1, NOW, "System")
        assert version.audience == "NEW_CUSTOMERS"
        newest = activity.for_subject("plan", plan.public_id)[0]
        assert newest.event == "package.published"
        assert newest.payload == {"version": 1, "audience": "NEW_CUSTOMERS"}

    def test_affects_nobody_before(self):
        """R8."""
        credit_type = a_credit_type()
        plan = a_published_plan(entitlements=[some_credits(credit_type, 5000)])
        live = plan.live
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)
        packages.edit(package_id=plan.pk, name="Other", actor=SYSTEM, now=NOW)

        stored = reloaded(plan)

        assert stored.live == live
        assert (stored.live.name, stored.live.number) == ("Pro", 1)

    def test_tells_the_others_with_the_version_before(self):
        """R13."""
        plan, told = a_published_plan(), []

        def listen(sender, version, previous, audience, **kwargs):
            told.append((previous.number, version.number, audience))

        package_published.connect(listen)
        a_new_version(plan, audience=Audience.ALL_CUSTOMERS)
        package_published.disconnect(listen)

        assert told == [(1, 2, "ALL_CUSTOMERS")]

    def test_is_undone_when_somebody_it_tells_refuses(self):
        plan = a_plan()

        def refuse(sender, **kwargs):
            raise Conflict("Not now.")

        package_published.connect(refuse)
        try:
            with pytest.raises(Conflict, match="Not now"):
                publish(plan)
        finally:
            package_published.disconnect(refuse)

        stored = reloaded(plan)
        assert stored.live is None
        assert stored.draft.published_at is None

    def test_pins_the_version_of_the_base_plan(self):
        """R5."""
        free = a_published_plan("Free", pricing_type="FREE")
        pro = a_published_plan("Pro", product=free.product, base_plan=free)

        assert pro.live.base_version == free.live

    def test_happens_once(self):
        """A double click is harmless."""
        plan = a_published_plan()

        with pytest.raises(NoDraft):
            publish(plan)

        assert PackageVersion.objects.count() == 1

    def test_refuses_what_changed_since_the_review(self):
        """R9: what was reviewed is what is published."""
        plan = a_plan()
        packages.edit(package_id=plan.pk, name="Other", actor=SYSTEM, now=NOW)

        with pytest.raises(StaleDraft):
            publish(plan, revision=plan.draft.revision)

        assert Package.objects.get().live is None

    def test_refuses_archived_packages(self):
        plan = a_plan()
        archiving.archive_product(product_id=plan.product_id, actor=SYSTEM, now=NOW)

        with pytest.raises(PackageArchived):
            publish(plan)

    def test_leaves_the_draft_alone_when_it_refuses(self):
        """R11."""
        plan = a_plan(pricing_type="")

        with pytest.raises(NotPublishable) as refusal:
            publish(plan)

        assert [reason.section for reason in refusal.value.refusals] == ["details"]
        assert Package.objects.get().live is None
        assert activity.for_subject("plan", plan.public_id)[0].event == "package.created"


class TestRefusals:
    """R11: each says in a sentence what to mend, and where."""

    def reasons(self, package: Built) -> list[tuple[str, str]]:
        found = publishing.refusals(comparison.load(package.draft))
        return [(reason.section, reason.sentence) for reason in found]

    def test_let_a_complete_draft_pass(self):
        assert self.reasons(a_plan()) == []

    def test_name_a_missing_pricing_type(self):
        assert self.reasons(a_plan(pricing_type="")) == [
            ("details", "Choose how it is priced: free, paid or custom.")
        ]

    @pytest.mark.parametrize("make", [a_plan, an_addon])
    def test_name_a_missing_price(self, make):
        """R6."""
        assert self.reasons(make(monthly=None)) == [
            ("price", "Set a monthly or a yearly price; 0 is allowed.")
        ]

    def test_accept_a_price_of_zero(self):
        """R6: 0 = free."""
        assert self.reasons(an_addon(monthly=0)) == []

    def test_name_a_price_of_a_free_plan(self):
        plan = a_plan(monthly=49)
        packages.edit(package_id=plan.pk, pricing_type="FREE", actor=SYSTEM, now=NOW)

        [(section, _)] = self.reasons(reloaded(plan))
        assert section == "price"

    def test_name_a_base_plan_that_is_a_draft(self):
        base = a_plan("Base")
        plan = a_plan(product=base.product, base_plan=base)

        assert self.reasons(plan) == [
            ("details", "The base plan Base is still a draft: publish it first.")
        ]

    def test_name_a_compatible_addon_that_is_a_draft(self):
        addon = an_addon()
        plan = a_plan(product=addon.product, compatible_addons=[addon])

        assert self.reasons(plan) == [
            ("addons", "The compatible add-on Extra is still a draft: publish it first.")
        ]

    def test_name_an_addon_that_was_archived(self):
        addon = a_published_addon()
        plan = a_plan(product=addon.product, compatible_addons=[addon])
        archiving.archive_package(package_id=addon.pk, actor=SYSTEM, now=NOW)

        assert self.reasons(plan) == [("addons", "The compatible add-on Extra is archived.")]

    def test_name_a_linked_feature_that_is_missing(self):
        plan = a_plan(entitlements=[some_credits(a_credit_type(), linked_feature=a_feature())])

        [(section, sentence)] = self.reasons(plan)
        assert section == "entitlements"
        assert "per unit of Seats, which is not included" in sentence

    def test_accept_a_linked_feature_of_the_base_plan(self):
        """R5."""
        seats = a_feature()
        base = a_published_plan("Free", pricing_type="FREE", entitlements=[some_units(seats)])
        plan = a_plan(
            product=base.product,
            base_plan=base,
            entitlements=[some_credits(a_credit_type(), linked_feature=seats)],
        )

        assert self.reasons(plan) == []

    def test_name_an_archived_credit_type(self):
        """R3."""
        credit_type = a_credit_type()
        plan = a_plan(
            entitlements=[some_credits(credit_type)],
            mappings=[a_rate(a_metered_feature(), credit_type)],
        )
        archiving.archive_credit_type(credit_type_id=credit_type.pk, actor=SYSTEM, now=NOW)

        assert [section for section, _ in self.reasons(plan)] == ["entitlements", "consumption"]

    def test_name_an_archived_feature(self):
        seats, image = a_feature(), a_metered_feature()
        plan = a_plan(entitlements=[some_units(seats)], mappings=[a_rate(image, a_credit_type())])
        for feature in (seats, image):
            archiving.archive_feature(feature_id=feature.pk, actor=SYSTEM, now=NOW)

        assert [section for section, _ in self.reasons(plan)] == ["entitlements", "consumption"]

    def test_name_custom_values_of_a_plan_that_is_custom_no_more(self):
        plan = a_plan(
            pricing_type="CUSTOM",
            entitlements=[some_credits(a_credit_type(), None, is_custom=True)],
        )
        packages.edit(package_id=plan.pk, pricing_type="FREE", actor=SYSTEM, now=NOW)

        [(section, sentence)] = self.reasons(reloaded(plan))
        assert section == "entitlements"
        assert sentence.startswith("AI Credits is set per subscription")

    def test_come_all_at_once(self):
        plan = a_plan(
            pricing_type="",
            entitlements=[some_credits(a_credit_type(), linked_feature=a_feature())],
        )

        assert len(self.reasons(plan)) == 2
