"""Which characters people and programs may give us in texts.

Anything that shows is welcome, in every script; what is refused cannot be seen and is only
good for deceiving readers, log files and parsers.
"""

import re

from django.core.exceptions import ValidationError

LINE_BREAKS = "\t\n\r"
# Control characters, lone surrogates, and marks that turn the direction of what follows.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def validate_text(text: str) -> None:
    """Refuse unseen characters other than line breaks and tabs.

    Raises:
        ValidationError: there is one.
    """
    validate_line(text.translate(dict.fromkeys(map(ord, LINE_BREAKS))))


def validate_line(text: str) -> None:
    """Refuse every unseen character, line breaks included.

    Raises:
        ValidationError: there is one.
    """
    if UNSEEN.search(text):
        raise ValidationError(
            "This text contains characters that cannot be seen.", code="unseen_characters"
        )
