"""The OpenAPI description, made from what views say of themselves (`terms`).

Of drf-spectacular we use the list of addresses, the registry of components and the pages;
how fields and types are described is said here, because our fields read in ways of their own.
"""

import inspect
import re
import types
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from django.core.validators import RegexValidator
from drf_spectacular.drainage import warn
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from rest_framework import serializers
from rest_framework.fields import Field, empty

from workspace.api.cursors import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, PaginationShape
from workspace.api.fields import CommaListField
from workspace.api.responses import JSON
from workspace.api.terms import NOTHING, Terms, chosen, shape_of

Schema = dict[str, Any]

KINDS: Mapping[type, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Decimal: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    type(None): {"type": "null"},
}

REFUSALS: Mapping[int, tuple[str, str]] = {
    400: ("BadRequest", "Something in the request is wrong; `errors` names the fields."),
    401: ("Unauthenticated", "There is no key, or one that nobody knows or that has ended."),
    403: ("Forbidden", "The key does not reach so far."),
    404: ("NotFound", "Something that the request names does not exist."),
    408: ("RequestTimeout", "The body did not arrive; please send it again."),
    409: ("Conflict", "The request makes sense, but not as things are now."),
    413: ("BodyTooLarge", "The body is larger than 2 MB."),
    415: ("UnsupportedMediaType", "The body is not JSON."),
    422: ("IdempotencyKeyReused", "The `Idempotency-Key` came with another request before."),
    429: ("TooManyRequests", "This key asks too often; `Retry-After` says when to ask again."),
    503: ("Busy", "Please try again; `Retry-After` says when."),
}

