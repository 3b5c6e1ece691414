"""What the entities of a customer used of what was assigned to them, and what is left (beta).

Use belongs to the entities that its dimensions name, and to all those above them. Only events
and direct consumption have dimensions, so only features counted or summed from events, and
credits, can be assigned.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet, Sum

from catalog.amounts import ZERO
from credits.dimensions import texts, with_tags
from credits.models import Consumption, UsageRecord
from subscriptions import periods
from subscriptions.models import Assignment, Customer, Entity, EntityType

GRID = datetime(2024, 1, 1, tzinfo=UTC)
"""Where all windows are counted from: a Monday, the first of a month and of a year."""

MONTHS_IN = {"M": 1, "Y": 12}
LENGTHS = {
    "D": timedelta(days=1),
    "W": timedelta(weeks=1),
    "TH": timedelta(hours=1),
    "TM": timedelta(minutes=1),
    "TS": timedelta(seconds=1),
}

Window = tuple[datetime, datetime]

_POINTED_AT = ("entity__type", "entity__parent", "feature", "credit_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entity with one of its assignments, and what was used of that in its window.

    Without an assignment it is only a place in the tree.
    """

    entity: Entity
    assignment: Assignment | None = None
    used: Decimal = ZERO
    window: Window | None = None

    @property
    def limit(self) -> Decimal | None:
        """What may be used within the window; None if that is not limited."""
        return self.assignment.usage_limit if self.assignment else None

    @property
    def utilization(self) -> Decimal | None:
        """Used ÷ limit; 1 for a limit of 0, None where nothing is limited."""
        if self.limit is None:
            return None
        return self.used / self.limit if self.limit else Decimal(1)

    def allows(self, wanted: Decimal | None) -> bool:
        """Whether this limit alone permits to use `wanted`; without, anything at all."""
        if self.limit is None:
            return True
        return self.used + wanted <= self.limit if wanted else self.used < self.limit


def window(cadence: str, now: datetime) -> Window:
    """The window [start, end) of a cadence such as P1M or PT1M that `now` lies in, in UTC."""
    is_time = cadence[1] == "T"
    count, unit = int(cadence[1 + is_time : -1]), cadence[-1]
    if not is_time and unit in MONTHS_IN:
        step = count * MONTHS_IN[unit]
        number = ((now.year - GRID.year) * 12 + now.month - GRID.month) // step
        return periods.boundary(GRID, number * step), periods.boundary(GRID, (number + 1) * step)
    length = count * LENGTHS["T" + unit if is_time else unit]
    start = GRID + (now - GRID) // length * length
    return start, start + length


def lines(
    customer: Customer, *, feature_ids: Sequence[str], credit_type_ids: Sequence[str], now: datetime
) -> list[Line]:
    """The assignments of these features and credit types to entities that are not archived.

    Without either, every entity that is not archived, alone. The number of queries depends on
    how many cadences there are, and not on how many entities.
    """
    if not feature_ids and not credit_type_ids:
        rows = Entity.objects.active().filter(customer=customer)
        return [Line(entity=entity) for entity in rows.select_related("type", "parent")]
    of_features = _assignments(customer).filter(feature__public_id__in=feature_ids)
    of_credits = _assignments(customer).filter(credit_type__public_id__in=credit_type_ids)
    return _measured(customer, [*of_features, *of_credits], now)


def lines_of(customer: Customer, entities: Sequence[Entity], *, now: datetime) -> list[Line]:
    """All assignments of these entities of a customer, in their order; one without has a line too.

    The number of queries depends on how many cadences there are, and not on how many entities.
    """
    rows = Assignment.objects.filter(entity__in=entities).select_related(*_POINTED_AT)
    by_entity: dict[int, list[Line]] = defaultdict(list)
    for line in _measured(customer, rows.order_by("pk"), now):
        by_entity[line.entity.pk].append(line)
    return [line for entity in entities for line in by_entity[entity.pk] or [Line(entity=entity)]]


def chains(
    customer: Customer,
    *,
    dimensions: Mapping[str, str],
    feature_id: str | None,
    credit_type_id: str | None,
    now: datetime,
) -> list[list[Line]]:
    """For each entity that `dimensions` name, the limits on its way up to the root.

    A limit with a scope stands in a chain if the dimensions name everything in its scope.
    """
    types = list(EntityType.objects.all())
    family = _Family(customer, types, dimensions.values())
    named = family.named(dimensions)
    paths = [family.upwards(entity) for entity in named]
    involved = {entity.pk: entity.public_id for path in paths for entity in path}
    rows = _assignments(customer).filter(entity__in=involved)
    if feature_id is not None:
        rows = rows.filter(feature__public_id=feature_id)
    else:
        rows = rows.filter(credit_type__public_id=credit_type_id)
    present = set(involved.values())
    fitting = [row for row in rows if present.issuperset(row.scope)]
    by_entity: dict[int, list[Line]] = defaultdict(list)
    for line in _measured(customer, fitting, now):
        by_entity[line.entity.pk].append(line)
    return [[line for entity in path for line in by_entity[entity.pk]] for path in paths]


