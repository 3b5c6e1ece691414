"""Prove the books: every rule about credits, recomputed from what is stored (R22, R36, R40, R52).

Nothing here repairs anything, and nothing trusts the code that wrote the rows: what is wrong
is said with the pool and, where it is one, the entry. Pools are taken in batches and rows
are streamed, so memory does not grow with the ledger.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Count, Max, Min, Q, Sum

from credits import chapters, pools, timeline
from credits.book import USING, ZERO, EntryType, GrantType, ScheduleState, Stage
from credits.models import ChapterSum, Consumption, Grant, LedgerEntry, Pool, Schedule
from credits.models.grants import SPENT
from workspace import functions, triggers

BATCH = 200
CHUNK = 2000

COUNTING = (Stage.OPEN.value, SPENT)
"""Stages of the grants that count in a balance."""


class Rule(StrEnum):
    """What is always true of the books."""

    TRIGGERS = "every trigger is in place"
    FUNCTIONS = "every function is in place"
    GAPLESS = "entries are numbered from 1 without gaps"
    CHAINED = "an entry begins with the balance the one before ended with"
    ADDS_UP = "balance before and amount make balance after"
    IN_TIME = "no entry is effective earlier than the one before"
    SIGNED = "the sign of an amount fits its type"
    PAIRED = "a transfer is two entries that sum to zero"
    LAST_ENTRY = "a pool knows number, time and balance of its last entry"
    TOTALS = "a pool's totals are those of its active grants"
    REPLAY = "the entries of a grant sum to what is left of it"
    OPENED_ONCE = "a grant that became active was entered once, in full"
    BOUNDS = "consumed lies between zero and the amount"
    ONE_OVERDRAFT = "a pool has at most one open overdraft"
    STAGE = "the stage of a grant agrees with its dates"
    CONSUMPTION = "the entries of a consumption sum to its amount, one per grant"
    ONE_EFFECT = "a key takes effect once"
    STEPS = "recurring grants are the steps of a mark"
    PERIODS = "the periods of a source never overlap"
    MARK = "a mark is what was granted in its period"
    NEXT_CHANGE = "the next change is not noted later than it comes"
    OUTLOOK = "a pool says what its schedules in force say"
    CHAPTERS = "the sums of chapters are those of their entries"


@dataclass(slots=True, frozen=True)
class Fault:
    """A rule that is broken: in which pool, at which entry if at one, and how."""

    rule: Rule
    detail: str
    pool_id: int | None = None
    number: int | None = None

    def __str__(self) -> str:
        place = "database" if self.pool_id is None else f"pool {self.pool_id}"
        if self.number is not None:
            place += f", entry {self.number}"
        return f"{place}: {self.detail} Broken rule: {self.rule}."


def verify_all(now: datetime, *, batch: int = BATCH) -> Iterator[Fault]:
    """Everything that is wrong with the database's guards and with any pool."""
    yield from verify_triggers()
    yield from verify_functions()
    last = 0
    while ids := _ids_after(last, batch):
        yield from verify(ids, now)
        last = ids[-1]


def verify_triggers() -> Iterator[Fault]:
    """The guards that are missing from the database."""
    for trigger in triggers.missing(connection):
        yield Fault(Rule.TRIGGERS, f"The trigger {trigger.name} is missing or different.")


def verify_functions() -> Iterator[Fault]:
    """The functions that are missing from the database, or do not do what we declared."""
    for function in functions.missing(connection):
        yield Fault(Rule.FUNCTIONS, f"The function {function.name} is missing or different.")


def verify(pool_ids: Sequence[int], now: datetime) -> Iterator[Fault]:
    """Everything that is wrong with these pools, as of one moment of the database.

    Args:
        pool_ids: the pools, few enough for one statement.
        now: the present, before which closed grants must have ended.
    """
    with _one_moment():
        rows = list(Pool.objects.filter(pk__in=pool_ids).order_by("pk"))
        for check in CHECKS:
            yield from check(rows, now)


# One moment


@contextmanager
def _one_moment() -> Iterator[None]:
    """Let all statements see the same rows, however much is written meanwhile."""
    if connection.in_atomic_block:
        yield
        return
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
        return
    # A transaction that only reads keeps no writer waiting; ours begin with the write lock.
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _ids_after(last: int, count: int) -> list[int]:
    return list(
        Pool.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:count]
    )


# The chain of entries

