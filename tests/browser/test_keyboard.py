"""The main path without a mouse: Tab leads everywhere, and one always sees where one is."""

from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.person import Person

FARTHEST = 90
"""So many times Tab is pressed at most to arrive somewhere."""

FOCUSED = """() => {
    const at = document.activeElement;
    const style = getComputedStyle(at);
    const label = at.labels && at.labels[0] ? at.labels[0].innerText : "";
    const icons = [...at.querySelectorAll(".material-symbols-outlined, [aria-hidden=true]")];
    const without = (text, icon) => text.replace(icon.innerText, "");
    const words = icons.reduce(without, at.innerText ?? "");
    return {
        name: (at.getAttribute("aria-label") || label || words)
            .replace("*", "").replace(/\\s+/g, " ").trim(),
        kind: at.tagName,
        isSeen: style.outlineStyle !== "none" || style.boxShadow !== "none",
        isInPage: at.closest("#main") !== null,
    };
}"""


class Typist(Person):
    """Has no mouse."""

    def goes_to(self, name: str) -> None:
        """Press Tab until what is called `name` has the focus, and see that it has."""
        passed = []
        for _ in range(FARTHEST):
            self.page.keyboard.press("Tab")
            at = self.page.evaluate(FOCUSED)
            passed.append(at["name"])
            if at["kind"] != "BODY" and at["name"]:
                assert at["isSeen"], f"{at['name']} does not show that it has the focus"
            if at["name"].casefold() == name.casefold():
                return
        raise AssertionError(f"Tab does not lead to {name}, but to {passed}")

    def presses(self, name: str) -> None:
        """Go to a link or button, and press Enter."""
        self.goes_to(name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def enters(self, **texts: str) -> None:
        """Go to inputs in their order, and type over what they hold."""
        for label, text in texts.items():
            self.goes_to(label.replace("_", " "))
            self.page.keyboard.press("Control+a")
            self.page.keyboard.type(text)

    def picks(self, label: str, option: str) -> None:
        """Go to a select, and type the beginning of an option."""
        self.goes_to(label)
        self.page.keyboard.type(option)


class TestMainPath:
    def test_needs_no_mouse(self, page: Page, live_server: LiveServer) -> None:
        typist = Typist(page)
        typist.sign_in()

        typist.presses("Credits")
        typist.presses("Add credit type")
        typist.enters(Name="AI Credits", ID="ai-credits")
        typist.presses("Create credit type")
        typist.reads("AI Credits is created.")

        typist.presses("Products")
        typist.presses("Add product")
        typist.enters(Name="Studio", ID="studio")
        typist.presses("Create product")
        typist.reads("Studio is created.")

        typist.presses("Plans")
        typist.presses("Add plan")
        typist.enters(Name="Pro", ID="pro")
        typist.picks("Pricing", "Free")
        typist.presses("Create plan")
        typist.reads("Pro is created")
        typist.presses("+ Add")
        typist.presses("AI Credits ai-credits")
        typist.enters(Amount="5000")
        typist.presses("Add")
        typist.reads("5,000")
        typist.presses("Review & publish")
        typist.presses("Publish")
        typist.reads("Version 1 of Pro is live.")

        typist.presses("Customers")
        typist.presses("New customer")
        typist.enters(Name="Acme", ID="acme")
        typist.presses("Create customer")
        typist.reads("Acme is created.")
        typist.presses("Create subscription")
        expect(page.locator("#live-summary")).to_contain_text("5,000")
        typist.presses("Create subscription")
        typist.reads("Acme is subscribed to Pro: active.")
        typist.presses("Credits")  # of the sidebar
        typist.presses("Customers")
        typist.presses("Acme")
        typist.goes_to("Overview")
        typist.presses("Credits")
        expect(page.locator(".cx-card-value").first).to_have_text("5,000")

    def test_is_walked_in_the_order_of_the_page(self, page: Page, live_server: LiveServer) -> None:
        typist = Typist(page)
        typist.sign_in()
        page.goto("/admin/subscriptions/customer/add/")

        order = []
        page.locator("#main").get_by_role("link").first.focus()
        for _ in range(20):
            page.keyboard.press("Tab")
            at = page.evaluate(FOCUSED)
            if at["isInPage"] and at["kind"] in ("INPUT", "SELECT", "BUTTON"):
                order.append(at["name"])

        fields = ["Name", "ID", "Email", "Billing ID", "Billing currency", "Language", "Time zone"]
        assert [name for name in order if name in fields] == fields
        assert order[-1] == "Create customer"
        assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0
