"""What callers send about subscriptions, and how verbs understand it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from catalog.api.amounts import AmountField
from catalog.api.base import Flag
from catalog.api.resets import MONTHLY, WEEKLY, YEARLY
from catalog.models import BillingPeriod, Cadence, PricingType, ResetPeriod, TrialEnd
from catalog.models.products import CancellationTime
from subscriptions import choices
from subscriptions.cancellation import CancellationAction
from subscriptions.choices import LARGEST_LIMIT, LARGEST_QUANTITY, CreditValue, FeatureValue, Value
from subscriptions.discounts import Discount
from subscriptions.models import PaymentCollectionMethod, Status
from subscriptions.provisioning import Trial
from subscriptions.subscription_imports import MOST_AT_ONCE, Arrival
from subscriptions.updates import Changes, When
from workspace.api.camel import CamelMixin
from workspace.api.fields import (
    ChoiceField,
    CommaListField,
    InstantRangeField,
    MetadataField,
    PublicIdField,
    TextField,
    UtcDateTimeField,
)
from workspace.api.schema import Description

LONGEST_LIST = 100
RESETS = {
    "monthlyResetPeriodConfiguration": MONTHLY,
    "weeklyResetPeriodConfiguration": WEEKLY,
    "yearlyResetPeriodConfiguration": YEARLY,
}


class NotYet(serializers.Field[None, Any, Any, Any]):
    """Something of the contract that would be lost silently: anything but nothing is refused."""

    default_error_messages = {"unsupported": "This is not supported yet."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, write_only=True, **kwargs)

    def to_internal_value(self, data: Any) -> None:
        if data not in (None, [], {}, ""):
            self.fail("unsupported")

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        return {
            "type": ["array", "object", "string"],
            "maxItems": 0,
            "maxProperties": 0,
            "maxLength": 0,
            "description": "Not supported yet: leave it out.",
        }


class WholeField(serializers.IntegerField):
    """A whole JSON number; no text that looks like one."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | Decimal):
            self.fail("invalid")
        return super().to_internal_value(str(data))


class AddonBody(serializers.Serializer[Any]):
    """An add-on and how many of it."""

    id = PublicIdField()
    quantity = WholeField(min_value=1, max_value=LARGEST_QUANTITY)


class ChargeBody(serializers.Serializer[Any]):
    """Units bought of a feature (R17)."""

    id = PublicIdField()
    type = ChoiceField(["FEATURE", "CREDIT"])
    quantity = WholeField(min_value=0, max_value=LARGEST_LIMIT)

    def validate_type(self, kind: str) -> str:
        """Bundles of credits are no part of this yet."""
        if kind == "CREDIT":
            raise serializers.ValidationError("Charges of credits are not supported yet.")
        return kind


class AccordingTo(serializers.Field[dict[str, str], Any, Any, Any]):
    """`{"accordingTo": …}`: with what the use of a feature starts again."""

    default_error_messages = {"choice": "accordingTo must be one of {choices}."}

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, **kwargs})
        self.choices = choices

    def to_internal_value(self, data: Any) -> dict[str, str]:
        chosen = data.get("accordingTo") if isinstance(data, dict) else None
        if chosen not in self.choices:
            self.fail("choice", choices=", ".join(self.choices))
        return {"accordingTo": chosen}

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        according_to = {"type": "string", "enum": [*self.choices]}
        return {
            "type": "object",
            "properties": {"accordingTo": according_to},
            "required": ["accordingTo"],
        }


class FeatureValueBody(CamelMixin, serializers.Serializer[Any]):
    """The limit of a feature for this subscription."""

    type = ChoiceField(["FEATURE"])
    id = PublicIdField()
    usage_limit = WholeField(min_value=0, max_value=LARGEST_LIMIT, required=False, allow_null=True)
    has_unlimited_usage = Flag(required=False)
    has_soft_limit = Flag(required=False, allow_null=True)
    reset_period = ChoiceField(ResetPeriod.values, required=False)

    def get_fields(self) -> dict[str, Any]:
        """With the three configurations, each of its own choices."""
        return super().get_fields() | {
            name: AccordingTo(choices) for name, choices in RESETS.items()
        }

    def value(self) -> FeatureValue:
        """The value as verbs know it."""
        given = self.validated_data
        configured = next((given[name] for name in RESETS if given.get(name)), None)
        return FeatureValue(
            feature_id=given["id"],
            usage_limit=given.get("usage_limit"),
            has_unlimited_usage=given.get("has_unlimited_usage", False),
            has_soft_limit=given.get("has_soft_limit"),
            reset_period=given.get("reset_period", ""),
            reset_configuration=configured,
        )


