"""Ledgers in chapters: what two thousand entries come to, added up once (R52).

Entries never change, so what a full chapter comes to never changes either: a sum that is there
is right. The worker adds up what is full; readers add sums of chapters and, entry by entry, what
no sum covers. So a long ledger is no slower to explain or to chart than a short one, and a worker
that is late makes nothing wrong.
"""

import itertools
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from operator import attrgetter, or_
from typing import Any, NamedTuple

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    Func,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Coalesce, TruncHour

from credits import dimensions
from credits.book import EntryType
from credits.models import ChapterSum, DimensionSum, LedgerEntry
from credits.models.ledger import CHAPTER, EndsChapter
from workspace.actors import ActorKind
from workspace.acts import act

logger = logging.getLogger(__name__)

AT_ONCE = 200
"""So many full chapters are looked for in one statement."""
MOST_BY_DIMENSION = CHAPTER // 4
"""Sums by dimension of one chapter: more were hardly quicker to read than its entries."""

BY_PEOPLE = Q(type=EntryType.CONSUMED.value, actor_kind=ActorKind.USER)
"""What people took away, told apart from other use (R50)."""


class Total(NamedTuple):
    """What entries that tell the same come to; `amount` is signed."""

    type: EntryType
    by_people: bool
    feature_id: int | None
    feature_name: str | None
    amount: Decimal
    entries: int


class Used(NamedTuple):
    """What was used in the step that begins `at`, by which feature, and whether by people."""

    feature_id: int | None
    feature_name: str | None
    by_people: bool
    at: datetime
    amount: Decimal


# Writing


def sum_up_due(*, until: float) -> int:
    """Add up full chapters till the clock of `time.monotonic` says `until`; say how many.

    Running twice at once or stopping anywhere is harmless. A chapter that cannot be added up
    is passed over with all that follow it in its pool, and read entry by entry as before.
    """
    done = 0
    passed_over: set[int] = set()
    while due := list(_due().exclude(pool__in=passed_over)[:AT_ONCE]):
        for pool_id, ends_with in due:
            if time.monotonic() >= until:
                return done
            if pool_id in passed_over:
                continue
            try:
                sum_up(pool_id=pool_id, ends_with=ends_with)
            except Exception:
                logger.exception("Chapter %s of pool %s cannot be added up.", ends_with, pool_id)
                passed_over.add(pool_id)
            else:
                done += 1
    return done


def _due() -> QuerySet[LedgerEntry, tuple[int, int]]:
    """Pool and last entry of full chapters that nobody has added up, the first of a pool first."""
    sums = ChapterSum.objects.filter(pool=OuterRef("pool"), ends_with=OuterRef("number"))
    ends = LedgerEntry.objects.filter(EndsChapter("number")).exclude(Exists(sums))
    return ends.order_by("pool_id", "number").values_list("pool_id", "number")


@act
def sum_up(*, pool_id: int, ends_with: int) -> None:
    """Write what the chapter comes to that this entry ends; nothing, if that was done."""
    entries = _chapter(pool_id, ends_with)
    groups = (*CAUSES, "used_in")
    rows = (
        _with_causes(entries)
        .annotate(used_in=TruncHour("consumption__used_at", tzinfo=UTC))
        .values(*groups)
        .annotate(total=Sum("amount"), count=Count("pk"))
        .order_by(*groups)
    )
    ChapterSum.objects.bulk_create(
        [
            ChapterSum(
                pool_id=pool_id,
                ends_with=ends_with,
                place=place,
                type=row["type"],
                by_people=row["by_people"],
                feature_id=row["used_feature"],
                used_in=row["used_in"],
                amount=row["total"],
                entries=row["count"],
            )
            for place, row in enumerate(rows)
        ],
        ignore_conflicts=True,
    )
    DimensionSum.objects.bulk_create(_by_dimension(pool_id, ends_with), ignore_conflicts=True)


def _chapter(pool_id: int, ends_with: int) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(_numbers(0, ends_with), pool=pool_id)


def _by_dimension(pool_id: int, ends_with: int) -> list[DimensionSum]:
    found = dimensions.sums(_chapter(pool_id, ends_with), at_most=MOST_BY_DIMENSION)
    for place, each in enumerate(found):
        each.pool_id, each.ends_with, each.place = pool_id, ends_with, place
    return found


CAUSES = ("type", "by_people", "used_feature")
"""What entries tell, as columns of `_with_causes`."""


def _with_causes(entries: QuerySet[LedgerEntry]) -> QuerySet[LedgerEntry]:
    return entries.annotate(
        by_people=Case(When(BY_PEOPLE, then=True), default=False),
        used_feature=F("consumption__feature"),
    )


# Reading


def summed_up_to(pool_id: int, last: int) -> int:
    """The number of the last entry, up to `last`, that a sum covers; 0 if none does.

    All entries before it are covered as well. One query, or none in a pool of one chapter.
    """
    if last < CHAPTER:
        return 0
    sums = ChapterSum.objects.filter(pool=pool_id, ends_with__lte=last)
    return sums.aggregate(latest=Max("ends_with"))["latest"] or 0


