from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from credits import resets
from credits.book import GrantType
from credits.models import Pool
from subscriptions import periods
from tests.browser.looks import findings, in_every_look
from tests.builders import a_metered_feature, a_resource
from tests.credits.pools import a_pool, a_pool_of_a_plan, consumed, granted, stored
from tests.workspace.builders import a_user
from workspace.models import Role


@pytest.fixture
def pool(live_server: LiveServer) -> Pool:
    """A pool with something of everything, of a plan that began a month ago."""
    now = timezone.now()
    begin = periods.boundary(now, -1) + timedelta(hours=1)
    pool = a_pool_of_a_plan(5000, now=begin)
    granted(pool, "2000.5", name="Top-up", now=begin, unit_cost=2)
    granted(pool, 50_000, name="Order 4711", now=begin, payment_pending=True)
    gift = {"type": GrantType.PROMOTIONAL, "expires_at": now + timedelta(days=20)}
    granted(pool, 250, name="Gift", now=begin, **gift)
    for number in range(30):
        consumed(
            pool, 40, feature=a_metered_feature(now=begin), now=begin + number * timedelta(days=1)
        )
    sealed = a_pool(
        pool.customer, pool.credit_type, a_resource(pool.customer, now=begin), now=begin
    )
    consumed(sealed, 15, now=begin)
    resets.set_aside(pool_id=a_pool_of_a_plan(now=begin).pk, because="ValueError: odd", now=now)
    return stored(pool)


PAPER = "rgb(255, 255, 255)"


def sign_in(page: Page, role: Role = Role.CUSTOMER_SUPPORT) -> None:
    user = a_user(role)
    page.goto("/admin/login/")
    page.fill("[name=username]", user.get_username())
    page.fill("[name=password]", "correct horse battery")
    page.click("button[type=submit]")


def addresses(pool: Pool) -> list[str]:
    customer = f"/admin/credits/pool/customers/{pool.customer_id}"
    return [
        f"{customer}/credits/?grants=all&range=week",
        f"{customer}/entitlement-usage/",
        f"{customer}/adjust-credits/",
        f"/admin/credits/pool/{pool.pk}/balance/?span=all&open=expired",
        f"/admin/credits/pool/{pool.pk}/forecast/?use=typed&amount=400&per=day",
        "/admin/credits/pool/resets/",
    ]


class TestCreditScreens:
    @in_every_look
    def test_fit_and_can_be_used_by_everybody(self, page: Page, pool: Pool) -> None:
        sign_in(page)

        for address in addresses(pool):
            page.goto(address)
            page.wait_for_load_state("networkidle")
            assert findings(page) == [], address

    def test_show_a_pool_as_soon_as_it_is_picked(self, page: Page, pool: Pool) -> None:
        sign_in(page)
        page.goto(addresses(pool)[0])

        page.select_option("[name=resource]", index=1)

        page.wait_for_url("**resource=workspace**")
        expect(page.locator(".cx-card-value").first).to_have_text("−15")

    def test_open_the_chart_as_a_table(self, page: Page, pool: Pool) -> None:
        sign_in(page)
        page.goto(addresses(pool)[0])

        page.get_by_text("Show as table").press("Enter")

        expect(page.get_by_role("region", name="Usage as a table")).to_be_visible()

    @pytest.mark.parametrize("look", ["wide", "wide dark"], indirect=True)
    def test_print_what_is_known_without_what_is_pressed(self, page: Page, pool: Pool) -> None:
        sign_in(page)
        page.goto(addresses(pool)[0])
        page.set_viewport_size({"width": 794, "height": 1123})  # A4

        page.emulate_media(media="print")

        assert page.evaluate("document.scrollingElement.scrollWidth") <= 794
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == PAPER
        expect(page.get_by_text("As of")).to_be_visible()
        expect(page.locator(".cx-card-value").first).to_have_css("color", "rgb(0, 0, 0)")
        for name in ("Grants", "Ledger"):
            expect(page.get_by_role("region", name=name, exact=True).last).to_be_visible()
        for pressed in ("#nav-sidebar", ".cx-tabs", ".cx-button", ".cx-menu", "form.cx-filter"):
            expect(page.locator(pressed).locator("visible=true")).to_have_count(0)


