"""What a bulk change does to the credits of one customer: gives, revokes, lets expire later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q

from catalog import wording
from catalog.amounts import ZERO
from catalog.models import CreditType
from credits import adjustments, grants, pools, timeline
from credits.adjustments import Outcome
from credits.book import EntryType, GrantState, GrantType, PoolState, Stage
from credits.bulk_deeds import Deed, Irreversible, NothingFits, Plan, Result, balance_line, grouped
from credits.grants import Gift
from credits.models import BulkKind, BulkOutcome, BulkRow, Grant, Pool
from credits.models.grants import BY_PEOPLE
from subscriptions import customers
from subscriptions.models import Resource
from workspace.actors import Actor
from workspace.errors import DomainError
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant


@dataclass(frozen=True, kw_only=True)
class Granting(Deed):
    """Give each customer credits, at once or from a date on (R46).

    A row may have an amount of its own, and may mean the pool of a resource (R42).
    """

    kind = BulkKind.GRANT

    credit_type_id: str
    amount: Decimal | None
    name: str
    type: str = GrantType.PROMOTIONAL.value
    priority: int = 10
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    unit_cost: Decimal = ZERO
    currency: str = "USD"

    def gift(self, row: BulkRow, reason: str) -> Gift:
        """What one customer is given.

        Raises:
            NothingFits: neither the row nor the terms say how much.
        """
        amount = row.amount if row.amount is not None else self.amount
        if amount is None:
            raise NothingFits("Nobody said how much.")
        return Gift(
            type=GrantType(self.type),
            amount=amount,
            name=self.name,
            comment=reason,
            priority=self.priority,
            effective_at=self.effective_at,
            expires_at=self.expires_at,
            unit_cost=self.unit_cost,
            currency=self.currency,
        )

    def plans(self, rows: Sequence[BulkRow], now: datetime) -> list[Plan]:
        credit_type = CreditType.objects.active().filter(public_id=self.credit_type_id).first()
        if credit_type is None:
            refusal = grants.CreditTypeIsArchived("Nothing more of these credits is granted.")
            return [refusal] * len(rows)
        resources = {row.resource_id for row in rows if row.resource_id is not None}
        found = Pool.objects.filter(
            Q(resource=None) | Q(resource__in=resources),
            customer__in=[row.customer_id for row in rows],
            credit_type=credit_type,
        )
        papers = {
            (pool.customer_id, pool.resource_id): state for pool, state in _papers(found, now)
        }
        meant = [papers.get((row.customer_id, row.resource_id)) or PoolState(pk=0) for row in rows]
        return [
            self._plan(row, credit_type, pool, now) for row, pool in zip(rows, meant, strict=True)
        ]

    def _plan(self, row: BulkRow, credit_type: CreditType, pool: PoolState, now: datetime) -> Plan:
        try:
            customers.refuse_archived(row.customer)
            gift = self.gift(row, row.run.reason)
            outcome = adjustments.of_grant(pool, gift, now=now)
        except DomainError as refusal:
            return refusal
        return self._result(row, credit_type, gift.amount, outcome)

    def _result(
        self,
        row: BulkRow,
        credit_type: CreditType,
        amount: Decimal,
        outcome: Outcome,
        **found: Any,
    ) -> Result:
        """With the balances of the instant at which the grant takes effect."""
        before, after = outcome.balance_before, outcome.balance_after
        return Result(
            _giving(credit_type, amount, row.resource, self.effective_at),
            [balance_line(credit_type, before, after)],
            **found,
        )

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        pool_id = pools.locate(
            customer_id=row.customer.public_id,
            credit_type_id=self.credit_type_id,
            resource_id=row.resource.public_id if row.resource else None,
            now=now,
        )
        gift = self.gift(row, reason)
        locked_pool = pools.lock(pool_id, now, with_schedules=True)
        outcome = adjustments.of_grant(locked_pool.state, gift, now=now)
        given = grants.grant(pool_id=pool_id, gift=gift, actor=actor, now=now)
        return self._result(row, given.pool.credit_type, given.amount, outcome, grant_id=given.pk)

    def undo(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> None:
        grant, state = _locked(row, now)
        if state.voided_at is None and state.consumed:
            used, amount = in_digits(state.consumed), in_digits(state.amount)
            raise Irreversible(f"{used} of {amount} were used.")
        grants.void(grant_id=grant.public_id, reason=reason, actor=actor, now=now)


@dataclass(frozen=True, kw_only=True)
class OfGrants(Deed):
    """Something done to the grants of customers: those that people made, and that still count.

    Empty means whichever: `credit_type_id`, `type`, and `name`, which is theirs to the letter.
    """

    aims_at = "grant"

    credit_type_id: str = ""
    type: str = ""
    name: str = ""

    def targets(self, customer_ids: Sequence[int], now: datetime) -> Mapping[int, list[Any]]:
        found = Grant.objects.live().filter(pool__customer__in=customer_ids)
        types = [self.type] if self.type else BY_PEOPLE
        found = found.filter(type__in=types).select_related("pool")
        if self.credit_type_id:
            found = found.filter(pool__credit_type__public_id=self.credit_type_id)
        if self.name:
            found = found.filter(name=self.name)
        return grouped((grant.pool.customer_id, grant) for grant in found.order_by("pk"))

    def plans(self, rows: Sequence[BulkRow], now: datetime) -> list[Plan]:
        pool_ids = {row.grant.pool_id for row in rows if row.grant is not None}
        found = Pool.objects.filter(pk__in=pool_ids).select_related("credit_type")
        papers = {pool.pk: (pool.credit_type, state) for pool, state in _papers(found, now)}
        self.repeat(rows, {pk: state for pk, (_, state) in papers.items()}, now)
        plans: list[Plan] = []
        for row in rows:
            assert row.grant is not None, "the row points at one"
            credit_type, pool = papers[row.grant.pool_id]
            try:
                plans.append(self.plan(row.grant, credit_type, pool, now))
            except DomainError as refusal:
                plans.append(refusal)
        return plans

    def repeat(
        self, rows: Sequence[BulkRow], papers: Mapping[int, PoolState], now: datetime
    ) -> None:
        """Let the papers know what rows before these would do."""

    def plan(self, grant: Grant, credit_type: CreditType, pool: PoolState, now: datetime) -> Result:
        """What would be done to one grant; `pool` is left as it would be.

        Raises:
            DomainError: why nothing would be.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Revoking(OfGrants):
    """Take back what is left of grants (R48)."""

    kind = BulkKind.VOID
    irreversible_because = "What is revoked stays revoked. Grant it anew."

    def repeat(
        self, rows: Sequence[BulkRow], papers: Mapping[int, PoolState], now: datetime
    ) -> None:
        earlier = BulkRow.objects.filter(
            run=rows[0].run_id, outcome=BulkOutcome.PLANNED, grant__pool__in=papers
        )
        for grant in Grant.objects.filter(pk__in=earlier.values("grant")):
            pool = papers[grant.pool_id]
            pool.close(_on_paper(grant, pool), EntryType.VOIDED, now)

    def plan(self, grant: Grant, credit_type: CreditType, pool: PoolState, now: datetime) -> Result:
        state = _on_paper(grant, pool)
        grants.check_void(state)
        if not state.remaining:
            raise NothingFits("Nothing is left of it.")
        what, before = _revoking(credit_type, state), pool.balance
        pool.close(state, EntryType.VOIDED, now)
        return Result(what, [balance_line(credit_type, before, pool.balance)])

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        grant, state = _locked(row, now)
        credit_type = grant.pool.credit_type
        what, before = _revoking(credit_type, state), _balance_of(grant.pool_id, now)
        voided = grants.void(grant_id=grant.public_id, reason=reason, actor=actor, now=now)
        return Result(what, [balance_line(credit_type, before, voided.pool.balance)])


