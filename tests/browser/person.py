"""Somebody at the screen, who has a mouse, a keyboard and eyes."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.workspace.builders import a_user
from workspace.models import Role


class Person:
    """Clicks and types on `page`; whatever is not there yet is waited for.

    Inputs are named by their labels, as keywords with _ for a blank.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.username = ""

    def sign_in(self, role: Role = Role.ADMINISTRATOR) -> None:
        """Sign in as somebody new with `role`, and arrive at the home page."""
        self.username = a_user(role).get_username()
        self.page.goto("/admin/")
        self.give_name()
        expect(self.page.locator("#nav-sidebar")).to_be_attached()

    def give_name(self) -> None:
        """Fill the sign-in page, and press Enter."""
        self.fill(Username=self.username, Password="correct horse battery")
        self.page.keyboard.press("Enter")

    def open(self, screen: str) -> None:
        """Follow a link of the sidebar."""
        self.page.locator("#nav-sidebar").get_by_role("link", name=_ending(screen)).click()

    def click(self, name: str, within: str = "#main") -> None:
        """Click the link or button called `name`; the first, if there are several."""
        place = self.page.locator(within)
        links = place.get_by_role("link", name=_ending(name))
        links.or_(place.get_by_role("button", name=_ending(name))).first.click()

    def pick(self, name: str) -> None:
        """Click what is called `name` in the menu of the page."""
        self.page.locator(".cx-head .cx-menu-button").click()
        self.click(name, ".cx-head")

    def field(self, label: str) -> Locator:
        """The input with this label, which a star may follow."""
        return self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}\s*\*?\s*$"))

    def type(self, label: str, text: str) -> None:
        """Type key by key, for scripts that watch; not before they are there."""
        self.field(label).wait_for()
        self.page.wait_for_load_state()
        self.field(label).press_sequentially(text)

    def fill(self, **texts: str) -> None:
        """Put texts into inputs."""
        for label, text in texts.items():
            self.field(label.replace("_", " ")).fill(text)

    def choose(self, **options: str) -> None:
        """Choose from selects."""
        for label, option in options.items():
            self.field(label.replace("_", " ")).select_option(label=option)

    def tick(self, *labels: str) -> None:
        """Tick boxes and flip switches."""
        for label in labels:
            self.field(label).check()

    def reads(self, *texts: str, within: str = "#main") -> None:
        """See these texts, in whatever letters the style sheet shows them."""
        for text in texts:
            expect(self.page.locator(within)).to_contain_text(
                text, use_inner_text=True, ignore_case=True
            )


def _ending(name: str) -> re.Pattern[str]:
    """Names of links, which may begin with that of an icon."""
    return re.compile(rf"(?:^|\s){re.escape(name)}$")
