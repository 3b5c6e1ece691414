"""Coupons: the list, their page and forms."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog import archiving, coupons, wording
from catalog.admin.fields import AmountInput, Line, Metadata, Paragraph, an_id_field, only_when
from catalog.admin.lists import ActiveFilter, code
from catalog.models import Coupon, CouponType, Currency
from catalog.models.coupons import LONGEST_DURATION, validate_percentage
from workspace.actors import Actor
from workspace.admin.base import Badge, DialogForm, DialogPage, ObjectPage, WorkspaceAdmin, button
from workspace.admin.pages import dress


class PercentInput(AmountInput):
    """A percentage as people type it: 10, or 12.5."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = validate_percentage


class CouponForm(DialogForm):
    """How a coupon is called."""

    name = Line(max_length=255, widget=forms.TextInput(attrs={"placeholder": "Launch offer"}))
    description = Paragraph(max_length=255, required=False)
    metadata = Metadata()


class NewCouponForm(CouponForm):
    """A coupon with the ID and the discount it will keep. Amounts stand in one input each."""

    public_id = an_id_field("coupon")
    type = forms.ChoiceField(label="Discount", choices=CouponType.choices)
    percent_off = PercentInput(label="Percent off", required=False)
    duration_in_months = forms.IntegerField(
        label="Duration in months",
        min_value=1,
        max_value=LONGEST_DURATION,
        required=False,
        help_text="Empty: for good.",
    )
    field_order = ["name", "public_id", "description", "type", "percent_off"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        only_when(self.fields["percent_off"], "type", CouponType.PERCENTAGE)
        for currency in Currency:
            field = AmountInput(label=f"Amount off in {currency.label}", required=False)
            self.fields[_input_of(currency)] = field
            dress(field.widget)
            only_when(field, "type", CouponType.FIXED)
        self.order_fields(
            [*self.field_order, *map(_input_of, Currency), "duration_in_months", "metadata"]
        )

    def clean(self) -> dict[str, Any]:
        """Keep the discount of the chosen kind, and want one."""
        given = super().clean() or {}
        amounts: dict[str, Decimal] = {
            currency.value: amount
            for currency in Currency
            if (amount := given.pop(_input_of(currency), None)) is not None
        }
        match given.pop("type", None):
            case CouponType.PERCENTAGE:
                amounts = {}
                if given.get("percent_off") is None and "percent_off" not in self.errors:
                    self.add_error("percent_off", "Enter a percentage.")
            case CouponType.FIXED:
                given["percent_off"] = None
                if not amounts:
                    self.add_error(_input_of(Currency.USD), "Enter an amount in any currency.")
        given["amounts_off"] = amounts
        return given


class AddCoupon(DialogPage):
    """Create a coupon."""

    name = "add"
    is_about_one = False
    permission = "catalog.add_coupon"
    form_class = NewCouponForm
    template_name = "admin/catalog/form.html"
    title = "New coupon"
    question = "What it takes off cannot be changed later."
    confirm_label = "Create coupon"

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Create it."""
        created = coupons.create(**form.cleaned_data, actor=actor, now=now)
        return f"{created.name} is created."


class EditCoupon(DialogPage):
    """Change how a coupon is called."""

    name = "edit"
    permission = "catalog.change_coupon"
    form_class = CouponForm
    template_name = "admin/catalog/form.html"
    object: Coupon

    @property
    def title(self) -> str:
        """The heading."""
        return f"Edit {self.object.name}"

    def initial(self) -> dict[str, Any]:
        """What it is called now."""
        return {name: getattr(self.object, name) for name in CouponForm.base_fields}

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save the changes."""
        coupons.update(coupon_id=self.object.pk, **form.cleaned_data, actor=actor, now=now)
        return f"{form.cleaned_data['name']} is saved."


class CouponPage(ObjectPage):
    """What a coupon takes off."""

    name = "change"
    label = "Overview"
    template_name = "admin/catalog/coupon.html"
    object: Coupon

    def content(self) -> dict[str, Any]:
        """Facts."""
        return {
            "facts": [
                ("ID", self.object.public_id),
                ("Description", self.object.description),
                ("Discount", wording.discount(self.object)),
                ("Duration", wording.duration(self.object)),
                *self.object.metadata.items(),
            ]
        }


@admin.register(Coupon)
class CouponAdmin(WorkspaceAdmin):
    """Product Catalog → Coupons."""

    pages = [CouponPage, AddCoupon, EditCoupon]
    list_display = ["name", "id_column", "discount", "duration", "status"]
    list_filter = [ActiveFilter]
    search_fields = ["name", "public_id", "description"]
    search_help_text = "Search by name or ID"
    add_label = "Add coupon"
    empty_title = "No coupons yet"
    empty_text = "Create a discount that subscriptions may have, such as 20 % for three months."

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing of the catalog is deleted; it is archived."""
        return False

    def badges(self, obj: Coupon) -> list[Badge]:
        """Archived or active."""
        return [_badge(obj)]

    @display(description="ID", ordering="public_id")
    def id_column(self, obj: Coupon) -> SafeString:
        """The ID."""
        return code(obj.public_id)

    @display(description="Discount")
    def discount(self, obj: Coupon) -> str:
        """What it takes off."""
        return wording.discount(obj)

    @display(description="Duration", ordering="duration_in_months")
    def duration(self, obj: Coupon) -> str:
        """For how long."""
        return wording.duration(obj)

    @display(description="Status", label={"Active": "success", "Archived": "default"})
    def status(self, obj: Coupon) -> str:
        """Active or archived."""
        return _badge(obj).label

    @button(
        "Archive",
        permission="catalog.archive_coupon",
        icon="archive",
        is_dangerous=True,
        is_available=lambda coupon: coupon.archived_at is None,
        description="Nobody new gets it. Subscriptions that have it keep it.",
    )
    def archive(self, coupon: Coupon, actor: Actor, now: datetime) -> str:
        """Retire it."""
        archiving.archive_coupon(coupon_id=coupon.pk, actor=actor, now=now)
        return f"{coupon.name} is archived."

    @button(
        "Unarchive",
        permission="catalog.archive_coupon",
        icon="unarchive",
        is_available=lambda coupon: coupon.archived_at is not None,
        description="It can be given to subscriptions again.",
    )
    def unarchive(self, coupon: Coupon, actor: Actor, now: datetime) -> str:
        """Bring it back."""
        archiving.unarchive_coupon(coupon_id=coupon.pk, actor=actor, now=now)
        return f"{coupon.name} is active again."


def _input_of(currency: Currency) -> str:
    return f"amount_{currency.value.lower()}"


def _badge(coupon: Coupon) -> Badge:
    if coupon.archived_at is not None:
        return Badge("Archived")
    return Badge("Active", "success")
