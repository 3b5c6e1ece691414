import pytest
from playwright.sync_api import Page

from tests.browser.looks import in_every_look


class TestPage:
    def test_shows_the_site(self, page: Page) -> None:
        page.goto("/admin/")

        assert page.url.endswith("/admin/login/?next=/admin/")

    @in_every_look
    def test_has_the_size_and_colours_of_its_look(self, page: Page, look: dict) -> None:
        page.goto("/admin/")

        assert page.evaluate("innerWidth") == look["viewport"]["width"]
        is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        assert is_dark == (look["color_scheme"] == "dark")


class TestComplaints:
    @pytest.mark.parametrize(
        ("script", "complaint"),
        [
            ("console.error('wrong')", "console: wrong ("),
            ("setTimeout(() => { throw new Error('wrong') })", "script: wrong"),
        ],
    )
    def test_hold_errors_of_scripts(
        self, page: Page, complaints: list[str], script: str, complaint: str
    ) -> None:
        page.goto("/admin/")

        page.evaluate(script)
        page.wait_for_timeout(50)

        assert len(complaints) == 1
        assert complaints[0].startswith(complaint)
        complaints.clear()

    def test_hold_requests_to_other_hosts(self, page: Page, complaints: list[str]) -> None:
        page.goto("/admin/")

        # The content policy stops scripts and pictures first; nothing stops a navigation.
        with pytest.raises(Exception, match="ERR_FAILED"):
            page.goto("http://elsewhere.example/")

        assert complaints[0] == "another host: http://elsewhere.example/"
        complaints.clear()
