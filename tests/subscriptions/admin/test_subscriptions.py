import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog import products
from catalog.models.products import EndSetup
from catalog.publishing import Audience
from subscriptions.choices import FeatureValue
from subscriptions.models import RolloutResult, RolloutRun, RolloutStatus, Status, Subscription
from subscriptions.tasks import roll_out
from tests.builders import (
    NOW,
    a_customer,
    a_feature,
    a_new_version,
    a_product,
    a_published_plan,
    a_subscription,
    some_credits,
    some_units,
)
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM

SUBSCRIPTIONS = "/admin/subscriptions/subscription/"
ROLLOUTS = "/admin/subscriptions/rolloutrun/"


def page_of(subscription: Subscription, name: str = "change") -> str:
    return f"{SUBSCRIPTIONS}{subscription.pk}/{name}/"


def labels(answer) -> list[str]:
    return [link.label for link in (*answer.context["buttons"], *answer.context["menu"])]


@pytest.fixture
def subscription(studio) -> Subscription:
    return a_subscription(
        a_customer("Acme", public_id="acme"), studio.pro, addons=[(studio.extra, 3)]
    )


class TestList:
    def test_shows_all_with_their_status(self, support, subscription):
        page = support.get(SUBSCRIPTIONS).content.decode()

        for text in ("Pro v1", "Acme", "Active"):
            assert text in page

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("status__exact=x", None),
            ("status=ACTIVE", True),
            ("status=CANCELED", False),
            ("status=nonsense", True),
            ("q=acme", True),
            ("q=nobody", False),
        ],
    )
    def test_searches_and_filters(self, support, subscription, query: str, found: bool | None):
        answer = support.get(f"{SUBSCRIPTIONS}?{query}", follow=True)

        assert answer.status_code == 200
        if found is not None:
            assert (subscription.public_id in answer.content.decode()) is found

    def test_takes_as_many_queries_for_many_as_for_one(
        self, support, studio, subscription, django_assert_num_queries
    ):
        support.get(SUBSCRIPTIONS)
        with django_assert_num_queries(6):
            support.get(SUBSCRIPTIONS)
        for _ in range(8):
            a_subscription(a_customer(), studio.pro)

        with django_assert_num_queries(6):
            support.get(SUBSCRIPTIONS)


class TestPage:
    def test_shows_terms_addons_and_prices(self, support, subscription):
        answer = support.get(page_of(subscription))

        page = answer.content.decode()
        assert [badge.label for badge in answer.context["badges"]] == ["Active"]
        for text in ("Pro of Acme", "Extra API Credits", "147 USD / month", "246 USD / month"):
            assert text in page
        assert labels(answer) == ["Update", "Change coupon", "Delegate", "Cancel subscription"]

    def test_says_that_a_newer_version_exists(self, support, studio, subscription):
        a_new_version(studio.pro)

        answer = support.get(page_of(subscription))

        assert "Legacy" in [badge.label for badge in answer.context["badges"]]
        assert "Migrate to latest" in labels(answer)

    def test_offers_nothing_after_the_end(self, support, subscription):
        support.press(page_of(subscription, "cancel"), time="IMMEDIATE")

        answer = support.get(page_of(subscription))

        assert labels(answer) == []
        assert [badge.label for badge in answer.context["badges"]] == ["Canceled"]

    def test_offers_readers_nothing_to_press(self, reader, subscription):
        assert labels(reader.get(page_of(subscription))) == []

    def test_shows_entitlements(self, support, subscription):
        (row,) = support.get(page_of(subscription, "entitlements")).context["entitlements"]

        assert row.value == "80,000 credits / month"


