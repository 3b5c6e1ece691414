"""`make screenshots`: pictures of every screen, from a fresh demo.

Those of README.md and docs/ go to docs/images/; everything is clicked and typed as a person
would. Then, in a shop in which everything has happened, every screen that a link leads to goes
to var/screens/, wide, narrow and dark, to be looked at. `--docs` takes only the former.

The demo runs on a free port with a database of its own, which is thrown away.
"""

import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from playwright.sync_api import Browser, Page, sync_playwright

from scripts import chromium, demo
from workspace.processes import ProcessGroup

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"}
LOOKS: dict[str, dict[str, Any]] = {
    "wide": WIDE,
    "dark": WIDE | {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}
FOR_DOCS = demo.ROOT / "docs" / "images"
TO_LOOK_AT = demo.ROOT / "var" / "screens"


def main() -> None:
    """Start the demo, change a plan and begin a subscription, and take every picture."""
    if chromium.PATH is None:
        sys.exit(chromium.MISSING)
    with fresh_demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.PATH, args=chromium.FLAGS)
        context = browser.new_context(base_url=address, timezone_id="UTC", **WIDE)
        page = context.new_page()
        sign_in(page)
        edit_the_plan(page)
        welcome_a_customer(page)
        take_pictures(page)
        if "--docs" not in sys.argv:
            take_all(browser, address, context.storage_state())
        browser.close()


def take_all(browser: Browser, address: str, signed_in: Any) -> None:
    """Every screen in every look, named after the screen."""
    screens = all_screens()
    shutil.rmtree(TO_LOOK_AT, ignore_errors=True)
    for look, options in LOOKS.items():
        folder = TO_LOOK_AT / look
        folder.mkdir(parents=True)
        context = browser.new_context(
            base_url=address, timezone_id="UTC", storage_state=signed_in, **options
        )
        page = context.new_page()
        for name, found in screens.items():
            page.goto(found)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=folder / f"{name}.png", full_page=True)
        context.close()
        print(f"  {len(screens)} screens in {folder.relative_to(demo.ROOT)}/")


def all_screens() -> dict[str, str]:
    """Let everything happen in the demo; where each kind of screen can be seen then."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in this thread
    django.setup()
    # Both want settings, which are there only now.
    from django.test import Client

    from scripts import walk
    from tests.browser.shop import a_shop
    from workspace.models import User

    a_shop()
    client = Client(HTTP_HOST=demo.HOST)
    client.force_login(User.objects.get(username=demo.LOGIN))
    return {screen.name: screen.address for screen in walk.each_once(client)}


@contextmanager
def fresh_demo() -> Iterator[str]:
    """Run the site with sample data; its address."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server((demo.HOST, 0)) as free:
        port = free.getsockname()[1]
        demo.settle(Path(folder) / "demo.sqlite3", port)
        demo.load()
        free.close()
        server = ProcessGroup(*demo.SERVER, cwd=demo.ROOT)
        try:
            give_up_at = time.monotonic() + demo.START_SECONDS
            while not demo.listens(port):
                if server.has_ended() or time.monotonic() > give_up_at:
                    sys.exit("The site does not answer.")
                time.sleep(0.2)
            yield f"http://{demo.HOST}:{port}"
        finally:
            server.stop(demo.STOP_SECONDS)


