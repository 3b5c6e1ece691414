import pytest
from django.test import Client

from tests.application import Application


class TestDescription:
    @pytest.mark.parametrize("path", ["/api/docs", "/api/schema"])
    def test_is_open_to_all(self, db, client: Client, path):
        assert client.get(path).status_code == 200

    def test_asks_no_other_host(self, db, client: Client):
        page = client.get("/api/docs").content.decode()

        assert "http://" not in page.replace("http://testserver", "")
        assert "https://" not in page

    def test_names_the_addresses_of_every_app(self, db, client: Client):
        described = client.get("/api/schema", headers={"Accept": "application/json"}).json()

        assert {
            "/api/v1/credits/consumption",
            "/api/v1/customers/{customerId}/entitlements/check",
            "/api/v1/subscriptions",
            "/v1/c/{customerId}/entitlements-state.json",
        } <= set(described["paths"])


class TestUnknownAddress:
    @pytest.mark.parametrize(
        "path",
        [
            "/api/v1/nothing",
            "/api/v2/customers",
            "/v1/nothing",
            "/api",
            "/v1",
            "/api/v1/customers/",
            "/api/v1/customers/a%00/entitlements",
            "/api/v1/customers/a%00/entitlements/check?currencyId=ai",
            "/api/v1/usage/acme/history/%00?startDate=2026-10-01T00:00:00Z",
            "/v1/c/%00/entitlements-state.json",
        ],
    )
    def test_answers_in_json_to_those_with_a_key(self, db, path):
        application = Application()

        known = application.get(path)
        application.client.defaults["HTTP_X_API_KEY"] = ""
        unknown = application.get(path)

        assert (known.status, known.body["code"]) == (404, "NotFound")
        assert (unknown.status, unknown.body["code"]) == (401, "Unauthenticated")

    def test_is_a_page_where_the_admin_is(self, admin_client: Client):
        answer = admin_client.get("/admin/django_q/task/%00/change/")

        assert answer.status_code == 404
        assert answer["Content-Type"].startswith("text/html")