class TestUpdate:
    def test_changes_addons(self, support, studio, subscription):
        """R27."""
        answer = support.press(page_of(subscription, "update"), **{f"addon_{studio.extra.pk}": "5"})

        assert subscription.addons.get().quantity == 5
        assert words(answer) == ["The subscription is updated."]

    def test_sums_up_before(self, support, studio, subscription):
        answer = support.post(
            page_of(subscription, "update"),
            {"refresh": "1", f"addon_{studio.extra.pk}": "5"},
        )

        assert answer.context["summary"].credits[0].value == "100,000 credits / month"
        assert subscription.addons.get().quantity == 3

    def test_sums_up_a_plan_that_is_not_sold_by_the_present_period(
        self, support, studio, subscription
    ):
        yearly = a_published_plan("Annual", product=studio.product, monthly=None, yearly=490)

        answer = support.post(
            page_of(subscription, "update"),
            {"refresh": "1", "plan": str(yearly.pk), "billing_period": "MONTHLY"},
        )

        assert answer.context["summary"].problem == ""
        assert answer.context["summary"].prices[0].value == "490 USD / year"
        # Annual has no add-ons, so the change ends those there are.
        assert ("Extra API Credits", "3 → 0") in answer.context["summary"].facts

    def test_keeps_values_it_does_not_ask_for(self, support, studio):
        seats, rooms = a_feature("Seats"), a_feature("Rooms")
        plan = a_published_plan(
            entitlements=[
                some_credits(studio.api, 10, linked_feature=seats),
                some_units(seats),
                some_units(rooms),
            ]
        )
        subscription = a_subscription(
            plan=plan, entitlements=[FeatureValue(feature_id=rooms.public_id, usage_limit=2)]
        )

        support.press(page_of(subscription, "update"), **{f"units_{seats.pk}": "9"})

        limits = {row.feature: row.usage_limit for row in subscription.entitlements.all()}
        assert limits == {seats: 9, rooms: 2}

    def test_says_when_it_comes_too_late(self, support, studio, subscription):
        asked = support.get(page_of(subscription, "update"))
        support.press(page_of(subscription, "cancel"), time="IMMEDIATE")

        answer = support.post(
            page_of(subscription, "update"),
            {"once": asked.context["once"], f"addon_{studio.extra.pk}": "5"},
        )

        assert "has ended" in answer.context["form"].non_field_errors()[0]
        assert subscription.addons.get().quantity == 3

    def test_is_forbidden_to_readers(self, reader, studio, subscription):
        answer = reader.post(page_of(subscription, "update"), {f"addon_{studio.extra.pk}": "5"})

        assert answer.status_code == 403
        assert subscription.addons.get().quantity == 3

    def test_can_wait_for_the_end_of_the_period(self, support, studio, subscription):
        answer = support.press(
            page_of(subscription, "update"),
            **{f"addon_{studio.extra.pk}": "5", "when": "END_OF_BILLING_PERIOD"},
        )

        subscription.refresh_from_db()
        assert subscription.addons.get().quantity == 3
        assert subscription.next_update_at is not None
        assert words(answer)[0].startswith("The subscription will be updated on ")
        badges = support.get(page_of(subscription)).context["badges"]
        assert "Update scheduled" in [badge.label for badge in badges]

    def test_explains_a_change_of_plan_with_this_customers_figures(self, support, studio):
        """R31, before it is done."""
        large = a_published_plan(
            "Large",
            product=studio.product,
            monthly=199,
            entitlements=[some_credits(studio.api, 90_000)],
        )
        subscription = a_subscription(plan=studio.pro)

        answer = support.post(
            page_of(subscription, "update"), {"refresh": "1", "plan": str(large.pk)}
        )

        summary = answer.context["summary"]
        assert (summary.balances[0].name, summary.balances[0].before) == ("API Credits", "50,000")
        assert summary.balances[0].after == "90,000"
        assert summary.rule.startswith("Credits start afresh")
        assert ("Changes", "Plan") in summary.facts
        subscription.refresh_from_db()
        assert subscription.plan == studio.pro

    def test_changes_the_plan(self, support, studio):
        large = a_published_plan("Large", product=studio.product, monthly=199)
        subscription = a_subscription(plan=studio.pro)

        support.press(page_of(subscription, "update"), plan=str(large.pk))

        subscription.refresh_from_db()
        assert subscription.plan == large

    def test_of_a_downgrade_waits_as_the_product_says(self, support, studio):
        """R4."""
        small = a_published_plan("Small", product=studio.product, monthly=9)
        subscription = a_subscription(plan=studio.pro)

        support.press(page_of(subscription, "update"), plan=str(small.pk))

        subscription.refresh_from_db()
        assert subscription.plan == studio.pro
        assert subscription.scheduled_updates.get().plan_version == small.live


