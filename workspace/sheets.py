"""Tables for spreadsheets, in which no cell runs (X17)."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "−")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Rows as lines of CSV (RFC 4180), one at a time, however many there are."""
    writer = csv.writer(_Echo())
    for row in rows:
        yield writer.writerow([harmless(cell) for cell in row])


def harmless(cell: object) -> str:
    """A cell as text; what a spreadsheet would take for a formula begins with an apostrophe."""
    text = "" if cell is None else str(cell)
    if text.startswith(DANGEROUS) and not NUMBER.fullmatch(text):
        return f"'{text}"
    return text
