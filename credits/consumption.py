"""Spend credits, once per key, into the overdraft if need be (R35–R40, R42, R50)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from catalog.amounts import ZERO, exact_json
from credits import at_once, burn_order, callers, lateness, ledger, pools, posting
from credits.book import PoolState
from credits.callers import Question
from credits.columns import Row
from credits.models import Consumption, ConsumptionKind
from credits.pools import LockedPool, Standing
from workspace import activity, tracing
from workspace.actors import Actor, ActorKind
from workspace.acts import act, act_of_one_statement
from workspace.errors import Conflict
from workspace.json import plain
from workspace.keys import KnownKey

_in_order_of_keys = json.JSONEncoder(sort_keys=True).encode


class InsufficientCredits(Conflict):
    """The pool cannot pay, and the request asked not to go below zero (R37)."""


@dataclass(slots=True, frozen=True)
class Demand:
    """What is asked of a pool.

    `key` makes it happen once per pool and kind (R40); `used_at` is when the use took
    place, kept beside the time of processing (R38). Where a rule made the amount, `mapping_id`
    names it, and `units` are what it was applied to (R34).
    """

    amount: Decimal
    key: str
    used_at: datetime
    kind: ConsumptionKind = ConsumptionKind.DIRECT
    dimensions: Mapping[str, Any] = field(default_factory=dict)
    feature_id: int | None = None
    event_id: int | None = None
    mapping_id: int | None = None
    units: Decimal | None = None
    flags: Sequence[str] = ()
    reason: str = ""

    @property
    def fingerprint(self) -> str:
        """Tells whether a repeat has the same content (R40)."""
        dimensions = "{}"
        if self.dimensions:
            dimensions = _in_order_of_keys({name: str(v) for name, v in self.dimensions.items()})
        content = f'["{plain(self.amount)}", {dimensions}]'
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(slots=True, frozen=True)
class Receipt:
    """What a demand did: credits consumed, 0 for a replay, and what the pool holds now."""

    consumed: Decimal
    standing: Standing
    replayed: bool = False


def consume(
    *, pool_id: int, demand: Demand, strict: bool = False, actor: Actor, now: datetime
) -> Receipt:
    """Take credits out of a pool, once per key (R36, R37, R40).

    A key seen before moves nothing and reports zero consumed.

    Raises:
        InsufficientCredits: `strict`, and the pool cannot pay. Nothing is recorded.
        UsedInTheFuture: the use cannot have taken place yet. Nothing is recorded.
    """
    lateness.refuse_future(demand.used_at, now, field="createdAt")
    if at_once.is_possible():
        receipt = _consume_at_once(pool_id, demand, actor, now)
        if receipt is not None:
            return receipt
    return _consume_step_by_step(pool_id, demand, strict, actor, now)


def consume_for_key(
    question: Question, demand: Demand, now: datetime
) -> tuple[KnownKey, int | None, Receipt | None]:
    """Recognise who asks, find their pool, and take the credits if it is as simple as that.

    On PostgreSQL all of it is one statement (X1, R42). Where there is no receipt nothing was
    taken: see how far the key reaches, and `consume` from the pool, or `pools.locate` it.

    Raises:
        Unauthenticated: the key is unknown or revoked.
    """
    if at_once.is_possible() and not lateness.is_future(demand.used_at, now):
        return _consume_at_once_for_key(question, demand, now)
    return (*callers.find(question), None)


@act_of_one_statement
def _consume_at_once_for_key(
    question: Question, demand: Demand, now: datetime
) -> tuple[KnownKey, int | None, Receipt | None]:
    asker = Actor(ActorKind.API_KEY, question.wanted.lookup, name="")
    claim = _row(None, demand, actor=asker, now=now)
    key, pool_id, standing = at_once.spend_for_key(question, claim)
    return key, pool_id, None if standing is None else Receipt(demand.amount, standing)


@act_of_one_statement
def _consume_at_once(pool_id: int, demand: Demand, actor: Actor, now: datetime) -> Receipt | None:
    standing = at_once.spend(_row(pool_id, demand, actor=actor, now=now))
    return None if standing is None else Receipt(demand.amount, standing)


@act
def _consume_step_by_step(
    pool_id: int, demand: Demand, strict: bool, actor: Actor, now: datetime
) -> Receipt:
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

    A fixed number of statements, however many demands and however long the history. All
    receipts say what the pool holds after the last demand.

    Raises:
        InsufficientCredits: `strict`, and the pool cannot pay one of them.
    """
    claims = [
        Claim(demand, _row(locked_pool.row.pk, demand, actor=actor, now=now)) for demand in demands
    ]
    is_new = None
    if len(claims) == 1:
        is_new = _spend_at_once(locked_pool, claims[0], strict=strict, actor=actor, now=now)
    if is_new is None:
        is_new = _claim_and_spend(locked_pool, claims, strict=strict, actor=actor, now=now)
    standing = pools.standing_on_paper(locked_pool)
    receipts = []
    for demand, new in zip(demands, is_new, strict=True):
        if not new:
            _flag_if_different(locked_pool, demand, actor=actor, now=now)
        receipts.append(Receipt(demand.amount if new else ZERO, standing, replayed=not new))
    return receipts