class CreditValueBody(serializers.Serializer[Any]):
    """A custom amount of credits for this subscription."""

    type = ChoiceField(["CREDIT"])
    id = PublicIdField()
    amount = AmountField()
    cadence = ChoiceField(Cadence.values)

    def value(self) -> CreditValue:
        """The value as verbs know it."""
        given = self.validated_data
        return CreditValue(
            credit_type_id=given["id"], amount=given["amount"], cadence=given["cadence"]
        )


class ValuesField(serializers.Field[list[Value], Any, Any, Any]):
    """A list of values of either kind, told apart by `type`."""

    default_error_messages = {
        "list": "A list of at most 100 objects is needed.",
        "type": "The type must be FEATURE or CREDIT.",
    }
    KINDS: dict[str, type[FeatureValueBody | CreditValueBody]] = {
        "FEATURE": FeatureValueBody,
        "CREDIT": CreditValueBody,
    }

    def to_internal_value(self, data: Any) -> list[Value]:
        if not isinstance(data, list) or len(data) > LONGEST_LIST:
            self.fail("list")
        values: list[Value] = []
        for item in data:
            kind = item.get("type") if isinstance(item, dict) else None
            if not isinstance(kind, str) or kind not in self.KINDS:
                self.fail("type")
            body: FeatureValueBody | CreditValueBody = self.KINDS[kind](data=item)
            body.is_valid(raise_exception=True)
            values.append(body.value())
        return values

    def described(self, schema: Description) -> dict[str, Any]:
        """For the OpenAPI description."""
        kinds = [schema.field(kind()) for kind in self.KINDS.values()]
        return {"type": "array", "items": {"oneOf": kinds}, "maxItems": LONGEST_LIST}


class TrialOverrideBody(CamelMixin, serializers.Serializer[Any]):
    """A trial in place of the plan's."""

    is_trial = Flag()
    trial_end_behavior = ChoiceField(TrialEnd.values, default=TrialEnd.CONVERT_TO_PAID.value)
    trial_end_date = UtcDateTimeField(required=False)


class CouponConfigurationBody(CamelMixin, serializers.Serializer[Any]):
    """From when on a coupon counts."""

    start_date = UtcDateTimeField(required=False)


class AppliedCouponBody(CamelMixin, serializers.Serializer[Any]):
    """A coupon of this workspace; discounts made up for one subscription are not kept."""

    coupon_id = PublicIdField()
    configuration = CouponConfigurationBody(required=False)
    billing_coupon_id = NotYet()
    discount = NotYet()
    promotion_code = NotYet()


class UpdateBody(CamelMixin, serializers.Serializer[Any]):
    """Changes of a subscription. What is absent stays; null clears where there is a null."""

    addons = serializers.ListField(child=AddonBody(), required=False, max_length=LONGEST_LIST)
    charges = serializers.ListField(child=ChargeBody(), required=False, max_length=LONGEST_LIST)
    entitlements = ValuesField(required=False)
    billing_cycle_anchor = ChoiceField(["UNCHANGED", "NOW"], required=False)
    cancellation_date = UtcDateTimeField(required=False, allow_null=True)
    metadata = MetadataField(required=False)
    trial_end_date = UtcDateTimeField(required=False)
    schedule_strategy = ChoiceField(list(When), required=False)
    billing_period = ChoiceField(BillingPeriod.values, required=False)
    applied_coupon = AppliedCouponBody(required=False, allow_null=True)
    promotion_code = NotYet()
    budget = NotYet()
    minimum_spend = NotYet()
    price_overrides = NotYet()


