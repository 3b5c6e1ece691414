from decimal import Decimal

import pytest

from catalog.transfer import reading, shapes
from catalog.transfer.reading import FileRefused

CATALOG = """\
stipend_catalog: 1
credit_types:
  - id: ai
    name: AI
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

    def test_fills_in_what_is_left_out(self):
        plan = document(CATALOG)["plans"]["pro"]

        assert (plan["pricing"], plan["trial"], plan["prices"]) == ("", None, [])
        assert plan["entitlements"][0]["cadence"] == "MONTH"

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("name: Pro", "nome: Pro", "Line 8: There is no field “nome” here"),
            ("    name: Pro\n", "", "Line 6: “name” is missing."),
            ("id: pro", "id: -pro", "Line 6: “-pro” is no id."),
            ("id: pro", "id: [pro]", "Line 6: Here stands an id, not a list."),
            ("123456789012.345678", "1e3", "Line 11: “1e3” is no number"),
            ("123456789012.345678", ".5", "Line 11: “.5” is no number"),
            ("123456789012.345678", "NaN", "Line 11: “NaN” is no number"),
            ("123456789012.345678", "١٢", "Line 11: “١٢” is no number"),
            ("123456789012.345678", "{a: 1}", "Line 11: Here stands a number, not fields."),
            ("123456789012.345678", "5\n        soft_limit: yes", "Line 12: Write true or false"),
            ("123456789012.345678", "5\n        cadence: WEEK", "Line 12: “WEEK” is none of MONTH"),
            ("- credits: ai", "- credit: ai", "Line 10: Say one of “credits” or “feature”."),
            ("product: studio", "product: studio\n    hidden_from: PAYWALL", "Here stands a list"),
            ("credit_types:", "credit_type:", "Line 2: There is no field “credit_type” here"),
            ("stipend_catalog: 1", "stipend_catalog: 2", "Line 1: “2” is none of 1."),
            ("  - id: ai\n", "  - {id: ai, name: x}\n  - id: ai\n", "first in line 3."),
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

    def test_writes_amounts_without_needless_zeros_and_long_texts_in_lines(self):
        catalog = document(CATALOG.replace("123456789012.345678", "0.100"))
        catalog["plans"]["pro"]["description"] = "One\ntwo"

        text = shapes.text_of(catalog)

        assert "        amount: 0.1\n" in text
        assert "    description: |-\n      One\n      two\n" in text