@dataclass(slots=True, eq=False)
class Claim:
    """A demand about to be written under its key, and the id it got."""

    demand: Demand
    row: Row
    pk: int | None = None

    @property
    def reason(self) -> str:
        """Why a person took credits, for the entries (R50)."""
        return self.demand.reason


def _spend_at_once(
    locked_pool: LockedPool, claim: Claim, *, strict: bool, actor: Actor, now: datetime
) -> list[bool] | None:
    """One demand, the common case: claim and post in one statement; None if that cannot be.

    What a replay or a refusal would have moved was moved on paper only, and is dropped.
    """
    if not ledger.can_claim_and_write(locked_pool):
        return None
    before = locked_pool.state.copy()
    try:
        _take(locked_pool.state, claim, strict=strict, now=now)
    except InsufficientCredits:
        locked_pool.state = before
        return None
    if ledger.can_claim_and_write(locked_pool):
        if ledger.claim_and_write(locked_pool, claim.row, actor=actor, now=now):
            return [True]
        locked_pool.state = before
        return [False]
    locked_pool.state = before
    return None


def _claim_and_spend(
    locked_pool: LockedPool, claims: Sequence[Claim], *, strict: bool, actor: Actor, now: datetime
) -> list[bool]:
    """Any demands: claim all keys in one statement, then post what is new in another."""
    first_of_key: dict[tuple[str, str], Claim] = {}
    for claim in claims:
        first_of_key.setdefault((claim.demand.kind, claim.demand.key), claim)
    claimed = posting.claim([claim.row for claim in first_of_key.values()])
    for key, pk in claimed.items():
        claim = first_of_key[key]
        claim.pk = pk
        _take(locked_pool.state, claim, strict=strict, now=now)
    ledger.write([locked_pool], actor=actor, now=now)
    return [claim.pk is not None for claim in claims]


def _take(pool: PoolState, claim: Claim, *, strict: bool, now: datetime) -> None:
    """Let the grants pay in burn order, and the overdraft what they cannot (R35, R36)."""
    amount = claim.demand.amount
    shares, unpaid = burn_order.split(amount, pool.open_grants)
    if unpaid and strict:
        raise InsufficientCredits(
            f"{plain(amount - unpaid)} credits are left, {plain(amount)} were asked for. "
            "Grant credits first, or ask for less.",
            field="amount",
        )
    for share in shares:
        pool.spend(share.grant, share.amount, now, cause=claim)
    if unpaid:
        pool.overdraw(unpaid, now, cause=claim)


def _row(pool_id: int | None, demand: Demand, *, actor: Actor, now: datetime) -> Row:
    """The columns of `posting.CLAIMS`."""
    return (
        pool_id,
        demand.kind.value,
        demand.key,
        demand.amount,
        demand.fingerprint,
        demand.feature_id,
        demand.event_id,
        demand.mapping_id,
        demand.units,
        exact_json(demand.dimensions),
        list(demand.flags),
        demand.used_at,
        now,
        actor.kind.value,
        actor.name,
        demand.reason,
        tracing.current_trace_id(),
    )


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
        payload={"key": demand.key, "first": plain(first.amount), "repeat": plain(demand.amount)},
        customer=customer_id,
    )