PLUS = {EntryType.GRANTED, EntryType.TRANSFER_SOURCE}
MINUS = {EntryType.CONSUMED, EntryType.EXPIRED, EntryType.VOIDED, EntryType.TRANSFER_TARGET}


def _check_chain(rows: Sequence[Pool], now: datetime) -> Iterator[Fault]:
    """Numbers, balances, times, signs and pairs, entry by entry."""
    entries = LedgerEntry.objects.filter(pool__in=rows).order_by("pool_id", "number")
    ledgers = groupby(entries.iterator(CHUNK), key=attrgetter("pool_id"))
    for row, ledger in _matched(rows, ledgers, attrgetter("pk"), lambda group: group[0]):
        assert row is not None, "only entries of these pools were read"
        yield from _check_ledger(row, ledger[1] if ledger else ())


def _check_ledger(row: Pool, entries: Iterable[LedgerEntry]) -> Iterator[Fault]:
    previous: LedgerEntry | None = None
    for entry in entries:
        yield from _check_entry(previous, entry)
        previous = entry
    if previous is not None and previous.type == EntryType.TRANSFER_SOURCE:
        yield _fault(Rule.PAIRED, previous, "The transfer has no target.")
    number, at, balance = 0, None, ZERO
    if previous is not None:
        number, at, balance = previous.number, previous.effective_at, previous.balance_after
    known = (row.last_entry_number, row.as_of, row.balance)
    if known != (number, at, balance):
        yield Fault(
            Rule.LAST_ENTRY,
            f"The pool says entry {known[0]} at {known[1]} with balance {known[2]}; "
            f"the ledger ends with entry {number} at {at} with balance {balance}.",
            row.pk,
        )


def _check_entry(previous: LedgerEntry | None, entry: LedgerEntry) -> Iterator[Fault]:
    number = 0 if previous is None else previous.number
    before = ZERO if previous is None else previous.balance_after
    if entry.number != number + 1:
        yield _fault(Rule.GAPLESS, entry, f"It follows entry {number}.")
    if entry.balance_before != before:
        yield _fault(
            Rule.CHAINED, entry, f"It begins with {entry.balance_before}, not with {before}."
        )
    if entry.balance_before + entry.amount != entry.balance_after:
        yield _fault(
            Rule.ADDS_UP,
            entry,
            f"{entry.balance_before} and {entry.amount} do not make {entry.balance_after}.",
        )
    if previous is not None and entry.effective_at < previous.effective_at:
        yield _fault(
            Rule.IN_TIME, entry, f"{entry.effective_at} is before {previous.effective_at}."
        )
    if not _is_signed(entry):
        yield _fault(Rule.SIGNED, entry, f"{entry.type} has the amount {entry.amount}.")
    if not _is_paired(previous, entry):
        yield _fault(Rule.PAIRED, entry, "It is no pair with the one before.")


def _is_signed(entry: LedgerEntry) -> bool:
    if entry.type in PLUS:
        return entry.amount > 0
    return entry.amount < 0 if entry.type in MINUS else entry.amount == 0


def _is_paired(previous: LedgerEntry | None, entry: LedgerEntry) -> bool:
    source = previous is not None and previous.type == EntryType.TRANSFER_SOURCE
    target = entry.type == EntryType.TRANSFER_TARGET
    return source == target and (previous is None or not target or previous.amount == -entry.amount)


def _fault(rule: Rule, entry: LedgerEntry, detail: str) -> Fault:
    return Fault(rule, detail, entry.pool_id, entry.number)


# Grants and totals


@dataclass(slots=True)
class Totals:
    """What the active grants of a pool make together."""

    balance: Decimal = ZERO
    granted: Decimal = ZERO
    consumed: Decimal = ZERO
    overdrafts: int = 0


def _check_grants(rows: Sequence[Pool], now: datetime) -> Iterator[Fault]:
    """Each grant against its entries and dates, and the pool against its grants."""
    totals = {row.pk: Totals() for row in rows}
    grants = Grant.objects.filter(pool__in=rows).order_by("pool_id", "pk").iterator(CHUNK)
    moved = (
        LedgerEntry.objects.filter(pool__in=rows)
        .values("pool_id", "grant_id")
        .annotate(
            total=Sum("amount"),
            first=Min("number"),
            used=Sum("amount", filter=Q(type__in=USING)),
            opened=Sum("amount", filter=Q(type=EntryType.GRANTED)),
            openings=Count("pk", filter=Q(type=EntryType.GRANTED)),
        )
        .order_by("pool_id", "grant_id")
    )
    pairs = _matched(
        grants,
        moved.iterator(CHUNK),
        lambda grant: (grant.pool_id, grant.pk),
        lambda sums: (sums["pool_id"], sums["grant_id"]),
    )
    for grant, sums in pairs:
        if grant is None:
            detail = f"It moves the grant {sums['grant_id']} of another pool."
            yield Fault(Rule.REPLAY, detail, sums["pool_id"], sums["first"])
            continue
        yield from _check_grant(grant, sums or {}, now)
        if grant.stage in COUNTING:
            _add(totals[grant.pool_id], grant)
    for row in rows:
        yield from _check_totals(row, totals[row.pk])