class TestScheduledUpdates:
    @pytest.fixture
    def scheduled(self, support, studio, subscription) -> Subscription:
        support.press(
            page_of(subscription, "update"),
            **{f"addon_{studio.extra.pk}": "5", "when": "END_OF_BILLING_PERIOD"},
        )
        return subscription

    def test_are_listed(self, reader, scheduled):
        (row,) = reader.get(page_of(scheduled, "scheduled")).context["updates"]

        assert (row.changes, row.becomes) == ("Add-ons", "Pro, monthly, Extra API Credits × 5")
        assert row.badge.label == "Scheduled"

    def test_say_what_to_do_where_there_are_none(self, reader, subscription):
        page = reader.get(page_of(subscription, "scheduled")).content.decode()

        assert "No scheduled updates" in page

    def test_can_be_canceled(self, support, scheduled):
        answer = support.press(page_of(scheduled, "cancel-scheduled"))

        scheduled.refresh_from_db()
        assert scheduled.next_update_at is None
        assert words(answer) == ["The scheduled update is canceled."]
        assert "Cancel scheduled update" not in labels(support.get(page_of(scheduled)))

    def test_cannot_be_canceled_by_readers(self, reader, scheduled):
        assert reader.post(page_of(scheduled, "cancel-scheduled"), {}).status_code == 403

        scheduled.refresh_from_db()
        assert scheduled.next_update_at is not None


class TestTransfer:
    def test_moves_it_to_another_resource(self, support):
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))
        subscription = a_subscription(plan=plan, resource_id="one")

        answer = support.press(page_of(subscription, "transfer"), resource_id="two")

        subscription.refresh_from_db()
        assert str(subscription.resource) == "two"
        assert words(answer) == ["The subscription belongs to two now."]

    def test_is_offered_where_there_are_resources(self, support, subscription):
        assert "Transfer" not in labels(support.get(page_of(subscription)))


class TestDelegate:
    def test_lets_another_customer_pay(self, support, subscription):
        parent = a_customer("Parent", public_id="parent")

        answer = support.press(page_of(subscription, "delegate"), customer_id="parent")

        subscription.refresh_from_db()
        assert subscription.paying_customer == parent
        assert words(answer) == ["Parent pays for the subscription."]

    def test_to_nobody_says_so(self, support, subscription):
        answer = support.press(page_of(subscription, "delegate"), customer_id="nobody")

        assert answer.context["form"].errors["customer_id"] == ["There is no such customer."]

    def test_is_forbidden_to_readers(self, reader, subscription):
        answer = reader.post(page_of(subscription, "delegate"), {"customer_id": "x"})

        assert answer.status_code == 403


class TestCancel:
    def test_calls_the_way_out_otherwise(self, support, subscription):
        asked = support.get(page_of(subscription, "cancel"))

        assert (asked.context["dismiss_label"], asked.context["confirm_label"]) == (
            "Back",
            "Cancel subscription",
        )
        assert ">Back</a>" in asked.text

    def test_goes_over_to_a_plan_where_the_product_says_so(self, support, studio, subscription):
        """R4."""
        free = a_published_plan("Free", product=studio.product, pricing_type="FREE")
        products.update(
            product_id=studio.product.pk,
            end_setup=EndSetup.DOWNGRADE_TO_FREE,
            downgrade_plan=free,
            actor=SYSTEM,
            now=NOW,
        )

        asked = support.get(page_of(subscription, "cancel")).content.decode()
        waiting = support.press(page_of(subscription, "cancel"), time="END_OF_BILLING_PERIOD")
        gone_over = support.press(page_of(subscription, "cancel"), time="IMMEDIATE")

        assert "goes over to Free" in asked
        assert words(waiting)[0].startswith("The subscription goes over to another plan on ")
        assert words(gone_over) == ["The subscription has gone over to Free."]

    def test_ends_at_once(self, support, subscription):
        answer = support.press(page_of(subscription, "cancel"), time="IMMEDIATE")

        subscription.refresh_from_db()
        assert subscription.status_at(subscription.updated_at) == Status.CANCELED
        assert words(answer) == ["The subscription is canceled."]

    def test_ends_later_and_is_kept(self, support, subscription):
        canceled = support.press(page_of(subscription, "cancel"), time="END_OF_BILLING_PERIOD")
        pending = support.get(page_of(subscription))
        kept = support.press(page_of(subscription, "keep"))

        assert words(canceled)[0].startswith("The subscription ends on ")
        assert "Cancelation pending" in [badge.label for badge in pending.context["badges"]]
        assert words(kept) == ["The subscription goes on."]
        subscription.refresh_from_db()
        assert subscription.ends_at is None

    def test_wants_a_date(self, support, subscription):
        answer = support.press(page_of(subscription, "cancel"), time="SPECIFIC_DATE")

        assert answer.context["form"].errors["ends_at"] == ["Enter the date."]

    def test_refuses_a_date_that_has_passed(self, support, subscription):
        answer = support.press(
            page_of(subscription, "cancel"), time="SPECIFIC_DATE", ends_at="2020-01-01T10:00"
        )

        assert answer.context["form"].errors
        subscription.refresh_from_db()
        assert subscription.ends_at is None

    def test_comes_back_to_the_customer(self, support, subscription):
        back = f"/admin/subscriptions/customer/{subscription.customer_id}/change/"

        answer = support.press(page_of(subscription, "cancel"), time="IMMEDIATE", next=back)

        assert answer.redirect_chain == [(back, 302)]

    def test_is_forbidden_to_readers(self, reader, subscription):
        answer = reader.post(page_of(subscription, "cancel"), {"time": "IMMEDIATE"})

        assert answer.status_code == 403
        subscription.refresh_from_db()
        assert subscription.ends_at is None


