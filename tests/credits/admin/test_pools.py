from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape
from django_q.models import Task

from credits import resets
from credits.admin.words import pool_url
from credits.models import Pool
from tests.builders import a_customer
from tests.credits.admin.conftest import ADJUSTERS, EVERYBODY, ONLOOKERS
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted, stored
from tests.workspace.admin.conftest import Visitor, words

pytestmark = pytest.mark.django_db

RESETS = "/admin/credits/pool/resets/"
RESET = START.replace(month=4, day=30)


def swept(at: datetime, *, success: bool = True) -> None:
    Task.objects.create(
        id=f"{at:%d%H%M%S}{success}",
        name="sweep",
        func="credits.tasks.sweep",
        started=at,
        stopped=at,
        success=success,
        result="2 pools written, 0 set aside",
    )


def page(visitor: Visitor) -> Any:
    answer = visitor.get(RESETS)
    assert answer.status_code == 200
    return answer.context


class TestResetsPage:
    @pytest.mark.parametrize("role", EVERYBODY)
    def test_is_open_to_everybody_who_works_here(self, visit, role):
        page(visit(role))

    def test_says_that_no_worker_was_ever_seen(self, reader):
        shown = page(reader)

        assert (shown["health"].label, shown["due_count"]) == ("Never seen", "0")
        assert "run_worker" in shown["advice"]

    @pytest.mark.parametrize(
        ("ago", "success", "label"),
        [
            (timedelta(seconds=30), True, "Running"),
            (timedelta(seconds=30), False, "Failing"),
            (timedelta(minutes=10), True, "Not running"),
        ],
    )
    def test_says_how_the_worker_is(self, reader, ago, success, label):
        swept(START - timedelta(hours=2))
        swept(START - ago, success=success)

        assert page(reader)["health"].label == label

    def test_counts_what_is_due(self, reader, clock):
        late, later = a_pool_of_a_plan(), a_pool_of_a_plan(now=START + timedelta(days=1))
        clock(RESET + timedelta(days=3))

        shown = page(reader)

        assert (shown["due_count"], shown["oldest"]) == ("2", late)
        assert shown["oldest_ago"] == "3 days ago"
        assert later.next_change_at != late.next_change_at

    def test_lists_what_was_set_aside_with_the_reason(self, reader, clock):
        pool = a_pool_of_a_plan()
        clock(RESET)
        resets.set_aside(pool_id=pool.pk, because="ValueError: odd", now=RESET)

        shown = page(reader)

        assert (shown["due_count"], shown["aside_count"]) == ("0", "1")
        assert [row["pool"].set_aside_because for row in shown["aside"]] == ["ValueError: odd"]
        assert not shown["may_try_again"]

    def test_takes_as_many_queries_for_many_pools_as_for_few(self, reader, clock):
        counts = []
        for number in (1, 6):
            for _ in range(number):
                resets.set_aside(pool_id=a_pool_of_a_plan().pk, because="Odd", now=START)
                a_pool_of_a_plan()
            clock(RESET)
            with CaptureQueriesContext(connection) as queries:
                page(reader)
            clock(START)
            counts.append(len(queries))

        assert counts[0] == counts[1]


class TestTodayPage:
    @pytest.mark.parametrize("role", EVERYBODY)
    def test_lists_who_used_most_of_a_credit_type_since_midnight(self, visit, clock, role):
        idle, other = (a_pool(a_customer(name)) for name in ("Idle", "Other"))
        busy = a_pool(a_customer("Busy"), idle.credit_type)
        granted(idle, 10, now=START - timedelta(days=1))
        for pool, amount in ((idle, 10), (busy, 70)):
            granted(pool, 100, now=START)
            consumed(pool, amount, now=START)
        granted(other, 5, now=START)
        clock(START + timedelta(hours=1))

        answer = visit(role).get(
            f"/admin/credits/pool/today/?credit_type={idle.credit_type.public_id}"
        )

        rows = [(row["granted"], row["used"], row["url"]) for row in answer.context["rows"]]
        since = "?since=2026-03-31T00%3A00"
        assert rows == [
            (100, used, f"/admin/credits/pool/{pool.pk}/balance/{since}")
            for pool, used in ((busy, 70), (idle, 10))
        ]


