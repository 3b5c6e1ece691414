"""Workspace → Catalog file: the catalog is handed out, and taken in after a review."""

import base64
import binascii
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import uuid4

from django import forms
from django.http import HttpRequest, HttpResponse

from catalog.publishing import Audience
from catalog.transfer import exporting, importing, reading
from catalog.transfer.importing import Review
from workspace.actors import Actor
from workspace.admin.base import DialogForm, DialogPage, ObjectPage
from workspace.admin.pages import add_refusal
from workspace.errors import DomainError

PERMISSION = "catalog.publish_package"
"""Whoever may publish may take in a file."""


class ImportForm(DialogForm):
    """A file and what to do with it; after its review, what was reviewed."""

    file = forms.FileField(
        required=False,
        label="Catalog file",
        help_text=f"A YAML file as the export writes it, up to {reading.LARGEST // 1024:,} KB.",
        widget=forms.ClearableFileInput(attrs={"accept": ".yaml,.yml"}),
    )
    audience = forms.ChoiceField(
        label="Plans and add-ons",
        choices=[
            ("", "Write drafts only"),
            (Audience.NEW_CUSTOMERS, "Publish for new customers"),
            (Audience.ALL_CUSTOMERS, "Publish for all customers, existing ones too"),
        ],
        required=False,
        widget=forms.RadioSelect,
        help_text=(
            "Credit types, features, products and coupons have no drafts: they change at once."
        ),
    )
    reviewed = forms.CharField(required=False, widget=forms.HiddenInput)
    fingerprint = forms.CharField(required=False, widget=forms.HiddenInput, max_length=64)

    def clean_file(self) -> bytes | None:
        """The content of the file, no more of it than shows that it is too large."""
        file = self.cleaned_data["file"]
        content: bytes | None = file.read(reading.LARGEST + 1) if file else None
        return content

    def clean_reviewed(self) -> bytes | None:
        """The content that was reviewed."""
        try:
            return base64.b64decode(self.cleaned_data["reviewed"], validate=True) or None
        except binascii.Error:
            self.add_error("file", "Choose the file again.")
            return None

    def clean(self) -> dict[str, Any]:
        """One of the two."""
        given = super().clean() or {}
        if not self.errors and not given.get("file") and not given.get("reviewed"):
            self.add_error("file", "Choose a file that is not empty.")
        return given


class ImportPage(DialogPage):
    """Show what a file changes, then take it in: all of it or nothing."""

    name = "import"
    title = "Import catalog"
    area = "Operations"
    permission = PERMISSION
    is_about_one = False
    template_name = "admin/catalog/import.html"
    form_class = ImportForm
    confirm_label = "Show the difference"
    question = "Nothing is written before you have seen what the file changes."

    def own_back_url(self) -> str:
        """The page where files come and go."""
        return self.model_admin.url_of("transfer")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A new file is reviewed; one that was reviewed is taken in."""
        form = self.get_form()
        if form.is_valid() and form.cleaned_data["file"]:
            return self._review(form)
        return super().post(request, *args, **kwargs)

    def _review(self, form: forms.Form) -> HttpResponse:
        content: bytes = form.cleaned_data["file"]
        audience = form.cleaned_data["audience"]
        try:
            review = importing.review(
                content,
                audience=Audience(audience) if audience else None,
                actor=self.actor,
                now=self.now,
            )
        except DomainError as refusal:
            add_refusal(form, refusal)
            return self.ask(form)
        reviewed = ImportForm(
            initial={
                "audience": audience,
                "reviewed": base64.b64encode(content).decode(),
                "fingerprint": review.fingerprint,
            }
        )
        reviewed.fields["file"].widget = forms.HiddenInput()
        reviewed.fields["audience"].widget = forms.HiddenInput()
        return self.render_to_response(
            self.get_context_data(
                form=reviewed,
                confirm_label="Import",
                back_url=self.model_admin.url_of(self.name),
                once=uuid4(),
                **_shown(review),
            )
        )

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Take it in."""
        audience = form.cleaned_data["audience"]
        done = importing.take(
            form.cleaned_data["reviewed"],
            audience=Audience(audience) if audience else None,
            fingerprint=form.cleaned_data["fingerprint"],
            actor=actor,
            now=now,
        )
        return f"The file is imported: {done.counts}."


def _shown(review: Review) -> dict[str, Any]:
    """A review as the page shows it."""
    return {
        "review": review,
        "sections": [
            (section, list(rows))
            for section, rows in groupby(review.changes, key=lambda change: change.section)
        ],
    }


class TransferPage(ObjectPage):
    """Where catalog files come from and go to."""

    name = "transfer"
    title = "Catalog file"
    area = "Operations"
    permission = "catalog.view_product"
    is_about_one = False
    template_name = "admin/catalog/transfer.html"

    def content(self) -> dict[str, Any]:
        """Whether this person may import, too."""
        may_import = self.user.has_perm(PERMISSION)
        return {"import_url": self.model_admin.url_of("import") if may_import else ""}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Hand out the catalog as a file."""
        text = exporting.hand_out(
            with_drafts=request.POST.get("content") == "drafts", actor=self.actor, now=self.now
        )
        name = f"catalog-{self.now:%Y-%m-%d}.yaml"
        return HttpResponse(
            text,
            content_type="application/yaml; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
