"""Take in usage reports: what an application counted itself, paid for at once (R39)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from catalog.amounts import ZERO
from catalog.features import UnknownFeature
from catalog.models import Aggregation, ConsumptionMapping, CreditType, Feature
from credits import batches, consumption, entitlements, metering, pools
from credits.consumption import Demand, Receipt
from credits.entitlements import Holder, Included
from credits.models import ConsumptionKind, UsageRecord
from credits.pools import LockedPool
from subscriptions import customers
from workspace.actors import Actor
from workspace.acts import act, together
from workspace.errors import BadInput
from workspace.json import plain


class FeatureNotMetered(BadInput):
    """Use of the feature is not measured, so it cannot be reported."""


class CountedByEvents(BadInput):
    """What is counted are different values, of which a reported number says nothing."""


class UseBelowZero(BadInput):
    """A report would bring the use of a feature below zero."""


@dataclass(slots=True, frozen=True)
class Report:
    """How much of a feature was used, as an application reports it.

    `value` is added to what was used before, or with `sets_total` is the total from now on.
    `key`, if given, makes it happen once per customer, resource and feature (R40).
    """

    customer_id: str
    feature_id: str
    value: int
    sets_total: bool = False
    key: str = ""
    resource_id: str | None = None
    occurred_at: datetime | None = None
    dimensions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Known:
    """A report whose ids were found; `number` is its place in what was sent."""

    number: int
    report: Report
    holder: Holder
    feature: Feature


@dataclass(slots=True, frozen=True)
class Paid:
    """What a report cost in one credit type."""

    credit_type: CreditType
    receipt: Receipt


@dataclass(slots=True, frozen=True)
class Reported:
    """A report that was taken in, now or when its key came first.

    `used` is all use in the running period `window`, with this report in it.
    """

    record: UsageRecord
    report: Report
    used: Decimal
    window: tuple[datetime, datetime] | None
    paid: Paid | None
    replayed: bool


def report(*, reports: Sequence[Report], actor: Actor, now: datetime) -> list[Reported]:
    """Record reports and burn what they cost, in their order (R39, R40).

    A report above what was used before costs the difference, by rate, or once by formula
    over its dimensions; a fall costs nothing and gives nothing back. All reports are taken in
    or, if one of them is at fault, none.

    Raises:
        UnknownCustomer, CustomerIsArchived, UnknownResource, UnknownFeature,
        FeatureNotMetered, CountedByEvents, UsedInTheFuture: with the rows at fault.
        UseBelowZero: a total below zero is set, or more is taken off than was used.
    """
    _refuse_negative_totals(reports)
    batches.refuse_future([each.occurred_at for each in reports], now, field="usages")
    found = batches.found(
        [(each.customer_id, each.feature_id, each.resource_id) for each in reports],
        _find,
        field="usages",
    )
    known = [
        Known(number, each, *ids)
        for number, (each, ids) in enumerate(zip(reports, found, strict=True))
    ]
    by_customer: dict[int, list[int]] = defaultdict(list)
    for number, row in enumerate(known):
        by_customer[row.holder.customer.pk].append(number)

    def take_in_all() -> list[Reported]:
        answers: dict[int, Reported] = {}
        for _, numbers in sorted(by_customer.items()):  # so that nobody waits in a circle
            batch = [known[number] for number in numbers]
            done = report_for_customer(
                customer_id=batch[0].holder.customer.public_id, batch=batch, actor=actor, now=now
            )
            answers |= dict(zip(numbers, done, strict=True))
        return [answers[number] for number in range(len(known))]

    return together(take_in_all)


@act
def report_for_customer(
    *, customer_id: str, batch: Sequence[Known], actor: Actor, now: datetime
) -> list[Reported]:
    """The reports of one customer.

    The customer is locked, so that two reports of a total see each other.
    """
    customers.lock(customer_id)
    scopes = {
        holder: Scope(
            metering.mappings_in_force(holder.customer, holder.resource_id, now),
            entitlements.included(holder, now),
        )
        for holder in {row.holder for row in batch}
    }
    locked = _lock_pools(batch, scopes, now)
    return [_take_in(row, scopes[row.holder], locked, actor=actor, now=now) for row in batch]


@dataclass(slots=True, frozen=True)
class Scope:
    """What use of a customer, or of one resource of it, costs and counts against."""

    mappings: Sequence[ConsumptionMapping]
    included: Mapping[int, Included]


Pools = Mapping[tuple[int | None, int], LockedPool]


def _take_in(row: Known, scope: Scope, locked: Pools, *, actor: Actor, now: datetime) -> Reported:
    included = scope.included.get(row.feature.pk)
    window = included.window(now) if included else None
    where = (row.holder, row.feature, window, now)
    record = _known_record(row)
    replayed = record is not None
    rise = Decimal(row.report.value)
    if record is None:
        if row.report.sets_total:
            rise -= entitlements.used(*where)
        record = _record(row, now)
        _refuse_below_zero(row, record, included, now)
    paid = None
    for mapping in scope.mappings:
        if mapping.feature_id == row.feature.pk:
            locked_pool = locked[row.holder.resource_id, mapping.credit_type_id]
            demand = _demand(row, record, mapping, rise)
            if replayed or not (demand.amount or demand.flags):
                receipt = Receipt(ZERO, pools.standing_on_paper(locked_pool), replayed)
            else:
                [receipt] = consumption.spend(locked_pool, [demand], actor=actor, now=now)
            paid = paid or Paid(mapping.credit_type, receipt)
    used = entitlements.used(*where)
    return Reported(record, row.report, used, window, paid, replayed)


def _refuse_negative_totals(reports: Sequence[Report]) -> None:
    faults = {
        number: set_below_zero(each.feature_id)
        for number, each in enumerate(reports)
        if each.sets_total and each.value < 0
    }
    if faults:
        first = min(faults)
        raise UseBelowZero(f"usages[{first}]: {faults[first]}", field="usages", rows=faults)


def _refuse_below_zero(
    row: Known, record: UsageRecord, included: Included | None, now: datetime
) -> None:
    """Refuse a report that takes off more than was used, in the period that it counts in."""
    if record.value >= 0:
        return
    window = included.window(record.occurred_at) if included else None
    until = max(now, record.occurred_at)
    if window is not None:
        until = min(until, window[1] - timedelta.resolution)
    used = entitlements.used(row.holder, row.feature, window, until)
    if used < 0:
        wrong = taken_off_too_much(row.feature, used=used - record.value, off=-record.value)
        raise UseBelowZero(
            f"usages[{row.number}]: {wrong}", field="usages", rows={row.number: wrong}
        )


def set_below_zero(feature_id: str) -> str:
    """The sentence about a report of a total below zero."""
    return f"The use of {feature_id} cannot be set below 0."


def taken_off_too_much(feature: Feature, *, used: Decimal, off: Decimal) -> str:
    """The sentence about a report that takes off more than was used."""
    return f"{feature.name} was used {plain(used)} times: a report cannot take off {plain(off)}."


def _find(ids: tuple[str, str, str | None]) -> tuple[Holder, Feature]:
    """Who and what the public ids of a customer, a feature and a resource name."""
    customer_id, feature_id, resource_id = ids
    holder = entitlements.holder(customer_id, resource_id)
    feature = Feature.objects.filter(public_id=feature_id).first()
    if feature is None:
        raise UnknownFeature("There is no such feature.", field="featureId")
    if not feature.is_metered:
        raise FeatureNotMetered(
            f"Use of {feature.name} is not measured. Choose a metered feature.", field="featureId"
        )
    if feature.aggregation == Aggregation.UNIQUE:
        raise CountedByEvents(
            f"{feature.name} counts different values of {feature.aggregation_field}, which a "
            "number does not tell. Send events instead.",
            field="featureId",
        )
    return holder, feature


def _lock_pools(batch: Sequence[Known], scopes: Mapping[Holder, Scope], now: datetime) -> Pools:
    """The pools that the batch may draw on, locked, by resource and credit type."""
    reported = {(row.holder, row.feature.pk) for row in batch}
    wanted = {
        pools.open_pool(
            customer_id=holder.customer.pk,
            credit_type_id=mapping.credit_type_id,
            resource_id=holder.resource_id,
            now=now,
        )
        for holder, scope in scopes.items()
        for mapping in scope.mappings
        if (holder, mapping.feature_id) in reported
    }
    return {
        (locked_pool.row.resource_id, locked_pool.row.credit_type_id): locked_pool
        for locked_pool in pools.lock_several(wanted, now)
    }


def _known_record(row: Known) -> UsageRecord | None:
    """What was recorded when the key came first (R40)."""
    if not row.report.key:
        return None
    return UsageRecord.objects.filter(
        customer=row.holder.customer,
        resource=row.holder.resource,
        feature=row.feature,
        key=row.report.key,
    ).first()


def _record(row: Known, now: datetime) -> UsageRecord:
    return UsageRecord.objects.create(
        customer=row.holder.customer,
        resource=row.holder.resource,
        feature=row.feature,
        key=row.report.key,
        value=Decimal(row.report.value),
        sets_total=row.report.sets_total,
        occurred_at=row.report.occurred_at or now,
        recorded_at=now,
    )


def _demand(row: Known, record: UsageRecord, mapping: ConsumptionMapping, rise: Decimal) -> Demand:
    cost = metering.cost(mapping, rise, row.report.dimensions) if rise > 0 else None
    return Demand(
        amount=cost.amount if cost else ZERO,
        key=f"{record.pk}",
        used_at=record.occurred_at,
        kind=ConsumptionKind.USAGE,
        dimensions=row.report.dimensions,
        feature_id=row.feature.pk,
        mapping_id=mapping.pk,
        units=rise,
        flags=cost.flags if cost else (),
    )
