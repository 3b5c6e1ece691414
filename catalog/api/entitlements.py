"""The entitlements of plans and add-ons over HTTP.

`{id}` in an address is the id of a credit type or feature, not of a row. Shown is the open
draft if there is one, because that is what the other operations change; else what is live.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog import entitlements
from catalog.api.amounts import AmountField
from catalog.api.base import (
    ClearableText,
    Flag,
    Whole,
    named_credit_types,
    named_features,
    settle_limit,
)
from catalog.api.packages import PackageView
from catalog.api.resets import (
    CONFIGURATIONS,
    MonthlyReset,
    ResetShape,
    WeeklyReset,
    YearlyReset,
    configuration_for,
)
from catalog.entitlements import Entitlement, NewCredits, NewFeature, NotIncluded
from catalog.models import (
    Behaviour,
    Cadence,
    CreditEntitlement,
    CreditType,
    Feature,
    HiddenFrom,
    Package,
    ResetPeriod,
)
from workspace.api.camel import CamelMixin
from workspace.api.cursors import PaginationShape
from workspace.api.fields import ChoiceField, PublicIdField, TextField, wire_instant
from workspace.api.responses import Response
from workspace.api.schema import Description
from workspace.api.terms import Instant, one_of, speaks

CREDIT, FEATURE = "CREDIT", "FEATURE"
MOST_AT_ONCE = 100


class Place(serializers.FloatField):
    """A JSON number, for sorting only: nothing needs it to the digit."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | Decimal):
            self.fail("invalid")
        return super().to_internal_value(float(data))


class TermsBody(CamelMixin, serializers.Serializer[Any]):
    """What both kinds of entitlement say; absent leaves."""

    behavior = ChoiceField(Behaviour.values, source="behaviour", required=False)
    description = ClearableText(max_length=255)
    display_name_override = ClearableText(max_length=255)
    has_soft_limit = Flag(required=False)
    hidden_from_widgets = serializers.ListField(
        child=ChoiceField(HiddenFrom.values), source="hidden_from", required=False
    )
    is_custom = Flag(required=False)
    is_granted = Flag(required=False)
    order = Place(source="position", required=False, min_value=-1e12, max_value=1e12)


class CreditTermsBody(TermsBody):
    """How many credits, how often."""

    type = ChoiceField([CREDIT])
    amount = AmountField(required=False, allow_null=True)
    cadence = ChoiceField(Cadence.values, required=False)
    dependency_feature_id = PublicIdField(required=False, allow_null=True)


class FeatureTermsBody(TermsBody):
    """How much of a feature."""

    type = ChoiceField([FEATURE])
    enum_values = serializers.ListField(child=TextField(max_length=255), required=False)
    has_unlimited_usage = Flag(required=False)
    usage_limit = Whole(required=False, allow_null=True, min_value=0, max_value=2**53)
    reset_period = ChoiceField(ResetPeriod.values, required=False)
    monthly_reset_period_configuration = MonthlyReset(required=False, allow_null=True)
    weekly_reset_period_configuration = WeeklyReset(required=False, allow_null=True)
    yearly_reset_period_configuration = YearlyReset(required=False, allow_null=True)


class NewCreditsBody(CreditTermsBody):
    """Credits to be included."""

    id = PublicIdField()
    amount = AmountField(allow_null=True)
    cadence = ChoiceField(Cadence.values)


class NewFeatureBody(FeatureTermsBody):
    """A feature to be included."""

    id = PublicIdField()


