"""The ledger of a pool, page by page, with what time did and nobody has written yet (R52)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.db.models import Q

from catalog.models import Feature
from credits import chapters
from credits.book import Entry, EntryType, GrantType, PoolState
from credits.models import ConsumptionKind, GrantSource, LedgerEntry, Pool
from credits.models.ledger import NO_USE
from credits.summaries import grant_on_paper, source_of
from workspace.actors import SYSTEM

ENTRIES_PER_PAGE = 25
MOST_FEATURES = 200

NOTICEABLE = timedelta(minutes=1)

LABELS = {
    EntryType.GRANTED: "Granted",
    EntryType.CONSUMED: "Consumed",
    EntryType.EXPIRED: "Expired",
    EntryType.VOIDED: "Voided",
    EntryType.UPDATED: "Updated",
    EntryType.TRANSFER_SOURCE: "Consumption moved away",
    EntryType.TRANSFER_TARGET: "Consumption moved here",
}
"""What the types of entries are called on screens."""


class Origin(StrEnum):
    """What moved credits other than a feature: where a grant came from, or use without one."""

    PLAN = "plan"
    ADDON = "addon"
    TOP_UP = "top-up"
    PROMOTION = "promotion"
    OVERDRAFT = "overdraft"
    DIRECT = "direct"


ORIGINS = {
    Origin.PLAN: "Plan",
    Origin.ADDON: "Add-on",
    Origin.TOP_UP: "Manual top-up",
    Origin.PROMOTION: "Promotion",
    Origin.OVERDRAFT: "System",
    Origin.DIRECT: "Direct consumption",
}
"""What they are called on screens."""

_FROM_GRANTS = Q(NO_USE, consumption=None)
_FROM_ADDONS = Q(grant__source_type=GrantSource.ADDON_ENTITLEMENT)
_RECURRING = _FROM_GRANTS & Q(grant__type=GrantType.RECURRING.value)
CONDITIONS = {
    Origin.PLAN: _RECURRING & ~_FROM_ADDONS,
    Origin.ADDON: _RECURRING & _FROM_ADDONS,
    Origin.TOP_UP: _FROM_GRANTS & Q(grant__type=GrantType.PAID.value),
    Origin.PROMOTION: _FROM_GRANTS & Q(grant__type=GrantType.PROMOTIONAL.value),
    Origin.OVERDRAFT: _FROM_GRANTS & Q(grant__type=GrantType.OVERDRAFT.value),
    Origin.DIRECT: Q(consumption__isnull=False, consumption__feature=None),
}


@dataclass(slots=True, frozen=True)
class Filter:
    """Which entries to show: of one type, of one source, effective in [since, until).

    The source is an `origin`, or the use of a feature.
    """

    type: EntryType | None = None
    origin: Origin | None = None
    feature_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def admits(self, entry: Entry) -> bool:
        """Whether an entry on paper is among them; what time does is no use of anything."""
        return (
            (self.type is None or entry.type == self.type)
            and (self.origin is None or self.origin == _origin_on_paper(entry))
            and self.feature_id is None
            and (self.since is None or entry.effective_at >= self.since)
            and (self.until is None or entry.effective_at < self.until)
        )


@dataclass(slots=True, frozen=True)
class EntryLine:
    """One ledger entry as screens show it.

    `recorded_at` is None until it is written, `grant_id` as long as the grant is not.
    """

    number: int
    type: EntryType
    source: str
    grant: str
    amount: Decimal
    balance_before: Decimal
    balance_after: Decimal
    actor: str
    reason: str
    effective_at: datetime
    recorded_at: datetime | None
    grant_id: int | None

    @property
    def label(self) -> str:
        """What happened, in a word."""
        return LABELS[self.type]

    @property
    def is_late(self) -> bool:
        """Whether it was written down noticeably later than it took effect."""
        return self.recorded_at is not None and self.recorded_at - self.effective_at >= NOTICEABLE


@dataclass(slots=True, frozen=True)
class Statement:
    """A page of entries, the latest first, and whether there are later and earlier ones."""

    lines: list[EntryLine]
    has_newer: bool
    has_older: bool


def statement(
    row: Pool,
    state: PoolState,
    *,
    only: Filter,
    before: int | None = None,
    after: int | None = None,
    size: int = ENTRIES_PER_PAGE,
) -> Statement:
    """Entries numbered below `before`, or above `after`, or the latest; in one query.

    Args:
        row: the pool as it is stored.
        state: the same pool brought up to the instant that is shown.
    """
    upwards = before is None and after is not None
    found = _unwritten(row, state, only, before=before, after=after)
    found += _written(row, only, before=before, after=after, at_most=size + 1)
    found.sort(key=lambda line: line.number, reverse=not upwards)
    has_more = len(found) > size
    page = found[:size]
    if upwards:
        return Statement(page[::-1], has_newer=has_more, has_older=True)
    return Statement(page, has_newer=before is not None, has_older=has_more)


def features(row: Pool) -> list[Feature]:
    """The features whose use costs credits of the pool's type, by name; in one query."""
    mapped = Feature.objects.filter(mappings__credit_type=row.credit_type_id)
    return list(mapped.order_by("name", "pk").distinct()[:MOST_FEATURES])


