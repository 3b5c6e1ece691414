"""From a draft to the last customer: review, preview, publish, migrate, compare."""

from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog import drafts, prices, publishing
from catalog.models import Package
from catalog.publishing import Audience
from subscriptions import tasks, updates
from subscriptions.models import Subscription
from tests.browser.person import Person
from tests.browser.test_path import ProductManager
from tests.builders import (
    a_credit_type,
    a_customer,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from workspace.actors import SYSTEM


@pytest.fixture
def plan(live_server: LiveServer) -> Package:
    """A plan of 5,000 credits that two customers have."""
    now = timezone.now()
    plan: Package = a_published_plan(
        "Pro", public_id="pro", entitlements=[some_credits(a_credit_type(), 5000)], now=now
    )
    for name in ("Acme", "Globex"):
        a_subscription(a_customer(name), plan, now=now)
    return plan


class TestWalk:
    def test_leads_from_nothing_to_versions_compared(
        self, page: Page, live_server: LiveServer
    ) -> None:
        """Create, review, publish, preview, migrate, compare: R8–R14, by somebody new."""
        a_credit_type()
        a_product("AI Studio")
        manager = ProductManager(page)
        manager.sign_in()
        create_and_publish(manager)
        for customer in ("Acme", "Globex"):
            manager.welcomes(customer)
            manager.subscribes("Pro")
            manager.click("Create subscription", "form")
            manager.reads(f"{customer} is subscribed to Pro: active.")

        edit_and_preview(manager)
        late = a_customer("Initech")
        a_subscription(late, Package.objects.get(), now=timezone.now())
        publish_to_all(manager)
        changed = page.locator("tbody tr").filter(has_text="Changed since the review")
        expect(changed).to_have_count(1)
        expect(changed).to_contain_text("Initech")
        migrate_all(manager)
        assert {row.prices[0]["amount"] for row in Subscription.objects.all()} == {"119"}

        manager.open("Plans")
        manager.click("Pro")
        manager.click("Versions", ".cx-tabs")
        manager.click("Compare versions")
        manager.reads("5,000 credits / month", "6,000 credits / month")
        manager.reads("99 USD / month", "119 USD / month")


def create_and_publish(manager: ProductManager) -> None:
    """A plan, from its name to its first version."""
    manager.creates("Plans", "plan", "Pro")
    manager.includes("AI Credits", "5,000")
    manager.asks(Monthly_price="99")
    manager.publishes("Pro", "5,000 credits / month", "99 USD / month")


def edit_and_preview(manager: ProductManager) -> None:
    """A draft that gives and costs more, and what it would do."""
    manager.open("Plans")
    manager.click("Pro")
    manager.click("Edit")
    manager.click("Edit AI Credits")
    manager.fill(Amount="6000")
    manager.click("Save", "form.cx-dialog")
    manager.asks(Monthly_price="119")
    manager.click("Review & publish")
    manager.reads("6,000 credits / month", "119 USD / month")
    manager.click("Preview the impact")
    manager.click("Preview", "form.cx-dialog")
    manager.reads("The preview is ready.", "Gains now", "+1,000 (5,000 → 6,000)")


def publish_to_all(manager: ProductManager) -> None:
    """From the preview to the finished rollout."""
    manager.click("Pro")
    manager.click("Review & publish")
    manager.page.get_by_label("All customers, existing ones too").check()
    manager.tick("I understand that this changes what existing customers have")
    manager.click("Publish", "form.cx-dialog")
    manager.reads("Version 2 of Pro is live.")
    tasks.roll_out()
    manager.open("Rollouts")
    manager.click("Rollout of Pro v2")
    manager.reads("Completed", "1,000 AI Credits")


def migrate_all(manager: ProductManager) -> None:
    """From the versions to the finished migration."""
    manager.open("Plans")
    manager.click("Pro")
    manager.click("Versions", ".cx-tabs")
    manager.reads("Version 2", "Version 1")
    manager.click("Migrate to latest")
    manager.reads("Migrate Pro to latest", "If it were done now", "Unchanged")
    manager.click("Migrate", "form.cx-dialog")
    manager.reads("3 subscriptions are migrated in the background.")
    tasks.roll_out()
    manager.page.reload()
    manager.reads("Completed")


class TestChangedMeanwhile:
    def test_is_listed_and_gets_what_the_rules_say(self, page: Page) -> None:
        """R12, R16: whoever overrides the plan since the review gains nothing from it."""
        now = timezone.now()
        credit_type, product = a_credit_type(), a_product()
        override = some_credits(credit_type, 9000, behaviour="Override")
        addon = a_published_addon(product=product, entitlements=[override], now=now)
        plan = a_published_plan(
            "Pro",
            product=product,
            compatible_addons=[addon],
            entitlements=[some_credits(credit_type, 5000)],
            now=now,
        )
        changed, _ = [
            a_subscription(a_customer(name), plan, now=now) for name in ("Acme", "Globex")
        ]
        manager = ProductManager(page)
        manager.sign_in()
        edit_and_preview(manager)

        updates.update(
            subscription_id=changed.public_id,
            addons=[(addon.public_id, 1)],
            actor=SYSTEM,
            now=timezone.now(),
        )
        publish_to_all(manager)

        card = page.locator(".cx-card").filter(has_text="Changed since the review")
        expect(card).to_contain_text("1")
        acme, globex = (
            page.locator("tbody tr").filter(has_text=name) for name in ("Acme", "Globex")
        )
        expect(acme).to_contain_text("Changed since the review")
        expect(acme).not_to_contain_text("1,000")
        expect(globex).to_contain_text("1,000 AI Credits")
        expect(globex).not_to_contain_text("Changed since the review")
        changed.refresh_from_db()
        assert changed.plan_version.number == 2


class TestTwoPeople:
    def test_are_told_instead_of_overwritten(
        self, page: Page, live_server: LiveServer, plan: Package
    ) -> None:
        """R8: one draft, two browsers."""
        assert page.context.browser is not None
        other = page.context.browser.new_context(base_url=live_server.url, timezone_id="UTC")
        ada, bo = Person(page), Person(other.new_page())
        for person in (ada, bo):
            person.sign_in()
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=timezone.now())
        for person in (ada, bo):
            person.open("Plans")
            person.click("Pro")
            person.click("Edit AI Credits")
        bo.fill(Amount="6000")
        bo.click("Save", "form.cx-dialog")
        bo.reads("6,000 credits / month")

        ada.fill(Amount="7000")
        ada.click("Save", "form.cx-dialog")

        ada.reads("Somebody changed this draft while you were editing it.")
        other.close()
        draft = Package.objects.get().draft
        assert draft is not None
        assert draft.credit_entitlements.get().amount == 6000


