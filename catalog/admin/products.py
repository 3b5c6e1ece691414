"""Products: the list, their page with plans and add-ons, and the customer journey (R4)."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog import archiving, duplication, products
from catalog.admin.fields import Line, Metadata, Paragraph, an_id_field, only_when
from catalog.admin.lists import ActiveFilter, code, updated
from catalog.admin.rows import package_rows
from catalog.admin.transfer import ImportPage, TransferPage
from catalog.models import BillingPeriod, Package, PackageKind, Product
from catalog.models.products import (
    CancellationTime,
    DowngradeTime,
    EndSetup,
    StartSetup,
    UsageReset,
)
from workspace.actors import Actor
from workspace.admin.base import Badge, DialogForm, DialogPage, ObjectPage, WorkspaceAdmin, button
from workspace.admin.pages import model_url
from workspace.ids import suggest_public_id

SINGLE, MULTIPLE = "single", "multiple"
PRORATES = {"True": True, "False": False}
PRORATION = [("", "As your billing says"), ("True", "In proportion"), ("False", "In full")]


class ProductForm(DialogForm):
    """What a product is called, and how many subscriptions a customer has to it (R4)."""

    name = Line(max_length=255)
    description = Paragraph(max_length=255, required=False)
    subscriptions = forms.ChoiceField(
        choices=[
            (SINGLE, "One active subscription per customer"),
            (MULTIPLE, "Several: one per resource, such as a workspace"),
        ],
        initial=SINGLE,
        help_text="Fixed after the first subscription.",
    )
    metadata = Metadata()

    def clean(self) -> dict[str, Any]:
        """Turn the choice into what the verbs know."""
        given = super().clean() or {}
        given["multiple_subscriptions"] = given.pop("subscriptions", SINGLE) == MULTIPLE
        return given


class NewProductForm(ProductForm):
    """A product with the ID it will keep (R1)."""

    public_id = an_id_field("product")
    field_order = ["name", "public_id"]


class DuplicateForm(DialogForm):
    """What the copy of a product is called, and the ID it will keep (R1)."""

    name = Line(max_length=255)
    public_id = an_id_field("product")


class JourneyForm(DialogForm):
    """How customers begin, change and end (R4). Not retroactive."""

    start_setup = forms.ChoiceField(
        label="A new customer",
        choices=StartSetup.choices,
        help_text="Begins with the plan when they are created, unless they have one subscription "
        "per resource or are imported.",
    )
    start_plan = forms.ModelChoiceField(Package.objects.none(), label="Plan", required=False)
    usage_reset = forms.ChoiceField(
        label="Credits at a plan change",
        choices=UsageReset.choices,
        help_text="What happens to credits that were used in the current period.",
    )
    downgrade_time = forms.ChoiceField(
        label="A downgrade takes effect", choices=DowngradeTime.choices
    )
    cancellation_time = forms.ChoiceField(
        label="A cancellation takes effect", choices=CancellationTime.choices
    )
    prorate_at_period_end = forms.TypedChoiceField(
        label="Changes that wait for the end of a period are charged",
        choices=PRORATION,
        coerce=PRORATES.get,
        required=False,
        empty_value=None,
        help_text="Kept for whoever bills. Credits are never prorated.",
    )
    end_setup = forms.ChoiceField(label="When a subscription ends", choices=EndSetup.choices)
    downgrade_plan = forms.ModelChoiceField(
        Package.objects.none(), label="Downgrade to", required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plans = (
            Package.objects.plans()
            .on_sale()
            .filter(product=self.subject)
            .select_related("live", "draft")
        )
        for name in ("start_plan", "downgrade_plan"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = plans
        only_when(
            self.fields["start_plan"], "start_setup", StartSetup.FREE_PLAN, StartSetup.TRIAL_PERIOD
        )
        only_when(self.fields["downgrade_plan"], "end_setup", EndSetup.DOWNGRADE_TO_FREE)

    def clean(self) -> dict[str, Any]:
        """Forget plans that the chosen steps do not use."""
        given = super().clean() or {}
        if given.get("start_setup") == StartSetup.PLAN_SELECTION:
            given["start_plan"] = None
        if given.get("end_setup") == EndSetup.CANCEL_SUBSCRIPTION:
            given["downgrade_plan"] = None
        return given


class AddProduct(DialogPage):
    """Create a product (R4)."""

    name = "add"
    is_about_one = False
    permission = "catalog.add_product"
    form_class = NewProductForm
    template_name = "admin/catalog/form.html"
    title = "New product"
    question = "A product holds plans and add-ons that belong together."
    confirm_label = "Create product"
    created: Product | None = None

    def own_back_url(self) -> str:
        """The new product, or the list."""
        if self.created is not None:
            return self.model_admin.object_url(self.created)
        return super().own_back_url()

    def back_url(self) -> str:
        """After creating it: its page, wherever one came from."""
        return self.own_back_url() if self.created else super().back_url()

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Create it."""
        self.created = products.create(**form.cleaned_data, actor=actor, now=now)
        return f"{self.created.name} is created."


