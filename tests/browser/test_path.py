"""From an empty folder to 80,000 credits, as a product manager walks it."""

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.person import Person


class ProductManager(Person):
    """Knows the screens of the path."""

    def creates(self, screen: str, noun: str, name: str, **choices: str) -> None:
        """Create something that needs a name and a few choices."""
        self.open(screen)
        self.click(f"Add {noun}")
        self.type("Name", name)  # the ID is suggested meanwhile
        self.choose(**choices)
        self.click(f"Create {noun}")
        self.reads(f"{name} is created")

    def includes(self, credit_type: str, amount: str, **choices: str) -> None:
        """Entitlements → + Add."""
        self.click("+ Add", "#entitlements")
        self.page.locator(".cx-choices").get_by_role("link", name=credit_type).click()
        self.fill(Amount=amount)
        self.choose(**choices)
        self.click("Add", "form.cx-dialog")
        self.reads(f"{credit_type} is added.")

    def asks(self, **prices: str) -> None:
        """Price → Edit."""
        self.click("Edit price")
        self.fill(**prices)
        self.click("Save")
        self.reads("USD /", within="#price")

    def publishes(self, name: str, *changes: str) -> None:
        """Review & publish: read what changes, then publish."""
        self.click("Review & publish")
        self.reads(*changes, within=".cx-dialog")
        self.click("Publish", "form.cx-dialog")
        self.reads(f"Version 1 of {name} is live.")

    def welcomes(self, customer: str) -> None:
        """Customers → New customer."""
        self.open("Customers")
        self.click("New customer")
        self.fill(Name=customer, ID=customer.lower())
        self.click("Create customer")
        self.reads(f"{customer} is created.", "No subscriptions yet")

    def subscribes(self, plan: str, **addons: str) -> None:
        """Create subscription, as far as its summary."""
        self.click("Create subscription")
        self.choose(Plan=plan)
        self.fill(**addons)

    def picks(self, credit_type: str) -> None:
        """Another pool on the tab Credits."""
        self.choose(Credit_type=credit_type)
        expect(self.page.locator("[name=credit_type] option:checked")).to_have_text(credit_type)

    def has(self, balance: str, *sources: str) -> None:
        """See the balance of a pool, and what it consists of, in the order of use."""
        expect(self.page.locator(".cx-card").first).to_contain_text(balance, use_inner_text=True)
        rows = self.page.get_by_role("region", name="Grants").locator("tbody tr")
        expect(rows).to_have_count(len(sources))
        for number, source in enumerate(sources):
            expect(rows.nth(number)).to_contain_text(source, use_inner_text=True)


class TestPath:
    def test_leads_from_an_empty_catalog_to_80_000_credits(
        self, page: Page, live_server: LiveServer
    ) -> None:
        """The numbers of README.md; `page` complains about errors and other hosts."""
        manager = ProductManager(page)
        manager.sign_in()
        make_catalog(manager)

        manager.welcomes("Acme")
        manager.subscribes("Pro", Extra_API_Credits="3")
        manager.reads("5,000 credits / month", "80,000 credits / month", "246 USD / month")
        manager.click("Create subscription", "form")
        manager.reads("Acme is subscribed to Pro: active.", "AI Studio", "Monthly")
        read_entitlements(manager)
        grant_top_up(manager)

        manager.welcomes("Globex")
        manager.subscribes("Pro")
        manager.tick("API 500k")
        manager.reads("500,000 credits / month", "gives nothing while the override lasts")
        manager.click("Create subscription", "form")
        manager.reads("Globex is subscribed to Pro: active.")
        manager.click("Credits", ".cx-tabs")
        manager.picks("API Credits")
        manager.has("500,000", "Add-on API 500k")

        use_credits(live_server, make_key(manager))
        page.reload()
        manager.open("Customers")
        manager.click("Acme")
        manager.click("Credits", ".cx-tabs")
        manager.has("6,980", "4,980", "2,000")
        manager.reads("AI Image Generation", "−10")


