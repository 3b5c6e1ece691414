"""What holds for every operation of the API alike, tried on every one of them."""

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from credits.models import LedgerEntry
from tests.builders import NOW
from tests.contract.world import undone
from tests.operations import (
    COUPON,
    CREDITS,
    DEMAND,
    EVENT,
    GRANT,
    LIMIT,
    LINK,
    PACKAGE,
    PROMOTION,
    REFUSED,
    STEPS,
    TEAM,
    Operation,
    a_world,
    address,
    operations,
    routes,
)
from workspace import customer_tokens, keys
from workspace.actors import SYSTEM
from workspace.api import scopes
from workspace.api.terms import Terms
from workspace.keys import NewKey
from workspace.models import Activity, Area, KeyKind

ALL = operations()
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
BODIES = {
    "no JSON": b"{customer: acme}",
    "half of it": b'{"customerId": "ac',
    "a list": b"[]",
    "a text": b'"acme"',
    "nothing": b"null",
    "UTF-16": '{"customerId": "acme"}'.encode("utf-16"),
    "a BOM": b'\xef\xbb\xbf{"customerId": "acme"}',
    "XML": b"<customer>acme</customer>",
    "a form": b"customerId=acme",
    "a name twice": b'{"customerId": "acme", "customerId": "globex"}',
    "NUL": b'{"customerId": "acme\\u0000"}',
    "half a character": b'{"customerId": "\\ud800"}',
    "NaN": b'{"amount": NaN}',
    "Infinity": b'{"amount": -Infinity}',
    "a huge exponent": b'{"amount": 1e400}',
}
HEAVY = {
    "100,000 brackets": b"[" * 100_000 + b"]" * 100_000,
    "50,000 digits": b'{"amount": ' + b"9" * 50_000 + b"}",
    "more than 2 MB": b'{"a": "' + b"x" * 2 * 1024 * 1024 + b'"}',
}
UNITS = {"type": "FEATURE", "id": "images", "usageLimit": 5}
LOGO = {"displayName": "Logo", "featureType": "BOOLEAN"}
ROOM = {"customerId": "acme", "planId": "room"}
SHORT = ("charges", "/entitlements")
"""Lists of what one plan or add-on has."""
HOT = ("consumption", "events", "grants", "customers")
TYPES = ["application/xml", "text/plain", "application/x-www-form-urlencoded", ""]
STRANGE: list[Any] = [
    None,
    True,
    -1,
    "",
    "\u202e' OR 1=1 -- " + "🎉" * 300,
    "2026-02-30T00:00:00Z",
    [[]],
    {"a": {"b": 1}},
]
TEXTS = [json.dumps(text) for text in ("\u202eabc", "a\r\nb", "x" * 100_000)]
NUMBERS = [
    *("1e-7", "0.0000001", "1e400", "NaN", "Infinity", "-Infinity"),
    *('"5"', '""', "true", "[]", "{}", "５", "01", "0x10", "1_000", "9" * 400),
]
ANSWERED_FOR_NOBODY = {
    "GET /api/v1/customers/<str:customer_id>/entitlements",
    "GET /api/v1/customers/<str:customer_id>/entitlements/check",
    "GET /api/v1-beta/customers/<str:customer_id>/entitlements/check",
    "GET /v1/c/<str:customer_id>/entitlements-state.json",
    "GET /v1/c/<str:customer_id>/entitlements.json",
    "DELETE /api/v1/data-export/destinations/<str:destination_id>",
}
"""Access is a question, whose answer is no; what is not there may be removed again."""


def a_key(kind: KeyKind = KeyKind.FULL, *scopes: str) -> NewKey:
    return keys.create(name="Key", kind=kind, scopes=scopes, actor=SYSTEM, now=NOW)


def ask(raw: str, operation: Operation, **headers: str) -> Any:
    """The answer to an operation with an empty body."""
    return send(raw, operation.method, operation.path, b"", **headers)


