"""One thing done to many customers: chosen, looked at, carried out, undone."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from credits import tasks
from credits.models import Grant, Pool
from subscriptions.models import Customer
from tests.browser.looks import findings, in_every_look
from tests.browser.person import Person
from tests.builders import a_credit_type, a_customer
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


class TestBulkChange:
    def test_leads_from_ticked_customers_to_credits_and_back(
        self, page: Page, customers: list[Customer]
    ) -> None:
        """R46, R48."""
        support = Person(page)
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
        tasks.carry_out_bulk_changes()
        page.reload()
        support.reads("Completed")
        assert set(Pool.objects.values_list("balance", flat=True)) == {500}

        page.locator(".cx-head-actions .cx-menu-button").click()
        support.click("Undo")
        support.reads("3 rows were done.", "revoked where nothing of them was used")
        support.click("Undo", "form.cx-dialog")
        tasks.carry_out_bulk_changes()
        page.reload()
        support.reads("Undone")
        assert set(Pool.objects.values_list("balance", flat=True)) == {0}

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

        assert "2,globex,Globex,AI Credits: +5 credits,Ready," in text

    @in_every_look
    def test_is_usable_by_everybody(self, page: Page, customers: list[Customer]) -> None:
        support = Person(page)
        support.sign_in(Role.CUSTOMER_SUPPORT)
        page.goto("/admin/credits/bulkrun/add/?of=customers")
        assert findings(page) == []
        fill_in_a_gift(support)

        assert findings(page) == []
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0
