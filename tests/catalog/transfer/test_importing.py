from decimal import Decimal

import pytest

from catalog import archiving, drafts, packages
from catalog.comparison import Kind
from catalog.models import (
    Coupon,
    CreditType,
    Feature,
    PackageKind,
    PackageVersion,
    Product,
)
from catalog.publishing import Audience
from catalog.transfer import exporting, importing
from catalog.transfer.importing import CatalogChanged
from catalog.transfer.reading import FileRefused
from tests.builders import (
    NOW,
    a_coupon,
    a_credit_type,
    a_metered_feature,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_subscription,
    reloaded,
    some_credits,
)
from workspace.actors import SYSTEM
from workspace.models import Activity

pytestmark = pytest.mark.django_db

QUERIES = 36
EMPTY = "stipend_catalog: 1\n"


def take(text, **options):
    return importing.take(text.encode(), actor=SYSTEM, now=NOW, **options)


def review(text, **options):
    return importing.review(text.encode(), actor=SYSTEM, now=NOW, **options)


def a_catalog():
    """A plan with credits, a price and a mapping, and an add-on that goes with it."""
    product = a_product(public_id="studio")
    ai = a_credit_type(public_id="ai")
    images = a_metered_feature(public_id="images")
    addon = a_published_addon(
        "Extra", public_id="extra", product=product, entitlements=[some_credits(ai, 100)]
    )
    return a_published_plan(
        "Pro",
        public_id="pro",
        product=product,
        entitlements=[some_credits(ai, 5000)],
        mappings=[a_rate(images, ai, 10)],
        compatible_addons=[addon],
    )


def line_of(text, part):
    return text[: text.index(part)].count("\n") + 1


def lines(done):
    return [(change.kind, change.label, change.before, change.after) for change in done.changes]


class TestReview:
    def test_tells_every_change_and_writes_nothing(self):
        plan = a_catalog()
        text = exporting.export().replace("amount: 5000", "amount: 6000.5")
        text = text.replace("rate: 10", "rate: 12")
        before = Activity.objects.count()

        found = review(text)

        assert lines(found) == [
            (Kind.CHANGED, "ai – amount", "5000", "6000.5"),
            (Kind.CHANGED, "images → ai – rate", "10", "12"),
        ]
        assert found.counts == "1 draft"
        assert reloaded(plan).draft is None
        assert Activity.objects.count() == before

    def test_finds_nothing_in_what_was_just_exported(self):
        a_catalog()

        found = review(exporting.export())

        assert (found.changes, found.notes, found.does_something) == ([], [], False)

    def test_says_that_an_open_draft_is_written_over(self):
        plan = a_catalog()
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)
        packages.edit(package_id=plan.pk, name="Pro Max", actor=SYSTEM, now=NOW)

        found = review(exporting.export().replace("amount: 5000", "amount: 6000"))

        assert found.notes == ["The open draft of Pro is written over."]
        assert reloaded(plan).draft.name == "Pro Max"

    def test_takes_a_constant_number_of_queries_for_a_catalog_that_is_the_same(
        self, django_assert_num_queries
    ):
        a_catalog()
        text = exporting.export()
        with django_assert_num_queries(QUERIES):
            review(text)
        ai = CreditType.objects.get()
        for number in range(5):
            a_published_plan(
                product=Product.objects.get(),
                public_id=f"plan-{number}",
                entitlements=[some_credits(ai)],
            )
        text = exporting.export()

        with django_assert_num_queries(QUERIES):
            review(text)


