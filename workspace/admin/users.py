"""The screen of people: who may sign in, and in which role."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from workspace import activity, roles
from workspace.actors import Actor, for_user
from workspace.admin.base import Badge, DialogForm, Link, WorkspaceAdmin, button
from workspace.models import Role, User

# Roles say what people may do; groups would be a second place to look.
admin.site.unregister(Group)


class NewUserForm(UserCreationForm):
    usable_password = None  # everybody signs in with one

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "first_name", "last_name", "email", "role")


class RoleForm(DialogForm):
    role = forms.TypedChoiceField(choices=Role, coerce=Role)


def is_active(user: User) -> bool:
    """Whether the person may sign in."""
    return user.is_active


@admin.register(User)
class UserAdmin(DjangoUserAdmin, WorkspaceAdmin):  # type: ignore[misc]
    """People. Their role and whether they may sign in change by buttons only (X10)."""

    form = UserChangeForm
    add_form = NewUserForm
    add_form_template = None  # the same page as everywhere
    change_password_form = AdminPasswordChangeForm

    list_display = ["username", "full_name", "address", "role_label", "state", "last_seen"]
    list_filter = ["role", "is_active"]
    search_fields = ["username", "first_name", "last_name", "email"]
    search_help_text = "Search by name or email"
    ordering = ["username"]
    filter_horizontal = ()
    fieldsets = [
        (None, {"fields": ["username"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("Access", {"fields": ["role", "is_active", "last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "first_name", "last_name", "email", "role"]}),
        ("Password", {"fields": ["password1", "password2"]}),
    ]
    add_label = "Add user"

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return ["role", "is_active", "last_login", "date_joined"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody: what people did must keep their name. They are deactivated."""
        return False

    def object_title(self, obj: User) -> str:
        return obj.get_full_name() or obj.username

    def object_context(self, request: HttpRequest, obj: User, current: str) -> dict[str, Any]:
        """With the way to a new password in the menu."""
        context = super().object_context(request, obj, current)
        if self.has_change_permission(request, obj):
            address = reverse("admin:auth_user_password_change", args=[obj.pk])
            context["menu"] = [*context["menu"], Link("Set password", address, icon="password")]
        return context

    def badges(self, obj: User) -> list[Badge]:
        role = Badge(Role(obj.role).label, "primary")
        return [role] if obj.is_active else [role, Badge("Deactivated")]

    @display(description="Name")
    def full_name(self, user: User) -> str | None:
        return user.get_full_name() or None

    @display(description="Email", ordering="email")
    def address(self, user: User) -> str | None:
        return user.email or None

    @display(description="Role", ordering="role")
    def role_label(self, user: User) -> str:
        return Role(user.role).label

    @display(description="Status", ordering="is_active", label={"Active": "success"})
    def state(self, user: User) -> str:
        return "Active" if user.is_active else "Deactivated"

    @display(description="Last login", ordering="last_login")
    def last_seen(self, user: User) -> datetime | None:
        return user.last_login

    @button(
        "Change role",
        permission="workspace.change_user",
        form=RoleForm,
        initial=lambda user: {"role": user.role},
        description="The new role applies from this person's next click on.",
        icon="badge",
    )
    def change_role(self, user: User, form: RoleForm, actor: Actor, now: datetime) -> str:
        """Give another role; not one's own, and not the last administrator's (X10)."""
        role = form.cleaned_data["role"]
        roles.assign(user_id=user.pk, role=role, actor=actor, now=now)
        return f"{self.object_title(user)} is {role.label} now."

    @button(
        "Deactivate",
        permission="workspace.change_user",
        description="They are signed out with their next click and cannot sign in again. "
        "What they did stays in the activity under their name.",
        icon="person_off",
        is_dangerous=True,
        is_available=is_active,
    )
    def deactivate(self, user: User, actor: Actor, now: datetime) -> str:
        """Let a person in no more."""
        roles.deactivate(user_id=user.pk, actor=actor, now=now)
        return f"{self.object_title(user)} is deactivated."

    @button(
        "Reactivate",
        permission="workspace.change_user",
        description="They can sign in again, with the role they had.",
        icon="person",
        is_available=lambda user: not is_active(user),
    )
    def reactivate(self, user: User, actor: Actor, now: datetime) -> str:
        """Let a person in again."""
        roles.reactivate(user_id=user.pk, actor=actor, now=now)
        return f"{self.object_title(user)} is active again."

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        """Also called when somebody sets another person's password."""
        if request.path.endswith("/password/"):
            assert isinstance(request.user, User)
            activity.record(
                "user.password_set",
                subject=obj,
                actor=for_user(request.user),
                now=timezone.now(),
            )
        return super().log_change(request, obj, message)
