"""In which sizes and colours a page is looked at."""

import pytest

LOOKS = {
    "wide": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "narrow": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "wide dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "narrow dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}

# Decorates a test that takes `page`: it then runs once in each look. Others run wide.
in_every_look = pytest.mark.parametrize("look", LOOKS, indirect=True)
