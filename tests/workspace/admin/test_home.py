import pytest
from django.http import HttpRequest

from workspace.admin import home
from workspace.admin.home import Card
from workspace.models import Role


@pytest.fixture
def sources(monkeypatch):
    declared: list = []
    monkeypatch.setattr(home, "_sources", declared)
    return declared


@pytest.mark.django_db
class TestDashboard:
    def test_shows_the_cards_of_all_apps_in_order(self, administrator, sources):
        home.card(lambda request: Card("Customers", "12", url="/admin/", order=20))
        home.card(lambda request: Card("Products", "3", note="2 published", order=10))
        home.card(lambda request: None)

        answer = administrator.get("/admin/")

        assert [card.label for card in answer.context["cards"]] == ["Products", "Customers"]
        assert b"2 published" in answer.content

    def test_says_what_to_do_on_the_first_day(self, administrator, sources):
        assert b"Nothing has happened yet" in administrator.get("/admin/").content

    def test_opens_for_every_role(self, visit, sources):
        for role in Role:
            assert visit(role).get("/admin/").status_code == 200


@pytest.mark.django_db
class TestEnvironment:
    def test_names_the_workspace_in_the_header(self, administrator, settings):
        """Staging must not be taken for production."""
        settings.STIPEND_WORKSPACE_NAME = "Staging"
        settings.STIPEND_WORKSPACE_COLOUR = "danger"

        page = administrator.get("/admin/").content.decode()

        assert "Staging" in page
        assert home.environment(HttpRequest()) == ["Staging", "danger"]
