"""Every screen, in both sizes and both colours; and what hasty hands do to forms."""

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import CreditType
from scripts import walk
from tests.browser.looks import findings
from tests.browser.person import Person
from tests.browser.shop import Shop, a_shop
from tests.builders import a_customer, a_published_addon, a_published_plan
from tests.workspace.builders import a_user
from workspace.models import Role, User

CUT_OFF = """
    [...document.querySelectorAll("#result_list tbody :is(th, td)")]
        .filter((cell) => cell.scrollHeight > cell.clientHeight)
        .map((cell) => cell.outerHTML)
"""
CASE_OF_LABELS = """
    (label) => [...new Set([...document.querySelectorAll(`[data-label="${label}"]`)].map(
        (cell) => getComputedStyle(cell, "::before").textTransform
    ))]
"""
OWN_ACCOUNT = {"password_change"}
"""What everybody may change."""


@pytest.fixture
def shop(live_server: LiveServer) -> Shop:
    """Everything has happened there."""
    return a_shop()


def signed_in(person: Person) -> Client:
    """The same person without a browser, who finds the way faster."""
    client = Client()
    client.force_login(User.objects.get(username=person.username))
    return client


class TestScreens:
    @pytest.mark.parametrize("look", ["wide", "narrow dark"], indirect=True)
    def test_fit_and_can_be_used_by_everybody(self, page: Page, shop: Shop) -> None:
        """All there are: every page that a link leads to, and no page without a link."""
        person = Person(page)
        page.goto("/admin/login/")
        faults = {"sign-in": findings(page)}
        person.sign_in()
        page.route("**/again.js", lambda route: route.fulfill(body=""))  # it would reload
        scout = signed_in(person)

        names = set()
        for screen in walk.each_once(scout):
            names.add(screen.name)
            page.goto(screen.address)
            faults[screen.address] = findings(page)

        assert {address: found for address, found in faults.items() if found} == {}
        assert len(names) > 140
        assert walk.unseen(scout, names) == []

    def test_answer_whatever_links_lead_to(self, live_server: LiveServer, shop: Shop) -> None:
        client = Client()
        client.force_login(a_user())

        answers = {screen.address: screen.status for screen in walk.walk(client)}

        assert {address for address, status in answers.items() if status >= 400} == set()

    def test_say_what_to_do_where_there_is_nothing(
        self, page: Page, live_server: LiveServer
    ) -> None:
        person = Person(page)
        person.sign_in()

        for screen in walk.each_once(signed_in(person)):
            if screen.name.endswith("_changelist") and 'id="result_list"' not in screen.html:
                page.goto(screen.address)
                expect(page.locator(".cx-empty")).to_be_visible()
                assert findings(page) == [], screen.address

    def test_show_people_who_may_only_read_nothing_to_press(self, page: Page, shop: Shop) -> None:
        person = Person(page)
        person.sign_in(Role.READ_ONLY)

        pressable = {}
        for screen in walk.each_once(signed_in(person)):
            if screen.name not in OWN_ACCOUNT:
                page.goto(screen.address)
                pressable[screen.address] = what_to_press(page)

        assert len(pressable) > 40
        assert {address: names for address, names in pressable.items() if names} == {}


@pytest.mark.parametrize("look", ["narrow"], indirect=True)
class TestPhones:
    def test_show_the_tab_that_is_open(self, page: Page, shop: Shop) -> None:
        Person(page).sign_in()

        page.goto(f"/admin/credits/pool/customers/{shop.customer.pk}/credits/")

        expect(page.locator(".cx-tabs [aria-current]")).to_be_in_viewport(ratio=0.9)

    def test_show_lists_as_cards_with_nothing_cut_off(self, page: Page, shop: Shop) -> None:
        Person(page).sign_in()

        page.goto("/admin/catalog/credittype/")

        assert page.evaluate(CUT_OFF) == []
        assert page.evaluate(CASE_OF_LABELS, "Used in") == ["none"]

    def test_show_grants_as_cards(self, page: Page, shop: Shop) -> None:
        Person(page).sign_in()

        page.goto(f"/admin/credits/pool/customers/{shop.customer.pk}/credits/")

        grants = page.locator(".cx-table[aria-label=Grants]")
        expect(grants).to_contain_text("Order 4711")
        assert grants.evaluate("(table) => table.scrollWidth <= table.clientWidth")


class TestForms:
    def test_follow_what_was_chosen_before_their_script_was_there(
        self, page: Page, live_server: LiveServer
    ) -> None:
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        now = timezone.now()
        extra = a_published_addon("Extra credits", now=now)
        pro = a_published_plan(product=extra.product, compatible_addons=[extra], now=now)
        a_published_plan("Without add-ons", product=extra.product, now=now)
        newcomer = a_customer("Newcomer", now=now)
        person = Person(page)
        person.sign_in()
        page.route("**/live_form.js", hold)
        page.goto(f"/admin/subscriptions/customer/{newcomer.pk}/subscribe/", wait_until="commit")

        expect(person.field("Extra credits")).to_have_count(0)
        person.choose(Plan=pro.name)
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


# They are posted because they are recorded; they change nothing.
EXPORTS = {"Export CSV", "Export what is on sale", "Export with drafts"}


def what_to_press(page: Page) -> list[str]:
    """The buttons, and the links that look like buttons, that change something."""
    names: list[str] = page.locator(
        "#main .cx-head-actions a, #main .cx-button-primary, #main .cx-button-danger,"
        " #main .cx-menu-button, #main a.bg-primary-600, #main form[method=post] button"
    ).all_inner_texts()
    return [name for name in names if name.split("\n")[-1].strip() not in EXPORTS]
