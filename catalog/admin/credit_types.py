"""Credits: the list of credit types, their page and forms (R2, R3)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog import archiving, credit_types
from catalog.admin.fields import Line, Metadata, Paragraph, an_id_field
from catalog.admin.lists import ActiveFilter, code, names, updated
from catalog.admin.rows import package_links
from catalog.models import CreditType
from workspace.actors import Actor
from workspace.admin.base import Badge, DialogForm, DialogPage, ObjectPage, WorkspaceAdmin, button


class CreditTypeForm(DialogForm):
    """What a credit type is called (R2)."""

    name = Line(max_length=64, widget=forms.TextInput(attrs={"placeholder": "AI Credits"}))
    description = Paragraph(max_length=255, required=False)
    symbol = Line(max_length=64, required=False, help_text="Shown beside amounts, such as ✦.")
    unit_singular = Line(
        label="Unit (one)",
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "credit"}),
    )
    unit_plural = Line(
        label="Units (many)",
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "credits"}),
    )

    metadata = Metadata()

    def clean(self) -> dict[str, Any]:
        """Want both units or neither."""
        given = super().clean() or {}
        if bool(given.get("unit_singular")) != bool(given.get("unit_plural")):
            missing = "unit_plural" if given.get("unit_singular") else "unit_singular"
            self.add_error(missing, "Fill in both units (one, many) or neither.")
        return given


class NewCreditTypeForm(CreditTypeForm):
    """A credit type with the ID it will keep (R1)."""

    public_id = an_id_field("credit type")
    field_order = ["name", "public_id"]


class ArchiveForm(DialogForm):
    """Asks for the name, so that nothing is archived by accident (R3)."""

    name = forms.CharField(label="Type the name to confirm")

    def clean_name(self) -> str:
        """Compare with the name of what is to be archived."""
        typed: str = self.cleaned_data["name"]
        if typed != self.subject.name:
            raise forms.ValidationError(f"Type “{self.subject.name}”.")
        return typed


class AddCreditType(DialogPage):
    """Create a credit type (R2)."""

    name = "add"
    is_about_one = False
    permission = "catalog.add_credittype"
    form_class = NewCreditTypeForm
    template_name = "admin/catalog/form.html"
    title = "New credit type"
    question = "A unit that customers use up, such as AI credits. It is not money."
    confirm_label = "Create credit type"

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Create it."""
        created = credit_types.create(**form.cleaned_data, actor=actor, now=now)
        return f"{created.name} is created."


class EditCreditType(DialogPage):
    """Change how a credit type is called (R2)."""

    name = "edit"
    permission = "catalog.change_credittype"
    form_class = CreditTypeForm
    template_name = "admin/catalog/form.html"
    object: CreditType

    @property
    def title(self) -> str:
        """The heading."""
        return f"Edit {self.object.name}"

    def initial(self) -> dict[str, Any]:
        """What it is called now."""
        return {name: getattr(self.object, name) for name in CreditTypeForm.base_fields}

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save the changes."""
        credit_types.update(
            credit_type_id=self.object.pk, **form.cleaned_data, actor=actor, now=now
        )
        return f"{form.cleaned_data['name']} is saved."


class CreditTypePage(ObjectPage):
    """A credit type and the packages that use it."""

    name = "change"
    label = "Overview"
    template_name = "admin/catalog/overview.html"
    object: CreditType

    def content(self) -> dict[str, Any]:
        """Facts and uses."""
        return {
            "facts": [
                ("ID", self.object.public_id),
                ("Description", self.object.description),
                ("Symbol", self.object.symbol),
                ("Units", _units(self.object)),
                *self.object.metadata.items(),
            ],
            "noun": "credit type",
            "packages": package_links(archiving.packages_using_credit_type(self.object)),
        }


@admin.register(CreditType)
class CreditTypeAdmin(WorkspaceAdmin):
    """Product Catalog → Credits."""

    pages = [CreditTypePage, AddCreditType, EditCreditType]
    list_display = ["name_column", "id_column", "units", "used_in", "status", updated]
    list_filter = [ActiveFilter]
    search_fields = ["name", "public_id", "description"]
    search_help_text = "Search by name or ID"
    add_label = "Add credit type"
    empty_title = "No credit types yet"
    empty_text = "Create the unit that your customers use up, such as “AI Credits”."

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing of the catalog is deleted; it is archived."""
        return False

    def complete(self, rows: Sequence[Any]) -> None:
        """With where they are used."""
        users = archiving.packages_using_credit_types(row.pk for row in rows)
        for row in rows:
            row.users = users[row.pk]

    def badges(self, obj: CreditType) -> list[Badge]:
        """Archived or active."""
        return [_badge(obj)]

    @display(description="Name", ordering="name")
    def name_column(self, obj: CreditType) -> str:
        """The name, with its symbol."""
        return f"{obj.symbol} {obj.name}".strip()

    @display(description="ID", ordering="public_id")
    def id_column(self, obj: CreditType) -> SafeString:
        """The ID."""
        return code(obj.public_id)

    @display(description="Units")
    def units(self, obj: CreditType) -> str:
        """One and many."""
        return _units(obj)

    @display(description="Used in")
    def used_in(self, obj: Any) -> SafeString | str:
        """Plans and add-ons on sale."""
        return names(obj.users)

    @display(description="Status", label={"Active": "success", "Archived": "default"})
    def status(self, obj: CreditType) -> str:
        """Active or archived."""
        return _badge(obj).label

    @button(
        "Archive",
        permission="catalog.archive_credittype",
        form=ArchiveForm,
        icon="archive",
        is_dangerous=True,
        is_available=lambda credit_type: credit_type.archived_at is None,
        description="Pools that exist stay visible and can be used up, but nothing new is "
        "granted, and plans and add-ons cannot name it any more.",
    )
    def archive(
        self, credit_type: CreditType, form: ArchiveForm, actor: Actor, now: datetime
    ) -> str:
        """Retire it (R3)."""
        archiving.archive_credit_type(credit_type_id=credit_type.pk, actor=actor, now=now)
        return f"{credit_type.name} is archived."

    @button(
        "Unarchive",
        permission="catalog.archive_credittype",
        icon="unarchive",
        is_available=lambda credit_type: credit_type.archived_at is not None,
        description="It can be granted and named by plans and add-ons again.",
    )
    def unarchive(self, credit_type: CreditType, actor: Actor, now: datetime) -> str:
        """Bring it back (R3)."""
        archiving.unarchive_credit_type(credit_type_id=credit_type.pk, actor=actor, now=now)
        return f"{credit_type.name} is active again."


def _units(credit_type: CreditType) -> str:
    if not credit_type.unit_plural:
        return ""
    return f"{credit_type.unit_singular} / {credit_type.unit_plural}"


def _badge(credit_type: CreditType) -> Badge:
    if credit_type.archived_at is not None:
        return Badge("Archived")
    return Badge("Active", "success")
