"""Products over HTTP (R4)."""

from typing import Annotated, Any, Literal, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog import archiving, duplication, products
from catalog.api.base import (
    CatalogView,
    ClearableText,
    Flag,
    ListQuery,
    choices_in_query,
    in_path,
    named_packages,
    within,
)
from catalog.models import Package, PackageKind, Product, UsageReset
from catalog.models.products import CancellationTime, EndSetup, StartSetup
from catalog.products import ProductFields, UnknownProduct
from workspace.api.camel import CamelMixin
from workspace.api.fields import ChoiceField, MetadataField, PublicIdField, TextField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, one_of, speaks


class ProductBody(CamelMixin, serializers.Serializer[Any]):
    """What may be said about a product; null clears, absent leaves."""

    display_name = TextField(source="name", max_length=255, required=False)
    description = ClearableText(max_length=255)
    metadata = MetadataField(required=False, allow_null=True)
    multiple_subscriptions = Flag(required=False)


class NewProduct(ProductBody):
    """A product with the id it will keep."""

    id = PublicIdField(source="public_id")
    display_name = TextField(source="name", max_length=255)


class SettingsBody(CamelMixin, serializers.Serializer[Any]):
    """The customer journey."""

    subscription_start_setup = ChoiceField(StartSetup.values, source="start_setup")
    subscription_start_plan_id = PublicIdField(source="start_plan", required=False, allow_null=True)
    subscription_end_setup = ChoiceField(EndSetup.values, source="end_setup")
    downgrade_plan_id = PublicIdField(source="downgrade_plan", required=False, allow_null=True)
    subscription_cancellation_time = ChoiceField(
        CancellationTime.values, source="cancellation_time"
    )
    prorate_at_end_of_billing_period = Flag(
        source="prorate_at_period_end", required=False, allow_null=True
    )


class CutoffBody(serializers.Serializer[Any]):
    """What a plan change does with credits already used (R31)."""

    behavior = ChoiceField(UsageReset.values)


class ProductChanges(ProductBody):
    """Changes, which may touch the customer journey."""

    product_settings = SettingsBody(required=False)
    usage_reset_cutoff_rule = CutoffBody(required=False)


class DuplicateBody(CamelMixin, serializers.Serializer[Any]):
    """What the copy of a product is called."""

    target_id = PublicIdField()
    display_name = TextField(max_length=255, required=False)
    description = ClearableText(max_length=255)


class ProductQuery(ListQuery):
    """What the list of products can be narrowed by."""

    status = choices_in_query("PUBLISHED", "ARCHIVED")


class JourneyShape(TypedDict):
    """How subscriptions start and end."""

    subscriptionStartSetup: Annotated[str, one_of(StartSetup.values)]
    subscriptionStartPlanId: str | None
    subscriptionEndSetup: Annotated[str, one_of(EndSetup.values)]
    downgradePlanId: str | None
    subscriptionCancellationTime: Annotated[str, one_of(CancellationTime.values)]
    prorateAtEndOfBillingPeriod: bool | None


class ProductShape(TypedDict):
    """A product."""

    id: str
    displayName: str
    description: str | None
    multipleSubscriptions: bool
    status: Literal["PUBLISHED", "ARCHIVED"]
    metadata: dict[str, str]
    createdAt: Instant
    updatedAt: Instant
    productSettings: JourneyShape


class ProductRow(serializers.BaseSerializer[Product]):
    """A product as lists show it."""

    def to_representation(self, instance: Product) -> ProductShape:
        """Every key of the contract."""
        return {
            "id": instance.public_id,
            "displayName": instance.name,
            "description": instance.description or None,
            "multipleSubscriptions": instance.multiple_subscriptions,
            "status": "ARCHIVED" if instance.archived_at else "PUBLISHED",
            "metadata": instance.metadata,
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
            "productSettings": {
                "subscriptionStartSetup": instance.start_setup,
                "subscriptionStartPlanId": _id(instance.start_plan),
                "subscriptionEndSetup": instance.end_setup,
                "downgradePlanId": _id(instance.downgrade_plan),
                "subscriptionCancellationTime": instance.cancellation_time,
                "prorateAtEndOfBillingPeriod": instance.prorate_at_period_end,
            },
        }


