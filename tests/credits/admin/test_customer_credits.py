from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog import archiving
from credits import access, grants, resets
from credits.book import GrantType
from credits.models import LedgerEntry, Pool
from subscriptions import customers
from tests.builders import (
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_published_plan,
    a_rate,
    a_resource,
)
from tests.credits.admin.conftest import ADJUSTERS, EVERYBODY, ONLOOKERS
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted
from tests.workspace.admin.conftest import Visitor
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
RESET = START.replace(month=4, day=30)


def address(pool: Pool) -> str:
    return f"/admin/credits/pool/customers/{pool.customer_id}/credits/"


def page(visitor: Visitor, pool: Pool, **query: str) -> Any:
    answer = visitor.get(address(pool), query)
    assert answer.status_code == 200
    return answer.context


def text(visitor: Visitor, pool: Pool, **query: str) -> str:
    return visitor.get(address(pool), query).content.decode()


class TestCreditsPage:
    @pytest.mark.parametrize("role", EVERYBODY)
    def test_is_open_to_everybody_who_works_here(self, visit, role):
        assert visit(role).get(address(a_pool())).status_code == 200

    def test_is_closed_to_strangers(self):
        answer = Client().get(address(a_pool()))

        assert answer["Location"].startswith("/admin/login/")

    def test_answers_for_a_customer_who_is_not_there(self, reader):
        answer = reader.get("/admin/credits/pool/customers/999999/credits/")

        assert answer.url == "/admin/subscriptions/customer/"

    def test_stands_among_the_tabs_of_the_customer(self, reader):
        tabs = page(reader, a_pool())["tabs"]

        assert [tab.label for tab in tabs if tab.is_current] == ["Credits"]
        assert "Overview" in [tab.label for tab in tabs]

    def test_shows_the_figures_of_a_pool(self, reader):
        pool = a_pool_of_a_plan(80_000)
        consumed(pool, 20_000)

        shown = page(reader, pool)

        assert (shown["balance"], shown["granted"], shown["consumed"]) == (
            "60,000",
            "80,000",
            "20,000",
        )
        assert shown["percent_label"] == "25 %"
        assert (shown["next_reset"], shown["next_reset_note"]) == (
            "30 Apr 2026",
            "10:00 UTC, in 30 days",
        )

    def test_answers_as_the_api_does_at_a_boundary_without_a_worker(self, reader, clock):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)
        granted(pool, 250, expires_at=RESET)

        for instant in (RESET - timedelta(microseconds=1), RESET):
            clock(instant)
            shown = page(reader, pool)
            told = access.check(
                customer_id=pool.customer.public_id,
                credit_type_id=pool.credit_type.public_id,
                resource_id=None,
                amount=None,
                now=instant,
            ).standing
            figures = [shown[name].replace(",", "") for name in ("balance", "granted", "consumed")]
            assert [Decimal(figure) for figure in figures] == [
                told.balance,
                told.granted,
                told.consumed,
            ]
            assert sum(row["remaining"] for row in shown["grants"]) == told.balance
            assert shown["entries"][0].balance_after == told.balance

    def test_shows_the_same_when_the_worker_has_written(self, reader, clock):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 5100)
        clock(RESET)

        def told() -> list:
            shown = page(reader, pool)
            rows = [(row["place"], row["line"].source, row["remaining"]) for row in shown["grants"]]
            entries = [(entry.number, entry.label, entry.amount) for entry in shown["entries"]]
            return [shown["balance"], shown["percent_label"], rows, entries]

        before = told()
        resets.sweep(now=RESET, seconds=5)

        assert LedgerEntry.objects.filter(pool=pool).count() == len(before[3])
        assert told() == before

    def test_marks_a_deficit(self, reader):
        pool = a_pool()
        consumed(pool, "1234.5")

        shown = page(reader, pool)

        assert (shown["balance"], shown["is_overdrawn"]) == ("−1,234.5", True)
        assert shown["grants"][0]["remaining"] == Decimal("-1234.5")

    def test_writes_numbers_without_exponent(self, reader):
        pool = a_pool()
        granted(pool, 1_000_000)
        granted(pool, "0.000001")

        content = text(reader, pool)

        assert "1,000,000.000001" in content
        assert "E+" not in content
        assert "E-" not in content

    def test_shows_the_pool_that_the_address_names(self, reader):
        customer, credit_type = a_customer(), a_credit_type()
        whole = a_pool(customer, credit_type)
        sealed = a_pool(customer, credit_type, a_resource(customer, "berlin"))

        named = page(reader, whole, credit_type=credit_type.public_id, resource="berlin")

        assert named["pool"] == sealed
        assert [value for value, _, is_chosen in named["pickers"]["resources"] if is_chosen] == [
            "berlin"
        ]
        assert page(reader, whole)["pool"] == whole

    def test_offers_resources_only_where_there_are_resource_pools(self, reader):
        assert page(reader, a_pool())["pickers"]["resources"] == []

    def test_says_what_to_do_where_there_are_no_credits(self, support, reader):
        customer = a_customer()
        url = f"/admin/credits/pool/customers/{customer.pk}/credits/"

        for_support, for_reader = (
            visitor.get(url).content.decode() for visitor in (support, reader)
        )

        assert "No credits yet" in for_support
        assert "adjust-credits" in for_support
        assert "No credits yet" in for_reader
        assert "adjust-credits" not in for_reader

    @pytest.mark.parametrize("role", ADJUSTERS)
    def test_offers_buttons_to_those_who_may(self, visit, role):
        pool = a_pool()
        granted(pool)

        shown = page(visit(role), pool)

        assert "adjust-credits" in shown["adjust_url"]
        assert [link.label for link in shown["grants"][0]["menu"]] == ["Edit", "Revoke"]

    @pytest.mark.parametrize("role", ONLOOKERS)
    def test_has_no_buttons_for_the_others(self, visit, role):
        pool = a_pool()
        granted(pool)

        shown = page(visit(role), pool)

        assert shown["adjust_url"] == ""
        assert shown["grants"][0]["menu"] == []

    def test_offers_no_adjustment_of_an_archived_customer(self, support):
        pool = a_pool()
        granted(pool)
        customers.archive(customer_id=pool.customer.public_id, actor=SYSTEM, now=START)

        shown = page(support, pool)

        assert (shown["adjust_url"], shown["balance"]) == ("", "100")

    def test_marks_an_archived_credit_type(self, reader):
        pool = a_pool()
        archiving.archive_credit_type(credit_type_id=pool.credit_type_id, actor=SYSTEM, now=START)

        assert page(reader, pool)["pickers"]["credit_types"][0][1] == "AI Credits (archived)"

    def test_offers_what_can_be_done_with_each_grant(self, support, clock):
        pool = a_pool_of_a_plan(5000)
        granted(pool, name="Pending", payment_pending=True)
        consumed(pool, 6000)
        clock(RESET)

        menus = {
            row["grant"].name: [link.label for link in row["menu"]]
            for row in page(support, pool)["grants"]
        }

        assert menus == {"Pro": [], "Pending": ["Edit", "Confirm payment", "Revoke"]}

    def test_lists_current_grants_or_all(self, reader):
        pool = a_pool()
        voided = granted(pool, name="Voided")
        grants.void(grant_id=voided.public_id, reason="Mistake", actor=SYSTEM, now=START)
        granted(pool, name="Gift", type=GrantType.PROMOTIONAL)

        def names(**query: str) -> list[str]:
            return [row["grant"].name for row in page(reader, pool, **query)["grants"]]

        assert names() == ["Gift"]
        assert names(grants="all") == ["Gift", "Voided"]

    def test_pages_through_the_ledger_and_back(self, reader):
        pool = a_pool()
        for _ in range(30):
            granted(pool, 1)

        first = page(reader, pool)
        second = reader.get(first["older_url"]).context
        again = reader.get(second["newer_url"]).context

        assert [entry.number for entry in first["entries"]] == list(range(30, 5, -1))
        assert [entry.number for entry in second["entries"]] == [5, 4, 3, 2, 1]
        assert second["older_url"] == ""
        assert [entry.number for entry in again["entries"]] == list(range(30, 5, -1))

    def test_filters_the_ledger_by_type_and_days(self, reader, clock):
        pool = a_pool()
        granted(pool, 100)
        consumed(pool, 10, now=START + DAY)
        consumed(pool, 20, now=START + 2 * DAY)
        clock(START + 3 * DAY)

        def amounts(**query: str) -> list[Decimal]:
            return [entry.amount for entry in page(reader, pool, **query)["entries"]]

        assert amounts(type="CREDITS_CONSUMED") == [-20, -10]
        assert amounts(since="2026-04-01", until="2026-04-01") == [-10]
        assert amounts(until="2026-03-31") == [100]

    def test_filters_the_ledger_by_source(self, reader):
        pool, images = a_pool_of_a_plan(5000), a_metered_feature("Images")
        priced = [a_rate(images, pool.credit_type)]
        a_published_plan("Priced", mappings=priced, now=START)
        granted(pool, 20)
        consumed(pool, 3, feature=images)
        consumed(pool, 4)

        def amounts(source: str) -> list[Decimal]:
            return [entry.amount for entry in page(reader, pool, source=source)["entries"]]

        assert amounts("plan") == [5000]
        assert amounts("top-up") == [20]
        assert amounts(f"feature:{images.public_id}") == [-3]
        assert amounts("direct") == [-4]
        assert len(amounts("nonsense")) == 4

    def test_charts_the_days_that_are_asked_for(self, reader, clock):
        pool = a_pool()
        consumed(pool, 7, now=START)
        consumed(pool, 9, now=START + 2 * DAY)
        clock(START + 60 * DAY)

        shown = page(reader, pool, chart_since="2026-03-30", chart_until="2026-04-01")

        assert [row.step for row in shown["chart"].rows] == [
            "1 Apr 2026",
            "31 Mar 2026",
            "30 Mar 2026",
        ]
        assert shown["chart"].total == "7"
        assert not any(link.is_current for link in shown["ranges"])

    @pytest.mark.parametrize(
        "query",
        [
            {"chart_since": "2026-04-01", "chart_until": "2026-03-01"},
            {"chart_since": "0001-01-01"},
            {"chart_since": "soon"},
        ],
    )
    def test_charts_the_last_month_where_the_days_make_no_sense(self, reader, query):
        shown = page(reader, a_pool(), **query)

        assert shown["chart_form"].errors
        assert [link.label for link in shown["ranges"] if link.is_current] == ["Month"]

    @pytest.mark.parametrize(
        "query", [{"chart_until": "0001-01-01"}, {"chart_since": "9999-12-31"}]
    )
    def test_charts_the_ends_of_the_calendar(self, reader, query):
        assert page(reader, a_pool(), **query)["chart"].total == "0"

    def test_stacks_the_chart_by_a_dimension(self, reader):
        pool = a_pool()
        consumed(pool, 7, dimensions={"model": "large"})

        shown = page(reader, pool, by="model")

        assert [(key.name, key.total) for key in shown["chart"].legend] == [("large", "7")]
        assert ("model", "model") in shown["chart_form"].fields["by"].choices

    def test_keeps_what_the_other_sections_show(self, reader):
        shown = page(reader, a_pool(), range="week", type="CREDITS_GRANTED", before="7", by="")

        assert ("type", "CREDITS_GRANTED") in shown["chart_keeps"]
        assert ("range", "week") in shown["ledger_keeps"]
        assert "before" not in dict(shown["ledger_keeps"])

    def test_says_what_was_held_before_and_after_the_days_of_a_filter(self, reader, clock):
        pool = a_pool()
        granted(pool, 100)
        consumed(pool, 10, now=START + DAY)
        consumed(pool, 20, now=START + 2 * DAY)
        clock(START + 3 * DAY)

        def balances(**query: str) -> list[tuple[str, str]]:
            shown = page(reader, pool, **query)["ledger_balances"]
            return [(each["label"], each["balance"]) for each in shown]

        assert balances() == []
        assert balances(since="2026-04-01", until="2026-04-01") == [
            ("Balance before 1 Apr 2026", "100"),
            ("Balance after 1 Apr 2026", "90"),
        ]
        assert balances(since="2026-03-01", until="2026-04-03") == [
            ("Balance before 1 Mar 2026", "0")
        ]

    def test_says_what_the_book_said_where_a_worker_came_late(self, reader, clock):
        """R24."""
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)
        clock(RESET + 5 * DAY)
        resets.sweep(now=RESET + 4 * DAY, seconds=5)

        [after] = page(reader, pool, until="2026-04-30")["ledger_balances"]

        assert (after["balance"], after["written"]) == ("5,000", "1,800")

    def test_keeps_the_pool_when_the_range_changes(self, reader):
        pool = a_pool()
        kept = page(reader, pool, credit_type=pool.credit_type.public_id, grants="all")

        day = kept["ranges"][0]

        assert day.url.startswith(f"{address(pool)}?credit_type={pool.credit_type.public_id}")
        assert "grants=all" in day.url
        assert "range=day" in day.url

    @pytest.mark.parametrize(
        "query",
        [
            "before=x",
            "before=0",
            "before=-1",
            "before=99999999999999999999",
            "after=9" * 3,
            "page=0",
            "page=1000000000",
            "page=x",
            "range=century",
            "grants=x",
            "type=NOTHING",
            "since=30-02-2026",
            "until=9999-12-31",
            "credit_type=%00&resource=%27",
            "credit_type=" + "x" * 5000,
        ],
    )
    def test_shows_a_page_whatever_the_address_says(self, reader, query):
        pool = a_pool()
        granted(pool)

        assert reader.get(f"{address(pool)}?{query}").status_code == 200

    def test_shows_names_as_text(self, reader):
        pool = a_pool(a_customer("<script>alert(1)</script>"))
        granted(pool, name="<b>bold</b>")
        consumed(pool, 1, feature=a_metered_feature("<i>it</i>"))

        content = text(reader, pool)

        assert "<script>alert(1)" not in content
        assert "<b>bold" not in content
        assert "<i>it" not in content

    def test_takes_as_many_queries_for_a_long_history_as_for_a_short_one(self, reader, clock):
        short, long = a_pool_of_a_plan(), a_pool_of_a_plan()
        for pool, times in ((short, 1), (long, 8)):
            for _ in range(times):
                granted(pool)
                consumed(pool, 30, feature=a_metered_feature())
            a_pool(pool.customer, resource=a_resource(pool.customer))
        clock(RESET)
        page(reader, short)

        counts = []
        for pool in (short, long):
            with CaptureQueriesContext(connection) as queries:
                page(reader, pool)
            counts.append(len(queries))

        assert counts[0] == counts[1] <= 18