class EditProduct(DialogPage):
    """Change what a product is called."""

    name = "edit"
    permission = "catalog.change_product"
    form_class = ProductForm
    template_name = "admin/catalog/form.html"
    object: Product

    @property
    def title(self) -> str:
        """The heading."""
        return f"Edit {self.object.name}"

    def initial(self) -> dict[str, Any]:
        """What it is called now."""
        product = self.object
        return {
            "name": product.name,
            "description": product.description,
            "subscriptions": MULTIPLE if product.multiple_subscriptions else SINGLE,
            "metadata": product.metadata,
        }

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save the changes."""
        products.update(product_id=self.object.pk, **form.cleaned_data, actor=actor, now=now)
        return f"{form.cleaned_data['name']} is saved."


class EditJourney(DialogPage):
    """Change how customers begin, change and end (R4)."""

    name = "journey"
    permission = "catalog.change_product"
    form_class = JourneyForm
    template_name = "admin/catalog/form.html"
    title = "Customer journey"
    question = "Applies from now on; subscriptions that exist stay as they are."
    object: Product

    def initial(self) -> dict[str, Any]:
        """The journey as it is."""
        journey = {name: getattr(self.object, name) for name in JourneyForm.base_fields}
        return {**journey, "prorate_at_period_end": _typed(self.object.prorate_at_period_end)}

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save it."""
        products.update(product_id=self.object.pk, **form.cleaned_data, actor=actor, now=now)
        return f"The customer journey of {self.object.name} is saved."


def _typed(prorates: bool | None) -> str:
    return "" if prorates is None else str(prorates)


class ProductPage(ObjectPage):
    """A product with its plans and add-ons, and the customer journey."""

    name = "change"
    label = "Overview"
    template_name = "admin/catalog/product/overview.html"
    object: Product

    def content(self) -> dict[str, Any]:
        """Plans and add-ons with the prices of the chosen period."""
        period = (
            BillingPeriod.ANNUALLY
            if self.request.GET.get("period") == "yearly"
            else BillingPeriod.MONTHLY
        )
        packages = list(
            Package.objects.active()
            .filter(product=self.object)
            .select_related("live", "draft")
            .order_by("created_at", "pk")
        )
        rows = package_rows(packages, period)
        product = self.object
        return {
            "is_yearly": period == BillingPeriod.ANNUALLY,
            "plans": [row for row in rows if row.kind == PackageKind.PLAN],
            "addons": [row for row in rows if row.kind == PackageKind.ADDON],
            "add_plan_url": self._add_url("plan"),
            "add_addon_url": self._add_url("addon"),
            "journey_url": (
                self.model_admin.url_of("journey", product.pk)
                if self.user.has_perm("catalog.change_product") and product.archived_at is None
                else ""
            ),
            "facts": [
                ("Description", product.description),
                ("Subscriptions", _subscriptions(product)),
                *product.metadata.items(),
            ],
            "journey": [
                (
                    "A new customer",
                    _with_plan(product.get_start_setup_display(), product.start_plan),
                ),
                ("Credits at a plan change", product.get_usage_reset_display()),
                ("A downgrade takes effect", product.get_downgrade_time_display()),
                ("A cancellation takes effect", product.get_cancellation_time_display()),
                (
                    "Changes that wait for the end of a period are charged",
                    dict(PRORATION)[_typed(product.prorate_at_period_end)],
                ),
                (
                    "When a subscription ends",
                    _with_plan(product.get_end_setup_display(), product.downgrade_plan),
                ),
            ],
        }

    def _add_url(self, kind: str) -> str:
        if not self.user.has_perm(f"catalog.add_{kind}") or self.object.archived_at is not None:
            return ""
        from catalog.models import Addon, Plan

        model = Plan if kind == "plan" else Addon
        return f"{model_url(model, 'add')}?product={self.object.pk}"


