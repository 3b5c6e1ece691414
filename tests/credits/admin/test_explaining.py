from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credits import grants, pools, resets
from credits.models import Pool
from tests.builders import (
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from tests.credits.admin.conftest import EVERYBODY
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted, stored
from tests.workspace.admin.conftest import Visitor
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RESET = START.replace(month=4, day=30)


def address(pool: Pool) -> str:
    return f"/admin/credits/pool/{pool.pk}/balance/"


def page(visitor: Visitor, pool: Pool, **query: str) -> Any:
    answer = visitor.get(address(pool), query)
    assert answer.status_code == 200
    return answer.context


def lines(shown: Any) -> list[tuple[str, str]]:
    return [(row["label"], row["amount"]) for row in shown["rows"]]


@pytest.fixture
def acme(clock) -> Pool:
    """Acme has 312 credits on 4 April."""
    customer = a_customer("Acme", now=START)
    pool = a_pool(customer, a_credit_type("AI Credits", now=START))
    granted(pool, 100)
    granted(pool, 1000, name="Order 4711", now=START + DAY)
    consumed(pool, 700, feature=a_metered_feature("Images", now=START), now=START + 2 * DAY)
    consumed(pool, 88, now=START + 3 * DAY)
    clock(START + 4 * DAY)
    return pool


class TestBalancePage:
    @pytest.mark.parametrize("role", EVERYBODY)
    def test_is_open_to_everybody_who_works_here(self, visit, role):
        page(visit(role), a_pool())

    def test_is_closed_to_strangers(self):
        answer = Client().get(address(a_pool()))

        assert answer["Location"].startswith("/admin/login/")

    def test_answers_for_a_pool_that_is_not_there(self, reader):
        answer = reader.get("/admin/credits/pool/999999/balance/")

        assert answer.url == "/admin/credits/pool/"

    def test_is_one_click_from_the_balance(self, reader):
        pool = a_pool_of_a_plan()
        tab = f"/admin/credits/pool/customers/{pool.customer_id}/credits/"

        assert f'href="{address(pool)}"' in reader.get(tab).content.decode()
        assert reader.get(page(reader, pool)["tabs"][0].url, follow=True).context["pool"] == pool

    def test_adds_up(self, reader, acme):
        shown = page(reader, acme, since="2026-04-01T00:00")

        assert (shown["opening"], shown["closing"]) == ("100", "312")
        assert lines(shown) == [
            ("Manual top-up: Order 4711", "+1,000"),
            ("Used: Images", "−700"),
            ("Used without a feature", "−88"),
        ]

    def test_says_it_in_a_sentence(self, reader, acme):
        """100 + 1,000 − 788 = 312."""
        shown = page(reader, acme, since="2026-04-01T00:00")

        assert shown["sentence"] == (
            "On 4 Apr 2026, 10:00 UTC Acme: AI Credits had a balance of 312 credits. "
            "On 1 Apr 2026, 00:00 UTC it was 100. "
            "Added since: 1,000 from Manual top-up: Order 4711. "
            "Gone since: 700 used for Images and 88 used without a feature. "
            "100 + 1,000 − 788 = 312."
        )

    def test_begins_with_the_current_period(self, reader, clock):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)
        clock(RESET + DAY)

        this, last = page(reader, pool), page(reader, pool, span="last")

        assert (this["since"], this["until"], this["is_now"]) == (RESET, RESET + DAY, True)
        assert lines(this) == [("Plan Pro", "+5,000"), ("Expired", "−1,800")]
        assert (this["opening"], this["closing"]) == ("1,800", "5,000")
        assert (last["since"], last["until"], last["is_now"]) == (START, RESET, False)
        assert lines(last) == [("Plan Pro", "+5,000"), ("Used without a feature", "−3,200")]

    def test_begins_with_the_month_where_nothing_recurs(self, reader, acme):
        assert page(reader, acme)["since"] == START.replace(month=4, day=1, hour=0)

    @pytest.mark.parametrize(("span", "days"), [("week", 7), ("month", 30)])
    def test_goes_back_some_days(self, reader, acme, span, days):
        assert page(reader, acme, span=span)["since"] == START + (4 - days) * DAY

    def test_goes_back_to_the_beginning(self, reader, acme):
        shown = page(reader, acme, span="all")

        assert (shown["since"], shown["opening"]) == (START.replace(hour=0), "0")
        assert lines(shown)[0] == ("Manual top-up: Top-up", "+100")

    def test_multiplies_an_add_on(self, reader):
        product, credit_type = a_product(), a_credit_type()
        addon = a_published_addon(
            "Extra", product=product, entitlements=[some_credits(credit_type, 10)]
        )
        plan = a_published_plan(product=product, compatible_addons=[addon])
        a_subscription(plan=plan, addons=[(addon, 3)], now=START)

        assert lines(page(reader, Pool.objects.get())) == [("Add-on Extra × 3", "+30")]

    def test_counts_what_was_done_at_this_moment(self, reader, clock):
        pool = a_pool_of_a_plan(5000)

        shown = page(reader, pool)

        assert shown["closing"] == "5,000"
        assert pools.standing(stored(pool), START).balance == 5000

    def test_tells_what_was_known_from_what_was_true(self, reader, clock):
        """R24, R52: the worker came two days late."""
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)
        resets.sweep(now=RESET + 2 * DAY, seconds=5)
        clock(RESET + 3 * DAY)
        span = {"since": "2026-04-30T10:00", "until": "2026-05-01T10:00"}

        true, known = page(reader, pool, **span), page(reader, pool, view="known", **span)

        assert (true["closing"], known["closing"], known["rows"]) == ("5,000", "1,800", [])
        assert "written down" in known["sentence"]

    def test_opens_a_line_with_its_entries(self, reader, acme):
        closed = page(reader, acme, span="all")
        [_, row, _, _] = closed["rows"]

        opened = reader.get(row["url"]).context["rows"][1]

        assert ([line["is_open"] for line in closed["rows"]], opened["is_open"]) == (
            [False] * 4,
            True,
        )
        [proof] = opened["proofs"]
        assert (proof["entry"].amount, proof["reason"].rule) == (1000, "R46")
        assert reader.get(proof["grant_url"]).status_code == 200

    def test_pages_through_the_entries_of_a_line(self, reader):
        pool = a_pool()
        for _ in range(15):
            consumed(pool, 1)

        first = page(reader, pool, open="used")["rows"][0]
        second = reader.get(first["older_url"]).context["rows"][0]

        assert (len(first["proofs"]), first["newest_url"]) == (10, "")
        assert [proof["entry"].number for proof in second["proofs"]] == [5, 4, 3, 2, 1]
        assert second["older_url"] == ""
        assert second["newest_url"]

    def test_tells_late_use_by_its_own_time(self, reader):
        pool = a_pool()
        consumed(pool, 1, used_at=START - DAY)

        [row] = page(reader, pool, open="used")["rows"]

        assert row["proofs"][0]["used_at"] == START - DAY

    def test_says_what_nobody_has_written_down(self, reader, clock):
        pool = a_pool_of_a_plan(5000)
        clock(RESET)

        answer = reader.get(address(pool), {"open": "expired"})

        assert "the worker will write it" in answer.content.decode()

    def test_says_that_nothing_moved(self, reader):
        answer = reader.get(address(a_pool()))

        assert "Nothing came and nothing went" in answer.content.decode()
        assert answer.context["sentence"].endswith("it was 0, and nothing has changed it since.")

    def test_marks_a_deficit(self, reader):
        pool = a_pool()
        consumed(pool, 15)

        shown = page(reader, pool)

        assert (shown["closing"], shown["is_overdrawn"]) == ("−15", True)

    def test_ends_now_at_the_latest(self, reader, acme):
        shown = page(reader, acme, since="2026-04-01T00:00", until="2027-01-01T00:00")

        assert (shown["until"], shown["is_now"], shown["closing"]) == (
            START + 4 * DAY,
            True,
            "312",
        )

    def test_refuses_to_end_before_it_begins(self, reader, acme):
        shown = page(reader, acme, since="2026-04-02T00:00", until="2026-04-01T00:00")

        assert shown["form"].errors["since"] == ["Choose an instant before 1 Apr 2026, 00:00 UTC."]
        assert shown["closing"] == "312"

    @pytest.mark.parametrize(
        "query",
        ["since=x", "until=9999-12-31T23:59", "open=used-999", "open=%00", "open=granted&before=x",
         "span=nonsense&view=nonsense", "since=0001-01-01T00:00", "open=used&before=99999999999"],
    )  # fmt: skip
    def test_shows_a_page_whatever_the_address_says(self, reader, acme, query):
        assert reader.get(f"{address(acme)}?{query}").status_code == 200

    def test_shows_names_as_text(self, reader):
        pool = a_pool(a_customer("<script>alert(1)</script>"))
        granted(pool, name="<b>bold</b>", comment="<i>why</i>")
        content = reader.get(address(pool), {"open": "granted-1"}).content.decode()

        assert "<script>alert(1)" not in content
        assert "<b>bold" not in content
        assert "<i>why" not in content

    def test_takes_as_many_queries_for_a_long_history_as_for_a_short_one(self, reader, clock):
        short, long = a_pool_of_a_plan(), a_pool_of_a_plan()
        for pool, times in ((short, 1), (long, 30)):
            for _ in range(times):
                gift = granted(pool)
                grants.void(grant_id=gift.public_id, reason="", actor=SYSTEM, now=START)
                consumed(pool, 30, feature=a_metered_feature())
        clock(RESET)
        page(reader, short, open="voided", span="all")

        counts = []
        for pool in (short, long):
            with CaptureQueriesContext(connection) as queries:
                page(reader, pool, open="voided", span="all")
            counts.append(len(queries))

        assert counts[0] == counts[1] <= 15
