"""Looks a row over before it is written, and says in a sentence what is wrong with it."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from workspace.errors import BadInput, Busy, Conflict, DomainError
from workspace.ids import PublicIdField
from workspace.text import validate_text

M = TypeVar("M", bound=models.Model)


class InvalidField(BadInput):
    """A field holds what it may not."""


class IdTaken(Conflict):
    """Another object of the kind has this ID (R1)."""


class CreatedMeanwhile(Busy):
    """Somebody else created it in the same moment; the same request will find it there."""


def clean_text(text: str) -> str:
    """`text` without spaces around it.

    Raises:
        ValidationError: it holds characters that cannot be seen.
    """
    validate_text(text)
    return text.strip()


def clean_metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    """`metadata` as a mapping from text to text (R2).

    Raises:
        InvalidField: a value is no text.
    """
    cleaned = {}
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise InvalidField("Metadata holds texts only.", field="metadata")
        try:
            cleaned[clean_text(key)] = clean_text(value)
        except ValidationError as error:
            raise InvalidField(error.messages[0], field="metadata") from error
    return cleaned


def check(row: models.Model) -> None:
    """Trim the texts of `row`, then check every field and constraint that needs no other row.

    Raises:
        InvalidField: naming the first field at fault.
    """
    try:
        for field in row._meta.concrete_fields:
            value = getattr(row, field.attname)
            is_text = isinstance(field, models.CharField) and not isinstance(field, PublicIdField)
            if is_text and isinstance(value, str):
                _clean(row, field, value)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValidationError({field.name: "Enter a finite number."})
        if hasattr(row, "metadata"):
            row.metadata = clean_metadata(row.metadata)
        row.full_clean(validate_unique=False, validate_constraints=False)
        for constraint in row._meta.constraints:
            if isinstance(constraint, models.CheckConstraint):
                constraint.validate(type(row), row)
    except ValidationError as error:
        raise _first_fault(error) from error


def _clean(row: models.Model, field: "models.Field[Any, Any]", value: str) -> None:
    try:
        setattr(row, field.attname, clean_text(value))
    except ValidationError as error:
        raise ValidationError({field.name: error.messages}) from error


def _first_fault(error: ValidationError) -> InvalidField:
    if hasattr(error, "error_dict"):
        name, messages = next(iter(error.message_dict.items()))
        return InvalidField(messages[0], field=None if name == "__all__" else name)
    return InvalidField(error.messages[0])


@contextmanager
def naming_row(row: int, *, of: int) -> Iterator[None]:
    """Let a refusal say which row of a list is at fault, if there are several."""
    try:
        yield
    except DomainError as error:
        if of > 1:
            error.rows = {row: error.message}
        raise


def store_new(row: M, *, taken: str) -> M:
    """Check and insert `row`.

    Raises:
        InvalidField: see `check`.
        IdTaken: with the sentence `taken`, if a constraint finds a rival.
    """
    check(row)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise IdTaken(taken, field="public_id") from error
    return row


def changed_fields(row: models.Model, changes: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Set `changes` on `row` and say which fields differ now: name → [before, after]."""
    before = {name: getattr(row, name) for name in changes}
    for name, value in changes.items():
        setattr(row, name, value)
    check(row)
    return {
        name: [before[name], getattr(row, name)]
        for name in changes
        if before[name] != getattr(row, name)
    }
