"""What every API view has: a clock reading, an actor, an envelope, one answer per key."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from rest_framework.exceptions import NotFound, Throttled, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.views import APIView

from workspace import actors, acts
from workspace.actors import Actor
from workspace.api import cursors, errors
from workspace.api.fields import BracketField, CommaListField
from workspace.api.responses import JSON, Response, Written
from workspace.api.terms import NOTHING, Terms, chosen
from workspace.api.throttling import KeyRate, wait_after_guess
from workspace.errors import DomainError, Unauthenticated
from workspace.json import dumps
from workspace.keys import KnownKey

T = TypeVar("T", bound=Model)
Handler = Callable[..., HttpResponse]


class OnlyJson(BaseContentNegotiation):
    """Reads JSON; a body of any other type is refused."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        kind, _, _ = request.content_type.partition(";")
        return parsers[0] if kind.strip().lower() == JSON else None


class ApiView(APIView):
    """The base of all API views.

    `self.now` is the clock, read once; `self.actor` is who asks; `self.terms` is what the
    method says of itself by `@speaks`. A POST that carries an `Idempotency-Key` takes effect
    once and gets the same answer for 24 hours (R40).

    The framework reads bodies and names what a view asks of callers; the way from request
    to answer is our own and shorter: whatever `Accept` says, the answer is JSON, so there
    is nothing to negotiate and nothing to render later.
    """

    content_negotiation_class = OnlyJson
    throttle_classes = [KeyRate]
    http_method_names = [name for name in APIView.http_method_names if name != "options"]

    names: ClassVar[Mapping[str, str]] = {"public_id": "id"}
    """How callers know the fields that refusals name, where camelCase is not all."""

    now: datetime
    actor: Actor
    terms: Terms

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Let the caller in, let the method answer; every exception is an answer, too."""
        self.now = timezone.now()
        self.request = self.initialize_request(request)
        handler = self._handler()
        self.terms = getattr(handler, "terms", NOTHING)
        try:
            self.admit()
            self._refuse_strange_body()
            if self.terms.query is None and request.method in SAFE_METHODS:
                self.read_query()  # of nothing: there are no filters
            if request.method == "POST" and "HTTP_IDEMPOTENCY_KEY" in request.META:
                handler = self._once(handler)
            response = handler(self.request, *args, **kwargs)
        except Exception as error:
            response = self.refuse(error)
        response["Allow"] = ", ".join(self.allowed_methods)
        return response

    def admit(self) -> None:
        """Ask for a key that is not used too often, and reaches so far (X1, X8, X3).

        Raises:
            Unauthenticated, Throttled, ReadOnlyKey: nothing else was looked at.
        """
        self.actor = self.request.user  # type: ignore[assignment]
        self.check_throttles(self.request)
        self.check_permissions(self.request)

    def _refuse_strange_body(self) -> None:
        """Refuse what is no object, even where nobody wants to know what is in it."""
        if self.request.method not in SAFE_METHODS and not isinstance(self.request.data, Mapping):
            raise ValidationError("The body must be a JSON object.")

    def recognise(self, key: KnownKey) -> None:
        """Know who asks from a statement that had other reasons, too; before `admit`."""
        self.request.user = actors.for_key(key)  # type: ignore[assignment]
        self.request.auth = key

    def refuse(self, error: Exception) -> Response:
        """The answer to an exception, whatever it is."""
        if isinstance(error, DomainError) and error.field:
            error.field = self.names.get(error.field, error.field)
        if isinstance(error, Unauthenticated):
            wait = wait_after_guess(self.request)
            error = error if wait is None else Throttled(wait)
        return errors.handle(error, {"request": self.request})

    def answer(self, data: Any, *, replayed: bool = False) -> Response:
        """`{"data": …}`, with the status that the method says.

        `replayed` marks the answer to a request in which nothing was new (R40).
        """
        return Response({"data": data}, self.terms.status, replayed=replayed)

    def page_of(
        self,
        rows: QuerySet[T],
        *,
        order: tuple[str, ...] = ("created_at", "id"),
        context: Mapping[str, Any] | None = None,
    ) -> Response:
        """One page of a list, newest first, its rows as the method says; see `cursors.page`."""
        serializer: type[BaseSerializer[Any]] = chosen(self.terms.page, self)
        found = cursors.page(rows, request=self.request._request, order=order)
        return Response(
            found.answer(
                lambda shown: serializer(shown, many=True, context=dict(context or {})).data
            )
        )

    def read_body(self) -> dict[str, Any]:
        """The body of the request, as the method says; no body is `{}`."""
        self._refuse_strange_body()
        return _read(chosen(self.terms.body, self), self.request.data)

    def read_query(self) -> dict[str, Any]:
        """The query parameters, as the method says.

        Only lists may be given in several pieces. Parameters that nobody knows are ignored,
        but not those with brackets: they are filters, and their list would hold too much.
        """
        asked = self.request.META.get("QUERY_STRING", "")
        return dict(_understood(chosen(self.terms.query, self) or Serializer, asked))

    def _handler(self) -> Handler:
        """What answers the method of the request."""
        method = (self.request._request.method or "").lower()
        handler: Handler = self.http_method_not_allowed
        if method in self.http_method_names:
            handler = getattr(self, method, handler)
        return handler

    def _once(self, handler: Handler) -> Handler:
        """`handler`, answering a repeated `Idempotency-Key` as it did the first time."""

        def handle(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
            def run() -> acts.Answer:
                response = handler(request, *args, **kwargs)
                return acts.Answer(response.status_code, response.content.decode())

            content = dumps([request.get_full_path(), request.data], sort_keys=True)
            answer = acts.once(
                run,
                principal=f"{self.actor.kind}:{self.actor.identifier}",
                key=request.META["HTTP_IDEMPOTENCY_KEY"],
                fingerprint=hashlib.sha256(content.encode()).hexdigest(),
                now=self.now,
            )
            return Written(answer.body, answer.status, replayed=answer.replayed)

        return handle


class UnknownRoute(ApiView):
    """Everything under the API's addresses that is not in the contract: JSON, not a page."""

    schema = None

    def admit(self) -> None:
        """Tell only those with a key that there is nothing."""
        super().admit()
        raise NotFound("There is nothing at this address.")


