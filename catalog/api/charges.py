"""Prices over HTTP: how a body says them, and how they are listed (R10, R33).

A pricing model with `creditRate` is no price in money but a consumption mapping; both stand
in one list.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypedDict, cast

from rest_framework import serializers

from catalog.api.amounts import AmountField
from catalog.api.base import Flag, Whole, named_credit_types, named_features, settle_limit
from catalog.api.resets import (
    CONFIGURATIONS,
    MonthlyReset,
    WeeklyReset,
    YearlyReset,
    configuration_for,
)
from catalog.checking import InvalidField
from catalog.entitlements import FeatureTerms, NewFeature
from catalog.models import (
    BillingCadence,
    BillingModel,
    BillingPeriod,
    Charge,
    ConsumptionMapping,
    GrantCadence,
    PackageVersion,
    PricingType,
    ResetPeriod,
)
from catalog.prices import NewCharge, NewMapping
from workspace.api.camel import CamelMixin
from workspace.api.currencies import Currency, CurrencyField
from workspace.api.fields import ChoiceField, PublicIdField, TextField, wire_instant
from workspace.api.terms import Instant, one_of

MOST_PRICES = 200
TIERS_MODES = ["VOLUME", "GRADUATED"]
CURRENCY = "USD"
"""The currency of a price that names none."""


class MoneyBody(serializers.Serializer[Any]):
    """Money in whole units: 49 is 49.00."""

    amount = AmountField(allow_zero=True)
    currency = CurrencyField(required=False)


class CreditRateBody(CamelMixin, serializers.Serializer[Any]):
    """What a unit of use costs in credits, or the formula that says it (R34)."""

    amount = AmountField(allow_zero=True)
    currency_id = PublicIdField()
    cost_formula = TextField(multiline=True, required=False, allow_blank=True, max_length=2000)


class TierBody(CamelMixin, serializers.Serializer[Any]):
    """A step of a price."""

    up_to = AmountField(required=False)
    unit_price = MoneyBody(required=False)
    flat_price = MoneyBody(required=False)


class PricePeriodBody(CamelMixin, serializers.Serializer[Any]):
    """The price for one billing period."""

    billing_period = ChoiceField(BillingPeriod.values)
    billing_country_code = serializers.RegexField(r"\A[A-Z]{2}\Z", required=False)
    block_size = AmountField(required=False)
    credit_grant_cadence = ChoiceField(GrantCadence.values, required=False)
    credit_rate = CreditRateBody(required=False)
    price = MoneyBody(required=False)
    tiers = serializers.ListField(child=TierBody(), required=False, max_length=MOST_PRICES)


class PricingModelBody(CamelMixin, serializers.Serializer[Any]):
    """One thing that is charged, for one or more billing periods."""

    billing_model = ChoiceField(BillingModel.values)
    billing_cadence = ChoiceField(BillingCadence.values, required=False)
    feature_id = PublicIdField(required=False)
    max_unit_quantity = Whole(required=False, min_value=1, max_value=10**9)
    min_unit_quantity = Whole(required=False, min_value=0, max_value=10**9)
    price_periods = serializers.ListField(
        child=PricePeriodBody(), allow_empty=False, max_length=MOST_PRICES
    )
    reset_period = ChoiceField(ResetPeriod.values, required=False)
    monthly_reset_period_configuration = MonthlyReset(required=False)
    weekly_reset_period_configuration = WeeklyReset(required=False)
    yearly_reset_period_configuration = YearlyReset(required=False)
    tiers_mode = ChoiceField(TIERS_MODES, required=False)
    top_up_custom_currency_id = PublicIdField(required=False)


class MinimumSpendBody(CamelMixin, serializers.Serializer[Any]):
    """The least that is billed per period."""

    billing_period = ChoiceField(BillingPeriod.values)
    minimum = MoneyBody()


class OverageEntitlementBody(CamelMixin, serializers.Serializer[Any]):
    """What is included of a feature before its overage is charged."""

    feature_id = PublicIdField()
    has_soft_limit = Flag(required=False)
    has_unlimited_usage = Flag(required=False)
    usage_limit = Whole(required=False, min_value=0, max_value=2**53)
    reset_period = ChoiceField(ResetPeriod.values, required=False)
    monthly_reset_period_configuration = MonthlyReset(required=False)
    weekly_reset_period_configuration = WeeklyReset(required=False)
    yearly_reset_period_configuration = YearlyReset(required=False)


class OverageModelBody(PricingModelBody):
    """What is charged beyond what is included, and how much that is."""

    entitlement = OverageEntitlementBody(required=False)


class ChargesBody(CamelMixin, serializers.Serializer[Any]):
    """All prices of a draft; they replace those it has."""

    pricing_type = ChoiceField(PricingType.values)
    billing_id = TextField(required=False, allow_blank=True, max_length=255)
    minimum_spend = serializers.ListField(
        child=MinimumSpendBody(), required=False, allow_null=True, max_length=MOST_PRICES
    )
    overage_billing_period = ChoiceField(["ON_SUBSCRIPTION_RENEWAL", "MONTHLY"], required=False)
    overage_pricing_models = serializers.ListField(
        child=OverageModelBody(), required=False, max_length=MOST_PRICES
    )
    pricing_models = serializers.ListField(
        child=PricingModelBody(), required=False, max_length=MOST_PRICES
    )


def wanted_prices(body: Mapping[str, Any]) -> tuple[list[NewCharge], list[NewMapping]]:
    """What a body asks for, in the words of the verbs.

    Raises:
        InvalidField: it names something unknown, or says two things about one mapping.
    """
    models = body.get("pricing_models", [])
    overage = body.get("overage_pricing_models", [])
    finder = _Finder.reading([*models, *overage])
    charges = [
        NewCharge(
            billing_model=BillingModel.MINIMUM_SPEND,
            billing_period=spend["billing_period"],
            **_money(spend["minimum"]),
        )
        for spend in body.get("minimum_spend") or []
    ]
    charges += [charge for model in models for charge in _charges(model, finder)]
    charges += [charge for model in overage for charge in _charges(model, finder, is_overage=True)]
    return charges, _mappings(models, finder)


def wanted_entitlements(body: Mapping[str, Any]) -> list[NewFeature]:
    """What a body includes of the features whose overage it charges.

    Raises:
        InvalidField: it names an unknown feature.
    """
    given = [
        model["entitlement"]
        for model in body.get("overage_pricing_models", [])
        if "entitlement" in model
    ]
    features = named_features([each["feature_id"] for each in given], field="charges")
    return [NewFeature(features[each["feature_id"]], _included_terms(each)) for each in given]


def _included_terms(body: Mapping[str, Any]) -> FeatureTerms:
    """The limit, and when use starts again."""
    said = ("has_soft_limit", "has_unlimited_usage", "usage_limit")
    terms: Any = {name: body[name] for name in said if name in body}
    settle_limit(terms)
    if "reset_period" in body:
        terms |= _reset(body)
    return cast(FeatureTerms, terms)


@dataclass(frozen=True)
class _Finder:
    """The features and credit types that a body names, looked up at once."""

    features: Mapping[str, Any]
    credit_types: Mapping[str, Any]

    @classmethod
    def reading(cls, models: Sequence[Mapping[str, Any]]) -> "_Finder":
        features = [model["feature_id"] for model in models if "feature_id" in model]
        credit_types = [
            model["top_up_custom_currency_id"]
            for model in models
            if "top_up_custom_currency_id" in model
        ]
        credit_types += [
            period["credit_rate"]["currency_id"]
            for model in models
            for period in model["price_periods"]
            if "credit_rate" in period
        ]
        return cls(
            named_features(features, field="charges"),
            named_credit_types(credit_types, field="charges"),
        )


def _charges(
    model: Mapping[str, Any], finder: _Finder, *, is_overage: bool = False
) -> Iterator[NewCharge]:
    """The prices in money of one pricing model."""
    for period in model["price_periods"]:
        if "credit_rate" in period:
            _check_rate_alone(period, is_overage=is_overage)
            continue
        yield NewCharge(
            billing_model=model["billing_model"],
            billing_period=period["billing_period"],
            billing_cadence=model.get("billing_cadence", BillingCadence.RECURRING),
            billing_country_code=period.get("billing_country_code", ""),
            feature=finder.features.get(model.get("feature_id", "")),
            credit_type=finder.credit_types.get(model.get("top_up_custom_currency_id", "")),
            tiers_mode=model.get("tiers_mode", ""),
            tiers=[_tier(tier) for tier in period.get("tiers", [])],
            block_size=period.get("block_size"),
            minimum_quantity=_decimal(model.get("min_unit_quantity")),
            maximum_quantity=_decimal(model.get("max_unit_quantity")),
            credit_grant_cadence=period.get("credit_grant_cadence", ""),
            **_reset(model),
            is_overage=is_overage,
            **_money(period.get("price")),
        )


def _check_rate_alone(period: Mapping[str, Any], *, is_overage: bool) -> None:
    """A rate in credits stands for itself, and beyond what is included money is charged."""
    if is_overage:
        raise InvalidField("Overage is charged in money, not in credits.", field="charges")
    if "price" in period or period.get("tiers"):
        raise InvalidField("A period has a creditRate or a price, not both.", field="charges")


def _reset(model: Mapping[str, Any]) -> dict[str, Any]:
    """When use starts again from zero; a configuration belongs to its period."""
    period = model.get("reset_period", "")
    for other, name in CONFIGURATIONS.items():
        if other != period and name in model:
            word = name.partition("_")[0]
            raise InvalidField(
                f"The {word} reset configuration needs the reset period that it is for.",
                field="charges",
            )
    return {"reset_period": period, "reset_configuration": configuration_for(period, model)}


def _mappings(models: Sequence[Mapping[str, Any]], finder: _Finder) -> list[NewMapping]:
    """The prices in credits; every billing period must say the same (R33)."""
    found: dict[tuple[str, str], NewMapping] = {}
    for model in models:
        for period in model["price_periods"]:
            rate = period.get("credit_rate")
            if rate is None:
                continue
            if "feature_id" not in model:
                raise InvalidField("A credit rate needs a featureId.", field="charges")
            formula = rate.get("cost_formula", "")
            mapping = NewMapping(
                feature=finder.features[model["feature_id"]],
                credit_type=finder.credit_types[rate["currency_id"]],
                rate=rate["amount"],
                formula=formula,
            )
            pair = (model["feature_id"], rate["currency_id"])
            if found.setdefault(pair, mapping) != mapping:
                raise InvalidField(
                    f"{model['feature_id']} has two credit rates in {rate['currency_id']}.",
                    field="charges",
                )
    return list(found.values())


class MoneyShape(TypedDict):
    """Money in whole units: 49 is 49.00."""

    amount: Decimal
    currency: Currency


class TierShape(TypedDict):
    """A step of a price."""

    upTo: Decimal | None
    unitPrice: MoneyShape | None
    flatPrice: MoneyShape | None


class CreditRateShape(TypedDict):
    """What a unit of use costs in credits, or the formula that says it."""

    amount: Decimal
    currencyId: str
    costFormula: str | None


class PriceShape(TypedDict):
    """A price in money, or the rate at which use is paid in credits."""

    id: str
    billingModel: Annotated[str, one_of(BillingModel.values)]
    billingPeriod: Annotated[str, one_of(BillingPeriod.values)]
    billingCadence: Annotated[str, one_of(BillingCadence.values)]
    billingCountryCode: str | None
    billingId: str | None
    blockSize: Decimal | None
    createdAt: Instant
    creditGrantCadence: Annotated[str, one_of(GrantCadence.values)] | None
    creditRate: CreditRateShape | None
    crmId: str | None
    crmLinkUrl: str | None
    featureId: str | None
    maxUnitQuantity: Decimal | None
    minUnitQuantity: Decimal | None
    price: MoneyShape | None
    tiers: list[TierShape] | None
    tiersMode: Annotated[str, one_of(TIERS_MODES)] | None
    topUpCustomCurrencyId: str | None
    usedInSubscriptions: bool | None


@dataclass(frozen=True)
class PriceLine:
    """A price or mapping as a line of the list, with what orders it."""

    created_at: datetime
    rank: int
    id: int
    shown: PriceShape


def price_lines(version: PackageVersion, *, is_overage: bool = False) -> list[PriceLine]:
    """The prices of a version as callers see them; mappings among them unless `is_overage`."""
    charges = version.charges.filter(is_overage=is_overage).select_related("feature", "credit_type")
    lines = [PriceLine(charge.created_at, 0, charge.pk, shown_charge(charge)) for charge in charges]
    if not is_overage:
        mappings = version.mappings.select_related("feature", "credit_type")
        lines += [
            PriceLine(mapping.created_at, 1, mapping.pk, shown_mapping(mapping))
            for mapping in mappings
        ]
    return lines


def shown_charge(charge: Charge) -> PriceShape:
    """Every key of the contract."""
    return {
        **NOTHING,
        "id": f"charge-{charge.pk}",
        "billingModel": charge.billing_model,
        "billingPeriod": charge.billing_period,
        "billingCadence": charge.billing_cadence,
        "billingCountryCode": charge.billing_country_code or None,
        "blockSize": charge.block_size,
        "createdAt": wire_instant(charge.created_at),
        "creditGrantCadence": charge.credit_grant_cadence or None,
        "featureId": charge.feature.public_id if charge.feature else None,
        "maxUnitQuantity": charge.maximum_quantity,
        "minUnitQuantity": charge.minimum_quantity,
        "price": _shown_money(charge.amount, charge.currency),
        "tiers": [shown_tier(tier) for tier in charge.tiers] or None,
        "tiersMode": charge.tiers_mode or None,
        "topUpCustomCurrencyId": charge.credit_type.public_id if charge.credit_type else None,
    }


def shown_mapping(mapping: ConsumptionMapping) -> PriceShape:
    """A consumption mapping as the credit-based charge that the contract knows."""
    return {
        **NOTHING,
        "id": f"consumption-{mapping.pk}",
        "billingModel": BillingModel.CREDIT_BASED,
        "billingPeriod": BillingPeriod.MONTHLY,
        "billingCadence": BillingCadence.RECURRING,
        "createdAt": wire_instant(mapping.created_at),
        "featureId": mapping.feature.public_id,
        "creditRate": {
            "amount": mapping.rate or Decimal(0),
            "currencyId": mapping.credit_type.public_id,
            "costFormula": mapping.formula or None,
        },
    }


class _Nothing(TypedDict):
    billingCountryCode: None
    billingId: None
    blockSize: None
    creditGrantCadence: None
    creditRate: None
    crmId: None
    crmLinkUrl: None
    featureId: None
    maxUnitQuantity: None
    minUnitQuantity: None
    price: None
    tiers: None
    tiersMode: None
    topUpCustomCurrencyId: None
    usedInSubscriptions: None


NOTHING: _Nothing = dict.fromkeys(_Nothing.__annotations__)  # type: ignore[assignment]
"""The keys that may be empty."""


def _money(money: Mapping[str, Any] | None) -> dict[str, Any]:
    if money is None:
        return {}
    return {"amount": money["amount"], "currency": money.get("currency", CURRENCY)}


def _tier(tier: Mapping[str, Any]) -> dict[str, Any]:
    """A tier as it is stored: amounts are kept as text, digit for digit."""
    return {
        "up_to": tier.get("up_to"),
        "unit_price": _money(tier.get("unit_price")) or None,
        "flat_price": _money(tier.get("flat_price")) or None,
    }


def shown_tier(tier: Mapping[str, Any]) -> TierShape:
    """A stored tier as answers show it."""

    def money(value: Mapping[str, Any] | None) -> MoneyShape | None:
        return _shown_money(Decimal(value["amount"]), value["currency"]) if value else None

    return {
        "upTo": None if tier["up_to"] is None else Decimal(tier["up_to"]),
        "unitPrice": money(tier["unit_price"]),
        "flatPrice": money(tier["flat_price"]),
    }


def _shown_money(amount: Decimal | None, currency: str) -> MoneyShape | None:
    if amount is None:
        return None
    return {"amount": amount, "currency": currency.lower()}


def _decimal(number: int | None) -> Decimal | None:
    return None if number is None else Decimal(number)
