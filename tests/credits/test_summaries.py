from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import grants, pools, resets, summaries
from credits.book import GrantType
from credits.models import Grant, GrantStatus, Pool
from credits.summaries import GrantLine
from tests.builders import a_credit_type, a_customer, a_resource
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted, stored
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = START + 3 * DAY
RESET = START.replace(month=4, day=30)


def current(pool: Pool, now=LATER, **options) -> list[GrantLine]:
    row = stored(pool)
    return summaries.current_grants(row, summaries.on_paper(row, now), now=now, **options).lines


def every(pool: Pool, now=LATER, **options) -> list[GrantLine]:
    row = stored(pool)
    return summaries.all_grants(row, summaries.on_paper(row, now), now=now, **options).lines


class TestPoolsOf:
    def test_puts_the_global_pool_before_those_of_resources(self):
        customer, credit_type = a_customer(), a_credit_type()
        sealed = a_pool(customer, credit_type, a_resource(customer))
        whole = a_pool(customer, credit_type)

        assert summaries.pools_of(customer) == [whole, sealed]


class TestUtilisation:
    def test_is_none_where_nothing_is_granted(self):
        standing = pools.standing(a_pool(), START)

        assert summaries.utilisation(standing) is None

    def test_is_consumed_in_percent_of_granted(self):
        pool = a_pool()
        granted(pool, 3000)
        consumed(pool, 1000)

        assert summaries.utilisation(pools.standing(stored(pool), START)) == Decimal("33.3")

    def test_exceeds_100_for_an_overdrawn_pool(self):
        pool = a_pool()
        granted(pool, 100)
        consumed(pool, 150)

        assert summaries.utilisation(pools.standing(stored(pool), START)) == 150


class TestCurrentGrants:
    def test_numbers_the_grants_that_can_pay_in_burn_order(self):
        """R35: the promotion expires with the top-up and goes first."""
        pool = a_pool()
        last = granted(pool, name="No hurry")
        second = granted(pool, name="Soon", expires_at=START + 9 * DAY)
        first = granted(pool, name="Gift", type=GrantType.PROMOTIONAL, expires_at=START + 9 * DAY)

        lines = current(pool)

        assert [(line.grant, line.place) for line in lines] == [(first, 1), (second, 2), (last, 3)]

    def test_lists_what_waits_after_what_pays_without_a_place(self):
        pool = a_pool()
        scheduled = granted(pool, effective_at=LATER + DAY)
        active = granted(pool)
        pending = granted(pool, payment_pending=True, effective_at=LATER + 2 * DAY)

        lines = current(pool)

        assert [(line.grant, line.status, line.place) for line in lines] == [
            (active, GrantStatus.ACTIVE, 1),
            (scheduled, GrantStatus.SCHEDULED, None),
            (pending, GrantStatus.PAYMENT_PENDING, None),
        ]

    def test_begins_with_the_overdraft(self):
        pool = a_pool()
        consumed(pool, 15)
        scheduled = granted(pool, effective_at=LATER + DAY)

        overdraft, waiting = current(pool)

        assert (overdraft.grant.type, overdraft.remaining) == (GrantType.OVERDRAFT, -15)
        assert (overdraft.is_revocable, overdraft.is_editable) == (False, False)
        assert waiting.grant == scheduled

    def test_ends_with_what_is_used_up_and_never_expires(self):
        pool = a_pool()
        used_up = granted(pool, 10)
        consumed(pool, 10)
        active = granted(pool)

        lines = current(pool)

        assert [(line.grant, line.place) for line in lines] == [(active, 1), (used_up, None)]
        assert lines[1].status == GrantStatus.ACTIVE

    def test_shows_the_new_period_at_its_first_instant_without_a_worker(self):
        """R21, R22: nobody has written the reset down."""
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)

        (line,) = current(pool, RESET)

        assert (line.remaining, line.place, line.status) == (5000, 1, GrantStatus.ACTIVE)
        assert line.grant.effective_at == RESET
        assert line.grant.expires_at == RESET.replace(month=5, day=31)
        assert line.source == "Plan Pro"
        assert (line.is_written, line.is_revocable) == (False, False)

    def test_says_the_same_before_and_after_the_worker_wrote(self):
        pool = a_pool_of_a_plan(5000)
        granted(pool, 70, expires_at=RESET)
        granted(pool, 30, effective_at=RESET)
        consumed(pool, 6000)

        before = [(line.grant.name, line.remaining, line.place) for line in current(pool, RESET)]
        resets.sweep(now=RESET, seconds=5)
        after = [(line.grant.name, line.remaining, line.place) for line in current(pool, RESET)]

        assert before == after

    def test_pages_through_states_and_rows_without_loss(self):
        pool = a_pool()
        used_up = [granted(pool, 1, name=f"Used {number}") for number in range(3)]
        consumed(pool, 3)
        alive = [granted(pool, 1, name=f"Alive {number}") for number in range(3)]

        pages = [current(pool, page=page, size=2) for page in (1, 2, 3, 4)]

        assert [[line.grant for line in page] for page in pages] == [
            [alive[0], alive[1]],
            [alive[2], used_up[2]],
            [used_up[1], used_up[0]],
            [],
        ]

    def test_takes_as_many_queries_for_many_grants_as_for_few(self):
        few, many = a_pool(), a_pool()
        for pool, times in ((few, 1), (many, 6)):
            for _ in range(times):
                granted(pool)
                granted(pool, effective_at=LATER + DAY)
                granted(pool, 1)
            consumed(pool, times)

        counts = []
        for pool in (few, many):
            row = stored(pool)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                state = summaries.on_paper(row, LATER)
                summaries.current_grants(row, state, now=LATER)
            counts.append(len(queries))

        assert counts[0] == counts[1] <= 5


class TestAllGrants:
    def test_lists_the_newest_first_with_those_that_are_over(self):
        pool = a_pool()
        expired = granted(pool, expires_at=START + DAY)
        voided = granted(pool)
        grants.void(grant_id=voided.public_id, reason="By mistake", actor=SYSTEM, now=START)
        active = granted(pool)

        lines = every(pool)

        assert [(line.grant, line.status) for line in lines] == [
            (active, GrantStatus.ACTIVE),
            (voided, GrantStatus.VOIDED),
            (expired, GrantStatus.EXPIRED),
        ]

    def test_begins_with_what_time_made_and_nobody_has_written(self):
        pool = a_pool_of_a_plan()

        new, old = every(pool, RESET)

        assert (new.is_written, new.status) == (False, GrantStatus.ACTIVE)
        assert (old.is_written, old.status) == (True, GrantStatus.EXPIRED)

    def test_changes_no_row(self):
        pool = a_pool_of_a_plan()
        before = list(Grant.objects.values())

        every(pool, RESET)

        assert list(Grant.objects.values()) == before


class TestGrantLine:
    def test_reads_one_grant_as_it_stands(self):
        pool = a_pool()
        granted(pool, priority=1)
        row = granted(pool)

        line = summaries.grant_line(grants.find(row.public_id), LATER)

        assert (line.place, line.is_editable, line.is_revocable) == (2, True, True)
