"""Spend credits, once per key, into the overdraft if need be (R35–R40, R42, R50)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from django.db import connection

from catalog.amounts import ZERO, exact_json
from credits import burn_order, ledger, pools
from credits.book import PoolState
from credits.columns import Columns
from credits.models import Consumption, ConsumptionKind
from credits.pools import LockedPool, Standing
from workspace import activity, tracing
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict


class InsufficientCredits(Conflict):
    """The pool cannot pay, and the request asked not to go below zero (R37)."""


@dataclass(slots=True, frozen=True)
class Demand:
    """What is asked of a pool.

    `key` makes it happen once per pool and kind (R40); `used_at` is when the use took
    place, kept beside the time of processing (R38).
    """

    amount: Decimal
    key: str
    used_at: datetime
    kind: ConsumptionKind = ConsumptionKind.DIRECT
    dimensions: Mapping[str, Any] = field(default_factory=dict)
    feature_id: int | None = None
    event_id: int | None = None
    flags: Sequence[str] = ()
    reason: str = ""

    @property
    def fingerprint(self) -> str:
        """Tells whether a repeat has the same content (R40)."""
        content = [str(self.amount), {name: str(v) for name, v in self.dimensions.items()}]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(slots=True, frozen=True)
class Receipt:
    """What a demand did: credits consumed, 0 for a replay, and what the pool holds now."""

    consumed: Decimal
    standing: Standing
    replayed: bool = False


@act
def consume(
    *, pool_id: int, demand: Demand, strict: bool = False, actor: Actor, now: datetime
) -> Receipt:
    """Take credits out of a pool, once per key (R36, R37, R40).

    A key seen before moves nothing and reports zero consumed.

    Raises:
        InsufficientCredits: `strict`, and the pool cannot pay. Nothing is recorded.
    """
    locked_pool = pools.lock(pool_id, now)
    [receipt] = spend(locked_pool, [demand], strict=strict, actor=actor, now=now)
    return receipt


@act
def consume_several(
    *, pool_id: int, demands: Sequence[Demand], actor: Actor, now: datetime
) -> list[Receipt]:
    """As `consume`, for many demands on one pool in one transaction, in their order (R39)."""
    locked_pool = pools.lock(pool_id, now)
    return spend(locked_pool, demands, actor=actor, now=now)


def spend(
    locked_pool: LockedPool,
    demands: Sequence[Demand],
    *,
    strict: bool = False,
    actor: Actor,
    now: datetime,
) -> list[Receipt]:
    """The step that all ways to consume share: claim the keys, split, refuse or post.

    A fixed number of statements, however many demands and however long the history.

    Raises:
        InsufficientCredits: `strict`, and the pool cannot pay one of them.
    """
    claimed = _claim(locked_pool, demands, actor=actor, now=now)
    receipts = []
    for demand in demands:
        consumption = claimed.pop((demand.kind, demand.key), None)
        if consumption is None:
            _flag_if_different(locked_pool, demand, actor=actor, now=now)
        else:
            _take(locked_pool.state, demand.amount, consumption, strict=strict, now=now)
        receipts.append(
            Receipt(
                consumed=ZERO if consumption is None else demand.amount,
                standing=pools.standing_on_paper(locked_pool),
                replayed=consumption is None,
            )
        )
    ledger.write([locked_pool], actor=actor, now=now)
    return receipts


def _take(
    pool: PoolState, amount: Decimal, consumption: Consumption, *, strict: bool, now: datetime
) -> None:
    """Let the grants pay in burn order, and the overdraft what they cannot (R35, R36)."""
    shares, unpaid = burn_order.split(amount, pool.open_grants)
    if unpaid and strict:
        raise InsufficientCredits(
            f"{amount - unpaid:f} credits are left, {amount:f} were asked for. "
            "Grant credits first, or ask for less.",
            field="amount",
        )
    for share in shares:
        pool.spend(share.grant, share.amount, now, cause=consumption)
    if unpaid:
        pool.overdraw(unpaid, now, cause=consumption)


def _claim(
    locked_pool: LockedPool, demands: Sequence[Demand], *, actor: Actor, now: datetime
) -> dict[tuple[str, str], Consumption]:
    """Write the demands down under their keys; return those whose keys are new (R40)."""
    rows: dict[tuple[str, str], Consumption] = {}
    for demand in demands:
        row = _row(locked_pool, demand, actor=actor, now=now)
        rows.setdefault((row.kind, row.key), row)
    claimed = {}
    waiting = list(rows.values())
    for start in range(0, len(waiting), ROWS_PER_STATEMENT):
        for pk, kind, key in _insert_new(waiting[start : start + ROWS_PER_STATEMENT]):
            row = rows[kind, key]
            row.pk = pk
            row._state.adding = False
            claimed[kind, key] = row
    return claimed


def _row(locked_pool: LockedPool, demand: Demand, *, actor: Actor, now: datetime) -> Consumption:
    return Consumption(
        pool_id=locked_pool.row.pk,
        kind=demand.kind.value,
        key=demand.key,
        amount=demand.amount,
        fingerprint=demand.fingerprint,
        feature_id=demand.feature_id,
        event_id=demand.event_id,
        dimensions=exact_json(demand.dimensions),
        flags=list(demand.flags),
        used_at=demand.used_at,
        recorded_at=now,
        actor_kind=actor.kind,
        actor=actor.name,
        reason=demand.reason,
        trace_id=tracing.current_trace_id(),
    )


ROWS_PER_STATEMENT = 500


DEMANDS = Columns(
    Consumption,
    *(field.name for field in Consumption._meta.concrete_fields if not field.primary_key),
)


def _insert_new(rows: Sequence[Consumption]) -> list[tuple[int, str, str]]:
    """Insert those whose key is new, in one statement; their ids, kinds and keys."""
    names = [field.attname for field in DEMANDS.fields]
    stored = DEMANDS.stored([getattr(row, name) for name in names] for row in rows)
    place = "(" + ", ".join(["%s"] * len(names)) + ")"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {DEMANDS.table} ({DEMANDS.listed}) "  # noqa: S608 - our own columns
            f"VALUES {', '.join([place] * len(stored))} "
            "ON CONFLICT DO NOTHING RETURNING id, kind, key",
            list(chain.from_iterable(stored)),
        )
        inserted: list[tuple[int, str, str]] = cursor.fetchall()
    return inserted


def _flag_if_different(
    locked_pool: LockedPool, demand: Demand, *, actor: Actor, now: datetime
) -> None:
    """Note in the activity log that a key came back with other content (R40)."""
    first = Consumption.objects.get(
        pool_id=locked_pool.row.pk, kind=demand.kind.value, key=demand.key
    )
    if first.fingerprint == demand.fingerprint:
        return
    customer_id = locked_pool.row.customer.public_id
    activity.record(
        "credit_consumption.repeated_differently",
        subject=("customer", customer_id),
        actor=actor,
        now=now,
        payload={"key": demand.key, "first": str(first.amount), "repeat": str(demand.amount)},
        customer=customer_id,
    )
