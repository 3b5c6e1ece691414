"""What entities used of what they may, and the access check with their limits (beta)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog.amounts import LIMIT, rounded, to_micros
from catalog.api.amounts import AmountField
from credits import governance
from credits.access import Denial
from credits.api.checks import CheckFilters, CheckView
from credits.api.shapes import CheckedCreditsShape, CheckedFeatureShape, instant
from credits.governance import Line
from subscriptions import customers
from subscriptions.models import Assignment, Customer, Entity
from workspace.api import cursors
from workspace.api.camel import CamelMixin
from workspace.api.fields import (
    BracketField,
    ChoiceField,
    CommaListField,
    PublicIdField,
    TextField,
)
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView

MOST_DIMENSIONS = 50
SCOPES = ("all", "nodeWide", "scoped")


class DimensionsField(BracketField, serializers.DictField):
    """Dimensions in the query: `dimensions[teamId]=eng` gives {"teamId": "eng"}."""

    default_error_messages = {
        "many": "Give at most 50 dimensions.",
        "name": "Name each one in brackets: dimensions[teamId].",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=TextField(max_length=255, allow_blank=True), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if len(data) > MOST_DIMENSIONS:
            self.fail("many")
        if "" in data:
            self.fail("name")
        return super().to_internal_value(data)

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        text = {"type": "string", "maxLength": 255}
        return {"type": "object", "additionalProperties": text, "maxProperties": MOST_DIMENSIONS}


class BetaCheckFilters(CheckFilters):
    """What is about to be used, and by whom inside the customer."""

    dimensions = DimensionsField(required=False)


class LimitShape(TypedDict):
    """A limit on the way."""

    entityId: str
    scopeEntityIds: list[str]
    usageLimit: Decimal | None
    currentUsage: Decimal
    isGranted: bool


class BetaCreditsShape(CheckedCreditsShape):
    """Whether credits may be used, with the limits on the way."""

    chains: list[list[LimitShape]] | None


class BetaFeatureShape(CheckedFeatureShape):
    """Whether a feature may be used, with the limits on the way."""

    chains: list[list[LimitShape]] | None


class LimitLineShape(TypedDict):
    """What an entity used of what it may."""

    entityId: str
    entityTypeId: str
    parentId: str | None
    scopeEntityIds: list[str]
    featureId: str | None
    currencyId: str | None
    cadence: str | None
    usageLimit: Decimal | None
    currentUsage: Decimal | None
    utilization: Decimal | None
    usagePeriodStart: Instant | None
    usagePeriodEnd: Instant | None


class BetaCheckView(CheckView):
    """`/customers/{id}/entitlements/check` of the beta: as the other, with limits of entities.

    Access is refused too if a limit of an entity that the dimensions name, or of one above
    it, does not permit it.
    """

    @speaks(query=BetaCheckFilters, answer=BetaCreditsShape | BetaFeatureShape)
    def get(self, request: Request, customer_id: str) -> Response:
        """Say yes or no, with the limits on the way."""
        shape: dict[str, Any] = {**self.decided(customer_id)}
        query = self.read_query()
        shape["chains"] = None
        customer = Customer.objects.filter(public_id=customer_id).first()
        if "dimensions" in query and customer is not None:
            wanted = query.get("requested_usage")
            chains = governance.chains(
                customer,
                dimensions=query["dimensions"],
                feature_id=query.get("feature_id"),
                credit_type_id=query.get("currency_id"),
                now=self.now,
            )
            shape["chains"] = [[_link(line, wanted) for line in chain] for chain in chains]
            is_permitted = all(line.allows(wanted) for chain in chains for line in chain)
            if shape["isGranted"] and not is_permitted:
                shape |= {"isGranted": False, "accessDeniedReason": Denial.BUDGET_EXCEEDED}
        return self.answer(shape)


class GovernanceFilters(CamelMixin, serializers.Serializer[Any]):
    """Which lines are shown, and in which order."""

    feature_ids = CommaListField(child=PublicIdField(), required=False, max_length=100)
    currency_ids = CommaListField(child=PublicIdField(), required=False, max_length=100)
    entity_type_ids = CommaListField(child=PublicIdField(), required=False, max_length=100)
    entity_id_search = TextField(max_length=255, required=False)
    min_utilization = AmountField(in_query=True, allow_zero=True, required=False)
    scope = ChoiceField(SCOPES, required=False)
    sort_by = ChoiceField(
        ["utilization", "currentUsage", "usageLimit", "scopeSize", "id", "createdAt"],
        default="utilization",
    )
    order = ChoiceField(["asc", "desc"], default="desc")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A line with its place in the order that is asked for; see `cursors.page_of_rows`."""

    line: Line
    rank: int
    id: int