class ProductView(CatalogView):
    """What the addresses of products share."""

    names = {
        "name": "displayName",
        "public_id": "id",
        "start_plan": "productSettings.subscriptionStartPlanId",
        "downgrade_plan": "productSettings.downgradePlanId",
    }

    def find(self, public_id: str) -> Product:
        """The product that an address names."""
        found: Product = in_path(Product.objects.all(), public_id, UnknownProduct, "product")
        return found

    def shown(self, product: Product) -> Response:
        """A product in its envelope."""
        return self.answer(ProductRow(product).data)


class Products(ProductView):
    """The list; new ones."""

    @speaks(query=ProductQuery, page=ProductRow)
    def get(self, request: Request) -> Response:
        """A page of products."""
        query = self.read_query()
        rows = within(Product.objects.select_related("start_plan", "downgrade_plan"), query)
        statuses = query.get("status") or []
        if "ARCHIVED" not in statuses and statuses:
            rows = rows.filter(archived_at=None)
        elif "PUBLISHED" not in statuses and statuses:
            rows = rows.exclude(archived_at=None)
        return self.page_of(rows)

    @speaks(body=NewProduct, answer=ProductRow, status=201)
    def post(self, request: Request) -> Response:
        """Create one (R4)."""
        body = self.read_body()
        public_id = body.pop("public_id")
        return self.shown(
            products.create(public_id=public_id, **fields_of(body), actor=self.actor, now=self.now),
        )


class OneProduct(ProductView):
    """One product."""

    @speaks(body=ProductChanges, answer=ProductRow)
    def patch(self, request: Request, product_id: str) -> Response:
        """Change it, or the journey of its customers (R4)."""
        body = self.read_body()
        return self.shown(
            products.update(
                product_id=self.find(product_id).pk,
                **fields_of(body),
                actor=self.actor,
                now=self.now,
            )
        )


class ArchiveProduct(ProductView):
    """Its retirement."""

    @speaks(answer=ProductRow)
    def post(self, request: Request, product_id: str) -> Response:
        """Archive it with its plans and add-ons (R4)."""
        return self.shown(
            archiving.archive_product(
                product_id=self.find(product_id).pk, actor=self.actor, now=self.now
            )
        )


class DuplicateProduct(ProductView):
    """A copy of it."""

    names = {"public_id": "targetId", "name": "displayName"}

    @speaks(body=DuplicateBody, answer=ProductRow, status=201)
    def post(self, request: Request, product_id: str) -> Response:
        """Copy it with its plans and add-ons, as drafts (R8)."""
        body = self.read_body()
        return self.shown(
            duplication.duplicate(
                product_id=self.find(product_id).pk,
                public_id=body["target_id"],
                name=body.get("display_name"),
                description=body.get("description"),
                actor=self.actor,
                now=self.now,
            ),
        )


class UnarchiveProduct(ProductView):
    """Its return."""

    @speaks(answer=ProductRow)
    def post(self, request: Request, product_id: str) -> Response:
        """Bring it back (R4)."""
        return self.shown(
            archiving.unarchive_product(
                product_id=self.find(product_id).pk, actor=self.actor, now=self.now
            )
        )


def fields_of(body: dict[str, Any]) -> ProductFields:
    """A body in the words of the verbs."""
    fields: dict[str, Any] = {}
    for name, value in body.items():
        match name:
            case "metadata":
                fields["metadata"] = value or {}
            case "usage_reset_cutoff_rule":
                fields["usage_reset"] = value["behavior"]
            case "product_settings":
                fields |= _journey(value)
            case _:
                fields[name] = value
    return fields  # type: ignore[return-value]


def _journey(settings: dict[str, Any]) -> dict[str, Any]:
    """The journey, with plans in place of their ids."""
    wanted = [settings[name] for name in ("start_plan", "downgrade_plan") if settings.get(name)]
    plans = named_packages(PackageKind.PLAN, wanted, field="start_plan")
    return {
        name: plans.get(value) if name in ("start_plan", "downgrade_plan") else value
        for name, value in settings.items()
    }


def _id(plan: Package | None) -> str | None:
    return plan.public_id if plan else None
