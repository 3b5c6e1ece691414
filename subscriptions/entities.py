"""The entities of customers, such as teams and users, and their types: made, changed, archived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.checking import (
    CreatedMeanwhile,
    IdTaken,
    InvalidField,
    changed_fields,
    clean_metadata,
    store_new,
)
from subscriptions import customers
from subscriptions.models import Customer, Entity, EntityType
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput, UnknownObject
from workspace.ids import is_public_id

MOST_AT_ONCE = 100


class UnknownEntity(UnknownObject):
    """The customer has no such entity."""


class InvalidEntities(BadInput):
    """Some entities, or types of them, cannot be stored; `rows` says which, and why."""


@dataclass(frozen=True, slots=True)
class TypeTerms:
    """What is said about a type of entities."""

    public_id: str
    name: str
    attribution_keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class EntityTerms:
    """What is said about an entity. None: as it is. Metadata is merged; "" removes a name."""

    public_id: str
    type_id: str | None = None
    metadata: Mapping[str, str] | None = None


@act
def define_types(*, types: Sequence[TypeTerms], actor: Actor, now: datetime) -> list[EntityType]:
    """Create and change types of entities, all or none.

    Raises:
        InvalidEntities: a type comes twice, or has a name that fits nowhere.
        CreatedMeanwhile: somebody else created one in the same moment.
    """
    ids = [terms.public_id for terms in types]
    _refuse_twins(ids, field="types")
    rows = EntityType.objects.select_for_update().filter(public_id__in=ids).order_by("pk")
    known = {row.public_id: row for row in rows}
    stored = []
    for row, terms in enumerate(types):
        keys = list(dict.fromkeys(terms.attribution_keys))
        fields: dict[str, Any] = {"name": terms.name, "attribution_keys": keys}
        try:
            stored.append(_store_type(known.get(terms.public_id), terms, fields, actor, now))
        except InvalidField as error:
            raise _at_row(row, error, field="types") from error
    return stored


@act
def put(
    *, customer_id: str, entities: Sequence[EntityTerms], actor: Actor, now: datetime
) -> list[Entity]:
    """Create and change entities of a customer, all or none.

    Raises:
        UnknownCustomer: there is none.
        InvalidEntities: an entity comes twice, is of a type that does not exist, or is new
            without one.
    """
    customer = customers.lock(customer_id)
    ids = [terms.public_id for terms in entities]
    _refuse_twins(ids, field="entities")
    known = of_customer(customer, ids)
    wanted = {terms.type_id for terms in entities if terms.type_id is not None}
    types = {row.public_id: row for row in EntityType.objects.filter(public_id__in=wanted)}
    stored = []
    for row, terms in enumerate(entities):
        try:
            entity = known.get(terms.public_id)
            if entity is None:
                entity = _new(customer, terms, types, actor, now)
            else:
                _change(entity, terms, types, actor, now)
            stored.append(entity)
        except InvalidField as error:
            raise _at_row(row, error, field="entities") from error
    return stored


@act
def archive(*, customer_id: str, ids: Sequence[str], actor: Actor, now: datetime) -> list[str]:
    """Retire entities of a customer, all or none; those that are retired stay so.

    Raises:
        UnknownCustomer: there is none.
        InvalidEntities: one does not exist.
    """
    return _set_archived(customer_id, ids, now, "entity.archived", actor=actor, now=now)


@act
def unarchive(*, customer_id: str, ids: Sequence[str], actor: Actor, now: datetime) -> list[str]:
    """Bring entities of a customer back, all or none.

    Raises:
        UnknownCustomer, InvalidEntities: as in `archive`.
    """
    return _set_archived(customer_id, ids, None, "entity.unarchived", actor=actor, now=now)


def find(customer: Customer, public_id: str) -> Entity:
    """The customer's entity of that id.

    Raises:
        UnknownEntity: there is none.
    """
    rows = Entity.objects.select_related("type").filter(customer=customer, public_id=public_id)
    found = rows.first() if is_public_id(public_id) else None
    if found is None:
        raise UnknownEntity("This customer has no such entity.")
    return found


def of_customer(customer: Customer, ids: Sequence[str]) -> dict[str, Entity]:
    """The customer's entities of these ids, those that exist; one query."""
    rows = Entity.objects.filter(customer=customer, public_id__in=ids)
    return {entity.public_id: entity for entity in rows.select_related("type", "parent")}


