"""From use to cost, on paper (R7, R33, R34)."""

from decimal import Decimal
from typing import Any

import pytest

from catalog.amounts import LIMIT
from catalog.formulas import CostTooLarge
from catalog.models import Aggregation, ConsumptionMapping, Feature
from credits import metering
from credits.metering import Cost, Measure


def a_feature(*conditions: tuple[Any, ...], **fields: Any) -> Feature:
    """A feature that counts events for which all conditions hold: field, operation, value."""
    return Feature(meter_filters=[a_group(*conditions)], **fields)


def a_group(*conditions: tuple[Any, ...]) -> dict[str, Any]:
    """Conditions of which all have to hold; several values are one of which an event has one."""
    named = []
    for field, operation, *values in conditions:
        several = {"values": values[0]} if values and isinstance(values[0], list) else {}
        single = {"value": values[0]} if values and not several else {}
        named.append({"field": field, "operation": operation, **several, **single})
    return {"conditions": named}


def a_mapping(**terms: Any) -> ConsumptionMapping:
    """What use of feature 3 costs in credits of type 5."""
    return ConsumptionMapping(feature_id=3, credit_type_id=5, **terms)


class TestMatches:
    def test_knows_events_by_their_name(self):
        """R7."""
        images = a_feature(("eventName", "EQUALS", "image"))

        assert metering.matches(images, "image", {})
        assert not metering.matches(images, "images", {})

    def test_takes_the_name_from_the_event_and_not_from_its_dimensions(self):
        images = a_feature(("eventName", "EQUALS", "image"))

        assert not metering.matches(images, "video", {"eventName": "image"})

    def test_asks_for_every_condition_of_one_group(self):
        large, free = ("size", "GREATER_THAN", 10), ("plan", "EQUALS", "free")
        feature = Feature(meter_filters=[a_group(large, free), a_group(("all", "IS_NOT_NULL"))])

        assert metering.matches(feature, "image", {"size": 11, "plan": "free"})
        assert not metering.matches(feature, "image", {"size": 11, "plan": "paid"})
        assert metering.matches(feature, "image", {"all": 1})

    def test_finds_nothing_without_filters(self):
        assert not metering.matches(Feature(meter_filters=[]), "image", {})

    @pytest.mark.parametrize(
        ("operation", "wanted", "holds", "fails"),
        [
            ("EQUALS", "a", ["a"], ["ab", "A", "", None]),
            ("EQUALS", 5, [5, "5"], [6, None]),
            ("EQUALS", True, [True, "true"], [False, 1, None]),
            ("NOT_EQUALS", "a", ["b", None], ["a"]),
            ("CONTAINS", "b", ["abc", "b"], ["ac", None]),
            ("STARTS_WITH", "ab", ["abc"], ["cab", None]),
            ("ENDS_WITH", "bc", ["abc"], ["bca", None]),
            ("IN", ["a", 5, False], ["a", 5, "5", False], ["b", True, None]),
            ("GREATER_THAN", 10, [10.5, "11"], [10, 9, "x", True, None]),
            ("GREATER_THAN_OR_EQUAL", 10, [10, "10.0"], ["9.999999", "x", None]),
            ("LESS_THAN", "10", [9, "-1"], [10, 11, "x", None]),
            ("LESS_THAN_OR_EQUAL", 10, [10, 9], [11, "NaN", None]),
            ("LESS_THAN", "many", [], [9, "few"]),
        ],
    )
    def test_compares_as_the_operation_says(self, operation, wanted, holds, fails):
        feature = a_feature(("value", operation, wanted))

        assert all(metering.matches(feature, "event", {"value": value}) for value in holds)
        assert not any(metering.matches(feature, "event", {"value": value}) for value in fails)

    def test_knows_what_is_there_and_what_is_missing(self):
        missing = a_feature(("user", "IS_NULL"))
        present = a_feature(("user", "IS_NOT_NULL"))

        found = [
            (metering.matches(missing, "event", each), metering.matches(present, "event", each))
            for each in ({}, {"user": None}, {"user": ""})
        ]

        assert found == [(True, False), (True, False), (False, True)]


