"""How much the entities of a customer may use is assigned here."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from catalog.checking import InvalidField, changed_fields
from catalog.features import COUNTED
from catalog.models import CreditType, Feature
from subscriptions import customers, entities
from subscriptions.models import Assignment, Customer, Entity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput
from workspace.ids import new_public_id
from workspace.json import plain

MOST_AT_ONCE = 100
CADENCE = re.compile(r"P(?:[1-9][0-9]{0,2}Y|[1-9][0-9]{0,3}[DWM]|T[1-9][0-9]{0,3}[HMS])", re.ASCII)
"""One number and one unit of ISO 8601: P1M, P30D, PT1M. No window ends after the year 9999."""


class InvalidAssignments(BadInput):
    """Some assignments cannot be stored; `rows` says which, and why. None is."""


class Leave(Enum):
    """Says of a field that may be null: as it is."""

    AS_IT_IS = 0


AS_IT_IS = Leave.AS_IT_IS


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentTerms:
    """What is said about an assignment: of one feature or one credit type, never of both.

    The entity, what is assigned and the scope together say which it is. `parent_id` moves the
    entity itself; None makes it a root. A limit of None is no limit.
    """

    entity_id: str
    feature_id: str | None = None
    credit_type_id: str | None = None
    scope: Sequence[str] = ()
    usage_limit: Decimal | Leave | None = AS_IT_IS
    cadence: str | None = None
    parent_id: str | Leave | None = AS_IT_IS


@dataclass(frozen=True, slots=True)
class _Named:
    """All that assignments name, by public id."""

    entities: dict[str, Entity]
    features: dict[str, Feature]
    credit_types: dict[str, CreditType]


@act
def put(
    *, customer_id: str, assignments: Sequence[AssignmentTerms], actor: Actor, now: datetime
) -> list[Assignment]:
    """Create and change assignments to a customer's entities, all or none.

    Raises:
        UnknownCustomer: there is none.
        InvalidAssignments: an assignment names what does not exist or is archived, is new
            without limit or cadence, has a cadence that is none, or would move an entity
            that others are beneath, or beneath itself.
    """
    customer = customers.lock(customer_id)
    named = _named(customer, assignments)
    stored = []
    for row, terms in enumerate(assignments):
        try:
            stored.append(_store(customer, terms, named, actor, now))
        except InvalidField as error:
            raise InvalidAssignments(
                error.message, field="assignments", rows={row: error.message}
            ) from error
    return stored


def _named(customer: Customer, assignments: Sequence[AssignmentTerms]) -> _Named:
    ids: set[str] = set()
    for terms in assignments:
        ids |= {terms.entity_id, *terms.scope}
        if isinstance(terms.parent_id, str):
            ids.add(terms.parent_id)
    features = Feature.objects.filter(
        public_id__in={terms.feature_id for terms in assignments if terms.feature_id}
    )
    credit_types = CreditType.objects.active().filter(
        public_id__in={terms.credit_type_id for terms in assignments if terms.credit_type_id}
    )
    return _Named(
        entities.of_customer(customer, sorted(ids)),
        {feature.public_id: feature for feature in features},
        {credit_type.public_id: credit_type for credit_type in credit_types},
    )


def _store(
    customer: Customer, terms: AssignmentTerms, named: _Named, actor: Actor, now: datetime
) -> Assignment:
    entity = _active(terms.entity_id, named)
    scope = sorted({_active(public_id, named).public_id for public_id in terms.scope})
    feature, credit_type = _capability(terms, named)
    if terms.cadence is not None and not CADENCE.fullmatch(terms.cadence):
        raise InvalidField("A cadence is one number and one unit, such as P1M or P30D.")
    digest = hashlib.sha256("\n".join(scope).encode()).hexdigest()
    assignment = Assignment.objects.filter(
        entity=entity, feature=feature, credit_type=credit_type, scope_digest=digest
    ).first()
    is_new = assignment is None
    if assignment is None:
        if terms.cadence is None or terms.usage_limit is AS_IT_IS:
            raise InvalidField("A new assignment needs a usageLimit and a cadence.")
        assignment = Assignment(
            public_id=new_public_id("assignment"),
            entity=entity,
            feature=feature,
            credit_type=credit_type,
            scope=scope,
            scope_digest=digest,
            created_at=now,
            updated_at=now,
        )
    assignment.entity = entity
    changes: dict[str, Any] = {}
    if terms.usage_limit is not AS_IT_IS:
        changes["usage_limit"] = terms.usage_limit
    if terms.cadence is not None:
        changes["cadence"] = terms.cadence
    changed = changed_fields(assignment, changes) if not is_new else {}
    if is_new:
        assignment.usage_limit = changes["usage_limit"]
        assignment.cadence = changes["cadence"]
        assignment.save(force_insert=True)
    elif changed:
        assignment.updated_at = now
        assignment.save(update_fields=[*changed, "updated_at"])
    moved = _move(entity, terms.parent_id, named, now)
    if is_new or changed or moved:
        customers.record(
            "assignment.created" if is_new else "assignment.updated",
            customer,
            actor,
            now,
            {**_readable(assignment), **moved},
        )
    return assignment


def _active(public_id: str, named: _Named) -> Entity:
    entity = named.entities.get(public_id)
    if entity is None:
        raise InvalidField(f"This customer has no entity {public_id}.")
    if entity.archived_at is not None:
        raise InvalidField(f"The entity {public_id} is archived.")
    return entity


def _capability(terms: AssignmentTerms, named: _Named) -> tuple[Feature | None, CreditType | None]:
    """What is assigned."""
    if (terms.feature_id is None) == (terms.credit_type_id is None):
        raise InvalidField("Give either featureId or currencyId.")
    if terms.credit_type_id is not None:
        if terms.credit_type_id not in named.credit_types:
            raise InvalidField(f"There is no active credit type {terms.credit_type_id}.")
        return None, named.credit_types[terms.credit_type_id]
    feature = named.features.get(terms.feature_id or "")
    if feature is None:
        raise InvalidField(f"There is no feature {terms.feature_id}.")
    if feature.aggregation not in COUNTED:
        raise InvalidField(
            f"{feature.name} is not counted or summed from events, so its use belongs to no entity."
        )
    return feature, None


def _move(
    entity: Entity, parent_id: str | Leave | None, named: _Named, now: datetime
) -> dict[str, Any]:
    """Place an entity beneath another, or make it a root; what changed, for the record."""
    if isinstance(parent_id, Leave):
        return {}
    parent = None if parent_id is None else _active(parent_id, named)
    if entity.parent_id == (parent and parent.pk):
        return {}
    if entity.parent_id is not None and entity.children.exists():
        raise InvalidField(f"{entity.public_id} has others beneath it and cannot be moved.")
    above: int | None = parent.pk if parent else None
    while above is not None:
        if above == entity.pk:
            raise InvalidField(f"{entity.public_id} cannot be beneath itself.")
        above = Entity.objects.values_list("parent_id", flat=True).get(pk=above)
    before = entity.parent
    entity.parent, entity.updated_at = parent, now
    entity.save(update_fields=["parent", "updated_at"])
    return {"parent": [before and before.public_id, parent and parent.public_id]}


def _readable(assignment: Assignment) -> Mapping[str, Any]:
    """The terms as the records show them."""
    limit = assignment.usage_limit
    return {
        "entity": assignment.entity.public_id,
        "feature": assignment.feature and assignment.feature.public_id,
        "credit_type": assignment.credit_type and assignment.credit_type.public_id,
        "scope": assignment.scope,
        "usage_limit": None if limit is None else plain(limit),
        "cadence": assignment.cadence,
    }
