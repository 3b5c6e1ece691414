"""Which role may do what (X9, X10). What the table does not allow is forbidden."""

import functools
from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase

from django.apps import apps
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, Q

from workspace import activity
from workspace.actors import Actor, for_user
from workspace.acts import act
from workspace.errors import Conflict, Forbidden, UnknownObject
from workspace.models.users import ADMINISTRATORS, Role, User

EVERYTHING = ("*",)

# Patterns over permissions such as "catalog.view_plan" or "credits.void_grant".
TABLE: Mapping[Role, tuple[str, ...]] = {
    Role.ADMINISTRATOR: EVERYTHING,
    Role.PRODUCT_MANAGER: (
        "catalog.*",
        "subscriptions.*",
        "credits.view_*",
        "workspace.view_activity",
    ),
    Role.CUSTOMER_SUPPORT: (
        "catalog.view_*",
        "subscriptions.*",
        "credits.*",
        "workspace.view_activity",
    ),
    Role.READ_ONLY: (
        "catalog.view_*",
        "subscriptions.view_*",
        "credits.view_*",
        "workspace.view_activity",
    ),
}


class UnknownUser(UnknownObject):
    """Nobody has this id."""


class OwnRole(Forbidden):
    """People do not change what they themselves may do."""


class LastAdministrator(Conflict):
    """Without an administrator nobody could let anybody in again."""


class AlreadySo(Conflict):
    """The person has this role, or this state, already."""


def known_permissions() -> frozenset[str]:
    """Every permission that any model declares."""
    return frozenset(
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(f"{action}_{model._meta.model_name}" for action in model._meta.default_permissions),
            *(codename for codename, _ in model._meta.permissions),
        )
    )


@functools.cache
def permissions_of(role: Role) -> frozenset[str]:
    """What a role may do: the permissions that match its line of the table."""
    return frozenset(
        permission
        for permission in known_permissions()
        if any(fnmatchcase(permission, pattern) for pattern in TABLE[role])
    )


class RoleBackend(ModelBackend):
    """Signs people in; what they may do, their role alone says, for all objects alike.

    Read from this file, not from the database: nothing to migrate, nothing to keep in
    step, and the table above is the whole truth.
    """

    def get_all_permissions(
        self, user_obj: User | AnonymousUser, obj: Model | None = None
    ) -> set[str]:
        if not isinstance(user_obj, User) or not user_obj.is_active:
            return set()
        role = Role.ADMINISTRATOR if user_obj.is_superuser else Role(user_obj.role)
        return set(permissions_of(role))

    def get_user_permissions(
        self, user_obj: User | AnonymousUser, obj: Model | None = None
    ) -> set[str]:
        return self.get_all_permissions(user_obj, obj)

    def get_group_permissions(
        self, user_obj: User | AnonymousUser, obj: Model | None = None
    ) -> set[str]:
        return set()


@act
def assign(*, user_id: int, role: Role, actor: Actor, now: datetime) -> User:
    """Give a person another role.

    Raises:
        UnknownUser, OwnRole, LastAdministrator, AlreadySo.
    """
    user = _lock(user_id, actor)
    if user.role == role:
        raise AlreadySo(f"{user} is {role.label} already.", field="role")
    if role != Role.ADMINISTRATOR:
        _keep_an_administrator(user)
    before, user.role = user.role, role
    user.save(update_fields=["role"])
    activity.record(
        "user.role_changed",
        subject=user,
        actor=actor,
        now=now,
        payload={"before": before, "after": role.value},
    )
    return user


@act
def deactivate(*, user_id: int, actor: Actor, now: datetime) -> User:
    """Let a person in no more, from their next click on. What they did stays theirs.

    Raises:
        UnknownUser, OwnRole, LastAdministrator, AlreadySo.
    """
    user = _lock(user_id, actor)
    if not user.is_active:
        raise AlreadySo(f"{user} is deactivated already.")
    _keep_an_administrator(user)
    user.is_active = False
    user.save(update_fields=["is_active"])
    activity.record("user.deactivated", subject=user, actor=actor, now=now)
    return user


@act
def reactivate(*, user_id: int, actor: Actor, now: datetime) -> User:
    """Let a person in again, with the role they had.

    Raises:
        UnknownUser, OwnRole, AlreadySo.
    """
    user = _lock(user_id, actor)
    if user.is_active:
        raise AlreadySo(f"{user} is active already.")
    user.is_active = True
    user.save(update_fields=["is_active"])
    activity.record("user.reactivated", subject=user, actor=actor, now=now)
    return user


def _lock(user_id: int, actor: Actor) -> User:
    """The person, locked together with all administrators.

    `_keep_an_administrator` counts those, and two of them must not remove each other at the
    same moment.
    """
    concerned = Q(pk=user_id) | (ADMINISTRATORS & Q(is_active=True))
    locked = User.objects.select_for_update().filter(concerned).order_by("pk")
    users = {user.pk: user for user in locked}
    if user_id not in users:
        raise UnknownUser("This user does not exist.")
    user = users[user_id]
    if (actor.kind, actor.identifier) == (for_user(user).kind, for_user(user).identifier):
        raise OwnRole("You cannot change what you yourself may do.")
    return user


def _keep_an_administrator(locked_user: User) -> None:
    others = User.objects.active().administrators().exclude(pk=locked_user.pk)
    if not others.exists():
        raise LastAdministrator(f"{locked_user} is the last administrator.")
