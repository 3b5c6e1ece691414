"""Laws of the credit engine, over arbitrary histories; each with a mistake that breaks it."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credits import burn_order, timeline
from credits.book import ZERO, Entry, EntryType, GrantState, GrantType, PoolState, Stage
from tests.credits.paper import FEBRUARY, JANUARY, MARCH, a_grant
from tests.properties.histories import DAY, HISTORIES, MOMENT, Customer, History, Step, live

Lines = list[tuple[Any, ...]]


def lines(entries: list[Entry]) -> Lines:
    """Everything about entries but which objects they name."""
    return [
        (entry.type, entry.amount, entry.effective_at, entry.balance_after, entry.grant.name)
        for entry in entries
    ]


# The laws


def replay(history: History) -> None:
    """Entries are chained, in time, and sum to the balance (R52)."""
    pool = live(history).pool
    balance, at = ZERO, None
    for entry in pool.entries:
        assert entry.balance_before == balance
        assert entry.balance_after == balance + entry.amount
        assert at is None or entry.effective_at >= at
        assert entry.amount != 0
        balance, at = entry.balance_after, entry.effective_at
    assert pool.balance == balance


def totals(history: History) -> None:
    """Balance = granted − consumed = Σ remaining of open grants − overdraft (R43)."""

    def watch(customer: Customer, step: Step) -> None:
        pool = customer.pool
        counting = [grant for grant in pool.grants if grant.stage == Stage.OPEN]
        owed = pool.overdraft.consumed if pool.overdraft else ZERO
        assert pool.balance == pool.granted - pool.consumed
        assert pool.balance == sum((grant.remaining for grant in pool.open_grants), -owed)
        assert pool.granted == sum((grant.amount for grant in counting), ZERO)
        assert pool.consumed == sum((grant.consumed for grant in counting), ZERO)

    live(history, watch)


def bounds(history: History) -> None:
    """0 ≤ consumed ≤ amount; one overdraft, and none while anything is left (R36)."""

    def watch(customer: Customer, step: Step) -> None:
        pool = customer.pool
        overdrafts = [grant for grant in pool.grants if grant.type == GrantType.OVERDRAFT]
        assert sum(grant.stage == Stage.OPEN for grant in overdrafts) <= 1
        assert all(grant.amount == 0 <= grant.consumed for grant in overdrafts)
        for grant in pool.grants:
            assert grant.type == GrantType.OVERDRAFT or 0 <= grant.consumed <= grant.amount
        if pool.overdraft is not None:
            assert pool.overdraft.consumed > 0
            assert all(grant.remaining == 0 for grant in pool.open_grants)

    live(history, watch)


def conservation(history: History) -> None:
    """What was consumed stays consumed, wherever it moves; what was granted is somewhere."""
    pool = live(history).pool
    moved: dict[EntryType, Decimal] = defaultdict(Decimal)
    for entry in pool.entries:
        moved[entry.type] += entry.amount
    assert sum((grant.consumed for grant in pool.grants), ZERO) == -moved[EntryType.CONSUMED]
    assert moved[EntryType.TRANSFER_SOURCE] == -moved[EntryType.TRANSFER_TARGET]
    assert pool.balance == sum(moved.values(), ZERO)


def one_step(history: History, cuts: list[timedelta]) -> None:
    """Walking in one step is walking in many (R24)."""
    customer = live(history)
    known = len(customer.pool.entries)
    instants = sorted(customer.now + cut for cut in cuts)
    walked = customer.pool
    for instant in instants:
        walked, _ = timeline.advance(walked, instant)
    leapt, entries = timeline.advance(customer.pool, instants[-1])
    assert lines(walked.entries[known:]) == lines(entries)
    assert standing(walked) == standing(leapt)


def standing(pool: PoolState) -> tuple[Any, ...]:
    return (
        pool.balance,
        pool.granted,
        pool.consumed,
        timeline.next_change_at(pool),
        [(each.source_id, each.mark, each.given_back, each.next_at) for each in pool.schedules],
    )


def outage(history: History, sweeps: list[timedelta]) -> None:
    """However late a worker comes, entries and balances are those of one always on time (R24)."""
    swept, late = Customer.of(history), Customer.of(history)
    for step in history.steps:
        now = late.instant_of(step)
        for pause in sorted(sweeps):
            if swept.now + pause < now:
                swept.reach(swept.now + pause)
        for customer in (swept, late):
            customer.reach(now)
            customer.take(step.act)
    assert lines(swept.pool.entries) == lines(late.pool.entries)
    assert standing(swept.pool) == standing(late.pool)


def period_bound(history: History) -> None:
    """A source never gives more than its amount within one period (bound of R31)."""

    def watch(customer: Customer, step: Step) -> None:
        given_in: dict[Any, Decimal] = defaultdict(Decimal)
        for grant in customer.pool.grants:
            if grant.schedule is not None:
                period = (grant.period_starts_at, grant.period_ends_at)
                left = grant.remaining if grant.stage == Stage.OPEN else ZERO
                given_in[grant.schedule.source_id, period] += grant.consumed + left
        for key, amount in given_in.items():
            assert amount <= customer.largest[key]

    live(history, watch)


def steps_of_a_mark(history: History) -> None:
    """Grants of a source and period begin where the one before left the mark (R22)."""
    steps: dict[Any, list[GrantState]] = defaultdict(list)
    for grant in live(history).pool.grants:
        if grant.schedule is not None:
            period = (grant.period_starts_at, grant.period_ends_at)
            steps[grant.schedule.source_id, period].append(grant)
    for grants in steps.values():
        mark = ZERO
        for grant in grants:
            assert grant.mark_before == mark
            mark += grant.amount


def one_period_at_a_time(history: History) -> None:
    """What a source gives for one period is over before it gives for another (R22)."""

    def watch(customer: Customer, step: Step) -> None:
        periods_of: dict[int, set[Any]] = defaultdict(set)
        for grant in customer.pool.open_grants:
            if grant.schedule is not None:
                periods_of[grant.schedule.source_id].add(grant.period_starts_at)
        assert all(len(periods) == 1 for periods in periods_of.values())

    live(history, watch)


def paid_untouched(history: History) -> None:
    """Time and changes take nothing from what was bought but when it expires (R21, R32)."""
    for entry in live(history).pool.entries:
        if entry.by_time and entry.grant.type in (GrantType.PAID, GrantType.PROMOTIONAL):
            assert entry.type in (EntryType.GRANTED, EntryType.EXPIRED, EntryType.TRANSFER_TARGET)
            if entry.type == EntryType.EXPIRED:
                assert entry.grant.details == {"expires_at": entry.effective_at}


def nothing_overdue(history: History) -> None:
    """After a step nothing is due any more, and turning again changes nothing (R22)."""

    def watch(customer: Customer, step: Step) -> None:
        change = timeline.next_change_at(customer.pool)
        assert change is None or change > customer.now
        known = len(customer.pool.entries)
        timeline.turn(customer.pool, customer.now)
        assert len(customer.pool.entries) == known

    live(history, watch)


LAWS: dict[str, Callable[..., None]] = {
    law.__name__: law
    for law in (
        replay,
        totals,
        bounds,
        conservation,
        period_bound,
        steps_of_a_mark,
        one_period_at_a_time,
        paid_untouched,
        nothing_overdue,
    )
}

CUTS = st.lists(
    st.integers(0, 800).map(lambda days: days * DAY) | st.sampled_from([MOMENT, 31 * DAY]),
    min_size=1,
    max_size=6,
)
SWEEPS = st.lists(st.integers(1, 60).map(lambda days: days * DAY), min_size=1, max_size=4)


class TestLaws:
    @pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
    def test_hold_in_every_history(self, law):
        given(HISTORIES)(law)()

    @given(HISTORIES, CUTS)
    def test_let_one_step_equal_many(self, history, cuts):
        one_step(history, cuts)

    @given(HISTORIES, SWEEPS)
    def test_do_not_care_how_late_a_worker_comes(self, history, sweeps):
        outage(history, sweeps)


# The burn order


GRANTS = st.lists(
    st.builds(
        a_grant,
        st.integers(1, 40),
        priority=st.integers(0, 2),
        expires_at=st.sampled_from([None, FEBRUARY, MARCH]),
        type=st.sampled_from([GrantType.PAID, GrantType.PROMOTIONAL, GrantType.RECURRING]),
        effective_at=st.sampled_from([JANUARY, JANUARY + DAY]),
        created_at=st.sampled_from([JANUARY, JANUARY + MOMENT]),
    ),
    max_size=6,
)


def pays_before(one: GrantState, other: GrantState) -> bool:
    """R35 sentence by sentence."""
    if one.priority != other.priority:
        return one.priority < other.priority
    if one.expires_at != other.expires_at:
        if one.expires_at is None or other.expires_at is None:
            return other.expires_at is None
        return one.expires_at < other.expires_at
    if (one.type == GrantType.PROMOTIONAL) != (other.type == GrantType.PROMOTIONAL):
        return one.type == GrantType.PROMOTIONAL
    if one.effective_at != other.effective_at:
        return one.effective_at < other.effective_at
    return one.created_at < other.created_at


def credit_by_credit(need: int, grants: list[GrantState]) -> tuple[dict[int, int], int]:
    """Take one credit at a time from whichever grant pays before all others that have one."""
    left = [int(grant.remaining) for grant in grants]
    for _ in range(need):
        having = [place for place in range(len(grants)) if left[place]]
        if not having:
            break
        payer = having[0]
        for place in having[1:]:
            if pays_before(grants[place], grants[payer]):
                payer = place
        left[payer] -= 1
    taken = {
        place: int(grant.remaining) - left[place]
        for place, grant in enumerate(grants)
        if left[place] != grant.remaining
    }
    return taken, need - sum(taken.values())


def naive_order(grants: list[GrantState], need: int) -> None:
    """Splitting gives what taking credit by credit gives (R35)."""
    shares, unpaid = burn_order.split(Decimal(need), grants)
    places = {id(grant): place for place, grant in enumerate(grants)}
    taken = {places[id(share.grant)]: int(share.amount) for share in shares}
    assert (taken, unpaid) == credit_by_credit(need, grants)


class TestBurnOrder:
    @given(GRANTS, st.integers(0, 200))
    def test_is_what_a_naive_sort_gives(self, grants, need):
        naive_order(grants, need)


# The controls: without a mistake in the engine that each law notices, it would prove nothing


def control(law: Callable[..., None], *strategies: Any) -> None:
    """Try a law until it fails, without saving or shrinking what was found."""
    settings.get_profile("control")(given(*strategies)(law))()


def lose_the_chain(patch: pytest.MonkeyPatch) -> None:
    post = PoolState._post

    def forgetful(self: PoolState, *arguments: Any, **options: Any) -> None:
        post(self, *arguments, **options)
        if len(self.entries) % 5 == 0:
            self.entries.pop()

    patch.setattr(PoolState, "_post", forgetful)


def keep_consumed_of_the_closed(patch: pytest.MonkeyPatch) -> None:
    close = PoolState.close

    def careless(self: PoolState, grant: GrantState, *arguments: Any, **options: Any) -> Decimal:
        consumed = grant.consumed if grant.stage == Stage.OPEN else ZERO
        self.consumed += consumed
        return close(self, grant, *arguments, **options)

    patch.setattr(PoolState, "close", careless)


def never_settle(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timeline, "settle", lambda pool, at, **options: None)


def move_consumption_one_way(patch: pytest.MonkeyPatch) -> None:
    def lossy(
        self: PoolState,
        source: GrantState,
        target: GrantState,
        amount: Decimal,
        at: datetime,
        **options: Any,
    ) -> None:
        source.consumed -= amount
        self.consumed -= amount
        self._post(EntryType.TRANSFER_SOURCE, amount, source, at)

    patch.setattr(PoolState, "move_consumption", lossy)


def forget_marks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timeline, "_in_the_same_period", lambda pool, schedule: [])


def give_back_twice(patch: pytest.MonkeyPatch) -> None:
    take_back = timeline._take_back

    def generous(pool: PoolState, schedule: Any, at: datetime) -> None:
        take_back(pool, schedule, at)
        schedule.given_back *= 2

    patch.setattr(timeline, "_take_back", generous)


def keep_what_an_anchor_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timeline, "_expires_with_schedule", lambda grant, schedule, at: False)
    patch.setattr(timeline, "_take_back", lambda pool, schedule, at: None)


def expire_bought_credits_at_a_reset(patch: pytest.MonkeyPatch) -> None:
    expired = timeline._expired

    def greedy(pool: PoolState, ending: Any, at: datetime) -> list[GrantState]:
        bought = [
            grant
            for grant in pool.open_grants
            if grant.type == GrantType.PAID and any(each.next_at == at for each in pool.schedules)
        ]
        return [*expired(pool, ending, at), *(g for g in bought if g.expires_at != at)]

    patch.setattr(timeline, "_expired", greedy)


def issue_one_period_only(patch: pytest.MonkeyPatch) -> None:
    """After an outage, only the last of the missed periods is issued."""

    def hasty(pool: PoolState, until: datetime) -> None:
        change = timeline.next_change_at(pool)
        if change is not None and change <= until:
            timeline.turn(pool, until)

    patch.setattr(timeline, "bring", hasty)


def leave_periods_unturned(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timeline, "_roll", lambda schedule, at: None)
    patch.setattr(timeline, "bring", lambda pool, until: None)


def pay_late_expiry_first(patch: pytest.MonkeyPatch) -> None:
    rank = burn_order.rank

    def backwards(grant: GrantState) -> Any:
        priority, expires_at, *rest = rank(grant)
        return priority, -expires_at.timestamp() if grant.expires_at else 0, *rest

    patch.setattr(burn_order, "rank", backwards)


def overdraw_always(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(burn_order, "split", lambda amount, grants: ([], amount))


def begin_marks_at_zero(patch: pytest.MonkeyPatch) -> None:
    issue = timeline._issue

    def amnesiac(pool: PoolState, schedule: Any, at: datetime) -> GrantState | None:
        grant = issue(pool, schedule, at)
        if grant is not None:
            grant.mark_before = ZERO
        return grant

    patch.setattr(timeline, "_issue", amnesiac)


CONTROLS = [
    (replay, lose_the_chain),
    (totals, keep_consumed_of_the_closed),
    (bounds, never_settle),
    (bounds, overdraw_always),
    (conservation, move_consumption_one_way),
    (period_bound, forget_marks),
    (period_bound, give_back_twice),
    (steps_of_a_mark, begin_marks_at_zero),
    (one_period_at_a_time, keep_what_an_anchor_ends),
    (paid_untouched, expire_bought_credits_at_a_reset),
    (nothing_overdue, leave_periods_unturned),
]


class TestControls:
    @pytest.mark.parametrize(
        ("law", "mistake"), CONTROLS, ids=[f"{law.__name__}-{m.__name__}" for law, m in CONTROLS]
    )
    def test_notice_a_mistake(self, law, mistake, monkeypatch):
        mistake(monkeypatch)

        with pytest.raises(AssertionError):
            control(law, HISTORIES)

    def test_notice_that_missed_periods_are_skipped(self, monkeypatch):
        issue_one_period_only(monkeypatch)

        with pytest.raises(AssertionError):
            control(one_step, HISTORIES, CUTS)
        with pytest.raises(AssertionError):
            control(outage, HISTORIES, SWEEPS)

    def test_notice_another_burn_order(self, monkeypatch):
        pay_late_expiry_first(monkeypatch)

        with pytest.raises(AssertionError):
            control(naive_order, GRANTS, st.integers(0, 200))