class TestTryAgain:
    def address(self, pool: Pool) -> str:
        return f"/admin/credits/pool/{pool.pk}/try-again/"

    @pytest.mark.parametrize("role", ADJUSTERS)
    def test_lets_sweeps_take_the_pool_up(self, visit, clock, role):
        pool = a_pool_of_a_plan()
        resets.set_aside(pool_id=pool.pk, because="Odd", now=START)

        answer = visit(role).press(self.address(pool), next=RESETS)
        clock(RESET)
        resets.sweep(now=RESET, seconds=5)

        assert words(answer) == ["Acme: AI Credits is tried again with the next sweep."]
        assert (stored(pool).set_aside_at, stored(pool).set_aside_because) == (None, "")
        assert stored(pool).as_of == RESET

    @pytest.mark.parametrize("role", ONLOOKERS)
    def test_is_closed_to_onlookers(self, visit, role):
        pool = a_pool_of_a_plan()
        resets.set_aside(pool_id=pool.pk, because="Odd", now=START)
        visitor = visit(role)

        assert visitor.get(self.address(pool)).status_code == 403
        assert visitor.post(self.address(pool)).status_code == 403
        assert stored(pool).set_aside_at == START

    def test_is_not_offered_for_a_pool_in_order(self, support):
        pool = a_pool_of_a_plan()

        answer = support.get(self.address(pool), {"next": RESETS}, follow=True)

        assert words(answer) == ["“Try again” is not possible for Acme: AI Credits now."]


class TestPoolAdmin:
    def test_shows_a_pool_on_its_customers_page(self, reader):
        pool = a_pool_of_a_plan()

        answer = reader.get(f"/admin/credits/pool/{pool.pk}/change/", follow=True)

        assert answer.context["pool"] == pool

    @pytest.mark.parametrize("name", ["balance", "forecast"])
    def test_leads_to_its_pages_by_the_customer(self, reader, name):
        pool = granted(a_pool(a_customer("Acme")), 10).pool

        head = reader.get(f"/admin/credits/pool/{pool.pk}/{name}/").text.partition("<main")[0]

        way = [
            'href="/admin/subscriptions/customer/"',
            f'href="/admin/subscriptions/customer/{pool.customer_id}/change/"',
            f'href="{escape(pool_url(pool))}"',
        ]
        places = [head.find(link) for link in way]
        assert -1 not in places
        assert places[1:] == sorted(places[1:])
        assert f"Pool {pool.pk}" not in head

    def test_lists_all_balances(self, reader):
        pool = a_pool_of_a_plan()

        page = reader.get("/admin/credits/pool/").content.decode()

        assert "5,000" in page
        assert f"/pool/{pool.pk}/change/" in page

    def test_takes_as_many_queries_for_many_as_for_one(self, reader, django_assert_num_queries):
        a_pool_of_a_plan()
        reader.get("/admin/credits/pool/")
        with django_assert_num_queries(4):
            reader.get("/admin/credits/pool/")
        for _ in range(5):
            a_pool()

        with django_assert_num_queries(4):
            reader.get("/admin/credits/pool/")

    @pytest.mark.parametrize(
        ("standing", "names"),
        [
            ("negative", {"Owes"}),
            ("low", {"Low", "Empty"}),
            ("aside", {"Aside"}),
            ("nonsense", {"Owes", "Low", "Empty", "Enough", "Aside", "None"}),
        ],
    )
    def test_finds_those_that_stand_so(self, reader, standing, names):
        a_pool(a_customer("None"))
        for name, amount, used in (
            ("Owes", 10, 11), ("Low", 100, 80), ("Empty", 10, 10), ("Enough", 100, 79),
        ):  # fmt: skip
            pool = a_pool(a_customer(name))
            granted(pool, amount)
            consumed(pool, used)
        aside = a_pool(a_customer("Aside"))
        resets.set_aside(pool_id=aside.pk, because="Test", now=START)

        answer = reader.get("/admin/credits/pool/", {"standing": standing})

        assert {str(pool.customer) for pool in answer.context["cl"].result_list} == names

    def test_has_no_form_that_changes_a_pool(self, visit):
        pool = a_pool_of_a_plan()
        administrator = visit(ADJUSTERS[0])

        assert administrator.get("/admin/credits/pool/add/").status_code == 403
        assert administrator.get(f"/admin/credits/pool/{pool.pk}/delete/").status_code == 403
