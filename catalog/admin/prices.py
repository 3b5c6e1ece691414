"""The dialogs for prices and for what use costs in credits (R33, R34)."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from catalog import formulas, prices, wording
from catalog.admin.dialogs import DraftDialog, DraftForm, set_choices
from catalog.admin.fields import AmountInput, only_when
from catalog.amounts import rounded
from catalog.features import COUNTED
from catalog.formulas import InvalidFormula
from catalog.models import BillingPeriod, ConsumptionMapping, CreditType, Currency, Feature
from workspace.actors import Actor
from workspace.errors import DomainError
from workspace.templatetags.stipend import credits as number

RATE, FORMULA = "rate", "formula"
SAMPLE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*[=:]\s*([^,\s]+)\s*")


class PricesForm(DraftForm):
    """The base price per month and per year."""

    monthly = AmountInput(is_price=True, required=False, label="Monthly price")
    yearly = AmountInput(is_price=True, required=False, label="Yearly price")
    currency = forms.ChoiceField(choices=Currency.choices)


class EditPrices(DraftDialog):
    """Change the base prices of a draft."""

    name = "prices"
    title = "Price"
    section = "price"
    form_class = PricesForm

    @property
    def question(self) -> str:  # type: ignore[override]
        """For add-ons: that the price counts per unit."""
        per_unit = " per unit" if self.object.kind == "ADDON" else ""
        return (
            f"What it costs{per_unit}; leave a period empty that you do not offer, "
            "and enter 0 for free. Customers who have it keep their price."
        )

    def initial(self) -> dict[str, Any]:
        """The prices of the draft."""
        base = prices.base_prices(list(self.draft.charges.all()))
        monthly, yearly = base.get(BillingPeriod.MONTHLY), base.get(BillingPeriod.ANNUALLY)
        first = monthly or yearly
        return {
            **super().initial(),
            "monthly": monthly.amount if monthly else None,
            "yearly": yearly.amount if yearly else None,
            "currency": first.currency if first else Currency.USD,
        }

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save them."""
        prices.set_base_prices(package_id=self.object.pk, **form.cleaned_data, actor=actor, now=now)
        return "The prices are saved."


