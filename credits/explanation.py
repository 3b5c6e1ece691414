"""Why a balance is what it is: what came, what went, and what is left (R43, R52).

From the balance before an instant to the balance before another one, all that moved between
them in lines that add up exactly. The database adds, chapter by chapter; however long the
ledger, a few rows come back. What time did and nobody has written down yet counts too.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from django.db.models import Q, QuerySet

from credits import chapters, past, reasons
from credits.book import ZERO, Entry, EntryType, PoolState
from credits.models import LedgerEntry
from credits.models.ledger import NO_USE
from credits.past import Mark
from credits.reasons import Reason
from subscriptions import periods

MOST_GRANTS = 20
"""So many grants have a line each; earlier ones share one."""
ENTRIES_PER_PAGE = 10


class Kind(StrEnum):
    """What a line of an explanation tells, in the order of telling."""

    GRANTED = "granted"
    EARLIER = "earlier"
    USED = "used"
    TAKEN = "taken"
    EXPIRED = "expired"
    VOIDED = "voided"
    MOVED = "moved"
    EDITED = "edited"


KINDS = {
    EntryType.GRANTED: Kind.GRANTED,
    EntryType.CONSUMED: Kind.USED,
    EntryType.EXPIRED: Kind.EXPIRED,
    EntryType.VOIDED: Kind.VOIDED,
    EntryType.TRANSFER_SOURCE: Kind.MOVED,
    EntryType.TRANSFER_TARGET: Kind.MOVED,
    EntryType.UPDATED: Kind.EDITED,
}
"""What an entry tells; what people took away is told apart from other use (R50)."""


class Key(NamedTuple):
    """Which line: `about` is the number of a grant's entry, or a feature; None is no feature."""

    kind: Kind
    about: int | None = None

    def __str__(self) -> str:
        return self.kind.value if self.about is None else f"{self.kind.value}-{self.about}"

    @classmethod
    def parse(cls, text: str) -> "Key | None":
        """What `str` wrote, or None."""
        kind, dash, about = text.partition("-")
        if kind not in [*Kind] or (dash and not (about.isdecimal() and about.isascii())):
            return None
        return cls(Kind(kind), int(about[:18]) if dash else None)


@dataclass(slots=True, frozen=True)
class Line:
    """What one cause did to the balance, in so many entries; `amount` is signed.

    `entry` is that of a single grant, `feature` the name of what was used, if there is one.
    """

    key: Key
    amount: Decimal
    count: int
    entry: LedgerEntry | None = None
    feature: str = ""


@dataclass(slots=True, frozen=True)
class Span:
    """The entries above number `after` up to `until`, and the balances at both ends."""

    after: Mark
    until: Mark


@dataclass(slots=True, frozen=True)
class Explanation:
    """Opening balance, what moved in [since, until), and the balance that it led to."""

    span: Span
    lines: tuple[Line, ...]

    @property
    def opening(self) -> Decimal:
        """The balance at the beginning."""
        return self.span.after.balance

    @property
    def closing(self) -> Decimal:
        """The balance at the end, as the ledger has it; all lines add up to it."""
        return self.span.until.balance

    def line(self, key: Key | None) -> Line | None:
        """The line of that key, if there is one."""
        return next((line for line in self.lines if line.key == key), None)


def explain(
    state: PoolState, *, since: datetime, until: datetime, as_known: bool = False
) -> Explanation:
    """What moved in [since, until); six queries at most, however much it was.

    Args:
        state: the pool brought up to the present; `until` is not later than just after it.
        as_known: take each end as the book had it at that instant, not as it truly was (R52).
    """
    span = _span(state, since, until, as_known=as_known)
    sums = _written_sums(state, span)
    unwritten = numbered(state, span)
    for _, entry in unwritten:
        key = Key(KINDS[entry.type])
        amount, count, name = sums[key]
        sums[key] = amount + entry.amount, count + 1, name
    lines = [Line(key, amount, count, feature=name) for key, (amount, count, name) in sums.items()]
    granted = sums.pop(Key(Kind.GRANTED), None)
    if granted is not None:
        lines = [line for line in lines if line.key.kind != Kind.GRANTED]
        lines += _grant_lines(state, span, unwritten, granted[0], granted[1])
    order = list(Kind)
    lines.sort(key=lambda line: (order.index(line.key.kind), _rank(line)))
    return Explanation(span, tuple(lines))