class GovernanceView(ApiView):
    """`/customers/{id}/governance`."""

    @speaks(query=GovernanceFilters, page=LimitLineShape)
    def get(self, request: Request, customer_id: str) -> Response:
        """A page of entities with what they used of what they may."""
        query = self.read_query()
        found = governance.lines(
            customers.find(customer_id),
            feature_ids=query.get("feature_ids", ()),
            credit_type_ids=query.get("currency_ids", ()),
            now=self.now,
        )
        shown = [line for line in found if _is_wanted(line, query)]
        sign = -1 if query["order"] == "asc" else 1
        rank = _rank(query["sort_by"], shown)
        page = cursors.page_of_rows(
            [Ranked(line, sign * rank(line), _row(line).pk) for line in shown],
            request=request._request,
            order=("rank", "id"),
        )
        return Response(page.answer(lambda rows: [_shown(ranked.line) for ranked in rows]))


def _row(line: Line) -> Assignment | Entity:
    """What a line stands for in the database."""
    return line.assignment or line.entity


def _is_wanted(line: Line, query: dict[str, Any]) -> bool:
    types = query.get("entity_type_ids")
    if types and line.entity.type.public_id not in types:
        return False
    if query.get("entity_id_search", "").casefold() not in line.entity.public_id.casefold():
        return False
    least = query.get("min_utilization")
    if least is not None and (line.utilization is None or line.utilization < least):
        return False
    is_scoped = bool(line.assignment and line.assignment.scope)
    return {"nodeWide": not is_scoped, "scoped": is_scoped}.get(query.get("scope", ""), True)


def _rank(sort_by: str, lines: list[Line]) -> Callable[[Line], int]:
    """A whole number for each line, larger ones first; what has no value comes last."""
    places = {
        public_id: place
        for place, public_id in enumerate(sorted({line.entity.public_id for line in lines}))
    }

    def millionths(amount: Decimal | None) -> int:
        return -1 if amount is None else to_micros(rounded(min(amount, LIMIT)))

    ranks: dict[str, Callable[[Line], int]] = {
        "utilization": lambda line: millionths(line.utilization),
        "currentUsage": lambda line: millionths(line.used),
        "usageLimit": lambda line: millionths(line.limit),
        "scopeSize": lambda line: len(line.assignment.scope) if line.assignment else 0,
        "id": lambda line: places[line.entity.public_id],
        "createdAt": lambda line: (
            ((line.assignment or line.entity).created_at - cursors.EPOCH)
            // timedelta(microseconds=1)
        ),
    }
    return ranks[sort_by]


def _link(line: Line, wanted: Decimal | None) -> LimitShape:
    """A limit in a chain."""
    assert line.assignment is not None, "chains hold assignments only"
    return {
        "entityId": line.entity.public_id,
        "scopeEntityIds": line.assignment.scope,
        "usageLimit": line.limit,
        "currentUsage": line.used,
        "isGranted": line.allows(wanted),
    }


def _shown(line: Line) -> LimitLineShape:
    """A line with every key of the contract."""
    entity, assignment = line.entity, line.assignment
    start, end = line.window or (None, None)
    feature = assignment.feature if assignment else None
    credit_type = assignment.credit_type if assignment else None
    return {
        "entityId": entity.public_id,
        "entityTypeId": entity.type.public_id,
        "parentId": entity.parent.public_id if entity.parent else None,
        "scopeEntityIds": assignment.scope if assignment else [],
        "featureId": feature.public_id if feature else None,
        "currencyId": credit_type.public_id if credit_type else None,
        "cadence": assignment.cadence if assignment else None,
        "usageLimit": line.limit,
        "currentUsage": line.used if assignment else None,
        "utilization": None if line.utilization is None else rounded(line.utilization),
        "usagePeriodStart": instant(start),
        "usagePeriodEnd": instant(end),
    }
