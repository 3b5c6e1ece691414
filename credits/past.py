"""What a pool held at an instant that is over, from the ledger (R38, R52).

Every entry has two times, so there are two answers. *As true then*: by all entries that took
effect up to that instant, whenever they were written; this is what the pool would have answered
when it was asked. *As known then*: by those of them that were written down by some instant;
this is what the book said to its reader, for example in the middle of an outage. Use that is
reported late (R38) burns when it is processed, so it changes neither answer about the past.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count, Q, Sum

from credits import chapters
from credits.book import ENDING, USING, ZERO, Entry, EntryType, PoolState
from credits.models import LedgerEntry


@dataclass(slots=True, frozen=True)
class Holding:
    """Totals of the grants that were active, as in `pools.Standing` (R43)."""

    granted: Decimal = ZERO
    consumed: Decimal = ZERO

    @property
    def balance(self) -> Decimal:
        """What could be spent; negative where something was owed."""
        return self.granted - self.consumed


@dataclass(slots=True)
class Account:
    """What became of one grant up to an instant; of an overdraft `granted` is 0."""

    granted: Decimal = ZERO
    consumed: Decimal = ZERO
    is_over: bool = False
    expires_at: datetime | None = None
    voided_at: datetime | None = None

    def counted(self, at: datetime) -> bool:
        """Whether it was active at `at`.

        What ends with nothing left ends without an entry (R52): its own dates tell. As long
        as something is left, or owed, nothing but an entry ends it.
        """
        if self.is_over or self.granted != self.consumed:
            return not self.is_over
        ends = [end for end in (self.expires_at, self.voided_at) if end is not None]
        return all(end > at for end in ends)


class Mark(NamedTuple):
    """The last entry that counts, and where it ended; number 0 if there is none.

    All entries before it count as well: numbers are given in the order of effective times
    (R38), and in that of writing.
    """

    number: int
    balance: Decimal


def mark(state: PoolState, *, at: datetime, known_at: datetime | None = None) -> Mark:
    """How far the ledger had come at `at`. Takes one query at most.

    What nobody has written down yet has the number that it will get.

    Args:
        state: the pool brought up to the present, not earlier than `at`.
        known_at: count only what was written by then; None counts all that is true.
    """
    unwritten = _unwritten(state, at, known_at)
    if unwritten:
        return Mark(state.last_entry_number + len(unwritten), unwritten[-1].balance_after)
    return _last_written(state, at, known_at)


def balance(state: PoolState, *, at: datetime, known_at: datetime | None = None) -> Decimal:
    """What could be spent at `at`: where the last entry up to it ended; as `mark`."""
    return mark(state, at=at, known_at=known_at).balance


def held(state: PoolState, *, at: datetime, known_at: datetime | None = None) -> Holding:
    """The totals at `at`; arguments as in `mark`. Takes two queries."""
    last = _last_written(state, at, known_at)
    accounts = _written_accounts(state, last.number) if last.number else {}
    _add_unwritten(accounts, _unwritten(state, at, known_at))
    for grant in state.grants:
        if (account := accounts.get(grant.pk or id(grant))) is not None:
            account.expires_at, account.voided_at = grant.expires_at, grant.voided_at
    present = at if known_at is None else min(at, known_at)
    counted = [account for account in accounts.values() if account.counted(present)]
    return Holding(
        granted=sum((account.granted for account in counted), ZERO),
        consumed=sum((account.consumed for account in counted), ZERO),
    )


def _last_written(state: PoolState, at: datetime, known_at: datetime | None) -> Mark:
    # Not beyond what `state` knows: a worker may be writing at this moment.
    last = state.last_entry_number
    entries = LedgerEntry.objects.filter(
        chapters.bounds(state.pk, last, until=at + timedelta.resolution),
        pool=state.pk,
        number__lte=last,
        effective_at__lte=at,
    )
    if known_at is not None:
        entries = entries.filter(recorded_at__lte=known_at)
    found = entries.order_by("-number").values_list("number", "balance_after").first()
    return Mark(*found) if found else Mark(0, ZERO)


def _unwritten(state: PoolState, at: datetime, known_at: datetime | None) -> list[Entry]:
    """What time did up to `at` and nobody has written down: true, and known to no reader."""
    if known_at is not None:
        return []
    return [entry for entry in state.entries if entry.effective_at <= at]


def _written_accounts(state: PoolState, number: int) -> dict[int, Account]:
    """By grant, the sums of its entries up to that number."""
    sums = (
        LedgerEntry.objects.filter(pool=state.pk, number__lte=number)
        .values_list("grant_id", "grant__expires_at", "grant__voided_at")
        .annotate(
            granted=Sum("amount", filter=Q(type=EntryType.GRANTED), default=ZERO),
            used=Sum("amount", filter=Q(type__in=USING), default=ZERO),
            ends=Count("pk", filter=Q(type__in=ENDING)),
        )
        .order_by()
    )
    return {
        grant_id: Account(granted, -used, bool(ends), expires_at, voided_at)
        for grant_id, expires_at, voided_at, granted, used, ends in sums
    }


def _add_unwritten(accounts: dict[int, Account], entries: Iterable[Entry]) -> None:
    for entry in entries:
        account = accounts.setdefault(entry.grant.pk or id(entry.grant), Account())
        account.is_over |= entry.type in ENDING
        if entry.type == EntryType.GRANTED:
            account.granted += entry.amount
        elif entry.type in USING:
            account.consumed -= entry.amount
