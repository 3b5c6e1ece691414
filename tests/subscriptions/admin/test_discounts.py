from subscriptions.models import SubscriptionCoupon
from tests.builders import a_coupon, a_customer


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
