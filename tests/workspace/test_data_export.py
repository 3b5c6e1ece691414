from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import QuerySet

from workspace import activity, data_export
from workspace.actors import SYSTEM
from workspace.data_export import (
    DataExportUnavailable,
    DestinationDiffers,
    TooManyDestinations,
    UnknownDestination,
    UnknownModel,
)
from workspace.ids import InvalidId
from workspace.models import ExportDestination

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def connect(destination_id: str = "dwh", type: str = "snowflake", **options) -> ExportDestination:
    return data_export.connect(
        destination_id=destination_id, type=type, actor=SYSTEM, now=NOW, **options
    )


def events_of(destination_id: str) -> list[str]:
    return [entry.event for entry in activity.for_subject("exportdestination", destination_id)]


class TestGroups:
    def test_come_from_the_apps_that_own_the_data(self):
        found = {group.public_id: dict(group.models) for group in data_export.groups()}

        assert list(found) == ["catalog", "customers", "credits"]
        assert found["credits"]["credit_ledger"] == "Credit ledger"


class TestConnect:
    def test_remembers_a_destination(self):
        stored = connect(enabled_models=["plans", "usage", "plans"])

        assert data_export.destinations() == [stored]
        assert (stored.type, stored.enabled_models) == ("snowflake", ["plans", "usage"])
        assert events_of("dwh") == ["export_destination.connected"]

    def test_is_harmless_when_repeated(self):
        connect(enabled_models=["plans"])

        connect(enabled_models=["plans"])
        connect()

        assert ExportDestination.objects.count() == 1
        assert events_of("dwh") == ["export_destination.connected"]

    def test_is_harmless_when_somebody_does_so_in_the_same_moment(self, monkeypatch):
        first = connect()
        monkeypatch.setattr(QuerySet, "first", lambda rows: None)

        assert connect() == first
        with pytest.raises(DestinationDiffers):
            connect(type="bigquery")

        assert events_of("dwh") == ["export_destination.connected"]

    @pytest.mark.parametrize("other", [{"type": "bigquery"}, {"enabled_models": ["usage"]}])
    def test_does_not_change_what_is_known(self, other):
        connect(enabled_models=["plans"])

        with pytest.raises(DestinationDiffers):
            connect(**other)

        stored = ExportDestination.objects.get()
        assert (stored.type, stored.enabled_models) == ("snowflake", ["plans"])

    def test_refuses_models_and_ids_that_are_none(self):
        with pytest.raises(UnknownModel):
            connect(enabled_models=["plans", "secrets"])
        with pytest.raises(InvalidId):
            connect("no id")

        assert not ExportDestination.objects.exists()

    def test_ends_at_a_hundred(self, monkeypatch):
        monkeypatch.setattr(data_export, "MOST_DESTINATIONS", 1)
        connect()

        with pytest.raises(TooManyDestinations):
            connect("other")

        assert ExportDestination.objects.count() == 1


class TestChooseModels:
    def test_replaces_them_and_records_both(self):
        connect(enabled_models=["plans"])

        data_export.choose_models(
            destination_id="dwh",
            enabled_models=["usage"],
            integration_id="export-1",
            actor=SYSTEM,
            now=LATER,
        )

        stored = ExportDestination.objects.get()
        assert (stored.enabled_models, stored.integration_id) == (["usage"], "export-1")
        newest = activity.for_subject("exportdestination", "dwh")[0]
        assert newest.payload["enabled_models"] == [["plans"], ["usage"]]

    @pytest.mark.parametrize(
        ("destination_id", "models", "error"),
        [("other", ["plans"], UnknownDestination), ("dwh", ["secrets"], UnknownModel)],
    )
    def test_changes_nothing_that_is_unknown(self, destination_id, models, error):
        connect(enabled_models=["plans"])

        with pytest.raises(error):
            data_export.choose_models(
                destination_id=destination_id,
                enabled_models=models,
                integration_id="export-1",
                actor=SYSTEM,
                now=LATER,
            )

        assert ExportDestination.objects.get().enabled_models == ["plans"]


class TestDisconnect:
    def test_forgets_it_and_is_harmless_when_repeated(self):
        connect()

        for _ in range(2):
            data_export.disconnect(destination_id="dwh", actor=SYSTEM, now=LATER)

        assert data_export.destinations() == []
        assert events_of("dwh") == [
            "export_destination.disconnected",
            "export_destination.connected",
        ]


class TestExport:
    def test_says_that_nobody_can(self):
        connect()

        for destination_id in ("dwh", None):
            with pytest.raises(DataExportUnavailable):
                data_export.export(destination_id)

    def test_knows_which_destinations_there_are(self):
        with pytest.raises(UnknownDestination):
            data_export.export("other")
