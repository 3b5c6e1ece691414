"""Credit types are created and changed here (R2); `archiving` retires them (R3)."""

from datetime import datetime
from typing import TypedDict, Unpack

from catalog.checking import changed_fields, store_new
from catalog.models import CreditType
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import UnknownObject


class UnknownCreditType(UnknownObject):
    """There is no such credit type."""


class CreditTypeFields(TypedDict, total=False):
    """What can be changed about a credit type; what is absent stays as it is."""

    name: str
    symbol: str
    description: str
    unit_singular: str
    unit_plural: str
    metadata: dict[str, str]


def lock(credit_type_id: int) -> CreditType:
    """The credit type, locked until the end of the transaction.

    Raises:
        UnknownCreditType: there is none.
    """
    row = CreditType.objects.select_for_update().filter(pk=credit_type_id).first()
    if row is None:
        raise UnknownCreditType("There is no such credit type.")
    return row


@act
def create(
    *, public_id: str, actor: Actor, now: datetime, **fields: Unpack[CreditTypeFields]
) -> CreditType:
    """Add a unit of consumption (R2).

    Raises:
        InvalidField: a text is missing or too long, or one unit is given without the other.
        IdTaken: an active credit type has this ID.
    """
    credit_type = store_new(
        CreditType(public_id=public_id, created_at=now, updated_at=now, **fields),
        taken=f"An active credit type has the ID {public_id} already.",
    )
    activity.record(
        "credit_type.created",
        subject=credit_type,
        actor=actor,
        now=now,
        payload={"name": credit_type.name},
    )
    return credit_type


@act
def update(
    *, credit_type_id: int, actor: Actor, now: datetime, **changes: Unpack[CreditTypeFields]
) -> CreditType:
    """Change how a credit type is called and described (R2). Its ID stays.

    Raises:
        UnknownCreditType: there is none.
        InvalidField: as in `create`.
    """
    credit_type = lock(credit_type_id)
    changed = changed_fields(credit_type, changes)
    if changed:
        credit_type.updated_at = now
        credit_type.save(update_fields=[*changed, "updated_at"])
        activity.record(
            "credit_type.updated", subject=credit_type, actor=actor, now=now, payload=changed
        )
    return credit_type
