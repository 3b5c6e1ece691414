from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credits.models import LedgerEntry, Pool
from tests.builders import a_customer, a_draft_of, a_metered_feature, some_credits
from tests.credits.admin.conftest import EVERYBODY
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted
from tests.workspace.admin.conftest import Visitor

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
RESET = START.replace(month=4, day=30)


def address(pool: Pool) -> str:
    return f"/admin/credits/pool/{pool.pk}/forecast/"


def page(visitor: Visitor, pool: Pool, **query: str) -> Any:
    answer = visitor.get(address(pool), query)
    assert answer.status_code == 200
    return answer.context


def figures(shown: Any) -> dict[str, str]:
    return {figure["label"]: figure["value"] for figure in shown["figures"]}


def said(shown: Any) -> str:
    return " ".join(shown["assumption"])


class TestForecastPage:
    @pytest.mark.parametrize("role", EVERYBODY)
    def test_is_open_to_everybody_who_works_here(self, visit, role):
        page(visit(role), a_pool())

    def test_is_closed_to_strangers(self):
        answer = Client().get(address(a_pool()))

        assert answer["Location"].startswith("/admin/login/")

    def test_stands_beside_the_explanation(self, reader):
        pool = a_pool_of_a_plan()

        tabs = page(reader, pool)["tabs"]

        assert [tab.label for tab in tabs][:3] == ["Credits", "Why this balance", "Forecast"]

    def test_is_one_click_from_the_next_reset(self, reader):
        pool = a_pool_of_a_plan()
        tab = f"/admin/credits/pool/customers/{pool.customer_id}/credits/"

        assert f'href="{address(pool)}"' in reader.get(tab).content.decode()

    def test_says_what_is_granted_and_expires(self, reader):
        """Twelve resets follow the grant of today; each lets 5,000 expire."""
        shown = page(reader, a_pool_of_a_plan(5000), use="none")

        assert figures(shown) == {
            "Balance now": "5,000",
            "Runs out": "Never",
            "Granted": "60,000",
            "Used": "0",
            "Expires unused": "60,000",
        }
        assert len(shown["rows"]) == 12
        first = shown["rows"][0]
        assert (first["at"], first["moves"]) == (
            RESET,
            [("Plan Pro expires", -5000), ("Plan Pro", 5000)],
        )
        assert said(shown).startswith("Nothing is used.")

    def test_says_on_which_day_credits_run_out(self, reader):
        shown = page(reader, a_pool_of_a_plan(5000), use="typed", amount="250", per="day")

        assert figures(shown)["Runs out"] == "20 Apr 2026"
        note = shown["figures"][1]["note"]
        assert note.startswith("20 Apr 2026, 10:00 UTC, again 30 Apr 2026, 10:00 UTC; ")
        assert [row["is_gap"] for row in shown["rows"][:2]] == [True, False]
        assert (shown["rows"][0]["after"], shown["rows"][1]["used"]) == ("0", "5,000")
        assert said(shown).startswith("250 credits are used a day.")

    def test_takes_a_number_a_month(self, reader):
        shown = page(reader, a_pool_of_a_plan(5000), use="typed", amount="1000", per="month")

        assert figures(shown)["Used"] == "12,000"
        assert said(shown).startswith("1,000 credits are used a month.")

    def test_goes_on_as_lately(self, reader, clock):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 900, feature=a_metered_feature("Images", now=START), now=START + DAY)
        consumed(pool, 100, now=START + 2 * DAY)
        clock(START + 10 * DAY)

        shown = page(reader, pool)

        assert said(shown).startswith(
            "Use goes on as in the last 10 days (Images 900, without a feature 100): "
            "100 credits a day."
        )
        assert figures(shown)["Used"] == "36,500"

    def test_says_that_nothing_was_used_lately(self, reader):
        assert said(page(reader, a_pool_of_a_plan())).startswith(
            "Nothing was used in the last day, so nothing is used."
        )

    def test_asks_what_if_a_draft_were_live(self, reader, clock):
        pool = a_pool_of_a_plan(5000)
        plan = pool.schedules.get().source
        draft = a_draft_of(plan, entitlements=[some_credits(pool.credit_type, 6000)], now=START)
        before = LedgerEntry.objects.count()

        shown = page(reader, pool, use="none", draft=str(draft.pk))

        assert figures(shown)["Granted"] == "73,000"
        assert (shown["rows"][0]["notes"], shown["rows"][0]["moves"]) == (
            ["The draft of Pro is published"],
            [("Plan Pro", 1000)],
        )
        assert (shown["rows"][0]["before"], shown["rows"][0]["after"]) == ("5,000", "6,000")
        assert [curve.name for curve in shown["chart"].curves] == ["Draft of Pro", "Live catalog"]
        assert "The draft of Pro is published now" in said(shown)
        assert LedgerEntry.objects.count() == before

    def test_has_nothing_to_say_of_an_empty_pool(self, reader):
        answer = reader.get(address(a_pool()))

        assert "Nothing ahead" in answer.content.decode()

    def test_owes_what_the_pool_owes(self, reader):
        pool = a_pool()
        consumed(pool, 15)
        granted(pool, 100, effective_at=START + DAY)

        shown = page(reader, pool, use="none")

        assert (figures(shown)["Balance now"], figures(shown)["Runs out"]) == ("−15", "Now")
        assert [what for what, _ in shown["rows"][0]["moves"]] == [
            "Manual top-up: Top-up",
            "What was owed is settled: 15",
        ]
        assert shown["rows"][0]["after"] == "85"

    def test_asks_for_the_number_that_is_missing(self, reader):
        shown = page(reader, a_pool_of_a_plan(), use="typed")

        assert shown["form"].errors["amount"] == ["Type how many credits are used."]

    @pytest.mark.parametrize(
        "query", ["use=x", "draft=x", "draft=999999", "use=typed&amount=%00", "use=typed&amount=-5",
                  "use=typed&amount=999999999999&per=day", "use=typed&amount=0.000001"],
    )  # fmt: skip
    def test_shows_a_page_whatever_the_address_says(self, reader, query):
        assert reader.get(f"{address(a_pool_of_a_plan())}?{query}").status_code == 200

    def test_shows_names_as_text(self, reader):
        pool = a_pool(a_customer("<script>alert(1)</script>"))
        granted(pool, name="<b>bold</b>", expires_at=START + DAY)

        content = reader.get(address(pool)).content.decode()

        assert "<script>alert(1)" not in content
        assert "<b>bold" not in content

    def test_takes_as_many_queries_for_a_long_history_as_for_a_short_one(self, reader, clock):
        short, long = a_pool_of_a_plan(), a_pool_of_a_plan()
        for pool, times in ((short, 1), (long, 8)):
            for _ in range(times):
                granted(pool, expires_at=START + 60 * DAY)
                consumed(pool, 30, feature=a_metered_feature())
        clock(RESET)
        page(reader, short)

        counts = []
        for pool in (short, long):
            with CaptureQueriesContext(connection) as queries:
                page(reader, pool)
            counts.append(len(queries))

        assert counts[0] == counts[1] <= 15
