"""Prices of a draft, and what the use of a feature costs in credits there (R8, R33, R34)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from catalog import drafts, formulas, wording
from catalog.checking import InvalidField, check, naming_row
from catalog.features import COUNTED
from catalog.models import (
    BillingCadence,
    BillingModel,
    BillingPeriod,
    Charge,
    ConsumptionMapping,
    CreditType,
    Currency,
    Feature,
    FeatureStatus,
    PackageVersion,
)
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import UnknownObject
from workspace.json import plain


class UnknownPrice(UnknownObject):
    """The draft has no such price."""


class UnknownMapping(UnknownObject):
    """The draft does not map that feature to that credit type."""


@dataclass(frozen=True, kw_only=True)
class NewCharge:
    """A price to be made; fields as in `models.Charge`, money in whole units (49 is 49.00)."""

    billing_model: str = BillingModel.FLAT_FEE
    billing_period: str = BillingPeriod.MONTHLY
    billing_cadence: str = BillingCadence.RECURRING
    amount: Decimal | None = None
    currency: str = Currency.USD
    billing_country_code: str = ""
    feature: Feature | None = None
    credit_type: CreditType | None = None
    tiers_mode: str = ""
    tiers: Sequence[dict[str, Any]] = ()
    block_size: Decimal | None = None
    minimum_quantity: Decimal | None = None
    maximum_quantity: Decimal | None = None
    credit_grant_cadence: str = ""
    reset_period: str = ""
    reset_configuration: dict[str, str] | None = None
    is_overage: bool = False


@dataclass(frozen=True, kw_only=True)
class NewMapping:
    """What one unit of `feature` is to cost: a rate, or a formula over the event (R34)."""

    feature: Feature
    credit_type: CreditType
    rate: Decimal | None = None
    formula: str = ""


def base_prices(charges: Sequence[Charge]) -> dict[str, Charge]:
    """The flat fees among `charges`, by billing period: what a package costs as such.

    Of several currencies the one that came first.
    """
    first: dict[str, Charge] = {}
    for charge in charges:
        if (
            charge.billing_model == BillingModel.FLAT_FEE
            and charge.billing_cadence == BillingCadence.RECURRING
            and not charge.billing_country_code
            and not charge.is_overage
        ):
            first.setdefault(charge.billing_period, charge)
    return first


@act
def set_base_prices(
    *,
    package_id: int,
    monthly: Decimal | None,
    yearly: Decimal | None,
    currency: str = Currency.USD,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
) -> PackageVersion:
    """Set what the package costs per month and per year; None takes a price away (R8).

    For an add-on this is the price of one unit. Other charges stay.

    Raises:
        NoDraft, StaleDraft, PackageArchived: see `drafts.lock`.
        InvalidField: a price is negative or too large.
    """
    draft = drafts.lock(package_id, revision=revision)
    existing = base_prices(list(draft.charges.all()))
    wanted = {BillingPeriod.MONTHLY: monthly, BillingPeriod.ANNUALLY: yearly}
    changed: dict[str, Any] = {}
    for period, amount in wanted.items():
        old = existing.get(period)
        before = f"{plain(old.amount)} {old.currency}" if old and old.amount is not None else None
        after = None if amount is None else f"{amount} {currency}"
        if old is not None and amount == old.amount and currency == old.currency:
            continue
        if old is not None and amount is not None:  # the first of several stays the first
            if currency != old.currency:
                _refuse_twice(draft, NewCharge(billing_period=period, currency=currency))
            old.amount, old.currency = amount, currency
            check(old)
            old.save()
        elif old is not None:
            old.delete()
        elif amount is not None:
            add_charge(
                draft, NewCharge(billing_period=period, amount=amount, currency=currency), now=now
            )
        if before != after:
            changed[period.label.lower()] = [before, after]
    if changed:
        drafts.edited(draft, "package.prices_changed", changed, actor=actor, now=now)
    return draft


@act
def put_price(
    *,
    package_id: int,
    wanted: NewCharge,
    replaces: int | None = None,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
) -> Charge:
    """Add a price to the draft, or let it take the place of one by its inner key (R8).

    Raises:
        NoDraft, StaleDraft, PackageArchived: see `drafts.lock`.
        UnknownPrice: the draft has no price to take the place of.
        InvalidField: nobody could tell what to pay, or the draft has a price for the same.
    """
    draft = drafts.lock(package_id, revision=revision)
    before = None
    if replaces is not None:
        old = own_price(draft, replaces)
        before = wording.price(old)
        old.delete()
    _refuse_twice(draft, wanted)
    charge = add_charge(draft, wanted, now=now)
    changed = {wording.price_label(charge): [before, wording.price(charge)]}
    drafts.edited(draft, "package.prices_changed", changed, actor=actor, now=now)
    return charge


@act
def remove_price(
    *, package_id: int, charge_id: int, revision: int | None = None, actor: Actor, now: datetime
) -> None:
    """Take a price away from the draft (R8).

    Raises:
        NoDraft, StaleDraft, PackageArchived: see `drafts.lock`.
        UnknownPrice: the draft has no such price.
    """
    draft = drafts.lock(package_id, revision=revision)
    charge = own_price(draft, charge_id)
    changed = {wording.price_label(charge): [wording.price(charge), None]}
    charge.delete()
    drafts.edited(draft, "package.prices_changed", changed, actor=actor, now=now)


def own_price(draft: PackageVersion, charge_id: int) -> Charge:
    """A price of the draft.

    Raises:
        UnknownPrice: it has none of this inner key.
    """
    found = draft.charges.select_related("feature", "credit_type").filter(pk=charge_id).first()
    if found is None:
        raise UnknownPrice("The draft does not have this price any more.")
    return found


def _refuse_twice(locked_draft: PackageVersion, wanted: NewCharge) -> None:
    """Let nobody wonder which of two prices for the same is meant.

    Raises:
        InvalidField: the draft has one for it.
    """

    def is_for(price: NewCharge | Charge) -> tuple[Any, ...]:
        return (
            price.billing_model,
            price.billing_period,
            price.billing_cadence,
            price.billing_country_code,
            price.currency,
            price.feature,
            price.credit_type,
            price.is_overage,
        )

    known = locked_draft.charges.select_related("feature", "credit_type")
    if is_for(wanted) in map(is_for, known):
        raise InvalidField("There is a price for this already. Edit that one.", field="charges")


@act
def map_consumption(
    *,
    package_id: int,
    feature: Feature,
    credit_type: CreditType,
    rate: Decimal | None = None,
    formula: str = "",
    revision: int | None = None,
    actor: Actor,
    now: datetime,
) -> ConsumptionMapping:
    """Say what the use of a feature costs in credits; replaces what was said before (R33, R34).

    Raises:
        NoDraft, StaleDraft, PackageArchived: see `drafts.lock`.
        InvalidField: the feature is not metered by counted or summed events, or the credit
            type is archived, or there is neither a rate nor a formula.
        InvalidFormula: the formula cannot be read.
    """
    draft = drafts.lock(package_id, revision=revision)
    old = draft.mappings.filter(feature=feature, credit_type=credit_type).first()
    before = readable_cost(old) if old else None
    if old is not None:
        old.delete()
    wanted = NewMapping(feature=feature, credit_type=credit_type, rate=rate, formula=formula)
    mapping = add_mapping(draft, wanted, now=old.created_at if old else now)
    drafts.edited(
        draft,
        "package.consumption_changed",
        {
            "feature": feature.public_id,
            "credit_type": credit_type.public_id,
            "cost": [before, readable_cost(mapping)],
        },
        actor=actor,
        now=now,
    )
    return mapping


@act
def unmap_consumption(
    *,
    package_id: int,
    feature: Feature,
    credit_type: CreditType,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Let the use of a feature cost nothing any more in that credit type (R33).

    Raises:
        NoDraft, StaleDraft, PackageArchived: see `drafts.lock`.
        UnknownMapping: the draft has no such mapping of its own.
    """
    draft = drafts.lock(package_id, revision=revision)
    mapping = draft.mappings.filter(feature=feature, credit_type=credit_type).first()
    if mapping is None:
        raise UnknownMapping(f"{feature.name} costs no {credit_type.name} here.")
    before = readable_cost(mapping)
    mapping.delete()
    drafts.edited(
        draft,
        "package.consumption_changed",
        {
            "feature": feature.public_id,
            "credit_type": credit_type.public_id,
            "cost": [before, None],
        },
        actor=actor,
        now=now,
    )


