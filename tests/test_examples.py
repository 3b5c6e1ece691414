"""The worked examples of the rules: each has a test in a room, and one that retells it.

`git grep "R31, .* example"` finds them. They are counted as they follow each other in the rule:
a table is one example per line, and a sentence one per result.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
RETOLD = TESTS / "scenarios"

EXAMPLES = {
    14: 2, 17: 8, 19: 2, 20: 2, 21: 1, 27: 2, 29: 1, 30: 2, 31: 8, 32: 1, 34: 2, 35: 2, 36: 2,
    45: 3, 48: 1,
}  # fmt: skip
"""How many there are, by the number of the rule."""

ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
ORDINAL = f"({'|'.join(ORDINALS)})"
NAMED = re.compile(rf"\bR(\d+), {ORDINAL}(?: (?:to|and) {ORDINAL})? example\b")


def named(text: str) -> Iterator[tuple[int, int]]:
    """Rule and number of every example that `text` names."""
    for rule, first, last in NAMED.findall(text):
        for ordinal in range(ORDINALS.index(first), ORDINALS.index(last or first) + 1):
            yield int(rule), ordinal + 1


class TestExamples:
    @pytest.mark.parametrize("retold", [False, True], ids=["rooms", "scenarios"])
    def test_all_have_a_test_that_names_them(self, retold):
        wanted = {(rule, each) for rule, many in EXAMPLES.items() for each in range(1, many + 1)}

        found = {
            example
            for path in TESTS.rglob("test_*.py")
            if path.is_relative_to(RETOLD) == retold
            for example in named(path.read_text(encoding="utf-8"))
        }

        assert found == wanted


LISTED = re.compile(r"\*\*([RX]\d+)\*\*")
RULE = re.compile(r"\b[RX]\d+\b")
ROOMS = ("workspace", "catalog", "subscriptions", "credits", "tests")


class TestRules:
    def test_are_all_listed_that_docstrings_and_tests_repeat(self):
        root = TESTS.parent
        listed = set(LISTED.findall((root / "docs" / "rules.md").read_text(encoding="utf-8")))

        repeated = {
            rule
            for room in ROOMS
            for path in (root / room).rglob("*.py")
            for rule in RULE.findall(path.read_text(encoding="utf-8"))
        }

        assert repeated <= listed
        assert "R27" in repeated
