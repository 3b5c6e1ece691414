"""camelCase outside, snake_case inside."""

import re
from typing import Any

from rest_framework import serializers


def camel(name: str) -> str:
    """The name that callers know: "billing_period" gives "billingPeriod"."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


class CamelMixin:
    """Gives the fields of a serializer the names that callers know.

    To read, to write, in errors and in the OpenAPI description. `validate_…` hooks use the
    outer name, as in `validate_billingPeriod`.
    """

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        outer: dict[str, serializers.Field[Any, Any, Any, Any]] = {}
        for name, field in super().get_fields().items():  # type: ignore[misc]
            outer_name = camel(name)
            if outer_name != name:
                if field.source is None:
                    field.source = name
                if isinstance(field, serializers.SerializerMethodField) and not field.method_name:
                    field.method_name = f"get_{name}"
            outer[outer_name] = field
        return outer