class TestMeasure:
    def test_counts_events(self):
        feature = Feature(aggregation=Aggregation.COUNT)

        assert metering.measure(feature, {"tokens": 5}) == Measure(feature, Decimal(1))

    def test_takes_the_number_of_a_field_to_the_millionth(self):
        feature = Feature(aggregation=Aggregation.SUM, aggregation_field="tokens")

        measured = metering.measure(feature, {"tokens": "1.0000005"})

        assert measured == Measure(feature, Decimal("1.000001"))

    @pytest.mark.parametrize("value", [None, "many", True, "1e3", "NaN", "Infinity", LIMIT, -LIMIT])
    def test_takes_what_is_no_amount_as_nothing_and_says_so(self, value):
        feature = Feature(aggregation=Aggregation.SUM, aggregation_field="tokens")

        measured = metering.measure(feature, {"tokens": value})

        assert (measured.value, measured.text) == (0, "")
        assert measured.flags == ("tokens is not a number",)

    def test_takes_the_largest_number_there_is(self):
        feature = Feature(aggregation=Aggregation.MAX, aggregation_field="tokens")

        measured = metering.measure(feature, {"tokens": LIMIT - 1})

        assert (measured.value, measured.flags) == (LIMIT - 1, ())

    @pytest.mark.parametrize(
        ("value", "text"), [("Anna", "Anna"), (7, "7"), (None, ""), ("x" * 300, "x" * 255)]
    )
    def test_keeps_the_text_to_be_counted_once(self, value, text):
        feature = Feature(aggregation=Aggregation.UNIQUE, aggregation_field="user")

        assert metering.measure(feature, {"user": value}) == Measure(feature, Decimal(0), text)


class TestCost:
    def test_is_the_units_at_their_rate(self):
        """R34, first example: 1 image is 10 credits, 7 images are 70."""
        spent = metering.cost(a_mapping(rate=Decimal(10)), Decimal(7), {})

        assert spent == Cost(Decimal(70))

    def test_is_what_the_formula_gives(self):
        """R34, second example: 100 and 20 are 450."""
        mapping = a_mapping(formula="2.5*input + 10*output")

        spent = metering.cost(mapping, Decimal(1), {"input": 100, "output": 20})

        assert spent == Cost(Decimal(450))

    def test_says_what_a_formula_missed(self):
        """R34: a missing dimension is 0 and flagged."""
        spent = metering.cost(a_mapping(formula="2*input + 10*output"), Decimal(1), {"output": 1})

        assert (spent.amount, len(spent.flags)) == (10, 1)
        assert "input" in spent.flags[0]

    def test_is_rounded_half_up_to_the_millionth(self):
        """R34."""
        mapping = a_mapping(rate=Decimal("0.000001"))

        assert metering.cost(mapping, Decimal("0.5"), {}).amount == Decimal("0.000001")
        assert metering.cost(mapping, Decimal("0.499999"), {}).amount == 0

    @pytest.mark.parametrize(
        ("rate", "units"),
        [(Decimal(10), Decimal(-7)), (Decimal(0), Decimal(7)), (None, Decimal(7))],
    )
    def test_is_never_less_than_nothing(self, rate, units):
        """R34."""
        assert metering.cost(a_mapping(rate=rate), units, {}).amount == 0

    def test_refuses_what_is_no_amount(self):
        """R46: less than 10¹²."""
        mapping = a_mapping(rate=Decimal(1))

        assert metering.cost(mapping, LIMIT - 1, {}).amount == LIMIT - 1
        with pytest.raises(CostTooLarge, match="1,000,000,000,000 credits or more"):
            metering.cost(mapping, LIMIT, {})