class TestExplanation:
    def test_leads_from_the_balance_to_every_entry(self, page: Page, pool: Pool) -> None:
        sign_in(page)
        page.goto(addresses(pool)[0])

        page.get_by_role("link", name="Why this balance?").click()
        expect(page.get_by_role("heading", name="Why the balance is")).to_be_visible()
        page.get_by_role("link", name="Everything").click()
        page.get_by_role("link", name="Manual top-up: Top-up").press("Enter")

        expect(page.locator("#granted-2")).to_contain_text("Bought")
        expect(page.get_by_role("link", name="Manual top-up: Top-up")).to_have_attribute(
            "aria-expanded", "true"
        )

    def test_is_about_the_time_that_was_picked(self, page: Page, pool: Pool) -> None:
        sign_in(page)
        page.goto(f"/admin/credits/pool/{pool.pk}/balance/")

        page.get_by_label("From (UTC)").fill("2020-01-01T00:00")
        page.get_by_label("Until (UTC)").fill("2020-02-01T00:00")
        page.get_by_role("button", name="Show").press("Enter")

        expect(page.get_by_role("heading", name="Why the balance was 0")).to_be_visible()
        page.get_by_role("link", name="As known then").click()
        expect(page.get_by_text("what the books said")).to_be_visible()

    def test_is_copied_as_a_sentence(self, page: Page, pool: Pool) -> None:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        sign_in(page)
        page.goto(f"/admin/credits/pool/{pool.pk}/balance/")

        page.get_by_role("button", name="Copy").click()

        expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("#sentence").inner_text()
        assert "had a balance of" in copied

    def test_is_selected_where_the_browser_forbids_to_copy(self, page: Page, pool: Pool) -> None:
        page.add_init_script("navigator.clipboard.writeText = () => Promise.reject()")
        sign_in(page)
        page.goto(f"/admin/credits/pool/{pool.pk}/balance/")

        page.get_by_role("button", name="Copy").click()

        expect(page.get_by_role("status").filter(has_text="Selected")).to_be_visible()
        assert "had a balance of" in page.evaluate("getSelection().toString()")


class TestForecast:
    def test_follows_what_is_assumed(self, page: Page, pool: Pool) -> None:
        sign_in(page)
        page.goto(f"/admin/credits/pool/{pool.pk}/balance/")

        page.get_by_role("link", name="Forecast").click()
        expect(page.get_by_label("Credits", exact=True)).to_be_hidden()
        page.get_by_label("Use", exact=True).select_option("As typed")
        page.get_by_label("Credits", exact=True).fill("1,000")
        page.get_by_role("button", name="Show").press("Enter")

        expect(page.get_by_text("1,000 credits are used a day.")).to_be_visible()
        expect(page.get_by_role("img", name="Balance from")).to_be_visible()
        dates = page.get_by_role("region", name="What happens on which date")
        expect(dates.get_by_text("Nothing is left").first).to_be_visible()


class TestAdjustment:
    def test_follows_what_is_typed_and_is_confirmed(self, page: Page, pool: Pool) -> None:
        sign_in(page)
        page.goto(addresses(pool)[2])

        page.get_by_label("Subtract credits").check()
        assert not page.get_by_label("Priority").is_visible()
        page.get_by_label("Amount").fill("1,000")
        page.locator(".cx-change").wait_for()
        shown = page.locator("[name=previewed]").input_value()
        page.get_by_label("Reason").fill("Refund of order 4711")
        expect(page.locator("[name=previewed]")).not_to_have_value(shown)
        page.get_by_role("button", name="Adjust balance").click()

        expect(page.locator("body")).to_contain_text("1,000 credits subtracted")

    def test_works_without_the_script_that_follows(self, page: Page, pool: Pool) -> None:
        page.route("**/live_form.js", lambda route: route.fulfill(body=""))
        sign_in(page)
        page.goto(addresses(pool)[2])

        page.get_by_label("Amount").fill("50")
        page.get_by_label("Reason").fill("Goodwill")
        page.get_by_role("button", name="Update summary").click()
        expect(page.locator(".cx-change")).to_be_visible()
        page.get_by_role("button", name="Adjust balance").click()

        expect(page.locator("body")).to_contain_text("50 credits granted")
