from decimal import Decimal

import pytest
from rest_framework import serializers

from catalog.api.amounts import AmountField


class TestAmountField:
    @pytest.mark.parametrize(
        ("data", "amount"),
        [
            (1, "1"),
            (Decimal("0.000001"), "0.000001"),
            (Decimal("999999999999.999999"), "999999999999.999999"),
            (Decimal("5.0000000"), "5"),
            (Decimal("1E+3"), "1000"),
        ],
    )
    def test_reads(self, data, amount):
        """R46."""
        assert AmountField().run_validation(data) == Decimal(amount)

    @pytest.mark.parametrize(
        "data",
        [
            0,
            Decimal("-0"),
            -1,
            Decimal("-0.000001"),
            Decimal("0.0000001"),
            Decimal("1.0000001"),
            10**12,
            Decimal("999999999999.9999999"),
            9007199254740993,
            Decimal("123456789012345.678901"),
            10**99,
            Decimal("NaN"),
            Decimal("Infinity"),
            "1",
            "",
            True,
            False,
            None,
            [],
            [1],
            {},
            1.5,
        ],
        ids=repr,
    )
    def test_refuses(self, data):
        """R46: a seventh decimal is refused, never rounded."""
        with pytest.raises(serializers.ValidationError):
            AmountField().run_validation(data)

    def test_reads_zero_where_it_makes_sense(self):
        assert AmountField(allow_zero=True).run_validation(0) == 0
        with pytest.raises(serializers.ValidationError):
            AmountField(allow_zero=True).run_validation(-1)

    @pytest.mark.parametrize("text", ["5", "0.000001", "999999999999.999999"])
    def test_reads_digits_in_a_query(self, text):
        assert AmountField(in_query=True).run_validation(text) == Decimal(text)

    @pytest.mark.parametrize("text", ["", "x", "1e3", "+1", " 1", "1.", ".5", "１", "1_0", "0"])
    def test_refuses_anything_else_in_a_query(self, text):
        with pytest.raises(serializers.ValidationError):
            AmountField(in_query=True).run_validation(text)

    def test_writes_the_number(self):
        assert AmountField().to_representation(Decimal("5.5")) == Decimal("5.5")