def sign_in(page: Page) -> None:
    """As the demo's administrator."""
    page.goto("/admin/")
    page.get_by_label("Username").fill(demo.LOGIN)
    page.get_by_label("Password").fill(demo.PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("#nav-sidebar").wait_for()


def edit_the_plan(page: Page) -> None:
    """Leave a draft of Pro with something added, something changed and something removed."""
    open_plan(page)
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("link", name="Edit AI Credits").click()
    page.get_by_label("Amount").fill("6,000")
    confirm(page, "Save")
    page.get_by_role("link", name="Remove Single sign-on").click()
    confirm(page, "Remove")
    page.locator("#entitlements").get_by_role("link", name="+ Add").click()
    page.locator(".cx-choices").get_by_role("link", name="AI Image Generation").click()
    page.get_by_label("How much").select_option(label="Unlimited")
    confirm(page, "Add")


def welcome_a_customer(page: Page) -> None:
    """Somebody without a subscription."""
    page.goto("/admin/subscriptions/customer/add/")
    page.locator("[name=name]").fill("Pied Piper")
    page.locator("[name=public_id]").fill("pied-piper")
    page.locator("[name=email]").fill("billing@pied-piper.example")
    confirm(page, "Create customer")


def confirm(page: Page, label: str) -> None:
    """Press the button of a dialog, and wait for what it says."""
    page.locator("form.cx-dialog").get_by_role("button", name=label, exact=True).click()
    page.locator("form.cx-dialog").wait_for(state="detached")


def wait_for_title(page: Page, title: str) -> None:
    """The heading of the page; on phones, the way to it reads the same."""
    page.locator("h2.cx-title").get_by_text(title, exact=True).wait_for()


def take_pictures(page: Page) -> None:
    """Those of the guides."""
    pictures: dict[str, Callable[[Page], None]] = {
        "customers": open_customers,
        "customer-credits": open_credits,
        "balance": open_balance,
        "forecast": open_forecast,
        "entitlement-summary": open_summary,
        "adjust": open_adjustment,
        "subscription-new": open_subscription,
        "subscription-update": open_update,
        "bulk": open_bulk,
        "plan": open_plan,
        "publish": open_review,
    }
    for name, open_screen in pictures.items():
        open_screen(page)
        page.wait_for_load_state("networkidle")
        page.evaluate("document.activeElement.blur()")
        page.evaluate("scrollTo(0, 0)")
        file = FOR_DOCS / f"{name}.png"
        page.screenshot(path=file)
        print(f"  {file.relative_to(demo.ROOT)}  {file.stat().st_size // 1024} KB")


def open_customers(page: Page) -> None:
    """The list of customers."""
    page.goto("/admin/subscriptions/customer/")


def open_customer(page: Page, name: str) -> None:
    """The page of one of them."""
    open_customers(page)
    page.locator("#result_list").get_by_role("link", name=name).first.click()
    wait_for_title(page, name)


def open_tab(page: Page, name: str) -> None:
    """A tab of Acme."""
    open_customer(page, "Acme Studios")
    page.locator(".cx-tabs").get_by_role("link", name=name, exact=True).click()
    page.locator(".cx-tabs [aria-current]", has_text=re.compile(f"^{name}$")).wait_for()


def open_credits(page: Page) -> None:
    """Where every credit came from and went."""
    open_tab(page, "Credits")


def open_balance(page: Page) -> None:
    """Why Acme has what it has."""
    open_credits(page)
    page.get_by_role("link", name="Why this balance?").click()
    page.get_by_role("link", name="Used: AI Text Generation").click()
    page.locator(".cx-proof").first.wait_for()


def open_forecast(page: Page) -> None:
    """What becomes of Acme, as things are and under the draft of Pro."""
    open_credits(page)
    page.get_by_role("link", name="Next reset").click()
    page.get_by_label("Catalog").select_option(label="Draft of Pro")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_text("The draft of Pro is published now").wait_for()


def open_summary(page: Page) -> None:
    """What Acme may do."""
    open_tab(page, "Entitlement summary")


def open_adjustment(page: Page) -> None:
    """A top-up, about to be granted."""
    open_credits(page)
    page.get_by_role("link", name="Adjust credits balance").click()
    page.get_by_label("Amount").fill("2,000")
    page.get_by_label("Reason").fill("Order 4711")
    page.locator(".cx-change").wait_for()


def open_subscription(page: Page) -> None:
    """A subscription, about to be created."""
    open_customer(page, "Pied Piper")
    page.get_by_role("link", name="Create subscription").first.click()
    page.locator("select[name=plan]").select_option(label="Pro")
    page.get_by_label("Extra API Credits").fill("3")
    page.locator(".cx-credit-value", has_text="80,000").wait_for()


def open_update(page: Page) -> None:
    """More of an add-on, about to be bought."""
    open_customer(page, "Acme Studios")
    page.get_by_role("link", name="Pro", exact=True).first.click()
    page.get_by_role("link", name="Update", exact=True).click()
    page.get_by_label("Extra API Credits").fill("5")
    page.locator(".cx-credit-value", has_text="100,000").wait_for()


def open_bulk(page: Page) -> None:
    """Credits for everybody, before anything is done."""
    open_customers(page)
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option(label="Bulk change")
    page.get_by_role("button", name="Run").click()
    page.locator("[name=amount]").fill("500")
    page.locator("[name=name]").fill("Sorry")
    page.locator("[name=reason]").fill("The outage of 20 November")
    page.get_by_role("button", name="Show what would happen").click()
    page.get_by_text("This is what would happen.").wait_for()


def open_plan(page: Page) -> None:
    """The plan Pro."""
    page.goto("/admin/catalog/plan/?q=pro")
    page.locator("#result_list").get_by_role("link", name="Pro", exact=True).click()
    wait_for_title(page, "Pro")


def open_review(page: Page) -> None:
    """What publishing the draft would change."""
    open_plan(page)
    page.get_by_role("link", name="Review & publish").click()
    wait_for_title(page, "Publish Pro")


if __name__ == "__main__":
    os.chdir(demo.ROOT)
    main()
