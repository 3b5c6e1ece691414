"""Pages of the admin that are more than a list or a form.

An `ObjectPage` shows one object, or something of it, under an address of its own; a
`DialogPage` asks, acts and says what it did. Both name the permission they need, and both
are bound to a `WorkspaceAdmin` by its attribute `pages`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.generic import TemplateView
from unfold.views import UnfoldModelAdminViewMixin
from unfold.widgets import INPUT_CLASSES, RADIO_CLASSES, SELECT_CLASSES, SWITCH_CLASSES
from unfold.widgets import TEXTAREA_CLASSES as TEXT_CLASSES

from workspace import actors, acts, sheets
from workspace.actors import Actor
from workspace.api import cursors
from workspace.errors import BadInput, DomainError
from workspace.models import User

if TYPE_CHECKING:
    from workspace.admin.base import Button, WorkspaceAdmin


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in a word. `tone`: neutral, success, warning, danger, info or primary."""

    label: str
    tone: str = "neutral"


@dataclass(frozen=True, slots=True)
class Link:
    """A tab, a button or a line of a menu: something that leads somewhere."""

    label: str
    url: str
    icon: str = ""
    is_current: bool = False
    is_dangerous: bool = False
    is_primary: bool = True  # among buttons: what the page is there for


def way_in(area: str, *links: Link) -> list[Link]:
    """The way through a group of the sidebar; a name that comes twice in a row is said once."""
    if links[0].label == area:
        return [*links]
    return [Link(area, reverse("admin:index")), *links]


