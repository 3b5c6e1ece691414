"""Promotional entitlements over HTTP: features given to one customer outside any plan."""

from typing import Annotated, Any, TypedDict

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request

from catalog.api.base import Flag
from catalog.api.resets import ResetShape
from catalog.models import ResetPeriod
from subscriptions import customers, promotions
from subscriptions.api.orders import RESETS, AccordingTo, WholeField
from subscriptions.choices import LARGEST_LIMIT
from subscriptions.models import PromotionalEntitlement, PromotionPeriod, PromotionStatus
from subscriptions.promotions import MOST_AT_ONCE, Gift
from workspace.api.camel import CamelMixin
from workspace.api.fields import (
    ChoiceField,
    CommaListField,
    InstantRangeField,
    PublicIdField,
    TextField,
    UtcDateTimeField,
    wire_instant,
)
from workspace.api.responses import Response
from workspace.api.terms import Instant, one_of, speaks
from workspace.api.views import ApiView

MOST_VALUES = 100
CONFIGURATION_OF = {
    ResetPeriod.MONTH: "monthlyResetPeriodConfiguration",
    ResetPeriod.WEEK: "weeklyResetPeriodConfiguration",
    ResetPeriod.YEAR: "yearlyResetPeriodConfiguration",
}


class GiftBody(CamelMixin, serializers.Serializer[Any]):
    """A feature to be given. Every field is sent; null where there is nothing to say."""

    feature_id = PublicIdField()
    period = ChoiceField(PromotionPeriod.values)
    custom_end_date = UtcDateTimeField(allow_null=True)
    usage_limit = WholeField(min_value=0, max_value=LARGEST_LIMIT, allow_null=True)
    has_unlimited_usage = Flag(allow_null=True)
    has_soft_limit = Flag(allow_null=True)
    is_visible = Flag(allow_null=True)
    enum_values = serializers.ListField(
        child=TextField(max_length=255), allow_null=True, max_length=MOST_VALUES
    )
    reset_period = ChoiceField(ResetPeriod.values, allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """With the three configurations, each of its own choices."""
        return super().get_fields() | {
            name: AccordingTo(choices, required=True) for name, choices in RESETS.items()
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A configuration belongs to its own reset period."""
        own = CONFIGURATION_OF.get(attrs["reset_period"])
        for name in RESETS:
            if attrs[name] is not None and name != own:
                raise serializers.ValidationError(
                    {name: ["This belongs to another reset period than the chosen one."]}
                )
        return attrs


class GiveBody(CamelMixin, serializers.Serializer[Any]):
    """Features to be given, all or none."""

    promotional_entitlements = serializers.ListField(
        child=GiftBody(), min_length=1, max_length=MOST_AT_ONCE
    )


class PromotionFilters(CamelMixin, serializers.Serializer[Any]):
    """Which promotional entitlements are listed."""

    status = CommaListField(child=ChoiceField(PromotionStatus.values), required=False)
    created_at = InstantRangeField(required=False)


class PromotionShape(TypedDict):
    """A feature given to one customer outside any plan."""

    id: str
    featureId: str
    environmentId: str
    description: str | None
    period: Annotated[str, one_of(PromotionPeriod.values)]
    startDate: Instant
    endDate: Instant | None
    status: Annotated[str, one_of(PromotionStatus.values)]
    usageLimit: int | None
    hasUnlimitedUsage: bool
    hasSoftLimit: bool
    enumValues: list[str] | None
    resetPeriod: Annotated[str, one_of(ResetPeriod.values)] | None
    resetPeriodConfiguration: ResetShape | None
    isVisible: bool
    featureGroupIds: list[str] | None
    createdAt: Instant
    updatedAt: Instant


class PromotionAnswer(serializers.BaseSerializer[PromotionalEntitlement]):
    """A promotional entitlement, as it is at `now` of the context."""

    def to_representation(self, instance: PromotionalEntitlement) -> PromotionShape:
        """Every key of the contract."""
        return {
            "id": instance.public_id,
            "featureId": instance.feature.public_id,
            "environmentId": settings.STIPEND_WORKSPACE_NAME,
            "description": instance.feature.description or None,
            "period": instance.period,
            "startDate": wire_instant(instance.starts_at),
            "endDate": wire_instant(instance.ends_at) if instance.ends_at else None,
            "status": instance.status_at(self.context["now"]),
            "usageLimit": instance.usage_limit,
            "hasUnlimitedUsage": instance.has_unlimited_usage,
            "hasSoftLimit": instance.has_soft_limit,
            "enumValues": instance.enum_values or None,
            "resetPeriod": instance.reset_period or None,
            "resetPeriodConfiguration": instance.reset_configuration,
            "isVisible": instance.is_visible,
            "featureGroupIds": None,
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
        }


class PromotionalEntitlementsView(ApiView):
    """`/customers/{id}/promotional-entitlements`."""

    @speaks(query=PromotionFilters, page=PromotionAnswer)
    def get(self, request: Request, customer_id: str) -> Response:
        """List what a customer was given, the ended ones included."""
        query = self.read_query()
        bounds = query.get("created_at", {})
        rows = PromotionalEntitlement.objects.select_related("feature").filter(
            customer=customers.find(customer_id),
            **{f"created_at__{operator}": instant for operator, instant in bounds.items()},
        )
        if query.get("status"):
            rows = rows.with_any_status(query["status"], self.now)
        return self.page_of(rows, context={"now": self.now})

    @speaks(body=GiveBody, answer=list[PromotionShape], status=201)
    def post(self, request: Request, customer_id: str) -> Response:
        """Give features to a customer."""
        body = self.read_body()
        given = promotions.give(
            customer_id=customer_id,
            gifts=[gift_of(gift) for gift in body["promotional_entitlements"]],
            actor=self.actor,
            now=self.now,
        )
        shown = PromotionAnswer(context={"now": self.now})
        return self.answer([shown.to_representation(row) for row in given])


class PromotionalEntitlementView(ApiView):
    """`/customers/{id}/promotional-entitlements/{featureId}`."""

    @speaks(answer=PromotionAnswer)
    def delete(self, request: Request, customer_id: str, feature_id: str) -> Response:
        """Take a feature back."""
        row = promotions.revoke(
            customer_id=customer_id, feature_id=feature_id, actor=self.actor, now=self.now
        )
        return self.answer(PromotionAnswer(row, context={"now": self.now}).data)


def gift_of(body: dict[str, Any]) -> Gift:
    """A gift in the words of the verbs."""
    is_visible = body["is_visible"]
    return Gift(
        feature_id=body["feature_id"],
        period=body["period"],
        custom_end_date=body["custom_end_date"],
        usage_limit=body["usage_limit"],
        has_unlimited_usage=bool(body["has_unlimited_usage"]),
        has_soft_limit=bool(body["has_soft_limit"]),
        enum_values=body["enum_values"] or (),
        reset_period=body["reset_period"] or "",
        reset_configuration=next((body[name] for name in RESETS if body[name]), None),
        is_visible=True if is_visible is None else is_visible,
    )
