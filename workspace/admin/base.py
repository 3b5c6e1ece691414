"""What all screens of the admin share: lists, forms, buttons, tabs, activity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.core import checks
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from unfold.admin import ModelAdmin

from workspace import activity, actors, roles
from workspace.admin.exports import ExportPage
from workspace.admin.lists import BoundedPaginator
from workspace.admin.pages import (
    ActivityPage,
    Badge,
    ButtonPage,
    DialogForm,
    DialogPage,
    Link,
    ObjectPage,
    SheetPage,
    bound,
    model_url,
    way_in,
)
from workspace.models import User
from workspace.models.activity import ActivityQuerySet

__all__ = [
    "Badge",
    "DialogForm",
    "DialogPage",
    "LabelledInputs",
    "Link",
    "ObjectPage",
    "ReadOnly",
    "SheetPage",
    "WorkspaceAdmin",
    "button",
]

MOST_WORDS = 20
"""Of a search, that count."""

Method = TypeVar("Method", bound=Callable[..., str])


@dataclass(frozen=True)
class Button:
    """How a method of a ModelAdmin is offered; see `button`."""

    name: str
    method: Callable[..., str]
    label: str
    permission: str
    form: type[DialogForm] | None
    initial: Callable[[Any], dict[str, Any]]
    description: str | Callable[[Any], str]
    confirm_label: str
    icon: str
    is_dangerous: bool
    is_primary: bool
    is_in_lists: bool
    is_available: Callable[[Any], bool]
    template_name: str


def button(
    label: str,
    *,
    permission: str,
    form: type[DialogForm] | None = None,
    initial: Callable[[Any], dict[str, Any]] = lambda subject: {},
    description: str | Callable[[Any], str] = "",
    confirm_label: str = "",
    icon: str = "",
    is_dangerous: bool = False,
    is_primary: bool = False,
    is_in_lists: bool = True,
    is_available: Callable[[Any], bool] = lambda subject: True,
    template_name: str = "admin/workspace/dialog.html",
) -> Callable[[Method], Method]:
    """Offer a method as a button of the object's page and as a line of its menu in lists.

    The method gets the object, the filled `form` if there is one, the actor and the time;
    it calls one verb and returns a sentence that says what happened. GET shows a page that
    explains (`description`) and asks; POST acts, once for each page that was handed out.
    The permission is checked on the server for both, and without it the button is absent.

    `is_available` only decides what is offered, from fields already loaded: the verb has
    the last word. A `template_name` of one's own extends "admin/workspace/dialog.html".
    """

    def mark(method: Method) -> Method:
        method.button = Button(  # type: ignore[attr-defined]
            name=method.__name__,
            method=method,
            label=label,
            permission=permission,
            form=form,
            initial=initial,
            description=description,
            confirm_label=confirm_label,
            icon=icon,
            is_dangerous=is_dangerous,
            is_primary=is_primary,
            is_in_lists=is_in_lists,
            is_available=is_available,
            template_name=template_name,
        )
        return method

    return mark


class LabelledInputs:
    """Gives the inputs of an inline the labels that screen readers need.

    The headings above the columns mean nothing to them.
    """

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        field: forms.Field | None = super().formfield_for_dbfield(  # type: ignore[misc]
            db_field, request, **kwargs
        )
        if field:
            widget: Any = getattr(field.widget, "widget", field.widget)
            widget.attrs.setdefault("aria-label", str(db_field.verbose_name).capitalize())
        return field


class ReadOnly:
    """For what nobody may change by hand, whatever their role. Stands first among bases."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class WorkspaceAdmin(ModelAdmin):
    """The ModelAdmin of all our models.

    Adds buttons and pages (see `button` and `pages`), the object's header with tabs and ⋮
    menu, an Activity tab, an empty state for the list, and a record of every edit.
    """

    change_form_template = "admin/workspace/change_form.html"
    change_list_template = "admin/workspace/change_list.html"
    warn_unsaved_form = True
    paginator = BoundedPaginator
    list_per_page = 25
    show_full_result_count = False
    show_add_link = True
    compressed_fields = True
    empty_value_display = "–"

    area: ClassVar[str] = ""  # the group of the sidebar; without, it is called like the app
    pages: ClassVar[Sequence[type[ObjectPage]]] = ()
    details_label: ClassVar[str] = "Details"  # the tab of the form
    has_activity: ClassVar[bool] = True
    are_edits_recorded: ClassVar[bool] = True  # off where verbs record what they do
    add_label: ClassVar[str] = ""  # without, "Add" and the model's name
    empty_title: ClassVar[str] = ""
    empty_text: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.buttons: dict[str, Button] = {}
        for base in reversed(type(self).__mro__):
            for name, attribute in vars(base).items():
                if isinstance(found := getattr(attribute, "button", None), Button):
                    self.buttons[name] = found

    # What subclasses say about an object

    def object_title(self, obj: Any) -> str:
        """The heading of the object's pages."""
        return str(obj)

    def object_id(self, obj: Any) -> str:
        """The id beneath the heading, as callers of the API know it."""
        return str(getattr(obj, "public_id", ""))

    def badges(self, obj: Any) -> Sequence[Badge]:
        """The states beside the heading."""
        return ()

    def list_crumbs(self) -> list[Link]:
        """The way to the list, as the sidebar has it."""
        area = self.area or str(self.opts.app_config.verbose_name)
        return way_in(area, Link(capfirst(self.opts.verbose_name_plural), self.list_url()))

    def crumbs(self, obj: Any) -> Sequence[Link]:
        """The way to the object."""
        return [*self.list_crumbs(), Link(self.object_title(obj), self.object_url(obj))]

    def complete(self, rows: Sequence[Any]) -> None:
        """Look up for these rows of the list at once what its columns show beside fields."""

    def activity_of(self, obj: Any) -> ActivityQuerySet:
        """What its Activity tab shows."""
        return activity.for_subject(*activity.subject_of(obj))

    # Addresses

    def url_of(self, name: str, *args: Any) -> str:
        """The address of a page or button of ours, such as ("credits", customer.pk)."""
        return model_url(self.model, name, *args)

    def list_url(self) -> str:
        return self.url_of("changelist")

    def object_url(self, obj: Any) -> str:
        return self.url_of("change", obj.pk)

    def all_pages(self) -> list[type[ObjectPage]]:
        """Those of the subclass, and those that all have."""
        return [*self.pages, ExportPage, *([ActivityPage] if self.has_activity else [])]

    def get_urls(self) -> list[URLPattern]:
        ours = [
            self._route(page.route(), page.name, bound(page, model_admin=self))
            for page in self.all_pages()
        ]
        ours += [
            self._route(
                f"<path:object_id>/{name.replace('_', '-')}/",
                name,
                bound(ButtonPage, model_admin=self, button=found),
            )
            for name, found in self.buttons.items()
        ]
        if self._has_page("change"):
            ours.append(self._route("<path:object_id>/edit/", "edit", self.form_view))
        theirs = [url for url in super().get_urls() if url.name != f"{self._info}_history"]
        return [*ours, *theirs]  # what happened is told by the tab Activity

    def _route(self, route: str, name: str, view: Callable[..., Any]) -> URLPattern:
        return path(route, self.admin_site.admin_view(view), name=f"{self._info}_{name}")

    @property
    def _info(self) -> str:
        """How the names of its addresses begin."""
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _has_page(self, name: str) -> bool:
        return any(page.name == name for page in self.pages)

    def form_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The form of what has another first page, where those are led whom no link leads here."""
        obj = self.get_object(request, object_id) if request.method == "GET" else None
        if obj is not None and not self._edit_link(request, obj, ""):
            return HttpResponseRedirect(self.object_url(obj))
        return self.change_view(request, object_id)

    def gone(self, request: HttpRequest) -> HttpResponse:
        """The answer to an address of something that is not there."""
        messages.error(request, f"This {self.opts.verbose_name} does not exist any more.")
        return HttpResponseRedirect(self.list_url())

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        return self.gone(request)

    # Header, tabs, menus

    def object_context(self, request: HttpRequest, obj: Any, current: str) -> dict[str, Any]:
        """What the head of every page of an object shows; `current` is the page's name."""
        offered = self._offered(request, obj)
        request.crumbs = self.crumbs(obj)  # type: ignore[attr-defined]  # for the header
        return {
            "object_title": self.object_title(obj),
            "object_id": self.object_id(obj),
            "badges": self.badges(obj),
            "tabs": self.tabs(request, obj, current),
            "buttons": self._edit_link(request, obj, current)
            + [self._link(found, obj) for found in offered if found.is_primary],
            "menu": [self._link(found, obj) for found in offered if not found.is_primary],
        }

    def tabs(self, request: HttpRequest, obj: Any, current: str) -> list[Link]:
        """The pages of an object that this person may see."""
        tabs = [
            Link(page.label, self.url_of(page.name, obj.pk), is_current=page.name == current)
            for page in self.all_pages()
            if page.label
            and page.is_about_one
            and (not page.permission or _user(request).has_perm(page.permission))
        ]
        if not self._has_page("change"):
            form = Link(self.details_label, self.object_url(obj), is_current=current == "change")
            tabs.insert(0, form)
        return tabs if len(tabs) > 1 else []

    def _edit_link(self, request: HttpRequest, obj: Any, current: str) -> list[Link]:
        form = "edit" if self._has_page("change") else "change"
        if current == form or not self.has_change_permission(request, obj):
            return []
        return [Link("Edit", self.url_of(form, obj.pk), icon="edit", is_primary=False)]

    def _offered(self, request: HttpRequest, obj: Any) -> list[Button]:
        user = _user(request)
        return [
            found
            for found in self.buttons.values()
            if self.may_press(user, found, obj) and found.is_available(obj)
        ]

    def may_press(self, user: User, found: Button, obj: Any) -> bool:
        """Whether a person may use a button on this object; asked on the server as well."""
        return user.has_perm(found.permission)

    def _link(self, found: Button, obj: Any, back: str = "") -> Link:
        return Link(
            found.label,
            self.url_of(found.name, obj.pk) + back,
            icon=found.icon,
            is_dangerous=found.is_dangerous,
        )

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns = [*super().get_list_display(request)]
        if self.has_change_permission(request) or any(
            found.is_in_lists and _user(request).has_perm(found.permission)
            for found in self.buttons.values()
        ):
            columns.append(self._row_menu(request))
        return columns

    def _row_menu(self, request: HttpRequest) -> Callable[[Any], SafeString]:
        """The last column: what may be done with a row, by this person."""
        back = "?" + urlencode({"next": request.get_full_path()})

        def row_menu(obj: Any) -> SafeString:
            lines = self._edit_link(request, obj, "") + [
                self._link(found, obj, back)
                for found in self._offered(request, obj)
                if found.is_in_lists
            ]
            return mark_safe(  # noqa: S308 - a template of ours, which escapes
                render_to_string(
                    "components/menu.html",
                    {"links": lines, "key": obj.pk, "about": self.object_title(obj)},
                )
                if lines
                else ""
            )

        row_menu.short_description = "Actions"  # type: ignore[attr-defined]
        row_menu.is_menu = True  # type: ignore[attr-defined]  # nothing to export
        return row_menu

    # What Django asks

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        context["show_save_and_add_another"] = context["show_save_and_continue"] = False
        if obj is not None:
            current = "edit" if self._has_page("change") else "change"
            context |= self.object_context(request, obj, current)
        return super().render_change_form(request, context, obj=obj, **kwargs)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            # PostgreSQL cannot look for it, so no filter may get it.
            return HttpResponseRedirect(request.path)
        request.crumbs = self.list_crumbs()  # type: ignore[attr-defined]  # for the header
        words = {
            "export_url": self.url_of("export"),
            "add_label": self.add_label or f"Add {self.opts.verbose_name}",
            "empty_title": self.empty_title,
            "empty_text": self.empty_text,
        }
        try:
            return super().changelist_view(request, words | (extra_context or {}))
        except DisallowedModelAdminLookup:  # an address typed by hand
            return HttpResponseRedirect(request.path)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        self.complete(changelist.result_list)
        return changelist

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """By the first words only: each is a condition for every field, and SQLite has limits."""
        few = " ".join(search_term.split()[:MOST_WORDS])
        found: tuple[models.QuerySet[Any], bool] = super().get_search_results(
            request, queryset, few
        )
        return found

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        if self._has_page("change"):
            return HttpResponseRedirect(self.object_url(obj))
        return super().response_post_save_change(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if self.are_edits_recorded and (form.changed_data or not change):
            self.record_edit(request, obj, form, "updated" if change else "created")

    def record_edit(self, request: HttpRequest, obj: Any, form: Any, done: str) -> None:
        """Remember who changed what by hand, from which value to which (X20)."""
        kind = str(self.opts.verbose_name).lower().replace(" ", "_")
        changed = [name for name in form.changed_data if "password" not in name]
        after = {name: form.cleaned_data.get(name) for name in changed}
        before = {name: form.initial.get(name) for name in changed if done == "updated"}
        activity.record(
            f"{kind}.{done}",
            subject=obj,
            actor=actors.for_user(_user(request)),
            now=timezone.now(),
            payload={"before": _shown(before), "after": _shown(after)},
        )

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        known = roles.known_permissions()
        wanted = {found.permission for found in self.buttons.values()} | {
            page.permission for page in self.pages if page.permission
        }
        return super().check(**kwargs) + [
            checks.Error(
                f"{type(self).__name__} asks for {name}, which no model declares.",
                obj=type(self),
                id="workspace.E002",
            )
            for name in sorted(wanted - known)
        ]


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as the record keeps them: plain ones as they are, all others in words."""
    plain = (str, int, float, bool, type(None), list, dict)
    return {
        name: value if isinstance(value, plain) else str(value) for name, value in values.items()
    }
