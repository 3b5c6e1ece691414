"""What other versions of packages would do to those who have them (R14).

Pools are read as they are, brought up to now, planned and turned by the functions that a
rollout uses; nothing is locked and nothing is written.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from catalog.models import CreditType
from credits import changes, planning, pools, timeline
from credits.book import PoolState, ScheduleState
from credits.recurring import Allowance
from subscriptions.causes import Cause
from subscriptions.impacts import Effect, Migration

Owner = tuple[int, int | None]
"""Whose pools: a customer, and the resource or none."""


def effects(migrations: Sequence[Migration], now: datetime) -> dict[int, list[Effect]]:
    """For each subscription what its migration would do, one line per credit type it touches.

    A constant number of queries, however many subscriptions.
    """
    states = _states(migrations, now)
    steps = steps_of(migrations, now)
    touched = {
        each.subscription.pk: {pk for step in steps[each.subscription.pk] for pk in step.given}
        | {
            pk
            for pk, state in states[_owner(each)].items()
            if any(one.subscription_id == each.subscription.pk for one in state.schedules)
        }
        for each in migrations
    }
    types = CreditType.objects.in_bulk(set().union(*touched.values()))
    found: dict[int, list[Effect]] = {}
    for each in migrations:
        key, held = each.subscription.pk, states[_owner(each)]
        found[key] = [
            _effect(key, types[pk], held.get(pk), [step.of(pk) for step in steps[key]], now)
            for pk in sorted(touched[key], key=lambda pk: (types[pk].name, pk))
        ]
    return found


def steps_of(migrations: Sequence[Migration], now: datetime) -> dict[int, list[changes.Step]]:
    """For each subscription what to plan, in the order given; a constant number of queries."""
    lookup = changes.Lookup(
        agreed
        for each in migrations
        for agreed in (each.today, each.upcoming.terms if each.upcoming else each.today)
    )
    return {
        each.subscription.pk: changes.steps_of(
            each.subscription,
            each.today,
            each.upcoming,
            cause=Cause.MIGRATION,
            now=now,
            lookup=lookup,
        )
        for each in migrations
    }


def _effect(
    subscription_pk: int,
    credit_type: CreditType,
    stored: PoolState | None,
    steps: list[tuple[planning.Change, list[Allowance]]],
    now: datetime,
) -> Effect:
    """One pool before and after: planned and turned as `changes.apply` does."""
    before = stored or PoolState(pk=0)
    after = before.copy()
    known = len(after.entries)
    planning.plan(after, steps)
    timeline.turn(after, now)
    return Effect(
        credit_type_id=credit_type.pk,
        credit_type=credit_type.public_id,
        name=credit_type.name,
        granted=changes.granted_to(subscription_pk, after.entries[known:]),
        balance_before=before.balance,
        balance_after=after.balance,
        recurring_before=recurring_of(before, subscription_pk),
        recurring_after=recurring_of(after, subscription_pk),
    )


def recurring_of(pool: PoolState, subscription_pk: int) -> dict[str, Decimal]:
    """What one subscription gives a pool from the next resets on, by cadence.

    Of a source that makes way for itself, by a trial's end or a migration, what comes last.
    """
    lasting: dict[int, ScheduleState] = {}
    for schedule in sorted(pool.schedules, key=lambda schedule: schedule.starts_at):
        if schedule.subscription_id == subscription_pk and timeline.grants_again(schedule):
            lasting[schedule.source_id] = schedule
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for schedule in lasting.values():
        if schedule.is_granted and schedule.amount:
            amounts[schedule.cadence] += schedule.amount
    return dict(amounts)


def _owner(migration: Migration) -> Owner:
    return migration.subscription.customer_id, migration.subscription.resource_id


def _states(migrations: Sequence[Migration], now: datetime) -> dict[Owner, dict[int, PoolState]]:
    """The pools of the owners concerned, by credit type, at `now`."""
    states: dict[Owner, dict[int, PoolState]] = {_owner(each): {} for each in migrations}
    rows = [
        row
        for row in pools.of_customers({customer for customer, _ in states})
        if (row.customer_id, row.resource_id) in states
    ]
    for row, state in zip(rows, pools.load(rows, with_schedules=True), strict=True):
        timeline.bring(state, now)
        states[row.customer_id, row.resource_id][row.credit_type_id] = state
    return states
