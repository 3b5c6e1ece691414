"""Everything a customer may use now, and why not the rest (R43–R45, R7).

What one or several subscriptions include together, beside what was used of it. Credits are
answered from their pools, so they are there without a subscription too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from catalog.amounts import ZERO
from catalog.models import ConsumptionMapping, CreditType, Feature, FeatureType
from credits import access, metering, pools, totals
from credits.access import Denial
from credits.models import Pool
from credits.pools import Standing
from subscriptions import customers, promotions
from subscriptions.entitlements import EffectiveFeature, effective_features
from subscriptions.models import Customer, Resource, Subscription


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds credits and uses features: a customer as a whole, or a resource of it (R42)."""

    customer: Customer
    resource: Resource | None = None

    @property
    def resource_id(self) -> int | None:
        """The inner key of the resource, if it is one."""
        return self.resource.pk if self.resource else None


@dataclass(frozen=True, slots=True)
class CreditState:
    """One credit type of a customer, as an access check without an amount would answer."""

    credit_type: CreditType
    standing: Standing
    denial: Denial | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureState:
    """One feature of a customer, and whether it may be used.

    `used` is None where use is not measured, `usage_limit` None where there is no limit: with
    `has_unlimited_usage`, or because it is no number. `window` is the period in which use
    counts, None if it never starts again; `anchor` is what it is counted from.
    """

    feature: Feature | None
    denial: Denial | None
    used: Decimal | None = None
    usage_limit: int | None = None
    has_unlimited_usage: bool = False
    has_soft_limit: bool = False
    enum_values: tuple[str, ...] = ()
    reset_period: str = ""
    reset_configuration: dict[str, str] | None = None
    anchor: datetime | None = None
    window: tuple[datetime, datetime] | None = None
    valid_until: datetime | None = None
    updated_at: datetime | None = None
    mapping: ConsumptionMapping | None = None


