"""May this customer go on? The access check, and everything a customer may use (R43–R45)."""

from typing import Any, Literal, TypedDict

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from catalog.api.amounts import AmountField
from credits import access, entitlements
from credits.access import Decision
from credits.api import shapes
from credits.entitlements import Wish
from workspace import keys
from workspace.api.authentication import raw_key
from workspace.api.camel import CamelMixin
from workspace.api.fields import CommaListField, PublicIdField, TextField
from workspace.api.responses import Response
from workspace.api.terms import speaks
from workspace.api.views import ApiView


class CheckFilters(CamelMixin, serializers.Serializer[Any]):
    """What is about to be used: of one feature, or of one credit type."""

    feature_id = PublicIdField(required=False)
    currency_id = PublicIdField(required=False)
    resource_id = PublicIdField(required=False)
    requested_usage = AmountField(in_query=True, allow_zero=True, required=False)
    requested_values = CommaListField(child=TextField(max_length=255), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of the two."""
        if ("feature_id" in attrs) == ("currency_id" in attrs):
            raise ValidationError("Give either featureId or currencyId.")
        if "currency_id" in attrs and attrs.get("requested_values"):
            raise ValidationError({"requestedValues": ["Credits have no values."]})
        return attrs


class ResourceFilter(CamelMixin, serializers.Serializer[Any]):
    """Of which resource, if not of the customer as a whole."""

    resource_id = PublicIdField(required=False)


class CheckView(ApiView):
    """`/customers/{id}/entitlements/check`.

    The hottest read of all. A question about credits that makes sense brings its key along
    into the one statement that answers it; for all others the key is looked at first (X1).
    """

    decision: Decision | None = None

    def admit(self) -> None:
        """Recognise the key, while deciding if this can be decided in one statement."""
        if self.request.method in ("GET", "HEAD"):
            try:
                query = self.read_query()
            except ValidationError:
                super().admit()
                raise
            if "currency_id" in query:
                self._decide(query)
        super().admit()

    def _decide(self, query: dict[str, Any]) -> None:
        key, self.decision = access.check_for_key(
            wanted=keys.parse(raw_key(self.request), self.now),
            customer_id=self.kwargs["customer_id"],
            credit_type_id=query["currency_id"],
            resource_id=query.get("resource_id"),
            amount=query.get("requested_usage"),
            now=self.now,
        )
        self.recognise(key)

    @speaks(query=CheckFilters, answer=shapes.CheckedShape)
    def get(self, request: Request, customer_id: str) -> Response:
        """Say yes or no; a no has a reason and is an answer like any other."""
        return self.answer(self.decided(customer_id))

    def decided(self, customer_id: str) -> shapes.CheckedShape:
        """The answer, in the shape of what was asked for."""
        query = self.read_query()
        if self.decision is not None:
            return shapes.credit_entitlement(
                self.decision.standing,
                self.decision.denial,
                credit_type=self.decision.credit_type,
                asked_for=query["currency_id"],
                now=self.now,
            )
        state = entitlements.check_feature(
            customer_id=customer_id,
            feature_id=query["feature_id"],
            resource_id=query.get("resource_id"),
            wish=Wish(query.get("requested_usage"), query.get("requested_values", ())),
            now=self.now,
        )
        return shapes.feature_entitlement(state)


class EntitlementsView(ApiView):
    """`/customers/{id}/entitlements`."""

    @speaks(query=ResourceFilter, answer=shapes.CustomerEntitlementsShape)
    def get(self, request: Request, customer_id: str) -> Response:
        """Everything the customer may use, credits first."""
        query = self.read_query()
        state = entitlements.state(
            customer_id=customer_id, resource_id=query.get("resource_id"), now=self.now
        )
        return self.answer(shapes.entitlements(state, self.now))


class EdgeAnswerShape(TypedDict):
    """Everything a customer may use, as SDKs read it."""

    entitlementsState: shapes.EdgeStateShape


SdkConfigurationShape = TypedDict(
    "SdkConfigurationShape",
    {
        "__typename": Literal["SdkConfiguration"],
        "sentryDsn": None,
        "isWidgetWatermarkEnabled": bool,
        "showWatermark": bool,
    },
)


class ConfigurationShape(TypedDict):
    """How SDKs are to behave."""

    sdkConfiguration: SdkConfigurationShape


class EdgeStateView(ApiView):
    """`/v1/c/{customerId}/entitlements-state.json`: what server SDKs read, and keep."""

    @speaks(query=ResourceFilter, answer=EdgeAnswerShape)
    def get(self, request: Request, customer_id: str) -> Response:
        """Everything the customer may use, so that the SDK can decide."""
        resource_id = self.read_query().get("resource_id")
        state = entitlements.state(customer_id=customer_id, resource_id=resource_id, now=self.now)
        shown = shapes.edge_state(
            state, customer_id=customer_id, resource_id=resource_id, now=self.now
        )
        return self.answer({"entitlementsState": shown})


class EdgeListView(ApiView):
    """`/v1/c/{customerId}/entitlements.json`: what server SDKs of the third generation read."""

    @speaks(query=ResourceFilter, answer=shapes.EdgeListShape)
    def get(self, request: Request, customer_id: str) -> Response:
        """The features that the customer may use."""
        resource_id = self.read_query().get("resource_id")
        state = entitlements.state(customer_id=customer_id, resource_id=resource_id, now=self.now)
        shown = shapes.edge_list(
            state, customer_id=customer_id, resource_id=resource_id, now=self.now
        )
        return self.answer({"entitlements": shown})


class EdgeConfigurationView(ApiView):
    """`/v1/config/server-sdk-configuration.json`: SDKs read it to try their key.

    The same for SDKs in browsers, at `client-sdk-configuration.json`.
    """

    @speaks(answer=ConfigurationShape)
    def get(self, request: Request) -> Response:
        """Nothing to configure."""
        configuration = {
            "__typename": "SdkConfiguration",
            "sentryDsn": None,
            "isWidgetWatermarkEnabled": False,
            "showWatermark": False,
        }
        return self.answer({"sdkConfiguration": configuration})
