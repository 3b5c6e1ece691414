"""Credit types over HTTP: the contract calls them custom currencies (R2, R3)."""

from typing import Annotated, Any, TypedDict

from django.db.models import F, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from catalog import archiving, credit_types
from catalog.api.base import CatalogView, ClearableText, choices_in_query, in_path
from catalog.credit_types import CreditTypeFields, UnknownCreditType
from catalog.models import CreditType, PackageKind
from workspace.api.camel import CamelMixin
from workspace.api.fields import MetadataField, PublicIdField, TextField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, one_of, speaks


class UnitsBody(serializers.Serializer[Any]):
    """Both words, or neither (R2)."""

    singular = TextField(max_length=64)
    plural = TextField(max_length=64)


class CreditTypeChanges(CamelMixin, serializers.Serializer[Any]):
    """What may be said about a credit type; null and "" clear, absent leaves."""

    display_name = TextField(source="name", max_length=64, required=False)
    description = ClearableText(max_length=255)
    symbol = ClearableText(max_length=64)
    units = UnitsBody(required=False, allow_null=True)
    metadata = MetadataField(required=False, allow_null=True)


class NewCreditType(CreditTypeChanges):
    """A credit type with the id it will keep."""

    id = PublicIdField(source="public_id")
    display_name = TextField(source="name", max_length=64)


class CreditTypeQuery(serializers.Serializer[Any]):
    """Active ones, unless others are asked for."""

    status = choices_in_query("ACTIVE", "ARCHIVED")


class UnitsShape(TypedDict):
    """One, and many."""

    singular: str
    plural: str


class CreditTypeShape(TypedDict):
    """A credit type: the contract calls it custom currency."""

    id: str
    displayName: str
    symbol: str | None
    description: str | None
    units: UnitsShape | None
    metadata: dict[str, str]
    createdAt: Instant
    updatedAt: Instant
    archivedAt: Instant | None


class AssociatedShape(TypedDict):
    """A plan or add-on on sale."""

    id: str
    displayName: str
    type: Annotated[str, one_of(PackageKind.values)]


class CreditTypeAnswer(serializers.BaseSerializer[CreditType]):
    """A credit type as callers see it."""

    def to_representation(self, instance: CreditType) -> CreditTypeShape:
        """Every key of the contract."""
        units: UnitsShape | None = None
        if instance.unit_plural:
            units = {"singular": instance.unit_singular, "plural": instance.unit_plural}
        return {
            "id": instance.public_id,
            "displayName": instance.name,
            "symbol": instance.symbol or None,
            "description": instance.description or None,
            "units": units,
            "metadata": instance.metadata,
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
            "archivedAt": wire_instant(instance.archived_at) if instance.archived_at else None,
        }


class CreditTypeView(CatalogView):
    """What the addresses of one credit type share."""

    names = {"name": "displayName", "public_id": "id", "unit_singular": "units"}

    def find(self, public_id: str) -> CreditType:
        """The active credit type with this id, or the one archived last."""
        newest_first = CreditType.objects.order_by(F("archived_at").desc(nulls_first=True))
        return self.one_of(newest_first, public_id)

    def find_archived(self, public_id: str) -> CreditType:
        """The credit type archived last with this id, or else the active one."""
        archived_first = CreditType.objects.order_by(F("archived_at").desc(nulls_last=True))
        return self.one_of(archived_first, public_id)

    def one_of(self, rows: QuerySet[CreditType], public_id: str) -> CreditType:
        """The first of `rows` with this id."""
        found: CreditType = in_path(rows, public_id, UnknownCreditType, "credit type")
        return found

    def shown(self, credit_type: CreditType) -> Response:
        """A credit type in its envelope."""
        return self.answer(CreditTypeAnswer(credit_type).data)


class CreditTypes(CreditTypeView):
    """The list; new ones."""

    @speaks(query=CreditTypeQuery, page=CreditTypeAnswer)
    def get(self, request: Request) -> Response:
        """A page of credit types."""
        statuses = self.read_query().get("status") or ["ACTIVE"]
        rows = CreditType.objects.all()
        if "ARCHIVED" not in statuses:
            rows = rows.active()
        elif "ACTIVE" not in statuses:
            rows = rows.exclude(archived_at=None)
        return self.page_of(rows)

    @speaks(body=NewCreditType, answer=CreditTypeAnswer, status=201)
    def post(self, request: Request) -> Response:
        """Create one (R2)."""
        body = self.read_body()
        public_id = body.pop("public_id")
        return self.shown(
            credit_types.create(
                public_id=public_id, **fields_of(body), actor=self.actor, now=self.now
            ),
        )


class OneCreditType(CreditTypeView):
    """One credit type."""

    @speaks(body=CreditTypeChanges, answer=CreditTypeAnswer)
    def patch(self, request: Request, currency_id: str) -> Response:
        """Change it (R2)."""
        body = self.read_body()
        return self.shown(
            credit_types.update(
                credit_type_id=self.find(currency_id).pk,
                **fields_of(body),
                actor=self.actor,
                now=self.now,
            )
        )


class ArchiveCreditType(CreditTypeView):
    """Its retirement."""

    @speaks(answer=CreditTypeAnswer)
    def post(self, request: Request, currency_id: str) -> Response:
        """Archive it (R3)."""
        return self.shown(
            archiving.archive_credit_type(
                credit_type_id=self.find(currency_id).pk, actor=self.actor, now=self.now
            )
        )


class UnarchiveCreditType(CreditTypeView):
    """Its return."""

    @speaks(answer=CreditTypeAnswer)
    def post(self, request: Request, currency_id: str) -> Response:
        """Bring it back (R3)."""
        return self.shown(
            archiving.unarchive_credit_type(
                credit_type_id=self.find_archived(currency_id).pk,
                actor=self.actor,
                now=self.now,
            )
        )


class AssociatedEntities(CreditTypeView):
    """The plans and add-ons on sale that use it."""

    @speaks(answer=list[AssociatedShape])
    def get(self, request: Request, currency_id: str) -> Response:
        """All of them: whoever archives it must look at each."""
        using = archiving.packages_using_credit_type(self.find(currency_id))
        return self.answer(
            [
                {"id": package.public_id, "displayName": package.name, "type": package.kind}
                for package in using
            ]
        )


def fields_of(body: dict[str, Any]) -> CreditTypeFields:
    """A body in the words of the verbs."""
    fields: CreditTypeFields = {}
    for name, value in body.items():
        match name:
            case "units":
                fields["unit_singular"] = value["singular"] if value else ""
                fields["unit_plural"] = value["plural"] if value else ""
            case "metadata":
                fields["metadata"] = value or {}
            case _:
                fields[name] = value  # type: ignore[literal-required]
    return fields