def _span(state: PoolState, since: datetime, until: datetime, *, as_known: bool) -> Span:
    ends = [instant - datetime.resolution for instant in (since, until)]
    after, last = (past.mark(state, at=end, known_at=end if as_known else None) for end in ends)
    return Span(after, last)


def _rank(line: Line) -> tuple[int, Decimal, str]:
    """Grants in the order of their entries, use by how much it was."""
    if line.key.kind == Kind.GRANTED:
        return line.key.about or 0, ZERO, ""
    return 0, line.amount, line.feature


def period_of(state: PoolState, now: datetime) -> tuple[datetime, datetime]:
    """The period [start, end) that `now` is in: of what was reset last, else the month in UTC."""
    running = [each for each in state.schedules if each.in_force]
    if not running:
        first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return first, periods.boundary(first, 1)
    latest = max(running, key=lambda each: (each.period_starts_at, each.next_at))
    return periods.containing(latest.anchor_at, latest.cadence, now)


def period_before(state: PoolState, start: datetime) -> tuple[datetime, datetime]:
    """The period that ended when the one that began at `start` did so."""
    return period_of(state, start - datetime.resolution)


Sums = dict[Key, tuple[Decimal, int, str]]


def _written_sums(state: PoolState, span: Span) -> Sums:
    """By line, what was written within `span`; grants still together."""
    sums: Sums = defaultdict(lambda: (ZERO, 0, ""))
    for total in chapters.totals(
        state.pk, after=span.after.number, until=_last_written(state, span)
    ):
        kind = Kind.TAKEN if total.by_people else KINDS[total.type]
        key = Key(kind, None if total.by_people else total.feature_id)
        amount, count, _ = sums[key]
        sums[key] = amount + total.amount, count + total.entries, total.feature_name or ""
    return sums


def _grant_lines(
    state: PoolState,
    span: Span,
    unwritten: Iterable[tuple[int, Entry]],
    total: Decimal,
    count: int,
) -> list[Line]:
    """A line for each of the latest grants, and one for all before them. One query."""
    found = {
        number: reasons.on_paper(number, entry)
        for number, entry in unwritten
        if entry.type == EntryType.GRANTED
    }
    missing = max(0, MOST_GRANTS - len(found))
    rows = written(state, span).filter(NO_USE, type=EntryType.GRANTED).select_related("grant")
    found |= {row.number: row for row in rows.order_by("-number")[:missing]}
    chosen = [found[number] for number in sorted(found, reverse=True)[:MOST_GRANTS]]
    lines = [Line(Key(Kind.GRANTED, each.number), each.amount, 1, each) for each in chosen]
    rest = total - sum((line.amount for line in lines), ZERO)
    if count > len(lines):
        lines.append(Line(Key(Kind.EARLIER), rest, count - len(lines)))
    return lines


def written(state: PoolState, span: Span) -> QuerySet[LedgerEntry]:
    """The entries of `span` that stand in the ledger."""
    last = _last_written(state, span)
    return LedgerEntry.objects.filter(pool=state.pk, number__gt=span.after.number, number__lte=last)


def _last_written(state: PoolState, span: Span) -> int:
    return min(span.until.number, state.last_entry_number)


def numbered(state: PoolState, span: Span) -> list[tuple[int, Entry]]:
    """The entries of `span` that nobody has written down yet, with the numbers they will get."""
    entries = enumerate(state.entries, start=state.last_entry_number + 1)
    return [
        (number, entry)
        for number, entry in entries
        if span.after.number < number <= span.until.number
    ]