class ProvisionBody(CamelMixin, serializers.Serializer[Any]):
    """A new subscription."""

    customer_id = PublicIdField()
    plan_id = PublicIdField()
    id = PublicIdField(required=False)
    addons = serializers.ListField(child=AddonBody(), required=False, max_length=LONGEST_LIST)
    charges = serializers.ListField(child=ChargeBody(), required=False, max_length=LONGEST_LIST)
    unit_quantity = WholeField(
        min_value=0, max_value=LARGEST_LIMIT, required=False, allow_null=True
    )
    entitlements = ValuesField(required=False)
    billing_cycle_anchor = ChoiceField(["UNCHANGED", "NOW"], required=False)
    billing_id = TextField(max_length=255, required=False, allow_null=True, allow_blank=True)
    billing_period = ChoiceField(BillingPeriod.values, required=False)
    cancellation_date = UtcDateTimeField(required=False)
    metadata = MetadataField(required=False)
    paying_customer_id = PublicIdField(required=False, allow_null=True)
    payment_collection_method = ChoiceField(PaymentCollectionMethod.values, required=False)
    resource_id = PublicIdField(required=False, allow_null=True)
    start_date = UtcDateTimeField(required=False)
    schedule_strategy = ChoiceField(list(When), required=False)
    trial_override_configuration = TrialOverrideBody(required=False)
    applied_coupon = AppliedCouponBody(required=False, allow_null=True)
    budget = NotYet()
    minimum_spend = NotYet()
    price_overrides = NotYet()


class CancelBody(CamelMixin, serializers.Serializer[Any]):
    """How a subscription is to end."""

    cancellation_action = ChoiceField(
        list(CancellationAction), default=CancellationAction.DEFAULT.value
    )
    cancellation_time = ChoiceField(CancellationTime.values, required=False)
    end_date = UtcDateTimeField(required=False)


class MigrateBody(CamelMixin, serializers.Serializer[Any]):
    """When a subscription is to move."""

    subscription_migration_time = ChoiceField(
        [When.END_OF_BILLING_PERIOD, When.IMMEDIATE], required=False
    )


class TransferBody(CamelMixin, serializers.Serializer[Any]):
    """Which resource a subscription goes to."""

    destination_resource_id = PublicIdField()


class DelegateBody(CamelMixin, serializers.Serializer[Any]):
    """Who is to pay for a subscription."""

    target_customer_id = PublicIdField()


class ChargeUsageBody(CamelMixin, serializers.Serializer[Any]):
    """Until when use is to be charged."""

    until_date = UtcDateTimeField(required=False)


class ArrivalBody(CamelMixin, serializers.Serializer[Any]):
    """A subscription of another system."""

    id = PublicIdField(source="public_id")
    customer_id = PublicIdField()
    plan_id = PublicIdField()
    addons = serializers.ListField(child=AddonBody(), required=False, max_length=LONGEST_LIST)
    charges = serializers.ListField(child=ChargeBody(), required=False, max_length=LONGEST_LIST)
    billing_id = TextField(max_length=255, required=False, allow_null=True, allow_blank=True)
    billing_period = ChoiceField(BillingPeriod.values, required=False)
    end_date = UtcDateTimeField(source="ends_at", required=False, allow_null=True)
    metadata = MetadataField(required=False)
    resource_id = PublicIdField(required=False, allow_null=True)
    start_date = UtcDateTimeField(source="started_at", required=False)

    def to_internal_value(self, data: Any) -> Arrival:
        """The arrival as verbs know it."""
        given = super().to_internal_value(data)
        pairs = {
            "addons": addons_of(given.pop("addons", [])),
            "units": addons_of(given.pop("charges", [])),
        }
        return Arrival(**{**given, **pairs, "billing_id": given.get("billing_id") or ""})


class ImportSubscriptionsBody(CamelMixin, serializers.Serializer[Any]):
    """Many subscriptions of another system."""

    subscriptions = serializers.ListField(
        child=ArrivalBody(), min_length=1, max_length=MOST_AT_ONCE
    )
    integration_id = NotYet()