class TestMigrate:
    def test_moves_to_the_latest_version(self, support, studio, subscription):
        """R10."""
        version = a_new_version(studio.pro)

        answer = support.press(page_of(subscription, "migrate"))

        subscription.refresh_from_db()
        assert subscription.plan_version == version
        assert words(answer) == ["The subscription stands on version 2 now."]

    def test_is_not_offered_without_a_newer_version(self, support, subscription):
        answer = support.get(page_of(subscription, "migrate"), follow=True)

        assert "is not possible" in words(answer)[0]


class TestMarkAsPaid:
    def test_lets_the_subscription_begin(self, support, studio):
        subscription = a_subscription(plan=studio.pro, payment_pending=True)

        support.press(page_of(subscription, "confirm-payment"))

        subscription.refresh_from_db()
        assert subscription.payment_pending is False


class TestRollouts:
    def test_show_how_far_they_are(self, administrator_and_rollout):
        visitor, run = administrator_and_rollout

        page = visitor.get(ROLLOUTS).content.decode()
        before = visitor.get(f"{ROLLOUTS}{run.pk}/change/").context
        roll_out(NOW)
        after = visitor.get(f"{ROLLOUTS}{run.pk}/change/").context

        assert "Pro v2" in page
        assert (before["moved"], before["left"]) == (0, 1)
        assert (after["moved"], after["failed"], after["left"]) == (1, 0, 0)

    def test_are_listed_without_counting_their_results(self, administrator_and_rollout):
        visitor, _ = administrator_and_rollout

        with CaptureQueriesContext(connection) as sent:
            visitor.get(ROLLOUTS)

        assert not [each["sql"] for each in sent if RolloutResult._meta.db_table in each["sql"]]

    def test_say_that_nobody_looked_at_what_they_would_do(self, administrator_and_rollout):
        """R12: without a preview, no result is called other than reviewed."""
        visitor, run = administrator_and_rollout

        facts = dict(visitor.get(f"{ROLLOUTS}{run.pk}/change/").context["facts"])

        assert facts["Reviewed"].startswith("Without a preview of its impact")

    def test_can_be_canceled(self, administrator_and_rollout):
        visitor, run = administrator_and_rollout

        visitor.press(f"{ROLLOUTS}{run.pk}/cancel/")

        run.refresh_from_db()
        assert run.status == RolloutStatus.CANCELED

    def test_are_only_shown_to_readers(self, reader, administrator_and_rollout):
        _, run = administrator_and_rollout

        assert reader.get(f"{ROLLOUTS}{run.pk}/change/").status_code == 200
        assert reader.post(f"{ROLLOUTS}{run.pk}/cancel/").status_code == 403

    @pytest.fixture
    def administrator_and_rollout(self, support, studio, subscription):
        a_new_version(studio.pro, audience=Audience.ALL_CUSTOMERS)
        return support, RolloutRun.objects.get()


class TestMigrateListed:
    def test_leads_to_a_bulk_change_of_what_the_filter_shows(self, manager, reader, studio):
        """R10: with a look at every customer first."""
        basic = a_published_plan("Basic", public_id="basic", product=studio.pro.product)
        for name, plan in (("Acme", studio.pro), ("Globex", basic)):
            a_subscription(a_customer(name, public_id=name.lower()), plan)
        plan_id = studio.pro.public_id

        [link] = manager.get(f"{SUBSCRIPTIONS}?plan={plan_id}").context["list_links"]
        page = manager.get(link.url)

        assert link.label == "Migrate to latest"
        assert page.context["chosen"] == f"1 subscription plan {plan_id}"
        assert page.context["form"]["kind"].initial == "MIGRATE"
        assert reader.get(SUBSCRIPTIONS).context["list_links"] == []

    def test_knows_no_plan_that_is_not_there(self, manager, studio):
        a_subscription(a_customer("Acme"), studio.pro)

        page = manager.get(f"{SUBSCRIPTIONS}?plan=nonsense").context

        assert list(page["cl"].result_list) == []
