"""The dialogs that begin a plan or add-on, and edit what its draft says about itself (R5, R6)."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from catalog import packages
from catalog.admin.dialogs import DraftDialog, DraftForm, set_choices
from catalog.admin.entitlements import HARD, SOFT
from catalog.admin.fields import (
    AmountInput,
    Line,
    Metadata,
    Paragraph,
    an_id_field,
    as_choices,
    only_when,
)
from catalog.admin.rows import url_of
from catalog.models import (
    HiddenFrom,
    OverageBilling,
    Package,
    PackageKind,
    PricingType,
    Product,
    TrialEnd,
    TrialUnit,
)
from catalog.packages import Details
from workspace.actors import Actor
from workspace.admin.base import DialogForm, DialogPage

SINGLE, MULTIPLE = "single", "multiple"


class InstancesForm(forms.Form):
    """How often an add-on can be bought (R6); mixed into forms that ask more."""

    instances = forms.ChoiceField(
        label="Quantity",
        choices=[(SINGLE, "Single instance"), (MULTIPLE, "Multiple instances")],
        initial=SINGLE,
    )
    max_quantity = forms.IntegerField(
        label="At most",
        required=False,
        min_value=2,
        max_value=1_000_000_000,
        help_text="Empty: any number.",
    )
    only_when(max_quantity, "instances", MULTIPLE)

    def clean(self) -> dict[str, Any]:
        """Turn the choice of instances into a largest quantity."""
        given = super().clean() or {}
        if given.pop("instances", "") == SINGLE:
            given["max_quantity"] = 1
        return given


class DetailsForm(InstancesForm, DraftForm):
    """What a package is called and how it is priced."""

    name = Line(max_length=255)
    description = Paragraph(max_length=255, required=False)
    pricing_type = forms.ChoiceField(
        label="Pricing", choices=as_choices(PricingType.choices), required=False
    )
    base_plan = forms.ModelChoiceField(
        Package.objects.none(),
        required=False,
        empty_label="None",
        help_text="Everything that plan includes is included here too.",
    )
    hidden_from = forms.MultipleChoiceField(
        choices=HiddenFrom.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Where customers do not see it.",
    )
    overage_billing_period = forms.ChoiceField(
        label="Overage is billed",
        choices=as_choices(OverageBilling.choices, empty="Not set"),
        required=False,
        help_text="When use beyond what is included is billed.",
    )
    billing_id = Line(
        label="Billing ID",
        max_length=255,
        required=False,
        help_text="What your billing system calls it.",
    )
    metadata = Metadata()
    field_order = [
        "revision",
        "name",
        "description",
        "pricing_type",
        "base_plan",
        "instances",
        "max_quantity",
    ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        package: Package = self.subject
        if package.kind == PackageKind.PLAN:
            for name in ("instances", "max_quantity"):
                del self.fields[name]
            set_choices(self, "base_plan", base_plans(package.product).exclude(pk=package.pk))
        else:
            del self.fields["base_plan"]


class EditDetails(DraftDialog):
    """Change the details of a draft."""

    name = "details"
    title = "Details"
    section = "details"
    form_class = DetailsForm

    def initial(self) -> dict[str, Any]:
        """The details of the draft."""
        draft = self.draft
        return {
            **super().initial(),
            "name": draft.name,
            "description": draft.description,
            "pricing_type": draft.pricing_type,
            "base_plan": draft.base_plan_id,
            "instances": SINGLE if draft.max_quantity == 1 else MULTIPLE,
            "max_quantity": None if draft.max_quantity == 1 else draft.max_quantity,
            "hidden_from": draft.hidden_from,
            "overage_billing_period": draft.overage_billing_period,
            "billing_id": draft.billing_id,
            "metadata": draft.metadata,
        }

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save them."""
        packages.edit(package_id=self.object.pk, **form.cleaned_data, actor=actor, now=now)
        return "The details are saved."