def _store_type(
    row: EntityType | None, terms: TypeTerms, fields: dict[str, Any], actor: Actor, now: datetime
) -> EntityType:
    if row is None:
        taken = "Somebody created one of these types in the same moment. Send them again."
        row = EntityType(public_id=terms.public_id, created_at=now, updated_at=now, **fields)
        try:
            store_new(row, taken=taken)
        except IdTaken as error:
            raise CreatedMeanwhile(taken, field="types") from error
        activity.record("entity_type.created", subject=row, actor=actor, now=now, payload=fields)
    elif changed := changed_fields(row, fields):
        row.updated_at = now
        row.save(update_fields=[*changed, "updated_at"])
        activity.record("entity_type.updated", subject=row, actor=actor, now=now, payload=changed)
    return row


def _new(
    customer: Customer,
    terms: EntityTerms,
    types: Mapping[str, EntityType],
    actor: Actor,
    now: datetime,
) -> Entity:
    if terms.type_id is None:
        raise InvalidField("A new entity needs an entityTypeId.", field="entityTypeId")
    entity = store_new(
        Entity(
            customer=customer,
            public_id=terms.public_id,
            type=_type(terms.type_id, types),
            metadata={name: text for name, text in (terms.metadata or {}).items() if text},
            created_at=now,
            updated_at=now,
        ),
        taken="This customer has such an entity already.",
    )
    payload = {"entity": entity.public_id, "type": terms.type_id, "metadata": entity.metadata}
    customers.record("entity.created", customer, actor, now, payload)
    return entity


def _change(
    entity: Entity,
    terms: EntityTerms,
    types: Mapping[str, EntityType],
    actor: Actor,
    now: datetime,
) -> None:
    changes: dict[str, Any] = {}
    if terms.type_id is not None:
        changes["type"] = _type(terms.type_id, types)
    if terms.metadata is not None:
        merged = clean_metadata({**entity.metadata, **terms.metadata})
        changes["metadata"] = {name: text for name, text in merged.items() if text}
    changed = changed_fields(entity, changes)
    if changed:
        entity.updated_at = now
        entity.save(update_fields=[*changed, "updated_at"])
        payload = {"entity": entity.public_id, **changed}
        if "type" in changed:
            payload["type"] = [row.public_id for row in changed["type"]]
        customers.record("entity.updated", entity.customer, actor, now, payload)


def _type(public_id: str, types: Mapping[str, EntityType]) -> EntityType:
    if public_id not in types:
        raise InvalidField(f"There is no entity type {public_id}.", field="entityTypeId")
    return types[public_id]


def _set_archived(
    customer_id: str,
    ids: Sequence[str],
    archived_at: datetime | None,
    event: str,
    *,
    actor: Actor,
    now: datetime,
) -> list[str]:
    customer = customers.lock(customer_id)
    known = of_customer(customer, ids)
    missing = {
        row: f"This customer has no entity {public_id}."
        for row, public_id in enumerate(ids)
        if public_id not in known
    }
    if missing:
        raise InvalidEntities(next(iter(missing.values())), field="ids", rows=missing)
    changing = [
        entity for entity in known.values() if (entity.archived_at is None) != (archived_at is None)
    ]
    for entity in changing:
        entity.archived_at, entity.updated_at = archived_at, now
        entity.save(update_fields=["archived_at", "updated_at"])
        customers.record(event, customer, actor, now, {"entity": entity.public_id})
    return list(dict.fromkeys(ids))


def _refuse_twins(ids: Sequence[str], *, field: str) -> None:
    twins = {
        row: f"{public_id} comes twice."
        for row, public_id in enumerate(ids)
        if public_id in ids[:row]
    }
    if twins:
        raise InvalidEntities(next(iter(twins.values())), field=field, rows=twins)


def _at_row(row: int, error: InvalidField, *, field: str) -> InvalidEntities:
    return InvalidEntities(error.message, field=field, rows={row: error.message})
