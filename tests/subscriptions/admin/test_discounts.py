from catalog import archiving
from subscriptions.discounts import Discount
from subscriptions.models import Subscription, SubscriptionCoupon
from tests.builders import NOW, a_coupon, a_customer, a_subscription
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM


class TestSubscribe:
    def test_offers_coupons_and_shows_the_chosen_one(self, support, studio):
        a_coupon("Launch offer", public_id="launch", duration_in_months=3)
        customer = a_customer("Acme")
        page = f"/admin/subscriptions/customer/{customer.pk}/subscribe/"

        answer = support.press(page, **studio.form(coupon="launch"))

        assert answer.status_code == 200
        row = SubscriptionCoupon.objects.get()
        assert row.coupon.public_id == "launch"
        address = f"/admin/subscriptions/subscription/{row.subscription_id}/change/"
        facts = dict(support.get(address).context["facts"])
        assert facts["Coupon"].startswith("Launch offer: 20 %, until ")

    def test_takes_none_if_none_is_chosen(self, support, studio):
        a_coupon(public_id="launch")
        customer = a_customer("Acme")

        support.press(
            f"/admin/subscriptions/customer/{customer.pk}/subscribe/", **studio.form(coupon="")
        )

        assert customer.subscriptions.count() == 1
        assert not SubscriptionCoupon.objects.exists()


class TestChangeCoupon:
    def test_puts_another_one_in_its_place(self, support):
        a_coupon("Launch offer", public_id="launch")
        a_coupon("Loyalty", public_id="loyalty", percent_off=5)
        subscription = a_subscription(coupon=Discount("launch"))

        answer = support.press(page_of(subscription), coupon="loyalty")

        assert words(answer) == ["The subscription has the coupon Loyalty: 5 %."]
        row = SubscriptionCoupon.objects.get(removed_at=None)
        assert row.coupon.public_id == "loyalty"

    def test_refuses_what_is_archived(self, support):
        coupon = a_coupon("Launch offer", public_id="launch")
        subscription = a_subscription()
        archiving.archive_coupon(coupon_id=coupon.pk, actor=SYSTEM, now=NOW)

        answer = support.post(page_of(subscription), {"coupon": "launch"})

        assert "coupon" in answer.context["form"].errors
        assert not SubscriptionCoupon.objects.exists()

    def test_is_not_for_readers(self, reader):
        a_coupon("Launch offer", public_id="launch")
        subscription = a_subscription()

        assert reader.post(page_of(subscription), {"coupon": "launch"}).status_code == 403
        assert not SubscriptionCoupon.objects.exists()


def page_of(subscription: Subscription) -> str:
    return f"/admin/subscriptions/subscription/{subscription.pk}/change-coupon/"
