"""What a bulk change does to one customer: found, worked out on paper, done, undone.

Every deed goes through the verb that a person would use for one customer, and is worked out
beforehand by the planner of that verb.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Self, get_args

from django.db.models import Q

from catalog import wording
from catalog.amounts import ZERO
from catalog.models import CreditType
from credits import adjustments, grants, pools, timeline
from credits.adjustments import Outcome
from credits.book import EntryType, GrantState, GrantType, PoolState, Stage
from credits.grants import Gift
from credits.models import BulkKind, BulkOutcome, BulkRow, Grant, Pool
from credits.models.grants import BY_PEOPLE
from subscriptions import customers, finding, impacts, migration, previews, updates
from subscriptions.impacts import Effect
from subscriptions.migration import Move
from subscriptions.models import Resource, Subscription, SubscriptionAddon
from workspace.actors import Actor
from workspace.errors import Conflict, DomainError
from workspace.json import plain
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant


class NothingFits(Conflict):
    """The customer has nothing that is meant."""


class Irreversible(Conflict):
    """It cannot be taken back: something was made of it meanwhile."""


@dataclass(frozen=True, slots=True)
class Result:
    """What would be done, or was, in words; and the balances before and after it.

    `balances` holds, by public id of the credit type, its name and both in digits. `before`
    is what undoing needs to know, `grant_id` the inner key of a grant that was made.
    """

    what: str
    balances: list[dict[str, str]]
    before: dict[str, Any] | None = None
    grant_id: int | None = None


Plan = Result | DomainError
"""What would be done, or why not."""


READERS: Mapping[type, Callable[[str], Any]] = {
    Decimal: Decimal,
    datetime: datetime.fromisoformat,
}


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One kind of deed with its terms, which `stored` keeps and `restored` brings back."""

    kind: ClassVar[BulkKind]
    aims_at: ClassVar[str] = ""  # what a row points at beside the customer
    irreversible_because: ClassVar[str] = ""

    def stored(self) -> dict[str, Any]:
        """The terms as JSON keeps them: amounts in digits, instants to the microsecond."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def restored(cls, terms: Mapping[str, Any]) -> Self:
        """The deed with these terms."""
        given = {}
        for field in fields(cls):
            if field.name not in terms:  # it began before there was a choice
                continue
            value = terms[field.name]
            for kind, read in READERS.items():
                if value is not None and kind in (field.type, *get_args(field.type)):
                    value = read(value)
            given[field.name] = value
        return cls(**given)

    def targets(self, customer_ids: Sequence[int], now: datetime) -> Mapping[int, list[Any]]:
        """By customer, the grants or subscriptions of theirs that are meant."""
        return {}

    def plans(self, rows: Sequence[BulkRow], now: datetime) -> list[Plan]:
        """What would be done to each of these rows, in their order; nothing is written."""
        raise NotImplementedError

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        """Do it by the ordinary verb, inside a transaction.

        Raises:
            DomainError: whatever the verb refuses. Nothing was changed.
        """
        raise NotImplementedError

    @property
    def goes_together(self) -> bool:
        """Whether `do_several` does anything."""
        return False

    def do_several(
        self, rows: Sequence[BulkRow], *, actor: Actor, now: datetime
    ) -> Mapping[int, Result]:
        """Do what can be done of these rows at once; by their inner keys.

        Left out is what somebody else is at, what depends on a row before it, and what would be
        refused: `do` has the last word on those. It is for deeds that make no grants and are not
        undone: of a result that is as planned nothing is kept but the balances.
        """
        return {}

    def undo(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> None:
        """Take it back where nothing was spent.

        Raises:
            Irreversible: something was, or it is not any more what it was made.
        """
        raise Irreversible(self.irreversible_because)


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
            [_balance(credit_type, before, after)],
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
        return _grouped((grant.pool.customer_id, grant) for grant in found.order_by("pk"))

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
        return Result(what, [_balance(credit_type, before, pool.balance)])

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        grant, state = _locked(row, now)
        credit_type = grant.pool.credit_type
        what, before = _revoking(credit_type, state), _balance_of(grant.pool_id, now)
        voided = grants.void(grant_id=grant.public_id, reason=reason, actor=actor, now=now)
        return Result(what, [_balance(credit_type, before, voided.pool.balance)])


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
        balance = _balance(credit_type, pool.balance, pool.balance)
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
            [_balance(grant.pool.credit_type, balance, edited.pool.balance)],
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


@dataclass(frozen=True, kw_only=True)
class OfSubscriptions(Deed):
    """Something done to subscriptions that have not ended; `plan_id` narrows it to a plan."""

    aims_at = "subscription"

    plan_id: str = ""

    def targets(self, customer_ids: Sequence[int], now: datetime) -> Mapping[int, list[Any]]:
        found = Subscription.objects.not_ended(now).filter(customer__in=customer_ids)
        if self.plan_id:
            found = found.filter(plan__public_id=self.plan_id)
        return _grouped((each.customer_id, each) for each in found.order_by("pk"))


class AddonMode(StrEnum):
    """What becomes of an add-on."""

    ADD = "ADD"
    SET = "SET"
    REMOVE = "REMOVE"


@dataclass(frozen=True, kw_only=True)
class ChangingAddon(OfSubscriptions):
    """Add an add-on, change how many there are of it, or remove it, at once (R27–R32)."""

    kind = BulkKind.ADDON
    irreversible_because = (
        "What an add-on gave or took stays so. Change the add-on back by another bulk change."
    )

    addon_id: str
    addon_name: str
    mode: str
    quantity: int = 0

    def plans(self, rows: Sequence[BulkRow], now: datetime) -> list[Plan]:
        plans: list[Plan] = []
        for row in rows:
            try:
                plans.append(self._plan(_subscription(row), now))
            except DomainError as refusal:
                plans.append(refusal)
        return plans

    def _plan(self, subscription: Subscription, now: datetime) -> Result:
        what, wanted = self._wanted(subscription)
        preview = updates.preview(subscription_id=subscription.public_id, addons=wanted, now=now)
        changes = previews.credit_changes(preview, now=now)
        moved = [
            _balance(each.credit_type, each.balance_before, each.balance_after)
            for each in changes
            if each.takes_effect_at <= now and each.balance_before != each.balance_after
        ]
        return Result(what, moved)

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        public_id = _subscription(row).public_id
        finding.lock_customer_of(public_id, now)
        subscription = finding.find(public_id)
        before = _balances(subscription, now)
        what, wanted = self._wanted(subscription)
        updates.update(subscription_id=public_id, addons=wanted, actor=actor, now=now)
        after = _balances(subscription, now)
        return Result(
            what,
            [
                _balance(credit_type, before.get(credit_type, ZERO), balance)
                for credit_type, balance in after.items()
                if before.get(credit_type, ZERO) != balance
            ],
        )

    def _wanted(self, subscription: Subscription) -> tuple[str, list[tuple[str, int]]]:
        """In words, and the whole list of add-ons as it shall be."""
        attached = SubscriptionAddon.objects.filter(subscription=subscription)
        quantities = dict(attached.order_by("pk").values_list("addon__public_id", "quantity"))
        has = quantities.get(self.addon_id, 0)
        wants = 0 if self.mode == AddonMode.REMOVE else self.quantity
        if self.mode == AddonMode.ADD and has:
            raise NothingFits(f"It has {has} of it already.")
        if self.mode != AddonMode.ADD and not has:
            raise NothingFits("It has none of it.")
        if has == wants:
            raise NothingFits(f"It has {has} of it already.")
        quantities[self.addon_id] = wants
        scheduled = subscription.next_update_at
        note = f"; replaces the update of {instant(scheduled)}" if scheduled else ""
        wanted = [(addon_id, number) for addon_id, number in quantities.items() if number]
        return f"{self.addon_name}: {has} → {wants}{note}", wanted


@dataclass(frozen=True, kw_only=True)
class Migrating(OfSubscriptions):
    """Move subscriptions to the latest versions and prices, now or later (R10, R13, R14).

    With `at_period_end` each waits for the end of its billing period; no balance moves now.
    """

    kind = BulkKind.MIGRATE
    irreversible_because = "A subscription does not go back to an earlier version."

    at_period_end: bool = False

    @property
    def goes_together(self) -> bool:
        return not self.at_period_end

    def plans(self, rows: Sequence[BulkRow], now: datetime) -> list[Plan]:
        return self._plans([_subscription(row) for row in rows], now)

    def _plans(self, subscriptions: Sequence[Subscription], now: datetime) -> list[Plan]:
        moves = migration.moves(subscriptions, at_period_end=self.at_period_end, now=now)
        effects = {} if self.at_period_end else impacts.of_migration(subscriptions, now)
        return [
            move
            if isinstance(move, DomainError)
            else Result(_migrating(move), _moved(effects.get(each.pk, [])))
            for each, move in zip(subscriptions, moves, strict=True)
        ]

    def do(self, row: BulkRow, reason: str, *, actor: Actor, now: datetime) -> Result:
        public_id = _subscription(row).public_id
        finding.lock_customer_of(public_id, now)
        [plan] = self._plans([finding.find(public_id)], now)
        if isinstance(plan, DomainError):
            raise plan
        migration.migrate(
            subscription_id=public_id, at_period_end=self.at_period_end, actor=actor, now=now
        )
        return plan

    def do_several(
        self, rows: Sequence[BulkRow], *, actor: Actor, now: datetime
    ) -> Mapping[int, Result]:
        # Of one customer the first alone: what it gives is what the next one finds.
        firsts = {row.customer_id: row for row in reversed(rows)}.values()
        rows_of = {_subscription(row).pk: row for row in firsts}
        locked = migration.lock_free(list(rows_of), now)
        planned = {
            each: plan
            for each, plan in zip(locked, self._plans(locked, now), strict=True)
            if isinstance(plan, Result)
        }
        migration.migrate_locked(list(planned), actor=actor, now=now)
        return {rows_of[each.pk].pk: plan for each, plan in planned.items()}


DEEDS: Mapping[str, type[Deed]] = {
    deed.kind.value: deed for deed in (Granting, Revoking, Extending, ChangingAddon, Migrating)
}


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


def _migrating(move: Move) -> str:
    old, new, at = move.before, move.after, move.takes_effect_at
    then = f" on {instant(at)}" if at is not None else ""
    if old.number == new.number:
        return f"{old.name} v{old.number}: add-ons and prices of today{then}"
    return f"{old.name} v{old.number} → v{new.number}{then}"


def _units(credit_type: CreditType, amount: Decimal) -> str:
    return f"{in_digits(amount)} {wording.units_of(credit_type, amount)}"


# Balances


def _balance(credit_type: CreditType, before: Decimal, after: Decimal) -> dict[str, str]:
    return {
        "credit_type": credit_type.public_id,
        "name": credit_type.name,
        "before": plain(before),
        "after": plain(after),
    }


def _moved(effects: Iterable[Effect]) -> list[dict[str, str]]:
    return [
        {
            "credit_type": each.credit_type,
            "name": each.name,
            "before": plain(each.balance_before),
            "after": plain(each.balance_after),
        }
        for each in effects
        if each.balance_before != each.balance_after
    ]


def _balance_of(pool_id: int, now: datetime) -> Decimal:
    return pools.lock(pool_id, now).state.balance


def _balances(subscription: Subscription, now: datetime) -> dict[CreditType, Decimal]:
    """What the pools of a subscription's customer, or resource, hold; by name of the type."""
    rows = list(
        Pool.objects.filter(customer=subscription.customer_id, resource=subscription.resource_id)
        .select_related("credit_type")
        .order_by("credit_type__name", "credit_type")
    )
    standings = pools.standings(rows, now)
    return {row.credit_type: standings[row.pk].balance for row in rows}


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


def _subscription(row: BulkRow) -> Subscription:
    assert row.subscription is not None, "the row points at one"
    return row.subscription


def _grouped(pairs: Iterable[tuple[int, Any]]) -> Mapping[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for customer_id, each in pairs:
        found[customer_id].append(each)
    return found
