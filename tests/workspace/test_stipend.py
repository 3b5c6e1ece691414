"""Filters and components of templates."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.template import Context, Template
from django.template.loader import render_to_string

from workspace.admin.base import Link
from workspace.templatetags import stipend

AT = datetime(2026, 10, 1, 10, 0, 5, 123456, tzinfo=UTC)


class TestCredits:
    @pytest.mark.parametrize(
        ("amount", "text"),
        [
            (80000, "80,000"),
            (Decimal("80000.000000"), "80,000"),
            (Decimal("1E+1"), "10"),
            (Decimal("1234567.5"), "1,234,567.5"),
            (Decimal("0.000001"), "0.000001"),
            (Decimal("999999999999.999999"), "999,999,999,999.999999"),
            (Decimal("-300"), "−300"),
            (Decimal("-0.5"), "−0.5"),
            (0, "0"),
            (Decimal("-0"), "0"),
            (None, "–"),
        ],
    )
    def test_reads_easily(self, amount, text):
        assert stipend.credits(amount) == text


class TestSigned:
    @pytest.mark.parametrize(
        ("amount", "text"), [(5, "+5"), (Decimal("-5"), "−5"), (0, "0"), (None, "–")]
    )
    def test_shows_the_direction(self, amount, text):
        assert stipend.signed(amount) == text


class TestInstant:
    def test_names_the_zone(self):
        assert stipend.instant(AT) == "1 Oct 2026, 10:00 UTC"
        assert stipend.exact_instant(AT) == "1 Oct 2026, 10:00:05.123 UTC"
        assert stipend.day(AT) == "1 Oct 2026"
        assert stipend.machine_instant(AT) == "2026-10-01T10:00:05.123456Z"

    def test_turns_other_zones_into_utc(self):
        tokyo = timezone(timedelta(hours=9))
        at = datetime(2026, 10, 1, 1, 0, tzinfo=tokyo)

        assert stipend.instant(at) == "30 Sep 2026, 16:00 UTC"
        assert stipend.day(at) == "30 Sep 2026"

    def test_shows_a_dash_for_never(self):
        assert (stipend.instant(None), stipend.exact_instant(None), stipend.day(None)) == ("–",) * 3


def shown(name, **context):
    return " ".join(render_to_string(f"components/{name}.html", context).split())


class TestComponents:
    def test_show_dates(self):
        assert shown("date", at=AT) == (
            '<time class="cx-date" datetime="2026-10-01T10:00:05.123456Z">'
            "1 Oct 2026, 10:00 UTC</time>"
        )
        assert shown("date", at=None) == "–"

    def test_limit_a_bar_to_its_full_length(self):
        assert 'width="100"' in shown("bar", percent=250, label="250 % used")
        assert 'width="33.33"' in shown("bar", percent=33.333, label="33 % used")

    def test_lead_where_a_card_says(self):
        assert shown("card", label="A", value="1", url="/x").startswith(
            '<a class="cx-card" href="/x">'
        )
        assert shown("card", label="A", value="1").startswith('<div class="cx-card">')

    def test_mark_the_current_tab(self):
        tabs = [Link("A", "/a", is_current=True), Link("B", "/b")]

        assert '<a href="/a" aria-current="page">A</a> <a href="/b">B</a>' in shown(
            "tabs", tabs=tabs
        )
        assert shown("tabs", tabs=[]) == ""

    def test_escape_what_people_wrote(self):
        """X16."""
        evil = "<script>"
        for name, context in (
            ("status", {"label": evil}),
            ("card", {"label": evil, "value": evil, "note": evil}),
            ("empty", {"title": evil, "text": evil, "url": "/", "action": evil}),
            ("object_header", {"object_title": evil, "object_id": evil}),
            ("menu", {"links": [Link(evil, "/")], "key": 1, "about": evil}),
            ("bar", {"percent": 1, "label": evil}),
        ):
            assert evil not in shown(name, **context)
            assert "&lt;script&gt;" in shown(name, **context)

    def test_frame_a_table(self):
        frame = Template(
            "{% load unfold %}{% component 'components/table.html' with label='Grants' %}"
            "<tbody></tbody>{% endcomponent %}"
        ).render(Context())

        assert 'aria-label="Grants"' in frame
        assert "<table><tbody></tbody></table>" in frame