class TestPublication:
    def test_leads_from_a_draft_to_every_customer(self, page: Page, plan: Package) -> None:
        """R8–R14."""
        manager = Person(page)
        manager.sign_in()
        manager.open("Plans")
        manager.click("Pro")
        manager.click("Edit")
        manager.reads("You are editing a draft of Pro.")
        manager.click("Edit AI Credits")
        manager.fill(Amount="6000")
        manager.click("Save", "form.cx-dialog")

        manager.click("Review & publish")
        manager.reads("5,000 credits / month", "6,000 credits / month", "Who is affected")
        manager.click("Preview the impact")
        manager.click("Preview", "form.cx-dialog")
        manager.reads("The preview is ready.", "Gains now", "+1,000 (5,000 → 6,000)")
        manager.fill(Customer="acme")
        manager.click("Filter")
        manager.reads("Acme")

        manager.click("Pro")
        manager.click("Review & publish")
        manager.reads("2 gains now, computed")
        page.get_by_label("All customers, existing ones too").check()
        manager.tick("I understand that this changes what existing customers have")
        manager.click("Publish", "form.cx-dialog")
        manager.reads("Version 2 of Pro is live.")
        tasks.roll_out()
        manager.open("Rollouts")
        manager.click("Rollout of Pro v2")
        manager.reads("Completed", "1,000 AI Credits", "Changed since the review")

    def test_leads_from_older_versions_to_the_latest(self, page: Page, plan: Package) -> None:
        """R10: prices come with the migration alone."""
        now = timezone.now()
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=now)
        prices.set_base_prices(
            package_id=plan.pk, monthly=Decimal(59), yearly=None, actor=SYSTEM, now=now
        )
        publishing.publish(
            package_id=plan.pk, audience=Audience.NEW_CUSTOMERS, actor=SYSTEM, now=now
        )
        manager = Person(page)
        manager.sign_in()
        manager.open("Plans")
        manager.click("Pro")
        manager.click("Versions", ".cx-tabs")
        manager.reads("Version 2", "Legacy")
        manager.click("Compare versions")
        manager.reads("49 USD / month", "59 USD / month")
        manager.click("All versions")
        manager.click("Migrate to latest")
        manager.click("Migrate", "form.cx-dialog")
        manager.reads("2 subscriptions are migrated in the background.")
        tasks.roll_out()
        page.reload()
        manager.reads("Completed")

        assert {row.prices[0]["amount"] for row in Subscription.objects.all()} == {"59"}


class TestOrder:
    def test_follows_a_handle_that_is_dragged(self, page: Page) -> None:
        names = ["First", "Second", "Third"]
        plan = a_plan("Max", entitlements=[some_credits(a_credit_type(name)) for name in names])
        manager = Person(page)
        manager.sign_in()
        manager.open("Plans")
        manager.click("Max")
        rows = page.locator("[data-movable]")
        rows.filter(has_text="First").locator(".cx-handle").wait_for()
        box = rows.filter(has_text="Third").bounding_box()
        assert box is not None

        rows.filter(has_text="First").locator(".cx-handle").hover()
        page.mouse.down()
        page.mouse.move(box["x"] + 60, box["y"] + 5, steps=4)
        page.mouse.move(box["x"] + 60, box["y"] + box["height"] - 3, steps=4)
        page.mouse.up()

        manager.reads("First is moved.")
        shown = [name for text in rows.all_inner_texts() for name in names if name in text]
        assert shown == ["Second", "Third", "First"]
        draft = plan.draft
        assert draft is not None
        ordered = draft.credit_entitlements.order_by("position")
        assert [row.credit_type.name for row in ordered] == ["Second", "Third", "First"]


class TestCatalogFile:
    def test_shows_the_difference_before_it_is_taken_in(self, page: Page, plan: Package) -> None:
        manager = Person(page)
        manager.sign_in()
        manager.open("Catalog file")
        with page.expect_download() as download:
            manager.click("Export what is on sale")
        text = download.value.path().read_text().replace("5000", "6000")

        manager.click("Import catalog")
        page.get_by_label("Catalog file").set_input_files(
            {"name": "catalog.yaml", "mimeType": "application/yaml", "buffer": text.encode()}
        )
        manager.click("Show the difference")
        manager.reads("Going to be written: 1 draft.", "5000", "6000")
        manager.click("Import", "form.cx-dialog")
        manager.reads("The file is imported: 1 draft.")
