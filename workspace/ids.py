"""Names of objects as the outside knows them (R1)."""

import re
import secrets
import time
import unicodedata
from typing import Any
from uuid import UUID

from django.core.validators import RegexValidator
from django.db import models

from workspace.errors import BadInput

LONGEST_ID = 255
PUBLIC_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_|.@-]{0,254}")
RULE = "Use 1 to 255 letters, digits, _ | . @ or -, beginning with a letter or digit."


class InvalidId(BadInput):
    """An id that R1 does not allow."""


def is_public_id(text: str) -> bool:
    """Whether `text` may be the id of an object (R1)."""
    return PUBLIC_ID.fullmatch(text) is not None


def validate_public_id(text: str, *, field: str = "id") -> str:
    """Return `text` if it may be the id of an object (R1).

    Raises:
        InvalidId: it may not.
    """
    if not is_public_id(text):
        raise InvalidId(RULE, field=field)
    return text


class PublicIdField(models.CharField):
    """An id seen outside (R1). Whether it is unique, and where, its model says."""

    # \Z, because $ would also match before a line break at the end.
    default_validators = [RegexValidator(rf"^{PUBLIC_ID.pattern}\Z", RULE, code="invalid_id")]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", LONGEST_ID)
        super().__init__(*args, **kwargs)


def new_public_id(prefix: str) -> str:
    """A fresh id that nobody can guess, such as `grant-9f2c…` (128 random bits)."""
    return f"{prefix}-{secrets.token_hex(16)}"


def new_ordered_uuid() -> UUID:
    """A fresh UUID of version 7: unguessable, and later ones sort after earlier ones.

    Rows made together stand together in an index, which a random id would scatter.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    return UUID(
        int=milliseconds << 80
        | 0x7 << 76
        | random >> 62 << 64
        | 0b10 << 62
        | random & (1 << 62) - 1
    )


def suggest_public_id(name: str) -> str:
    """The id a form proposes for `name`: "Pro Plan (EU)" gives "pro-plan-eu" (R1).

    Empty if the name holds no letter or digit to build one from.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:LONGEST_ID].rstrip("-")