@dataclass(frozen=True, slots=True)
class State:
    """All that a customer, or one resource of it, may use; `denial` says why there is nothing."""

    credits: tuple[CreditState, ...] = ()
    features: tuple[FeatureState, ...] = ()
    denial: Denial | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """How much, or which values, of a feature are about to be used; nothing: any at all."""

    usage: Decimal | None = None
    values: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one subscription, or one promotional entitlement, includes of a feature.

    Periods of use are counted from `anchor`; `ends_at` is the end of a promotional one.
    """

    effective: EffectiveFeature
    anchor: datetime
    started_at: datetime
    updated_at: datetime
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Included:
    """What a customer has of one feature: bought by all subscriptions together, or given.

    Limits that are bought add up; what is given counts instead where it is more.
    """

    bought: tuple[Part, ...]
    given: Part | None = None

    @property
    def parts(self) -> list[Part]:
        """All of it."""
        return [*self.bought, *([self.given] if self.given else [])]

    @property
    def leading(self) -> Part:
        """The part that says when use starts again.

        What is given if it counts, else what the subscription includes that started first.
        """
        return self.given if self.given and self._given_counts else self.bought[0]

    @property
    def first(self) -> EffectiveFeature:
        """What the leading part includes."""
        return self.leading.effective

    @property
    def granted(self) -> list[EffectiveFeature]:
        """The parts that give something."""
        return [part.effective for part in self.parts if part.effective.is_granted]

    @property
    def usage_limit(self) -> int | None:
        """The sum of the limits that are bought, or the one that is given; None without any."""
        if self.has_unlimited_usage:
            return None
        if self.given and self._given_counts:
            return self.given.effective.usage_limit
        return promotions.bought_limit(part.effective for part in self.bought)

    @property
    def _given_counts(self) -> bool:
        bought = [part.effective for part in self.bought]
        return self.given is not None and promotions.outdoes(self.given.effective, bought)

    @property
    def has_unlimited_usage(self) -> bool:
        """Whether any part has no limit."""
        return any(effective.has_unlimited_usage for effective in self.granted)

    @property
    def has_soft_limit(self) -> bool:
        """Whether any part lets use go on when nothing is left."""
        return any(effective.has_soft_limit for effective in self.granted)

    @property
    def enum_values(self) -> tuple[str, ...]:
        """The values of all parts."""
        return tuple(
            dict.fromkeys(value for effective in self.granted for value in effective.enum_values)
        )

    @property
    def anchor(self) -> datetime:
        """What the periods of use are counted from."""
        return self.leading.anchor

    @property
    def started_at(self) -> datetime:
        """Since when any of it is included."""
        return min(part.started_at for part in self.parts)

    @property
    def updated_at(self) -> datetime:
        """When any of it changed last."""
        return max(part.updated_at for part in self.parts)

    def valid_until(self, now: datetime) -> datetime | None:
        """When what is true at `now` may be true no more: use starts again, or a gift ends."""
        window = self.window(now)
        ends = [window[1]] if window else []
        if self.given and self.given.ends_at:
            ends.append(self.given.ends_at)
        return min(ends, default=None)

    def window(self, now: datetime) -> tuple[datetime, datetime] | None:
        """The period in which use counts at `now`; None if it never starts again."""
        first = self.first
        return totals.window(
            first.reset_period, first.reset_configuration, anchor=self.anchor, now=now
        )


def holder(customer_id: str, resource_id: str | None) -> Holder:
    """Who the public ids name, for something that archived customers may not do.

    Raises:
        UnknownCustomer, CustomerIsArchived, UnknownResource: which of the ids is at fault.
    """
    customer = customers.find_active(customer_id)
    if not resource_id:
        return Holder(customer)
    return Holder(customer, customers.find_resource(customer, resource_id))


def state(*, customer_id: str, resource_id: str | None, now: datetime) -> State:
    """What the customer, or that resource of it, may use at `now`.

    Resources are sealed (R42): without one only what belongs to the customer as a whole is
    listed, with one only what belongs to it.
    """
    asking = _find(customer_id, resource_id)
    match asking:
        case Denial.CUSTOMER_RESOURCE_NOT_FOUND:
            return State(denial=Denial.NO_ACTIVE_SUBSCRIPTION)
        case Denial():
            return State(denial=asking)
    subscriptions = _in_force(asking, now)
    found = State(
        credits=tuple(_credits(asking, now)),
        features=tuple(_features(asking, subscriptions, now)),
    )
    if not subscriptions and not found.credits and not found.features:
        return State(denial=Denial.NO_ACTIVE_SUBSCRIPTION)
    return found


def check_feature(
    *, customer_id: str, feature_id: str, resource_id: str | None, wish: Wish, now: datetime
) -> FeatureState:
    """Whether the customer may use a feature, and what is left of it.

    A number may be used while the limit is not passed, or with a soft limit anyway; a list
    if it holds all wanted values. Without a wanted number, anything below the limit is enough.
    """
    feature = Feature.objects.filter(public_id=feature_id).first()
    asking = _find(customer_id, resource_id)
    if isinstance(asking, Denial):
        return FeatureState(feature=feature, denial=asking)
    if feature is None:
        return FeatureState(feature=None, denial=Denial.FEATURE_NOT_FOUND)
    subscriptions = _in_force(asking, now)
    found = _included(asking, subscriptions, now).get(feature.pk)
    if found is None:
        denial = Denial.NO_FEATURE_ENTITLEMENT if subscriptions else Denial.NO_ACTIVE_SUBSCRIPTION
        return FeatureState(feature=feature, denial=denial)
    return _feature_state(found, _used(asking, [found], now), wish, now)


def included(holder: Holder, now: datetime) -> dict[int, Included]:
    """By primary key of the feature, what is bought and given of it at `now`."""
    return _included(holder, _in_force(holder, now), now)


def used(
    holder: Holder, feature: Feature, window: tuple[datetime, datetime] | None, now: datetime
) -> Decimal:
    """What was used of a metered feature in `window`, up to and including `now`."""
    by_feature = totals.used_by_feature(
        customer_id=holder.customer.pk,
        resource_id=holder.resource_id,
        since={feature: window[0] if window else None},
        until=now + timedelta.resolution,
    )
    return by_feature[feature.pk]


def _find(customer_id: str, resource_id: str | None) -> Holder | Denial:
    """Who the public ids name, or why nobody can be found under them."""
    customer = Customer.objects.filter(public_id=customer_id).first()
    if customer is None:
        return Denial.CUSTOMER_NOT_FOUND
    if customer.archived_at is not None:
        return Denial.CUSTOMER_IS_ARCHIVED
    if not resource_id:
        return Holder(customer)
    resource = Resource.objects.filter(customer=customer, public_id=resource_id).first()
    return Holder(customer, resource) if resource else Denial.CUSTOMER_RESOURCE_NOT_FOUND


def _in_force(holder: Holder, now: datetime) -> list[Subscription]:
    rows = Subscription.objects.filter(customer=holder.customer, resource=holder.resource)
    return list(rows.in_force(now).select_related("plan_version").order_by("started_at", "pk"))


def _credits(holder: Holder, now: datetime) -> Iterable[CreditState]:
    rows = Pool.objects.filter(customer=holder.customer, resource=holder.resource)
    found = list(rows.select_related("credit_type").order_by("credit_type__public_id", "pk"))
    standings = pools.standings(found, now)
    for row in found:
        standing = standings[row.pk]
        if not access.is_untouched(standing):
            yield CreditState(row.credit_type, standing, access.decide(standing, None))


def _features(
    holder: Holder, subscriptions: Sequence[Subscription], now: datetime
) -> Iterable[FeatureState]:
    by_feature = _included(holder, subscriptions, now)
    used_by_feature = _used(holder, by_feature.values(), now)
    mappings: dict[int, ConsumptionMapping] = {}
    if subscriptions:
        for mapping in metering.mappings_in_force(holder.customer, holder.resource_id, now):
            mappings.setdefault(mapping.feature_id, mapping)
    for feature_id, found in by_feature.items():
        yield _feature_state(found, used_by_feature, Wish(), now, mappings.get(feature_id))


def _included(
    holder: Holder, subscriptions: Iterable[Subscription], now: datetime
) -> dict[int, Included]:
    """By feature, what the subscriptions include of it, in their order, and what is given.

    Features are given to customers as a whole; resources are sealed (R42).
    """
    bought: dict[int, list[Part]] = {}
    for subscription in subscriptions:
        for effective in effective_features(subscription, now):
            part = Part(
                effective,
                anchor=subscription.billing_cycle_anchor,
                started_at=subscription.started_at,
                updated_at=subscription.updated_at,
            )
            bought.setdefault(effective.feature.pk, []).append(part)
    found = {feature_id: Included(tuple(parts)) for feature_id, parts in bought.items()}
    for promotion in promotions.in_force(holder.customer, now) if not holder.resource else ():
        given = Part(
            promotions.effective(promotion),
            anchor=promotion.starts_at,
            started_at=promotion.starts_at,
            updated_at=promotion.updated_at,
            ends_at=promotion.ends_at,
        )
        parts = tuple(bought.get(promotion.feature_id, ()))
        found[promotion.feature_id] = Included(parts, given)
    return found


def _used(holder: Holder, found: Iterable[Included], now: datetime) -> dict[int, Decimal]:
    """By feature, what was used of it up to and including `now`, where use is measured."""
    since = {}
    for each in found:
        window = each.window(now)
        if each.first.feature.is_metered:
            since[each.first.feature] = window[0] if window else None
    return totals.used_by_feature(
        customer_id=holder.customer.pk,
        resource_id=holder.resource_id,
        since=since,
        until=now + timedelta.resolution,
    )


def _feature_state(
    found: Included,
    used_by_feature: dict[int, Decimal],
    wish: Wish,
    now: datetime,
    mapping: ConsumptionMapping | None = None,
) -> FeatureState:
    effective = found.first
    feature = effective.feature
    return FeatureState(
        feature=feature,
        denial=_denial(found, used_by_feature.get(feature.pk), wish),
        used=used_by_feature.get(feature.pk),
        usage_limit=found.usage_limit,
        has_unlimited_usage=found.has_unlimited_usage,
        has_soft_limit=found.has_soft_limit,
        enum_values=found.enum_values,
        reset_period=effective.reset_period,
        reset_configuration=effective.reset_configuration,
        anchor=found.anchor if effective.reset_period else None,
        window=found.window(now),
        valid_until=found.valid_until(now),
        updated_at=found.updated_at,
        mapping=mapping,
    )


def _denial(found: Included, already_used: Decimal | None, wish: Wish) -> Denial | None:
    """The reason for a no, or None for a yes."""
    feature = found.first.feature
    if not found.granted:
        return Denial.REVOKED
    if wish.usage and feature.type != FeatureType.NUMBER:
        return Denial.FEATURE_TYPE_MISMATCH
    if wish.values and feature.type != FeatureType.ENUM:
        return Denial.FEATURE_TYPE_MISMATCH
    if wish.values:
        fits = set(found.enum_values).issuperset(wish.values)
        return None if fits else Denial.REQUESTED_VALUES_MISMATCH
    limit = found.usage_limit
    if limit is None or found.has_soft_limit:
        return None
    if wish.usage:
        fits = (already_used or ZERO) + wish.usage <= limit
    else:
        fits = already_used is None or already_used < limit
    return None if fits else Denial.REQUESTED_USAGE_EXCEEDING_LIMIT
