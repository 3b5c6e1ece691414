"""The command palette, by keyboard, by mouse, and for those who listen."""

import re

from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.looks import findings, in_every_look
from tests.browser.person import Person
from tests.builders import a_customer
from workspace.models import Role


def arrive(page: Page, role: Role = Role.ADMINISTRATOR) -> None:
    """Sign in, and wait until scripts listen."""
    Person(page).sign_in(role)
    page.wait_for_load_state()


def opened(page: Page, keys: str = "Control+k") -> Page:
    """Sign in and open the palette."""
    arrive(page)
    page.keyboard.press(keys)
    expect(page.get_by_role("dialog", name="Search")).to_be_visible()
    return page


class TestPalette:
    def test_leads_to_a_customer_by_keyboard_alone(
        self, page: Page, live_server: LiveServer
    ) -> None:
        a_customer("Acme Café", public_id="acme")
        opened(page)

        page.keyboard.type("cafe")
        option = page.get_by_role("option", name="Acme Café")
        expect(option).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")

        expect(page.get_by_role("heading", name="Acme Café").first).to_be_visible()

    def test_takes_what_was_typed_last_however_fast(
        self, page: Page, live_server: LiveServer
    ) -> None:
        a_customer("Acme", public_id="acme")
        opened(page)

        page.keyboard.type("acme")
        page.keyboard.press("Enter")

        expect(page).to_have_url(re.compile("/subscriptions/customer/"))

    def test_moves_through_what_was_found(self, page: Page, live_server: LiveServer) -> None:
        for name in ("Acme North", "Acme South"):
            a_customer(name)
        opened(page, "Meta+k")
        field = page.get_by_role("combobox")

        page.keyboard.type("acme")
        expect(page.get_by_role("option")).to_have_count(2)
        expect(field).to_have_attribute("aria-activedescendant", "palette-1-1")
        page.keyboard.press("ArrowDown")
        expect(field).to_have_attribute("aria-activedescendant", "palette-1-2")
        page.keyboard.press("ArrowDown")
        expect(field).to_have_attribute("aria-activedescendant", "palette-1-1")
        page.keyboard.press("ArrowUp")
        expect(field).to_have_attribute("aria-activedescendant", "palette-1-2")
        expect(page.get_by_role("status").first).to_have_text("2 found")

    def test_opens_and_closes_and_gives_the_focus_back(
        self, page: Page, live_server: LiveServer
    ) -> None:
        arrive(page)
        opener = page.get_by_role("button", name="Search")
        opener.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("combobox")).to_be_focused()
        expect(page.get_by_role("option", name=re.compile("^Customers"))).to_be_visible()

        page.keyboard.press("Escape")

        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(opener).to_be_focused()

    def test_says_that_nothing_was_found(self, page: Page, live_server: LiveServer) -> None:
        opened(page)

        page.keyboard.type("<img src=x onerror=alert(1)>")

        expect(page.locator("#palette-note")).to_contain_text("Nothing begins with “<img")
        expect(page.get_by_role("combobox")).to_have_attribute("aria-expanded", "false")

    def test_says_that_the_server_does_not_answer(
        self, page: Page, live_server: LiveServer, complaints: list[str]
    ) -> None:
        arrive(page)
        page.route("**/admin/search/**", lambda route: route.fulfill(status=503))

        page.keyboard.press("Control+k")

        expect(page.locator("#palette-note")).to_contain_text("does not answer")
        complaints.clear()

    def test_leads_to_the_sign_in_when_the_session_ended(
        self, page: Page, live_server: LiveServer
    ) -> None:
        opened(page)
        page.context.clear_cookies(name="sessionid")

        page.keyboard.type("a")

        expect(page.get_by_label("Username")).to_be_visible()

    def test_hides_screens_from_those_who_may_not_open_them(
        self, page: Page, live_server: LiveServer
    ) -> None:
        arrive(page, Role.READ_ONLY)
        page.keyboard.press("Control+k")

        expect(page.get_by_role("option", name=re.compile("^Customers"))).to_be_visible()
        expect(page.get_by_role("option", name=re.compile("^Users"))).to_have_count(0)

    @in_every_look
    def test_can_be_used_by_everybody(self, page: Page, live_server: LiveServer) -> None:
        for number in range(8):
            a_customer(
                f"Acme {number} with a name that goes on and on and on and on",
                email=f"somebody-{number}@a-rather-long-host-name.example",
            )
        opened(page)
        page.keyboard.type("acme")
        expect(page.get_by_role("option")).to_have_count(6)

        assert findings(page) == []