def _add(totals: Totals, grant: Grant) -> None:
    totals.granted += grant.amount
    totals.consumed += grant.consumed
    totals.balance += grant.amount - grant.consumed
    totals.overdrafts += grant.type == GrantType.OVERDRAFT


def _check_grant(grant: Grant, sums: dict[str, Any], now: datetime) -> Iterator[Fault]:
    counts = grant.stage in COUNTING
    left = grant.amount - grant.consumed if counts else ZERO
    entered, used = sums.get("total", ZERO), -(sums.get("used") or ZERO)
    if (entered, used) != (left, grant.consumed):
        yield _grant_fault(
            Rule.REPLAY,
            grant,
            f"has {left} left and {grant.consumed} consumed, its entries say {entered} and {used}",
        )
    openings, opened = sums.get("openings", 0), sums.get("opened") or ZERO
    must_open = counts and grant.type != GrantType.OVERDRAFT
    if openings > 1 or (must_open and not openings) or (openings and opened != grant.amount):
        yield _grant_fault(
            Rule.OPENED_ONCE,
            grant,
            f"of {grant.amount} was entered {openings} times, with {opened} in all",
        )
    most = grant.consumed if grant.type == GrantType.OVERDRAFT else grant.amount
    if not ZERO <= grant.consumed <= most:
        yield _grant_fault(Rule.BOUNDS, grant, f"of {grant.amount} has {grant.consumed} consumed")
    if not _stage_fits(grant, now):
        yield _grant_fault(
            Rule.STAGE,
            grant,
            f"is {grant.stage}, effective {grant.effective_at}, expires {grant.expires_at}, "
            f"voided {grant.voided_at}",
        )


def _stage_fits(grant: Grant, now: datetime) -> bool:
    ended = grant.voided_at is not None or (
        grant.expires_at is not None and grant.expires_at <= now
    )
    if grant.stage == Stage.WAITING:
        return grant.voided_at is None and not grant.consumed
    if grant.stage == Stage.CLOSED:
        return ended
    if grant.stage == SPENT:
        used_up = grant.consumed == grant.amount and grant.type != GrantType.OVERDRAFT
        return used_up and grant.expires_at is None and grant.voided_at is None
    return grant.voided_at is None and not grant.payment_pending and grant.effective_at <= now


def _grant_fault(rule: Rule, grant: Grant, detail: str) -> Fault:
    return Fault(rule, f"The grant {grant.pk} {detail}.", grant.pool_id)


def _check_totals(row: Pool, totals: Totals) -> Iterator[Fault]:
    stored = (row.balance, row.granted, row.consumed)
    found = (totals.balance, totals.granted, totals.consumed)
    if stored != found:
        yield Fault(
            Rule.TOTALS,
            "The pool says balance {}, granted {}, consumed {}; ".format(*stored)
            + "its grants make {}, {} and {}.".format(*found),
            row.pk,
        )
    if totals.overdrafts > 1:
        yield Fault(Rule.ONE_OVERDRAFT, f"{totals.overdrafts} overdrafts are open.", row.pk)


# Consumption


