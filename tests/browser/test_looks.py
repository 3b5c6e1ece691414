"""Every main screen, in both sizes and both colours; and what hasty hands do to forms."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import Behaviour, Coupon, CreditType, Package
from credits import consumption, pools
from credits.consumption import Demand
from subscriptions import promotions
from subscriptions.discounts import Discount
from subscriptions.models import Customer, PromotionalEntitlement, Subscription
from subscriptions.promotions import Gift
from tests.browser.looks import findings, in_every_look
from tests.browser.person import Person
from tests.builders import (
    a_coupon,
    a_credit_type,
    a_customer,
    a_feature,
    a_metered_feature,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_subscription,
    an_addon,
    some_credits,
    some_units,
)
from workspace.actors import SYSTEM
from workspace.models import Role


@dataclass(frozen=True)
class Shop:
    """A catalog with an open draft, and a customer who bought from it."""

    credit_type: CreditType
    pro: Package
    draft: Package
    customer: Customer
    subscription: Subscription
    promotion: PromotionalEntitlement
    coupon: Coupon

    def addresses(self) -> Iterator[str]:
        """The main screens, for somebody who may see everything."""
        yield "/admin/"
        for model in ("product", "plan", "addon", "feature", "credittype", "coupon"):
            yield f"/admin/catalog/{model}/"
            yield f"/admin/catalog/{model}/add/"
        yield f"/admin/catalog/product/{self.pro.product_id}/change/"
        yield f"/admin/catalog/product/{self.pro.product_id}/duplicate/"
        yield f"/admin/catalog/coupon/{self.coupon.pk}/change/"
        for page in ("change", "versions", "compare", "activity"):
            yield f"/admin/catalog/plan/{self.pro.pk}/{page}/"
        for page in ("transfer", "import"):
            yield f"/admin/catalog/product/{page}/"
        for page in ("change", "publish", "include", "details", "prices", "consumption"):
            yield f"/admin/catalog/addon/{self.draft.pk}/{page}/"
        yield f"/admin/catalog/addon/{self.draft.pk}/change_credits/{self.credit_type.pk}/"
        yield "/admin/subscriptions/customer/"
        yield "/admin/subscriptions/customer/add/"
        for page in ("change", "entitlements", "activity", "subscribe", "give"):
            yield f"/admin/subscriptions/customer/{self.customer.pk}/{page}/"
        for page in ("credits", "entitlement-usage", "adjust-credits"):
            yield f"/admin/credits/pool/customers/{self.customer.pk}/{page}/"
        yield f"/admin/subscriptions/subscription/{self.subscription.pk}/change/"
        yield "/admin/subscriptions/promotionalentitlement/"
        yield f"/admin/subscriptions/promotionalentitlement/{self.promotion.pk}/change/"
        yield "/admin/credits/pool/resets/"
        for model in ("apikey", "activity", "user"):
            yield f"/admin/workspace/{model}/"
        yield "/admin/workspace/apikey/add/"


@pytest.fixture
def shop(live_server: LiveServer) -> Shop:
    """Made through the verbs, now."""
    now = timezone.now()
    credit_type = a_credit_type(now=now)
    product = a_product("A product with a rather long name, as they come", now=now)
    images = a_metered_feature(unit_singular="image", unit_plural="images", now=now)
    extra = a_published_addon(
        "Extra credits", product=product, entitlements=[some_credits(credit_type, 1000)], now=now
    )
    override = a_published_addon(
        "A very large number of credits",
        product=product,
        entitlements=[some_credits(credit_type, 500_000, behaviour=Behaviour.OVERRIDE)],
        max_quantity=1,
        now=now,
    )
    pro = a_published_plan(
        product=product,
        entitlements=[some_credits(credit_type), some_units(a_feature(now=now))],
        mappings=[a_rate(images, credit_type)],
        compatible_addons=[extra, override],
        yearly=490,
        now=now,
    )
    draft = an_addon(
        "Not on sale yet", product=product, entitlements=[some_credits(credit_type)], now=now
    )
    customer = a_customer("Acme Studios and Daughters", email="billing@acme.example", now=now)
    coupon = a_coupon("A discount for those who came early", now=now)
    subscription = a_subscription(
        customer, pro, addons=[(extra, 3)], coupon=Discount(coupon.public_id), now=now
    )
    seats = a_feature("Seats", public_id="seats", now=now)
    [promotion] = promotions.give(
        customer_id=customer.public_id,
        gifts=[Gift(feature_id=seats.public_id, period="1 month", usage_limit=5)],
        actor=SYSTEM,
        now=now,
    )
    pool = pools.locate(
        customer_id=customer.public_id,
        credit_type_id=credit_type.public_id,
        resource_id=None,
        now=now,
    )
    demand = Demand(amount=Decimal(40), key="job-1", used_at=now, dimensions={})
    consumption.consume(pool_id=pool, demand=demand, actor=SYSTEM, now=now)
    a_new_version(pro, now=now)
    return Shop(credit_type, pro, draft, customer, subscription, promotion, coupon)


class TestScreens:
    @in_every_look
    def test_fit_and_can_be_used_by_everybody(self, page: Page, shop: Shop) -> None:
        faults = {}

        page.goto("/admin/login/")
        faults["sign-in"] = faults_of(page)
        Person(page).sign_in()
        for address in shop.addresses():
            answer = page.goto(address)
            assert answer is not None
            assert answer.ok, address
            faults[address] = faults_of(page)

        assert {address: found for address, found in faults.items() if found} == {}

    def test_show_people_who_may_only_read_nothing_to_press(
        self, page: Page, shop: Shop, complaints: list[str]
    ) -> None:
        Person(page).sign_in(Role.READ_ONLY)

        pressable = {}
        for address in shop.addresses():
            answer = page.goto(address)
            assert answer is not None
            if answer.status != 403:
                pressable[address] = what_to_press(page)

        complaints.clear()  # about pages that are refused
        assert len(pressable) > 15
        assert {address: names for address, names in pressable.items() if names} == {}


class TestForms:
    def test_follow_what_was_chosen_before_their_script_was_there(
        self, page: Page, shop: Shop
    ) -> None:
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        now = timezone.now()
        a_published_plan("Without add-ons", product=shop.pro.product, now=now)
        newcomer = a_customer("Newcomer", now=now)
        person = Person(page)
        person.sign_in()
        page.route("**/live_form.js", hold)
        page.goto(f"/admin/subscriptions/customer/{newcomer.pk}/subscribe/", wait_until="commit")

        expect(person.field("Extra credits")).to_have_count(0)
        person.choose(Plan=shop.pro.name)
        held[0].continue_()

        expect(person.field("Extra credits")).to_be_visible()

    def test_make_one_object_of_a_double_click(self, page: Page, live_server: LiveServer) -> None:
        person = Person(page)
        person.sign_in()
        person.open("Credits")
        person.click("Add credit type")
        person.type("Name", "AI Credits")

        page.get_by_role("button", name="Create credit type").dblclick()

        person.reads("AI Credits is created.", "1 credit type")

    def test_lead_back_after_a_session_that_ended(
        self, page: Page, live_server: LiveServer
    ) -> None:
        person = Person(page)
        person.sign_in()
        person.open("Credits")
        person.click("Add credit type")
        person.type("Name", "AI Credits")
        page.context.clear_cookies(name="sessionid")

        person.click("Create credit type")
        person.give_name()

        expect(page.get_by_role("heading", name="New credit type")).to_be_visible()
        assert not CreditType.objects.exists()


def faults_of(page: Page) -> list[str]:
    """What is wrong with the look of the page."""
    faults = findings(page)
    width, room = page.evaluate(
        "[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]"
    )
    if width > room:
        faults.append(f"scrolls sideways: {width} of {room}")
    return faults


# They are posted because they are recorded; they change nothing.
EXPORTS = {"Export what is on sale", "Export with drafts"}


def what_to_press(page: Page) -> list[str]:
    """The buttons, and the links that look like buttons, that change something."""
    names: list[str] = page.locator(
        "#main .cx-button-primary, #main .cx-button-danger, #main .cx-menu-button,"
        " #main a.bg-primary-600, #main form[method=post] button"
    ).all_inner_texts()
    return [name for name in names if name not in EXPORTS]
