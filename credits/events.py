"""Take in usage events: each once, measured, and paid for at once (R33, R39, R40)."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from catalog.amounts import exact_json
from catalog.models import ConsumptionMapping, Feature
from credits import batches, consumption, entitlements, metering, pools, posting
from credits.consumption import Demand
from credits.entitlements import Holder
from credits.metering import Measure
from credits.models import ConsumptionKind, UsageEvent, UsageRecord
from subscriptions.models import Customer
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act


@dataclass(slots=True, frozen=True)
class Event:
    """One event as an application reports it; `occurred_at` None means on arrival."""

    customer_id: str
    name: str
    key: str
    resource_id: str | None = None
    occurred_at: datetime | None = None
    dimensions: Mapping[str, Any] = field(default_factory=dict)


def report(*, events: Sequence[Event], actor: Actor, now: datetime) -> int:
    """Record events and burn what they cost; say how many were new (R39, R40).

    Events of one customer are one transaction; a repeat of any of them changes nothing.
    All customers and resources are looked up before anything is written.

    Raises:
        UnknownCustomer, UnknownResource, UsedInTheFuture: with the rows at fault. Nothing is
            recorded.
    """
    batches.refuse_future([event.occurred_at for event in events], now, field="events")
    holders = batches.found(
        [(event.customer_id, event.resource_id) for event in events],
        lambda ids: entitlements.holder(*ids),
        field="events",
    )
    by_customer: dict[Customer, list[tuple[Event, Holder]]] = defaultdict(list)
    for event, holder in zip(events, holders, strict=True):
        by_customer[holder.customer].append((event, holder))
    return sum(
        report_for_customer(customer=customer, events=batch, actor=actor, now=now)
        for customer, batch in by_customer.items()
    )


@act
def report_for_customer(
    *, customer: Customer, events: Sequence[tuple[Event, Holder]], actor: Actor, now: datetime
) -> int:
    """The events of one customer, in one transaction."""
    features = list(Feature.objects.active().event_based())
    new = _store(customer, events, actor, now)
    paying = _Pools(customer.pk, now)
    demands: dict[int, list[Demand]] = defaultdict(list)
    records: list[UsageRecord] = []
    mappings: dict[int | None, list[ConsumptionMapping]] = {}
    for row in new:
        measures = [
            metering.measure(feature, row.dimensions)
            for feature in features
            if metering.matches(feature, row.name, row.dimensions)
        ]
        records += [_record(row, measure) for measure in measures]
        if row.resource_id not in mappings:
            mappings[row.resource_id] = metering.mappings_in_force(customer, row.resource_id, now)
        for credit_type_id, demand in _demands(row, measures, mappings[row.resource_id]):
            demands[paying.find(credit_type_id, row.resource_id)].append(demand)
    UsageRecord.objects.bulk_create(records, batch_size=500)
    for locked_pool in pools.lock_several(demands.keys(), now):
        consumption.spend(locked_pool, demands[locked_pool.row.pk], actor=actor, now=now)
    return len(new)


def _store(
    customer: Customer, events: Sequence[tuple[Event, Holder]], actor: Actor, now: datetime
) -> list[UsageEvent]:
    """Write the events down; return those that were not there before (R40)."""
    rows: dict[tuple[Any, ...], UsageEvent] = {}
    for event, holder in events:
        row = UsageEvent(
            customer=customer,
            resource_id=holder.resource_id,
            name=event.name,
            key=event.key,
            given_timestamp=event.occurred_at.isoformat() if event.occurred_at else "",
            occurred_at=event.occurred_at or now,
            dimensions=exact_json(event.dimensions),
            recorded_at=now,
            fingerprint=_fingerprint(event),
        )
        rows.setdefault(_identity(row), row)
    in_order = sorted(rows.values(), key=lambda row: [str(part) for part in _identity(row)])
    names = [field.attname for field in posting.EVENTS.fields]
    added = posting.insert_new(
        posting.EVENTS,
        [[getattr(row, name) for name in names] for row in in_order],
        "id, resource_id, name, key, given_timestamp",
    )
    ids = {tuple(identity): pk for pk, *identity in added}
    new = {identity: row for identity, row in rows.items() if identity in ids}
    for identity, row in new.items():
        row.pk = ids[identity]
    repeats = [row for identity, row in rows.items() if identity not in ids]
    _flag_different_repeats(customer, repeats, actor, now)
    return list(new.values())


def _identity(row: UsageEvent) -> tuple[Any, ...]:
    return row.resource_id, row.name, row.key, row.given_timestamp


def _flag_different_repeats(
    customer: Customer, repeats: Sequence[UsageEvent], actor: Actor, now: datetime
) -> None:
    """Note in the activity log which events came back with other content (R40)."""
    if not repeats:
        return
    stored = {
        _identity(row): row.fingerprint
        for row in UsageEvent.objects.filter(
            customer=customer, key__in={row.key for row in repeats}
        )
    }
    for row in repeats:
        if stored[_identity(row)] != row.fingerprint:
            activity.record(
                "usage_event.repeated_differently",
                subject=customer,
                actor=actor,
                now=now,
                payload={"event": row.name, "key": row.key},
                customer=customer.public_id,
            )


def _record(row: UsageEvent, measure: Measure) -> UsageRecord:
    return UsageRecord(
        customer_id=row.customer_id,
        resource_id=row.resource_id,
        feature=measure.feature,
        event=row,
        value=measure.value,
        text=measure.text,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
    )


def _demands(
    row: UsageEvent, measures: Sequence[Measure], mappings: Sequence[ConsumptionMapping]
) -> Iterator[tuple[int, Demand]]:
    """What an event costs, per credit type; nothing for what costs nothing."""
    for measure in measures:
        for mapping in mappings:
            if mapping.feature_id != measure.feature.pk:
                continue
            cost = metering.cost(mapping, measure.value, row.dimensions)
            if cost.amount or cost.flags:
                demand = Demand(
                    amount=cost.amount,
                    key=f"{row.pk}:{measure.feature.pk}",
                    used_at=row.occurred_at,
                    kind=ConsumptionKind.EVENT,
                    dimensions=row.dimensions,
                    feature_id=measure.feature.pk,
                    event_id=row.pk,
                    mapping_id=mapping.pk,
                    units=measure.value,
                    flags=(*measure.flags, *cost.flags),
                )
                yield mapping.credit_type_id, demand


class _Pools:
    """The pools of one customer, each looked up once."""

    def __init__(self, customer_id: int, now: datetime) -> None:
        self.customer_id, self.now = customer_id, now
        self.known: dict[tuple[int, int | None], int] = {}

    def find(self, credit_type_id: int, resource_id: int | None) -> int:
        """The pool of that credit type and resource, opened if need be."""
        if (credit_type_id, resource_id) not in self.known:
            self.known[credit_type_id, resource_id] = pools.open_pool(
                customer_id=self.customer_id,
                credit_type_id=credit_type_id,
                resource_id=resource_id,
                now=self.now,
            )
        return self.known[credit_type_id, resource_id]


def _fingerprint(event: Event) -> str:
    content = {name: str(value) for name, value in event.dimensions.items()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