@dataclass(frozen=True, kw_only=True)
class Extending(OfGrants):
    """Let grants expire later: on a date, or so many days later than they do (R49)."""

    kind = BulkKind.EXTEND

    until: datetime | None = None
    days: int = 0

    def plan(self, grant: Grant, credit_type: CreditType, pool: PoolState, now: datetime) -> Result:
        expires_at = self._later(grant)
        edit = grants.edit_of(grant, expires_at=expires_at)
        grants.check_edit(_on_paper(grant, pool), edit, now=now)
        balance = balance_line(credit_type, pool.balance, pool.balance)
        return Result(_extending(grant, expires_at), [balance])

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        grant, _ = _locked(row, now)
        expires_at = self._later(grant)
        before, balance = grant.expires_at, _balance_of(grant.pool_id, now)
        edit = grants.edit_of(grant, expires_at=expires_at)
        edited = grants.edit(
            grant_id=grant.public_id, edit=edit, reason=reason, actor=actor, now=now
        )
        return Result(
            _extending(grant, expires_at),
            [balance_line(grant.pool.credit_type, balance, edited.pool.balance)],
            before={"from": before and before.isoformat(), "to": expires_at.isoformat()},
        )

    def undo(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> None:
        grant, _ = _locked(row, now)
        before, after = (datetime.fromisoformat(row.before[name]) for name in ("from", "to"))
        if grant.expires_at != after:
            raise Irreversible("Its expiry was changed again meanwhile.")
        if before <= now:
            raise Irreversible(f"Without this it would have expired on {instant(before)}.")
        edit = grants.edit_of(grant, expires_at=before)
        grants.edit(grant_id=grant.public_id, edit=edit, reason=reason, actor=actor, now=now)

    def _later(self, grant: Grant) -> datetime:
        if grant.expires_at is None:
            raise NothingFits("It never expires.")
        try:
            expires_at = self.until or grant.expires_at + timedelta(days=self.days)
        except OverflowError:
            raise NothingFits("It expires at the end of time.") from None
        if expires_at <= grant.expires_at:
            raise NothingFits(f"It expires on {instant(grant.expires_at)} already.")
        return expires_at


# Words


def _giving(
    credit_type: CreditType,
    amount: Decimal,
    resource: Resource | None,
    effective_at: datetime | None,
) -> str:
    whose = f" for {resource.public_id}" if resource else ""
    since = f", from {instant(effective_at)}" if effective_at else ""
    return f"{credit_type.name}: +{_units(credit_type, amount)}{whose}{since}"


def _revoking(credit_type: CreditType, state: GrantState) -> str:
    if state.stage == Stage.WAITING:
        return f"“{state.name}”: {_units(credit_type, state.amount)} are not given"
    left, amount = in_digits(state.remaining), _units(credit_type, state.amount)
    return f"“{state.name}”: {left} of {amount} are taken back"


def _extending(grant: Grant, expires_at: datetime) -> str:
    return f"“{grant.name}” expires {instant(expires_at)} instead of {instant(grant.expires_at)}"


def _units(credit_type: CreditType, amount: Decimal) -> str:
    return f"{in_digits(amount)} {wording.units_of(credit_type, amount)}"


# Papers


def _papers(found: Any, now: datetime) -> list[tuple[Pool, PoolState]]:
    """Pools with what is in them at `now`; a constant number of queries."""
    rows = list(found.order_by("pk"))
    states = pools.load(rows, with_schedules=True)
    return [(row, timeline.advance(state, now)[0]) for row, state in zip(rows, states, strict=True)]


def _on_paper(grant: Grant, pool: PoolState) -> GrantState:
    for state in pool.grants:
        if state.pk == grant.pk:
            return state
    return pools.grant_state(grant)


def _locked(row: BulkRow, now: datetime) -> tuple[Grant, GrantState]:
    """The grant of a row and how it stands, its pool being locked."""
    assert row.grant is not None, "the row points at one"
    pool = pools.lock(row.grant.pool_id, now).state
    grant = grants.find(row.grant.public_id)
    return grant, _on_paper(grant, pool)


def _balance_of(pool_id: int, now: datetime) -> Decimal:
    return pools.lock(pool_id, now).state.balance