class SubscriptionFilters(CamelMixin, serializers.Serializer[Any]):
    """Which subscriptions are listed."""

    customer_id = PublicIdField(required=False)
    plan_id = PublicIdField(required=False)
    resource_id = PublicIdField(required=False)
    pricing_type = CommaListField(child=ChoiceField(PricingType.values), required=False)
    status = CommaListField(child=ChoiceField(Status.values), required=False)
    created_at = InstantRangeField(required=False)


def order_of(body: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The body of a provision as `provisioning.start` takes it."""
    order: dict[str, Any] = {
        "customer_id": body["customer_id"],
        "plan_id": body["plan_id"],
        "public_id": body.get("id"),
        "addons": addons_of(body.get("addons", [])),
        "entitlements": [*body.get("entitlements", []), *units_of(body.get("charges", []))],
        "unit_quantity": body.get("unit_quantity"),
        "billing_period": body.get("billing_period"),
        "resource_id": body.get("resource_id"),
        "paying_customer_id": body.get("paying_customer_id"),
        "started_at": body.get("start_date"),
        "ends_at": body.get("cancellation_date"),
        "billing_cycle_anchor": now if body.get("billing_cycle_anchor") == "NOW" else None,
        "billing_id": body.get("billing_id") or "",
        "payment_collection_method": body.get("payment_collection_method", ""),
        "coupon": discount_of(body),
        "metadata": body.get("metadata", {}),
    }
    trial = body.get("trial_override_configuration")
    if trial is not None and not trial["is_trial"]:
        order["skip_trial"] = True
    elif trial is not None and "trial_end_date" in trial:
        order["trial"] = Trial(trial["trial_end_date"], trial["trial_end_behavior"])
    return order


NEW_ONLY = ("id", "start_date", "trial_override_configuration", "cancellation_date", "billing_id")
"""What an order says of a subscription that is new, and a change of plan does not."""


def plan_change_of(body: dict[str, Any], now: datetime) -> Changes | None:
    """The body of a provision as a change of plan; None if it can only be a new one."""
    if any(name in body for name in NEW_ONLY):
        return None
    changes = changes_of(body, now)
    changes["plan_id"] = body["plan_id"]
    if body.get("unit_quantity") is not None:
        plan = choices.plan_on_sale(body["plan_id"])
        assert plan.live is not None, "what is on sale has a live version"
        units = choices.units_of_plan(plan.live, body["unit_quantity"])
        changes["units"] = [*changes.get("units", []), *units]
    return changes


def changes_of(body: dict[str, Any], now: datetime) -> Changes:
    """The body of an update as `updates.update` takes it."""
    changes: Changes = {}
    if "addons" in body:
        changes["addons"] = addons_of(body["addons"])
    if "entitlements" in body:
        changes["entitlements"] = body["entitlements"]
    if "charges" in body:
        changes["units"] = units_of(body["charges"])
    if "billing_period" in body:
        changes["billing_period"] = body["billing_period"]
    discount = discount_of(body)
    if discount is not None:
        changes["coupon"] = discount
    if body.get("billing_cycle_anchor") == "NOW":
        changes["billing_cycle_anchor"] = now
    if "cancellation_date" in body:
        changes["ends_at"] = body["cancellation_date"]
    if "trial_end_date" in body:
        changes["trial_ends_at"] = body["trial_end_date"]
    if "metadata" in body:
        changes["metadata"] = body["metadata"]
    return changes


def discount_of(body: dict[str, Any]) -> Discount | None:
    """The coupon of a body, if it names one, as verbs take it."""
    named = body.get("applied_coupon")
    if named is None:
        return None
    return Discount(named["coupon_id"], named.get("configuration", {}).get("start_date"))


def addons_of(bodies: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Add-ons as verbs take them."""
    return [(body["id"], body["quantity"]) for body in bodies]


def units_of(bodies: list[dict[str, Any]]) -> list[Value]:
    """Units bought as verbs take them."""
    return [FeatureValue(feature_id=body["id"], usage_limit=body["quantity"]) for body in bodies]
