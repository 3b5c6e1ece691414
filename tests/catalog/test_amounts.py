from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from catalog.amounts import AmountField, rounded, to_micros, validate_amount, validate_price


class TestToMicros:
    @pytest.mark.parametrize(
        ("amount", "micros"),
        [
            ("1", 1_000_000),
            ("0.000001", 1),
            ("-15", -15_000_000),
            ("123456789012.345678", 123_456_789_012_345_678),
            ("1.0000000000", 1_000_000),
            ("9223372036854.775807", 2**63 - 1),
        ],
    )
    def test_counts_millionths_exactly(self, amount: str, micros: int):
        assert to_micros(Decimal(amount)) == micros

    @pytest.mark.parametrize(
        "amount",
        [
            "0.0000001",
            "1e-7",
            "1e-1000000",
            "1.00000000000000000000000000000000001",
            "1e400",
            "9223372036854.775808",
            "NaN",
            "Infinity",
            "-Infinity",
        ],
    )
    def test_refuses_what_it_would_have_to_round(self, amount: str):
        with pytest.raises(ValidationError):
            to_micros(Decimal(amount))


class TestRounded:
    def test_rounds_half_up(self):
        """R34."""
        assert rounded(Decimal("0.0000005")) == Decimal("0.000001")
        assert rounded(Decimal("0.00000049")) == 0


class TestValidateAmount:
    @pytest.mark.parametrize("amount", ["0", "-0", "-1", "1e12", "NaN", "0.0000001"])
    def test_refuses_what_is_no_amount(self, amount: str):
        """R46."""
        with pytest.raises(ValidationError):
            validate_amount(Decimal(amount))

    def test_lets_the_largest_pass(self):
        validate_amount(Decimal("999999999999.999999"))


class TestValidatePrice:
    def test_lets_zero_pass(self):
        """R6: 0 is free."""
        validate_price(Decimal(0))

    @pytest.mark.parametrize("amount", ["-0.01", "1e12", "Infinity"])
    def test_refuses_what_is_no_price(self, amount: str):
        with pytest.raises(ValidationError):
            validate_price(Decimal(amount))


class TestAmountField:
    def test_reads_text_as_an_exact_decimal(self):
        assert AmountField().to_python("0.1") == Decimal("0.1")

    def test_refuses_text_that_is_no_number(self):
        with pytest.raises(ValidationError):
            AmountField().to_python("ten")
