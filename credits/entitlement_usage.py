"""What a customer used of what they are entitled to: credits, then features.

It is what applications are told (`credits.entitlements`), put into lines.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from catalog.models import Cadence, CreditType, Feature, ResetPeriod
from credits import entitlements
from credits.entitlements import CreditState, FeatureState
from credits.models import Schedule
from subscriptions.models import Customer, Resource


@dataclass(slots=True, frozen=True)
class UsageLine:
    """One entitlement: how much of it is used, and when that starts again.

    `used` is None where nothing is measured, `limit` None where there is none: with
    `is_unlimited`, or because it is no number. Either `credit_type` or `feature` is set.
    """

    name: str
    used: Decimal | None
    limit: Decimal | None
    is_unlimited: bool
    has_soft_limit: bool
    reset_period: str
    next_reset_at: datetime | None
    credit_type: CreditType | None = None
    feature: Feature | None = None

    @property
    def percent(self) -> Decimal | None:
        """Used in percent of the limit, to one place; above 100 when overdrawn."""
        if self.used is None or not self.limit:
            return None
        return round(100 * self.used / self.limit, 1)


def lines(customer: Customer, *, resource: Resource | None, now: datetime) -> list[UsageLine]:
    """The entitlements of the whole customer, or of one resource of it, by name."""
    state = entitlements.state(
        customer_id=customer.public_id,
        resource_id=resource.public_id if resource else None,
        now=now,
    )
    cadences = _cadences(
        customer, resource, {credit.credit_type.pk for credit in state.credits}, now
    )
    credit_lines = [
        _credit_line(credit, cadences[credit.credit_type.pk]) for credit in state.credits
    ]
    feature_lines = [_feature_line(feature) for feature in state.features]
    return [
        *sorted(credit_lines, key=lambda line: line.name.casefold()),
        *sorted(feature_lines, key=lambda line: line.name.casefold()),
    ]


def _credit_line(credit: CreditState, cadences: Collection[str]) -> UsageLine:
    standing = credit.standing
    return UsageLine(
        name=credit.credit_type.name,
        used=standing.consumed,
        limit=standing.granted,
        is_unlimited=False,
        has_soft_limit=standing.has_soft_limit,
        reset_period=", ".join(
            ResetPeriod(cadence).label for cadence in Cadence.values if cadence in cadences
        ),
        next_reset_at=standing.next_reset_at,
        credit_type=credit.credit_type,
    )


def _cadences(
    customer: Customer, resource: Resource | None, credit_type_ids: Collection[int], now: datetime
) -> dict[int, set[str]]:
    """By credit type, on which cadences credits recur at `now`."""
    found: dict[int, set[str]] = defaultdict(set)
    if credit_type_ids:
        in_force = Schedule.objects.filter(
            Q(ends_at=None) | Q(ends_at__gt=now),
            pool__customer=customer,
            pool__resource=resource,
            starts_at__lte=now,
            is_granted=True,
            amount__gt=0,
        )
        for credit_type_id, cadence in in_force.values_list("pool__credit_type_id", "cadence"):
            found[credit_type_id].add(cadence)
    return found


def _feature_line(state: FeatureState) -> UsageLine:
    feature = state.feature
    assert feature is not None, "a line of a state is about a feature"
    return UsageLine(
        name=feature.name,
        used=state.used,
        limit=None if state.usage_limit is None else Decimal(state.usage_limit),
        is_unlimited=state.has_unlimited_usage,
        has_soft_limit=state.has_soft_limit,
        reset_period=ResetPeriod(state.reset_period).label if state.window else "",
        next_reset_at=state.window[1] if state.window else None,
        feature=feature,
    )