ERROR: Schema = {
    "type": "object",
    "description": "Why a request was refused, and what to do.",
    "properties": {
        "message": {"type": "string", "description": "For people."},
        "code": {"type": "string", "description": "For programs: it never changes."},
        "traceId": {"type": "string", "description": "Finds the request in the log."},
        "errors": {
            "type": "object",
            "description": "What is wrong, by the field that it is about.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": ["message", "code", "traceId", "errors"],
}

PAGING: Mapping[str, Schema] = {
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": LARGEST_LIMIT,
        "default": DEFAULT_LIMIT,
    },
    "after": {"type": "string", "maxLength": LONGEST_CURSOR},
    "before": {"type": "string", "maxLength": LONGEST_CURSOR},
}

ONCE: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes the request take effect once in 24 hours, however often it is sent.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """What is said about our keys."""

    target_class = "workspace.api.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "X-API-KEY"}


class Description(AutoSchema):
    """The description of one operation."""

    @property
    def terms(self) -> Terms:
        """What the method says of itself."""
        found: Terms = getattr(self._method(), "terms", NOTHING)
        if found is NOTHING:
            warn(f"{type(self.view).__name__} does not say what it takes and answers.")
        return found

    def get_summary(self) -> str:
        """The first line of the method's docstring, without numbers of rules."""
        line = (inspect.getdoc(self._method()) or "").split("\n")[0]
        return _without_rules(line).rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]
        """The rest of the method's docstring."""
        rest = (inspect.getdoc(self._method()) or "").split("\n", 1)[1:]
        return _without_rules("".join(rest)).strip()

    def get_operation_id(self) -> str:
        """Made from the address; the beta has some of the others once more."""
        identifier: str = super().get_operation_id()
        return f"beta_{identifier}" if self.path.startswith("/api/v1-beta/") else identifier

    def get_tags(self) -> list[str]:
        """What the address is about; server SDKs read from addresses of their own."""
        return ["edge"] if self.path.startswith("/v1/") else super().get_tags()

    def _is_list_view(self, serializer: Any = None) -> bool:
        return self.terms.page is not None

    def _method(self) -> Any:
        return getattr(self.view, self.method.lower())

    def _get_parameters(self) -> list[Schema]:
        found: list[Schema] = [
            parameter for parameter in super()._get_parameters() if parameter["in"] == "path"
        ]
        query = chosen(self.terms.query, self.view)
        if query is not None:
            found += [self._in_query(field) for field in query().fields.values()]
        if self.terms.page is not None:
            found += [
                {"name": name, "in": "query", "schema": schema} for name, schema in PAGING.items()
            ]
        if self.method == "POST":
            found.append(ONCE)
        return found

    def _in_query(self, field: Field[Any, Any, Any, Any]) -> Schema:
        """A query parameter: lists are joined by commas, objects are written in brackets."""
        parameter: Schema = {"name": field.field_name, "in": "query", "schema": self.field(field)}
        if field.required:
            parameter["required"] = True
        if isinstance(field, CommaListField):
            parameter |= {"style": "form", "explode": False}
        elif parameter["schema"].get("type") == "object":
            parameter |= {"style": "deepObject", "explode": True}
        return parameter

    def _get_request_body(self, direction: str = "request") -> Schema | None:
        if self.terms.body is None:
            return None
        reader = chosen(self.terms.body, self.view)()
        body: Schema = {"content": {JSON: {"schema": self.field(reader)}}}
        if any(field.required for field in reader.fields.values()):
            body["required"] = True
        return body

    def _get_response_bodies(self, direction: str = "response") -> Schema:
        terms = self.terms
        refusals = {str(status): self._refusal(status) for status in self._refusals()}
        if not (terms.page or terms.whole or terms.answer):
            return refusals
        said = shape_of(chosen(terms.page or terms.whole or terms.answer, self.view))
        answer = self.shape(said)
        if terms.page is not None:
            rows = {"type": "array", "items": answer}
            answer = _object({"data": rows, "pagination": self.shape(PaginationShape)})
        elif terms.whole is None:
            answer = _object({"data": answer})
        good = {"description": "", "content": {JSON: {"schema": answer}}}
        return {str(terms.status): good} | refusals

    def _refusals(self) -> Iterable[int]:
        """The statuses with which this operation may refuse."""
        terms, reads = self.terms, self.method == "GET"
        names_something = bool(terms.body or terms.query or "{" in self.path)
        yield from (400, 401, 403)
        yield from (404,) if names_something else ()
        yield from () if reads else (408, 409, 413, 415)
        yield from (422,) if self.method == "POST" else ()
        yield from (429, 503)

    def _refusal(self, status: int) -> Schema:
        name, description = REFUSALS[status]
        error = self._component("Error", lambda: ERROR, ERROR)
        schema = {"description": description, "content": {JSON: {"schema": error}}}
        return self._component(name, lambda: schema, name, kind=ResolvedComponent.RESPONSE)

    def _component(
        self, name: str, make: Any, thing: object, *, kind: str = ResolvedComponent.SCHEMA
    ) -> Schema:
        """A reference to a component, made if it is new. Two things cannot have one name."""
        component = ResolvedComponent(name=name, type=kind, object=thing)  # type: ignore[no-untyped-call]
        if component in self.registry:
            known = self.registry[component]
            assert known.object is thing or known.object == thing, f"two components called {name}"
        else:
            self.registry.register(component)
            component.schema = make()
        reference: Schema = component.ref
        return dict(reference)

    def field(self, field: Field[Any, Any, Any, Any]) -> Schema:
        """What a field of a request takes."""
        schema = self._kind(field)
        if field.help_text:
            schema["description"] = str(field.help_text)
        if field.default not in (empty, None) and not callable(field.default):
            schema["default"] = field.default
        return nullable(schema) if field.allow_null else schema

    def _kind(self, field: Any) -> Schema:
        if hasattr(field, "described"):
            schema: Schema = field.described(self)
            return schema
        match field:
            case serializers.ListSerializer() | serializers.ListField():
                return self._list(field)
            case serializers.BaseSerializer():
                reader = type(field)
                return self._component(reader.__name__, lambda: self._reader(field), reader)
            case serializers.ChoiceField():
                return {"type": "string", "enum": [str(choice) for choice in field.choices]}
            case serializers.IntegerField():
                return {"type": "integer"} | _bounds(field)
            case serializers.FloatField():
                return {"type": "number"} | _bounds(field)
            case serializers.BooleanField():
                return {"type": "boolean"}
            case serializers.RegexField(
                validators=[*_, RegexValidator(regex=re.Pattern() as regex)]
            ):
                return {"type": "string", "pattern": _published(regex)}
            case serializers.CharField():
                return {"type": "string"} | _given(
                    minLength=None if field.allow_blank else 1,
                    maxLength=field.max_length,
                    format="email" if isinstance(field, serializers.EmailField) else None,
                )
        raise TypeError(f"{type(field).__name__} must say how it is described.")

    def _list(self, field: Any) -> Schema:
        return {"type": "array", "items": self.field(field.child)} | _given(
            minItems=field.min_length if field.allow_empty else 1, maxItems=field.max_length
        )

    def _reader(self, reader: Any) -> Schema:
        """The object that a serializer reads; what it does not know it ignores."""
        properties = {name: self.field(field) for name, field in reader.fields.items()}
        required = [name for name, field in reader.fields.items() if field.required]
        return {"type": "object", "properties": properties} | _given(
            required=required or None, description=_said(type(reader))
        )

    def shape(self, shape: Any) -> Schema:
        """What a type of an answer means on the wire."""
        origin, arguments = get_origin(shape), get_args(shape)
        if shape is Any:
            return {}
        if shape in KINDS:
            return dict(KINDS[shape])
        if is_typeddict(shape):
            name = shape.__name__.removesuffix("Shape")
            return self._component(name, lambda: self._typed(shape), shape)
        if origin is Annotated:
            schema = self.shape(arguments[0])
            for more in arguments[1:]:
                schema |= more.keywords
            return schema
        if origin in (NotRequired, Required):
            return self.shape(arguments[0])
        if origin is Literal:
            return {"type": "string", "enum": list(arguments)}
        if origin in (Union, types.UnionType):
            kinds = [self.shape(each) for each in arguments if each is not type(None)]
            schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
            return nullable(schema) if type(None) in arguments else schema
        if origin is list:
            return {"type": "array", "items": self.shape(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.shape(arguments[1])}
        raise TypeError(f"{shape} has no description.")

    def _typed(self, shape: Any) -> Schema:
        hints = get_type_hints(shape, include_extras=True)
        properties = {name: self.shape(hint) for name, hint in hints.items()}
        required = [name for name in hints if name in shape.__required_keys__]
        return {"type": "object", "properties": properties} | _given(
            required=required or None, description=_said(shape)
        )


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "enum" in schema:
        schema = schema | {"enum": [*schema["enum"], None]}
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return schema | {"type": [*types, "null"]}
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]}


