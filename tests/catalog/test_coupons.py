from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from catalog import coupons
from catalog.checking import IdTaken, InvalidField
from catalog.coupons import UnknownCoupon
from catalog.models import Coupon, CouponType
from tests.builders import NOW, a_coupon
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


class TestCreate:
    def test_stores_a_percentage_to_the_last_digit(self):
        coupons.create(
            public_id="launch",
            name=" Launch ",
            percent_off=Decimal("12.345678"),
            duration_in_months=3,
            metadata={"team": "growth"},
            actor=SYSTEM,
            now=NOW,
        )

        stored = Coupon.objects.get()
        assert (stored.name, stored.type) == ("Launch", CouponType.PERCENTAGE)
        assert (stored.percent_off, stored.duration_in_months) == (Decimal("12.345678"), 3)
        assert (stored.amounts, stored.metadata) == ({}, {"team": "growth"})
        recorded = activity.for_subject("coupon", "launch").get()
        assert recorded.event == "coupon.created"
        assert recorded.payload["percent_off"] == "12.345678"

    def test_stores_an_amount_for_each_currency(self):
        coupons.create(
            public_id="launch",
            name="Launch",
            amounts_off={"USD": Decimal("12.50"), "EUR": Decimal("123456789012.345678")},
            actor=SYSTEM,
            now=NOW,
        )

        stored = Coupon.objects.get()
        assert (stored.type, stored.percent_off) == (CouponType.FIXED, None)
        assert list(stored.amounts.items()) == [
            ("EUR", Decimal("123456789012.345678")),
            ("USD", Decimal("12.5")),
        ]

    @pytest.mark.parametrize(
        "discount",
        [
            {},
            {"amounts_off": {}},
            {"percent_off": Decimal(10), "amounts_off": {"USD": Decimal(5)}},
            {"percent_off": Decimal(0)},
            {"percent_off": Decimal(-1)},
            {"percent_off": Decimal("100.000001")},
            {"percent_off": Decimal("0.0000001")},
            {"percent_off": Decimal("NaN")},
            {"amounts_off": {"USD": Decimal(0)}},
            {"amounts_off": {"USD": Decimal("0.0000001")}},
            {"percent_off": Decimal(10), "duration_in_months": 0},
            {"percent_off": Decimal(10), "duration_in_months": 1201},
        ],
    )
    def test_refuses_what_is_no_discount(self, discount: dict[str, Any]):
        with pytest.raises(InvalidField):
            coupons.create(public_id="launch", name="Launch", actor=SYSTEM, now=NOW, **discount)

        assert not Coupon.objects.exists()

    @pytest.mark.parametrize(
        ("field", "value"),
        [("name", " "), ("name", "x" * 256), ("description", "a\0b"), ("metadata", {"a": 1})],
    )
    def test_refuses_texts_that_do_not_fit(self, field: str, value: object):
        fields: Any = {"name": "Launch", field: value}

        with pytest.raises(InvalidField) as refusal:
            coupons.create(
                public_id="launch", percent_off=Decimal(10), actor=SYSTEM, now=NOW, **fields
            )

        assert refusal.value.field == field
        assert not Coupon.objects.exists()

    def test_refuses_a_second_use_of_an_id(self):
        """R1."""
        a_coupon(public_id="launch")

        with pytest.raises(IdTaken):
            a_coupon(public_id="launch")


class TestUpdate:
    def test_changes_what_is_given_and_records_old_and_new(self):
        coupon = a_coupon("Launch", public_id="launch", description="Old")

        coupons.update(coupon_id=coupon.pk, name="Autumn", actor=SYSTEM, now=NOW)

        stored = Coupon.objects.get()
        assert (stored.name, stored.description, stored.percent_off) == ("Autumn", "Old", 20)
        newest = activity.for_subject("coupon", "launch")[0]
        assert (newest.event, newest.payload) == ("coupon.updated", {"name": ["Launch", "Autumn"]})

    def test_records_nothing_when_nothing_changes(self):
        coupon = a_coupon("Launch", public_id="launch")

        coupons.update(coupon_id=coupon.pk, name="Launch", actor=SYSTEM, now=NOW)

        assert activity.for_subject("coupon", "launch").count() == 1

    def test_does_not_know_strangers(self):
        with pytest.raises(UnknownCoupon):
            coupons.update(coupon_id=1, name="x", actor=SYSTEM, now=NOW)


class TestConstraints:
    @pytest.mark.parametrize(
        "broken",
        [
            {"type": CouponType.FIXED},
            {"percent_off": None},
            {"percent_off": Decimal(101)},
            {"percent_off": Decimal(0)},
            {"duration_in_months": 0},
        ],
    )
    def test_hold_without_the_verbs(self, broken: dict[str, Any]):
        coupon = a_coupon()

        with pytest.raises(IntegrityError), transaction.atomic():
            Coupon.objects.filter(pk=coupon.pk).update(**broken)
