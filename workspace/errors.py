"""What can go wrong in words of the domain, and the kinds of it that faces tell apart."""

from collections.abc import Mapping
from typing import ClassVar


class DomainError(Exception):
    """Something the domain refuses. Nothing was changed.

    Concrete errors are defined beside what raises them and belong to one of the kinds
    below. `code` is stable: callers may compare it; it is the class name unless a class
    sets its own.

    `field` names the input at fault as callers know it. `rows` says for a batch which
    rows are at fault, by their place counted from 0.
    """

    code: ClassVar[str] = "DomainError"

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            cls.code = cls.__name__

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        rows: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.rows = dict(rows or {})

    def __str__(self) -> str:
        return self.message


class BadInput(DomainError):
    """The request itself is at fault; sending it again unchanged cannot succeed."""


class Unauthenticated(DomainError):
    """Nobody we know is asking."""


class Forbidden(DomainError):
    """We know who is asking, and they may not."""


class UnknownObject(DomainError):
    """What the request names does not exist."""


class Conflict(DomainError):
    """The request contradicts what is stored, and will do so until that changes."""


class Busy(DomainError):
    """Too much at once; the same request may well succeed after `retry_after` seconds."""

    retry_after: ClassVar[int] = 1
