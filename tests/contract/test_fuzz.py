"""Requests made from the document we serve, good ones and bad ones.

None may end in an error of ours, in an answer that the document does not name, or in success
with a body that the document does not allow; of the last two `DescribedClient` takes care.
A few per operation by default; as many as FUZZ says by `make fuzz`.
"""

import copy
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from tests.application import Application
from tests.contract.described import document
from tests.contract.world import KNOWN, a_world, undone, with_known_ids

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("FUZZ", "0"))
WIRE = ("method", "url", "params", "headers", "json", "data")

OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in document()["paths"].items()
    for method in methods
    if path.startswith(("/api/", "/v1/"))
]

a_few_or_many = settings(
    max_examples=EXAMPLES or 3,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
)


@cache
def operations() -> dict[str, Any]:
    """What requests are made from: the document without keys, which tests have of their own."""
    text = copy.deepcopy(document())
    text.pop("security", None)
    for methods in text["paths"].values():
        for operation in methods.values():
            operation["security"] = []
            parameters = operation.get("parameters", [])
            operation["parameters"] = [each for each in parameters if each["in"] != "header"]
    schema = schemathesis.openapi.from_dict(text)
    found: list[Any] = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    return {f"{each.method.upper()} {each.path}": each for each in found}


@pytest.fixture(scope="module")
def application(django_db_setup: None, django_db_blocker: Any) -> Iterator[Application]:
    """One world for all requests, each of which is undone."""
    with django_db_blocker.unblock(), undone():
        yield a_world(datetime.now(UTC))


def send(application: Application, case: Case, *, is_known: bool) -> int:
    """Send a request; the status of the answer."""
    if is_known:
        kind = "addon" if "/addons" in case.path else "plan"
        known = {**KNOWN, "packageId": "extra" if kind == "addon" else "pro"}
        case.path_parameters = {
            name: known.get(name, value) for name, value in (case.path_parameters or {}).items()
        }
        case.body = with_known_ids(case.body)
        case.query = with_known_ids(case.query)
    wire = case.as_transport_kwargs(base_url="http://testserver")
    request = requests.Request(**{name: wire[name] for name in WIRE if name in wire}).prepare()
    with undone():
        response = application.client.generic(
            str(request.method),
            request.path_url,
            request.body or "",
            content_type=request.headers.get("Content-Type", "application/json"),
        )
    return int(response.status_code)


class TestOperation:
    @pytest.mark.parametrize("name", OPERATIONS)
    def test_answers_good_requests_as_described(self, application, name):
        good = operations()[name].as_strategy(generation_mode=GenerationMode.POSITIVE)

        @a_few_or_many
        @given(good, st.booleans() if EXAMPLES else st.just(True))
        def answers(case: Case, is_known: bool) -> None:
            assert send(application, case, is_known=is_known) < 500

        answers()

    @pytest.mark.parametrize("name", [name for name in OPERATIONS if not name.startswith("DELETE")])
    def test_refuses_bad_requests_as_described(self, application, name):
        operation = operations()[name]
        if not operation.body and not operation.query:
            pytest.skip("nothing about it can be wrong")
        bad = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

        @a_few_or_many
        @given(bad, st.booleans() if EXAMPLES else st.just(True))
        def refuses(case: Case, is_known: bool) -> None:
            assert send(application, case, is_known=is_known) < 500

        refuses()
