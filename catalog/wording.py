"""Amounts, terms and prices in the words of the screens."""

from collections.abc import Iterable
from decimal import Decimal

from catalog.models import (
    Aggregation,
    BillingCadence,
    BillingModel,
    BillingPeriod,
    Charge,
    ConsumptionMapping,
    Coupon,
    CreditEntitlement,
    CreditType,
    Feature,
    FeatureEntitlement,
    FeatureType,
    PackageVersion,
    ResetPeriod,
    TrialUnit,
)
from catalog.models.entitlements import COUNTED_FROM, SUBSCRIPTION_START
from workspace.templatetags.stipend import credits as number

PER = {BillingPeriod.MONTHLY: "month", BillingPeriod.ANNUALLY: "year"}


def joined(parts: Iterable[str]) -> str:
    """Such as "a", "a and b", "a, b and c"."""
    *front, last = [*parts] or [""]
    return f"{', '.join(front)} and {last}" if front else last


def units_of(credit_type: CreditType, amount: Decimal | int) -> str:
    """The unit that belongs to an amount: "credit", "credits", or the type's own name."""
    if not credit_type.unit_plural:
        return credit_type.name
    return credit_type.unit_singular if amount == 1 else credit_type.unit_plural


def credit_value(entitlement: CreditEntitlement) -> str:
    """How much, how often: "5,000 credits / month", "1,000 credits / month per seat"."""
    if entitlement.amount is None:
        value = "Custom"
    else:
        unit = units_of(entitlement.credit_type, entitlement.amount)
        value = f"{number(entitlement.amount)} {unit}"
    value += f" / {entitlement.get_cadence_display()}"
    linked = entitlement.linked_feature
    if linked is not None:
        value += f" per {linked.unit_singular or linked.name}"
    return value


def feature_value(entitlement: FeatureEntitlement) -> str:
    """What is included of a feature: "Yes", "10 seats", "Unlimited images / month"."""
    feature = entitlement.feature
    if feature.type == FeatureType.ENUM:
        names = {
            choice["value"]: choice.get("displayName") or choice["value"]
            for choice in feature.enum_values
        }
        return ", ".join(names.get(value, value) for value in entitlement.enum_values)
    if feature.type == FeatureType.BOOLEAN:
        return "Yes" if entitlement.is_granted else "No"
    unit = feature.unit_singular if entitlement.usage_limit == 1 else feature.unit_plural
    if entitlement.has_unlimited_usage:
        value = f"Unlimited {unit}".strip()
    elif entitlement.usage_limit is None:
        value = "Custom"
    else:
        value = f"{number(entitlement.usage_limit)} {unit}".strip()
    reset = reset_period(entitlement)
    return f"{value} / {reset}" if reset else value


def reset_period(terms: FeatureEntitlement | Charge) -> str:
    """How often use starts afresh: "month", "week from Monday"; empty if it never does."""
    if not terms.reset_period:
        return ""
    words = ResetPeriod(terms.reset_period).label.lower()
    counted_from = (terms.reset_configuration or {}).get("accordingTo", "")
    if counted_from not in ("", *SUBSCRIPTION_START):
        said = COUNTED_FROM.get(terms.reset_period, {})
        words += f" from {said.get(counted_from, counted_from)}"
    return words


def price(charge: Charge) -> str:
    """A price: "49 USD / month"; in tiers if it has no single amount."""
    if charge.amount is None:
        return f"{charge.get_billing_model_display()}, in tiers"
    return (
        f"{number(charge.amount)} {charge.currency} / {PER[BillingPeriod(charge.billing_period)]}"
    )


def price_in_full(charge: Charge) -> str:
    """A price with its steps, the units that are sold and when, as far as it says any."""
    reset = reset_period(charge)
    said = [
        tiers(charge) or price(charge),
        units_sold(charge),
        f"use starts afresh every {reset}" if reset else "",
        f"credits granted {charge.get_credit_grant_cadence_display().lower()}"
        if charge.credit_grant_cadence
        else "",
    ]
    return "; ".join(filter(None, said))


