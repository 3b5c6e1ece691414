"""Coupons over HTTP."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Literal, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog import archiving, coupons
from catalog.api.amounts import AmountField
from catalog.api.base import (
    CatalogView,
    ClearableText,
    ListQuery,
    Whole,
    choices_in_query,
    in_path,
    within,
)
from catalog.api.charges import MoneyShape
from catalog.coupons import CouponFields, UnknownCoupon
from catalog.models import Coupon, CouponType
from catalog.models.coupons import LONGEST_DURATION, WHOLE
from workspace.api.camel import CamelMixin
from workspace.api.currencies import CurrencyField
from workspace.api.fields import (
    ChoiceField,
    MetadataField,
    PublicIdField,
    TextField,
    wire_instant,
)
from workspace.api.responses import Response
from workspace.api.terms import Instant, one_of, speaks
from workspace.currencies import CURRENCIES


class PercentField(AmountField):
    """A share above 0 and at most 100, with at most six decimals."""

    default_error_messages = {"percent": "A percentage is above 0, and at most 100."}

    def to_internal_value(self, data: Any) -> Decimal:
        share = super().to_internal_value(data)
        if share > WHOLE:
            self.fail("percent")
        return share


class AmountOffBody(serializers.Serializer[Any]):
    """An amount of money."""

    amount = AmountField()
    currency = CurrencyField()


class AmountsOff(serializers.ListField):
    """Amounts, one for each currency: a mapping inside."""

    default_error_messages = {"twice": "There are two amounts in {currency}."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=AmountOffBody(), max_length=len(CURRENCIES), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        amounts: dict[str, Decimal] = {}
        for line in super().to_internal_value(data):
            if line["currency"] in amounts:
                self.fail("twice", currency=line["currency"])
            amounts[line["currency"]] = line["amount"]
        return amounts


class CouponChanges(CamelMixin, serializers.Serializer[Any]):
    """What may be said about a coupon that exists; null clears, absent leaves."""

    name = TextField(max_length=255, required=False)
    description = ClearableText(max_length=255)
    metadata = MetadataField(required=False, allow_null=True)


class NewCoupon(CouponChanges):
    """A coupon. Every field is sent; null where there is nothing to say."""

    id = PublicIdField(source="public_id")
    name = TextField(max_length=255)
    description = ClearableText(max_length=255, required=True)
    metadata = MetadataField(allow_null=True)
    percent_off = PercentField(allow_null=True)
    amounts_off = AmountsOff(allow_null=True)
    duration_in_months = Whole(allow_null=True, min_value=1, max_value=LONGEST_DURATION)


class CouponQuery(ListQuery):
    """What the list of coupons can be narrowed by."""

    status = choices_in_query("ACTIVE", "ARCHIVED")
    type = ChoiceField(CouponType.values, required=False)


class CouponShape(TypedDict):
    """A coupon."""

    id: str
    name: str
    description: str | None
    type: Annotated[str, one_of(CouponType.values)]
    percentOff: int | None
    amountsOff: list[MoneyShape] | None
    durationInMonths: int | None
    status: Literal["ACTIVE", "ARCHIVED"]
    source: Literal["STIGG", "STIGG_ADHOC", "STRIPE"] | None
    billingId: str | None
    billingLinkUrl: str | None
    metadata: dict[str, str] | None
    createdAt: Instant
    updatedAt: Instant


class CouponAnswer(serializers.BaseSerializer[Coupon]):
    """A coupon as callers see it.

    The contract shows a percentage as a whole number here, so a fraction is rounded; kept is
    what was sent.
    """

    def to_representation(self, instance: Coupon) -> CouponShape:
        """Every key of the contract."""
        share = instance.percent_off
        return {
            "id": instance.public_id,
            "name": instance.name,
            "description": instance.description or None,
            "type": instance.type,
            "percentOff": None if share is None else int(share.quantize(1, ROUND_HALF_UP)),
            "amountsOff": amounts_off(instance),
            "durationInMonths": instance.duration_in_months,
            "status": "ARCHIVED" if instance.archived_at else "ACTIVE",
            "source": "STIGG",
            "billingId": None,
            "billingLinkUrl": None,
            "metadata": instance.metadata,
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
        }


def amounts_off(coupon: Coupon) -> list[MoneyShape] | None:
    """The amounts that a coupon takes off; null if it is a percentage."""
    return [
        {"amount": amount, "currency": currency.lower()}
        for currency, amount in coupon.amounts.items()
    ] or None


class CouponView(CatalogView):
    """What the addresses of coupons share."""

    names = {"public_id": "id"}

    def find(self, public_id: str) -> Coupon:
        """The coupon that an address names."""
        found: Coupon = in_path(Coupon.objects.all(), public_id, UnknownCoupon, "coupon")
        return found

    def shown(self, coupon: Coupon) -> Response:
        """A coupon in its envelope."""
        return self.answer(CouponAnswer(coupon).data)


class Coupons(CouponView):
    """The list; new ones."""

    @speaks(query=CouponQuery, page=CouponAnswer)
    def get(self, request: Request) -> Response:
        """A page of coupons, archived ones included unless `status` asks otherwise."""
        query = self.read_query()
        rows = within(Coupon.objects.all(), query)
        match query.get("status"):
            case ["ACTIVE"]:
                rows = rows.filter(archived_at=None)
            case ["ARCHIVED"]:
                rows = rows.exclude(archived_at=None)
        if "type" in query:
            rows = rows.filter(type=query["type"])
        return self.page_of(rows)

    @speaks(body=NewCoupon, answer=CouponAnswer, status=201)
    def post(self, request: Request) -> Response:
        """Create one."""
        body = self.read_body()
        return self.shown(
            coupons.create(
                public_id=body["public_id"],
                percent_off=body["percent_off"],
                amounts_off=body["amounts_off"],
                duration_in_months=body["duration_in_months"],
                **fields_of(body),
                actor=self.actor,
                now=self.now,
            ),
        )


class OneCoupon(CouponView):
    """One coupon."""

    @speaks(answer=CouponAnswer)
    def get(self, request: Request, coupon_id: str) -> Response:
        """Read it."""
        return self.shown(self.find(coupon_id))

    @speaks(body=CouponChanges, answer=CouponAnswer)
    def patch(self, request: Request, coupon_id: str) -> Response:
        """Change how it is called and described."""
        body = self.read_body()
        return self.shown(
            coupons.update(
                coupon_id=self.find(coupon_id).pk,
                **fields_of(body),
                actor=self.actor,
                now=self.now,
            )
        )


class ArchiveCoupon(CouponView):
    """Its retirement."""

    @speaks(answer=CouponAnswer)
    def post(self, request: Request, coupon_id: str) -> Response:
        """Archive it."""
        return self.shown(
            archiving.archive_coupon(
                coupon_id=self.find(coupon_id).pk, actor=self.actor, now=self.now
            )
        )


def fields_of(body: dict[str, Any]) -> CouponFields:
    """What a body says about a coupon's name and description, in the words of the verbs."""
    fields: CouponFields = {}
    if "name" in body:
        fields["name"] = body["name"]
    if "description" in body:
        fields["description"] = body["description"]
    if "metadata" in body:
        fields["metadata"] = body["metadata"] or {}
    return fields
