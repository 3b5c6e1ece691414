from decimal import Decimal

import pytest

from catalog.transfer import reading, shapes
from catalog.transfer.reading import FileRefused

CATALOG = """\
stipend_catalog: 1
credit_types:
  - id: ai
    name: AI
coupons:
  - id: launch
    name: Launch
    amounts_off: {USD: 12.50, EUR: 4.000001}
plans:
  - id: pro
    product: studio
    name: Pro
    entitlements:
      - credits: ai
        amount: 123456789012.345678
"""


def document(text):
    return shapes.document_of(reading.read(text))


class TestDocumentOf:
    def test_reads_amounts_digit_for_digit(self):
        plan = document(CATALOG)["plans"]["pro"]

        assert plan["entitlements"][0]["amount"] == Decimal("123456789012.345678")

    def test_reads_an_amount_for_each_currency(self):
        coupon = document(CATALOG)["coupons"]["launch"]

        assert coupon["amounts_off"] == {
            "EUR": Decimal("4.000001"),
            "USD": Decimal("12.5"),
        }
        assert (coupon["percent_off"], coupon["duration_in_months"]) == (None, None)

    def test_fills_in_what_is_left_out(self):
        plan = document(CATALOG)["plans"]["pro"]

        assert (plan["pricing"], plan["trial"], plan["prices"]) == ("", None, [])
        assert plan["entitlements"][0]["cadence"] == "MONTH"

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("name: Pro", "nome: Pro", "Line 12: There is no field “nome” here"),
            ("    name: Pro\n", "", "Line 10: “name” is missing."),
            ("id: pro", "id: -pro", "Line 10: “-pro” is no id."),
            ("id: pro", "id: [pro]", "Line 10: Here stands an id, not a list."),
            ("123456789012.345678", "1e3", "Line 15: “1e3” is no number"),
            ("123456789012.345678", ".5", "Line 15: “.5” is no number"),
            ("123456789012.345678", "NaN", "Line 15: “NaN” is no number"),
            ("123456789012.345678", "١٢", "Line 15: “١٢” is no number"),
            ("123456789012.345678", "{a: 1}", "Line 15: Here stands a number, not fields."),
            ("123456789012.345678", "5\n        soft_limit: yes", "Line 16: Write true or false"),
            ("123456789012.345678", "5\n        cadence: WEEK", "Line 16: “WEEK” is none of MONTH"),
            ("- credits: ai", "- credit: ai", "Line 14: Say one of “credits” or “feature”."),
            ("product: studio", "product: studio\n    hidden_from: PAYWALL", "Here stands a list"),
            ("credit_types:", "credit_type:", "Line 2: There is no field “credit_type” here"),
            ("stipend_catalog: 1", "stipend_catalog: 2", "Line 1: “2” is none of 1."),
            ("  - id: ai\n", "  - {id: ai, name: x}\n  - id: ai\n", "first in line 3."),
            ("USD: 12.50", "usd: 12.50", "Line 8: “usd” is no currency; write its three capitals"),
            ("USD: 12.50", "XYZ: 12.50", "Line 8: “XYZ” is no currency"),
            ("name: Pro", "name: Pro\n    prices: [{period: MONTHLY, currency: usd}]", "Line 13"),
            ("USD: 12.50", "USD: 1e3", "Line 8: “1e3” is no number"),
            ("USD: 12.50", "USD: null", "Line 8: “null” is no number"),
            ("name: AI", 'name: "A\\u202eI"', "Line 4: This text contains characters"),
        ],
    )
    def test_refuses_what_the_shape_does_not_know(self, old, new, message):
        with pytest.raises(FileRefused) as refused:
            document(CATALOG.replace(old, new, 1))

        assert message in refused.value.message

    def test_refuses_what_is_no_mapping(self):
        with pytest.raises(FileRefused, match="Line 1: Here stand fields, not a single value"):
            document("hello")


class TestTextOf:
    def test_gives_equal_catalogs_equal_texts_whatever_their_order(self):
        twins = "credit_types:\n  - {id: b, name: B}\n  - {id: a, name: A}\n"

        text = shapes.text_of(document("stipend_catalog: 1\n" + twins))

        assert text == (
            "stipend_catalog: 1\ncredit_types:\n  - id: a\n    name: A\n  - id: b\n    name: B\n"
        )

    def test_writes_the_amounts_of_a_coupon_in_the_order_of_their_currencies(self):
        text = shapes.text_of(document(CATALOG))

        assert "    amounts_off:\n      EUR: 4.000001\n      USD: 12.5\n" in text

    def test_writes_amounts_without_needless_zeros_and_long_texts_in_lines(self):
        catalog = document(CATALOG.replace("123456789012.345678", "0.100"))
        catalog["plans"]["pro"]["description"] = "One\ntwo"

        text = shapes.text_of(catalog)

        assert "        amount: 0.1\n" in text
        assert "    description: |-\n      One\n      two\n" in text
