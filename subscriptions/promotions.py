"""Features are given to one customer outside any plan here, and taken back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from catalog.checking import InvalidField, check
from catalog.entitlements import check_feature_terms
from catalog.models import Feature, FeatureStatus
from subscriptions import customers, periods
from subscriptions.entitlements import EffectiveFeature, FeatureSource
from subscriptions.models import Customer, PromotionalEntitlement, PromotionPeriod
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput, UnknownObject
from workspace.ids import is_public_id, new_public_id

MOST_AT_ONCE = 100
MONTHS = {PromotionPeriod.MONTH: 1, PromotionPeriod.HALF_YEAR: 6, PromotionPeriod.YEAR: 12}


class InvalidPromotions(BadInput):
    """Some features cannot be given like that; `rows` says which, and why. None is given."""


class UnknownPromotion(UnknownObject):
    """The customer has no such promotional entitlement now."""

    code = "PromotionalEntitlementNotFound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift:
    """A feature to be given. The period `custom` has an end date, and it alone."""

    feature_id: str
    period: str
    custom_end_date: datetime | None = None
    usage_limit: int | None = None
    has_unlimited_usage: bool = False
    has_soft_limit: bool = False
    enum_values: Sequence[str] = ()
    reset_period: str = ""
    reset_configuration: dict[str, str] | None = None
    is_visible: bool = True


@act
def give(
    *, customer_id: str, gifts: Sequence[Gift], actor: Actor, now: datetime
) -> list[PromotionalEntitlement]:
    """Give features to a customer from `now` on, all or none.

    A feature that the customer has been given already is given anew: the earlier one ends.

    Raises:
        UnknownCustomer, CustomerIsArchived: nothing can be given.
        InvalidField: a single feature does not exist, is archived, or is given for a time or
            with a value that it cannot have.
        InvalidPromotions: the same of several, or one comes twice.
    """
    customer = customers.lock(customer_id)
    customers.refuse_archived(customer)
    named = Feature.objects.filter(public_id__in=[gift.feature_id for gift in gifts])
    features = {feature.public_id: feature for feature in named}
    given: dict[str, PromotionalEntitlement] = {}
    faults: dict[int, str] = {}
    for row, gift in enumerate(gifts):
        try:
            if gift.feature_id in given:
                raise InvalidField("This feature is given twice.")
            given[gift.feature_id] = _new(customer, features.get(gift.feature_id), gift, now)
        except InvalidField as error:
            if len(gifts) == 1:
                raise
            faults[row] = error.message
    if faults:
        raise InvalidPromotions(
            next(iter(faults.values())), field="promotionalEntitlements", rows=faults
        )
    earlier = PromotionalEntitlement.objects.in_force(now).filter(
        customer=customer, feature__in=features.values()
    )
    replaced = dict(earlier.values_list("feature_id", "public_id"))
    earlier.update(ends_at=now, updated_at=now)
    PromotionalEntitlement.objects.bulk_create(given.values())
    for promotion in given.values():
        _record(
            "promotional_entitlement.granted",
            promotion,
            {**_readable(promotion), "replaces": replaced.get(promotion.feature_id)},
            actor=actor,
            now=now,
        )
    return list(given.values())


@act
def revoke(
    *, customer_id: str, feature_id: str, actor: Actor, now: datetime
) -> PromotionalEntitlement:
    """Take a feature back that was given: its promotional entitlement ends `now`.

    Raises:
        UnknownCustomer: there is none.
        UnknownPromotion: the customer has none of that feature now.
    """
    customer = customers.lock(customer_id)
    current = PromotionalEntitlement.objects.in_force(now).filter(
        customer=customer, feature__public_id=feature_id
    )
    promotion = current.select_related("feature").first() if is_public_id(feature_id) else None
    if promotion is None:
        raise UnknownPromotion("This customer has no promotional entitlement to that feature now.")
    before = promotion.ends_at
    promotion.customer = customer
    promotion.ends_at = promotion.updated_at = now
    promotion.save(update_fields=["ends_at", "updated_at"])
    _record(
        "promotional_entitlement.revoked",
        promotion,
        {"feature": feature_id, "ends_at": [before and before.isoformat(), now.isoformat()]},
        actor=actor,
        now=now,
    )
    return promotion


def in_force(customer: Customer, now: datetime) -> list[PromotionalEntitlement]:
    """What the customer has been given, as it counts at `now`; one query."""
    rows = PromotionalEntitlement.objects.in_force(now).filter(customer=customer)
    return list(rows.select_related("feature").order_by("pk"))


def effective(promotion: PromotionalEntitlement) -> EffectiveFeature:
    """A promotional entitlement in the form in which subscriptions include features."""
    terms = promotion.terms
    return EffectiveFeature(
        feature=promotion.feature,
        is_granted=True,
        usage_limit=promotion.usage_limit,
        has_unlimited_usage=promotion.has_unlimited_usage,
        has_soft_limit=promotion.has_soft_limit,
        enum_values=tuple(promotion.enum_values),
        reset_period=promotion.reset_period,
        reset_configuration=promotion.reset_configuration,
        is_set_here=False,
        sources=(
            FeatureSource(terms, promotion.get_period_display(), False, 1, is_promotional=True),
        ),
    )


def bought_limit(bought: Iterable[EffectiveFeature]) -> int | None:
    """The limits that subscriptions grant of one feature, added up; None if there is none."""
    limits = [
        effective.usage_limit
        for effective in bought
        if effective.is_granted and effective.usage_limit is not None
    ]
    return sum(limits) if limits else None


def outdoes(given: EffectiveFeature, bought: Iterable[EffectiveFeature]) -> bool:
    """Whether what is given of a feature is more than what subscriptions grant together.

    Then it counts instead of that, with its own reset period; the two never add up.
    """
    granted = [effective for effective in bought if effective.is_granted]
    if not granted:
        return True
    limit = bought_limit(granted)
    if limit is None or any(effective.has_unlimited_usage for effective in granted):
        return False
    return given.has_unlimited_usage or (given.usage_limit or 0) > limit


def together(bought: EffectiveFeature, given: EffectiveFeature) -> EffectiveFeature:
    """What is bought of a feature and what is given of it, as one."""
    counting = [bought, given] if bought.is_granted else [given]
    return replace(
        given if outdoes(given, [bought]) else bought,
        has_soft_limit=any(effective.has_soft_limit for effective in counting),
        enum_values=tuple(
            dict.fromkeys(value for effective in counting for value in effective.enum_values)
        ),
        is_set_here=bought.is_set_here,
        sources=(*bought.sources, *given.sources),
    )


def _new(
    customer: Customer, feature: Feature | None, gift: Gift, now: datetime
) -> PromotionalEntitlement:
    """What a gift gives, looked over and not stored.

    Raises:
        InvalidField: see `give`.
    """
    if feature is None:
        raise InvalidField(f"There is no feature {gift.feature_id}.", field="feature_id")
    if feature.status == FeatureStatus.SUSPENDED:
        raise InvalidField(f"{feature.name} is archived.", field="feature_id")
    promotion = PromotionalEntitlement(
        public_id=new_public_id("promotion"),
        customer=customer,
        feature=feature,
        period=gift.period,
        starts_at=now,
        usage_limit=gift.usage_limit,
        has_unlimited_usage=gift.has_unlimited_usage,
        has_soft_limit=gift.has_soft_limit,
        enum_values=list(dict.fromkeys(gift.enum_values)),
        reset_period=gift.reset_period,
        reset_configuration=gift.reset_configuration,
        is_visible=gift.is_visible,
        created_at=now,
        updated_at=now,
    )
    check_feature_terms(promotion.terms)
    promotion.ends_at = _end(gift, now)
    check(promotion)
    return promotion


def _end(gift: Gift, now: datetime) -> datetime | None:
    """When a gift of `now` ends; months are clamped as periods are (R19)."""
    if gift.period == PromotionPeriod.CUSTOM:
        if gift.custom_end_date is None or gift.custom_end_date <= now:
            raise InvalidField("Choose a date in the future.", field="custom_end_date")
        return gift.custom_end_date
    if gift.custom_end_date is not None:
        raise InvalidField("Only the period “custom” has an end date.", field="custom_end_date")
    match gift.period:
        case PromotionPeriod.LIFETIME:
            return None
        case PromotionPeriod.WEEK:
            return now + timedelta(weeks=1)
    return periods.boundary(now, MONTHS[PromotionPeriod(gift.period)])


def _readable(promotion: PromotionalEntitlement) -> dict[str, Any]:
    """The terms as the records show them."""
    return {
        "feature": promotion.feature.public_id,
        "period": promotion.period,
        "ends_at": promotion.ends_at and promotion.ends_at.isoformat(),
        "usage_limit": promotion.usage_limit,
        "has_unlimited_usage": promotion.has_unlimited_usage,
        "has_soft_limit": promotion.has_soft_limit,
        "enum_values": promotion.enum_values,
        "reset_period": promotion.reset_period,
    }


def _record(
    event: str,
    promotion: PromotionalEntitlement,
    payload: dict[str, Any],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    activity.record(
        event,
        subject=promotion,
        actor=actor,
        now=now,
        payload=payload,
        customer=promotion.customer.public_id,
    )
