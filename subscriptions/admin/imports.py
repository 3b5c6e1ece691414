"""Imports of subscriptions: how far they are, and what came of every row."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest
from unfold.decorators import display

from subscriptions import subscription_imports
from subscriptions.models import ImportOutcome, SubscriptionImport, SubscriptionImportRow
from workspace import sheets
from workspace.actors import Actor
from workspace.admin.base import (
    Badge,
    ObjectPage,
    ReadOnly,
    SheetPage,
    WorkspaceAdmin,
    button,
)
from workspace.templatetags.stipend import instant

MOST_ROWS = 200


class ImportPage(ObjectPage):
    """One import and its rows, failures first."""

    name = "change"
    label = "Results"
    template_name = "admin/subscriptions/import/results.html"
    object: SubscriptionImport

    def content(self) -> dict[str, Any]:
        """Figures, and rows with the failures first."""
        run: Any = self.object
        failures_first = Case(
            When(outcome=ImportOutcome.FAILED, then=Value(0)),
            default=Value(1),
            output_field=IntegerField(),
        )
        rows = SubscriptionImportRow.objects.filter(run=run).order_by(failures_first, "place")
        done = run.imported + run.failed
        return {
            "facts": [
                ("Handed in", instant(run.created_at)),
                ("By", run.actor_name),
                ("Finished", instant(run.finished_at) if run.finished_at else ""),
            ],
            "imported": run.imported,
            "failed": run.failed,
            "left": run.total - done,
            "percent": 100 * done / run.total if run.total else 100,
            "is_running": run.finished_at is None,
            "rows": list(rows[:MOST_ROWS]),
            "most": MOST_ROWS,
            "csv_url": self.model_admin.url_of("csv", run.pk),
        }


class ImportSheet(SheetPage):
    """What came of every row of an import, in the order in which they were handed in."""

    object: SubscriptionImport

    def rows(self) -> Iterator[sheets.Row]:
        """One line each."""
        yield "Row", "Subscription", "Customer", "Plan", "Result", "Remark", "Time"
        for row in self.object.rows.order_by("place").iterator():
            yield (
                row.place + 1,
                row.subscription_id,
                row.order["customer_id"],
                row.order["plan_id"],
                ImportOutcome(row.outcome).label,
                row.message,
                instant(row.finished_at) if row.finished_at else "",
            )


@admin.register(SubscriptionImport)
class SubscriptionImportAdmin(ReadOnly, WorkspaceAdmin):
    """All imports of subscriptions, newest first."""

    area = "Operations"
    pages = [ImportPage, ImportSheet]
    list_display = ["created", "by", "rows_column", "failed_column", "state"]
    has_activity = False
    empty_title = "No imports yet"
    empty_text = "Subscriptions that an application imports over HTTP appear here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[SubscriptionImport]:
        rows: QuerySet[SubscriptionImport] = super().get_queryset(request)
        imported = Q(rows__outcome__in=[ImportOutcome.SUCCEEDED, ImportOutcome.KNOWN])
        return rows.annotate(
            total=Count("rows"),
            imported=Count("rows", filter=imported),
            failed=Count("rows", filter=Q(rows__outcome=ImportOutcome.FAILED)),
        )

    def object_title(self, obj: SubscriptionImport) -> str:
        """When it came."""
        return f"Import of {instant(obj.created_at)}"

    @display(description="By", ordering="actor_name")
    def by(self, obj: SubscriptionImport) -> str:
        """Who handed it in."""
        return obj.actor_name

    def badges(self, obj: SubscriptionImport) -> list[Badge]:
        """How far it is."""
        return [_badge(obj)]

    @display(description="Handed in", ordering="created_at")
    def created(self, obj: SubscriptionImport) -> str:
        """When it was handed in."""
        return instant(obj.created_at)

    @display(description="Subscriptions")
    def rows_column(self, obj: Any) -> int:
        """How many there are."""
        return int(obj.total)

    @display(description="Failed")
    def failed_column(self, obj: Any) -> int:
        """How many could not be started."""
        return int(obj.failed)

    @display(
        description="Status",
        label={
            "In progress": "primary",
            "Finished": "success",
            "Partially failed": "warning",
            "Failed": "danger",
        },
    )
    def state(self, obj: SubscriptionImport) -> str:
        """How far it is."""
        return _badge(obj).label

    @button(
        "Try failed ones again",
        permission="subscriptions.add_subscription",
        icon="restart_alt",
        description="The worker takes up again every subscription that could not be started.",
        is_available=lambda run: run.finished_at is not None and run.failed > 0,
    )
    def retry(self, run: SubscriptionImport, actor: Actor, now: datetime) -> str:
        """Try once more what failed."""
        subscription_imports.retry(run_id=run.pk, actor=actor, now=now)
        return "What failed is tried again in the background."


def _badge(run: Any) -> Badge:
    """How far it is; what failed shows, in the words of rollouts."""
    if run.finished_at is None:
        return Badge("In progress", "primary")
    if not run.failed:
        return Badge("Finished", "success")
    return Badge("Partially failed", "warning") if run.imported else Badge("Failed", "danger")