def _check_consumptions(rows: Sequence[Pool], now: datetime) -> Iterator[Fault]:
    """Each consumption against its entries."""
    demands = Consumption.objects.filter(pool__in=rows).order_by("pk").iterator(CHUNK)
    entered = (
        LedgerEntry.objects.filter(pool__in=rows)
        .exclude(consumption=None)
        .values("consumption_id")
        .annotate(
            total=Sum("amount"),
            entries=Count("pk"),
            grants=Count("grant_id", distinct=True),
            others=Count("pk", filter=~Q(type=EntryType.CONSUMED)),
            least_pool=Min("pool_id"),
            largest_pool=Max("pool_id"),
            first=Min("number"),
        )
        .order_by("consumption_id")
    )
    pairs = _matched(
        demands, entered.iterator(CHUNK), attrgetter("pk"), lambda sums: sums["consumption_id"]
    )
    for demand, sums in pairs:
        if demand is None:
            detail = f"It names the consumption {sums['consumption_id']} of another pool."
            yield Fault(Rule.CONSUMPTION, detail, sums["least_pool"], sums["first"])
        elif sums is None:
            if demand.amount:
                detail = f"The consumption {demand.pk} of {demand.amount} has no entry."
                yield Fault(Rule.CONSUMPTION, detail, demand.pool_id)
        elif not _is_entered(demand, sums):
            detail = (
                f"The consumption {demand.pk} of {demand.amount} has {sums['entries']} entries "
                f"on {sums['grants']} grants that sum to {sums['total']}."
            )
            yield Fault(Rule.CONSUMPTION, detail, demand.pool_id, sums["first"])
    unclaimed = LedgerEntry.objects.filter(pool__in=rows, consumption=None, type=EntryType.CONSUMED)
    for entry in unclaimed.iterator(CHUNK):
        yield _fault(Rule.CONSUMPTION, entry, "It names no consumption.")


def _is_entered(demand: Consumption, sums: dict[str, Any]) -> bool:
    return bool(
        sums["total"] == -demand.amount
        and sums["entries"] == sums["grants"]
        and not sums["others"]
        and sums["least_pool"] == sums["largest_pool"] == demand.pool_id
    )


def _check_keys(rows: Sequence[Pool], now: datetime) -> Iterator[Fault]:
    repeated = (
        Consumption.objects.filter(pool__in=rows)
        .values("pool_id", "kind", "key")
        .annotate(times=Count("pk"))
        .filter(times__gt=1)
        .order_by("pool_id", "kind", "key")
    )
    for each in repeated.iterator(CHUNK):
        detail = f"The key {each['key']!r} ({each['kind']}) took effect {each['times']} times."
        yield Fault(Rule.ONE_EFFECT, detail, each["pool_id"])


# What recurs


def _check_steps(rows: Sequence[Pool], now: datetime) -> Iterator[Fault]:
    """Within a period the grants of a source are the steps of one mark."""
    recurring = Grant.objects.filter(pool__in=rows, type=GrantType.RECURRING)
    columns = ("pool_id", "subscription_id", "source_id", "period_starts_at", "period_ends_at")
    steps = recurring.order_by(*columns, "mark_before").iterator(CHUNK)
    for _, grants in groupby(steps, key=attrgetter(*columns)):
        mark = ZERO
        for grant in grants:
            if grant.mark_before != mark:
                detail = f"begins at the mark {grant.mark_before}, not at {mark}"
                yield _grant_fault(Rule.STEPS, grant, detail)
            mark = (grant.mark_before or ZERO) + grant.amount


def _check_periods(rows: Sequence[Pool], now: datetime) -> Iterator[Fault]:
    """What a source gives for one period is over before it gives for another."""
    recurring = Grant.objects.filter(pool__in=rows, type=GrantType.RECURRING)
    columns = ("pool_id", "subscription_id", "source_id")
    by_time = recurring.order_by(*columns, "effective_at", "pk").iterator(CHUNK)
    for _, grants in groupby(by_time, key=attrgetter(*columns)):
        period: tuple[Any, Any] | None = None
        ends_at = others_end_at = datetime.min.replace(tzinfo=UTC)
        for grant in grants:
            if (grant.period_starts_at, grant.period_ends_at) != period:
                period = (grant.period_starts_at, grant.period_ends_at)
                others_end_at, ends_at = max(others_end_at, ends_at), grant.effective_at
            if grant.effective_at < others_end_at:
                detail = (
                    f"takes effect at {grant.effective_at}, before what the source gave for "
                    f"another period ends at {others_end_at}"
                )
                yield _grant_fault(Rule.PERIODS, grant, detail)
            ends_at = max(ends_at, _end_of(grant))


def _end_of(grant: Grant) -> datetime:
    ends = [end for end in (grant.voided_at, grant.expires_at) if end is not None]
    return min(ends, default=datetime.max.replace(tzinfo=UTC))


