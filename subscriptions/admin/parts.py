"""The inputs for add-ons and values, which the forms for new and changed subscriptions share."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms

from catalog import inheritance, wording
from catalog.admin.fields import AmountInput
from catalog.models import Cadence, Package, PackageVersion, PricingType
from catalog.prices import base_prices
from subscriptions.choices import (
    LARGEST_LIMIT,
    LARGEST_QUANTITY,
    CreditValue,
    FeatureValue,
    Value,
)
from workspace.admin.base import DialogForm
from workspace.admin.pages import dress


class PartsForm(DialogForm):
    """A form that grows an input for every add-on and value that a plan leaves room for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.addon_fields: dict[str, str] = {}
        self.unit_fields: dict[str, str] = {}
        self.credit_fields: dict[str, str] = {}

    def raw(self, name: str) -> Any:
        """What stands in a field now, checked or not."""
        return self.data.get(name) if self.is_bound else self.get_initial_for_field_name(name)

    def get_initial_for_field_name(self, name: str) -> Any:
        """What the form, or else the field, begins with."""
        field = self.fields.get(name)
        return self.initial.get(name, field.initial if field is not None else None)

    def grow(self, name: str, field: forms.Field) -> None:
        """Add an input, dressed like the others.

        What stood in it before another choice, and is not offered any more, is forgotten.
        """
        if isinstance(field, forms.ChoiceField) and not field.valid_value(self.initial.get(name)):
            self.initial.pop(name, None)
        self.fields[name] = field
        dress(field.widget)

    def grow_addons(
        self, plan_version: PackageVersion, billing_period: str, quantities: Mapping[str, int]
    ) -> None:
        """Ask how many of each compatible add-on; `quantities` are those there are."""
        if plan_version.pricing_type not in (PricingType.PAID, PricingType.CUSTOM):
            return
        compatible = plan_version.compatible_addons.select_related("live").order_by("pk")
        for addon in compatible.prefetch_related("live__charges"):
            held = quantities.get(addon.public_id, 0)
            if addon.live is None or (addon.archived_at is not None and not held):
                continue
            name = f"addon_{addon.pk}"
            largest = addon.live.max_quantity or LARGEST_QUANTITY
            self.addon_fields[name] = addon.public_id
            terms = _terms(addon, billing_period)
            if largest == 1:
                once = forms.BooleanField(
                    label=addon.name, initial=bool(held), required=False, help_text=terms
                )
                self.grow(name, once)
                continue
            field = forms.IntegerField(
                label=addon.name,
                min_value=0,
                max_value=largest,
                initial=held,
                required=False,
                help_text=terms,
            )
            self.grow(name, field)

    def grow_values(
        self, plan_version: PackageVersion, known: Mapping[tuple[str, str], Value]
    ) -> None:
        """Ask for custom credits, and for the units of features that credits are linked to."""
        credit_entitlements = inheritance.effective_credit_entitlements(plan_version)
        linked = {entitlement.linked_feature_id for entitlement in credit_entitlements}
        for entitlement in inheritance.effective_feature_entitlements(plan_version):
            feature = entitlement.feature
            if feature.pk not in linked and not (
                entitlement.is_custom and feature.type == "NUMBER"
            ):
                continue
            name = f"units_{feature.pk}"
            self.unit_fields[name] = feature.public_id
            value = known.get(("feature", feature.public_id))
            included = wording.feature_value(entitlement)
            field = forms.IntegerField(
                label=feature.name,
                min_value=0,
                max_value=LARGEST_LIMIT,
                initial=value.usage_limit if isinstance(value, FeatureValue) else None,
                required=False,
                help_text=f"Empty: as included in the plan ({included}).",
            )
            self.grow(name, field)
        for credit in credit_entitlements:
            if not credit.is_custom:
                continue
            credit_type = credit.credit_type
            name = f"credit_{credit_type.pk}"
            self.credit_fields[name] = credit_type.public_id
            custom = known.get(("credit", credit_type.public_id))
            given = custom if isinstance(custom, CreditValue) else credit
            self.grow(
                name,
                AmountInput(
                    label=credit_type.name,
                    initial=given.amount,
                    required=False,
                    help_text="Agreed with this customer. Empty: nothing is granted.",
                ),
            )
            self.grow(
                f"{name}_cadence",
                forms.ChoiceField(
                    label=f"{credit_type.name}: every",
                    choices=Cadence.choices,
                    initial=given.cadence,
                ),
            )

    def addons(self) -> list[tuple[str, int]]:
        """The whole list of add-ons that is wanted."""
        return [
            (addon_id, int(self.cleaned_data[name]))
            for name, addon_id in self.addon_fields.items()
            if self.cleaned_data.get(name)
        ]

    def values(self) -> list[Value]:
        """The whole list of values that is wanted."""
        units: list[Value] = [
            FeatureValue(feature_id=feature_id, usage_limit=self.cleaned_data[name])
            for name, feature_id in self.unit_fields.items()
            if self.cleaned_data.get(name) is not None
        ]
        custom: list[Value] = [
            CreditValue(
                credit_type_id=credit_type_id,
                amount=Decimal(self.cleaned_data[name]),
                cadence=self.cleaned_data[f"{name}_cadence"],
            )
            for name, credit_type_id in self.credit_fields.items()
            if self.cleaned_data.get(name) is not None
        ]
        return units + custom

    @property
    def addon_inputs(self) -> list[forms.BoundField]:
        """The inputs for add-ons."""
        return [self[name] for name in self.addon_fields]

    @property
    def value_inputs(self) -> list[forms.BoundField]:
        """The inputs for units and custom credits."""
        custom = [name for field in self.credit_fields for name in (field, f"{field}_cadence")]
        return [self[name] for name in (*self.unit_fields, *custom)]


def _terms(addon: Package, billing_period: str) -> str:
    """What one costs and how many can be had."""
    assert addon.live is not None, "only add-ons on sale are offered"
    prices = base_prices(list(addon.live.charges.all()))
    charge = prices.get(billing_period) or next(iter(prices.values()), None)
    largest = addon.live.max_quantity
    if charge is None:
        return "Without a price"
    if largest == 1:
        return wording.price(charge)
    terms = f"{wording.price(charge)} each"
    return terms if largest is None else f"{terms} · at most {largest:,}"
