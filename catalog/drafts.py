"""Drafts are opened and discarded here (R8); every other change of a draft starts with `lock`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import ProtectedError

from catalog.models import Package, PackageVersion
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict, UnknownObject

COPIED_PARTS = ("credit_entitlements", "feature_entitlements", "charges", "mappings")
COPIED_CHOICES = ("compatible_addons", "dependencies")


class UnknownPackage(UnknownObject):
    """There is no such plan or add-on."""


class DraftExists(Conflict):
    """The package has an open draft already (R8)."""


class NoDraft(Conflict):
    """The package has no open draft; published versions never change (R8)."""


class StaleDraft(Conflict):
    """Somebody else changed the draft after it was read."""


class PackageArchived(Conflict):
    """The package is archived."""


class PackageNamed(Conflict):
    """Something else names the package, so it cannot disappear."""


def lock_package(package_id: int) -> Package:
    """The package, locked until the end of the transaction, with its live and draft version.

    Raises:
        UnknownPackage: there is none.
    """
    # Locked before it is joined: what PostgreSQL joins while it waits belongs to the row as it
    # was, so a version published meanwhile would be missing.
    locked = Package.objects.select_for_update().filter(pk=package_id).values_list("pk").first()
    if locked is None:
        raise UnknownPackage("There is no such plan or add-on.")
    return Package.objects.select_related("live", "draft", "product").get(pk=package_id)


def lock(package_id: int, *, revision: int | None) -> PackageVersion:
    """The open draft of a package, for a change. Its package is locked.

    `revision` is the one the editor looked at; None if that does not matter.

    Raises:
        UnknownPackage: there is no such package.
        PackageArchived: it is archived.
        NoDraft: it has no open draft.
        StaleDraft: the draft was changed since `revision`.
    """
    package = lock_package(package_id)
    if package.archived_at is not None:
        raise PackageArchived(f"{package.name} is archived.")
    draft = package.draft
    if draft is None:
        raise NoDraft(
            f"{package.name} has no open draft. It was published or discarded meanwhile, "
            "or never opened: open one first."
        )
    if revision is not None and draft.revision != revision:
        raise StaleDraft(
            "Somebody changed this draft while you were editing it. "
            "Nothing was saved; load the page again and repeat your change."
        )
    draft.package = package
    return draft


def edited(
    locked_draft: PackageVersion,
    event: str,
    payload: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Count an edit, so that others who look at the draft as it was are told, and record it."""
    locked_draft.revision += 1
    locked_draft.updated_at = now
    locked_draft.save(update_fields=["revision", "updated_at"])
    package = locked_draft.package
    package.updated_at = now
    package.save(update_fields=["updated_at"])
    activity.record(event, subject=package, actor=actor, now=now, payload=payload)


def copy_version(version: PackageVersion, *, package: Package, now: datetime) -> PackageVersion:
    """A new draft of `package`, stored, with all that `version` has."""
    draft = PackageVersion.objects.get(pk=version.pk)
    draft.pk = None
    draft.package = package
    draft._state.adding = True
    draft.number = None
    draft.base_version = None
    draft.revision = 1
    draft.created_at = draft.updated_at = now
    draft.published_at = None
    draft.published_by = ""
    draft.audience = ""
    draft.save(force_insert=True)
    for choice in COPIED_CHOICES:
        getattr(draft, choice).set(getattr(version, choice).all())
    for relation in COPIED_PARTS:
        _copy_parts(version, draft, relation)
    return draft


@act
def open_draft(*, package_id: int, actor: Actor, now: datetime) -> PackageVersion:
    """Open a draft that begins as a copy of the live version (R8).

    Raises:
        UnknownPackage: there is no such package.
        PackageArchived: it is archived.
        DraftExists: one is open already.
    """
    package = lock_package(package_id)
    if package.archived_at is not None:
        raise PackageArchived(f"{package.name} is archived.")
    if package.draft is not None:
        raise DraftExists(f"{package.name} has an open draft already.")
    assert package.live is not None, "a package has a live version or a draft"
    draft = copy_version(package.live, package=package, now=now)
    package.draft = draft
    package.updated_at = now
    package.save(update_fields=["draft", "updated_at"])
    activity.record(
        "package.draft_opened",
        subject=package,
        actor=actor,
        now=now,
        payload={"based_on_version": package.live.number},
    )
    return draft


@act
def discard(*, package_id: int, revision: int | None = None, actor: Actor, now: datetime) -> None:
    """Throw the open draft away; a package that was never published goes with it (R8).

    Raises:
        NoDraft, StaleDraft: as in `lock`.
        PackageNamed: it was never published, and a draft or product names it.
    """
    draft = lock(package_id, revision=revision)
    package = draft.package
    activity.record(
        "package.draft_discarded",
        subject=package,
        actor=actor,
        now=now,
        payload={"name": draft.name, "package_removed": package.live_id is None},
    )
    if package.live_id is not None:
        package.draft = None
        package.updated_at = now
        package.save(update_fields=["draft", "updated_at"])
        draft.delete()
        return
    try:
        package.delete()
    except ProtectedError as error:
        raise PackageNamed(
            f"{package.name} is named elsewhere, for example as the base plan of a draft. "
            "Choose another one there first."
        ) from error


def _copy_parts(version: PackageVersion, draft: PackageVersion, relation: str) -> None:
    """Copy the rows of one kind that hang on a version. What was created when, stays."""
    parts = list(getattr(version, relation).order_by("pk"))
    for part in parts:
        part.pk = None
        part._state.adding = True
        part.version = draft
    model = getattr(version, relation).model
    model.objects.bulk_create(parts)
