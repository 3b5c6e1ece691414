from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits.models import Pool
from tests.builders import (
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_published_plan,
    a_resource,
    a_subscription,
    some_credits,
    some_units,
)
from tests.credits.admin.conftest import EVERYBODY
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted
from tests.workspace.admin.conftest import Visitor

pytestmark = pytest.mark.django_db

RESET = START.replace(month=4, day=30)


def page(visitor: Visitor, customer_id: int, **query: str) -> Any:
    url = f"/admin/credits/pool/customers/{customer_id}/entitlement-usage/"
    answer = visitor.get(url, query)
    assert answer.status_code == 200
    return answer.context


class TestUsagePage:
    @pytest.mark.parametrize("role", EVERYBODY)
    def test_is_open_to_everybody_who_works_here(self, visit, role):
        page(visit(role), a_customer().pk)

    def test_links_credits_to_their_pool(self, reader):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 4500)

        (row,) = page(reader, pool.customer_id)["rows"]

        assert (row["line"].name, row["limit"], row["percent"]) == ("AI Credits", "5,000", "90 %")
        assert row["tone"] == "warning"
        assert reader.get(row["url"]).context["pool"] == pool

    def test_starts_again_at_a_boundary_without_a_worker(self, reader, clock):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 4500)

        clock(RESET - timedelta(microseconds=1))
        (before,) = page(reader, pool.customer_id)["rows"]
        clock(RESET)
        (after,) = page(reader, pool.customer_id)["rows"]

        assert (before["line"].used, after["line"].used) == (4500, 0)
        assert after["line"].next_reset_at == RESET.replace(month=5, day=31)

    def test_lists_metered_features_without_limit(self, reader):
        plan = a_published_plan(
            entitlements=[some_units(a_metered_feature("Images", now=START), None)], now=START
        )
        subscription = a_subscription(plan=plan, now=START)

        (row,) = page(reader, subscription.customer_id)["rows"]

        assert (row["line"].name, row["limit"], row["percent"], row["url"]) == (
            "Images",
            "Unlimited",
            "–",
            "",
        )

    def test_shows_what_one_resource_has(self, reader):
        customer = a_customer()
        sealed = a_pool(customer, resource=a_resource(customer, "berlin"))
        granted(sealed, 30)

        whole, berlin = (page(reader, customer.pk, resource=name) for name in ("", "berlin"))

        assert whole["rows"] == []
        assert [row["limit"] for row in berlin["rows"]] == ["30"]

    def test_says_what_to_do_where_there_is_nothing(self, reader):
        customer = a_customer()

        answer = reader.get(f"/admin/credits/pool/customers/{customer.pk}/entitlement-usage/")

        assert "Nothing to use yet" in answer.content.decode()

    def test_takes_as_many_queries_for_many_entitlements_as_for_few(self, reader):
        few, many = (
            a_subscription(
                plan=a_published_plan(
                    entitlements=[
                        entitlement
                        for _ in range(count)
                        for entitlement in (
                            some_credits(a_credit_type(now=START), 5),
                            some_units(a_metered_feature(now=START), 5),
                        )
                    ],
                    now=START,
                ),
                now=START,
            )
            for count in (1, 5)
        )
        page(reader, few.customer_id)

        counts = []
        for subscription in (few, many):
            with CaptureQueriesContext(connection) as queries:
                page(reader, subscription.customer_id)
            counts.append(len(queries))

        assert Pool.objects.count() == 6
        assert counts[0] == counts[1]
