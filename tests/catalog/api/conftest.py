from typing import Any

from tests.workspace.api.conftest import Caller, caller, reading_caller

__all__ = ["Caller", "caller", "reading_caller"]

STRANGE_TEXTS: list[Any] = [
    None,
    5,
    True,
    [],
    {},
    "",
    "   ",
    "a\0b",
    "\u202eabc",
    "x" * 100_000,
    "a\r\nb",
]
"""Texts that no required line of text may be."""

STRANGE_NUMBERS = [
    "0",
    "-1",
    "0.0000001",
    "1e-7",
    "1e400",
    "1000000000000",
    '"5"',
    "true",
    "[]",
    "{}",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "01",
    "9" * 400,
]
"""JSON of what is no amount of credits."""