class ObjectPage(UnfoldModelAdminViewMixin, TemplateView):
    """One object, or one side of it, on a page of its own.

    Subclasses set `name`, `label` and `template_name` and say in `content` what the
    template gets. `name` ends the name of the address, as in
    `admin:subscriptions_customer_credits`. A page named `change` takes the place of the
    form, which then moves to `…_edit`; a page named `add` takes the place of the form for
    new ones.
    """

    name: ClassVar[str]
    label: ClassVar[str] = ""  # of its tab; without, there is none
    permission: ClassVar[str] = ""  # without, whoever may view the model
    is_about_one: ClassVar[bool] = True  # or about the model as a whole
    area: ClassVar[str] = ""  # the group of the sidebar in which it has a line of its own

    model_admin: "WorkspaceAdmin"
    object: Any
    actor: Actor
    now: datetime

    @classmethod
    def route(cls) -> str:
        """The end of the address, under that of the model."""
        address = cls.name.replace("_", "-")
        return f"<path:object_id>/{address}/" if cls.is_about_one else f"{address}/"

    @property
    def title(self) -> str:
        return self.label or str(self.object)

    def has_permission(self) -> bool:
        if not self.model_admin.has_view_permission(self.request):
            return False
        return not self.permission or self.user.has_perm(self.permission)

    def has_permission_for_object(self) -> bool:
        """Whether `object` itself allows it, which is known now."""
        return True

    @property
    def user(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.has_permission():
            return self.handle_no_permission()
        self.now = timezone.now()
        self.actor = actors.for_user(self.user)
        self.object = None
        if self.is_about_one:
            self.object = self.model_admin.get_object(request, unquote(kwargs["object_id"]))
            if self.object is None:
                return self.model_admin.gone(request)
            if not self.has_permission_for_object():
                return self.handle_no_permission()
        return super().dispatch(request, *args, **kwargs)

    def crumbs(self) -> list[Link]:
        """The way to a page that is about no object."""
        if self.area:
            return way_in(self.area, Link(self.title, self.request.path))
        return self.model_admin.list_crumbs()

    def content(self) -> dict[str, Any]:
        """What the template shows, in finished values."""
        return {}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        context |= {"opts": self.model_admin.opts, "now": self.now}
        if self.object is not None:
            context["original"] = self.object
            context |= self.model_admin.object_context(self.request, self.object, self.name)
        else:
            self.request.crumbs = self.crumbs()  # type: ignore[attr-defined]  # for the header
        return context | self.content()


class SheetPage(ObjectPage):
    """What a page lists, as a table for spreadsheets; all of it, one row after the other."""

    name = "csv"

    def rows(self) -> Iterable[sheets.Row]:
        """The heads of the columns, and what stands beneath them."""
        raise NotImplementedError

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Send them as they are read."""
        answer = StreamingHttpResponse(
            sheets.lines(self.rows()), content_type="text/csv; charset=utf-8"
        )
        kind = str(self.model_admin.opts.verbose_name).replace(" ", "-")
        answer["Content-Disposition"] = f'attachment; filename="{kind}-{self.object.pk}.csv"'
        return answer


class DialogForm(forms.Form):
    """A form of a dialog, dressed like those of the admin.

    `subject` is the object the dialog is about, or None.
    """

    def __init__(self, *args: Any, subject: Any = None, **kwargs: Any) -> None:
        self.subject = subject
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            dress(field.widget)


def dress(widget: forms.Widget) -> None:
    """Give a widget of Django the look of Unfold."""
    match widget:
        case forms.HiddenInput() | forms.MultiWidget():
            return
        case forms.CheckboxSelectMultiple() | forms.RadioSelect():
            classes, widget.template_name = RADIO_CLASSES, "unfold/widgets/radio.html"
            widget.option_template_name = "unfold/widgets/radio_option.html"
        case forms.CheckboxInput():
            classes = SWITCH_CLASSES
        case forms.SelectMultiple():
            classes = SELECT_CLASSES
        case forms.Select():
            classes, widget.template_name = SELECT_CLASSES, "unfold/widgets/select.html"
        case forms.Textarea():
            classes = TEXT_CLASSES
            widget.attrs["rows"] = 3
        case forms.DateTimeInput():
            classes, widget.input_type = INPUT_CLASSES, "datetime-local"
            widget.format = "%Y-%m-%dT%H:%M"
        case forms.DateInput():
            classes, widget.input_type = INPUT_CLASSES, "date"
            widget.format = "%Y-%m-%d"
        case _:
            classes = INPUT_CLASSES
    widget.attrs.setdefault("class", " ".join(classes))


class DialogPage(ObjectPage):
    """Asks on GET, acts on POST, says what it did and leads back.

    Subclasses say in `act` what is done; a DomainError becomes an error of the form. Each
    form that is handed out takes effect once: sent a second time, by a double click or by
    going back, it only says what had been done.
    """

    template_name = "admin/workspace/dialog.html"
    form_class: ClassVar[type[forms.Form]] = DialogForm
    question: str = ""
    confirm_label: str = "Save"
    is_dangerous: bool = False

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Call the verb, and say in a sentence what it did."""
        raise NotImplementedError

    def initial(self) -> dict[str, Any]:
        """Values the form begins with."""
        return {}

    def get_form(self) -> forms.Form:
        return self.form_class(
            self.request.POST if self.request.method == "POST" else None,
            self.request.FILES if self.request.method == "POST" else None,
            initial=self.initial(),
            subject=self.object,  # type: ignore[call-arg]
        )

    def back_url(self) -> str:
        """Where Cancel leads, and where one arrives afterwards."""
        wanted = self.request.POST.get("next") or self.request.GET.get("next", "")
        if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
            return wanted
        return self.own_back_url()

    def own_back_url(self) -> str:
        """The same, for those who came from nowhere in particular."""
        if self.object is None:
            return self.model_admin.list_url()
        return self.model_admin.object_url(self.object)

    def done(self, sentence: str) -> HttpResponse:
        """The answer after acting."""
        messages.success(self.request, sentence)
        return HttpResponseRedirect(self.back_url())

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.ask(self.get_form())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self.get_form()
        if not form.is_valid():
            return self.ask(form)
        try:
            answer = acts.once(
                lambda: acts.Answer(200, self.act(form, self.actor, self.now)),
                principal=f"{self.actor.kind}:{self.actor.identifier}",
                key=f"form:{request.POST.get('once') or uuid4()}",
                fingerprint=self.fingerprint(),
                now=self.now,
            )
        except acts.IdempotencyKeyReused:
            form.add_error(None, "This page was used before. Open it again to do more.")
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            if answer.replayed:
                messages.info(request, f"This was done before: {answer.body}")
                return HttpResponseRedirect(self.back_url())
            return self.done(answer.body)
        return self.ask(form)

    def ask(self, form: forms.Form) -> HttpResponse:
        """The page with the form."""
        return self.render_to_response(
            self.get_context_data(
                form=form,
                question=self.question,
                confirm_label=self.confirm_label,
                is_dangerous=self.is_dangerous,
                back_url=self.back_url(),
                once=self.request.POST.get("once") or uuid4(),
            )
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        cancels = context.get("confirm_label", "").startswith("Cancel")
        # Of two buttons that say Cancel, nobody knows which one does it.
        return context | {"dismiss_label": "Back" if cancels else "Cancel"}

    def fingerprint(self) -> str:
        """What the form was sent with."""
        sent = sorted(
            (name, values)
            for name, values in self.request.POST.lists()
            if name not in ("csrfmiddlewaretoken", "once", "next")
        )
        content = json.dumps([self.request.path, sent])
        return hashlib.sha256(content.encode()).hexdigest()


def add_refusal(form: forms.BaseForm, refusal: DomainError) -> None:
    """Show a refusal beside the field it names, or above the form."""
    field = refusal.field if refusal.field in form.fields else None
    form.add_error(field, refusal.message)
    for row, message in refusal.rows.items():
        form.add_error(None, f"Row {row + 1}: {message}")


class ButtonPage(DialogPage):
    """What a method marked as `@button` does, on a page of its own."""

    name = ""
    button: "Button" = None  # type: ignore[assignment]  # as_view sets it

    @property
    def title(self) -> str:
        return f"{self.button.label}: {self.model_admin.object_title(self.object)}"

    def has_permission(self) -> bool:
        return super().has_permission() and self.user.has_perm(self.button.permission)

    def has_permission_for_object(self) -> bool:
        return self.model_admin.may_press(self.user, self.button, self.object)

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.form_class = self.button.form or DialogForm  # type: ignore[misc]
        self.template_name = self.button.template_name
        self.confirm_label = self.button.confirm_label or self.button.label
        self.is_dangerous = self.button.is_dangerous

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.button.is_available(self.object):
            messages.warning(
                request,
                f"“{self.button.label}” is not possible for "
                f"{self.model_admin.object_title(self.object)} now.",
            )
            return HttpResponseRedirect(self.back_url())
        return super().get(request, *args, **kwargs)

    def ask(self, form: forms.Form) -> HttpResponse:
        """The page with the form; after a refusal, too, with what the button would do."""
        if self.button.is_available(self.object):
            described = self.button.description
            self.question = described if isinstance(described, str) else described(self.object)
        return super().ask(form)

    def initial(self) -> dict[str, Any]:
        return self.button.initial(self.object)

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        given = (form,) if self.button.form else ()
        sentence = self.button.method(self.model_admin, self.object, *given, actor, now)
        assert isinstance(sentence, str)
        return sentence


class ActivityPage(ObjectPage):
    """What happened to an object, newest first."""

    name = "activity"
    label = "Activity"
    template_name = "admin/workspace/activity_page.html"

    def content(self) -> dict[str, Any]:
        entries = self.model_admin.activity_of(self.object)
        try:
            page = cursors.page(entries, request=self.request)
        except BadInput:  # an address typed by hand: begin at the beginning
            self.request.GET = self.request.GET.__class__()
            page = cursors.page(entries, request=self.request)
        return {"entries": page.rows, "older": page.next, "newer": page.prev}


def bound(page: type[ObjectPage], **attributes: Any) -> Callable[..., HttpResponseBase]:
    """`page` as a view; `attributes` say to which ModelAdmin it belongs.

    Raises:
        ImproperlyConfigured: it has no name.
    """
    if not hasattr(page, "name"):
        raise ImproperlyConfigured(f"{page.__name__} needs a name.")
    return page.as_view(**attributes)


def model_url(model: type[models.Model], name: str, *args: Any) -> str:
    """The address `name` of the admin of a model, such as ("changelist")."""
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=args)
