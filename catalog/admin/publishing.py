"""The publish page: what changes, whom it reaches, and what stands in the way (R9, R11)."""

from datetime import datetime
from itertools import groupby
from typing import Any

from django import forms

from catalog import comparison, impact, publishing
from catalog.admin.dialogs import DraftDialog, DraftForm
from catalog.admin.rows import url_of
from catalog.publishing import Audience
from workspace.actors import Actor


class PublishForm(DraftForm):
    """Whom the new version reaches. `subject` is the package."""

    audience = forms.ChoiceField(
        choices=[
            (Audience.NEW_CUSTOMERS, "New customers only"),
            (Audience.ALL_CUSTOMERS, "All customers, existing ones too"),
        ],
        initial=Audience.NEW_CUSTOMERS,
        widget=forms.RadioSelect,
        help_text="For existing customers, entitlements and credit consumption move to the new "
        "version; the prices they were sold at stay.",
    )
    preview_id = forms.IntegerField(required=False, widget=forms.HiddenInput)
    is_acknowledged = forms.BooleanField(
        label="I understand that this changes what existing customers have",
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.subject.live_id is None:  # nobody has it yet
            del self.fields["audience"]
            del self.fields["is_acknowledged"]
            del self.fields["preview_id"]
        else:
            self.fields["is_acknowledged"].widget.attrs["data-show-when"] = (
                f"audience={Audience.ALL_CUSTOMERS}"
            )

    def clean(self) -> dict[str, Any]:
        """Changing what customers have wants a word of assent (R9)."""
        given = super().clean() or {}
        is_acknowledged = given.pop("is_acknowledged", False)
        given.setdefault("audience", Audience.NEW_CUSTOMERS)
        if given["audience"] == Audience.ALL_CUSTOMERS and not is_acknowledged:
            self.add_error("is_acknowledged", "Confirm that existing customers are affected.")
        return given


class PublishPage(DraftDialog):
    """Review a draft, choose the audience, publish (R9)."""

    name = "publish"
    permission = "catalog.publish_package"
    template_name = "admin/catalog/package/publish.html"
    form_class = PublishForm
    confirm_label = "Publish"

    @property
    def title(self) -> str:
        """The heading."""
        return f"Publish {self.draft.name}"

    def initial(self) -> dict[str, Any]:
        """The state that is shown, and the preview of its impact that belongs to it."""
        previews = impact.previews(self.draft, now=self.now)
        return {**super().initial(), "preview_id": next((one.id for one in previews), None)}

    def content(self) -> dict[str, Any]:
        """The changes by section, the reasons against, and what other apps expect."""
        package, draft = self.object, self.draft
        draft.package = package
        after = comparison.load(draft)
        before = comparison.load(package.live) if package.live else None
        changes = comparison.compare(before, after)
        return {
            "package": package,
            "live": package.live,
            "next_number": (package.live.number or 0) + 1 if package.live else 1,
            "sections": [
                (section, list(rows))
                for section, rows in groupby(changes, key=lambda change: change.section)
            ],
            "refusals": [
                {"sentence": refusal.sentence, "url": f"{url_of(package)}#{refusal.section}"}
                for refusal in publishing.refusals(after)
            ],
            "impact": impact.lines(draft, now=self.now) if package.live else [],
            "previews": impact.previews(draft, now=self.now) if package.live else [],
        }

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Publish what was reviewed."""
        version = publishing.publish(
            package_id=self.object.pk, **form.cleaned_data, actor=actor, now=now
        )
        return f"Version {version.number} of {version.name} is live."
