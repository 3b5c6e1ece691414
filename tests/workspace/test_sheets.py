import csv
import io
from decimal import Decimal

import pytest

from workspace import sheets


class TestHarmless:
    @pytest.mark.parametrize(
        "text",
        [
            "=1+1",
            "+1",
            "-1+1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1",
            "＋1",
            "－1",
            "＠1",
            "−1",
        ],
    )
    def test_keeps_formulas_from_running(self, text):
        """X17."""
        assert sheets.harmless(text) == f"'{text}"

    @pytest.mark.parametrize("cell", ["Acme = Co", "-5", "-0.25", "", Decimal("12.5")])
    def test_leaves_texts_and_numbers_as_they_are(self, cell):
        assert sheets.harmless(cell) == str(cell)

    def test_shows_nothing_for_nothing(self):
        assert sheets.harmless(None) == ""


class TestLines:
    def test_are_read_back_as_they_were_written(self):
        """RFC 4180."""
        rows = [["a,b", 'say "x"', "two\nlines"], ["", "é", "1"]]

        text = "".join(sheets.lines(rows))

        assert list(csv.reader(io.StringIO(text, newline=""))) == rows
        assert text.endswith("\r\n")