class TrialForm(DraftForm):
    """How long customers may try a plan, and what follows (R5)."""

    trial_length = forms.IntegerField(
        label="Length",
        required=False,
        min_value=1,
        max_value=3650,
        help_text="Empty: no trial.",
    )
    trial_unit = forms.ChoiceField(
        label="Counted in", choices=TrialUnit.choices, initial=TrialUnit.DAY
    )
    trial_end = forms.ChoiceField(
        label="When it ends", choices=TrialEnd.choices, initial=TrialEnd.CONVERT_TO_PAID
    )
    budget = AmountInput(
        is_price=True,
        required=False,
        help_text="The most that may be spent in the trial; kept for whoever bills.",
    )
    budget_limit = forms.ChoiceField(
        label="When the budget is spent",
        choices=[(HARD, "Hard: no more"), (SOFT, "Soft: may go on")],
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        """Without a length there is no trial."""
        given = super().clean() or {}
        budget, is_soft = given.pop("budget", None), given.pop("budget_limit", HARD) == SOFT
        given["trial_budget"] = (
            None if budget is None else {"limit": budget, "has_soft_limit": is_soft}
        )
        if given.get("trial_length") is None:
            given |= {"trial_length": None, "trial_unit": "", "trial_end": ""}
            given["trial_budget"] = None
        return given


class EditTrial(DraftDialog):
    """Change the trial of a plan's draft."""

    name = "trial"
    title = "Trial"
    section = "trial"
    form_class = TrialForm

    def initial(self) -> dict[str, Any]:
        """The trial of the draft."""
        draft = self.draft
        budget = draft.trial_budget or {}
        return {
            **super().initial(),
            "budget": budget.get("limit"),
            "budget_limit": SOFT if budget.get("has_soft_limit") else HARD,
            "trial_length": draft.trial_length,
            "trial_unit": draft.trial_unit or TrialUnit.DAY,
            "trial_end": draft.trial_end or TrialEnd.CONVERT_TO_PAID,
        }

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save it."""
        packages.edit(package_id=self.object.pk, **form.cleaned_data, actor=actor, now=now)
        return "The trial is saved."


class AddonsForm(DraftForm):
    """Add-ons of the same product."""

    addons = forms.ModelMultipleChoiceField(
        Package.objects.none(),
        label="Add-ons",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        package: Package = self.subject
        addons = (
            Package.objects.addons()
            .active()
            .filter(product_id=package.product_id)
            .exclude(pk=package.pk)
            .select_related("live", "draft")
        )
        set_choices(self, "addons", addons)
        if not addons:
            self.fields["addons"].help_text = "This product has no other add-ons yet."


class ChooseAddons(DraftDialog):
    """Choose the add-ons that a draft names in the list `choice`."""

    form_class = AddonsForm
    choice: str

    def initial(self) -> dict[str, Any]:
        """Those of the draft."""
        return {**super().initial(), "addons": list(getattr(self.draft, self.choice).all())}

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save them."""
        chosen: Details = {self.choice: list(form.cleaned_data["addons"])}  # type: ignore[misc]
        packages.edit(
            package_id=self.object.pk,
            revision=form.cleaned_data["revision"],
            **chosen,
            actor=actor,
            now=now,
        )
        return f"The {self.title.lower()} are saved."


class EditAddons(ChooseAddons):
    """Choose the add-ons that go with a plan (R5)."""

    name = "addons"
    title = "Compatible add-ons"
    section = "addons"
    question = "Customers of this plan can buy these add-ons."
    choice = "compatible_addons"


class EditDependencies(ChooseAddons):
    """Choose the add-ons that an add-on needs (R6)."""

    name = "dependencies"
    title = "Dependencies"
    section = "dependencies"
    question = "Customers can only buy this add-on together with all of these."
    choice = "dependencies"


class NewPackageForm(DialogForm):
    """A plan or add-on, with the product and the ID it will keep (R1)."""

    product = forms.ModelChoiceField(Product.objects.active(), empty_label=None)
    name = Line(max_length=255)
    public_id = an_id_field("plan")
    description = Paragraph(max_length=255, required=False)
    pricing_type = forms.ChoiceField(
        label="Pricing", choices=PricingType.choices, initial=PricingType.PAID
    )


class NewAddonForm(InstancesForm, NewPackageForm):
    """An add-on also says how often it can be bought (R6)."""

    public_id = an_id_field("add-on")


class AddPackage(DialogPage):
    """Begin a plan or add-on as a draft (R8)."""

    name = "add"
    is_about_one = False
    template_name = "admin/catalog/form.html"
    question = "It begins as a draft; nobody can buy it before you publish it."
    created: Package | None = None
    kind: PackageKind

    def has_permission(self) -> bool:
        """Whoever may add plans, or add-ons."""
        return super().has_permission() and self.model_admin.has_add_permission(self.request)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask, once there is a product."""
        if not Product.objects.active().exists():
            messages.info(request, f"Create a product first; every {self.noun} belongs to one.")
            return HttpResponseRedirect(self.model_admin.list_url())
        return super().get(request, *args, **kwargs)

    @property
    def noun(self) -> str:
        """What is created."""
        return self.kind.label.lower()

    @property
    def title(self) -> str:
        """The heading."""
        return f"New {self.noun}"

    @property
    def confirm_label(self) -> str:  # type: ignore[override]
        """The button."""
        return f"Create {self.noun}"

    def initial(self) -> dict[str, Any]:
        """The product one came from."""
        wanted = self.request.GET.get("product", "")
        return {"product": int(wanted)} if wanted.isascii() and wanted.isdigit() else {}

    def back_url(self) -> str:
        """After creating it: its page."""
        return url_of(self.created) if self.created else super().back_url()

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Create it."""
        details = dict(form.cleaned_data)
        product = details.pop("product")
        self.created = packages.create(
            kind=self.kind, product_id=product.pk, **details, actor=actor, now=now
        )
        return f"{self.created.name} is created as a draft."


class AddPlan(AddPackage):
    """Begin a plan."""

    kind = PackageKind.PLAN
    form_class = NewPackageForm


class AddAddon(AddPackage):
    """Begin an add-on."""

    kind = PackageKind.ADDON
    form_class = NewAddonForm


def base_plans(product: Product) -> models.QuerySet[Package]:
    """The plans that another plan of the product can inherit from."""
    return Package.objects.plans().active().filter(product=product).select_related("live", "draft")
