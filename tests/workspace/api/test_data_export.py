import pytest

from workspace.models import ExportDestination

pytestmark = pytest.mark.django_db

EXPORT = "/api/v1/data-export"
LIST = f"{EXPORT}/destinations"
BODY = {"destinationId": "dwh", "destinationType": "snowflake", "enabledModels": ["plans"]}


class TestDestinations:
    def test_are_answered_as_a_whole(self, caller):
        caller.post(LIST, BODY)
        added = caller.post(LIST, {"destinationId": "lake", "destinationType": "bigquery"})
        changed = caller.patch(
            f"{LIST}/lake", {"enabledModels": ["usage"], "integrationId": "export-1"}
        )
        removed = caller.delete(f"{LIST}/dwh")

        assert [answer.status_code for answer in (added, changed, removed)] == [201, 200, 200]
        dwh, lake = added.json()["data"]["destinations"]
        assert dwh.pop("connectedAt").endswith("Z")
        assert dwh == {
            "destinationId": "dwh",
            "type": "snowflake",
            "enabledModels": ["plans"],
            "connectionStatus": None,
            "lastSyncStatus": None,
        }
        assert lake["enabledModels"] is None
        [_, lake] = changed.json()["data"]["destinations"]
        assert lake["enabledModels"] == ["usage"]
        assert [row["destinationId"] for row in removed.json()["data"]["destinations"]] == ["lake"]

    def test_are_made_and_removed_once(self, caller):
        """Both are idempotent."""
        for _ in range(2):
            answer = caller.post(LIST, BODY)
            assert len(answer.json()["data"]["destinations"]) == 1
        for _ in range(2):
            assert caller.delete(f"{LIST}/dwh").json() == {"data": {"destinations": []}}

    def test_of_one_id_do_not_differ(self, caller):
        caller.post(LIST, BODY)

        answer = caller.post(LIST, BODY | {"destinationType": "bigquery"})

        assert (answer.status_code, answer.json()["code"]) == (409, "DestinationDiffers")
        assert answer["x-should-retry"] == "false"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("destinationId", None),
            ("destinationId", "a/b"),
            ("destinationType", ""),
            ("destinationType", 5),
            ("destinationType", "x" * 65),
            ("enabledModels", "plans"),
            ("enabledModels", ["secrets"]),
            ("enabledModels", ["plans"] * 101),
        ],
    )
    def test_are_refused_with_the_field_at_fault(self, caller, field, value):
        answer = caller.post(LIST, BODY | {field: value})

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert not ExportDestination.objects.exists()

    @pytest.mark.parametrize(
        "body",
        [{}, {"enabledModels": ["plans"]}, {"integrationId": "x"}, {"enabledModels": None}],
    )
    def test_are_not_changed_by_half(self, caller, body):
        caller.post(LIST, BODY)

        assert caller.patch(f"{LIST}/dwh", body).status_code == 400

    @pytest.mark.parametrize("destination_id", ["other", "a" * 5000, "a%20b", "a%2Fb"])
    def test_that_are_unknown_are_not_changed(self, caller, destination_id):
        body = {"enabledModels": ["plans"], "integrationId": "x"}

        assert caller.patch(f"{LIST}/{destination_id}", body).status_code == 404

    def test_are_for_keys_that_may_write(self, reading_caller, client):
        """X1, X3."""
        assert reading_caller.post(LIST, BODY).status_code == 403
        assert client.post(LIST).status_code == 401


class TestModels:
    def test_come_in_groups(self, caller):
        groups = caller.get(f"{EXPORT}/models").json()["data"]["groups"]

        assert [group["id"] for group in groups] == ["catalog", "customers", "credits"]
        assert groups[1]["displayName"] == "Customers"
        assert {"id": "subscriptions", "displayName": "Subscriptions"} in groups[1]["models"]


class TestSync:
    @pytest.mark.parametrize("body", [{}, {"destinationId": "dwh"}])
    def test_is_never_pretended(self, caller, body):
        caller.post(LIST, BODY)

        answer = caller.post(f"{EXPORT}/sync", body)

        assert (answer.status_code, answer.json()["code"]) == (409, "DataExportUnavailable")
        assert answer["x-should-retry"] == "false"
        assert ExportDestination.objects.get().public_id == "dwh"

    def test_knows_which_destinations_there_are(self, caller):
        answer = caller.post(f"{EXPORT}/sync", {"destinationId": "other"})

        assert (answer.status_code, answer.json()["code"]) == (404, "DestinationNotFound")


class TestScopedToken:
    def test_is_never_pretended(self, caller):
        answer = caller.post(f"{EXPORT}/scoped-token", {"applicationOrigin": "https://app.example"})

        assert (answer.status_code, answer.json()["code"]) == (409, "DataExportUnavailable")

    def test_wants_an_origin_first(self, caller):
        assert caller.post(f"{EXPORT}/scoped-token", {}).status_code == 400