class TestTake:
    def test_writes_drafts_that_affect_nobody(self):
        plan = a_catalog()

        done = take(exporting.export().replace("amount: 5000", "amount: 6000"))

        assert done.counts == "1 draft"
        assert reloaded(plan).live.number == 1
        assert reloaded(plan).draft.credit_entitlements.get().amount == 6000
        assert Activity.objects.filter(event="catalog.imported").get().payload["drafts"] == 1

    def test_publishes_where_asked_and_reaches_the_audience(self):
        """R9, R10."""
        plan = a_catalog()
        a_subscription(plan=plan)

        done = take(
            exporting.export().replace("amount: 5000", "amount: 6000"),
            audience=Audience.ALL_CUSTOMERS,
        )

        assert done.counts == "1 draft, 1 published version"
        assert reloaded(plan).live.number == 2
        assert reloaded(plan).live.rollouts.get().status == "PENDING"
        assert reloaded(plan).draft is None

    def test_publishes_drafts_that_an_earlier_import_left(self):
        plan = a_catalog()
        text = exporting.export().replace("amount: 5000", "amount: 6000")
        take(text)

        done = take(text, audience=Audience.NEW_CUSTOMERS)

        assert done.counts == "1 published version"
        assert done.notes == ["The draft of Pro says this already."]
        assert reloaded(plan).live.number == 2

    def test_changes_nothing_the_second_time(self):
        a_catalog()
        text = exporting.export().replace("amount: 5000", "amount: 6000")
        take(text, audience=Audience.NEW_CUSTOMERS)
        before = Activity.objects.count()

        done = take(text, audience=Audience.NEW_CUSTOMERS)

        assert (done.counts, done.changes) == ("nothing", [])
        assert Activity.objects.count() == before

    def test_leaves_alone_what_the_file_does_not_name(self):
        plan = a_catalog()

        done = take(EMPTY)

        assert done.changes == []
        assert reloaded(plan).live.number == 1

    def test_takes_out_what_a_package_no_longer_includes(self):
        plan = a_catalog()
        text = exporting.export()
        start = text.index("    entitlements:\n", text.index("- id: pro"))

        done = take(text[:start] + text[text.index("    prices:", start) :])

        assert lines(done) == [
            (Kind.REMOVED, "ai", "credits: ai, amount: 5000, cadence: MONTH", "")
        ]
        assert not reloaded(plan).draft.credit_entitlements.exists()

    def test_waits_with_a_journey_until_its_plan_is_published(self):
        """R4."""
        text = EMPTY + (
            "products:\n  - {id: p, name: P, start: FREE_PLAN, start_plan: free}\n"
            "plans:\n  - {id: free, product: p, name: Free, pricing: FREE}\n"
        )

        done = take(text)
        assert "stays as it is until Free is published" in done.notes[0]
        assert Product.objects.get().start_setup == "PLAN_SELECTION"

        take(text, audience=Audience.NEW_CUSTOMERS)
        assert Product.objects.get(start_plan__public_id="free").start_setup == "FREE_PLAN"

    def test_publishes_what_others_name_before_them(self):
        """R11: the order of the file does not matter."""
        text = EMPTY + (
            "products:\n  - {id: p, name: P}\n"
            "addons:\n"
            "  - {id: a, product: p, name: A, pricing: CUSTOM, depends_on: [z]}\n"
            "  - {id: z, product: p, name: Z, pricing: CUSTOM}\n"
            "plans:\n"
            "  - {id: a, product: p, name: A, pricing: CUSTOM, base_plan: z}\n"
            "  - {id: z, product: p, name: Z, pricing: CUSTOM, compatible_addons: [a]}\n"
        )

        take(text, audience=Audience.NEW_CUSTOMERS)

        child = PackageVersion.objects.get(package__kind=PackageKind.PLAN, package__public_id="a")
        assert str(child.base_version) == "Z v1"

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("amount: 5000", "amount: 0", "Enter an amount greater than 0."),
            ("amount: 5000", "amount: 0.0000001", "Enter at most six decimal places"),
            ("amount: 5000", "amount: 1000000000000", "Enter an amount below 1,000,000,000,000."),
            ("credits: ai\n        rate", "credits: xx\n        rate", "no active credit type xx"),
            ("rate: 10", "formula: 2 +", "Expected a number"),
            ("- extra\n", "- other\n", "There is no add-on other."),
            (
                "type: NUMBER",
                "type: BOOLEAN",
                "Image Generation is NUMBER for good.",
            ),
            ("studio\n    name: Pro", "other\n    name: Pro", "belongs to the product studio"),
            ("PAID\n    compatible_addons:", "FREE\n    compatible_addons:", "A free plan has no"),
        ],
    )
    def test_refuses_with_the_line_at_fault_and_changes_nothing(self, old, new, message):
        plan = a_catalog()
        text = exporting.export().replace("id: ai\n", "id: ai\n    symbol: new\n", 1)
        assert text.count(old) == 1
        wrong = text.replace(old, new)
        before = PackageVersion.objects.count(), Activity.objects.count()

        with pytest.raises(FileRefused) as refused:
            take(wrong, audience=Audience.NEW_CUSTOMERS)

        assert message in refused.value.message
        # The names of lists, and what a row begins with, stand a line above what is wrong.
        around = range(line_of(wrong, new) - 1, line_of(wrong, new) + 2)
        assert refused.value.line in around
        assert reloaded(plan).draft is None
        assert CreditType.objects.get().symbol == ""
        assert (PackageVersion.objects.count(), Activity.objects.count()) == before

    def test_refuses_to_include_something_twice(self):
        a_catalog()
        text = exporting.export()
        twin = "      - credits: ai\n        amount: 5000\n        cadence: MONTH\n"

        with pytest.raises(FileRefused) as refused:
            take(text.replace(twin, twin + twin))

        first = line_of(text, twin)
        assert refused.value.message == (
            f"Line {first + 3}: ai is included twice, first in line {first}."
        )

    def test_refuses_what_was_not_what_somebody_reviewed(self):
        plan = a_catalog()
        text = exporting.export().replace("amount: 5000", "amount: 6000")
        found = review(text)
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)
        packages.edit(package_id=plan.pk, name="Pro Max", actor=SYSTEM, now=NOW)

        with pytest.raises(CatalogChanged):
            take(text, fingerprint=found.fingerprint)
        with pytest.raises(CatalogChanged):
            take(text, fingerprint=found.fingerprint, audience=Audience.NEW_CUSTOMERS)

        assert reloaded(plan).draft.name == "Pro Max"
        assert take(text, fingerprint=review(text).fingerprint).counts == "1 draft"


