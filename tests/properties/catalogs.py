"""Random catalogs, in the words of a catalog file; every one of them can be published."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from catalog.models import (
    Behaviour,
    BillingModel,
    BillingPeriod,
    Cadence,
    HiddenFrom,
    PricingType,
    TrialEnd,
    TrialUnit,
    UsageReset,
)
from catalog.models.products import CancellationTime, DowngradeTime
from catalog.transfer import shapes
from catalog.transfer.kinds import Entry
from catalog.transfer.shapes import Document
from workspace.text import shows

# Whatever shows: all scripts and signs, but no control characters and no halves of characters.
SIGNS = st.characters(
    exclude_categories=["Cc", "Cs", "Zl", "Zp"],
    exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
)
TRAPS = ["no", "null", "~", "1e5", "0x10", "2026-01-01", "- a", "a: b", "#", "'", "=cmd", "1_000"]
NAMES = st.one_of(
    st.sampled_from(TRAPS),
    st.text(SIGNS, min_size=1, max_size=20).filter(shows),
).map(str.strip)
TEXTS = st.one_of(st.just(""), NAMES)
METADATA = st.dictionaries(NAMES, TEXTS, max_size=3)
AMOUNTS = st.integers(1, 10**18 - 1).map(lambda micros: Decimal(micros).scaleb(-6))
PRICES = st.one_of(st.just(Decimal(0)), AMOUNTS)
HIDDEN = st.lists(st.sampled_from(HiddenFrom.values), unique=True).map(sorted)
FLAGS = st.booleans()
IDS = ["a", "No", "null", "b-2", "x.y@z"]


def some(ids: list[str]) -> st.SearchStrategy[list[str]]:
    """Some of these ids, in the order in which files name them."""
    return st.lists(st.sampled_from(ids), unique=True).map(sorted) if ids else st.just([])


@st.composite
def catalogs(draw: st.DrawFn) -> Document:
    """A catalog of one product; every id is the same in each section, which must not matter."""
    credit_types = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True))
    numbers = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=2, unique=True))
    switches = [f"on-{public_id}" for public_id in draw(some(IDS))]
    choices = [f"one-{public_id}" for public_id in draw(some(IDS[:2]))]
    addons = draw(some(IDS))
    plans = draw(st.lists(st.sampled_from(IDS), max_size=4, unique=True))
    document: Document = {
        "credit_types": {each: draw(a_credit_type(each)) for each in credit_types},
        "features": {
            **{each: draw(metered(each)) for each in numbers},
            **{each: draw(feature(each, "BOOLEAN")) for each in switches},
            **{each: draw(feature(each, "ENUM", CHOICES)) for each in choices},
        },
        "products": {"p": draw(product(plans))},
        "coupons": {each: draw(a_coupon(each)) for each in draw(some(IDS))},
        "addons": {},
        "plans": {},
    }
    for place, each in enumerate(addons):
        contents = included(credit_types, numbers, switches, choices, list(Behaviour))
        document["addons"][each] = draw(addon(each, addons[:place], contents))
    for place, each in enumerate(plans):
        contents = included(credit_types, numbers, switches, choices, [Behaviour.INCREMENT])
        document["plans"][each] = draw(plan(each, plans[:place], addons, contents))
    return document


CHOICES = [Entry({"value": "no", "name": "Nothing"}), Entry({"value": "2 ", "name": ""})]


def a_credit_type(public_id: str) -> st.SearchStrategy[Entry]:
    units = st.one_of(st.just(("", "")), st.tuples(NAMES, NAMES))
    return st.builds(
        lambda units, **fields: shapes.CREDIT_TYPE.filled(
            id=public_id, unit=units[0], units=units[1], **fields
        ),
        units,
        name=NAMES,
        description=TEXTS,
        symbol=TEXTS,
        metadata=METADATA,
    )


def feature(public_id: str, type: str, values: Any = ()) -> st.SearchStrategy[Entry]:
    return st.builds(
        lambda **fields: shapes.FEATURE.filled(
            id=public_id, type=type, values=list(values), **fields
        ),
        name=NAMES,
        description=TEXTS,
        metadata=METADATA,
    )


def metered(public_id: str) -> st.SearchStrategy[Entry]:
    """A number that events are counted or summed for, so that it can cost credits."""
    condition = st.builds(
        lambda field, value: shapes.CONDITION.filled(field=field, operation="EQUALS", value=value),
        NAMES,
        NAMES,
    )
    meter = st.builds(
        lambda aggregation, dimension, conditions: Entry(
            {
                "type": "INCREMENTAL",
                "aggregation": aggregation,
                "dimension": dimension,
                "filters": [Entry({"all_of": conditions})],
            }
        ),
        st.sampled_from(["COUNT", "SUM"]),
        NAMES,
        st.lists(condition, min_size=1, max_size=2),
    )
    return st.builds(
        lambda **fields: shapes.FEATURE.filled(id=public_id, type="NUMBER", **fields),
        name=NAMES,
        unit=TEXTS,
        units=TEXTS,
        meter=meter,
        metadata=METADATA,
    )


def product(plans: list[str]) -> st.SearchStrategy[Entry]:
    begins = st.sampled_from([None, *plans])
    return st.builds(
        lambda plan, **fields: shapes.PRODUCT.filled(
            id="p", start="FREE_PLAN" if plan else "PLAN_SELECTION", start_plan=plan, **fields
        ),
        begins,
        name=NAMES,
        description=TEXTS,
        multiple_subscriptions=FLAGS,
        downgrade_takes_effect=st.sampled_from(DowngradeTime.values),
        cancellation=st.sampled_from(CancellationTime.values),
        usage_reset=st.sampled_from(UsageReset.values),
        prorate_at_period_end=st.sampled_from([None, True, False]),
        metadata=METADATA,
    )


def a_coupon(public_id: str) -> st.SearchStrategy[Entry]:
    """A percentage to its last decimal, or amounts in some currencies."""
    percentages = st.integers(1, 100 * 10**6).map(
        lambda micros: {"percent_off": Decimal(micros).scaleb(-6)}
    )
    amounts = st.dictionaries(
        st.sampled_from(["USD", "EUR", "NOK", "JPY"]), AMOUNTS, min_size=1
    ).map(lambda amounts: {"amounts_off": amounts})
    return st.builds(
        lambda discount, **fields: shapes.COUPON.filled(id=public_id, **discount, **fields),
        st.one_of(percentages, amounts),
        name=NAMES,
        description=TEXTS,
        duration_in_months=st.one_of(st.none(), st.integers(1, 1200)),
        metadata=METADATA,
    )


def included(
    credit_types: list[str],
    numbers: list[str],
    switches: list[str],
    choices: list[str],
    behaviours: list[Behaviour],
) -> st.SearchStrategy[dict[str, Any]]:
    """Entitlements, prices and mappings."""
    shared: dict[str, Any] = {
        "granted": FLAGS,
        "soft_limit": FLAGS,
        "behaviour": st.sampled_from(behaviours),
        "display_name": TEXTS,
        "description": TEXTS,
        "hidden_from": HIDDEN,
    }
    per_credit_type = [
        st.builds(
            lambda each=each, **terms: shapes.CREDITS.filled(credits=each, **terms),
            amount=AMOUNTS,
            cadence=st.sampled_from(Cadence.values),
            **shared,
        )
        for each in credit_types
    ]
    limits = st.one_of(st.none(), st.integers(0, 2**53))
    per_number = [
        st.builds(
            lambda limit, each=each, **terms: shapes.INCLUDED_FEATURE.filled(
                feature=each, limit=limit, unlimited=limit is None, **terms
            ),
            limits,
            reset_period=st.sampled_from(["", "MONTH"]),
            **shared,
        )
        for each in numbers
    ]
    others = [
        st.builds(
            lambda each=each, values=values, **terms: shapes.INCLUDED_FEATURE.filled(
                feature=each, values=values, **terms
            ),
            **shared,
        )
        for each, values in [
            *((each, []) for each in switches),
            *((each, [CHOICES[1]["value"]]) for each in choices),
        ]
    ]
    entitlements = st.permutations([*per_credit_type, *per_number, *others]).flatmap(
        lambda strategies: st.integers(0, len(strategies)).flatmap(
            lambda most: st.tuples(*strategies[:most]).map(list)
        )
    )
    price = st.builds(
        shapes.PRICE.filled,
        model=st.sampled_from([BillingModel.FLAT_FEE.value, BillingModel.MINIMUM_SPEND.value]),
        period=st.sampled_from(BillingPeriod.values),
        amount=PRICES,
        currency=st.sampled_from(["USD", "EUR"]),
        country=st.sampled_from(["", "NO", "DE"]),
    )
    pairs = [(number, credit_type) for number in numbers for credit_type in credit_types]
    rate = st.builds(lambda rate: {"rate": rate}, PRICES)
    formula = st.sampled_from([{"formula": "2.5*input + 10"}, {"formula": "no / 3"}])

    def costing(chosen: list[tuple[str, str]]) -> st.SearchStrategy[list[Entry]]:
        return st.tuples(*(mapping(*pair) for pair in chosen)).map(list)

    def mapping(number: str, credit_type: str) -> st.SearchStrategy[Entry]:
        return st.one_of(rate, formula).map(
            lambda cost: shapes.CONSUMPTION.filled(feature=number, credits=credit_type, **cost)
        )

    consumption = st.lists(st.sampled_from(pairs), unique=True).flatmap(costing)
    return st.fixed_dictionaries(
        {
            "entitlements": entitlements,
            "prices": st.lists(
                price,
                min_size=1,
                max_size=3,
                unique_by=lambda each: (each["model"], each["period"], each["country"]),
            ),
            "consumption": consumption,
            "name": NAMES,
            "description": TEXTS,
            "billing_id": TEXTS,
            "hidden_from": HIDDEN,
            "metadata": METADATA,
        }
    )


def addon(
    public_id: str, earlier: list[str], contents: st.SearchStrategy[dict[str, Any]]
) -> st.SearchStrategy[Entry]:
    return st.builds(
        lambda contents, **fields: shapes.ADDON.filled(
            id=public_id, product="p", pricing=PricingType.CUSTOM.value, **contents, **fields
        ),
        contents,
        max_quantity=st.sampled_from([None, 1, 5]),
        depends_on=some(earlier),
    )


def plan(
    public_id: str,
    earlier: list[str],
    addons: list[str],
    contents: st.SearchStrategy[dict[str, Any]],
) -> st.SearchStrategy[Entry]:
    trial = st.builds(
        lambda **fields: Entry(fields),
        length=st.integers(1, 3650),
        unit=st.sampled_from(TrialUnit.values),
        end=st.sampled_from(TrialEnd.values),
        budget=st.one_of(
            st.none(), st.builds(lambda limit: Entry({"limit": limit, "soft_limit": True}), PRICES)
        ),
    )
    return st.builds(
        lambda contents, **fields: shapes.PLAN.filled(
            id=public_id, product="p", pricing=PricingType.CUSTOM.value, **contents, **fields
        ),
        contents,
        base_plan=st.sampled_from([None, *earlier]),
        trial=st.one_of(st.none(), trial),
        compatible_addons=some(addons),
    )