@admin.register(Product)
class ProductAdmin(WorkspaceAdmin):
    """Product Catalog → Products."""

    pages = [ProductPage, AddProduct, EditProduct, EditJourney, TransferPage, ImportPage]
    list_display = ["name", "id_column", "subscriptions", "status", updated]
    list_filter = [ActiveFilter]
    search_fields = ["name", "public_id", "description"]
    search_help_text = "Search by name or ID"
    add_label = "Add product"
    empty_title = "No products yet"
    empty_text = "Begin with a product; its plans and add-ons follow."

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing of the catalog is deleted; it is archived."""
        return False

    def badges(self, obj: Product) -> list[Badge]:
        """Archived or active."""
        return [_badge(obj)]

    @display(description="ID", ordering="public_id")
    def id_column(self, obj: Product) -> SafeString:
        """The ID."""
        return code(obj.public_id)

    @display(description="Subscriptions")
    def subscriptions(self, obj: Product) -> str:
        """Single or multiple."""
        return "Multiple" if obj.multiple_subscriptions else "Single"

    @display(description="Status", label={"Active": "success", "Archived": "default"})
    def status(self, obj: Product) -> str:
        """Active or archived."""
        return _badge(obj).label

    @button(
        "Duplicate",
        permission="catalog.add_product",
        form=DuplicateForm,
        initial=lambda product: {
            "name": f"Copy of {product.name}"[:255],
            "public_id": suggest_public_id(f"Copy of {product.name}"),
        },
        icon="content_copy",
        is_available=lambda product: product.archived_at is None,
        template_name="admin/catalog/form.html",
        description="Its plans and add-ons are copied with their entitlements, prices and credit "
        "consumption. The copies are drafts, to be reviewed and published. Steps of the customer "
        "journey that lead to a plan are not copied.",
    )
    def duplicate(self, product: Product, form: DuplicateForm, actor: Actor, now: datetime) -> str:
        """Copy it with its plans and add-ons (R8)."""
        copy = duplication.duplicate(
            product_id=product.pk, **form.cleaned_data, actor=actor, now=now
        )
        return f"{copy.name} is created; its plans and add-ons are drafts."

    @button(
        "Archive",
        permission="catalog.archive_product",
        icon="archive",
        is_dangerous=True,
        is_available=lambda product: product.archived_at is None,
        description="Its plans and add-ons are archived with it. Subscriptions that run go on; "
        "new ones are not possible.",
    )
    def archive(self, product: Product, actor: Actor, now: datetime) -> str:
        """Retire it with its plans and add-ons (R4)."""
        archiving.archive_product(product_id=product.pk, actor=actor, now=now)
        return f"{product.name} is archived with its plans and add-ons."

    @button(
        "Unarchive",
        permission="catalog.archive_product",
        icon="unarchive",
        is_available=lambda product: product.archived_at is not None,
        description="Plans and add-ons that were archived along with it come back too.",
    )
    def unarchive(self, product: Product, actor: Actor, now: datetime) -> str:
        """Bring it back (R4)."""
        archiving.unarchive_product(product_id=product.pk, actor=actor, now=now)
        return f"{product.name} is active again."


def _badge(product: Product) -> Badge:
    if product.archived_at is not None:
        return Badge("Archived")
    return Badge("Active", "success")


def _subscriptions(product: Product) -> str:
    if product.multiple_subscriptions:
        return "Several per customer, one per resource"
    return "One active subscription per customer"


def _with_plan(step: str, plan: Package | None) -> str:
    return f"{step}: {plan.name}" if plan else step
