"""A subscription changes: more of it, another plan, an end, another payer, another workspace."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route
from pytest_django.live_server_helper import LiveServer

from subscriptions.models import Subscription
from tests.browser.person import Person
from tests.builders import (
    a_credit_type,
    a_customer,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from workspace.models import Role


@pytest.fixture
def subscription(live_server: LiveServer) -> Subscription:
    """Acme has Pro, 5,000 a month, in its workspace north; Business and Extra can be had too."""
    now = timezone.now()
    product = a_product("Studio", multiple_subscriptions=True, now=now)
    credits_ = a_credit_type("AI Credits", now=now)
    extra = a_published_addon(
        "Extra",
        product=product,
        entitlements=[some_credits(credits_, 1000)],
        now=now,
    )
    pro, _ = (
        a_published_plan(
            name,
            product=product,
            entitlements=[some_credits(credits_, amount)],
            compatible_addons=[extra],
            now=now,
        )
        for name, amount in (("Pro", 5000), ("Business", 20_000))
    )
    acme = a_customer("Acme", public_id="acme", now=now)
    a_customer("Globex", public_id="globex", now=now)
    return a_subscription(acme, pro, resource_id="north", addons=[(extra, 3)], now=now)


@pytest.fixture
def support(page: Page, subscription: Subscription) -> Person:
    """Looking at the subscription."""
    person = Person(page)
    person.sign_in(Role.CUSTOMER_SUPPORT)
    person.open("Subscriptions")
    person.click("Pro v1")
    return person


def update(support: Person) -> None:
    """Open the form, and wait until its summary follows."""
    support.click("Update")
    support.reads("Update Pro", "Summary")
    support.page.wait_for_load_state()


class TestSubscription:
    def test_gives_more_at_once_and_says_so_before(self, support: Person) -> None:
        """R27. An answer that comes too late is read all the same: it would hold a connection."""
        update(support)
        late: list[Route] = []

        def hold_first(route: Route) -> None:
            if late:
                route.continue_()
            else:
                late.append(route)

        support.page.route("**/update/", hold_first)
        with support.page.expect_request("**/update/"):
            support.fill(Extra="4")
        support.fill(Extra="5")
        late[0].continue_()
        support.reads("8,000 → 10,000", "+2,000", "10,000 credits / month")
        support.page.wait_for_load_state("networkidle")

        support.click("Update subscription", "form")

        support.reads("Extra", "5")
        [held] = Subscription.objects.get().addons.all()
        assert held.quantity == 5

    def test_says_so_too_of_what_was_typed_before_the_script_was_there(
        self, page: Page, subscription: Subscription
    ) -> None:
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        person = Person(page)
        person.sign_in(Role.CUSTOMER_SUPPORT)
        page.route("**/live_form.js", hold)
        page.goto(
            f"/admin/subscriptions/subscription/{subscription.pk}/update/", wait_until="commit"
        )

        person.fill(Extra="5")
        person.reads("8,000 → 8,000")
        held[0].continue_()

        person.reads("8,000 → 10,000")

    def test_explains_another_plan_schedules_it_and_takes_it_back(self, support: Person) -> None:
        """R31."""
        update(support)
        support.choose(Plan="Business")
        support.reads("start afresh")
        support.choose(When="At the end of the billing period")
        support.reads("20,000 credits / month")
        support.click("Update subscription", "form")

        support.click("Scheduled updates", ".cx-tabs")
        support.reads("Business")
        support.pick("Cancel scheduled update")
        support.click("Cancel scheduled update", "form.cx-dialog")
        support.reads("The scheduled update is canceled.")

    def test_ends_with_its_period_unless_it_is_kept(self, support: Person) -> None:
        support.pick("Cancel subscription")
        support.reads("purchased and promotional credits stay")
        support.click("Cancel subscription", "form.cx-dialog")
        support.reads("Cancelation pending")

        support.pick("Keep subscription")
        support.click("Keep subscription", "form.cx-dialog")

        support.reads("The subscription goes on.")
        assert Subscription.objects.get().ends_at is None

    def test_moves_to_another_workspace_and_another_payer(self, support: Person) -> None:
        support.pick("Transfer")
        support.fill(Resource_ID="south")
        support.click("Transfer", "form.cx-dialog")
        support.reads("south")

        support.pick("Delegate")
        support.fill(Customer_ID="globex")
        support.click("Delegate", "form.cx-dialog")

        support.reads("Globex")
        assert Subscription.objects.filter(
            resource__public_id="south", paying_customer__public_id="globex"
        ).exists()
