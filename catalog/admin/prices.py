"""The dialogs for prices and for what use costs in credits (R33, R34)."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse

from catalog import formulas, prices, wording
from catalog.admin.dialogs import DraftDialog, DraftForm, PartDialog, set_choices
from catalog.admin.fields import (
    AmountInput,
    as_choices,
    counted_from,
    counted_from_of,
    only_when,
    take_counted_from,
)
from catalog.amounts import rounded
from catalog.features import COUNTED
from catalog.formulas import InvalidFormula
from catalog.models import (
    BillingCadence,
    BillingModel,
    BillingPeriod,
    Charge,
    ConsumptionMapping,
    CreditType,
    Currency,
    Feature,
    FeatureType,
    GrantCadence,
    ResetPeriod,
)
from catalog.prices import NewCharge
from workspace.actors import Actor
from workspace.errors import DomainError
from workspace.json import plain
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


class PriceForm(DraftForm):
    """A price beside the base prices: per unit, in tiers, in another currency, for overage."""

    billing_model = forms.ChoiceField(label="What is charged", choices=BillingModel.choices)
    feature = forms.ModelChoiceField(
        Feature.objects.active().filter(type=FeatureType.NUMBER),
        required=False,
        empty_label="Choose one",
    )
    credit_type = forms.ModelChoiceField(
        CreditType.objects.active(),
        required=False,
        label="Credits bought",
        empty_label="Choose one",
    )
    is_overage = forms.BooleanField(
        label="Overage", required=False, help_text="Only for use beyond what is included."
    )
    billing_period = forms.ChoiceField(choices=BillingPeriod.choices)
    billing_cadence = forms.ChoiceField(label="How often", choices=BillingCadence.choices)
    currency = forms.ChoiceField(choices=Currency.choices)
    amount = AmountInput(is_price=True, required=False, help_text="Empty for a price in tiers.")
    tiers_mode = forms.ChoiceField(
        label="Tiers",
        choices=[
            ("", "None"),
            ("VOLUME", "Volume: all units at the price of the tier reached"),
            ("GRADUATED", "Graduated: each unit at the price of its tier"),
        ],
        required=False,
    )
    tiers = forms.CharField(
        label="Steps",
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"placeholder": "100: 5\n1000: 4 + 20\nbeyond: 3"}),
        help_text="One per line: up to how many, and the price of each. “+ 20” is 20 in all on "
        "top, and “100: + 20” nothing but that. The last one may be “beyond”.",
    )
    minimum_quantity = AmountInput(is_price=True, required=False, label="At least")
    maximum_quantity = AmountInput(is_price=True, required=False, label="At most")
    block_size = AmountInput(
        is_price=True, required=False, help_text="Units are sold in blocks of so many."
    )
    reset_period = forms.ChoiceField(
        label="Use starts afresh",
        choices=as_choices(ResetPeriod.choices, empty="With the billing period"),
        required=False,
    )
    counted_from_month = counted_from(ResetPeriod.MONTH)
    counted_from_week = counted_from(ResetPeriod.WEEK)
    credit_grant_cadence = forms.ChoiceField(
        label="Credits are granted",
        choices=as_choices(GrantCadence.choices, empty="As whoever bills does it"),
        required=False,
        help_text="For whoever bills: Stipend grants what entitlements say.",
    )
    billing_country_code = forms.CharField(
        label="Only in",
        required=False,
        validators=[RegexValidator(r"^[A-Z]{2}$", "Enter two letters, such as DE.")],
        help_text="A country's two letters. Empty: everywhere.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        only_when(self.fields["feature"], "billing_model", *OF_FEATURES)
        for name in ("credit_type", "credit_grant_cadence"):
            only_when(self.fields[name], "billing_model", BillingModel.CREDIT_BASED)
        for name in ("tiers_mode", "minimum_quantity", "maximum_quantity", "block_size"):
            only_when(self.fields[name], "billing_model", *IN_UNITS)
        only_when(self.fields["is_overage"], "billing_model", *OF_FEATURES)
        only_when(self.fields["reset_period"], "billing_model", *OF_FEATURES)
        only_when(self.fields["tiers"], "tiers_mode", "VOLUME", "GRADUATED")

    def clean(self) -> dict[str, Any]:
        """Keep what the chosen kind of price uses."""
        given = super().clean() or {}
        model = given.get("billing_model")
        if model in OF_FEATURES and not given.get("feature") and "feature" not in self.errors:
            self.add_error("feature", "Choose what is counted.")
        if model not in OF_FEATURES:
            given |= {"feature": None, "is_overage": False, "reset_period": ""}
        if model != BillingModel.CREDIT_BASED:
            given |= {"credit_type": None, "credit_grant_cadence": ""}
        take_counted_from(given)
        if model not in IN_UNITS:
            given |= dict.fromkeys(("minimum_quantity", "maximum_quantity", "block_size"))
            given["tiers_mode"] = ""
        text = given.pop("tiers", "")
        given["tiers"] = []
        if given.get("tiers_mode"):
            given["amount"] = None
            try:
                given["tiers"] = _tiers_of(text, given.get("currency", ""))
            except forms.ValidationError as error:
                self.add_error("tiers", error)
        return given


OF_FEATURES = (BillingModel.PER_UNIT, BillingModel.USAGE_BASED)
IN_UNITS = (*OF_FEATURES, BillingModel.CREDIT_BASED)
STEP = re.compile(r"(?P<end>[^:]+):\s*(?P<each>[^+]*)(?:\+(?P<flat>.+))?")


def _tiers_of(text: str, currency: str) -> list[dict[str, Any]]:
    """The tiers that lines describe, as they are stored."""
    money_input, end_input = AmountInput(is_price=True), AmountInput()

    def money(typed: str | None) -> dict[str, Any] | None:
        typed = (typed or "").strip()
        return {"amount": money_input.clean(typed), "currency": currency} if typed else None

    found = []
    for line in filter(str.strip, text.splitlines()):
        step = STEP.fullmatch(line.strip())
        if step is None:
            raise forms.ValidationError(f"“{line.strip()}” is not a number, a colon and a price.")
        end = step["end"].strip()
        up_to = None if end.lower() == "beyond" else end_input.clean(end)
        found.append(
            {"up_to": up_to, "unit_price": money(step["each"]), "flat_price": money(step["flat"])}
        )
    if not found:
        raise forms.ValidationError("Enter at least one step.")
    return found


def _lines_of(tiers: list[dict[str, Any]]) -> str:
    """The lines that `_tiers_of` reads, of stored tiers."""
    lines = []
    for tier in tiers:
        each, flat = (
            plain(Decimal(money["amount"])) if money else ""
            for money in (tier["unit_price"], tier["flat_price"])
        )
        end = "beyond" if tier["up_to"] is None else plain(Decimal(tier["up_to"]))
        lines.append(f"{end}: {each}{f' + {flat}' if flat else ''}")
    return "\n".join(lines)


class AddPrice(DraftDialog):
    """Add a price beside the base prices."""

    name = "add_price"
    title = "Add price"
    section = "price"
    form_class = PriceForm
    confirm_label = "Add"
    question = "Customers who have it keep the prices they have."

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Add it."""
        given = form.cleaned_data
        revision = given.pop("revision")
        charge = prices.put_price(
            package_id=self.object.pk,
            wanted=NewCharge(**given),
            revision=revision,
            actor=actor,
            now=now,
        )
        return f"{wording.price_label(charge)} is added."


