from datetime import timedelta
from decimal import Decimal

import pytest

from credits.admin import words
from tests.credits.pools import START


class TestUntil:
    @pytest.mark.parametrize(
        ("span", "expected"),
        [
            (timedelta(seconds=1), "in 1 minute"),
            (timedelta(minutes=59), "in 59 minutes"),
            (timedelta(hours=1), "in 1 hour"),
            (timedelta(hours=23, minutes=59), "in 23 hours"),
            (timedelta(days=1), "in 1 day"),
            (timedelta(days=1500), "in 1,500 days"),
        ],
    )
    def test_counts_in_the_largest_whole_unit(self, span, expected):
        assert words.until(START + span, START) == expected


class TestAgo:
    def test_is_just_now_within_a_minute(self):
        assert words.ago(START, START + timedelta(seconds=59)) == "just now"

    def test_counts_backwards(self):
        assert words.ago(START, START + timedelta(days=3)) == "3 days ago"


class TestToneOf:
    @pytest.mark.parametrize(
        ("percent", "tone"),
        [(None, ""), ("79.9", ""), ("80", "warning"), ("99.9", "warning"), ("100", "danger")],
    )
    def test_warns_of_what_is_nearly_used_up(self, percent, tone):
        assert words.tone_of(percent and Decimal(percent)) == tone
