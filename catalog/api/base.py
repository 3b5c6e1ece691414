"""What the views and bodies of the catalog share."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import models
from rest_framework import serializers
from rest_framework.fields import empty

from catalog.checking import InvalidField
from catalog.models import CreditType, Feature, Package, PackageKind
from workspace.api.camel import CamelMixin
from workspace.api.fields import (
    ChoiceField,
    CommaListField,
    InstantRangeField,
    PublicIdField,
    TextField,
)
from workspace.api.views import ApiView
from workspace.errors import DomainError
from workspace.ids import is_public_id

SHARED_NAMES = {
    "name": "displayName",
    "public_id": "id",
    "type": "featureType",
    "unit_singular": "featureUnits",
    "unit_plural": "featureUnitsPlural",
    "enum_values": "enumConfiguration",
    "aggregation": "meter",
    "aggregation_field": "meter",
    "meter_filters": "meter",
}


class CatalogView(ApiView):
    """Refusals of the catalog are about fields of its models."""

    names = SHARED_NAMES


class ClearableText(TextField):
    """A text that null and "" clear; it is "" inside and null outside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_blank": True, "allow_null": True, "required": False, **kwargs})

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """Take null for nothing."""
        if data is None:
            return True, ""
        is_empty, value = super().validate_empty_values(data)
        return is_empty, value if value is not None else empty


class Flag(serializers.BooleanField):
    """true or false, and no word for it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Whole(serializers.IntegerField):
    """A JSON number without decimals."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | Decimal):
            self.fail("invalid")
        if data != int(data):
            self.fail("invalid")
        return int(data)


class ListQuery(CamelMixin, serializers.Serializer[Any]):
    """What every list can be narrowed by."""

    id = PublicIdField(required=False)
    created_at = InstantRangeField(required=False)


def choices_in_query(*choices: str) -> CommaListField:
    """A comma list of these words; an empty one narrows nothing."""
    return CommaListField(child=ChoiceField(choices), required=False)


def within(rows: models.QuerySet[Any], query: Mapping[str, Any]) -> models.QuerySet[Any]:
    """`rows` narrowed to an id and to bounds of their creation."""
    if "id" in query:
        rows = rows.filter(public_id=query["id"])
    bounds = query.get("created_at", {})
    return rows.filter(**{f"created_at__{operator}": at for operator, at in bounds.items()})


def in_path(
    rows: models.QuerySet[Any], public_id: str, unknown: type[DomainError], noun: str
) -> Any:
    """The first of `rows` with the id that an address names.

    Raises:
        `unknown`: there is none.
    """
    found = rows.filter(public_id=public_id).first() if is_public_id(public_id) else None
    if found is None:
        raise unknown(f"There is no {noun} with this ID.")
    return found


def settle_limit(terms: dict[str, Any]) -> None:
    """Let a limit end unlimited use, and the other way round, unless both are said."""
    if terms.get("usage_limit") is not None:
        terms.setdefault("has_unlimited_usage", False)
    elif terms.get("has_unlimited_usage"):
        terms.setdefault("usage_limit", None)


def named_features(ids: Sequence[str], *, field: str) -> dict[str, Feature]:
    """The features that a body names, by id.

    Raises:
        InvalidField: one does not exist.
    """
    return _named(Feature.objects.all(), ids, noun="feature", field=field)


def named_credit_types(ids: Sequence[str], *, field: str) -> dict[str, CreditType]:
    """The active credit types that a body names, by id.

    Raises:
        InvalidField: one does not exist, or is archived.
    """
    return _named(CreditType.objects.active(), ids, noun="active credit type", field=field)


def named_packages(kind: PackageKind, ids: Sequence[str], *, field: str) -> dict[str, Package]:
    """The plans or add-ons that a body names, by id.

    Raises:
        InvalidField: one does not exist.
    """
    rows = Package.objects.filter(kind=kind).select_related("live", "draft")
    return _named(rows, ids, noun=kind.label.lower(), field=field)


def _named(
    rows: models.QuerySet[Any], ids: Sequence[str], *, noun: str, field: str
) -> dict[str, Any]:
    found = {row.public_id: row for row in rows.filter(public_id__in=set(ids))} if ids else {}
    for public_id in ids:
        if public_id not in found:
            raise InvalidField(f"There is no {noun} {public_id}.", field=field)
    return found
