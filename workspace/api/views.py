"""What every API view has: a clock reading, an actor, an envelope, one answer per key."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.views import APIView

from workspace import acts
from workspace.actors import Actor
from workspace.api import cursors
from workspace.api.fields import CommaListField
from workspace.api.throttling import KeyRate
from workspace.json import dumps

T = TypeVar("T", bound=Model)
Handler = Callable[..., Response]


class AlwaysJson(BaseContentNegotiation):
    """Answers in JSON whatever `Accept` says: the key is looked at first, not that (X1)."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser | None:
        return DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """The base of all API views.

    `self.now` is the clock, read once; `self.actor` is who asks. A POST that carries an
    `Idempotency-Key` takes effect once and gets the same answer for 24 hours (R40).
    """

    content_negotiation_class = AlwaysJson
    throttle_classes = [KeyRate]
    metadata_class = None

    now: datetime
    actor: Actor

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = timezone.now()
        super().initial(request, *args, **kwargs)
        self.actor = request.user  # type: ignore[assignment]
        if request.method == "POST" and "Idempotency-Key" in request.headers:
            self.post = self._once(self.post)  # type: ignore[has-type]

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)

    def answer(self, data: Any, status: int = 200) -> Response:
        """`{"data": …}`."""
        return Response({"data": data}, status=status)

    def page_of(
        self,
        rows: QuerySet[T],
        serializer: type[BaseSerializer[Any]],
        *,
        order: tuple[str, ...] = ("created_at", "id"),
        context: Mapping[str, Any] | None = None,
    ) -> Response:
        """One page of a list, newest first; see `cursors.page`."""
        found = cursors.page(rows, request=self.request._request, order=order)
        return Response(
            found.answer(
                lambda shown: serializer(shown, many=True, context=dict(context or {})).data
            )
        )

    def read_body(self, serializer: type[Serializer[Any]], **kwargs: Any) -> dict[str, Any]:
        """The body of the request, as `serializer` understands it; no body is `{}`."""
        return _validated(serializer(data=self.request.data, **kwargs))

    def read_query(self, serializer: type[Serializer[Any]], **kwargs: Any) -> dict[str, Any]:
        """The query parameters, as `serializer` understands them.

        Only lists may be given in several pieces.
        """
        query = self.request.query_params
        reader = serializer(data=query, **kwargs)
        repeated = {
            name: ["This is given more than once."]
            for name, values in query.lists()
            if len(values) > 1 and not isinstance(reader.fields.get(name), CommaListField)
        }
        if repeated:
            raise ValidationError(repeated)
        return _validated(reader)

    def _once(self, handler: Handler) -> Handler:
        """`handler`, answering a repeated `Idempotency-Key` as it did the first time."""

        def handle(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
            def run() -> acts.Answer:
                response = handler(request, *args, **kwargs)
                return acts.Answer(response.status_code, dumps(response.data))

            content = dumps([request.get_full_path(), request.data], sort_keys=True)
            answer = acts.once(
                run,
                principal=f"{self.actor.kind}:{self.actor.identifier}",
                key=request.headers["Idempotency-Key"],
                fingerprint=hashlib.sha256(content.encode()).hexdigest(),
                now=self.now,
            )
            response = HttpResponse(
                answer.body, status=answer.status, content_type="application/json"
            )
            if answer.replayed:
                response["Idempotency-Replayed"] = "true"
            return response

        return handle  # type: ignore[return-value]


class UnknownRoute(ApiView):
    """Everything under the API's addresses that is not in the contract: JSON, not a page."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this address.")


def _validated(reader: Serializer[Any]) -> dict[str, Any]:
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)
