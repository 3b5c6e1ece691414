import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.formulas import CostTooLarge, InvalidFormula, parse


def cost(text: str, **dimensions: object) -> Decimal:
    return parse(text).evaluate(dimensions).amount


class TestParse:
    @pytest.mark.parametrize(
        ("text", "position"),
        [
            ("", 0),
            ("   ", 3),
            ("1 +", 3),
            ("1 2", 2),
            ("(1", 2),
            ("1)", 1),
            ("2 ** 3", 3),
            ("1e5", 1),
            ("input ? 1", 6),
            ("max(1, 2)", 5),
            ("1,5", 1),
            ("１ + 1", 0),
            ("+1", 0),
            ("'x'", 0),
            ("a[0]", 1),
            ("1.2.3", 3),
        ],
    )
    def test_refuses_with_the_position_of_what_makes_no_sense(self, text: str, position: int):
        with pytest.raises(InvalidFormula) as refusal:
            parse(text)

        assert refusal.value.position == position
        assert f"(character {position + 1})" in refusal.value.message
        assert refusal.value.field == "formula"

    @pytest.mark.parametrize(
        "text",
        [
            "1+" * 1000 + "1",
            "+".join("1" for _ in range(102)),
            "(" * 51 + "1" + ")" * 51,
            "-" * 51 + "1",
            "1" * 31,
            "x" * 10_000,
        ],
        ids=["long", "operators", "parentheses", "signs", "digits", "10 KB"],
    )
    def test_refuses_what_is_too_much(self, text: str):
        with pytest.raises(InvalidFormula):
            parse(text)

    def test_treats_python_names_as_mere_dimensions(self):
        formula = parse("__class__ + __import__")

        assert formula.names == {"__class__", "__import__"}
        assert formula.evaluate({}).amount == 0

    def test_knows_the_names_it_looks_at(self):
        assert parse("2.5*input + 10*(output - input)").names == {"input", "output"}


class TestEvaluate:
    def test_gives_the_example_of_the_rule(self):
        """R34, second example: 2.5*input + 10*output with 100 and 20 is 450."""
        assert cost("2.5*input + 10*output", input=100, output=20) == 450

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2 + 3 * 4", "14"),
            ("(2 + 3) * 4", "20"),
            ("8 / 4 / 2", "1"),
            ("8 - 4 - 2", "2"),
            ("8 - (4 - 2)", "6"),
            ("-2 + 5", "3"),
            ("2 * -3 + 10", "4"),
            ("--4", "4"),
            ("1 / 3 * 3", "1"),
            ("0.1 + 0.2", "0.3"),
            (".5 + 1.", "1.5"),
        ],
    )
    def test_reckons_exactly(self, text: str, expected: str):
        assert cost(text) == Decimal(expected)

    def test_rounds_once_and_half_up(self):
        assert cost("0.0000005") == Decimal("0.000001")
        assert cost("2 / 3") == Decimal("0.666667")
        assert cost("0.0000004 + 0.0000004") == Decimal("0.000001")

    def test_never_costs_less_than_nothing(self):
        assert cost("input - 10", input=3) == 0

    def test_flags_a_division_by_zero_that_costs_nothing(self):
        result = parse("5 + 10 / input").evaluate({"input": 0})

        assert result.amount == 0
        assert result.warnings == ("The formula divides by zero, so the cost is 0.",)

    def test_takes_a_missing_dimension_for_zero_and_says_so(self):
        result = parse("input + 10*output").evaluate({"output": 2})

        assert result.amount == 20
        assert result.warnings == ("The event has no input; 0 was used.",)

    @pytest.mark.parametrize(
        "value", ["many", "", " 5", "1e5", True, None, [5], {"n": 5}, float("nan"), Decimal("1e31")]
    )
    def test_takes_what_is_no_number_for_zero_and_says_so(self, value: object):
        result = parse("input + 1").evaluate({"input": value})

        assert result.amount == 1
        assert len(result.warnings) == 1

    @pytest.mark.parametrize(
        ("value", "expected"),
        [("12.5", "12.5"), (0.1, "0.1"), (-3, "0"), (Decimal("0.25"), "0.25")],
    )
    def test_reads_numbers_in_every_form_events_bring_them(self, value: object, expected: str):
        assert cost("input", input=value) == Decimal(expected)

    def test_refuses_a_cost_that_is_no_amount(self):
        """F17: exact or refused, never cut."""
        with pytest.raises(CostTooLarge):
            cost("input * input", input=10**7)

    def test_stays_fast_whatever_is_sent(self):
        formula = parse("a/b" + "*c/d" * 49)
        number = Decimal("0." + "7" * 29)

        started = time.perf_counter()
        formula.evaluate({"a": number, "b": Decimal(3), "c": number, "d": number + 1})

        assert time.perf_counter() - started < 0.5

    @given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**3))
    def test_agrees_with_plain_arithmetic(self, a: int, b: int, c: int):
        exact = Decimal(a * 1000 + b * c) / 1000

        assert cost("x + y * z / 1000", x=a, y=b, z=c) == exact
