"""What screens say of a pool: its grants as they stand, and who pays next (R35, R43, R47).

Everything is read through the timeline, so it is right when something is due and nobody has
written it down yet. Nothing here writes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import F

from credits import burn_order, pools, timeline
from credits.book import GrantState, GrantType, PoolState, Stage
from credits.models import Grant, GrantSource, GrantStatus, Pool
from credits.models.grants import BY_PEOPLE
from credits.pools import Standing
from subscriptions.models import Customer

GRANTS_PER_PAGE = 50

CURRENT = (GrantStatus.ACTIVE, GrantStatus.SCHEDULED, GrantStatus.PAYMENT_PENDING)


def pools_of(customer: Customer) -> list[Pool]:
    """The customer's pools: by name of the credit type, the global one before resources'."""
    rows = Pool.objects.filter(customer=customer).select_related("credit_type", "resource")
    return list(
        rows.order_by(
            F("credit_type__archived_at").asc(nulls_first=True),
            "credit_type__name",
            "credit_type_id",
            F("resource__public_id").asc(nulls_first=True),
        )
    )


def on_paper(row: Pool, now: datetime) -> PoolState:
    """The pool as it is at `now`, with the entries that nobody has written down yet."""
    state, _ = timeline.advance(pools.load([row], with_schedules=True)[0], now)
    return state


def utilisation(standing: Standing) -> Decimal | None:
    """Consumed in percent of granted, to one place; None where nothing is granted.

    Above 100 when the pool is overdrawn.
    """
    if not standing.granted:
        return None
    return round(100 * standing.consumed / standing.granted, 1)


@dataclass(slots=True, frozen=True)
class GrantLine:
    """A grant as it stands at an instant; `place` is its turn in the burn order, from 1.

    `grant` carries the values of that instant, and is never saved. A grant that time has
    made but nobody has written down yet `is_written` not, and has no id.
    """

    grant: Grant
    status: GrantStatus
    place: int | None = None
    is_written: bool = True

    @property
    def remaining(self) -> Decimal:
        """What can still be spent of it; negative for an overdraft."""
        return self.grant.amount - self.grant.consumed

    @property
    def source(self) -> str:
        """Where the credits come from, as people say it."""
        return source_of(self.grant)

    @property
    def is_current(self) -> bool:
        """Whether it pays, or will."""
        return self.status in CURRENT

    @property
    def is_editable(self) -> bool:
        """Whether people may edit it (R49)."""
        return self.is_written and self.grant.type in BY_PEOPLE and self.is_current

    @property
    def is_revocable(self) -> bool:
        """Whether people may revoke it (R48)."""
        return self.is_written and self.is_current and self.grant.type != GrantType.OVERDRAFT

    @property
    def awaits_payment(self) -> bool:
        """Whether somebody has to say that it was paid for."""
        return self.is_written and self.status == GrantStatus.PAYMENT_PENDING


def source_of(grant: Grant) -> str:
    """Such as "Plan Pro", "Add-on Extra API Credits", "Manual top-up", "Promotion"."""
    match grant.type:
        case GrantType.RECURRING:
            kind = "Add-on" if grant.source_type == GrantSource.ADDON_ENTITLEMENT else "Plan"
            return f"{kind} {grant.name}"
        case GrantType.PAID:
            return "Manual top-up"
        case GrantType.PROMOTIONAL:
            return "Promotion"
    return "System"


def grant_on_paper(state: GrantState) -> Grant:
    """A grant as the pool knows it, as a row that is not saved."""
    grant = Grant(
        pk=state.pk,
        type=state.type.value,
        name=state.name,
        amount=state.amount,
        priority=state.priority,
        effective_at=state.effective_at,
        expires_at=state.expires_at,
        period_starts_at=state.period_starts_at,
        period_ends_at=state.period_ends_at,
        mark_before=state.mark_before,
        period_amount=state.period_amount,
        units=state.units,
    )
    if state.schedule is not None:
        grant.source_type = GrantSource.of(state.schedule)
    return grant


@dataclass(slots=True, frozen=True)
class GrantPage:
    """Some of a pool's grants."""

    lines: list[GrantLine]
    has_more: bool