def readable_cost(mapping: ConsumptionMapping) -> str:
    """The rate or formula of a mapping, as records and screens show it."""
    if mapping.formula:
        return mapping.formula
    assert mapping.rate is not None, "a mapping has a rate or a formula"
    return plain(mapping.rate)


def replace_charges(
    locked_draft: PackageVersion, charges: Sequence[NewCharge], *, now: datetime
) -> None:
    """Give the draft these prices and no others; a refusal names the row at fault."""
    locked_draft.charges.all().delete()
    seen = set()
    for row, charge in enumerate(charges):
        with naming_row(row, of=len(charges)):
            if (base := _base_price_key(charge)) in seen:
                raise InvalidField("This base price is there twice.", field="charges")
            seen.update([base] if base else [])
            add_charge(locked_draft, charge, now=now)


def replace_mappings(
    locked_draft: PackageVersion, mappings: Sequence[NewMapping], *, now: datetime
) -> None:
    """Give the draft these consumption mappings and no others; a refusal names the row."""
    locked_draft.mappings.all().delete()
    seen = set()
    for row, mapping in enumerate(mappings):
        pair = (mapping.feature.pk, mapping.credit_type.pk)
        with naming_row(row, of=len(mappings)):
            if pair in seen:
                raise InvalidField(
                    f"{mapping.feature.name} is mapped to {mapping.credit_type.name} twice.",
                    field="charges",
                )
            add_mapping(locked_draft, mapping, now=now)
        seen.add(pair)


