"""Records what happened, in the transaction in which it happens (R53, X20)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import product
from typing import Any, NamedTuple

from django.db import models

from workspace.actors import Actor
from workspace.models.activity import Activity, ActivityQuerySet
from workspace.tracing import current_trace_id

MOST_WORDS = 6
"""In what an event is called."""


def subject_of(subject: models.Model) -> tuple[str, str]:
    """Under which kind and id an object is remembered, such as ("plan", "pro").

    The model's name and its `public_id`; a model that is known differently has a property
    `activity_subject` that says so.
    """
    named = getattr(subject, "activity_subject", None)
    if named is not None:
        return (named[0], named[1])
    public_id = getattr(subject, "public_id", None)
    return (str(subject._meta.model_name), str(public_id or subject.pk))


def record(
    event: str,
    *,
    subject: models.Model | tuple[str, str],
    actor: Actor,
    now: datetime,
    payload: Mapping[str, Any] | None = None,
    customer: str | None = None,
) -> None:
    """Remember that `event`, such as "credit_grant.voided", happened to `subject`.

    `payload` holds what a reader needs to understand it: old and new values, a reason.
    Never a secret. `customer` is the public id of the customer it concerns, if any.
    """
    happened = Happened(subject, payload or {}, customer)
    record_several(event, [happened], actor=actor, now=now)


class Happened(NamedTuple):
    """What happened to one of many objects; as in `record`."""

    subject: models.Model | tuple[str, str]
    payload: Mapping[str, Any]
    customer: str | None


def record_several(
    event: str, happenings: Iterable[Happened], *, actor: Actor, now: datetime
) -> None:
    """As `record`, of many objects to which the same happened, in one statement."""
    trace_id = current_trace_id()
    rows = []
    for subject, payload, customer in happenings:
        kind, public_id = subject if isinstance(subject, tuple) else subject_of(subject)
        rows.append(
            Activity(
                event=event,
                subject_kind=kind,
                subject_id=public_id,
                customer=customer,
                actor_kind=actor.kind,
                actor_id=actor.identifier,
                actor_name=actor.name,
                trace_id=trace_id,
                payload=dict(payload),
                created_at=now,
            )
        )
    Activity.objects.bulk_create(rows)


def for_subject(kind: str, public_id: str) -> ActivityQuerySet:
    """What happened to one object, newest first."""
    return Activity.objects.of_subject(kind, public_id).newest_first()


def events_said(words: str) -> list[str]:
    """The events that `words` may stand for: "Package draft opened", `package.draft_opened`.

    The inverse of `Activity.words`; none for a single word, which names no event, or for many.
    """
    first, *others = words.lower().split()[: MOST_WORDS + 1] or [""]
    if not 1 <= len(others) < MOST_WORDS:
        return []
    return [
        first + "".join(mark + word for mark, word in zip(marks, others, strict=True))
        for marks in product("._", repeat=len(others))
        if "." in marks
    ]
