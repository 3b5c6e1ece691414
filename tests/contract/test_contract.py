"""The document we serve, beside the contract of the official clients."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from tests.contract.comparison import Document, differences
from tests.contract.described import document
from tests.contract.differences import DIFFERENCES

CONTRACT = Path(__file__).parent / "openapi.json"


@cache
def contract() -> Document:
    return Document(json.loads(CONTRACT.read_text()))


@cache
def found() -> list[str]:
    return list(differences(Document(document()), contract()))


def loose(schema: Any, place: str = "") -> Iterator[str]:
    """The parts of a schema that say nothing of what may stand there, by component."""
    if "$ref" in schema:
        name = schema["$ref"].split("/")[-1]
        if name not in place.split(" "):
            yield from loose(document()["components"]["schemas"][name], f"{place} {name}")
        return
    kind, where = schema.get("type", ""), place.rsplit(" ", maxsplit=1)[-1]
    inner = schema.get("properties") or {}
    says_more = inner or schema.get("additionalProperties")
    if not ({"type", "anyOf", "const"} & {*schema}) or ("object" in kind and not says_more):
        yield where
    if "array" in kind and "items" not in schema:
        yield where
    rest = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", [])]
    for part in [*inner.values(), *filter(None, rest)]:
        yield from loose(part, place)


class TestDocument:
    def test_has_all_operations_of_the_contract(self):
        ours = Document(document())

        assert len(contract().operations) == 115
        assert {*contract().operations} <= {*ours.operations}

    def test_differs_from_the_contract_only_for_a_reason(self):
        unexplained = [
            difference
            for difference in found()
            if not any(fnmatchcase(difference, pattern) for pattern in DIFFERENCES)
        ]

        assert unexplained == []

    @pytest.mark.parametrize("pattern", DIFFERENCES)
    def test_explains_no_difference_that_is_gone(self, pattern):
        assert any(fnmatchcase(difference, pattern) for difference in found())

    def test_is_made_without_a_warning(self):
        with GENERATOR_STATS.silence():
            SchemaGenerator().get_schema(request=None, public=True)

        assert not GENERATOR_STATS

    def test_says_what_each_operation_does_and_how_it_refuses(self):
        described = Document(document()).operations

        silent = [name for name, operation in described.items() if not operation["summary"]]
        without_refusal = [
            name for name, operation in described.items() if "429" not in operation["responses"]
        ]
        assert silent == []
        assert without_refusal == ["GET /livez", "GET /readyz"]

    def test_types_every_part_of_every_answer(self):
        """A test that holds an answer against the document would else see nothing there."""
        answers = [
            response["content"]["application/json"]["schema"]
            for methods in document()["paths"].values()
            for operation in methods.values()
            for response in operation["responses"].values()
            if "application/json" in response.get("content", {})
        ]

        found = {place for answer in answers for place in loose(answer)}

        assert found == {"Taken", "Nothing"}

    def test_is_what_the_address_serves(self, db):
        answer = Client().get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})

        assert answer.json() == document()


class TestDifferences:
    """The comparison finds what it should: each fault is made by hand."""

    def spoilt(self, *steps: str, **changes: Any) -> list[str]:
        """How the contract with a part changed differs from itself."""
        text = json.loads(CONTRACT.read_text())
        part = text["components"]["schemas"]
        for step in steps:
            part = part[step]
        part.update(changes)
        return [*differences(Document(text), contract())]

    def test_are_none_between_a_document_and_itself(self):
        assert self.spoilt() == []

    def test_name_a_null_that_nobody_expects(self):
        coupon = ("v1.CouponListResponse", "properties")

        found = self.spoilt(*coupon, name={"type": ["string", "null"]})

        assert "GET /api/v1/coupons/{} answer.data.name: null" in found

    def test_name_another_type(self):
        coupon = ("v1.CouponListResponse", "properties")

        found = self.spoilt(*coupon, name={"type": "number"})

        assert "GET /api/v1/coupons/{} answer.data.name: number for string" in found

    def test_name_what_is_not_always_there(self):
        found = self.spoilt("v1.CouponListResponse", required=["name"])

        assert "GET /api/v1/coupons answer.data[].id: optional" in found

    def test_name_words_that_the_contract_does_not_know(self):
        found = self.spoilt("enum.PricingType", enum=["FREE", "PAID", "CUSTOM", "GIFT"])

        assert "GET /api/v1/plans/{} answer.data.pricingType: also ['GIFT']" in found

    def test_name_words_that_are_not_understood(self):
        word = {"type": "string", "enum": ["NEW_CUSTOMERS"]}

        found = self.spoilt("v1.PlanPublishParams", "properties", migrationType=word)

        publish = "POST /api/v1/plans/{}/publish body.migrationType"
        assert f"{publish}: without ['ALL_CUSTOMERS']" in found

    def test_name_what_must_be_sent(self):
        found = self.spoilt("v1.CouponUpdateCouponParams", required=["name"])

        assert "PATCH /api/v1/coupons/{} body.name: required" in found

    def test_name_what_is_gone(self):
        text = json.loads(CONTRACT.read_text())
        del text["paths"]["/api/v1/coupons"]["post"]

        found = [*differences(Document(text), contract())]

        assert found == ["POST /api/v1/coupons: missing"]
