import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from workspace.json import dumps, plain
from workspace.models import Role


class TestPlain:
    @pytest.mark.parametrize(
        ("number", "digits"),
        [
            ("123456789012345.678901", "123456789012345.678901"),
            ("10", "10"),
            ("1E+1", "10"),
            ("10.000000", "10"),
            ("0.000001", "0.000001"),
            ("1E-6", "0.000001"),
            ("-0.500000", "-0.5"),
            ("-0", "0"),
            ("0.000000", "0"),
            ("100", "100"),
        ],
    )
    def test_writes_digits(self, number, digits):
        assert plain(Decimal(number)) == digits


class TestDumps:
    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            False,
            0,
            -17,
            10**30,
            1.5,
            "",
            'quote " backslash \\ slash / tab \t é 🎉 \u2028',
            [],
            {},
            [1, [2, {"a": None}], "b"],
            {"a": {"b": []}, "c": True, "1": 2},
        ],
    )
    def test_writes_what_the_standard_reads(self, value):
        assert json.loads(dumps(value)) == value

    def test_writes_decimals_as_numbers(self):
        written = dumps({"amount": [Decimal("123456789012345.678901"), Decimal("1E+1")]})

        assert written == '{"amount":[123456789012345.678901,10]}'

    def test_writes_dates_choices_and_tuples(self):
        at = datetime(2026, 10, 1, 10, tzinfo=UTC)

        assert dumps((at, Role.READ_ONLY)) == '["2026-10-01T10:00:00Z","READ_ONLY"]'

    def test_sorts_names_on_demand(self):
        assert dumps({"b": 1, "a": {"d": 1, "c": 2}}, sort_keys=True) == (
            '{"a":{"c":2,"d":1},"b":1}'
        )

    @pytest.mark.parametrize(
        "number", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")]
    )
    def test_refuses_what_is_no_number(self, number):
        with pytest.raises(ValueError, match=r"."):
            dumps([number])

    def test_refuses_what_is_no_value(self):
        with pytest.raises(TypeError):
            dumps({"a": object()})