def add_charge(locked_draft: PackageVersion, wanted: NewCharge, *, now: datetime) -> Charge:
    """Store one price.

    Raises:
        InvalidField: an amount is negative or too large, or nobody could tell what to pay.
    """
    _check_shape(wanted)
    fields = {**vars(wanted), "tiers": list(wanted.tiers)}
    charge = Charge(version=locked_draft, created_at=now, **fields)
    check(charge)
    charge.save(force_insert=True)
    return charge


def _base_price_key(wanted: NewCharge) -> tuple[str, ...] | None:
    """What tells recurring flat fees apart; None of another price."""
    if wanted.billing_model != BillingModel.FLAT_FEE:
        return None
    if wanted.billing_cadence != BillingCadence.RECURRING:
        return None
    return (
        wanted.billing_period,
        wanted.billing_country_code,
        wanted.currency,
        str(wanted.is_overage),
    )


def _check_shape(wanted: NewCharge) -> None:
    """Refuse a price from which nobody could tell what is to be paid.

    Raises:
        InvalidField: saying what is missing or contradicts itself.
    """
    model = BillingModel(wanted.billing_model)
    if wanted.amount is None and not wanted.tiers:
        raise InvalidField(f"A price “{model.label.lower()}” needs an amount.", field="charges")
    if wanted.amount is not None and wanted.tiers:
        raise InvalidField("A price has an amount or tiers, not both.", field="charges")
    if wanted.tiers and model in (BillingModel.FLAT_FEE, BillingModel.MINIMUM_SPEND):
        raise InvalidField(f"A price “{model.label.lower()}” has no tiers.", field="charges")
    if model in (BillingModel.PER_UNIT, BillingModel.USAGE_BASED) and wanted.feature is None:
        raise InvalidField(
            f"A price “{model.label.lower()}” names the feature it is for.", field="charges"
        )
    least, most = wanted.minimum_quantity, wanted.maximum_quantity
    if most is not None and most < max(least or 0, 1):
        raise InvalidField(
            "The largest number of units is at least 1, and not below the smallest.",
            field="charges",
        )
    _check_tiers(wanted.tiers)


def _check_tiers(tiers: Sequence[dict[str, Any]]) -> None:
    """Tiers rise, each has a price, and only the last one goes on for ever."""
    reached = Decimal(0)
    for tier in tiers:
        if not tier["unit_price"] and not tier["flat_price"]:
            raise InvalidField("Each tier needs a price.", field="charges")
        if reached.is_infinite():
            raise InvalidField("Only the last tier has no end.", field="charges")
        end = Decimal("Infinity") if tier["up_to"] is None else Decimal(tier["up_to"])
        if end <= reached:
            raise InvalidField("Each tier ends above the one before it.", field="charges")
        reached = end
    currencies = {
        money["currency"]
        for tier in tiers
        for money in (tier["unit_price"], tier["flat_price"])
        if money
    }
    if len(currencies) > 1:
        raise InvalidField("All tiers of a price are in one currency.", field="charges")


def add_mapping(
    locked_draft: PackageVersion, wanted: NewMapping, *, now: datetime
) -> ConsumptionMapping:
    """Store one consumption mapping (R33, R34).

    Raises:
        InvalidField, InvalidFormula: see `map_consumption`.
    """
    check_mappable(wanted.feature)
    if wanted.credit_type.archived_at is not None:
        raise InvalidField(f"{wanted.credit_type.name} is archived.", field="credit_type")
    formula = wanted.formula.strip()
    if formula:
        formulas.parse(formula)
    mapping = ConsumptionMapping(
        version=locked_draft,
        feature=wanted.feature,
        credit_type=wanted.credit_type,
        rate=wanted.rate,
        formula=formula,
        created_at=now,
    )
    check(mapping)
    mapping.save(force_insert=True)
    return mapping


def check_mappable(feature: Feature) -> None:
    """Only events that are counted or summed cost credits (R33).

    Raises:
        InvalidField: the feature is archived, or metered otherwise.
    """
    if feature.status == FeatureStatus.SUSPENDED:
        raise InvalidField(f"{feature.name} is archived.", field="feature")
    if not feature.is_event_based or feature.aggregation not in COUNTED:
        raise InvalidField(
            f"{feature.name} is not metered by events that are counted or summed.",
            field="feature",
        )