def current_grants(
    row: Pool, state: PoolState, *, page: int = 1, size: int = GRANTS_PER_PAGE, now: datetime
) -> GrantPage:
    """The grants that pay, in burn order, and those that will; `state` is `row` at `now`.

    First the overdraft, then who pays next, then what waits, soonest first; then those that
    are used up and never expire. A page takes at most two queries.
    """
    alive = [grant for grant in state.grants if grant.stage != Stage.CLOSED]
    alive.sort(key=_current_rank)
    start = (page - 1) * size
    states = alive[start : start + size + 1]
    lines = _lines_of_states(row, states, state, now)
    missing = size + 1 - len(lines)
    if missing:
        rest = (
            Grant.objects.filter(pool=row)
            .active(now)
            .exclude(pk__in=[grant.pk for grant in state.grants if grant.pk])
        )
        first = max(0, start - len(alive))
        lines += _lines(rest.order_by("-pk")[first : first + missing], state, now)
    return GrantPage(lines[:size], has_more=len(lines) > size)


def all_grants(
    row: Pool, state: PoolState, *, page: int = 1, size: int = GRANTS_PER_PAGE, now: datetime
) -> GrantPage:
    """Every grant the pool ever had, the newest first; `state` is `row` at `now`."""
    unwritten = [grant for grant in reversed(state.grants) if grant.pk is None]
    start = (page - 1) * size
    lines = _lines_of_states(row, unwritten[start : start + size + 1], state, now)
    missing = size + 1 - len(lines)
    if missing:
        first = max(0, start - len(unwritten))
        written = Grant.objects.filter(pool=row).order_by("-pk")
        lines += _lines(written[first : first + missing], state, now)
    return GrantPage(lines[:size], has_more=len(lines) > size)


def grant_line(row: Grant, now: datetime) -> GrantLine:
    """One grant as it stands at `now`, read with its pool."""
    return _lines([row], on_paper(row.pool, now), now)[0]


def places(state: PoolState) -> dict[int, int]:
    """By `id` of a grant on paper, its turn in the burn order: 1 is the next to be used."""
    return {id(grant): place for place, grant in enumerate(paying(state), start=1)}


def paying(state: PoolState) -> list[GrantState]:
    """The grants that something can be taken from, the next to be used in front (R35)."""
    return burn_order.ordered(grant for grant in state.open_grants if grant.remaining > 0)


def _current_rank(grant: GrantState) -> tuple[int, tuple[object, ...]]:
    if grant.type == GrantType.OVERDRAFT:
        return 0, ()
    if grant.stage == Stage.WAITING:
        return 2, (grant.effective_at, *burn_order.rank(grant))
    return 1 if grant.remaining else 3, burn_order.rank(grant)


def _lines_of_states(
    row: Pool, states: Sequence[GrantState], state: PoolState, now: datetime
) -> list[GrantLine]:
    """Lines in the order of `states`, which may hold grants that have no row yet."""
    rows = Grant.objects.in_bulk([grant.pk for grant in states if grant.pk])
    turn = places(state)
    lines = []
    for on_pool in states:
        if on_pool.pk is None:
            grant = _unwritten(row, on_pool)
        else:
            grant = rows[on_pool.pk]
            _bring_up(grant, on_pool)
        lines.append(_line(grant, turn.get(id(on_pool)), now))
    return lines


def _lines(rows: Iterable[Grant], state: PoolState, now: datetime) -> list[GrantLine]:
    """Lines of stored grants, each brought up to what `state` says of it."""
    states = {grant.pk: grant for grant in state.grants}
    turn = places(state)
    lines = []
    for grant in rows:
        on_pool = states.get(grant.pk)
        if on_pool is not None:
            _bring_up(grant, on_pool)
        lines.append(_line(grant, turn.get(id(on_pool)), now))
    return lines


def _line(grant: Grant, place: int | None, now: datetime) -> GrantLine:
    return GrantLine(grant, grant.status_at(now), place, is_written=grant.pk is not None)


def _bring_up(grant: Grant, on_pool: GrantState) -> None:
    """Let a row that is only shown say what time did to it since it was written."""
    grant.consumed = on_pool.consumed
    grant.effective_at = on_pool.effective_at
    grant.expires_at = on_pool.expires_at
    grant.voided_at = on_pool.voided_at


def _unwritten(row: Pool, on_pool: GrantState) -> Grant:
    """A grant that time has made and nobody has written down, in its pool."""
    grant = grant_on_paper(on_pool)
    grant.pool, grant.created_at = row, on_pool.created_at
    _bring_up(grant, on_pool)
    return grant
