"""A client that holds every answer against the OpenAPI document we serve.

Bodies and queries that were accepted are held against it, too: a document that asks for more
than the API does would keep callers from what works, and one that asks for less would let
nonsense through.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import jsonschema_rs
from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.urls import get_urlconf
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from workspace.api.errors import API_PATHS
from workspace.api.schema import ERROR

PAGES = ("/api/schema", "/api/docs")


class UndescribedAnswer(AssertionError):
    """The API did what its description does not say."""


class DescribedClient(APIClient):
    """Asks the API, and knows what it may answer."""

    def generic(  # type: ignore[override]
        self, method: str, path: str, data: Any = "", *args: Any, **kwargs: Any
    ) -> Any:
        response = super().generic(method, path, data, *args, **kwargs)
        if not get_urlconf() and settings.ROOT_URLCONF == "config.urls":
            check(response, data)
        return response


@cache
def document() -> dict[str, Any]:
    """The document we serve."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return json.loads(json.dumps(made))


@cache
def operations() -> list[tuple[re.Pattern[str], str]]:
    """Every address of the document, as a pattern; those with fewer variables first."""
    paths = sorted(document()["paths"], key=lambda path: (path.count("{"), path))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]


def path_of(address: str) -> str | None:
    """How the document calls an address."""
    return next((path for pattern, path in operations() if pattern.fullmatch(address)), None)


def check(response: Any, sent: str | bytes) -> None:
    """Fail unless the document says that this may be answered to what was sent.

    Raises:
        UndescribedAnswer: it does not.
    """
    request = response.wsgi_request
    if not request.path_info.startswith(API_PATHS) or request.path_info in PAGES:
        return
    method = "get" if request.method == "HEAD" else request.method.lower()
    path = path_of(request.path_info)
    operation = document()["paths"].get(path, {}).get(method)
    if operation is None:
        _fits(ERROR_VALIDATOR, response, f"{method} {request.path_info} is not described")
        return
    status = response.status_code
    named = f"{method.upper()} {path} → {status}"
    if status == 500:  # tests that break something on purpose
        _fits(ERROR_VALIDATOR, response, named)
        return
    if str(status) not in operation["responses"]:
        raise UndescribedAnswer(f"{named}: {response.content.decode()}")
    _fits(_answers(path, method, str(status)), response, named)
    if status < 300 and "requestBody" in operation and request.method != "HEAD":
        body = json.loads(sent or "{}")
        _complain(_bodies(path, method).iter_errors(body), f"{named} accepted {body}")
    if status < 300:
        asked = read_query(operation, request.GET)
        _complain(_queries(path, method).iter_errors(asked), f"{named} accepted {asked}")


def read_query(operation: Mapping[str, Any], query: QueryDict) -> dict[str, Any]:
    """A query as the document says it is written, each value of the type that its text has.

    Plain parameters that the document does not name, or that are empty, are left out: the API
    ignores them. Those in brackets stay, under the name before the brackets.
    """
    known = {
        each["name"]: each for each in operation.get("parameters", []) if each["in"] == "query"
    }
    read: dict[str, Any] = {}
    for name, values in query.lists():
        base, bracket, inner = name.partition("[")
        parameter = known.get(base)
        types = (parameter or {}).get("schema", {}).get("type", "string")
        if bracket:
            written = read.setdefault(base, {})
            written |= {inner.removesuffix("]"): _one(values)}
        elif types == "object":
            read[base] = _one(values)
        elif types == "array":
            text = ",".join(values)
            read[name] = text.split(",") if text else []
        elif parameter is not None and values != [""]:
            read[name] = _typed(_one(values), types)
    return read


def _one(values: list[str]) -> Any:
    """The only value; several are none that the document could allow."""
    return values[0] if len(values) == 1 else values


def _typed(text: Any, kind: str) -> Any:
    if kind in ("integer", "number", "boolean") and isinstance(text, str):
        with suppress(ValueError):
            return json.loads(text)
    return text


def _fits(validator: Any, response: HttpResponse, named: str) -> None:
    if response.wsgi_request.method == "HEAD":  # type: ignore[attr-defined]
        return
    body = json.loads(response.content)
    _complain(validator.iter_errors(body), f"{named}: {body}")


def _complain(errors: Any, named: str) -> None:
    found = [f"{'.'.join(map(str, each.instance_path))}: {each.message}" for each in errors]
    if found:
        raise UndescribedAnswer("\n".join([named, *found]))


@cache
def _answers(path: str | None, method: str, status: str) -> Any:
    response = document()["paths"][path][method]["responses"][status]
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].split("/")[-1]]
    schema = response["content"]["application/json"]["schema"]
    return validator(_closed(schema), _closed_components())


@cache
def _bodies(path: str | None, method: str) -> Any:
    body = document()["paths"][path][method]["requestBody"]
    return validator(body["content"]["application/json"]["schema"], document()["components"])


@cache
def _queries(path: str | None, method: str) -> Any:
    parameters = document()["paths"][path][method].get("parameters", [])
    queries = [each for each in parameters if each["in"] == "query"]
    schema = {
        "type": "object",
        "properties": {each["name"]: each["schema"] for each in queries},
        "required": [each["name"] for each in queries if each.get("required")],
        "additionalProperties": False,
    }
    return validator(schema, document()["components"])


def validator(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """What checks values against a part of the document."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": components}, validate_formats=True, formats={"date-time": _instant}
    )


def _instant(text: str) -> bool:
    """Looser than the standard, as the API is in requests: a zone may be missing (then UTC)."""
    return bool(re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", text))


@cache
def _closed_components() -> dict[str, Any]:
    return {"schemas": _closed(document()["components"]["schemas"])}


def _closed(schema: Any) -> Any:
    """The same, with nothing allowed that is not named (X7)."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


ERROR_VALIDATOR = jsonschema_rs.Draft202012Validator(_closed(ERROR))