class TestTakeOfCoupons:
    def test_makes_them_with_every_decimal(self):
        text = EMPTY + (
            "coupons:\n"
            "  - {id: launch, name: Launch, percent_off: 12.345678, duration_in_months: 3}\n"
            "  - {id: loyal, name: Loyal, amounts_off: {USD: 12.50, EUR: 10}, metadata: {a: b}}\n"
        )

        done = take(text)

        assert done.counts == "2 credit types, features, products or coupons"
        launch, loyal = Coupon.objects.order_by("public_id")
        assert (launch.percent_off, launch.duration_in_months) == (Decimal("12.345678"), 3)
        assert loyal.amounts == {"EUR": Decimal(10), "USD": Decimal("12.5")}
        assert (loyal.duration_in_months, loyal.metadata) == (None, {"a": "b"})
        assert Activity.objects.filter(event="coupon.created").count() == 2
        assert review(exporting.export()).changes == []

    def test_tells_what_is_new_and_what_is_called_otherwise(self):
        a_coupon("Launch offer", public_id="launch")
        text = exporting.export().replace("Launch offer", "Launch")
        text += "  - {id: loyal, name: Loyal, amounts_off: {USD: 12.50, EUR: 10}}\n"

        done = take(text)

        assert lines(done) == [
            (Kind.CHANGED, "name", "Launch offer", "Launch"),
            (Kind.ADDED, "New", "", ""),
            (Kind.ADDED, "name", "", "Loyal"),
            (Kind.ADDED, "amounts_off", "", "EUR: 10, USD: 12.5"),
        ]
        assert [change.section for change in done.changes][::3] == [
            "Coupon Launch (launch)",
            "Coupon Loyal (loyal)",
        ]
        renamed = Coupon.objects.get(public_id="launch")
        assert (renamed.name, renamed.percent_off) == ("Launch", 20)
        assert Activity.objects.filter(event="coupon.updated").count() == 1

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("percent_off: 12.5", "percent_off: 12.500001"),
            ("percent_off: 12.5", "amounts_off: {USD: 5}"),
            ("duration_in_months: 3", "duration_in_months: 4"),
            ("    duration_in_months: 3\n", ""),
        ],
    )
    def test_refuses_another_discount(self, old, new):
        a_coupon("Launch", public_id="launch", percent_off="12.5", duration_in_months=3)
        text = exporting.export()
        assert text.count(old) == 1
        wrong = text.replace(old, new).replace("name: Launch", "name: Renamed")
        before = Activity.objects.count()

        with pytest.raises(FileRefused) as refused:
            take(wrong)

        at_field = new.startswith(("percent", "duration"))
        assert refused.value.line == line_of(wrong, new if at_field else "id: launch")
        assert refused.value.message.endswith(
            "The discount of Launch never changes: 12.5 %, 3 months. Make another coupon instead."
        )
        assert Coupon.objects.get().name == "Launch"
        assert Activity.objects.count() == before

    @pytest.mark.parametrize(
        ("discount", "line", "message"),
        [
            ("", 3, "Give either a percentage or amounts."),
            ("    percent_off: 100.5\n", 5, "Enter a percentage above 0, and at most 100."),
            ("    percent_off: 0.0000001\n", 5, "Enter at most six decimal places"),
            ("    percent_off: 5\n    amounts_off: {USD: 5}\n", 5, "Give either a percentage"),
            ("    amounts_off:\n      USD: 0\n", 5, "Enter an amount greater than 0."),
            ("    percent_off: 5\n    duration_in_months: 0\n", 6, "greater than or equal to 1"),
        ],
    )
    def test_refuses_what_is_no_discount(self, discount, line, message):
        with pytest.raises(FileRefused) as refused:
            take(EMPTY + "coupons:\n  - id: launch\n    name: Launch\n" + discount)

        assert message in refused.value.message
        assert refused.value.line == line
        assert not Coupon.objects.exists()

    def test_neither_exports_nor_touches_archived_ones(self):
        coupon = a_coupon("Launch", public_id="launch")
        text = exporting.export()
        archiving.archive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(FileRefused, match="Line 3: Launch is archived; unarchive it"):
            take(text.replace("name: Launch", "name: Renamed"))

        assert exporting.export() == EMPTY
        assert Coupon.objects.get().name == "Launch"


class TestExport:
    def test_shows_what_is_on_sale_or_drafts_in_its_place(self):
        plan = a_catalog()
        a_plan("Secret", public_id="secret", product=plan.product)
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)
        packages.edit(package_id=plan.pk, name="Pro Max", actor=SYSTEM, now=NOW)

        on_sale, with_drafts = exporting.export(), exporting.export(with_drafts=True)

        assert "Secret" not in on_sale
        assert "Pro Max" not in on_sale
        assert "name: Secret" in with_drafts
        assert "name: Pro Max" in with_drafts

    def test_takes_a_constant_number_of_queries(self, django_assert_num_queries):
        plan = a_catalog()
        for _ in range(3):
            a_published_plan(product=plan.product, entitlements=[some_credits(a_credit_type())])

        with django_assert_num_queries(15):
            exporting.export()

    def test_leaves_out_what_is_archived(self):
        a_catalog()
        Feature.objects.update(status="SUSPENDED")
        CreditType.objects.update(archived_at=NOW)

        assert "id: images" not in exporting.export()
        assert "credit_types" not in exporting.export()
