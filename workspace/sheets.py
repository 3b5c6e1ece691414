"""Tables for spreadsheets, in which no cell runs (X17), and tables that come from there."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from workspace.errors import BadInput

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "−")
Row = Sequence[object]
"""Cells of one line."""
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)

DELIMITERS = (";", "\t", ",")
MARKS_OF_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class UnreadableTable(BadInput):
    """Not a table as CSV in UTF-8."""


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def lines(rows: Iterable[Row]) -> Iterator[str]:
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


def read(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV in UTF-8 with the numbers of their lines, one at a time.

    Cells are parted by whichever of semicolon, tab and comma the first line has. Blanks around
    cells, empty cells at the end and empty lines do not count.

    Raises:
        UnreadableTable: another encoding, or quotes that do not close; with the line.
    """
    text = _decoded(content)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = next((sign for sign in DELIMITERS if sign in first), ",")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                yield rows.line_num, cells
    except csv.Error as error:
        raise UnreadableTable(f"Line {rows.line_num} cannot be read as CSV: {error}.") from error


def _decoded(content: bytes) -> str:
    if content.startswith(MARKS_OF_UTF_16):
        raise UnreadableTable("This is UTF-16. Save it as “CSV UTF-8”.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableTable(
            f"Line {line} holds characters that are not UTF-8. Save the file as “CSV UTF-8”."
        ) from error
    if "\0" in text:
        raise UnreadableTable("This is no text. Save the table as “CSV UTF-8”.")
    return text
