"""Rollouts: how far published versions got to the subscriptions (R12)."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from catalog import impact
from catalog.models import Package, PackageKind
from subscriptions import impacts, rollout
from subscriptions.admin.impacts import AT_ONCE, PackageDialog
from subscriptions.admin.words import names_of_credit_types
from subscriptions.models import (
    ImpactOutcome,
    ImpactReport,
    RolloutKind,
    RolloutOutcome,
    RolloutResult,
    RolloutRun,
    RolloutStatus,
    Subscription,
)
from workspace import sheets
from workspace.actors import Actor
from workspace.admin.base import (
    Badge,
    DialogForm,
    ObjectPage,
    ReadOnly,
    SheetPage,
    WorkspaceAdmin,
    button,
)
from workspace.admin.pages import model_url
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant

TONES = {
    RolloutStatus.PENDING: "info",
    RolloutStatus.IN_PROGRESS: "primary",
    RolloutStatus.COMPLETED: "success",
    RolloutStatus.PARTIALLY_FAILED: "warning",
    RolloutStatus.FAILED: "danger",
    RolloutStatus.CANCELED: "neutral",
}
MOST_RESULTS = 200


def holders_of(package: Package, now: datetime) -> impact.Holders:
    """How many subscriptions stand on each version, for the page of versions."""
    url = f"{model_url(RolloutRun, 'begin')}?package={package.pk}"
    return impact.Holders(rollout.holders(package, now), url, BeginMigration.permission)


impact.register_holders(holders_of)


class MigrateForm(DialogForm):
    """Whom to migrate, and when."""

    from_numbers = forms.MultipleChoiceField(
        label="From versions",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None: from all of them.",
    )
    when = forms.ChoiceField(
        choices=[("now", "Now"), ("period_end", "At the end of each billing period")],
        initial="now",
        widget=forms.RadioSelect,
    )


class BeginMigration(PackageDialog):
    """Migrate many subscriptions to the latest version, with its prices (R10)."""

    name = "begin"
    heading = "Migrate {} to latest"
    confirm_label = "Migrate"
    is_dangerous = True
    form_class = MigrateForm
    template_name = "admin/subscriptions/rollout/begin.html"
    question = (
        "Subscriptions move to the latest versions of what they have, and to their prices. The "
        "worker moves them; you can cancel, and try failed ones again."
    )

    def get_form(self) -> forms.Form:
        """With the versions that somebody has."""
        form = super().get_form()
        assert self.package is not None, "asked for before"
        numbers = rollout.holders(self.package, self.now)
        versions = self.package.versions.filter(pk__in=numbers).order_by("-number")
        field = form.fields["from_numbers"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [
            (str(version.number), f"Version {version.number}: {numbers[version.pk]}")
            for version in versions
        ]
        return form

    def initial(self) -> dict[str, Any]:
        """The version one came from."""
        return {"from_numbers": self.request.GET.getlist("from")}

    def content(self) -> dict[str, Any]:
        """What would happen to all who have it; worked out here where they are few."""
        assert self.package is not None, "asked for before"
        rows = rollout.having(self.package, self.now)
        total = rows.count()
        is_plan = self.package.kind == PackageKind.PLAN
        filtered = f"?plan={self.package.public_id}" if is_plan else ""
        list_url = f"{model_url(Subscription, 'changelist')}{filtered}"
        found = {"total": total, "most": AT_ONCE, "list_url": list_url}
        if total > AT_ONCE:
            return found
        effects = impacts.of_migration(list(rows.select_related("plan_version")), self.now)
        outcomes = Counter(impacts.outcome_of(lines) for lines in effects.values())
        granted: dict[str, Decimal] = defaultdict(Decimal)
        for lines in effects.values():
            for line in lines:
                granted[line.name] += line.granted
        return found | {
            "outcomes": [
                (each.label, in_digits(outcomes[each])) for each in ImpactOutcome if outcomes[each]
            ],
            "granted": [
                (f"{name}, granted at once", in_digits(amount))
                for name, amount in sorted(granted.items())
                if amount
            ],
        }

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Leave it to the worker."""
        assert self.package is not None, "asked for before"
        self.created = rollout.begin_migration(
            package_id=self.package.pk,
            from_numbers=[int(number) for number in form.cleaned_data["from_numbers"]],
            at_period_end=form.cleaned_data["when"] == "period_end",
            actor=actor,
            now=now,
        )
        return f"{self.created.total} subscriptions are migrated in the background."


