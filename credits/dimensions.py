"""Use by the values of its dimensions: which there are, and what they come to in chapters (R52).

A chapter (`chapters`) has few sums by value and hour beside its entries. A dimension whose values
would need more, like a count of tokens, is read use by use; a chart by it would show little but
"other values" anyway.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, Func, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import TruncHour

from credits.book import EntryType
from credits.models import ChapterSum, Consumption, DimensionSum, LedgerEntry, Pool

GROUPABLE = re.compile(r"[A-Za-z0-9_$-]{1,255}", re.ASCII)
"""The dimensions that use may be parted by."""
LATEST = 200
"""In so many consumptions it is looked which dimensions there are."""
MOST_SUMMED = 20
"""So many dimensions of a chapter are looked at to be added up: those that most uses have."""

Tags = tuple[str, ...]


class UsedBy(NamedTuple):
    """What was used with one value of a dimension in the step that begins `at`."""

    value: str
    at: datetime
    amount: Decimal


class _Tag(KeyTextTransform):
    """The value of a dimension as text; a name of digits is a name, and no place in a list."""

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        column, params, _keys = self.preprocess_lhs(compiler, connection)
        return f"({column} ->> %s)", (*params, self.key_name)

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        column, params, _keys = self.preprocess_lhs(compiler, connection)
        one = (*params, f"$.{json.dumps(self.key_name)}")
        kind = f"JSON_TYPE({column}, %s)"
        value = f"JSON_EXTRACT({column}, %s)"
        return f"(CASE WHEN {kind} IN ('true', 'false') THEN {kind} ELSE {value} END)", one * 3


def with_tags(
    rows: QuerySet[Any], column: str, keys: Sequence[str]
) -> tuple[QuerySet[Any], list[str]]:
    """The rows with the values of dimensions `keys` beside them, under the names returned."""
    tags = {f"tag_{number}": _Tag(key, F(column)) for number, key in enumerate(keys)}
    return rows.annotate(**tags), list(tags)


def texts(values: Sequence[Any]) -> Tags:
    """Values of `with_tags` as they are shown; "" where there is none."""
    return tuple("" if value is None else str(value) for value in values)


def latest(row: Pool) -> list[str]:
    """The dimensions that the latest use came with; one query."""
    uses = Consumption.objects.filter(pool=row).order_by("-used_at", "-pk")
    return sorted(_counted(uses.values_list("dimensions", flat=True)[:LATEST]))


def _counted(dimensions: QuerySet[Any, dict[str, Any]]) -> Counter[str]:
    """How many uses have which dimension."""
    return Counter(key for each in dimensions for key in each if GROUPABLE.fullmatch(key))


# What chapters come to


def sums(entries: QuerySet[LedgerEntry], *, at_most: int) -> list[DimensionSum]:
    """What the entries of a chapter come to by dimension; which chapter is for the caller to say.

    Dimensions that need the fewest sums come first, as long as all are no more than `at_most`.
    Where one is left over, the last sum says so.
    """
    used = entries.filter(type=EntryType.CONSUMED.value)
    uses = _counted(used.values_list("consumption__dimensions", flat=True))
    looked_at = sorted(uses, key=lambda key: (-uses[key], key))[:MOST_SUMMED]
    found = {key: list(_sums_by(used, key)) for key in looked_at}
    kept: list[DimensionSum] = []
    for key in sorted(found, key=lambda key: len(found[key])):
        if len(kept) + len(found[key]) <= at_most:
            kept += found[key]
            del uses[key]
    if uses:
        kept.append(DimensionSum(key=DimensionSum.LEFT_OVER))
    return kept


def _sums_by(used: QuerySet[LedgerEntry], key: str) -> Iterator[DimensionSum]:
    """By the values of one dimension and by hour; what has none is what is left of all use."""
    tagged, [tag] = with_tags(used, "consumption__dimensions", [key])
    groups = (tag, "used_in")
    rows = (
        tagged.exclude(**{tag: None})
        .annotate(used_in=TruncHour("consumption__used_at", tzinfo=UTC))
        .values_list(*groups)
        .annotate(total=Sum("amount"))
        .order_by(*groups)
    )
    for value, used_in, total in rows:
        [text] = texts([value])
        yield DimensionSum(key=key, value=text, used_in=used_in, amount=total)


def are_summed(pool_id: int, key: str, *, after: int) -> bool:
    """Whether sums up to the entry `after` say all that was used with a dimension; one query."""
    sums_of_pool = DimensionSum.objects.filter(pool=pool_id, ends_with__lte=after)
    left_over = sums_of_pool.filter(key=DimensionSum.LEFT_OVER)
    summed = sums_of_pool.filter(key=key).values("ends_with")
    return not left_over.exclude(ends_with__in=summed).exists()


def use(
    pool_id: int, key: str, *, after: int, start: datetime, end: datetime, truncate: type[Func]
) -> Iterator[UsedBy]:
    """What was used in [start, end) with each value of a dimension; with none, the value is "".

    From sums up to the entry `after`, if the dimension has them, and entries beyond it, so the
    same may come twice: four queries. Else use by use: one query, or two.

    Args:
        start: a full hour, like `end` and every step.
        truncate: makes the beginning of a step of an instant.
    """
    if not (after and are_summed(pool_id, key, after=after)):
        uses = Consumption.objects.filter(pool=pool_id, used_at__gte=start, used_at__lt=end)
        tagged, [tag] = with_tags(uses, "dimensions", [key])
        yield from _by_step(tagged, tag, "used_at", truncate)
        return
    summed = {"pool": pool_id, "ends_with__lte": after, "used_in__gte": start, "used_in__lt": end}
    without: dict[datetime, Decimal] = defaultdict(Decimal)
    used = ChapterSum.objects.filter(**summed, type=EntryType.CONSUMED.value)
    for _, at, amount in _by_step(used, "type", "used_in", truncate):
        without[at] -= amount
    parted = DimensionSum.objects.filter(**summed, key=key)
    for value, at, amount in _by_step(parted, "value", "used_in", truncate):
        without[at] += amount
        yield UsedBy(value, at, -amount)
    for at, amount in without.items():
        yield UsedBy("", at, amount)
    beyond = used_beyond(pool_id, after=after, start=start, end=end)
    tagged, [tag] = with_tags(beyond, "consumption__dimensions", [key])
    for value, at, amount in _by_step(tagged, tag, "consumption__used_at", truncate):
        yield UsedBy(value, at, -amount)


def used_beyond(
    pool_id: int, *, after: int, start: datetime, end: datetime
) -> QuerySet[LedgerEntry]:
    """Entries numbered above `after` of what was used in [start, end)."""
    return LedgerEntry.objects.filter(
        pool=pool_id,
        number__gt=after,
        type=EntryType.CONSUMED.value,
        consumption__used_at__gte=start,
        consumption__used_at__lt=end,
    )


def _by_step(rows: QuerySet[Any], value: str, used: str, truncate: type[Func]) -> Iterator[UsedBy]:
    """What rows come to by their column `value` and the step that their instant `used` is in."""
    stepped = rows.annotate(step=truncate(used, tzinfo=UTC)).values_list(value, "step")
    for found, at, amount in stepped.annotate(total=Sum("amount")).order_by():
        [text] = texts([found])
        yield UsedBy(text, at, amount)