class MappingForm(DraftForm):
    """What the use of a feature costs in credits, by rate or formula, with a try-out."""

    feature = forms.ModelChoiceField(
        Feature.objects.active().filter(aggregation__in=COUNTED),
        empty_label=None,
        help_text="Features metered by events that are counted or summed.",
    )
    credit_type = forms.ModelChoiceField(CreditType.objects.active(), empty_label=None)
    mode = forms.ChoiceField(
        label="Calculation mode", choices=[(RATE, "Rate"), (FORMULA, "Advanced formula")]
    )
    rate = AmountInput(
        is_price=True,
        required=False,
        label="Credits per unit",
        help_text="1 unit of use costs this.",
    )
    formula = forms.CharField(
        required=False,
        max_length=formulas.LONGEST,
        widget=forms.Textarea(attrs={"placeholder": "2.5*input + 10*output"}),
        help_text="Numbers, dimensions of the event, and + - * / ( ). Worked out for each event.",
    )
    sample = forms.CharField(
        label="Try it with",
        required=False,
        max_length=1000,
        help_text="A number of units for a rate, or dimensions for a formula: "
        "input=100, output=20.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        only_when(self.fields["rate"], "mode", RATE)
        only_when(self.fields["formula"], "mode", FORMULA)

    def clean_formula(self) -> str:
        """Say where a formula cannot be read."""
        text: str = self.cleaned_data["formula"].strip()
        if text:
            try:
                formulas.parse(text)
            except InvalidFormula as error:
                raise forms.ValidationError(error.message) from error
        return text

    def clean(self) -> dict[str, Any]:
        """Keep what the chosen mode uses."""
        given = super().clean() or {}
        mode = given.pop("mode", RATE)
        self.sample = given.pop("sample", "")
        if mode == RATE:
            given["formula"] = ""
            self.errors.pop("formula", None)
            if given.get("rate") is None and "rate" not in self.errors:
                self.add_error("rate", "Enter what one unit costs, 0 or more.")
        else:
            given["rate"] = None
            self.errors.pop("rate", None)
            if not given.get("formula") and "formula" not in self.errors:
                self.add_error("formula", "Enter a formula.")
        return given


class MappingDialog(DraftDialog):
    """Save a mapping, or try it out without saving."""

    section = "consumption"
    template_name = "admin/catalog/package/consumption.html"
    form_class = MappingForm
    question = "What the use of a feature costs. It can cost several kinds of credits."

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Try it out if that button was pressed."""
        if "try" in request.POST and self.object.draft is not None:
            return self.ask(self.get_form())
        return super().post(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        form = context["form"]
        if "try" in self.request.POST and form.is_valid():
            context["tried"] = tried(form.cleaned_data, form.sample)
        return context

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save it."""
        mapping = prices.map_consumption(
            package_id=self.object.pk, **form.cleaned_data, actor=actor, now=now
        )
        return f"{mapping.feature.name} costs {wording.cost(mapping)}."


class AddMapping(MappingDialog):
    """Add a mapping."""

    name = "consumption"
    title = "Add credit consumption"
    confirm_label = "Add"


class OfMapping(DraftDialog):
    """A dialog about one mapping of the draft; `key` in its address is its primary key."""

    section = "consumption"

    @classmethod
    def route(cls) -> str:
        """Under the package: what is done, and to which mapping."""
        return f"<path:object_id>/{cls.name.replace('_', '-')}/<int:key>/"

    @property
    def mapping(self) -> ConsumptionMapping | None:
        """The mapping, if the draft still has it."""
        found: ConsumptionMapping | None = (
            self.draft.mappings.select_related("feature", "credit_type")
            .filter(pk=self.kwargs["key"])
            .first()
        )
        return found

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask, if it is there."""
        if self.object.draft is not None and self.mapping is None:
            return HttpResponseRedirect(self.own_back_url())
        return super().get(request, *args, **kwargs)


class EditMapping(OfMapping, MappingDialog):
    """Change a mapping."""

    name = "change_consumption"
    title = "Edit credit consumption"
    confirm_label = "Save"

    def get_form(self) -> forms.Form:
        """Feature and credit type stay: they say which mapping it is."""
        form = super().get_form()
        mapping = self.mapping
        if mapping is not None:
            set_choices(form, "feature", Feature.objects.filter(pk=mapping.feature_id))
            set_choices(form, "credit_type", CreditType.objects.filter(pk=mapping.credit_type_id))
        return form

    def initial(self) -> dict[str, Any]:
        """What it says now."""
        mapping = self.mapping
        if mapping is None:
            return super().initial()
        return {
            **super().initial(),
            "feature": mapping.feature_id,
            "credit_type": mapping.credit_type_id,
            "mode": FORMULA if mapping.formula else RATE,
            "rate": mapping.rate,
            "formula": mapping.formula,
        }


class RemoveMapping(OfMapping):
    """Remove a mapping."""

    name = "remove_consumption"
    title = "Remove credit consumption"
    form_class = DraftForm
    is_dangerous = True
    confirm_label = "Remove"

    @property
    def question(self) -> str:  # type: ignore[override]
        """What is removed."""
        mapping = self.mapping
        return f"{mapping} will cost nothing." if mapping else ""

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Remove it."""
        mapping = self.mapping
        if mapping is None:
            raise prices.UnknownMapping("It was removed before.")
        prices.unmap_consumption(
            package_id=self.object.pk,
            feature=mapping.feature,
            credit_type=mapping.credit_type,
            revision=form.cleaned_data["revision"],
            actor=actor,
            now=now,
        )
        return f"{mapping.feature.name} costs no {mapping.credit_type.name} any more."


def tried(terms: dict[str, Any], sample: str) -> dict[str, Any]:
    """What `sample` would cost: a sentence, and warnings (R34)."""
    credit_type: CreditType = terms["credit_type"]
    try:
        if terms["formula"]:
            cost = formulas.parse(terms["formula"]).evaluate(dict(SAMPLE.findall(sample)))
            amount, warnings = cost.amount, cost.warnings
        else:
            units = AmountInput(is_price=True).clean(sample or "1")
            amount, warnings = rounded(units * (terms["rate"] or Decimal(0))), ()
    except (DomainError, forms.ValidationError) as error:
        message = error.message if isinstance(error, DomainError) else error.messages[0]
        return {"sentence": "", "warnings": [message]}
    return {
        "sentence": f"Costs {number(amount)} {wording.units_of(credit_type, amount)}.",
        "warnings": warnings,
    }