def make_catalog(manager: ProductManager) -> None:
    """Items 1 to 5 of the path."""
    for name in ("AI Credits", "API Credits"):
        manager.open("Credits")
        manager.click("Add credit type")
        manager.type("Name", name)
        manager.field("Unit (one)").fill("credit")
        manager.field("Units (many)").fill("credits")
        manager.click("Create credit type")
        manager.reads(f"{name} is created.")
    manager.open("Features")
    manager.click("Add feature")
    manager.type("Name", "AI Image Generation")
    manager.fill(Event_name="image.generated")
    manager.field("Unit (one)").fill("image")
    manager.field("Units (many)").fill("images")
    manager.click("Create feature")
    manager.reads("AI Image Generation is created.")
    manager.creates("Products", "product", "AI Studio")

    manager.creates("Add-ons", "add-on", "Extra API Credits", Quantity="Multiple instances")
    manager.includes("API Credits", "10,000", Behaviour="Increment plan limit")
    manager.asks(Monthly_price="49")
    manager.reads("49 USD / month per unit")
    manager.publishes("Extra API Credits", "10,000 credits / month")
    manager.creates("Add-ons", "add-on", "API 500k")
    manager.includes("API Credits", "500,000", Behaviour="Override plan limit")
    manager.asks(Monthly_price="499")
    manager.publishes("API 500k", "500,000 credits / month, overrides plan limit")

    manager.creates("Plans", "plan", "Pro")
    manager.includes("AI Credits", "5,000")
    manager.includes("API Credits", "50,000")
    manager.asks(Monthly_price="99", Yearly_price="990")
    manager.click("+ Add", "#consumption")
    manager.fill(Credits_per_unit="10", Try_it_with="3")
    manager.click("Try it")
    manager.reads("Costs 30 credits.")
    manager.click("Add", "form.cx-dialog")
    manager.reads("10 credits per image", within="#consumption")
    manager.click("Edit compatible add-ons")
    manager.tick("Extra API Credits", "API 500k")
    manager.click("Save")
    manager.publishes("Pro", "5,000 credits / month", "50,000 credits / month", "990 USD / year")
    manager.creates("Plans", "plan", "Free", Pricing="Free")
    manager.includes("AI Credits", "500")
    manager.publishes("Free", "500 credits / month")
    manager.creates("Plans", "plan", "Annual")
    manager.includes("AI Credits", "60,000", Cadence="Every year, up front")
    manager.asks(Yearly_price="990")
    manager.publishes("Annual", "60,000 credits / year")


def read_entitlements(manager: ProductManager) -> None:
    """Item 7, the first three tabs."""
    manager.click("Entitlement summary", ".cx-tabs")
    rows = manager.page.locator("tbody tr")
    expect(rows.filter(has_text="AI Credits")).to_contain_text("5,000 credits / month")
    expect(rows.filter(has_text="API Credits")).to_contain_text("80,000 credits / month")
    manager.reads("Extra API Credits × 3")
    manager.click("Entitlement usage", ".cx-tabs")
    expect(rows.filter(has_text="API Credits")).to_contain_text("80,000")
    manager.page.locator("tbody").get_by_role("link", name="API Credits").click()
    manager.has("80,000", "Plan Pro", "Add-on Extra API Credits")
    manager.picks("AI Credits")
    manager.has("5,000", "Plan Pro")


def grant_top_up(manager: ProductManager) -> None:
    """Item 7, the tab Credits."""
    manager.click("Adjust credits balance")
    manager.fill(Amount="2,000", Reason="Order 4711")
    expect(manager.page.locator(".cx-change")).to_contain_text("7,000")
    manager.click("Adjust balance")
    manager.reads("2,000 credits granted.")
    manager.has("7,000", "Plan Pro", "Manual top-up")


def make_key(manager: ProductManager) -> str:
    """Item 8: a key of the admin."""
    manager.open("API keys")
    manager.click("Create API key")
    manager.fill(Name="Image service")
    manager.click("Create API key", "form.cx-dialog")
    key = manager.field("API key").input_value()
    manager.click("I have copied it")
    manager.reads("Image service")
    return key


def use_credits(live_server: LiveServer, key: str) -> None:
    """Item 8: the application asks, and uses Acme's AI Credits."""

    def call(method: str, path: str, body: Any = None) -> Any:
        connection = HTTPConnection(urlsplit(live_server.url).netloc)
        headers = {"X-API-KEY": key, "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1/{path}", text, headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer["data"]

    def left() -> float:
        answer = call("GET", "customers/acme/entitlements/check?currencyId=ai-credits")
        assert answer["isGranted"]
        return answer["usageLimit"] - answer["currentUsage"]

    assert left() == 7000
    taken = {"customerId": "acme", "currencyId": "ai-credits", "amount": 10}
    call("POST", "credits/consumption", {**taken, "idempotencyKey": "job-1"})
    assert left() == 6990
    event = {"customerId": "acme", "eventName": "image.generated", "idempotencyKey": "image-1"}
    call("POST", "events", {"events": [event]})
    assert left() == 6980
