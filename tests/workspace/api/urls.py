"""A small API over what this room has, to test what all views share."""

from typing import TypedDict

from django.db import OperationalError
from django.urls import path, re_path
from rest_framework import serializers
from rest_framework.request import Request

from catalog.api.amounts import AmountField
from workspace import keys
from workspace.acts import act
from workspace.api.camel import CamelMixin
from workspace.api.fields import (
    CommaListField,
    InstantRangeField,
    TextField,
    wire_instant,
)
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView, UnknownRoute
from workspace.errors import BadInput, Busy, Conflict
from workspace.models import ApiKey, KeyKind, User


class KeyShape(TypedDict):
    lookup: str
    name: str
    createdAt: Instant


class KeyPresenter(serializers.BaseSerializer[ApiKey]):
    def to_representation(self, instance: ApiKey) -> KeyShape:
        return {
            "lookup": instance.lookup,
            "name": instance.name,
            "createdAt": wire_instant(instance.created_at),
        }


class KeyReader(serializers.Serializer):
    name = TextField(max_length=64)


class KeyFilter(CamelMixin, serializers.Serializer):
    name = TextField(required=False)
    status = CommaListField(child=serializers.ChoiceField(["A", "B"]), required=False)
    created_at = InstantRangeField(required=False)


class Keys(ApiView):
    @speaks(query=KeyFilter, page=KeyPresenter)
    def get(self, request: Request) -> Response:
        wanted = self.read_query()
        rows = ApiKey.objects.all()
        if "name" in wanted:
            rows = rows.filter(name=wanted["name"])
        return self.page_of(rows)

    @speaks(body=KeyReader, answer=KeyPresenter, status=201)
    def post(self, request: Request) -> Response:
        made = keys.create(**self.read_body(), kind=KeyKind.FULL, actor=self.actor, now=self.now)
        return self.answer(KeyPresenter(made.key).data)


class LineReader(CamelMixin, serializers.Serializer):
    unit_amount = AmountField()


class LinesReader(serializers.Serializer):
    lines = LineReader(many=True)


class Echo(ApiView):
    @speaks(query=KeyFilter, answer=dict[str, str])
    def get(self, request: Request) -> Response:
        return self.answer({"filter": self.read_query()})

    @speaks(answer=dict[str, str])
    def post(self, request: Request) -> Response:
        return self.answer({"body": request.data, "actor": str(self.actor)})


class Lines(ApiView):
    @speaks(body=LinesReader, answer=dict[str, str])
    def post(self, request: Request) -> Response:
        return self.answer(self.read_body())


class SubscriptionExists(Conflict):
    pass


@act
def fail(*, how: str) -> None:
    User.objects.create(username="half-way")
    raise {
        "bad": BadInput("Too small.", field="unit_cost"),
        "rows": BadInput("Two rows are wrong.", field="usages", rows={1: "Low.", 3: "High."}),
        "conflict": SubscriptionExists("There is one."),
        "busy": Busy("Later."),
        "database": OperationalError("host=secret.internal refused"),
        "bug": ZeroDivisionError("secret detail"),
    }[how]


class Fail(ApiView):
    @speaks(answer=dict[str, str])
    def post(self, request: Request, how: str) -> Response:
        fail(how=how)
        return self.answer({})


urlpatterns = [
    path("api/v1/keys", Keys.as_view()),
    path("api/v1/other-keys", Keys.as_view()),
    path("api/v1/echo", Echo.as_view()),
    path("api/v1/lines", Lines.as_view()),
    path("api/v1/fail/<how>", Fail.as_view()),
    re_path(r"^(?:api|v1)/", UnknownRoute.as_view()),
]
handler400 = "workspace.api.errors.bad_request"
handler500 = "workspace.api.errors.server_error"
