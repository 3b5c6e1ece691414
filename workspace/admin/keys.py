"""The screen of API keys: made, replaced, revoked; shown once."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from workspace import customer_tokens, keys
from workspace.actors import Actor
from workspace.admin.base import Badge, DialogForm, DialogPage, Link, WorkspaceAdmin, button
from workspace.keys import KIND_WORDS, NewKey
from workspace.models import ApiKey, KeyKind
from workspace.text import validate_line

TONES = {"Active": "success", "Ending": "warning"}
GRACE_LABELS = [
    (0, "No time: it ends now"),
    (3600, "1 hour"),
    (86_400, "24 hours"),
    (3 * 86_400, "3 days"),
    (7 * 86_400, "7 days"),
]
"""The graces of a rotation in seconds, and what they are called."""


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
        help_text="A read-only key answers questions and changes nothing. A scoped key opens "
        "what is chosen below. A publishable key may stand in a browser: it reads about one "
        "customer, with a token that your back end signs.",
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in keys.SCOPES],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Of a scoped key. Who may write may read, too.",
    )


class RotateForm(DialogForm):
    grace = forms.TypedChoiceField(
        label="The old key goes on for",
        choices=GRACE_LABELS,
        coerce=int,
        help_text="Until every application has the new one.",
    )


class ShowingPage(DialogPage):
    """Makes a key and shows it, this one time (X2)."""

    made: NewKey

    def done(self, sentence: str) -> HttpResponse:
        self.template_name = "admin/workspace/new_key.html"
        secret = ""
        if self.made.key.kind == KeyKind.PUBLISHABLE:
            secret = customer_tokens.secret_of(self.made.key.lookup)
        shown = {"sentence": sentence, "raw": self.made.raw, "secret": secret}
        return self.render_to_response(self.get_context_data(**shown, back_url=self.back_url()))


class NewKeyPage(ShowingPage):
    """Makes a key of the kind that is chosen."""

    name = "add"
    title = "Create API key"
    permission = "workspace.add_apikey"
    is_about_one = False
    form_class = NewKeyForm
    confirm_label = "Create API key"

    def act(self, form: NewKeyForm, actor: Actor, now: datetime) -> str:
        self.made = keys.create(**form.cleaned_data, actor=actor, now=now)
        return f"The API key “{self.made.key.name}” is ready."


class RotatePage(ShowingPage):
    """Replaces a key by a new one like it (X4)."""

    name = "rotate"
    title = "Rotate API key"
    permission = "workspace.rotate_apikey"
    form_class = RotateForm
    question = "A new key takes its place. The old one cannot be brought back once it has ended."
    confirm_label = "Rotate"

    def act(self, form: RotateForm, actor: Actor, now: datetime) -> str:
        grace = timedelta(seconds=form.cleaned_data["grace"])
        self.made = keys.rotate(key_id=self.object.pk, grace=grace, actor=actor, now=now)
        return f"The new API key “{self.made.key.name}” is ready."


def is_usable(key: ApiKey) -> bool:
    """Whether there is anything to revoke."""
    return key.is_usable(timezone.now())


def state_of(key: ApiKey) -> str:
    """What has become of a key, in a word."""
    if key.revoked_at is not None:
        return "Revoked"
    if key.ends_at is None:
        return "Active"
    return "Ending" if is_usable(key) else "Replaced"


@admin.register(ApiKey)
class ApiKeyAdmin(WorkspaceAdmin):
    list_display = ["name", "kind", "beginning", "created_at", "last_used", "state"]
    list_filter = ["kind", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "=lookup"]
    search_help_text = "Search by name"
    fields = ["name", "kind", "scopes", "beginning", "created_at", "last_used_at", "ends_at"]
    fields += ["revoked_at"]
    pages = [NewKeyPage, RotatePage]
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
        state = state_of(obj)
        return [Badge(state, TONES.get(state, "neutral"))]

    def object_context(self, request: HttpRequest, obj: ApiKey, current: str) -> dict[str, Any]:
        """With the way to the page that shows the new key."""
        context = super().object_context(request, obj, current)
        may_rotate = request.user.has_perm(RotatePage.permission)
        if may_rotate and state_of(obj) == "Active":
            rotate = Link("Rotate", self.url_of("rotate", obj.pk), icon="autorenew")
            context["menu"] = [rotate, *context["menu"]]
        return context

    @display(description="Key")
    def beginning(self, key: ApiKey) -> str:
        return f"stipend_{KIND_WORDS[KeyKind(key.kind)]}_{key.lookup}_…"

    @display(description="Last used", ordering="last_used_at")
    def last_used(self, key: ApiKey) -> datetime | None:
        return key.last_used_at

    @display(description="Status", label=TONES)
    def state(self, key: ApiKey) -> str:
        return state_of(key)

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
