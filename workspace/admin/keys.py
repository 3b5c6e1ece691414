from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from workspace import keys
from workspace.actors import Actor
from workspace.admin.base import Badge, DialogForm, DialogPage, WorkspaceAdmin, button
from workspace.keys import KIND_WORDS, NewKey
from workspace.models import ApiKey, KeyKind
from workspace.text import validate_line


class NewKeyForm(DialogForm):
    name = forms.CharField(
        max_length=255,
        validators=[validate_line],
        help_text="What it is for, such as “Billing service”.",
    )
    kind = forms.TypedChoiceField(
        label="Access",
        choices=KeyKind,
        coerce=KeyKind,
        help_text="A read-only key answers questions and changes nothing.",
    )


class NewKeyPage(DialogPage):
    """Makes a key and shows it, this one time (X2)."""

    name = "add"
    title = "Create API key"
    permission = "workspace.add_apikey"
    is_about_one = False
    form_class = NewKeyForm
    confirm_label = "Create API key"

    made: NewKey

    def act(self, form: NewKeyForm, actor: Actor, now: datetime) -> str:
        self.made = keys.create(
            name=form.cleaned_data["name"], kind=form.cleaned_data["kind"], actor=actor, now=now
        )
        return f"The API key “{self.made.key.name}” is ready."

    def done(self, sentence: str) -> HttpResponse:
        self.template_name = "admin/workspace/new_key.html"
        return self.render_to_response(
            self.get_context_data(sentence=sentence, raw=self.made.raw, back_url=self.back_url())
        )


def is_usable(key: ApiKey) -> bool:
    """Whether there is anything to revoke."""
    return key.revoked_at is None


@admin.register(ApiKey)
class ApiKeyAdmin(WorkspaceAdmin):
    list_display = ["name", "kind", "beginning", "created_at", "last_used_at", "state"]
    list_filter = ["kind", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "=lookup"]
    fields = ["name", "kind", "beginning", "created_at", "last_used_at", "revoked_at"]
    pages = [NewKeyPage]
    add_label = "Create API key"
    empty_title = "No API keys yet"
    empty_text = "An application needs one to ask whether a customer may go on."

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a key is made, used and revoked."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: what was done with it must keep its name."""
        return False

    def object_id(self, obj: ApiKey) -> str:
        return self.beginning(obj)

    def badges(self, obj: ApiKey) -> list[Badge]:
        return [Badge("Active", "success") if is_usable(obj) else Badge("Revoked")]

    @display(description="Key")
    def beginning(self, key: ApiKey) -> str:
        return f"stipend_{KIND_WORDS[KeyKind(key.kind)]}_{key.lookup}_…"

    @display(description="Status", label={"Active": "success"})
    def state(self, key: ApiKey) -> str:
        return "Active" if is_usable(key) else "Revoked"

    @button(
        "Revoke",
        permission="workspace.revoke_apikey",
        description="Applications that use this key are turned away at once. "
        "This cannot be taken back.",
        icon="block",
        is_dangerous=True,
        is_available=is_usable,
    )
    def revoke(self, key: ApiKey, actor: Actor, now: datetime) -> str:
        """End a key for good (X4)."""
        keys.revoke(key_id=key.pk, actor=actor, now=now)
        return f"{key.name} is revoked."