def _published(pattern: re.Pattern[str]) -> str:
    """A pattern as other languages write it."""
    return pattern.pattern.replace(r"\A", "^").replace(r"\Z", "$")


def _given(**keywords: Any) -> Schema:
    """Those keywords that have a value."""
    return {name: value for name, value in keywords.items() if value is not None}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": [*properties]}


def _bounds(field: Any) -> Schema:
    return _given(minimum=field.min_value, maximum=field.max_value)


def _said(thing: type) -> str | None:
    """What the docstring of a class says, without numbers of rules."""
    text = thing.__dict__.get("__doc__") or ""
    return _without_rules(inspect.cleandoc(text)) or None


def _without_rules(text: str) -> str:
    """The same, for readers who have not our rules: without "(R12)"."""
    return re.sub(r" \([RX]\d[^)]*\)", "", text)


def describe_health(result: Schema, **kwargs: Any) -> Schema:
    """Add what `HealthMiddleware` answers, which asks for no key."""
    status = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
    good = {"description": "", "content": {JSON: {"schema": status}}}
    busy = {"$ref": "#/components/responses/Busy"}
    for path, summary in (
        ("/livez", "Whether this process answers at all"),
        ("/readyz", "Whether it can work: the database answers, too"),
    ):
        responses = {"200": good} | ({"503": busy} if path == "/readyz" else {})
        result["paths"][path] = {
            "get": {
                "operationId": path.strip("/"),
                "summary": summary,
                "tags": ["health"],
                "security": [],
                "responses": responses,
            }
        }
    return result
