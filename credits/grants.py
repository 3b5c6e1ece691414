"""Grants by people and applications: grant, confirm payment, edit, void (R46–R49)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from catalog.amounts import ZERO, from_micros, rounded, to_micros, validate_amount
from credits import ledger, pools, timeline
from credits.book import EntryType, GrantState, GrantType, PoolState, Stage
from credits.models import Grant, GrantSource
from credits.models.grants import BY_PEOPLE, GrantQuerySet
from credits.pools import LockedPool
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput, Conflict, UnknownObject

LONGEST_COMMENT = 200
HIGHEST_PRIORITY = 2**31 - 1


class CreditGrantNotFound(UnknownObject):
    """There is no such grant."""


class InvalidGrant(BadInput):
    """A grant that R46 does not allow."""


class CreditGrantAlreadyVoided(Conflict):
    """A grant is voided once (R48)."""


class CreditGrantCannotBeVoided(Conflict):
    """An overdraft, or a grant that has expired, cannot be voided (R47, R48)."""


class CreditGrantCannotBeEdited(Conflict):
    """Only PAID and PROMOTIONAL grants that are not over can be edited (R49)."""


class CreditTypeIsArchived(Conflict):
    """Nothing more of an archived credit type is granted (R3)."""


class PaymentNotAwaited(Conflict):
    """The grant does not wait for a payment."""


@dataclass(slots=True, frozen=True)
class Gift:
    """What somebody wants to grant; see R46 for what is allowed.

    `effective_at` None means now, `expires_at` None never. `unit_cost` is in whole units
    of `currency`, per credit.
    """

    type: GrantType
    amount: Decimal
    name: str
    comment: str = ""
    priority: int = 10
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    unit_cost: Decimal = ZERO
    cost: Decimal | None = None
    currency: str = "USD"
    payment_pending: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@act
def grant(*, pool_id: int, gift: Gift, actor: Actor, now: datetime) -> Grant:
    """Give credits to a pool; what it owes is settled first (R36, R46, R47).

    Raises:
        InvalidGrant: `gift` is not allowed. Nothing is stored.
        CreditTypeIsArchived: archived credits can be used up, but not granted (R3).
    """
    locked_pool = pools.lock(pool_id, now, with_schedules=True)
    credit_type = locked_pool.row.credit_type
    if credit_type.archived_at is not None:
        raise CreditTypeIsArchived(
            f"{credit_type.name} is archived. Unarchive it to grant more of it.",
            field="currencyId",
        )
    state = put(locked_pool, gift, now=now)
    ledger.write([locked_pool], actor=actor, now=now, reason=gift.comment)
    row = _stored(state).select_related(*SHOWN_WITH).get()
    _record("credit_grant.created", row, actor=actor, now=now)
    return row


def preview(pool: PoolState, gift: Gift, *, now: datetime) -> PoolState:
    """The pool as it would be after `gift`, by the same steps; nothing is stored."""
    after = timeline.advance(pool, now)[0]
    _add(after, gift, now)
    return after


@act
def confirm_payment(*, grant_id: UUID, actor: Actor, now: datetime) -> Grant:
    """A grant that waited for its payment takes effect now or at its date (R47).

    Raises:
        PaymentNotAwaited: it does not wait for one.
    """
    locked_pool, state = _lock_grant(grant_id, now)
    if not state.payment_pending or state.stage != Stage.WAITING:
        raise PaymentNotAwaited("This grant is not waiting for a payment.")
    state.payment_pending, state.changed = False, True
    state.effective_at = max(state.effective_at, now)
    timeline.turn(locked_pool.state, now)
    _stored(state).update(payment_pending=False)
    return _write(locked_pool, state, "credit_grant.updated", actor=actor, now=now)


@act
def void(*, grant_id: UUID, reason: str, actor: Actor, now: datetime) -> Grant:
    """Take back what is left of a grant; what was consumed stays consumed (R48).

    Raises:
        CreditGrantAlreadyVoided, CreditGrantCannotBeVoided: nothing moved.
    """
    if len(reason) > LONGEST_COMMENT:
        raise InvalidGrant(f"Keep the reason to {LONGEST_COMMENT} characters.", field="reason")
    locked_pool, state = _lock_grant(grant_id, now)
    check_void(state)
    locked_pool.state.close(state, EntryType.VOIDED, now)
    _stored(state).update(void_reason=reason)
    return _write(locked_pool, state, "credit_grant.voided", actor=actor, now=now, reason=reason)


def check_void(state: GrantState) -> None:
    """Refuse what R48 does not allow.

    Raises:
        CreditGrantAlreadyVoided, CreditGrantCannotBeVoided.
    """
    if state.type == GrantType.OVERDRAFT:
        raise CreditGrantCannotBeVoided(
            "An overdraft cannot be voided; grant credits to settle it."
        )
    if state.voided_at is not None:
        raise CreditGrantAlreadyVoided("This grant is voided already.")
    if state.stage == Stage.CLOSED:
        raise CreditGrantCannotBeVoided("This grant has expired; nothing is left to void.")


@dataclass(slots=True, frozen=True)
class Edit:
    """The fields of a grant that people may change; all of them, as they shall be (R49)."""

    name: str
    comment: str
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    metadata: Mapping[str, str]


@act
def edit(*, grant_id: UUID, edit: Edit, reason: str = "", actor: Actor, now: datetime) -> Grant:
    """Change name, comment, expiry, priority, metadata, and the start of a scheduled grant.

    `reason` is kept in the ledger; by default it is the comment that records show.

    Raises:
        CreditGrantCannotBeEdited: its type or state forbids it (R49).
        InvalidGrant: a value is not allowed (R46). Nothing changed.
    """
    locked_pool, state = _lock_grant(grant_id, now)
    check_edit(state, edit, now=now)
    state.name, state.priority = edit.name.strip(), edit.priority
    state.effective_at, state.expires_at = edit.effective_at, edit.expires_at
    _stored(state).update(
        name=state.name,
        comment=edit.comment,
        priority=edit.priority,
        metadata=dict(edit.metadata),
    )
    locked_pool.state.note_update(state, now)
    timeline.turn(locked_pool.state, now)
    return _write(locked_pool, state, "credit_grant.updated", actor=actor, now=now, reason=reason)


def check_edit(state: GrantState, edit: Edit, *, now: datetime) -> None:
    """Refuse what R49 does not allow.

    Raises:
        CreditGrantCannotBeEdited, InvalidGrant.
    """
    if state.type not in BY_PEOPLE:
        raise CreditGrantCannotBeEdited("Recurring grants and overdrafts cannot be edited.")
    if state.stage == Stage.CLOSED:
        raise CreditGrantCannotBeEdited("This grant is over; it can no longer be edited.")
    if edit.effective_at != state.effective_at and state.stage != Stage.WAITING:
        raise CreditGrantCannotBeEdited(
            "The effective date can only be changed while the grant is scheduled."
        )
    _check_name(edit.name)
    _check_comment(edit.comment)
    _check_priority(edit.priority)
    _check_dates(edit.effective_at, edit.expires_at, now)


def edit_of(row: Grant, *, expires_at: datetime | None) -> Edit:
    """The fields of a grant as they are, but for its expiry."""
    return Edit(
        name=row.name,
        comment=row.comment,
        priority=row.priority,
        effective_at=row.effective_at,
        expires_at=expires_at,
        metadata=row.metadata,
    )


SHOWN_WITH = ("pool__customer", "pool__credit_type", "pool__resource")
"""What a screen or answer needs beside a grant."""


def find(grant_id: UUID | str) -> Grant:
    """The grant of that public id.

    Raises:
        CreditGrantNotFound: there is none.
    """
    try:
        return Grant.objects.select_related(*SHOWN_WITH).get(public_id=grant_id)
    except (Grant.DoesNotExist, ValidationError, ValueError) as error:
        raise CreditGrantNotFound(f"There is no grant {str(grant_id)[:64]!r}.") from error


def put(locked_pool: LockedPool, gift: Gift, *, now: datetime) -> GrantState:
    """The step of `grant` that others share: check, add, let it take effect, settle."""
    check(gift, now=now)
    return _add(locked_pool.state, gift, now)


def check(gift: Gift, *, now: datetime) -> None:
    """Refuse what R46 does not allow.

    Raises:
        InvalidGrant: with the field at fault and a sentence what to enter instead.
    """
    if gift.type not in BY_PEOPLE:
        raise InvalidGrant("Only PAID and PROMOTIONAL credits can be granted.", field="grantType")
    try:
        validate_amount(gift.amount)
    except ValidationError as error:
        raise InvalidGrant(error.messages[0], field="amount") from error
    _check_name(gift.name)
    _check_comment(gift.comment)
    _check_priority(gift.priority)
    _check_dates(gift.effective_at or now, gift.expires_at, now)
    cost = gift.unit_cost if gift.cost is None else gift.cost
    if cost < 0:
        raise InvalidGrant("A cost cannot be negative.", field="cost")
    if gift.type == GrantType.PROMOTIONAL and (cost or gift.payment_pending):
        raise InvalidGrant("Promotional credits cost nothing.", field="cost")


def cost_of(gift: Gift) -> Decimal:
    """What the grant costs, in whole currency units: amount × unit cost (R46)."""
    if gift.type == GrantType.PROMOTIONAL:
        return ZERO
    return gift.cost if gift.cost is not None else rounded(gift.amount * gift.unit_cost)


def _add(pool: PoolState, gift: Gift, now: datetime) -> GrantState:
    state = GrantState(
        type=gift.type,
        amount=from_micros(to_micros(gift.amount)),
        priority=gift.priority,
        effective_at=max(gift.effective_at or now, now),
        expires_at=gift.expires_at,
        created_at=now,
        payment_pending=gift.payment_pending,
        name=gift.name.strip(),
        details={
            "comment": gift.comment,
            "metadata": dict(gift.metadata),
            "cost_amount": cost_of(gift),
            "cost_currency": gift.currency,
            "source_type": GrantSource.PRICE if gift.type == GrantType.PAID else "",
        },
        changed=True,
    )
    pool.grants.append(state)
    if state.effective_at <= now and not state.payment_pending:
        pool.open(state, now)
        timeline.settle(pool, now, by_time=False)
    return state


def _stored(state: GrantState) -> GrantQuerySet:
    """The row of a grant that was written."""
    assert state.pk is not None, "the ledger has written it"
    return Grant.objects.filter(pk=state.pk)


def _lock_grant(grant_id: UUID, now: datetime) -> tuple[LockedPool, GrantState]:
    """The grant's pool, locked and brought up to now, and the grant within it."""
    row = find(grant_id)
    locked_pool = pools.lock(row.pool_id, now, with_schedules=True)
    for state in locked_pool.state.grants:
        if state.pk == row.pk:
            return locked_pool, state
    row.refresh_from_db()
    state = pools.grant_state(row)
    locked_pool.state.grants.append(state)
    return locked_pool, state


