"""Every refusal in one shape, and the one table of statuses.

`{"message": …, "code": …, "traceId": …, "errors": {field: [message, …]}}`
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import defaults
from rest_framework import exceptions

from workspace import acts
from workspace.api.camel import camel
from workspace.api.json import BodyTooLarge
from workspace.api.responses import Response
from workspace.errors import (
    BadInput,
    Busy,
    Conflict,
    DomainError,
    Forbidden,
    Unauthenticated,
    UnknownObject,
)
from workspace.tracing import current_trace_id

logger = logging.getLogger(__name__)

STATUSES: Mapping[type[DomainError], int] = {
    BadInput: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    UnknownObject: 404,
    Conflict: 409,
    acts.IdempotencyKeyReused: 422,
    Busy: 503,
}

# Errors of the framework, in our words. Others keep the name of their class.
CODES: Mapping[type[exceptions.APIException], str] = {
    exceptions.ValidationError: "InvalidInput",
    exceptions.ParseError: "MalformedBody",
    exceptions.AuthenticationFailed: "Unauthenticated",
    exceptions.NotAuthenticated: "Unauthenticated",
    exceptions.PermissionDenied: "Forbidden",
    exceptions.Throttled: "TooManyRequests",
}

# What to do about errors of the framework that do not say it.
MESSAGES: Mapping[type[exceptions.APIException], str] = {
    exceptions.MethodNotAllowed: "This address does not take this method; the header Allow "
    "names those it takes.",
    exceptions.UnsupportedMediaType: "A body must be JSON: send Content-Type: application/json.",
}

API_PATHS = ("/api/", "/v1/")
LONGEST_MESSAGE = 300  # of the framework's, which repeat what was sent, however long


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """Answer to any exception of an API view; the database is left as it was."""
    match error:
        case DomainError():
            return _refusal(error)
        case exceptions.APIException():
            return _framework_refusal(error)
        case Http404():
            return _answer(404, "NotFound", "This does not exist.")
        case PermissionDenied():
            return _answer(403, "Forbidden", "This is not allowed.")
        case RequestDataTooBig():
            return _framework_refusal(BodyTooLarge())
        case UnreadablePostError():
            return _answer(408, "RequestTimeout", "The body did not arrive. Please send it again.")
        case SuspiciousOperation():
            return _answer(400, "BadRequest", "This request is not acceptable.")
        case OperationalError() | InterfaceError():
            logger.error("The database does not answer.", exc_info=error)
            return _refusal(Busy("The database does not answer. Please try again."))
        case _:
            logger.error("An API view failed.", exc_info=error)
            got_request_exception.send(sender=None, request=context.get("request"))
            return _answer(500, "InternalError", "Something went wrong on our side.")


def _refusal(error: DomainError) -> Response:
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    field = camel(error.field) if error.field else ""
    errors = {f"{field}[{row}]": [message] for row, message in error.rows.items()}
    if field and not errors:
        errors = {field: [error.message]}
    response = _answer(status, error.code, error.message, errors)
    match error:
        case Unauthenticated():
            response["WWW-Authenticate"] = 'ApiKey realm="Stipend", header="X-API-KEY"'
        case Conflict():
            # A duplicate stays one: without this, clients would try it three times.
            response["x-should-retry"] = "false"
        case Busy():
            response["Retry-After"] = str(error.retry_after)
    return response


def _framework_refusal(error: exceptions.APIException) -> Response:
    errors = {}
    if isinstance(error, exceptions.ValidationError):
        errors = dict(_flat(error.detail, ""))
        field, messages = next(iter(errors.items()))
        message = f"{field}: {messages[0]}" if field else messages[0]
        errors.pop("", None)
    else:
        message = MESSAGES.get(type(error), shorten(str(error.detail)))
    code = CODES.get(type(error), type(error).__name__)
    response = _answer(error.status_code, code, message, errors)
    if isinstance(error, exceptions.Throttled):
        wait = getattr(error, "wait", None)
        response["Retry-After"] = str(max(1, int(wait or 0)))
    if error.status_code == 401:
        response["WWW-Authenticate"] = 'ApiKey realm="Stipend", header="X-API-KEY"'
    return response


def _flat(detail: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Nested complaints as pairs such as ("usages[2].amount", ["Too small."])."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            if isinstance(name, int):  # a row of a list
                yield from _flat(inner, f"{path}[{name}]")
            elif name == "non_field_errors":
                yield from _flat(inner, path)
            else:
                yield from _flat(inner, f"{path}.{name}".lstrip("."))
    elif detail:
        yield path, [shorten(str(item)) for item in detail]


def shorten(message: str) -> str:
    """A message without its middle, where it is too long for anybody to read."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2
    return f"{message[:half]} … {message[-half:]}"


def _body(code: str, message: str, errors: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    return {
        "message": message,
        "code": code,
        "traceId": current_trace_id(),
        "errors": dict(errors or {}),
    }


def _answer(
    status: int, code: str, message: str, errors: Mapping[str, list[str]] | None = None
) -> Response:
    return Response(_body(code, message, errors), status=status)


# For `config/urls.py`: what went wrong before or outside of any view.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`: in JSON where the API lives, as a page elsewhere."""
    if request.path.startswith(API_PATHS):
        return _answer(400, "BadRequest", "This request is not acceptable.")
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: in JSON where the API lives, as a page elsewhere."""
    if request.path.startswith(API_PATHS):
        return _answer(500, "InternalError", "Something went wrong on our side.")
    return defaults.server_error(request)