def _check_marks(rows: Sequence[Pool], now: datetime) -> Iterator[Fault]:
    """The mark of a schedule in force is what its source was granted in its period."""
    columns = ("pool_id", "subscription_id", "source_id", "period_starts_at")
    running = Schedule.objects.filter(
        pool__in=rows, ended=False, period_starts_at__isnull=False
    ).order_by(*columns, "next_at")
    granted = (
        Grant.objects.filter(pool__in=rows, type=GrantType.RECURRING)
        .values(*columns, "period_ends_at")
        .annotate(total=Sum("amount"))
        .order_by(*columns, "period_ends_at")
    )
    pairs = _matched(
        running.iterator(CHUNK),
        granted.iterator(CHUNK),
        attrgetter(*columns, "next_at"),
        itemgetter(*columns, "period_ends_at"),
    )
    for schedule, sums in pairs:
        if schedule is None:
            continue  # a period that is over
        total = sums["total"] if sums else ZERO
        if schedule.mark != total or not ZERO <= schedule.given_back <= schedule.mark:
            detail = (
                f"The schedule {schedule.pk} has the mark {schedule.mark}, of which "
                f"{schedule.given_back} was given back; {total} was granted."
            )
            yield Fault(Rule.MARK, detail, schedule.pool_id)


# What the pool says of its future


def _check_outlook(rows: Sequence[Pool], now: datetime) -> Iterator[Fault]:
    """The columns that answer questions without reading schedules."""
    for row, state in zip(rows, pools.load(rows, with_schedules=True), strict=True):
        change = timeline.next_change_at(state)
        if change is not None and (row.next_change_at is None or row.next_change_at > change):
            detail = f"The pool says {row.next_change_at}; it changes at {change}."
            yield Fault(Rule.NEXT_CHANGE, detail, row.pk)
        stored = (row.is_entitled, row.has_soft_limit, row.is_revoked, row.next_reset_at)
        found = (*_limits(state.schedules), timeline.next_reset_at(state))
        if stored != found:
            detail = "The pool says entitled {}, soft {}, revoked {}, next reset {}; ".format(
                *stored
            ) + "its schedules say {}, {}, {} and {}.".format(*found)
            yield Fault(Rule.OUTLOOK, detail, row.pk)


def _limits(schedules: Iterable[ScheduleState]) -> tuple[bool, bool, bool]:
    """Whether the schedules in force entitle, softly, and to nothing (R44, R45)."""
    in_force = [schedule for schedule in schedules if schedule.in_force]
    return (
        bool(in_force),
        any(schedule.has_soft_limit for schedule in in_force),
        bool(in_force) and not any(schedule.is_granted for schedule in in_force),
    )


# Sums that readers believe


def _check_chapters(rows: Sequence[Pool], now: datetime) -> Iterator[Fault]:
    """What was added up says the same as the entries, by cause and by dimension."""
    ids = [row.pk for row in rows]
    covered = ChapterSum.objects.filter(pool__in=ids).order_by("pool").values_list("pool")
    for pool_id, last in covered.annotate(last=Max("ends_with")):
        for cause in chapters.differences(pool_id, last):
            detail = f"Up to entry {last} the sums of {cause.type} are wrong."
            yield Fault(Rule.CHAPTERS, detail, pool_id)
        for ends_with in chapters.wrongly_parted(pool_id, last):
            detail = f"The sums by dimension of the chapter up to entry {ends_with} are wrong."
            yield Fault(Rule.CHAPTERS, detail, pool_id)


CHECKS: tuple[Callable[[Sequence[Pool], datetime], Iterator[Fault]], ...] = (
    _check_chain,
    _check_grants,
    _check_consumptions,
    _check_keys,
    _check_steps,
    _check_periods,
    _check_marks,
    _check_outlook,
    _check_chapters,
)


# Two streams in the order of a key

Left = TypeVar("Left")


def _matched(
    left: Iterable[Left],
    right: Iterable[Any],
    left_key: Callable[[Left], Any],
    right_key: Callable[[Any], Any],
) -> Iterator[tuple[Left | None, Any]]:
    """Pair two streams that are sorted by a key; what has no partner comes with None."""
    left_rows, right_rows = iter(left), iter(right)
    one, other = next(left_rows, None), next(right_rows, None)
    while one is not None or other is not None:
        if other is None or (one is not None and left_key(one) < right_key(other)):
            yield one, None
            one = next(left_rows, None)
        elif one is None or right_key(other) < left_key(one):
            yield None, other
            other = next(right_rows, None)
        else:
            yield one, other
            one, other = next(left_rows, None), next(right_rows, None)
