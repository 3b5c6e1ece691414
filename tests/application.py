"""An application that calls the API with a key of its own, at an instant of the test's choice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import time_machine

from tests.builders import NOW
from tests.contract.described import DescribedClient
from workspace import keys
from workspace.actors import SYSTEM
from workspace.json import dumps
from workspace.models import KeyKind


@dataclass(frozen=True)
class Answer:
    """What came back; numbers with a point are exact."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def data(self) -> Any:
        """What the envelope holds."""
        return self.body["data"]


class Application:
    """Calls the API; each call happens at `now`, which only the test moves."""

    def __init__(self, kind: KeyKind = KeyKind.FULL, *, now: datetime = NOW) -> None:
        self.now = now
        self.key = keys.create(name="Application", kind=kind, actor=SYSTEM, now=now).raw
        self.client = DescribedClient(headers={"X-API-KEY": self.key})

    def get(self, path: str, **query: Any) -> Answer:
        """GET below `/api/v1/`, or from the root if `path` begins with a slash."""
        return self._call("GET", path, query=query)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """POST `body`; headers as keywords, such as `idempotency_key`."""
        text = "" if body is None else dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._call("POST", path, body=text, headers=named)

    def patch(self, path: str, body: Any) -> Answer:
        """PATCH `body`."""
        return self._call("PATCH", path, body=dumps(body))

    def delete(self, path: str) -> Answer:
        """DELETE."""
        return self._call("DELETE", path)

    def send(self, path: str, text: str) -> Answer:
        """POST exactly these characters."""
        return self._call("POST", path, body=text)

    def check(self, customer: str, credit_type: str, **query: Any) -> Any:
        """The answer to "may this customer go on?"."""
        path = f"customers/{customer}/entitlements/check"
        return self.get(path, currencyId=credit_type, **query).data

    def balance(self, customer: str, credit_type: str, **query: Any) -> Decimal:
        """What is left, as applications compute it."""
        answer = self.check(customer, credit_type, **query)
        return answer["usageLimit"] - answer["currentUsage"]

    def consume(
        self, customer: str, credit_type: str, amount: Any, key: str, **fields: Any
    ) -> Answer:
        """Take credits directly."""
        body = {"customerId": customer, "currencyId": credit_type, "amount": amount}
        return self.post("credits/consumption", {**body, "idempotencyKey": key, **fields})

    def grant(self, customer: str, credit_type: str, amount: Any, **fields: Any) -> Any:
        """Grant credits; promotional unless a test says otherwise."""
        body = {
            "customerId": customer,
            "currencyId": credit_type,
            "amount": amount,
            "displayName": "Welcome",
            "grantType": "PROMOTIONAL",
        }
        return self.post("credits/grants", {**body, **fields}).data

    def ledger(self, customer: str, credit_type: str, **query: Any) -> list[tuple[str, Decimal]]:
        """Types and amounts of all entries, the oldest first."""
        answer = self.get(
            "credits/ledger", customerId=customer, currencyId=credit_type, limit=100, **query
        )
        return [(row["eventType"], row["amount"]) for row in reversed(answer.body["data"])]

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        address = path if path.startswith("/") else f"/api/v1/{path}"
        with time_machine.travel(self.now, tick=False):
            response = self.client.generic(
                method,
                address,
                body,
                content_type="application/json",
                query_params=query,
                headers=headers,
            )
        exact = json.loads(response.content, parse_float=Decimal)
        return Answer(response.status_code, exact, response.headers)
