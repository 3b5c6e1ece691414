"""Many subscriptions come from another system at once: handed in, then started one by one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from catalog.models import Package, PackageKind
from subscriptions import provisioning
from subscriptions.choices import FeatureValue
from subscriptions.models import (
    Customer,
    ImportOutcome,
    Subscription,
    SubscriptionImport,
    SubscriptionImportRow,
)
from workspace import activity, runs
from workspace.actors import Actor
from workspace.acts import act, together
from workspace.errors import BadInput, Conflict, UnknownObject
from workspace.ids import new_public_id
from workspace.models.runs import in_the_name_of

MOST_AT_ONCE = 1000


class InvalidSubscriptions(BadInput):
    """Some subscriptions of an import can never be started; `rows` says which, and why."""


class UnknownImport(UnknownObject):
    """There is no such import."""


class NothingFailed(Conflict):
    """No row of the import failed, or it is not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What another system says about one subscription; ids as seen outside.

    `addons` and `units` are pairs of id and quantity.
    """

    public_id: str
    customer_id: str
    plan_id: str
    addons: Sequence[tuple[str, int]] = ()
    units: Sequence[tuple[str, int]] = ()
    billing_period: str | None = None
    resource_id: str | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    billing_id: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@act
def hand_in(*, arrivals: Sequence[Arrival], actor: Actor, now: datetime) -> SubscriptionImport:
    """Take subscriptions to be started in the background, all or none.

    Raises:
        InvalidSubscriptions: an id comes twice, or names no customer, plan or add-on.
    """
    faults = _faults(arrivals)
    if faults:
        raise InvalidSubscriptions(
            "Nothing was imported, because some subscriptions cannot be started.",
            field="subscriptions",
            rows=faults,
        )
    run = SubscriptionImport.objects.create(
        public_id=new_public_id("task"), created_at=now, **in_the_name_of(actor)
    )
    SubscriptionImportRow.objects.bulk_create(
        SubscriptionImportRow(
            run=run, place=place, subscription_id=arrival.public_id, order=_stored(arrival)
        )
        for place, arrival in enumerate(arrivals)
    )
    activity.record(
        "subscription.import_handed_in",
        subject=("import", run.public_id),
        actor=actor,
        now=now,
        payload={"rows": len(arrivals)},
    )
    return run


def next_rows(run_id: int, *, at_most: int, after: int = 0) -> list[int]:
    """Inner keys of rows that nobody has tried yet, those above `after`; keys are in order."""
    waiting = SubscriptionImportRow.objects.filter(
        run=run_id, outcome=ImportOutcome.PENDING, pk__gt=after
    )
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:at_most])


def bring_in(*, row_id: int, now: datetime) -> bool:
    """Start the subscription of one row, and note what came of it; False: try again later.

    A subscription of that id that is there already is not started again, so an import can
    stop anywhere, run twice and be handed in twice.
    """
    row = SubscriptionImportRow.objects.select_related("run").get(pk=row_id)

    def work() -> None:
        known = Subscription.objects.filter(public_id=row.subscription_id).select_related(
            "customer", "plan"
        )
        existing = known.first()
        if existing is not None:
            _note(row_id=row_id, **_of_known(existing, row.order), now=now)
        else:
            together(lambda: _start(row, now))

    def note_failure(message: str) -> None:
        _note(row_id=row_id, outcome=ImportOutcome.FAILED, message=message, now=now)

    return runs.attempt(work, note_failure)


def _start(row: SubscriptionImportRow, now: datetime) -> None:
    """Started and noted, or neither: a crash in between would make it look known before."""
    provisioning.start(**_order(row.order), actor=row.run.actor, now=now)
    _note(row_id=row.pk, outcome=ImportOutcome.SUCCEEDED, now=now)


@act
def conclude(*, run_id: int, now: datetime) -> None:
    """End an import that has nothing left to do."""
    run = SubscriptionImport.objects.select_for_update().get(pk=run_id)
    if run.finished_at is None and not next_rows(run_id, at_most=1):
        run.finished_at = now
        run.save(update_fields=["finished_at"])


@act
def retry(*, run_id: int, actor: Actor, now: datetime) -> int:
    """Let an import that is over try once more what failed; answers how many rows.

    Raises:
        UnknownImport: there is none.
        NothingFailed: nothing failed, or it is not over.
    """
    run = SubscriptionImport.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        raise UnknownImport("There is no such import.")
    failed = run.rows.filter(outcome=ImportOutcome.FAILED)
    if run.finished_at is None or not failed.exists():
        raise NothingFailed("Nothing failed, or the import is not over yet.")
    number = failed.update(outcome=ImportOutcome.PENDING, message="", finished_at=None)
    run.finished_at = None
    run.save(update_fields=["finished_at"])
    activity.record(
        "subscription.import_retried",
        subject=("import", run.public_id),
        actor=actor,
        now=now,
        payload={"rows": number},
    )
    return number


@act
def _note(*, row_id: int, outcome: ImportOutcome, message: str = "", now: datetime) -> None:
    SubscriptionImportRow.objects.filter(pk=row_id, outcome=ImportOutcome.PENDING).update(
        outcome=outcome, message=message, finished_at=now
    )


def _of_known(existing: Subscription, order: dict[str, Any]) -> dict[str, Any]:
    """What comes of a row whose id is taken: nothing to do, or somebody else's."""
    same = (existing.customer.public_id, existing.plan.public_id)
    if same == (order["customer_id"], order["plan_id"]):
        return {"outcome": ImportOutcome.KNOWN}
    return {
        "outcome": ImportOutcome.FAILED,
        "message": f"The ID belongs to a subscription of {same[0]} to {same[1]}.",
    }