def _read(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    try:
        return dict(_reader(serializer).run_validation(data))
    except ValidationError:
        # One of its own knows how to put it, such as that there is no body at all.
        refusing = serializer(data=data)
        refusing.is_valid(raise_exception=True)
        raise


@lru_cache(maxsize=1000)
def _understood(serializer: type[Serializer[Any]], asked: str) -> Mapping[str, Any]:
    """A query string, read; remembered, because applications ask the same all day.

    What it means depends on nothing else. Its values are everybody's: nobody changes them.
    """
    query = QueryDict(asked.encode("iso-8859-1"))  # as WSGI hands bytes over
    fields = _reader(serializer).fields
    faults = {
        name: ["This is given more than once."]
        for name, values in query.lists()
        if len(values) > 1 and not isinstance(fields.get(name), CommaListField)
    }
    with_brackets = [name for name, field in fields.items() if isinstance(field, BracketField)]
    for name in query:
        base, bracket, _ = name.partition("[")
        if bracket and base not in with_brackets:
            allowed = ", ".join(f"{name}[…]" for name in with_brackets) or "none"
            faults[name] = [f"There is no such filter. Those with brackets: {allowed}."]
    if faults:
        raise ValidationError(faults)
    return _read(serializer, query)


@cache
def _reader(serializer: type[Serializer[Any]]) -> Serializer[Any]:
    """One serializer for all requests: making its fields costs ten times what they do.

    Reading changes neither it nor its fields.
    """
    return serializer()