def price_label(charge: Charge) -> str:
    """What a price is for: "Yearly per unit – Seats (DE), overage"."""
    model = charge.get_billing_model_display().lower()
    if charge.billing_model == BillingModel.FLAT_FEE:
        model = "base price"
    label = f"{charge.get_billing_period_display()} {model}"
    if charge.billing_model != BillingModel.FLAT_FEE:
        label = " – ".join([label, *map(str, filter(None, [charge.feature, charge.credit_type]))])
    if charge.billing_country_code:
        label = f"{label} ({charge.billing_country_code})"
    once = ", once" if charge.billing_cadence == BillingCadence.ONE_OFF else ""
    return f"{label}{once}{', overage' if charge.is_overage else ''}"


def tiers(charge: Charge) -> str:
    """The steps of a price: "up to 5: 3.5 USD each; beyond: 1 USD in all"."""
    parts = []
    for tier in charge.tiers:
        until = "beyond" if tier["up_to"] is None else f"up to {number(Decimal(tier['up_to']))}"
        prices = [
            f"{number(Decimal(money['amount']))} {money['currency']} {word}"
            for money, word in ((tier["unit_price"], "each"), (tier["flat_price"], "in all"))
            if money
        ]
        parts.append(f"{until}: {' + '.join(prices)}")
    mode = f" ({charge.tiers_mode.lower()})" if charge.tiers_mode and parts else ""
    return "; ".join(parts) + mode


def units_sold(charge: Charge) -> str:
    """How many units are sold: "from 2, up to 10, in blocks of 5"."""
    parts = [
        (charge.minimum_quantity, "from"),
        (charge.maximum_quantity, "up to"),
        (charge.block_size, "in blocks of"),
    ]
    return ", ".join(f"{words} {number(amount)}" for amount, words in parts if amount is not None)


def cost(mapping: ConsumptionMapping) -> str:
    """What use costs: "10 credits per image", or the formula."""
    if mapping.formula:
        return f"{mapping.formula} {units_of(mapping.credit_type, 2)} per event"
    assert mapping.rate is not None, "a mapping has a rate or a formula"
    unit = mapping.feature.unit_singular or "unit"
    return f"{number(mapping.rate)} {units_of(mapping.credit_type, mapping.rate)} per {unit}"


def discount(coupon: Coupon) -> str:
    """What a coupon takes off: "12.5 %", or "10 EUR or 12 USD"."""
    if coupon.percent_off is not None:
        return f"{number(coupon.percent_off)} %"
    return " or ".join(
        f"{number(amount)} {currency}" for currency, amount in coupon.amounts.items()
    )


def duration(coupon: Coupon) -> str:
    """For how long: "Forever", "1 month", "12 months"."""
    months = coupon.duration_in_months
    if months is None:
        return "Forever"
    return f"{months} month" if months == 1 else f"{months} months"


def trial(version: PackageVersion) -> str:
    """The trial: "14 days, then convert to paid", or "None"."""
    if version.trial_length is None:
        return "None"
    unit = TrialUnit(version.trial_unit).label
    if version.trial_length == 1:
        unit = unit.removesuffix("s")
    words = f"{version.trial_length} {unit}, then {version.get_trial_end_display().lower()}"
    if version.trial_budget:
        kind = "soft" if version.trial_budget["has_soft_limit"] else "hard"
        words += f"; budget {number(Decimal(version.trial_budget['limit']))} ({kind})"
    return words


def shown_units(feature: Feature) -> str:
    """How use is shown in other units: "by 1,024, rounded up, in KB"; empty if it is not."""
    shown = feature.unit_transformation
    if not shown:
        return ""
    words = f"by {number(shown['divide'])}, rounded {shown['round'].lower()}"
    unit = shown["featureUnitsPlural"] or shown["featureUnits"]
    return f"{words}, in {unit}" if unit else words


def quantity(version: PackageVersion) -> str:
    """How often an add-on can be bought: "Single instance", "Multiple, up to 5"."""
    if version.max_quantity is None:
        return "Multiple, any number"
    if version.max_quantity == 1:
        return "Single instance"
    return f"Multiple, up to {version.max_quantity}"


def meter(feature: Feature) -> str:
    """How a feature is measured: "Sum of tokens", "Reported by the application"."""
    if not feature.is_metered:
        return "Not metered"
    if not feature.is_event_based:
        return "Reported by the application"
    label = Aggregation(feature.aggregation).label
    return f"{label} {feature.aggregation_field}".replace("a dimension ", "")
