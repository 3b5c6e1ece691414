"""The home page: what needs somebody, and where its figures come from."""

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.person import Person
from tests.builders import a_customer, a_plan
from tests.credits.pools import a_pool, consumed, granted
from workspace.models import Role


@pytest.fixture(autouse=True)
def happened(live_server: LiveServer) -> None:
    """Acme used 80 of 100 credits and owes nothing, Globex owes 15; a plan is a draft."""
    cache.clear()
    now = timezone.now()
    acme, globex = (a_pool(a_customer(name, now=now), now=now) for name in ("Acme", "Globex"))
    granted(acme, 100, now=now)
    consumed(acme, 80, now=now)
    granted(globex, 10, now=now)
    consumed(globex, 25, now=now)
    a_plan("Team", now=now)


class TestHome:
    @pytest.mark.parametrize(
        ("label", "value", "texts"),
        [
            ("Overdue resets", "None", ["0 pools"]),
            ("Last sweep", "Never", ["Never seen", "run_worker"]),
            ("Failed jobs", "None", ["0 tasks"]),
            ("Plans in draft", "1", ["Team", "Draft"]),
            ("Negative balances", "1", ["Globex", "−15"]),
            ("Low balances", "1", ["Acme", "20"]),
        ],
    )
    def test_leads_from_a_figure_to_what_it_counts(
        self, page: Page, label: str, value: str, texts: list[str]
    ) -> None:
        person = Person(page)
        person.sign_in(Role.ADMINISTRATOR)

        card = page.locator(".cx-card").filter(has=page.get_by_text(label, exact=True))
        expect(card.locator(".cx-card-value")).to_have_text(value)
        card.click()

        person.reads(*texts)

    def test_leads_from_the_use_of_today_to_its_entries(self, page: Page) -> None:
        person = Person(page)
        person.sign_in(Role.READ_ONLY)

        card = page.locator(".cx-card", has_text="80").filter(has_text="used today")
        expect(card).to_contain_text("100 granted")
        card.click()
        person.reads("What was granted and used since")
        page.get_by_role("link", name="Acme").click()

        person.reads("Why the balance is 20", "+100", "−80")