class RolloutPage(ObjectPage):
    """One rollout and its results, failures first."""

    name = "change"
    label = "Results"
    template_name = "admin/subscriptions/rollout/results.html"
    object: RolloutRun

    def content(self) -> dict[str, Any]:
        """Figures, and results with the failures first."""
        run = self.object
        results = RolloutResult.objects.filter(run=run).select_related("subscription__customer")
        ordered = results.order_by("outcome", "-changed_since_review", "pk")
        tried = run.moved + run.failed
        report = run.report
        shown = list(ordered[:MOST_RESULTS])
        ids = {public_id for row in shown for public_id in row.granted}
        names = names_of_credit_types(ids)
        return {
            "facts": [
                ("What", RolloutKind(run.kind).label),
                ("From versions", ", ".join(map(str, run.from_numbers))),
                ("When", "At the end of each billing period" if run.at_period_end else ""),
                ("Begun", instant(run.created_at)),
                ("By", run.actor_name),
                ("Reviewed", self._reviewed()),
                ("Finished", instant(run.finished_at) if run.finished_at else ""),
            ],
            "moved": run.moved,
            "failed": run.failed,
            "left": run.left,
            "percent": 100 * tried / (tried + run.left) if tried + run.left else 100,
            "is_running": run.finished_at is None,
            "differing": run.differing,
            "report_url": model_url(ImpactReport, "change", report.pk) if report else "",
            "results": [(row, _granted(row, names)) for row in shown],
            "most": MOST_RESULTS,
            "csv_url": self.model_admin.url_of("csv", run.pk),
        }

    def _reviewed(self) -> str:
        """Which preview it is bound to; honest where there was none."""
        run = self.object
        if run.kind != RolloutKind.PUBLICATION:
            return ""
        if run.report is None:
            return "Without a preview of its impact, so no result can be compared with one"
        return f"With the preview as of {instant(run.report.computed_at)}"


class RolloutSheet(SheetPage):
    """What came of every subscription of a rollout."""

    object: RolloutRun

    def rows(self) -> Iterator[sheets.Row]:
        """One line each, in the order in which they were moved."""
        yield "Subscription", "Customer", "Result", "Granted", "Remark", "Time"
        results = self.object.results.select_related("subscription__customer").order_by("pk")
        for result in results.iterator():
            granted = [f"{amount} {credit_type}" for credit_type, amount in result.granted.items()]
            changed = ["Changed since the review"] * result.changed_since_review
            yield (
                result.subscription.public_id,
                result.subscription.customer.public_id,
                RolloutOutcome(result.outcome).label,
                ", ".join(granted),
                "; ".join([*changed, *filter(None, [result.message])]),
                instant(result.created_at),
            )


def _granted(result: RolloutResult, names: Mapping[str, str]) -> list[str]:
    """What somebody was granted at once, such as "1,000 AI Credits"."""
    return [
        f"{in_digits(Decimal(amount))} {names.get(public_id, public_id)}"
        for public_id, amount in result.granted.items()
    ]


@admin.register(RolloutRun)
class RolloutAdmin(ReadOnly, WorkspaceAdmin):
    """All rollouts, newest first."""

    area = "Operations"
    pages = [RolloutPage, RolloutSheet, BeginMigration]
    list_display = ["version_column", "state", "moved", "failed", "created"]
    list_filter = ["status"]
    list_select_related = ["version__package", "report"]
    has_activity = False
    empty_title = "No rollouts yet"
    empty_text = "Publish a plan or add-on for all customers, and its rollout appears here."

    def badges(self, obj: RolloutRun) -> list[Badge]:
        """How far it is."""
        status = RolloutStatus(obj.status)
        return [Badge(status.label, TONES[status])]

    @display(description="Version")
    def version_column(self, obj: RolloutRun) -> str:
        """What is rolled out."""
        return str(obj)

    @display(
        description="Status",
        ordering="status",
        label={
            status.label: TONES[status].replace("neutral", "default") for status in RolloutStatus
        },
    )
    def state(self, obj: RolloutRun) -> str:
        """How far it is."""
        return RolloutStatus(obj.status).label

    @display(description="Begun", ordering="created_at")
    def created(self, obj: RolloutRun) -> str:
        """When the version was published, or the migration begun."""
        return instant(obj.created_at)

    @button(
        "Cancel rollout",
        permission="subscriptions.cancel_rolloutrun",
        icon="stop_circle",
        is_dangerous=True,
        description="Subscriptions that were not moved yet stay on their version.",
        is_available=lambda run: run.finished_at is None,
    )
    def cancel(self, run: RolloutRun, actor: Actor, now: datetime) -> str:
        """Stop it."""
        rollout.cancel(run_id=run.pk, actor=actor, now=now)
        return "The rollout is canceled."

    @button(
        "Try failed ones again",
        permission="subscriptions.retry_rolloutrun",
        icon="restart_alt",
        description="The worker takes up again every subscription that could not be moved.",
        is_available=lambda run: (
            run.status in (RolloutStatus.PARTIALLY_FAILED, RolloutStatus.FAILED)
        ),
    )
    def retry(self, run: RolloutRun, actor: Actor, now: datetime) -> str:
        """Try once more what failed."""
        rollout.retry(run_id=run.pk, actor=actor, now=now)
        return "What failed is tried again in the background."