@dataclass(slots=True, frozen=True)
class Proof:
    """An entry, and why it is as it is; one that nobody has written down yet has no `pk`."""

    entry: LedgerEntry
    reason: Reason


@dataclass(slots=True, frozen=True)
class Proofs:
    """Some entries of a line, the latest first; `older` is where the next ones begin, if any."""

    found: tuple[Proof, ...]
    older: int | None


def proofs(
    state: PoolState,
    explanation: Explanation,
    line: Line,
    *,
    before: int | None = None,
    size: int = ENTRIES_PER_PAGE,
) -> Proofs:
    """The entries that a line adds up, numbered below `before`; at most two queries."""
    singles = [each.key.about for each in explanation.lines if each.key.kind == Kind.GRANTED]
    ceiling = min(each for each in singles if each is not None) if singles else None
    if line.key.kind == Kind.EARLIER and ceiling is not None:
        before = min(before or ceiling, ceiling)
    found = [
        reasons.on_paper(number, entry)
        for number, entry in reversed(numbered(state, explanation.span))
        if _tells(line.key, number, entry) and (before is None or number < before)
    ]
    rows = LedgerEntry.objects.filter(_told_by(line.key), pool=state.pk)
    rows = rows.select_related(*reasons.READ_WITH)
    after, until = explanation.span.after.number, _last_written(state, explanation.span)
    if before is not None:
        until = min(until, before - 1)
    if line.key.kind in (Kind.USED, Kind.TAKEN):
        only = Q(type=EntryType.CONSUMED.value, by_people=line.key.kind == Kind.TAKEN)
        if line.key.kind == Kind.USED:
            only &= Q(feature=line.key.about)
        found += chapters.latest(
            rows, pool_id=state.pk, only=only, at_most=size + 1, after=after, until=until
        )
    else:
        rows = rows.filter(number__gt=after, number__lte=until)
        found += rows.order_by("-number")[: size + 1]
    page = found[:size]
    partners = _partners(state, page)
    return Proofs(
        tuple(Proof(entry, reasons.of(entry, partners.get(entry.number))) for entry in page),
        older=page[-1].number if len(found) > size else None,
    )


def _told_by(key: Key) -> Q:
    """Which entries of the ledger a line adds up."""
    match key.kind:
        case Kind.TAKEN:
            return chapters.BY_PEOPLE
        case Kind.USED:
            return Q(type=EntryType.CONSUMED, consumption__feature=key.about) & ~chapters.BY_PEOPLE
        case Kind.GRANTED:
            return Q(number=key.about)
        case Kind.EARLIER:
            return Q(NO_USE, type=EntryType.GRANTED)
    return Q(NO_USE, type__in=[type_ for type_, kind in KINDS.items() if kind == key.kind])


def _tells(key: Key, number: int, entry: Entry) -> bool:
    """The same of an entry on paper."""
    if key.kind == Kind.EARLIER:
        return entry.type == EntryType.GRANTED
    return KINDS[entry.type] == key.kind and key.about in (None, number)


def _partners(state: PoolState, entries: Iterable[LedgerEntry]) -> dict[int, LedgerEntry]:
    """By number, the other entry of each transfer: it stands right behind it or before."""
    wanted = {
        each.number: each.number + (1 if each.type == EntryType.TRANSFER_SOURCE else -1)
        for each in entries
        if KINDS[EntryType(each.type)] == Kind.MOVED
    }
    if not wanted:
        return {}
    rows = LedgerEntry.objects.filter(pool=state.pk, number__in=wanted.values())
    known = {row.number: row for row in rows.select_related("grant")}
    on_paper = enumerate(state.entries, start=state.last_entry_number + 1)
    known |= {
        number: reasons.on_paper(number, entry)
        for number, entry in on_paper
        if number in wanted.values()
    }
    return {number: known[other] for number, other in wanted.items() if other in known}