def _faults(arrivals: Sequence[Arrival]) -> dict[int, str]:
    """By row, what can be said at once; three queries however many rows."""
    customers = _known(Customer.objects.filter(archived_at=None), [a.customer_id for a in arrivals])
    plans = _known(Package.objects.plans().on_sale(), [a.plan_id for a in arrivals])
    addons = _known(
        Package.objects.filter(kind=PackageKind.ADDON).on_sale(),
        [addon_id for a in arrivals for addon_id, _ in a.addons],
    )
    first: dict[str, int] = {}
    faults = {}
    for row, arrival in enumerate(arrivals):
        missing = [addon_id for addon_id, _ in arrival.addons if addon_id not in addons]
        if first.setdefault(arrival.public_id, row) != row:
            faults[row] = f"This is the subscription of row {first[arrival.public_id] + 1} again."
        elif arrival.customer_id not in customers:
            faults[row] = f"There is no active customer {arrival.customer_id}."
        elif arrival.plan_id not in plans:
            faults[row] = f"There is no plan {arrival.plan_id} on sale."
        elif missing:
            faults[row] = f"There is no add-on {missing[0]} on sale."
    return faults


def _known(rows: Any, public_ids: Collection[str]) -> set[str]:
    found = rows.filter(public_id__in=set(public_ids))
    return set(found.values_list("public_id", flat=True))


def _stored(arrival: Arrival) -> dict[str, Any]:
    return {
        "public_id": arrival.public_id,
        "customer_id": arrival.customer_id,
        "plan_id": arrival.plan_id,
        "addons": list(arrival.addons),
        "units": list(arrival.units),
        "billing_period": arrival.billing_period,
        "resource_id": arrival.resource_id,
        "started_at": arrival.started_at and arrival.started_at.isoformat(),
        "ends_at": arrival.ends_at and arrival.ends_at.isoformat(),
        "billing_id": arrival.billing_id,
        "metadata": arrival.metadata,
    }


def _order(stored: dict[str, Any]) -> provisioning.Order:
    """What `provisioning.start` is to be given. What is imported runs already: without trial."""
    return {
        "public_id": stored["public_id"],
        "customer_id": stored["customer_id"],
        "plan_id": stored["plan_id"],
        "addons": [(addon_id, quantity) for addon_id, quantity in stored["addons"]],
        "entitlements": [
            FeatureValue(feature_id=feature_id, usage_limit=quantity)
            for feature_id, quantity in stored["units"]
        ],
        "billing_period": stored["billing_period"],
        "resource_id": stored["resource_id"],
        "started_at": _instant(stored["started_at"]),
        "ends_at": _instant(stored["ends_at"]),
        "billing_id": stored["billing_id"],
        "metadata": stored["metadata"],
        "skip_trial": True,
    }


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