class ByType(serializers.Serializer[Any]):
    """A body whose `type`, CREDIT or FEATURE, decides what else it holds."""

    type = ChoiceField([CREDIT, FEATURE])

    readers: ClassVar[Mapping[str, Any]] = {
        CREDIT: CreditTermsBody,
        FEATURE: FeatureTermsBody,
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Read the type, then the rest as that type says."""
        kind = super().to_internal_value(data)["type"]
        return dict(self.readers[kind]().run_validation(data))

    def described(self, schema: Description) -> dict[str, Any]:
        """For the OpenAPI description."""
        return {"oneOf": [schema.field(reader()) for reader in self.readers.values()]}


class NewByType(ByType):
    """What is to be included, as its `type` says."""

    readers = {CREDIT: NewCreditsBody, FEATURE: NewFeatureBody}


class NewEntitlementsBody(serializers.Serializer[Any]):
    """All or none of them are included."""

    entitlements = serializers.ListField(
        child=NewByType(),
        allow_empty=False,
        max_length=MOST_AT_ONCE,
    )


class TermsShape(TypedDict):
    """What both kinds of entitlement have in common."""

    behavior: Annotated[str, one_of(Behaviour.values)]
    description: str | None
    displayNameOverride: str | None
    hasSoftLimit: bool
    hiddenFromWidgets: list[Annotated[str, one_of(HiddenFrom.values)]]
    isCustom: bool
    isGranted: bool
    order: float
    createdAt: Instant
    updatedAt: Instant


class CreditEntitlementShape(TermsShape):
    """How many credits, how often. `id` is that of the credit type."""

    id: str
    type: Literal["CREDIT"]
    amount: Decimal | None
    cadence: Annotated[str, one_of(Cadence.values)]
    dependencyFeatureId: str | None


class FeatureEntitlementShape(TermsShape):
    """How much of a feature. `id` is that of the feature."""

    id: str
    type: Literal["FEATURE"]
    enumValues: list[str] | None
    hasUnlimitedUsage: bool
    usageLimit: int | None
    resetPeriod: Annotated[str, one_of(ResetPeriod.values)] | None
    resetPeriodConfiguration: ResetShape | None


EntitlementShape = CreditEntitlementShape | FeatureEntitlementShape


class EntitlementsShape(TypedDict):
    """All entitlements of a plan or add-on, on one page."""

    data: list[EntitlementShape]
    pagination: PaginationShape


class EntitlementAnswer(serializers.BaseSerializer[Entitlement]):
    """An entitlement as callers see it."""

    def to_representation(self, instance: Entitlement) -> EntitlementShape:
        """Every key of the contract."""
        shared: TermsShape = {
            "behavior": instance.behaviour,
            "description": instance.description or None,
            "displayNameOverride": instance.display_name_override or None,
            "hasSoftLimit": instance.has_soft_limit,
            "hiddenFromWidgets": instance.hidden_from,
            "isCustom": instance.is_custom,
            "isGranted": instance.is_granted,
            "order": instance.position,
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
        }
        if isinstance(instance, CreditEntitlement):
            linked = instance.linked_feature
            return {
                "id": instance.credit_type.public_id,
                "type": "CREDIT",
                "amount": instance.amount,
                "cadence": instance.cadence,
                "dependencyFeatureId": linked.public_id if linked else None,
                **shared,
            }
        return {
            "id": instance.feature.public_id,
            "type": "FEATURE",
            "enumValues": instance.enum_values or None,
            "hasUnlimitedUsage": instance.has_unlimited_usage,
            "usageLimit": instance.usage_limit,
            "resetPeriod": instance.reset_period or None,
            "resetPeriodConfiguration": instance.reset_configuration,
            **shared,
        }


class EntitlementView(PackageView):
    """What the addresses of entitlements share."""

    names = {
        "behaviour": "behavior",
        "position": "order",
        "hidden_from": "hiddenFromWidgets",
        "linked_feature": "dependencyFeatureId",
        "credit_type": "id",
        "feature": "id",
    }

    def shown_one(self, entitlement: Entitlement) -> Response:
        """An entitlement in its envelope."""
        return self.answer(EntitlementAnswer(entitlement).data)


class Entitlements(EntitlementView):
    """The list; new ones."""

    @speaks(whole=EntitlementsShape)
    def get(self, request: Request, package_id: str) -> Response:
        """All of a package's own entitlements, in the order that customers see."""
        version = self.find(package_id).current
        rows = entitlements.in_order(
            [
                *version.credit_entitlements.select_related("credit_type", "linked_feature"),
                *version.feature_entitlements.select_related("feature"),
            ]
        )
        return Response(
            {
                "data": _shown(rows),
                "pagination": {"next": None, "prev": None},
            }
        )

    @speaks(body=NewEntitlementsBody, answer=list[EntitlementShape], status=201)
    def post(self, request: Request, package_id: str) -> Response:
        """Include several at once."""
        package = self.find(package_id)
        wanted = self.read_body()["entitlements"]
        included = entitlements.include(
            package_id=package.pk,
            entitlements=_wanted(wanted),
            actor=self.actor,
            now=self.now,
        )
        return self.answer(_shown(included))


class OneEntitlement(EntitlementView):
    """The entitlement for one credit type or feature."""

    @speaks(body=ByType, answer=EntitlementShape)
    def patch(self, request: Request, package_id: str, target_id: str) -> Response:
        """Change its terms."""
        package = self.find(package_id)
        body = self.read_body()
        if body.pop("type") == CREDIT:
            return self.shown_one(
                entitlements.change_credits(
                    package_id=package.pk,
                    credit_type=_included_credit_type(package, target_id),
                    **_credit_terms(body),
                    actor=self.actor,
                    now=self.now,
                )
            )
        return self.shown_one(
            entitlements.change_feature(
                package_id=package.pk,
                feature=_included_feature(package, target_id),
                **_feature_terms(body),
                actor=self.actor,
                now=self.now,
            )
        )

    @speaks(answer=EntitlementShape)
    def delete(self, request: Request, package_id: str, target_id: str) -> Response:
        """Take it out: credits, if a credit type has the id, or else the feature."""
        package = self.find(package_id)
        own: dict[str, Any] = {"package_id": package.pk, "actor": self.actor, "now": self.now}
        credit_types = package.current.credit_entitlements.filter(credit_type__public_id=target_id)
        if credit_types.exists():
            target = _included_credit_type(package, target_id)
            return self.shown_one(entitlements.exclude_credits(credit_type=target, **own))
        return self.shown_one(
            entitlements.exclude_feature(feature=_included_feature(package, target_id), **own)
        )


def _shown(rows: Sequence[Entitlement]) -> list[EntitlementShape]:
    shown = EntitlementAnswer()
    return [shown.to_representation(row) for row in rows]


def _included_credit_type(package: Package, public_id: str) -> CreditType:
    """The credit type with this id that the package includes."""
    rows = package.current.credit_entitlements.select_related("credit_type")
    found = rows.filter(credit_type__public_id=public_id).first()
    if found is None:
        raise NotIncluded("The package includes no credits with this ID.")
    return found.credit_type


def _included_feature(package: Package, public_id: str) -> Feature:
    """The feature with this id that the package includes."""
    rows = package.current.feature_entitlements.select_related("feature")
    found = rows.filter(feature__public_id=public_id).first()
    if found is None:
        raise NotIncluded("The package includes no feature with this ID.")
    return found.feature


def _wanted(bodies: list[dict[str, Any]]) -> list[NewCredits | NewFeature]:
    """Bodies in the words of the verbs; all ids are looked up at once."""
    credit_types = named_credit_types(
        [body["id"] for body in bodies if body["type"] == CREDIT], field="entitlements"
    )
    features = named_features(
        [body["id"] for body in bodies if body["type"] == FEATURE], field="entitlements"
    )
    wanted: list[NewCredits | NewFeature] = []
    for body in bodies:
        terms = {name: value for name, value in body.items() if name not in ("id", "type")}
        if body["type"] == CREDIT:
            wanted.append(NewCredits(credit_types[body["id"]], _credit_terms(terms)))
        else:
            wanted.append(NewFeature(features[body["id"]], _feature_terms(terms)))
    return wanted


def _credit_terms(body: dict[str, Any]) -> Any:
    """Terms of credits in the words of the verbs."""
    terms = dict(body)
    if "dependency_feature_id" in terms:
        linked = terms.pop("dependency_feature_id")
        found = named_features([linked] if linked else [], field="linked_feature")
        terms["linked_feature"] = found.get(linked)
    return terms


def _feature_terms(body: dict[str, Any]) -> Any:
    """Terms of a feature in the words of the verbs."""
    terms = dict(body)
    settle_limit(terms)
    for name in CONFIGURATIONS.values():
        terms.pop(name, None)
    if "reset_period" in terms:
        terms["reset_configuration"] = configuration_for(terms["reset_period"], body)
    return terms
