"""What plans are made of: features of all kinds, coupons; and a gift to one customer."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import Coupon, Feature
from subscriptions.models import PromotionalEntitlement
from tests.browser.person import Person
from tests.builders import a_customer, a_feature
from workspace.models import Role


@pytest.fixture
def manager(page: Page, live_server: LiveServer) -> Person:
    """A product manager, signed in."""
    person = Person(page)
    person.sign_in(Role.PRODUCT_MANAGER)
    return person


def start(manager: Person, noun: str, name: str) -> None:
    """Open the list and the form of something new, and name it."""
    manager.open(f"{noun.capitalize()}s")
    manager.click(f"Add {noun}", "body")
    manager.type("Name", name)


def save(manager: Person) -> None:
    manager.click("Save", "form.cx-dialog")


class TestFeature:
    def test_of_each_kind_asks_for_what_fits_it_and_is_edited(self, manager: Person) -> None:
        """R7."""
        start(manager, "feature", "Single sign-on")
        manager.choose(Type="Boolean")
        for label in ("How is its use measured?", "Event name", "Values"):
            expect(manager.field(label)).to_be_hidden()
        manager.click("Create feature")
        manager.reads("Single sign-on is created.", "single-sign-on", "Not metered")

        start(manager, "feature", "Tokens")
        manager.fill(Event_name="tokens_used")
        expect(manager.field("Dimension")).to_be_hidden()
        manager.choose(Aggregation="Sum of a dimension")
        manager.fill(Dimension="tokens")
        manager.page.get_by_text("Only some of these events").click()
        manager.field("Filter 1: dimension").fill("model")
        manager.field("Filter 1: value").fill("large")
        manager.click("Create feature")
        manager.reads("Tokens is created.", "Sum of tokens")
        manager.click("Tokens")
        manager.reads("event is tokens_used and model is large")
        manager.click("Edit")
        manager.fill(Dimension="output_tokens")
        save(manager)
        manager.reads("Tokens is saved.", "Sum of output_tokens")

        start(manager, "feature", "Support")
        manager.choose(Type="List of values")
        expect(manager.field("How is its use measured?")).to_be_hidden()
        manager.click("Create feature")
        manager.reads("Enter at least one value.")
        manager.fill(Values="mail = By mail\nphone = By phone")
        manager.click("Create feature")
        manager.reads("Support is created.")
        manager.click("Support")
        manager.reads("By mail, By phone")
        manager.click("Edit")
        manager.fill(Values="mail = By mail\nphone = By phone\nvisit = On site")
        save(manager)
        manager.reads("Support is saved.", "By mail, By phone, On site")
        assert Feature.objects.count() == 3


class TestCoupon:
    def test_takes_off_what_was_typed_and_is_renamed(self, manager: Person) -> None:
        start(manager, "coupon", "Launch offer")
        expect(manager.field("Amount off in USD")).to_be_hidden()
        manager.fill(Percent_off="12.5", Duration_in_months="3")
        manager.click("Create coupon")
        manager.reads("Launch offer is created.", "launch-offer", "12.5 %", "3 months")

        start(manager, "coupon", "Ten less")
        manager.choose(Discount="Fixed amount")
        expect(manager.field("Percent off")).to_be_hidden()
        manager.click("Create coupon")
        manager.reads("Enter an amount in any currency.")
        manager.fill(Amount_off_in_USD="10")
        manager.click("Create coupon")
        manager.reads("Ten less is created.", "10 USD", "Forever")
        manager.click("Ten less")
        manager.click("Edit")
        expect(manager.field("Discount")).to_have_count(0)
        manager.fill(Name="Ten dollars less")
        save(manager)
        manager.reads("Ten dollars less is saved.", "10 USD")
        assert Coupon.objects.count() == 2


class TestPromotionalEntitlement:
    def test_is_given_to_a_customer_replaced_and_revoked(self, manager: Person) -> None:
        now = timezone.now()
        a_customer("Acme", now=now)
        a_feature("Seats", unit_singular="seat", unit_plural="seats", now=now)
        manager.open("Customers")
        manager.click("Acme")

        for add, limit, period in (
            ("Add promotional entitlement", "5", "1 month"),
            ("Add", "8", "For good"),
        ):
            manager.click(add)
            expect(manager.field("Limit")).to_be_hidden()
            manager.choose(Feature="Seats", For=period)
            manager.fill(Limit=limit)
            manager.click("Add", "form.cx-dialog")
            manager.reads("Acme has Seats now.", f"{limit} seats")
        given = manager.page.get_by_role("region", name="Promotional entitlements")
        expect(given.locator("tbody tr", has_text="Active")).to_have_count(1)
        manager.click("Entitlement summary", ".cx-tabs")
        manager.reads("8 seats", "Promotional")

        manager.click("Overview", ".cx-tabs")
        given.locator(".cx-menu-button").click()  # what is over has none
        manager.click("Revoke")
        manager.reads("only what their subscriptions include")
        manager.click("Revoke", "form.cx-dialog")
        manager.reads("Seats is revoked.")
        assert not PromotionalEntitlement.objects.in_force(timezone.now()).exists()
