"""What people do to forms: at once, twice, back again, too late; nothing twice, nothing lost."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import CreditType, Package
from credits.models import Grant, LedgerEntry, Pool
from subscriptions.models import Customer, Subscription
from tests.browser.person import Person
from tests.builders import (
    a_credit_type,
    a_customer,
    a_plan,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from tests.credits.pools import a_pool, granted


@pytest.fixture
def now(live_server: LiveServer) -> datetime:
    """While the server runs."""
    return timezone.now()


@pytest.fixture
def person(page: Page, now: datetime) -> Person:
    """Somebody signed in."""
    somebody = Person(page)
    somebody.sign_in()
    return somebody


@pytest.fixture
def colleague(browser: Browser, live_server: LiveServer, now: datetime) -> Iterator[Person]:
    """Somebody else, at a browser of their own."""
    context = browser.new_context(base_url=live_server.url, timezone_id="UTC")
    somebody = Person(context.new_page())
    somebody.sign_in()
    yield somebody
    context.close()


def adjust(pool: Pool) -> str:
    return f"/admin/credits/pool/customers/{pool.customer_id}/adjust-credits/"


def fill_top_up(person: Person) -> None:
    """A top-up of 50 credits, as far as its summary."""
    person.fill(Amount="50")
    person.page.locator(".cx-change").wait_for()
    previewed = person.page.locator("[name=previewed]")
    shown = previewed.input_value()
    person.fill(Reason="Order 4711")
    expect(previewed).not_to_have_value(shown)


class TestTwoPeople:
    def test_edit_one_draft_and_the_later_one_is_told(
        self, person: Person, colleague: Person, now: datetime
    ) -> None:
        credit_type = a_credit_type(now=now)
        plan = a_plan(entitlements=[some_credits(credit_type, 5000)], now=now)
        address = f"/admin/catalog/plan/{plan.pk}/change-credits/{credit_type.pk}/"
        for somebody in (person, colleague):
            somebody.page.goto(address)

        colleague.fill(Amount="6,000")
        colleague.click("Save", "form.cx-dialog")
        colleague.reads("6,000 credits / month")
        person.fill(Amount="7,000")
        person.click("Save", "form.cx-dialog")

        expect(person.page.get_by_role("alert")).to_contain_text("changed")
        expect(person.field("Amount")).to_have_value("7,000")
        assert amount_of(plan) == 6000

    def test_publish_one_draft_and_it_is_published_once(
        self, person: Person, colleague: Person, now: datetime
    ) -> None:
        plan = a_plan(entitlements=[some_credits(a_credit_type(now=now))], now=now)
        for somebody in (person, colleague):
            somebody.page.goto(f"/admin/catalog/plan/{plan.pk}/publish/")

        for somebody in (colleague, person):
            somebody.click("Publish", "form.cx-dialog")
            somebody.page.wait_for_load_state()

        colleague.reads("Version 1 of Pro is live.")
        expect(person.page.locator("body")).not_to_contain_text("is live.")
        assert plan.versions.count() == 1

    def test_revoke_one_grant_and_the_reason_of_the_later_one_stays(
        self, person: Person, colleague: Person, now: datetime
    ) -> None:
        grant = granted(a_pool(now=now), 100, now=now)
        for somebody in (person, colleague):
            somebody.page.goto(f"/admin/credits/grant/{grant.pk}/revoke/")

        for somebody, reason in ((colleague, "Refund"), (person, "A mistake")):
            somebody.fill(Reason=reason)
            somebody.click("Revoke", "form.cx-dialog")
            somebody.page.wait_for_load_state()

        expect(person.page.get_by_role("alert")).to_contain_text("voided")
        expect(person.field("Reason")).to_have_value("A mistake")
        amounts = LedgerEntry.objects.filter(pool=grant.pool_id).order_by("number")
        assert list(amounts.values_list("amount", flat=True)) == [100, -100]


class TestDoubleClick:
    def test_grants_once(self, person: Person, now: datetime) -> None:
        pool = a_pool(now=now)
        person.page.goto(adjust(pool))
        fill_top_up(person)

        person.page.get_by_role("button", name="Adjust balance").dblclick()

        person.reads("50 credits granted.")
        assert Grant.objects.filter(pool=pool).count() == 1

    def test_subscribes_once(self, person: Person, now: datetime) -> None:
        a_published_plan(now=now)
        customer = a_customer(now=now)
        person.page.goto(f"/admin/subscriptions/customer/{customer.pk}/subscribe/")
        expect(person.page.locator("#live-summary")).to_contain_text("Starts")

        person.page.get_by_role("button", name="Create subscription").dblclick()

        person.reads("is subscribed to Pro: active.")
        assert Subscription.objects.filter(customer=customer).count() == 1


class TestBackButton:
    def test_leads_to_a_new_form_that_grants_nothing_by_itself(
        self, person: Person, now: datetime
    ) -> None:
        pool = a_pool(now=now)
        person.page.goto(adjust(pool))
        fill_top_up(person)
        person.click("Adjust balance")
        person.reads("50 credits granted.")

        person.page.go_back()
        person.click("Adjust balance")
        person.page.wait_for_load_state()

        expect(person.page.get_by_role("button", name="Adjust balance")).to_be_visible()
        assert Grant.objects.filter(pool=pool).count() == 1

    def test_creates_nothing_a_second_time(self, person: Person, now: datetime) -> None:
        person.page.goto("/admin/subscriptions/customer/add/")
        person.fill(Name="Acme", ID="acme")
        person.click("Create customer")
        person.reads("Acme is created.")

        person.page.go_back()
        person.fill(Name="Acme", ID="acme")
        person.click("Create customer")

        person.reads("Another customer has the ID acme already.")
        assert Customer.objects.count() == 1


class TestExpiredSignIn:
    def test_leads_back_to_what_was_typed(self, person: Person) -> None:
        person.open("Credits")
        person.click("Add credit type")
        person.type("Name", "AI Credits")
        person.fill(Description="Pay for images")
        person.page.context.clear_cookies(name="sessionid")

        person.click("Create credit type")
        person.give_name()

        person.reads("What you had typed is back; nothing was saved.")
        expect(person.field("Name")).to_have_value("AI Credits")
        expect(person.field("Description")).to_have_value("Pay for images")
        assert not CreditType.objects.exists()
        person.click("Create credit type")
        person.reads("AI Credits is created.")
        assert CreditType.objects.count() == 1

    def test_leads_back_to_inputs_that_came_with_a_choice(
        self, person: Person, now: datetime
    ) -> None:
        extra = a_published_addon("Extra credits", now=now)
        pro = a_published_plan(product=extra.product, compatible_addons=[extra], now=now)
        a_published_plan("Other", product=extra.product, now=now)
        customer = a_customer(now=now)
        person.page.goto(f"/admin/subscriptions/customer/{customer.pk}/subscribe/")
        person.choose(Plan=pro.name)
        person.fill(Extra_credits="3")
        person.page.context.clear_cookies(name="sessionid")

        person.click("Create subscription", "form")
        person.give_name()

        expect(person.field("Extra credits")).to_have_value("3")
        assert not Subscription.objects.exists()

    def test_forgets_what_was_sent_in_time(self, person: Person, now: datetime) -> None:
        person.page.goto("/admin/subscriptions/customer/add/")
        person.fill(Name="Acme", ID="acme")
        person.click("Create customer")
        person.reads("Acme is created.")

        person.page.goto("/admin/subscriptions/customer/add/")

        expect(person.field("Name")).to_have_value("")


class TestStaleForm:
    def test_of_a_subscription_that_ended_meanwhile_says_so(
        self, person: Person, colleague: Person, now: datetime
    ) -> None:
        subscription = a_subscription(now=now)
        for name, somebody in (("update", person), ("cancel", colleague)):
            somebody.page.goto(f"/admin/subscriptions/subscription/{subscription.pk}/{name}/")
        colleague.choose(When="At once")
        colleague.click("Cancel subscription", "form.cx-dialog")
        colleague.reads("The subscription is canceled.")

        person.click("Update subscription", "form")

        person.reads("canceled")
        expect(person.page.locator("body")).not_to_contain_text("The subscription is updated.")


def amount_of(plan: Package) -> Decimal | None:
    """What the draft gives."""
    draft = Package.objects.select_related("draft").get(pk=plan.pk).draft
    assert draft is not None, "it is not published"
    return draft.credit_entitlements.get().amount
