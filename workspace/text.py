"""Which characters people and programs may give us in texts.

Anything that shows is welcome, in every script; what is refused cannot be seen and is only
good for deceiving readers, log files and parsers. Marks that join or part letters, which some
scripts and emoji need, are welcome beside something that shows, but make no text on their own.
"""

import re
import unicodedata

from django.core.exceptions import ValidationError

LINE_BREAKS = "\t\n\r"
# Control characters, lone surrogates, and marks that turn the direction of what follows.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
BLANK = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
"""Categories of characters that show nothing: controls, formats, spaces."""
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def validate_text(text: str) -> None:
    """Refuse unseen characters other than line breaks and tabs, and a text of nothing else.

    Raises:
        ValidationError: there is one.
    """
    validate_line(text.translate(dict.fromkeys(map(ord, LINE_BREAKS))))


def validate_line(text: str) -> None:
    """Refuse every unseen character, line breaks included, and a text that shows nothing.

    Spaces alone, or nothing at all, pass: whether a text may be empty is for others to say.

    Raises:
        ValidationError: there is one.
    """
    if UNSEEN.search(text):
        raise ValidationError(
            "This text contains characters that cannot be seen.", code="unseen_characters"
        )
    if text.strip() and not shows(text):
        raise ValidationError("This text shows nothing.", code="unseen_characters")


def shows(text: str) -> bool:
    """Whether there is anything to see in `text`."""
    return any(
        unicodedata.category(character) not in BLANK
        and character not in FILLERS
        and not SELECTORS.match(character)
        for character in text
    )