def _unwritten(
    row: Pool, state: PoolState, only: Filter, *, before: int | None, after: int | None
) -> list[EntryLine]:
    """What time did since the pool was written; numbered as it will be when it is."""
    numbered = enumerate(state.entries, start=row.last_entry_number + 1)
    return [
        _line_on_paper(number, entry)
        for number, entry in numbered
        if only.admits(entry)
        and (before is None or number < before)
        and (after is None or number > after)
    ]


def _written(
    row: Pool, only: Filter, *, before: int | None, after: int | None, at_most: int
) -> list[EntryLine]:
    # Not beyond what `row` knows: a worker may be writing at this moment.
    last = row.last_entry_number
    rows = LedgerEntry.objects.filter(pool=row).select_related("grant", "consumption__feature")
    rows = rows.filter(chapters.bounds(row.pk, last, since=only.since, until=only.until))
    if only.type is not None:
        rows = rows.filter(type=only.type.value)
        if only.type != EntryType.CONSUMED:
            rows = rows.filter(NO_USE)
    if only.origin is not None:
        rows = rows.filter(CONDITIONS[only.origin])
    if only.feature_id is not None:
        rows = rows.filter(consumption__feature=only.feature_id)
    if only.since is not None:
        rows = rows.filter(effective_at__gte=only.since)
    if only.until is not None:
        rows = rows.filter(effective_at__lt=only.until)
    if before is None and after is not None:
        later = rows.filter(number__gt=after, number__lte=last)
        return _lines(later.order_by("number")[:at_most])
    until = last if before is None else min(last, before - 1)
    if only.origin == Origin.DIRECT or only.feature_id is not None:
        cause = Q(type=EntryType.CONSUMED.value, feature=only.feature_id)
        return _lines(
            chapters.latest(rows, pool_id=row.pk, only=cause, at_most=at_most, after=0, until=until)
        )
    return _lines(rows.filter(number__lte=until).order_by("-number")[:at_most])


def _lines(rows: Iterable[LedgerEntry]) -> list[EntryLine]:
    return [
        EntryLine(
            number=row.number,
            type=EntryType(row.type),
            source=_source(row),
            grant=row.grant.name,
            amount=row.amount,
            balance_before=row.balance_before,
            balance_after=row.balance_after,
            actor=row.actor,
            reason=row.reason,
            effective_at=row.effective_at,
            recorded_at=row.recorded_at,
            grant_id=row.grant_id,
        )
        for row in rows
    ]


def _source(row: LedgerEntry) -> str:
    """What moved the credits: the use that took them, or where the grant comes from."""
    used = row.consumption
    if used is None:
        return source_of(row.grant)
    if used.feature is not None:
        return used.feature.name
    return f"{ConsumptionKind(used.kind).label} consumption"


def _origin_on_paper(entry: Entry) -> Origin:
    """Where the grant comes from that time changes."""
    match entry.grant.type:
        case GrantType.RECURRING:
            schedule = entry.grant.schedule
            return Origin.ADDON if schedule and schedule.source_is_addon else Origin.PLAN
        case GrantType.PAID:
            return Origin.TOP_UP
        case GrantType.PROMOTIONAL:
            return Origin.PROMOTION
    return Origin.OVERDRAFT


def _line_on_paper(number: int, entry: Entry) -> EntryLine:
    return EntryLine(
        number=number,
        type=entry.type,
        source=source_of(grant_on_paper(entry.grant)),
        grant=entry.grant.name,
        amount=entry.amount,
        balance_before=entry.balance_before,
        balance_after=entry.balance_after,
        actor=SYSTEM.name,
        reason="",
        effective_at=entry.effective_at,
        recorded_at=None,
        grant_id=entry.grant.pk,
    )