def _assignments(customer: Customer) -> QuerySet[Assignment]:
    rows = Assignment.objects.filter(entity__customer=customer, entity__archived_at=None)
    return rows.select_related(*_POINTED_AT).order_by("pk")


def _measured(customer: Customer, assignments: Iterable[Assignment], now: datetime) -> list[Line]:
    """The assignments with what was used of each in its window."""
    assignments = list(assignments)
    groups: dict[tuple[int | None, int | None, str], list[Assignment]] = defaultdict(list)
    for row in assignments:
        groups[row.feature_id, row.credit_type_id, row.cadence].append(row)
    types = list(EntityType.objects.all()) if groups else []
    keys = sorted({key for kind in types for key in kind.attribution_keys})
    uses = {
        group: _uses(customer, feature_id, credit_type_id, window(cadence, now), keys)
        for group in groups
        for feature_id, credit_type_id, cadence in [group]
    }
    values = {value for found in uses.values() for named, _ in found for value in named if value}
    family = _Family(customer, types, values)
    used: dict[int, Decimal] = defaultdict(Decimal)
    for group, rows in groups.items():
        by_entity: dict[int, list[Assignment]] = defaultdict(list)
        for row in rows:
            by_entity[row.entity_id].append(row)
        for named, amount in uses[group]:
            involved = family.involved(dict(zip(keys, named, strict=True)))
            present = set(involved.values())
            for key in involved:
                for row in by_entity.get(key, ()):
                    if present.issuperset(row.scope):
                        used[row.pk] += amount
    return [
        Line(
            entity=row.entity,
            assignment=row,
            used=used[row.pk],
            window=window(row.cadence, now),
        )
        for row in assignments
    ]


Uses = list[tuple[tuple[str, ...], Decimal]]


def _uses(
    customer: Customer,
    feature_id: int | None,
    credit_type_id: int | None,
    within: Window,
    keys: Sequence[str],
) -> Uses:
    """What was used in a window, by the values of the dimensions `keys`; one query."""
    if not keys:
        return []
    if feature_id is not None:
        records = UsageRecord.objects.filter(
            customer=customer,
            feature=feature_id,
            event__isnull=False,
            occurred_at__gte=within[0],
            occurred_at__lt=within[1],
        )
        rows, names = with_tags(records, "event__dimensions", keys)
        amount = "value"
    else:
        consumed = Consumption.objects.filter(
            pool__customer=customer,
            pool__credit_type=credit_type_id,
            used_at__gte=within[0],
            used_at__lt=within[1],
        )
        rows, names = with_tags(consumed, "dimensions", keys)
        amount = "amount"
    found = rows.order_by().values_list(*names).annotate(total=Sum(amount))
    return [(texts(named), total) for *named, total in found if total is not None]


class _Family:
    """Entities of a customer that are named somewhere, and all those above them."""

    def __init__(self, customer: Customer, types: Sequence[EntityType], ids: Iterable[str]) -> None:
        rows = list(Entity.objects.active().filter(customer=customer, public_id__in=set(ids)))
        self.types = types
        self.by_name = {(entity.type_id, entity.public_id): entity for entity in rows}
        self.by_key = {entity.pk: entity for entity in rows}
        missing = self._parents(rows)
        while missing:
            found = list(Entity.objects.filter(pk__in=missing))
            self.by_key |= {entity.pk: entity for entity in found}
            missing = self._parents(found)

    def _parents(self, rows: Iterable[Entity]) -> set[int]:
        """The keys of those directly above that are not here yet."""
        parents = {entity.parent_id for entity in rows if entity.parent_id is not None}
        return parents - self.by_key.keys()

    def named(self, dimensions: Mapping[str, str]) -> list[Entity]:
        """The entities that the dimensions of a use name, by the keys of their types."""
        found = {
            entity.pk: entity
            for kind in self.types
            for key in kind.attribution_keys
            if (entity := self.by_name.get((kind.pk, dimensions.get(key, ""))))
        }
        return list(found.values())

    def upwards(self, entity: Entity) -> list[Entity]:
        """An entity, and those above it up to the root."""
        path = [entity]
        while path[-1].parent_id is not None:
            path.append(self.by_key[path[-1].parent_id])
        return path

    def involved(self, dimensions: Mapping[str, str]) -> dict[int, str]:
        """All that a use belongs to: key → id of the entities it names, and of those above."""
        return {
            above.pk: above.public_id
            for entity in self.named(dimensions)
            for above in self.upwards(entity)
        }