class OfPrice(PartDialog):
    """A dialog about one price of the draft."""

    section = "price"

    @property
    def part(self) -> Charge | None:
        """The price, if the draft still has it."""
        try:
            return prices.own_price(self.draft, self.kwargs["key"])
        except prices.UnknownPrice:
            return None


class EditPrice(OfPrice):
    """Change a price."""

    name = "change_price"
    title = "Edit price"
    form_class = PriceForm
    confirm_label = "Save"
    question = AddPrice.question

    def initial(self) -> dict[str, Any]:
        """What it says now."""
        charge = self.part
        if charge is None:
            return super().initial()
        names = [name for name in PriceForm.base_fields if name != "tiers"]
        said = {name: getattr(charge, name) for name in names if hasattr(charge, name)}
        currencies = [
            money["currency"]
            for tier in charge.tiers
            for money in (tier["unit_price"], tier["flat_price"])
            if money
        ]
        return {
            **super().initial(),
            **said,
            **counted_from_of(charge),
            "currency": currencies[0] if currencies else charge.currency,
            "tiers_mode": charge.tiers_mode or ("VOLUME" if charge.tiers else ""),
            "tiers": _lines_of(charge.tiers),
        }

    def get_form(self) -> forms.Form:
        """With the currency, feature and credit type it has, offered or not."""
        form = super().get_form()
        charge = self.part
        if charge is not None:
            currency = self.initial()["currency"]
            choices = form.fields["currency"]
            assert isinstance(choices, forms.ChoiceField)
            if currency not in Currency.values:
                choices.choices = [*Currency.choices, (currency, currency)]
            if charge.feature is not None:
                set_choices(form, "feature", Feature.objects.filter(pk=charge.feature.pk))
            if charge.credit_type is not None:
                types = CreditType.objects.filter(pk=charge.credit_type.pk)
                set_choices(form, "credit_type", types)
        return form

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Save it."""
        old = prices.own_price(self.draft, self.kwargs["key"])
        given = form.cleaned_data
        revision = given.pop("revision")
        charge = prices.put_price(
            package_id=self.object.pk,
            wanted=NewCharge(**given),
            replaces=old.pk,
            revision=revision,
            actor=actor,
            now=now,
        )
        return f"{wording.price_label(charge)} is saved."


class RemovePrice(OfPrice):
    """Take a price away."""

    name = "remove_price"
    title = "Remove price"
    form_class = DraftForm
    is_dangerous = True
    confirm_label = "Remove"

    @property
    def question(self) -> str:  # type: ignore[override]
        """What is removed."""
        charge = self.part
        return f"{wording.price_label(charge)} is charged no more." if charge else ""

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Remove it."""
        prices.remove_price(
            package_id=self.object.pk,
            charge_id=self.kwargs["key"],
            revision=form.cleaned_data["revision"],
            actor=actor,
            now=now,
        )
        return "The price is removed."


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


class OfMapping(PartDialog):
    """A dialog about one mapping of the draft."""

    section = "consumption"

    @property
    def part(self) -> ConsumptionMapping | None:
        """The mapping, if the draft still has it."""
        found: ConsumptionMapping | None = (
            self.draft.mappings.select_related("feature", "credit_type")
            .filter(pk=self.kwargs["key"])
            .first()
        )
        return found


class EditMapping(OfMapping, MappingDialog):
    """Change a mapping."""

    name = "change_consumption"
    title = "Edit credit consumption"
    confirm_label = "Save"

    def get_form(self) -> forms.Form:
        """Feature and credit type stay: they say which mapping it is."""
        form = super().get_form()
        mapping = self.part
        if mapping is not None:
            set_choices(form, "feature", Feature.objects.filter(pk=mapping.feature_id))
            set_choices(form, "credit_type", CreditType.objects.filter(pk=mapping.credit_type_id))
        return form

    def initial(self) -> dict[str, Any]:
        """What it says now."""
        mapping = self.part
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
        mapping = self.part
        return f"{mapping} will cost nothing." if mapping else ""

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Remove it."""
        mapping = self.part
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
