"""The check on every answer finds what it should."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import QueryDict

from tests.contract import described
from tests.contract.described import UndescribedAnswer

CREDIT_TYPE: dict[str, Any] = {
    "id": "ai",
    "displayName": "AI",
    "symbol": None,
    "description": None,
    "units": None,
    "metadata": {},
    "createdAt": "2026-10-01T10:00:00.000Z",
    "updatedAt": "2026-10-01T10:00:00.000Z",
    "archivedAt": None,
}
PATH = "/api/v1/credits/custom-currencies"


def checked(
    answer: Any,
    *,
    status: int = 201,
    path: str = PATH,
    sent: str = '{"id": "a", "displayName": "A"}',
    method: str = "POST",
    query: str = "",
) -> None:
    """Check an answer to a POST, or to another method, as the client does."""
    asked = SimpleNamespace(path_info=path, method=method, GET=QueryDict(query))
    described.check(
        SimpleNamespace(
            status_code=status, content=json.dumps(answer).encode(), wsgi_request=asked
        ),
        sent,
    )


def listed(query: str, path: str = "/api/v1/credits/grants") -> None:
    """Check an empty page that was answered to a query."""
    nothing = {"data": [], "pagination": {"next": None, "prev": None}}
    checked(nothing, status=200, path=path, method="GET", query=query)


class TestCheck:
    def test_lets_pass_what_is_described(self):
        checked({"data": CREDIT_TYPE})

    @pytest.mark.parametrize(
        "fault",
        [
            {"displayName": None},
            {"createdAt": "yesterday"},
            {"units": {"singular": "credit"}},
            {"secret": "not described"},
        ],
    )
    def test_finds_a_fault_in_an_answer(self, fault):
        with pytest.raises(UndescribedAnswer):
            checked({"data": CREDIT_TYPE | fault})

    def test_finds_what_is_missing(self):
        with pytest.raises(UndescribedAnswer):
            checked({"data": {"id": "ai"}})

    def test_finds_a_status_that_is_not_described(self):
        with pytest.raises(UndescribedAnswer):
            checked({"data": CREDIT_TYPE}, status=200)

    def test_finds_a_body_that_should_have_been_refused(self):
        with pytest.raises(UndescribedAnswer):
            checked({"data": CREDIT_TYPE}, sent='{"id": "a"}')

    def test_finds_a_success_where_nothing_is_described(self):
        with pytest.raises(UndescribedAnswer):
            checked({"data": CREDIT_TYPE}, path="/api/v1/unknown")

    @pytest.mark.parametrize(
        "query",
        [
            "customerId=acme&limit=100",
            "customerId=acme&createdAt[gte]=2026-10-01T10:00:00Z&createdAt[lt]=2026-10-02T10:00:00",
            "customerId=acme&resourceId=&colour=red",
        ],
    )
    def test_lets_pass_a_query_that_is_described(self, query):
        listed(query)

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "customerId=",
            "customerId=acme&customerId=acme",
            "customerId=a/b",
            "customerId=acme&limit=101",
            "customerId=acme&limit=many",
            "customerId=acme&createdAt=2026-10-01T10:00:00Z",
            "customerId=acme&createdAt[gte]=yesterday",
            "customerId=acme&createdAt[in]=2026-10-01T10:00:00Z",
            "customerId=acme&amount[gte]=1",
        ],
    )
    def test_finds_a_query_that_should_have_been_refused(self, query):
        with pytest.raises(UndescribedAnswer):
            listed(query)

    def test_reads_lists_by_commas(self):
        listed("status=ACTIVE,ARCHIVED&status=ACTIVE", path=PATH)
        listed("status=", path=PATH)
        with pytest.raises(UndescribedAnswer):
            listed("status=ACTIVE,GONE", path=PATH)
