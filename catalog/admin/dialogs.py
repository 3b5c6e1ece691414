"""What all forms share that edit the draft of a plan or add-on."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from catalog.admin.rows import url_of
from catalog.models import Package, PackageVersion
from workspace.admin.base import DialogForm, DialogPage


class DraftForm(DialogForm):
    """A form that edits a draft, and remembers which state of it was shown (R8)."""

    revision = forms.IntegerField(widget=forms.HiddenInput, required=False)


class DraftDialog(DialogPage):
    """A form that edits the open draft of a package, and refuses a state it did not show (R8)."""

    permission = "catalog.change_package"
    template_name = "admin/catalog/form.html"
    object: Package
    section = ""
    """The part of the package's page to return to."""

    @property
    def draft(self) -> PackageVersion:
        """The draft that is edited."""
        assert self.object.draft is not None
        return self.object.draft

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask, if there is something to edit."""
        if self.object.draft is None:
            return self.without_draft()
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Act, if there is still something to edit."""
        if self.object.draft is None:
            return self.without_draft()
        return super().post(request, *args, **kwargs)

    def without_draft(self) -> HttpResponse:
        """The answer when the draft is gone, or was never opened."""
        messages.error(
            self.request,
            f"{self.object.name} has no open draft: it was published or discarded meanwhile. "
            "Nothing was saved.",
        )
        return HttpResponseRedirect(url_of(self.object))

    def own_back_url(self) -> str:
        """The section that was edited."""
        anchor = f"#{self.section}" if self.section else ""
        return f"{url_of(self.object)}{anchor}"

    def initial(self) -> dict[str, Any]:
        """The state that is shown."""
        return {"revision": self.draft.revision}


class PartDialog(DraftDialog):
    """A dialog about one thing that a draft has; `key` in its address is the primary key."""

    @classmethod
    def route(cls) -> str:
        """Under the package: what is done, and to what."""
        return f"<path:object_id>/{cls.name.replace('_', '-')}/<int:key>/"

    @property
    def part(self) -> models.Model | None:
        """What it is about, if the draft still has it."""
        raise NotImplementedError

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask, if it is there."""
        if self.object.draft is not None and self.part is None:
            return HttpResponseRedirect(self.own_back_url())
        return super().get(request, *args, **kwargs)


def set_choices(form: forms.Form, name: str, rows: models.QuerySet[Any]) -> None:
    """Let a field choose among `rows`."""
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)
    field.queryset = rows
