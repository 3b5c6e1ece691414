"""The check on every answer finds what it should."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

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
) -> None:
    """Check an answer to a POST, as the client does."""
    described.check(
        SimpleNamespace(
            status_code=status,
            content=json.dumps(answer).encode(),
            wsgi_request=SimpleNamespace(path_info=path, method="POST"),
        ),
        sent,
    )


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
