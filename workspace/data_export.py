"""Destinations of data exports are remembered here; there is no warehouse to export to.

Which models of data there are, the apps that own them say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput, Conflict, UnknownObject
from workspace.ids import is_public_id, validate_public_id
from workspace.models import ExportDestination

MOST_DESTINATIONS = 100


class UnknownDestination(UnknownObject):
    """There is no such destination."""

    code = "DestinationNotFound"


class UnknownModel(BadInput):
    """There is no such model of data."""


class DestinationDiffers(Conflict):
    """There is a destination with this ID that was described differently."""


class TooManyDestinations(Conflict):
    """More destinations than anybody needs."""


class DataExportUnavailable(Conflict):
    """This installation has nobody who could export."""


@dataclass(frozen=True, slots=True)
class Group:
    """Models of data that belong together: id → name."""

    public_id: str
    name: str
    models: Mapping[str, str]


_groups: dict[str, Group] = {}


def offer(group: Group) -> None:
    """Let destinations choose these models; called by the app that owns them, once it is ready."""
    _groups[group.public_id] = group


def groups() -> list[Group]:
    """Every model of data that a destination may choose, in groups."""
    return list(_groups.values())


def destinations() -> list[ExportDestination]:
    """All destinations, the first one first."""
    return list(ExportDestination.objects.all())


@act
def connect(
    *,
    destination_id: str,
    type: str,
    enabled_models: Sequence[str] | None = None,
    actor: Actor,
    now: datetime,
) -> ExportDestination:
    """Remember a destination. One that is known already, and the same, stays as it is.

    Raises:
        InvalidId: the ID is none.
        UnknownModel: there is no such model.
        DestinationDiffers: one with this ID has another type, or other models.
        TooManyDestinations: there are a hundred.
    """
    validate_public_id(destination_id, field="destinationId")
    models = _known_models(enabled_models)
    rows = ExportDestination.objects
    destination, is_new = rows.filter(public_id=destination_id).first(), False
    if destination is None:
        if rows.count() >= MOST_DESTINATIONS:
            raise TooManyDestinations("There are too many destinations. Remove one first.")
        fields = {"type": type, "enabled_models": models, "created_at": now, "updated_at": now}
        # Somebody else may connect it in the same moment.
        destination, is_new = rows.get_or_create(public_id=destination_id, defaults=fields)
    if is_new:
        payload = {"type": type, "models": models}
        _record("export_destination.connected", destination, payload, actor, now)
    elif destination.type != type or models not in (None, destination.enabled_models):
        raise DestinationDiffers(
            f"The destination {destination_id} is known already, with another type or other "
            "models. Update it, or remove it first.",
            field="destinationId",
        )
    return destination


@act
def choose_models(
    *,
    destination_id: str,
    enabled_models: Sequence[str],
    integration_id: str,
    actor: Actor,
    now: datetime,
) -> ExportDestination:
    """Say which models a destination wants, and through which integration it is reached.

    Raises:
        UnknownDestination: there is none.
        UnknownModel: there is no such model.
    """
    destination = _lock(destination_id)
    if destination is None:
        raise UnknownDestination("There is no such destination.")
    after = {"enabled_models": _known_models(enabled_models), "integration_id": integration_id}
    changed = {
        name: [getattr(destination, name), value]
        for name, value in after.items()
        if getattr(destination, name) != value
    }
    if changed:
        for name, value in after.items():
            setattr(destination, name, value)
        destination.updated_at = now
        destination.save()
        _record("export_destination.updated", destination, changed, actor, now)
    return destination


@act
def disconnect(*, destination_id: str, actor: Actor, now: datetime) -> None:
    """Forget a destination. One that is not known is forgotten already."""
    destination = _lock(destination_id)
    if destination is not None:
        _record(
            "export_destination.disconnected",
            destination,
            {"type": destination.type, "models": destination.enabled_models},
            actor,
            now,
        )
        destination.delete()


def export(destination_id: str | None) -> NoReturn:
    """Start an export to one destination or to all: nobody here can.

    Raises:
        UnknownDestination: there is no such destination.
        DataExportUnavailable: otherwise.
    """
    if destination_id is not None and not (
        is_public_id(destination_id)
        and ExportDestination.objects.filter(public_id=destination_id).exists()
    ):
        raise UnknownDestination("There is no such destination.", field="destinationId")
    raise DataExportUnavailable(
        "Nothing was exported: this installation is not connected to a data warehouse. "
        "Destinations are only remembered."
    )


def mint_token() -> NoReturn:
    """Open the way to a vendor's connection dialog: there is no vendor.

    Raises:
        DataExportUnavailable: always.
    """
    raise DataExportUnavailable(
        "There is no token: this installation has no vendor who connects data warehouses."
    )


def _known_models(enabled_models: Sequence[str] | None) -> list[str] | None:
    if enabled_models is None:
        return None
    known = {model for group in groups() for model in group.models}
    for model in enabled_models:
        if model not in known:
            raise UnknownModel(f"There is no model {model}.", field="enabledModels")
    return list(dict.fromkeys(enabled_models))


def _lock(destination_id: str) -> ExportDestination | None:
    if not is_public_id(destination_id):
        return None
    rows = ExportDestination.objects.select_for_update()
    return rows.filter(public_id=destination_id).first()


def _record(
    event: str,
    destination: ExportDestination,
    payload: dict[str, Any],
    actor: Actor,
    now: datetime,
) -> None:
    activity.record(event, subject=destination, actor=actor, now=now, payload=payload)
