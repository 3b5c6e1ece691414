"""One thing done to many customers: chosen, looked at, carried out, undone."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import CreditType
from credits import grants, tasks
from credits.book import GrantType
from credits.models import Grant, Pool
from subscriptions.models import Customer, Subscription
from tests.browser.looks import findings, in_every_look
from tests.browser.person import Person
from tests.builders import (
    a_credit_type,
    a_customer,
    a_new_version,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from tests.credits.pools import a_pool, consumed, granted
from workspace.actors import SYSTEM
from workspace.models import Role


@pytest.fixture
def customers(live_server: LiveServer) -> list[Customer]:
    """Three, and something to grant them."""
    now = timezone.now()
    a_credit_type("AI Credits", now=now)
    return [
        a_customer(name, public_id=name.lower(), now=now) for name in ("Acme", "Globex", "Initech")
    ]


def fill_in_a_gift(person: Person) -> None:
    person.fill(Amount="500", Name="Sorry", Reason="An outage")
    person.click("Show what would happen", "form.cx-dialog")
    person.reads("This is what would happen. Nothing is changed yet.", "0 → 500")


class Support(Person):
    """Does something to many."""

    def begins(self, what: str, *, addon: str = "", **terms: str) -> None:
        """Say what is to be done to the customers of the fixture, and see what would happen."""
        self.open("Bulk changes")
        self.click("New bulk change", "body")
        self.tick(what)
        if addon:
            self.field("Add-on").select_option(label=addon)
        self.fill(Or_paste_it_here="acme\nglobex\ninitech", Reason="An outage", **terms)
        self.click("Show what would happen", "form.cx-dialog")
        self.reads("This is what would happen. Nothing is changed yet.")

    def carries_out(self, warning: str) -> None:
        """Carry out, having read what that means; pause and resume on the way."""
        self.click("Carry out")
        self.reads(warning)
        self.click("Carry out", "form.cx-dialog")
        self.confirms("Pause")
        self.reads("It is paused: nothing happens until somebody resumes it.")
        assert tasks.carry_out_bulk_changes() == 0
        self.click("Resume")
        self.click("Resume", "form.cx-dialog")
        self.waits("Completed")

    def confirms(self, what: str) -> None:
        """Pick it from the menu of the page, and press its button."""
        self.pick(what)
        self.click(what, "form.cx-dialog")

    def waits(self, status: str) -> None:
        """Let the worker do its part, and see how it ended."""
        tasks.carry_out_bulk_changes()
        self.page.reload()
        self.reads(status, within=".cx-head")

    def sees(self, customer: str, *texts: str) -> None:
        """What became of the row of a customer."""
        row = self.page.locator("tbody tr", has_text=customer)
        for text in texts:
            expect(row).to_contain_text(text, use_inner_text=True, ignore_case=True)


class TestBulkChange:
    def test_leads_from_ticked_customers_to_credits_and_back(
        self, page: Page, customers: list[Customer]
    ) -> None:
        """R46, R48."""
        support = Support(page)
        support.sign_in(Role.CUSTOMER_SUPPORT)
        support.open("Customers")
        page.locator("#action-toggle").check()
        page.locator("select[name=action]").select_option(label="Bulk change")
        support.click("Run")
        support.reads("Chosen: 3 customers, ticked one by one")
        fill_in_a_gift(support)
        assert not Grant.objects.exists()

        support.click("Carry out")
        support.reads("3 rows are done in the background, 0 rows left out.")
        support.click("Carry out", "form.cx-dialog")
        support.reads("In progress", "It is being carried out; the page follows by itself.")
        support.waits("Completed")
        assert set(Pool.objects.values_list("balance", flat=True)) == {500}

        consumed(Pool.objects.get(customer=customers[1]), 40, now=timezone.now())
        support.pick("Undo")
        support.reads("3 rows were done.", "revoked where nothing of them was used")
        support.click("Undo", "form.cx-dialog")
        support.waits("Undone")
        support.sees("Acme", "Undone")
        support.sees("Globex", "Not reversible", "40 of 500 were used.")
        assert balances() == [0, 460, 0]

    def test_extends_grants_gives_their_time_back_and_revokes_them(
        self, page: Page, customers: list[Customer]
    ) -> None:
        """R48, R49: what was changed meanwhile keeps its time; what is revoked stays so."""
        now = timezone.now()
        ends = now + timedelta(days=20)
        acme, globex = (
            granted(
                a_pool(customer, CreditType.objects.get(), now=now),
                100,
                type=GrantType.PROMOTIONAL,
                name="Sorry",
                expires_at=ends,
                now=now,
            )
            for customer in customers[:2]
        )
        support = Support(page)
        support.sign_in(Role.CUSTOMER_SUPPORT)

        support.begins("Extend grants", Or_later_by_days="10")
        support.sees("Acme", "“Sorry” expires", "100, unchanged", "Ready")
        support.sees("Initech", "Left out", "They have no grant that is meant.")
        support.carries_out("2 rows are done in the background, 1 row left out.")
        assert set(expiries(acme, globex)) == {ends + timedelta(days=10)}
        expire_later(globex, ends + timedelta(days=40))
        support.confirms("Undo")
        support.waits("Undone")
        support.sees("Acme", "Undone")
        support.sees("Globex", "Not reversible", "Its expiry was changed again meanwhile.")
        assert expiries(acme, globex) == [ends, ends + timedelta(days=40)]

        support.begins("Revoke grants", With_the_name="Sorry")
        support.sees("Globex", "100 of 100 credits are taken back", "100 → 0")
        support.carries_out("There is no undoing: What is revoked stays revoked.")
        assert set(Pool.objects.values_list("balance", flat=True)) == {0}
        expect(page.get_by_role("link", name="Undo")).to_have_count(0)

    def test_adds_an_add_on_and_migrates_subscriptions(
        self, page: Page, customers: list[Customer]
    ) -> None:
        """R10, R14, R28: whoever has it, or is on the latest, is left out with the reason."""
        now = timezone.now()
        credit_type = CreditType.objects.get()
        extra = a_published_addon("Extra", entitlements=[some_credits(credit_type, 1000)], now=now)
        pro = a_published_plan(
            product=extra.product,
            entitlements=[some_credits(credit_type, 5000)],
            compatible_addons=[extra],
            now=now,
        )
        a_subscription(customers[0], pro, now=now)
        a_subscription(customers[1], pro, addons=[(extra, 2)], now=now)
        a_new_version(pro, entitlements=[some_credits(credit_type, 6000)], now=now)
        a_subscription(customers[2], pro, now=now)
        support = Support(page)
        support.sign_in(Role.CUSTOMER_SUPPORT)

        support.begins("Change an add-on", addon="Extra", Quantity="2")
        support.sees("Acme", "Extra: 0 → 2", "5,000 → 7,000", "Ready")
        support.sees("Globex", "Left out", "It has 2 of it already.")
        support.sees("Initech", "6,000 → 8,000")
        support.carries_out("There is no undoing")
        assert balances() == [7000, 7000, 8000]

        support.begins("Migrate to latest")
        support.sees("Acme", "Pro v1 → v2", "7,000 → 8,000")
        support.sees("Initech", "Left out", "latest")
        support.carries_out("2 rows are done in the background, 1 row left out.")
        support.sees("Globex", "Pro v1 → v2", "Done")
        assert balances() == [8000, 8000, 8000]
        versions = Subscription.objects.values_list("plan_version__number", flat=True)
        assert list(versions) == [2, 2, 2]

    def test_takes_a_pasted_list_and_says_which_lines_are_wrong(
        self, page: Page, customers: list[Customer]
    ) -> None:
        support = Person(page)
        support.sign_in(Role.CUSTOMER_SUPPORT)
        support.open("Bulk changes")
        support.click("New bulk change", "body")
        support.fill(Or_paste_it_here="acme, 70\nnobody", Amount="5", Name="Sorry", Reason="Why")
        support.click("Show what would happen", "form.cx-dialog")
        support.reads("Line 2: There is no customer 'nobody'.")
        support.fill(Or_paste_it_here="acme, 70\nglobex")
        support.click("Show what would happen", "form.cx-dialog")
        support.reads("0 → 70", "0 → 5")

        with page.expect_download() as download:
            support.click("Download as CSV")
        text = download.value.path().read_text()

        assert "2,globex,Globex,,AI Credits: +5 credits,Ready," in text

    @in_every_look
    def test_is_usable_by_everybody(self, page: Page, customers: list[Customer]) -> None:
        support = Person(page)
        support.sign_in(Role.CUSTOMER_SUPPORT)
        page.goto("/admin/credits/bulkrun/add/?of=customers")
        assert findings(page) == []
        fill_in_a_gift(support)

        assert findings(page) == []


def balances() -> list[Decimal]:
    """Of all customers, by their names."""
    return list(Pool.objects.order_by("customer__name").values_list("balance", flat=True))


def expiries(*found: Grant) -> list[datetime | None]:
    return [Grant.objects.get(pk=grant.pk).expires_at for grant in found]


def expire_later(grant: Grant, expires_at: datetime) -> None:
    """What somebody else does meanwhile."""
    edit = grants.edit_of(Grant.objects.get(pk=grant.pk), expires_at=expires_at)
    grants.edit(
        grant_id=grant.public_id, edit=edit, reason="Later", actor=SYSTEM, now=timezone.now()
    )
