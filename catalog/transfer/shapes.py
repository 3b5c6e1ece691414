"""Which fields a catalog file has, how they are read, and how they are written.

One table for both directions. A value that is left out is its default, so that a file says
everything about what it names, and a field that says nothing new need not be written.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import yaml

from catalog.models import (
    Aggregation,
    Behaviour,
    BillingCadence,
    BillingModel,
    BillingPeriod,
    Cadence,
    Currency,
    FeatureType,
    GrantCadence,
    HiddenFrom,
    MeterType,
    OverageBilling,
    PricingType,
    ResetPeriod,
    TrialEnd,
    TrialUnit,
    UsageReset,
)
from catalog.models.products import CancellationTime, DowngradeTime, EndSetup, StartSetup
from catalog.transfer.kinds import (
    Amount,
    Amounts,
    Choice,
    CurrencyCode,
    Entry,
    Field,
    Flag,
    Id,
    ListOf,
    OneOf,
    SetOf,
    Shape,
    Text,
    Texts,
    Whole,
)
from catalog.transfer.reading import FileRefused, Node
from workspace.json import plain

FORMAT = "stipend_catalog"
LONGEST_LINE = 1000

ID = Field("id", Id())
METADATA = Field("metadata", Texts(), {})
HIDDEN_FROM = Field("hidden_from", SetOf(Choice(HiddenFrom.values)), [])
NAME = Field("name", Text())
DESCRIPTION = Field("description", Text(), "")

CREDIT_TYPE = Shape(
    (
        ID,
        NAME,
        DESCRIPTION,
        Field("symbol", Text(), ""),
        Field("unit", Text(), ""),
        Field("units", Text(), ""),
        METADATA,
    )
)
EXACT = Text(is_trimmed=False)
CONDITION = Shape(
    (
        Field("field", EXACT),
        Field("operation", Text()),
        Field("value", EXACT, ""),
        Field("values", ListOf(EXACT), []),
    )
)
FILTER = Shape((Field("all_of", ListOf(CONDITION)),))
METER = Shape(
    (
        Field("type", Choice([MeterType.INCREMENTAL, MeterType.FLUCTUATING])),
        Field("aggregation", Choice(Aggregation.values), ""),
        Field("dimension", Text(), ""),
        Field("filters", ListOf(FILTER), []),
    )
)
SHOWN_UNITS = Shape(
    (
        Field("divide", Whole()),
        Field("round", Choice(["UP", "DOWN"]), ""),
        Field("unit", Text(), ""),
        Field("units", Text(), ""),
    )
)
FEATURE = Shape(
    (
        ID,
        NAME,
        Field("type", Choice(FeatureType.values)),
        DESCRIPTION,
        Field("unit", Text(), ""),
        Field("units", Text(), ""),
        Field("values", ListOf(Shape((Field("value", EXACT), Field("name", EXACT, "")))), []),
        Field("meter", METER, None),
        Field("shown_units", SHOWN_UNITS, None),
        METADATA,
    )
)
PRODUCT = Shape(
    (
        ID,
        NAME,
        DESCRIPTION,
        Field("multiple_subscriptions", Flag(), default=False),
        Field("start", Choice(StartSetup.values), StartSetup.PLAN_SELECTION.value),
        Field("start_plan", Id(), None),
        Field("end", Choice(EndSetup.values), EndSetup.CANCEL_SUBSCRIPTION.value),
        Field("downgrade_plan", Id(), None),
        Field(
            "downgrade_takes_effect",
            Choice(DowngradeTime.values),
            DowngradeTime.END_OF_BILLING_PERIOD.value,
        ),
        Field(
            "cancellation",
            Choice(CancellationTime.values),
            CancellationTime.END_OF_BILLING_PERIOD.value,
        ),
        Field("prorate_at_period_end", Flag(), None),
        Field("usage_reset", Choice(UsageReset.values), UsageReset.ALWAYS_RESET.value),
        METADATA,
    )
)
COUPON = Shape(
    (
        ID,
        NAME,
        DESCRIPTION,
        Field("percent_off", Amount(), None),
        Field("amounts_off", Amounts(), {}),
        Field("duration_in_months", Whole(), None),
        METADATA,
    )
)
TERMS = (
    Field("granted", Flag(), default=True),
    Field("custom", Flag(), default=False),
    Field("soft_limit", Flag(), default=False),
    Field("behaviour", Choice(Behaviour.values), Behaviour.INCREMENT.value),
    Field("display_name", Text(), ""),
    DESCRIPTION,
    HIDDEN_FROM,
)
CREDITS = Shape(
    (
        Field("credits", Id()),
        Field("amount", Amount(), None),
        Field("cadence", Choice(Cadence.values), Cadence.MONTH.value, is_always_written=True),
        Field("per", Id(), None),
        *TERMS,
    )
)
INCLUDED_FEATURE = Shape(
    (
        Field("feature", Id()),
        Field("limit", Whole(), None),
        Field("unlimited", Flag(), default=False),
        Field("values", ListOf(EXACT), []),
        Field("reset_period", Choice(ResetPeriod.values), ""),
        Field("reset_according_to", Text(), ""),
        *TERMS,
    )
)
ENTITLEMENT = OneOf((CREDITS, INCLUDED_FEATURE))
CURRENCY = Field("currency", CurrencyCode(), Currency.USD.value, is_always_written=True)
MONEY = Shape((Field("amount", Amount()), CURRENCY))
TIER = Shape(
    (
        Field("up_to", Amount(), None),
        Field("unit_price", MONEY, None),
        Field("flat_price", MONEY, None),
    )
)
PRICE = Shape(
    (
        Field("model", Choice(BillingModel.values), BillingModel.FLAT_FEE.value),
        Field("period", Choice(BillingPeriod.values)),
        Field("amount", Amount(), None),
        CURRENCY,
        Field("cadence", Choice(BillingCadence.values), BillingCadence.RECURRING.value),
        Field("country", Text(), ""),
        Field("feature", Id(), None),
        Field("credits", Id(), None),
        Field("tiers_mode", Choice(["VOLUME", "GRADUATED"]), ""),
        Field("tiers", ListOf(TIER), []),
        Field("block_size", Amount(), None),
        Field("minimum_quantity", Amount(), None),
        Field("maximum_quantity", Amount(), None),
        Field("credit_grant_cadence", Choice(GrantCadence.values), ""),
        Field("reset_period", Choice(ResetPeriod.values), ""),
        Field("reset_according_to", Text(), ""),
        Field("overage", Flag(), default=False),
    )
)
CONSUMPTION = Shape(
    (
        Field("feature", Id()),
        Field("credits", Id()),
        Field("rate", Amount(), None),
        Field("formula", Text(), ""),
    )
)
INCLUDED = (
    HIDDEN_FROM,
    METADATA,
    Field("entitlements", ListOf(ENTITLEMENT), []),
    Field("prices", ListOf(PRICE), []),
    Field("consumption", ListOf(CONSUMPTION), []),
)
SALE = (
    ID,
    Field("product", Id()),
    NAME,
    DESCRIPTION,
    Field("billing_id", Text(), ""),
    Field("pricing", Choice(PricingType.values), ""),
    Field("overage_billing_period", Choice(OverageBilling.values), ""),
)
ADDON = Shape(
    (
        *SALE,
        Field("max_quantity", Whole(), None),
        Field("depends_on", SetOf(Id()), []),
        *INCLUDED,
    )
)
BUDGET = Shape((Field("limit", Amount()), Field("soft_limit", Flag(), default=False)))
TRIAL = Shape(
    (
        Field("length", Whole()),
        Field("unit", Choice(TrialUnit.values)),
        Field("end", Choice(TrialEnd.values)),
        Field("budget", BUDGET, None),
    )
)
PLAN = Shape(
    (
        *SALE,
        Field("base_plan", Id(), None),
        Field("trial", TRIAL, None),
        Field("compatible_addons", SetOf(Id()), []),
        *INCLUDED,
    )
)
SECTIONS: Mapping[str, Shape] = {
    "credit_types": CREDIT_TYPE,
    "features": FEATURE,
    "products": PRODUCT,
    "coupons": COUPON,
    "addons": ADDON,
    "plans": PLAN,
}
"""What a file holds, in the order in which it is written and taken in."""

Document = dict[str, dict[str, Entry]]
"""Section → id → entry."""

DOCUMENT = Shape(
    (
        Field(FORMAT, Choice(["1"])),
        *(Field(name, ListOf(shape), []) for name, shape in SECTIONS.items()),
    )
)


def document_of(node: Node) -> Document:
    """The catalog that a file describes.

    Raises:
        FileRefused: a field is unknown, missing or of the wrong kind, or an id is there twice.
    """
    given = DOCUMENT.read(node)
    document: Document = {}
    for section in SECTIONS:
        document[section] = {}
        for entry in given[section]:
            twin = document[section].setdefault(entry["id"], entry)
            if twin is not entry:
                raise FileRefused(
                    f"{entry['id']} is there twice, first in line {twin.line}.",
                    line=entry.line_of("id"),
                )
    return document


def text_of(document: Document) -> str:
    """A catalog as a file; equal catalogs give equal texts."""
    content: dict[str, Any] = {FORMAT: 1}
    for section, shape in SECTIONS.items():
        entries = document[section].values()
        if entries:
            content[section] = [
                shape.write(entry) for entry in sorted(entries, key=lambda entry: entry["id"])
            ]
    text: str = yaml.dump(
        content, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=LONGEST_LINE
    )
    return text


class Dumper(yaml.SafeDumper):
    """Writes decimals in digits, long texts in lines, and lists indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _written_number(dumper: yaml.SafeDumper, value: Decimal) -> Any:
    digits = plain(value)
    return dumper.represent_scalar(
        f"tag:yaml.org,2002:{'float' if '.' in digits else 'int'}", digits
    )


def _written_text(dumper: yaml.SafeDumper, value: str) -> Any:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Dumper.add_representer(Decimal, _written_number)
Dumper.add_representer(str, _written_text)
