from decimal import Decimal
from typing import Any

import pytest

from subscriptions.models import Subscription, SubscriptionCoupon
from tests.builders import a_coupon, a_customer, a_published_plan, a_subscription

pytestmark = pytest.mark.django_db

LIST = "/api/v1/subscriptions"


@pytest.fixture
def order(db) -> dict:
    a_customer(public_id="acme")
    a_published_plan(public_id="pro")
    a_coupon("Launch offer", public_id="launch", percent_off="12.5")
    return {"customerId": "acme", "planId": "pro", "appliedCoupon": {"couponId": "launch"}}


class TestProvision:
    def test_takes_a_coupon_and_shows_it_to_the_last_digit(self, caller, order):
        answer = caller.post(LIST, order)

        assert answer.status_code == 201
        coupons = answer.json()["data"]["subscription"]["coupons"]
        assert coupons == [
            {
                "id": "launch",
                "name": "Launch offer",
                "status": "ACTIVE",
                "percentOff": 12.5,
                "amountsOff": None,
            }
        ]
        [row] = caller.get(LIST).json()["data"]
        assert row["coupons"] == coupons

    def test_takes_a_date_from_which_on_it_counts(self, caller, order):
        order["appliedCoupon"]["configuration"] = {"startDate": "2040-01-01T00:00:00Z"}

        caller.post(LIST, order)

        assert SubscriptionCoupon.objects.get().starts_at.year == 2040

    @pytest.mark.parametrize(
        ("coupon", "field"),
        [
            ({}, "appliedCoupon.couponId"),
            ("launch", "appliedCoupon"),
            ({"couponId": None}, "appliedCoupon.couponId"),
            ({"couponId": "nothing"}, "appliedCoupon"),
            (
                {"couponId": "launch", "configuration": {"startDate": "soon"}},
                "appliedCoupon.configuration.startDate",
            ),
            ({"couponId": "launch", "promotionCode": "x"}, "appliedCoupon.promotionCode"),
            ({"couponId": "launch", "billingCouponId": "x"}, "appliedCoupon.billingCouponId"),
            ({"couponId": "launch", "discount": {"percentOff": 5}}, "appliedCoupon.discount"),
        ],
    )
    def test_starts_nothing_with_a_coupon_that_cannot_be_given(self, caller, order, coupon, field):
        answer = caller.post(LIST, order | {"appliedCoupon": coupon})

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert not Subscription.objects.exists()


class TestUpdate:
    def test_replaces_the_coupon(self, caller, order):
        a_coupon("Five", public_id="five", amounts_off={"EUR": Decimal(5)})
        created = caller.post(LIST, order).json()["data"]["id"]

        answer = caller.patch(f"{LIST}/{created}", {"appliedCoupon": {"couponId": "five"}})

        assert answer.status_code == 200
        assert [
            (row["id"], row["status"], row["amountsOff"])
            for row in answer.json()["data"]["coupons"]
        ] == [
            ("launch", "REMOVED", None),
            ("five", "ACTIVE", [{"amount": 5, "currency": "eur"}]),
        ]

    def test_leaves_it_where_nothing_is_said(self, caller, order):
        created = caller.post(LIST, order).json()["data"]["id"]

        bodies: list[dict[str, Any]] = [{}, {"metadata": {}}, {"appliedCoupon": None}]
        for body in bodies:
            data = caller.patch(f"{LIST}/{created}", body).json()["data"]
            assert [row["status"] for row in data["coupons"]] == ["ACTIVE"]

    def test_shows_none_where_there_is_none(self, caller):
        subscription = a_subscription()

        data = caller.get(f"{LIST}/{subscription.public_id}").json()["data"]

        assert data["coupons"] == []
