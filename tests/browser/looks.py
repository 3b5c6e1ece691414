"""In which sizes and colours a page is looked at, and what is seen there."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as NeverHappened

LOOKS = {
    "wide": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "narrow": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "wide dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "narrow dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}

# Decorates a test that takes `page`: it then runs once in each look. Others run wide.
in_every_look = pytest.mark.parametrize("look", LOOKS, indirect=True)

SERIOUS = {"serious", "critical"}
AT_REST = 2_000  # milliseconds
FITS = "document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth"
WIDER = """
    ["the page", ...[...document.body.querySelectorAll("*")]
        .filter((each) => each.getBoundingClientRect().right > innerWidth)
        .map((each) => each.outerHTML.slice(0, 200))]
"""


def findings(page: Page) -> list[str]:
    """What makes the page hard to use for some people; on no screen it scrolls sideways."""
    found: Any = Axe().run(page).response["violations"]
    hard = [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found
        if each["impact"] in SERIOUS
    ]
    return hard + sticking_out(page)


def sticking_out(page: Page) -> list[str]:
    """What is wider than the screen, once what moves or loads has come to rest."""
    try:
        page.wait_for_function(FITS, timeout=AT_REST)
    except NeverHappened:
        return [f"sticks out: {each}" for each in page.evaluate(WIDER)]
    return []