def totals(pool_id: int, *, after: int, until: int) -> Iterator[Total]:
    """What the entries numbered above `after` up to `until` come to, by what they tell.

    The same cause may come more than once: from sums and from entries before and behind them.
    One query, in a long ledger four at most.
    """
    first = -(-after // CHAPTER) * CHAPTER
    last = summed_up_to(pool_id, until)
    if first < last:
        sums = ChapterSum.objects.filter(pool=pool_id, ends_with__gt=first, ends_with__lte=last)
        yield from _totals(sums.annotate(used_feature=F("feature")), "feature", Sum("entries"))
        edges = [(after, first), (last, until)]
    else:
        edges = [(after, until)]
    for above, up_to in edges:
        if above < up_to:
            entries = LedgerEntry.objects.filter(pool=pool_id, number__gt=above, number__lte=up_to)
            yield from _totals(_with_causes(entries), "consumption__feature", Count("pk"))


def differences(pool_id: int, last: int) -> list[Total]:
    """Causes of which the sums up to the entry `last` and its entries say different things."""
    sums = ChapterSum.objects.filter(pool=pool_id).annotate(used_feature=F("feature"))
    entries = _with_causes(LedgerEntry.objects.filter(pool=pool_id, number__lte=last))
    one = set(_totals(sums, "feature", Sum("entries")))
    other = set(_totals(entries, "consumption__feature", Count("pk")))
    return sorted(one ^ other, key=str)


def wrongly_parted(pool_id: int, last: int) -> Iterator[int]:
    """Last entries of chapters up to the entry `last` whose sums by dimension are not theirs."""
    columns = ("key", "value", "used_in", "amount")
    rows = DimensionSum.objects.filter(pool=pool_id).order_by("ends_with", "place")
    stored: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for ends_with, *row in rows.values_list("ends_with", *columns):
        stored[ends_with].append(tuple(row))
    for ends_with in range(CHAPTER, last + 1, CHAPTER):
        said = _by_dimension(pool_id, ends_with)
        if stored[ends_with] != [tuple(getattr(row, name) for name in columns) for row in said]:
            yield ends_with


def _totals(rows: QuerySet[Any], feature: str, count: Sum | Count) -> Iterator[Total]:
    named = rows.values_list(*CAUSES, f"{feature}__name")
    for type_, by_people, feature_id, name, amount, entries in named.annotate(
        total=Sum("amount"), count=count
    ).order_by():
        yield Total(EntryType(type_), by_people, feature_id, name, amount, entries)


def use(
    pool_id: int, *, after: int, start: datetime, end: datetime, truncate: type[Func]
) -> Iterator[Used]:
    """What sums up to the entry `after`, and entries beyond it, say was used in [start, end).

    The same may come twice, from sums and from entries. Two queries.

    Args:
        start: a full hour, like `end` and every step.
        truncate: makes the beginning of a step of an instant.
    """
    sums = ChapterSum.objects.filter(
        pool=pool_id,
        ends_with__lte=after,
        type=EntryType.CONSUMED.value,
        used_in__gte=start,
        used_in__lt=end,
    )
    entries = dimensions.used_beyond(pool_id, after=after, start=start, end=end)
    for rows, feature, used in (
        (sums, "feature", "used_in"),
        (_with_causes(entries), "consumption__feature", "consumption__used_at"),
    ):
        stepped = rows.annotate(step=truncate(used, tzinfo=UTC))
        found = stepped.values_list(feature, f"{feature}__name", "by_people", "step")
        for feature_id, name, by_people, at, amount in found.annotate(
            total=Sum("amount")
        ).order_by():
            yield Used(feature_id, name, by_people, at, -amount)


def latest(
    entries: QuerySet[LedgerEntry],
    *,
    pool_id: int,
    only: Q,
    at_most: int,
    after: int,
    until: int,
) -> list[LedgerEntry]:
    """The latest of `entries` of one cause numbered above `after` up to `until`.

    One query, in a long ledger a few: it is looked only where sums say that the cause is found,
    and where no sum says anything. Chapters that hold few are looked at together.

    Args:
        entries: those of the cause, or some of them.
        only: the cause, in columns of `ChapterSum`.
    """
    rows = entries.order_by("-number")
    last = max(after, summed_up_to(pool_id, until))
    found = list(rows.filter(number__gt=last, number__lte=until)[:at_most])
    if after < last:
        sums = ChapterSum.objects.filter(only, pool=pool_id, ends_with__lte=last)
        holding = sums.filter(ends_with__gt=after).order_by("-ends_with").values_list("ends_with")
        counts = list(holding.annotate(count=Sum("entries")))
        while counts and len(found) < at_most:
            missing = at_most - len(found)
            together = max(1, _how_many(counts, missing))
            where = (_numbers(after, ends_with) for ends_with, _ in counts[:together])
            some = rows.filter(reduce(or_, where))
            del counts[:together]
            # Of several none is too many, and an order might make the database walk between them.
            if together > 1:
                found += sorted(some.order_by(), key=attrgetter("number"), reverse=True)
            else:
                found += some[:missing]
    return found


def _how_many(counts: Sequence[tuple[int, int]], at_most: int) -> int:
    """How many chapters, from the first on, hold together no more than `at_most`."""
    sums = itertools.accumulate(count for _, count in counts)
    return sum(1 for _ in itertools.takewhile(at_most.__ge__, sums))


def _numbers(after: int, ends_with: int) -> Q:
    """Those of a chapter that are above `after`."""
    return Q(number__gt=max(after, ends_with - CHAPTER), number__lte=ends_with)


def bounds(
    pool_id: int, last: int, *, since: datetime | None = None, until: datetime | None = None
) -> Q:
    """Numbers beyond which no entry up to `last` is effective in [since, until); no query.

    Entries are numbered in the order in which they take effect (R38), so the ends of chapters
    tell within two thousand where an instant lies.
    """
    ends = LedgerEntry.objects.filter(EndsChapter("number"), pool=pool_id)
    where = Q()
    if since is not None:
        before = ends.filter(effective_at__lt=since).order_by("-number").values("number")[:1]
        where &= Q(number__gt=Coalesce(Subquery(before), 0))
    if until is not None:
        behind = ends.filter(effective_at__gte=until).order_by("number").values("number")[:1]
        where &= Q(number__lte=Coalesce(Subquery(behind), last))
    return where
