import pytest
from django.core.exceptions import ValidationError

from workspace.text import validate_line, validate_text

PLAIN = [
    "",
    "Pro",
    "Überraschung 積分 🎉",
    "<script>{{ x }}</script>",
    "' OR 1=1 --",
    "نص",
    "می‌خواهم",
    "👩‍🚀",
    "❤️",
    "é",
    " ",
]
UNSEEN = ["a\0b", "a\x1bb", "a\u202eb", "a\u2066b", "a\ud800b", "a\u2028b", "a\x85b"]
NOTHING = [
    "\u200b",
    "\u200d\ufe0f",
    "\u2060 \ufeff",
    "\u00ad",
    "\u3164",
    "\u2800",
    "\u034f",
    "\u200f",
]


class TestValidateLine:
    @pytest.mark.parametrize("text", PLAIN)
    def test_accepts_what_shows(self, text):
        validate_line(text)

    @pytest.mark.parametrize("text", [*UNSEEN, *NOTHING, "a\nb", "a\r\nb", "a\tb"])
    def test_refuses_what_does_not(self, text):
        with pytest.raises(ValidationError):
            validate_line(text)


class TestValidateText:
    @pytest.mark.parametrize("text", [*PLAIN, "a\nb", "a\r\nb", "a\tb"])
    def test_accepts_line_breaks(self, text):
        validate_text(text)

    @pytest.mark.parametrize("text", [*UNSEEN, *NOTHING, "\n\u200b\n"])
    def test_refuses_the_rest(self, text):
        with pytest.raises(ValidationError):
            validate_text(text)