def send(raw: str, method: str, path: str, body: bytes, **headers: str) -> Any:
    """The answer to exactly this."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = named.pop("content-type", "application/json")
    return Client(headers={"X-API-KEY": raw}).generic(method, path, body, kind, headers=named)


def grow(raw: str, at: str) -> None:
    """One more of everything; of plans, those that customers have."""
    limit = {**LIMIT, "entityId": f"eng-{at}"}
    entity = {"id": f"eng-{at}", "entityTypeId": f"team-{at}"}
    gift = {**PROMOTION, "featureId": f"logo-{at}", "usageLimit": None}
    beta = "/api/v1-beta/customers/acme"
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "credits/custom-currencies", {"id": f"t-{at}", "displayName": "T"}),
        ("POST", "features", {**LOGO, "id": f"logo-{at}"}),
        ("POST", "products", {"id": f"labs-{at}", "displayName": "Labs"}),
        ("POST", "coupons", {**COUPON, "id": f"winter-{at}"}),
        ("POST", "plans", {"id": f"basic-{at}", **PACKAGE}),
        ("POST", f"plans/basic-{at}/entitlements", {"entitlements": [CREDITS, UNITS]}),
        ("POST", "addons", {"id": f"more-{at}", **PACKAGE}),
        ("POST", f"plans/basic-{at}/publish", {"migrationType": "NEW_CUSTOMERS"}),
        ("POST", f"addons/more-{at}/entitlements", {"entitlements": [CREDITS]}),
        ("POST", f"addons/more-{at}/publish", {"migrationType": "NEW_CUSTOMERS"}),
        ("POST", "customers", {"id": f"initech-{at}"}),
        ("POST", "customers/acme/integrations", {**LINK, "id": f"crm-{at}"}),
        (
            "POST",
            "customers/acme/promotional-entitlements",
            {"promotionalEntitlements": [gift]},
        ),
        ("POST", "subscriptions", {"customerId": f"initech-{at}", "planId": "pro"}),
        ("POST", "subscriptions", {**ROOM, "resourceId": f"room-{at}"}),
        ("POST", "credits/grants", GRANT),
        ("POST", "credits/grants", {**GRANT, "currencyId": f"t-{at}"}),
        ("POST", "credits/consumption", {**DEMAND, "idempotencyKey": f"k-{at}"}),
        ("POST", "events", {"events": [{**EVENT, "idempotencyKey": f"e-{at}"}]}),
        ("PUT", "/api/v1-beta/entity-types", {"types": [{**TEAM, "id": f"team-{at}"}]}),
        ("PUT", f"{beta}/entities", {"entities": [entity]}),
        ("PUT", f"{beta}/assignments", {"assignments": [limit]}),
    ]
    for method, path, body in steps:
        answer = send(raw, method, address(path), json.dumps(body).encode())
        assert answer.status_code in (200, 201), (path, answer.content)


def spoilt(raw: str, kind: type, wrong: list[str]) -> Iterator[tuple[str, str, str, str]]:
    """Each step with one value after the other replaced: its name, method, address and body.

    Of values that are texts, or amounts. Then the step is made, as the next ones need it.
    """
    grant = a_grant(raw)
    for method, path, body in STEPS:
        where, text = address(path).replace("welcome", grant), json.dumps(body)
        for value in sorted({*leaves(body)}, key=str):
            name, held = value
            if isinstance(held, bool) or not isinstance(
                held, (str,) if kind is str else (int, float)
            ):
                continue
            for other in wrong:
                spoiled = text.replace(f'"{name}": {json.dumps(held)}', f'"{name}": {other}')
                assert spoiled != text
                yield f"{method} {path} {other:.20} as {name}", method, where, spoiled
        assert send(raw, method, where, text.encode()).status_code < 300


def a_grant(raw: str) -> str:
    """The id of a new grant."""
    answer = send(raw, "POST", "/api/v1/credits/grants", json.dumps(GRANT).encode())
    made: str = answer.json()["data"]["id"]
    return made


def leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of all that is no object and no list."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            yield from leaves(inner)
        elif isinstance(name, str) and inner is not None:
            yield name, inner


def stored() -> tuple[int, int]:
    """How much was done: everything that changes something is recorded."""
    return Activity.objects.count(), LedgerEntry.objects.count()


def wrong(
    answers: Iterable[tuple[str, Any]], is_right: Callable[[Any], bool]
) -> dict[str, tuple[int, bytes]]:
    """The answers that are not as they should be, or no refusal in the one shape."""
    found = {}
    for name, answer in answers:
        body = json.loads(answer.content or b"{}")
        has_shape = answer.status_code < 400 or (
            set(body) == {"message", "code", "traceId", "errors"}
            and bool(body["message"])
            and body["traceId"] == answer["X-Trace-Id"]
            and "Traceback" not in body["message"]
        )
        is_json = answer["Content-Type"] == "application/json"
        if not (is_json and has_shape and is_right(answer)):
            found[name] = (answer.status_code, answer.content[:300])
    return found


@pytest.fixture
def world(db: None) -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        a_world()
        yield


class TestKeys:
    def test_are_needed_everywhere(self, world):
        """X1, X4: missing, wrong, revoked or ended, the answer is the same 401."""
        revoked, replaced = a_key(), a_key()
        keys.revoke(key_id=revoked.key.pk, actor=SYSTEM, now=NOW)
        keys.rotate(key_id=replaced.key.pk, grace=timedelta(), actor=SYSTEM, now=NOW)
        before = stored()

        for raw in ("", "stipend_full_x", revoked.raw, replaced.raw):
            answers = ((str(each), ask(raw, each)) for each in ALL)
            assert wrong(answers, lambda answer: answer.status_code == 401) == {}
        assert stored() == before

    def test_that_are_read_only_change_nothing(self, world):
        """X3."""
        raw, before = a_key(KeyKind.READ_ONLY).raw, stored()

        answers = ((str(each), ask(raw, each)) for each in ALL if each.changes)

        assert wrong(answers, lambda answer: answer.json()["code"] == "ReadOnlyKey") == {}
        reads = ((str(each), ask(raw, each)) for each in ALL if not each.changes)
        assert wrong(reads, lambda answer: answer.status_code not in (401, 403)) == {}
        assert stored() == before

    @pytest.mark.parametrize("reach", [keys.READ, keys.WRITE])
    def test_that_are_scoped_open_their_area_alone(self, world, reach):
        """X3: and no address is without an area."""
        raws = {area: a_key(KeyKind.SCOPED, f"{area}:{reach}").raw for area in Area}
        before = stored()

        shut, reads = [], []
        for each in ALL:
            own = scopes.area_of(each.route)
            for area, raw in raws.items():
                is_open = own in (area, None) and not (each.changes and reach == keys.READ)
                if not is_open:
                    shut.append((f"{area}: {each}", ask(raw, each)))
                elif not each.changes:
                    reads.append((f"{area}: {each}", ask(raw, each)))

        assert wrong(shut, lambda answer: answer.json()["code"] == "OutOfScope") == {}
        assert wrong(reads, lambda answer: answer.status_code not in (401, 403)) == {}
        assert stored() == before

    def test_that_are_publishable_read_one_customer_only(self, world):
        """X5: unknown customers and those of others look the same."""
        made, before = a_key(KeyKind.PUBLISHABLE), stored()
        secret = customer_tokens.secret_of(made.key.lookup)
        acme, globex = (customer_tokens.token(each, secret) for each in ("acme", "globex"))
        forged = customer_tokens.token("acme", "another secret")
        of_acme = [
            "/api/v1/customers/acme/entitlements",
            "/api/v1/customers/acme/entitlements/check?currencyId=ai",
            "/api/v1/customers/acme/entitlements/check?featureId=images",
            "/api/v1/credits/ledger?customerId=acme",
            "/api/v1/credits/grants?customerId=acme",
            "/v1/c/acme/entitlements-state.json",
        ]

        for path in of_acme:
            assert send(made.raw, "GET", path, b"", x_customer_key=acme).status_code == 200
            for token in ("", "acme", acme[:-1], forged, globex):
                answer = send(made.raw, "GET", path, b"", x_customer_key=token)
                assert (answer.status_code, answer.json()["code"]) == (403, "NotThisCustomer")
            unknown = path.replace("acme", "nobody")
            answer = send(made.raw, "GET", unknown, b"", x_customer_key=acme)
            assert (answer.status_code, answer.json()["code"]) == (403, "NotThisCustomer")
        others = [each for each in ALL if each.changes or "acme" not in each.path]
        answers = (
            (str(each), ask(made.raw, each, x_customer_key=acme))
            for each in others
            if not each.route.startswith("v1/config")
            and "credits/" not in each.route
            and each.route not in scopes.OF_ALL
        )
        assert wrong(answers, lambda answer: answer.status_code == 403) == {}
        assert stored() == before


class TestMethods:
    def test_that_are_not_in_the_contract_are_refused(self, world):
        raw, before = a_key().raw, stored()

        answers = [
            (str(each), ask(raw, each))
            for route, known in routes().items()
            for each in [Operation(method, route) for method in (METHODS | {"TRACE"}) - known]
        ]

        assert wrong(answers, lambda answer: answer.status_code == 405 and answer["Allow"]) == {}
        assert stored() == before

    def test_that_look_only_are_harmless(self, world):
        raw, before = a_key().raw, stored()

        for route, known in routes().items():
            options = ask(raw, Operation("OPTIONS", route))
            assert (options.status_code, options["Content-Type"]) == (405, "application/json")
            assert {*options["Allow"].split(", ")} == known | (
                {"HEAD"} if "GET" in known else set()
            )
            head = ask(raw, Operation("HEAD", route))
            wanted = ask(raw, Operation("GET", route)).status_code if "GET" in known else 405
            assert (head.status_code, head.content) == (wanted, b"")
        assert stored() == before


class TestBodies:
    def test_that_make_no_sense_are_refused(self, world):
        raw, before = a_key().raw, stored()

        answers = (
            (f"{each} {name}", send(raw, each.method, each.path, body))
            for each in ALL
            if each.changes
            for name, body in (BODIES | (HEAVY if each.route.endswith(HOT) else {})).items()
        )

        assert wrong(answers, lambda answer: answer.status_code in (400, 413)) == {}
        assert stored() == before

    def test_of_another_type_are_refused(self, world):
        raw, before = a_key().raw, stored()

        answers = (
            (f"{each} {kind}", send(raw, each.method, each.path, b"{}", content_type=kind))
            for each in ALL
            if each.changes
            for kind in TYPES
        )

        assert wrong(answers, lambda answer: answer.status_code == 415) == {}
        assert stored() == before

    def test_with_strange_fields_break_nothing(self, world):
        """Each field of each valid body is replaced by everything that it is not."""
        raw = a_key().raw

        def answers() -> Iterator[tuple[str, Any]]:
            for method, path, body in [*STEPS, *REFUSED]:
                for field in body:
                    for value in STRANGE:
                        content = json.dumps({**body, field: value}).encode()
                        yield (
                            f"{method} {path} {field}={value!r:.30}",
                            send(raw, method, address(path), content),
                        )
                send(raw, method, address(path), json.dumps(body).encode())

        assert wrong(answers(), lambda answer: answer.status_code < 500) == {}

    def test_with_texts_that_nobody_can_read_are_refused(self, world):
        """Every text of every valid body."""
        raw = a_key().raw

        answers = (
            (name, send(raw, method, path, text.encode()))
            for name, method, path, text in spoilt(raw, str, TEXTS)
        )

        assert wrong(answers, lambda answer: 400 <= answer.status_code < 500) == {}

    def test_with_amounts_that_are_none_are_refused(self, world):
        """Every amount of every valid body, to the character."""
        raw = a_key().raw

        answers = (
            (name, send(raw, method, path, text.encode()))
            for name, method, path, text in spoilt(raw, float, NUMBERS)
            if not name.endswith("percentOff")
        )

        assert wrong(answers, lambda answer: answer.status_code == 400) == {}


class TestIds:
    @pytest.mark.parametrize("strange", ["nobody", "a" * 5000, "a%2Fb", "%00", "%F0", "a%20b", "é"])
    def test_that_are_unknown_or_none_are_refused(self, world, strange):
        """One at a time; where that is a question, the answer is no."""
        raw, before = a_key().raw, stored()
        bodies = {f"{method} /{resolve(address(path)).route}": body for method, path, body in STEPS}
        answered = set()

        def answers() -> Iterator[tuple[str, Any]]:
            for each in ALL:
                for place in re.findall(r"<str:\w+>", each.route):
                    path = Operation(each.method, each.route.replace(place, strange)).path
                    body = json.dumps(bodies.get(str(each), {})).encode()
                    asked = "" if each.changes else f"?{asking(each)[0]}"
                    answer = send(raw, each.method, f"{path}{asked}", body if each.changes else b"")
                    if answer.status_code == 200:
                        answered.add(str(each))
                    else:
                        yield f"{each} {place}", answer

        assert wrong(answers(), lambda answer: 400 <= answer.status_code < 500) == {}
        assert answered <= ANSWERED_FOR_NOBODY
        assert stored() == before


class TestQueries:
    @pytest.mark.parametrize("query", ["createdAt[gt]=nonsense", "colour[gte]=1", "limit[lt]=5"])
    def test_with_filters_that_nobody_knows_are_refused(self, world, query):
        """One rule for all that is read: a list that ignored them would hold too much."""
        raw = a_key().raw
        name = query.split("[")[0]

        answers = (
            (str(each), send(raw, "GET", f"{each.path}?{asking(each)[0]}&{query}", b""))
            for each in ALL
            if not each.changes
        )

        is_right = lambda answer: answer.status_code == 400 and name in answer.content.decode()  # noqa: E731
        assert wrong(answers, is_right) == {}

    def test_may_hold_more_that_is_plain(self, world):
        """Newer clients ask for more; empty parameters ask for nothing."""
        raw = a_key().raw
        reads = [each for each in ALL if not each.changes and exists(each)]

        answers = (
            (str(each), send(raw, "GET", f"{each.path}?{asking(each)[0]}&colour=red&empty=", b""))
            for each in reads
        )

        assert wrong(answers, lambda answer: answer.status_code == 200) == {}

    @pytest.mark.parametrize(
        "query",
        [
            *("limit=0", "limit=-1", "limit=1000000000", "limit=many", "limit=1.5", "limit=٣"),
            *("after=x", "before=%00", f"after={'A' * 256}", "limit=1&limit=2", "after=x&after=y"),
        ],
    )
    def test_for_pages_that_do_not_exist_are_refused(self, world, query):
        raw = a_key().raw

        answers = (
            (str(each), send(raw, "GET", f"{each.path}?customerId=acme&{query}", b""))
            for each in ALL
            if is_list(each) and exists(each)
        )

        assert wrong(answers, lambda answer: answer.status_code == 400) == {}


class TestSteps:
    def test_are_all_operations_that_change_something(self):
        tried = {
            f"{method} /{resolve(address(path)).route}" for method, path, _ in [*STEPS, *REFUSED]
        }

        assert tried == {str(each) for each in ALL if each.changes}

    def test_take_effect_once_per_key(self, world):
        """R40, end: every POST, and the answer is the same to the letter."""
        raw = a_key().raw
        grant = a_grant(raw)
        for number, (method, path, body) in enumerate(STEPS):
            once = {"idempotency-key": f"step-{number}"} if method == "POST" else {}
            where, content = address(path).replace("welcome", grant), json.dumps(body).encode()
            first = send(raw, method, where, content, **once)
            assert first.status_code in (200, 201), (path, first.content)
            before = stored()

            if once:
                again = send(raw, method, where, content, **once)
                other = send(raw, method, where, b'{"other": 1}', **once)

                assert (again.status_code, again.content) == (first.status_code, first.content)
                assert again["Idempotency-Replayed"] == "true"
                assert other.status_code == 422, (path, other.content)
                assert stored() == before
        for method, path, body in REFUSED:
            before = stored()
            refused = send(raw, method, address(path), json.dumps(body).encode())
            assert (refused.status_code, refused["x-should-retry"]) == (409, "false")
            assert stored() == before

    def test_refuse_an_impossible_key(self, world):
        raw, before = a_key().raw, stored()

        for key in ("", "k" * 256, "a\tb"):
            answers = (
                (str(each), ask(raw, each, idempotency_key=key))
                for each in ALL
                if each.method == "POST"
            )
            refused = wrong(
                answers, lambda answer: answer.json()["code"] == "InvalidIdempotencyKey"
            )
            assert refused == {}
        assert stored() == before


class TestRates:
    def test_are_limited_everywhere(self, world, settings):
        """X8: 429 with Retry-After, and nothing is done."""
        settings.STIPEND_RATE_LIMIT = "1/hour"
        cache.clear()
        raw = a_key().raw
        ask(raw, ALL[0])
        before = stored()

        answers = ((str(each), ask(raw, each)) for each in ALL)

        is_right = lambda answer: answer.status_code == 429 and int(answer["Retry-After"]) > 0  # noqa: E731
        assert wrong(answers, is_right) == {}
        assert stored() == before
        cache.clear()


class TestTraces:
    def test_are_in_every_answer_and_log_line(self, world, caplog):
        raw = a_key().raw
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

        for each in ALL:
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                answer = ask(raw, each, traceparent=parent)
            assert answer["X-Trace-Id"] == "0af7651916cd43dd8448eb211c80319c"
            assert answer.status_code < 400 or caplog.records


class TestLists:
    @pytest.fixture
    def raw(self, world) -> str:
        """The key of a workspace where every list that can be long has two rows at least."""
        raw: str = a_key().raw
        grow(raw, "1")
        grow(raw, "2")
        return raw

    def test_take_no_cursor_of_another_list_or_customer(self, raw):
        lists = [each for each in ALL if is_list(each) and not each.route.endswith(SHORT)]
        cursors = {}
        for each in lists:
            page = send(raw, "GET", f"{each.path}?customerId=acme&limit=1", b"").json()
            cursors[str(each)] = page["pagination"]["next"]
        assert None not in cursors.values()

        answers = [
            (f"{each} {of}", send(raw, "GET", f"{each.path}?customerId={who}&after={cursor}", b""))
            for each in lists
            for of, cursor in cursors.items()
            for who in ("acme", "globex")
            if (of, who) != (str(each), "acme")
        ]

        assert wrong(answers, lambda answer: answer.status_code == 400) == {}

    def test_cost_the_same_for_a_row_and_for_a_page(self, raw):
        costs = {}
        for each in ALL:
            if each.changes:
                continue
            path = f"{each.path}?customerId=acme&startDate=2026-01-01"
            for limit in (1, 20):
                with CaptureQueriesContext(connection) as captured:
                    body = send(raw, "GET", f"{path}&limit={limit}", b"").json()
                costs[str(each), limit] = len(captured)
            if "pagination" not in body:
                del costs[str(each), 1], costs[str(each), 20]
            elif not each.route.endswith(SHORT):
                assert len(body["data"]) >= 2, each

        assert len(costs) == 2 * 22
        dearer = {
            name: cost
            for (name, limit), cost in costs.items()
            if limit == 20 and cost != costs[name, 1]
        }
        assert dearer == {}


class TestCosts:
    """How many statements an operation takes, when there is little and when there is much."""

    def test_of_reads_do_not_grow(self, world):
        raw: str = a_key().raw
        reads = [each for each in ALL if not each.changes]

        def costs() -> dict[str, int]:
            return {
                f"{each}?{asked}": cost(raw, "GET", f"{each.path}?{asked}")
                for each in reads
                for asked in asking(each)
            }

        named = ("customers/acme/integrations", "entity-types", "acme/entities")
        for method, path, body in STEPS:
            if path.endswith(named):
                cost(raw, method, address(path), body)
        grow(raw, "1")
        costs()  # what is read once in the life of a process
        few = costs()
        for at in ("2", "3", "4", "5"):
            grow(raw, at)

        assert costs() == few

    def test_of_changes_do_not_grow(self, world):
        raw: str = a_key().raw

        def costs() -> dict[str, int]:
            with undone():
                grant = a_grant(raw)
                return {
                    f"{method} {path}": cost(
                        raw, method, address(path).replace("welcome", grant), body
                    )
                    for method, path, body in STEPS
                }

        grow(raw, "a")  # ids that no copy of a step takes
        costs()
        few = costs()
        for at in ("b", "c", "d", "e"):
            grow(raw, at)

        many = costs()
        assert {name: (few[name], many[name]) for name in few if many[name] != few[name]} == {}


def is_list(operation: Operation) -> bool:
    """Whether an operation answers page by page."""
    view: Any = resolve(operation.path).func
    terms: Terms = getattr(view.cls, operation.method.lower()).terms
    return terms.page is not None


def exists(operation: Operation) -> bool:
    """Whether the world has what the address of an operation names."""
    return not operation.path.endswith(("/integrations/crm", "/entities/eng"))


def asking(operation: Operation) -> list[str]:
    """The queries with which a read succeeds."""
    if operation.path.endswith("/check"):
        return ["currencyId=ai", "featureId=images"]
    return ["customerId=acme&currencyId=ai&startDate=2026-01-01T00:00:00Z&limit=100"]


def cost(raw: str, method: str, path: str, body: Any = None) -> int:
    """How many statements a request takes that succeeds."""
    with CaptureQueriesContext(connection) as captured:
        answer = send(raw, method, path, b"" if body is None else json.dumps(body).encode())
    assert answer.status_code < 300, (method, path, answer.content)
    return len(captured)
