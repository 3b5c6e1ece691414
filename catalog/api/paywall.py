"""What is for sale, as SDKs draw their price tables of it (`/v1/paywall.json`).

The words are those of their GraphQL: ids are called `refId`, and `__typename` tells kinds
apart. Nothing is kept: prices are read when they are asked for.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from catalog import inheritance
from catalog.api.base import in_path
from catalog.api.paywall_shapes import (
    METER_TYPES,
    EdgeMoneyShape,
    EdgePlanNameShape,
    PaywallAddonShape,
    PaywallAnswerShape,
    PaywallCreditsShape,
    PaywallCreditTypeShape,
    PaywallFeatureShape,
    PaywallIncludedShape,
    PaywallOlderShape,
    PaywallPackageShape,
    PaywallPlanShape,
    PaywallPricePointShape,
    PaywallPriceShape,
    PaywallProductShape,
    PaywallShape,
    PaywallTierShape,
    PaywallTrialShape,
    PaywallUnitsShape,
    PaywallUseShape,
)
from catalog.models import (
    Charge,
    ConsumptionMapping,
    CreditEntitlement,
    Feature,
    FeatureEntitlement,
    HiddenFrom,
    MeterType,
    Package,
    PackageVersion,
    Product,
)
from catalog.prices import base_prices
from catalog.products import UnknownProduct
from workspace.api.camel import CamelMixin
from workspace.api.fields import ChoiceField
from workspace.api.responses import Response
from workspace.api.terms import speaks
from workspace.api.views import ApiView

FLAG = ("true", "false", "undefined")
"""A flag in the query; SDKs write the last where nobody set it."""
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


class PaywallFilters(CamelMixin, serializers.Serializer[Any]):
    """Which plans and prices."""

    billing_country_code = serializers.RegexField(r"\A(?:[A-Z]{2}|undefined)\Z", required=False)
    fetch_all_countries_prices = ChoiceField(FLAG, default="undefined")
    include_hidden_plans = ChoiceField(FLAG, default="undefined")


class PaywallView(ApiView):
    """`/v1/paywall.json` and `/v1/p/{productId}/paywall.json`."""

    @speaks(query=PaywallFilters, answer=PaywallAnswerShape)
    def get(self, request: Request, product_id: str | None = None) -> Response:
        """The plans that are for sale, with their prices, contents and add-ons."""
        query = self.read_query()
        products = Product.objects.filter(archived_at=None)
        plans = (
            Package.objects.plans()
            .on_sale()
            .select_related("live__base_plan__live", "product__downgrade_plan__live")
        )
        if product_id is not None:
            plans = plans.filter(
                product=in_path(products, product_id, UnknownProduct, "active product")
            )
        shown = [
            plan
            for plan in plans.order_by("product_id", "pk")
            if query["include_hidden_plans"] == "true" or not _is_hidden(plan)
        ]
        country = query.get("billing_country_code", "undefined")
        stock = _Stock(
            shown,
            country="" if country == "undefined" else country,
            all_countries=query["fetch_all_countries_prices"] == "true",
        )
        return self.answer({"paywall": stock.paywall()})


class _Stock:
    """All that is for sale, in a constant number of queries."""

    def __init__(self, plans: Sequence[Package], *, country: str, all_countries: bool) -> None:
        self.plans, self.country, self.all_countries = plans, country, all_countries
        version_ids = [_live(plan).pk for plan in plans]
        links = list(
            PackageVersion.compatible_addons.through.objects.filter(
                packageversion_id__in=version_ids
            ).values_list("packageversion_id", "package_id")
        )
        addons = {
            addon.pk: addon
            for addon in Package.objects.on_sale()
            .filter(pk__in={addon_id for _, addon_id in links})
            .select_related("live")
            .order_by("pk")
        }
        self.addons = {
            version_id: [
                addons[addon_id]
                for addon_id in sorted(pk for version, pk in links if version == version_id)
                if addon_id in addons
            ]
            for version_id in version_ids
        }
        everything = [*version_ids, *(_live(addon).pk for addon in addons.values())]
        self.credits = inheritance.credit_entitlements_of(everything)
        self.features = inheritance.feature_entitlements_of(everything)
        self.mappings = inheritance.mappings_of(everything)
        self.charges: dict[int, list[Charge]] = {version_id: [] for version_id in everything}
        for charge in Charge.objects.filter(version_id__in=everything).select_related(
            "feature", "credit_type"
        ):
            if self._is_sold_here(charge):
                self.charges[charge.version_id].append(charge)

    def paywall(self) -> PaywallShape:
        """As the operation GetPaywall answers without a customer."""
        currencies = [
            charge.currency for plan in self.plans for charge in self.charges[_live(plan).pk]
        ]
        code = next((currency for currency in currencies if currency), "USD")
        return {
            "__typename": "Paywall",
            "plans": [self._plan(plan) for plan in self.plans],
            "currency": {
                "__typename": "PaywallCurrency",
                "code": code,
                "symbol": SYMBOLS.get(code, code),
            },
            "configuration": None,
            "customer": None,
            "activeSubscriptions": None,
            "resource": None,
            "paywallCalculatedPricePoints": [
                _price_point(plan, charge, charge.amount)
                for plan in self.plans
                for charge in base_prices(self.charges[_live(plan).pk]).values()
                if charge.amount is not None
            ],
        }

    def _is_sold_here(self, charge: Charge) -> bool:
        return self.all_countries or charge.billing_country_code in ("", self.country)

    def _plan(self, plan: Package) -> PaywallPlanShape:
        version = _live(plan)
        assert version.number is not None, "what is on sale has a number"
        return {
            "__typename": "Plan",
            **self._package(plan),
            "versionNumber": version.number,
            "product": _product(plan.product),
            "basePlan": _named_plan(version.base_plan),
            "inheritedEntitlements": self._older(version, inherited=True),
            "inheritedPackageEntitlements": self._entitlements(version, inherited=True),
            "compatibleAddons": [self._addon(addon) for addon in self.addons[version.pk]],
            "compatiblePackageGroups": [],
            "defaultTrialConfig": _trial(version),
            "awsMarketplacePlanDimension": None,
        }

    def _addon(self, addon: Package) -> PaywallAddonShape:
        return {
            "__typename": "Addon",
            **self._package(addon),
            "maxQuantity": _live(addon).max_quantity,
            "dependencies": [],
        }

    def _package(self, package: Package) -> PaywallPackageShape:
        version = _live(package)
        prices = [_price(charge) for charge in self.charges[version.pk] if not charge.is_overage]
        rates = [_rate(mapping) for mapping in self.mappings[version.pk]]
        overage = [_price(charge) for charge in self.charges[version.pk] if charge.is_overage]
        return {
            "id": package.public_id,
            "refId": package.public_id,
            "displayName": version.name,
            "description": version.description or None,
            "billingId": version.billing_id or None,
            "additionalMetaData": version.metadata,
            "hiddenFromWidgets": version.hidden_from,
            "pricingType": version.pricing_type or None,
            "prices": [*prices, *rates],
            "overagePrices": overage,
            "entitlements": self._older(version, inherited=False),
            "packageEntitlements": self._entitlements(version, inherited=False),
        }

    def _entitlements(
        self, version: PackageVersion, *, inherited: bool
    ) -> list[PaywallCreditsShape | PaywallUseShape]:
        rows: list[CreditEntitlement | FeatureEntitlement] = [
            *self.credits[version.pk],
            *self.features[version.pk],
        ]
        return [_entitlement(row) for row in rows if (row.version_id != version.pk) is inherited]

    def _older(self, version: PackageVersion, *, inherited: bool) -> list[PaywallOlderShape]:
        """The features among them, as older SDKs read them."""
        return [
            _older(row)
            for row in self.features[version.pk]
            if (row.version_id != version.pk) is inherited
        ]


def _live(package: Package) -> PackageVersion:
    assert package.live is not None, "what is on sale has a live version"
    return package.live


def _is_hidden(plan: Package) -> bool:
    return HiddenFrom.PAYWALL in _live(plan).hidden_from


def _named_plan(plan: Package | None) -> EdgePlanNameShape | None:
    if plan is None:
        return None
    return {"__typename": "Plan", "refId": plan.public_id, "displayName": plan.name}


def _product(product: Product) -> PaywallProductShape:
    fallback = product.downgrade_plan
    return {
        "__typename": "Product",
        "refId": product.public_id,
        "displayName": product.name,
        "description": product.description or None,
        "additionalMetaData": product.metadata,
        "awsMarketplaceProductId": None,
        "productSettings": {
            "__typename": "ProductSettings",
            "downgradePlan": _named_plan(fallback),
        },
    }


def _trial(version: PackageVersion) -> PaywallTrialShape | None:
    if version.trial_length is None:
        return None
    return {
        "__typename": "DefaultTrialConfig",
        "duration": version.trial_length,
        "units": version.trial_unit,
        "budget": None,
        "trialEndBehavior": version.trial_end or None,
    }


def _price(charge: Charge) -> PaywallPriceShape:
    return {
        "__typename": "Price",
        "billingModel": charge.billing_model,
        "billingPeriod": charge.billing_period,
        "billingCadence": charge.billing_cadence,
        "billingId": None,
        "billingCountryCode": charge.billing_country_code or None,
        "minUnitQuantity": charge.minimum_quantity,
        "maxUnitQuantity": charge.maximum_quantity,
        "price": None if charge.amount is None else _money(charge.amount, charge.currency),
        "creditRate": None,
        "tiersMode": charge.tiers_mode or None,
        "tiers": [_tier(tier) for tier in charge.tiers] or None,
        "feature": None if charge.feature is None else _feature(charge.feature),
        "blockSize": charge.block_size,
        "topUpCustomCurrencyId": charge.credit_type.public_id if charge.credit_type else None,
        "customCurrency": None,
    }


def _rate(mapping: ConsumptionMapping) -> PaywallPriceShape:
    currency_id = mapping.credit_type.public_id
    return {
        "__typename": "Price",
        "billingModel": "CREDIT_BASED",
        "billingPeriod": "MONTHLY",
        "billingCadence": "RECURRING",
        "billingId": None,
        "billingCountryCode": None,
        "minUnitQuantity": None,
        "maxUnitQuantity": None,
        "price": None,
        "creditRate": {
            "__typename": "CreditRate",
            "amount": mapping.rate or Decimal(0),
            "currencyId": currency_id,
            "customCurrencyId": currency_id,
        },
        "tiersMode": None,
        "tiers": None,
        "feature": _feature(mapping.feature),
        "blockSize": None,
        "topUpCustomCurrencyId": None,
        "customCurrency": _currency(mapping),
    }


def _money(amount: Decimal, currency: str) -> EdgeMoneyShape:
    return {"__typename": "Money", "amount": amount, "currency": currency}


def _tier(tier: Mapping[str, Any]) -> PaywallTierShape:
    def money(value: Mapping[str, Any] | None) -> EdgeMoneyShape | None:
        return _money(Decimal(value["amount"]), value["currency"]) if value else None

    return {
        "__typename": "PriceTier",
        "upTo": None if tier["up_to"] is None else Decimal(tier["up_to"]),
        "unitPrice": money(tier["unit_price"]),
        "flatPrice": money(tier["flat_price"]),
    }


def _price_point(plan: Package, charge: Charge, amount: Decimal) -> PaywallPricePointShape:
    return {
        "__typename": "PaywallPricePoint",
        "planId": plan.public_id,
        "additionalChargesMayApply": False,
        "billingPeriod": charge.billing_period,
        "amount": amount,
        "currency": charge.currency,
        "billingCountryCode": None,
        "feature": None,
    }


def _feature(feature: Feature) -> PaywallFeatureShape:
    return {
        "__typename": "Feature",
        "refId": feature.public_id,
        "displayName": feature.name,
        "description": feature.description or None,
        "featureType": feature.type,
        "meterType": METER_TYPES[MeterType(feature.meter_type)],
        "featureUnits": feature.unit_singular or None,
        "featureUnitsPlural": feature.unit_plural or None,
        "additionalMetaData": feature.metadata,
    }


def _currency(row: CreditEntitlement | ConsumptionMapping) -> PaywallCreditTypeShape:
    credit_type = row.credit_type
    units: PaywallUnitsShape = {
        "__typename": "Units",
        "singular": credit_type.unit_singular,
        "plural": credit_type.unit_plural,
    }
    return {
        "__typename": "CustomCurrency",
        "currencyId": credit_type.public_id,
        "displayName": credit_type.name,
        "symbol": credit_type.symbol or None,
        "units": units if credit_type.unit_singular else None,
    }


def _entitlement(
    row: CreditEntitlement | FeatureEntitlement,
) -> PaywallCreditsShape | PaywallUseShape:
    included = row.credit_type if isinstance(row, CreditEntitlement) else row.feature
    shared: PaywallIncludedShape = {
        "id": included.public_id,
        "behavior": row.behaviour,
        "description": row.description or None,
        "displayNameOverride": row.display_name_override or None,
        "hasSoftLimit": row.has_soft_limit,
        "hiddenFromWidgets": row.hidden_from,
        "isCustom": row.is_custom,
        "isGranted": row.is_granted,
        "order": row.position,
    }
    if isinstance(row, CreditEntitlement):
        return {
            "__typename": "PackageCreditEntitlement",
            **shared,
            "amount": row.amount,
            "cadence": row.cadence,
            "customCurrencyId": row.credit_type.public_id,
            "customCurrency": _currency(row),
            "dependencyFeature": None
            if row.linked_feature is None
            else _feature(row.linked_feature),
        }
    return {
        "__typename": "PackageFeatureEntitlement",
        **shared,
        "featureId": row.feature.public_id,
        "feature": _feature(row.feature),
        "usageLimit": row.usage_limit,
        "hasUnlimitedUsage": row.has_unlimited_usage,
        "enumValues": row.enum_values or None,
        "resetPeriod": row.reset_period or None,
    }


def _older(row: FeatureEntitlement) -> PaywallOlderShape:
    return {
        "__typename": "PackageEntitlement",
        "featureId": row.feature.public_id,
        "feature": _feature(row.feature),
        "usageLimit": row.usage_limit,
        "hasUnlimitedUsage": row.has_unlimited_usage,
        "hasSoftLimit": row.has_soft_limit,
        "enumValues": row.enum_values or None,
        "resetPeriod": row.reset_period or None,
        "displayNameOverride": row.display_name_override or None,
        "hiddenFromWidgets": row.hidden_from,
        "isCustom": row.is_custom,
        "isGranted": row.is_granted,
    }
