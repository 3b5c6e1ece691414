"""In which sizes and colours a page is looked at, and what is seen there."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

LOOKS = {
    "wide": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "narrow": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "wide dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "narrow dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}

# Decorates a test that takes `page`: it then runs once in each look. Others run wide.
in_every_look = pytest.mark.parametrize("look", LOOKS, indirect=True)

SERIOUS = {"serious", "critical"}


def findings(page: Page) -> list[str]:
    """What makes the page hard to use for some people."""
    found: Any = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found
        if each["impact"] in SERIOUS
    ]