def _write(
    locked_pool: LockedPool,
    state: GrantState,
    event: str,
    *,
    actor: Actor,
    now: datetime,
    reason: str = "",
) -> Grant:
    ledger.write([locked_pool], actor=actor, now=now, reason=reason)
    row = _stored(state).select_related(*SHOWN_WITH).get()
    _record(event, row, actor=actor, now=now, reason=reason)
    return row


def _record(event: str, row: Grant, *, actor: Actor, now: datetime, reason: str = "") -> None:
    payload: dict[str, Any] = {
        "name": row.name,
        "type": row.type,
        "amount": f"{row.amount:f}",
        "creditType": row.pool.credit_type.public_id,
        "reason": reason or row.comment,
    }
    activity.record(
        event,
        subject=("grant", str(row.public_id)),
        actor=actor,
        now=now,
        payload=payload,
        customer=row.pool.customer.public_id,
    )


def _check_name(name: str) -> None:
    if not name.strip():
        raise InvalidGrant("Enter a name.", field="displayName")
    if len(name) > 255:
        raise InvalidGrant("Keep the name below 256 characters.", field="displayName")


def _check_comment(comment: str) -> None:
    if len(comment) > LONGEST_COMMENT:
        raise InvalidGrant(f"Keep the comment to {LONGEST_COMMENT} characters.", field="comment")


def _check_priority(priority: int) -> None:
    if not 0 <= priority <= HIGHEST_PRIORITY:
        raise InvalidGrant("Enter a priority of 0 or more; 0 is used first.", field="priority")


def _check_dates(effective_at: datetime, expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and (expires_at <= effective_at or expires_at <= now):
        raise InvalidGrant(
            "Let the grant expire later than it takes effect, and later than now.",
            field="expireAt",
        )
