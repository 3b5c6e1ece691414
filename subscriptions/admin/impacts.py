"""Previews of publications: what each customer would get and lose, before it is made (R9, R14)."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from catalog import impact
from catalog.models import Addon, Package, PackageKind, PackageVersion, Plan
from subscriptions import impacts
from subscriptions.admin.words import names_of_credit_types
from subscriptions.models import ImpactOutcome, ImpactReport, ImpactRow, ImpactStatus
from workspace import sheets
from workspace.actors import Actor
from workspace.admin.base import Badge, DialogPage, ObjectPage, ReadOnly, SheetPage, WorkspaceAdmin
from workspace.admin.pages import model_url
from workspace.api import cursors
from workspace.errors import BadInput
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant, signed

AT_ONCE = 400
"""So many subscriptions are looked at while one waits; more are left to the worker."""
TOP_MOVERS = 5
LONGEST_SEARCH = 255
TONES = {
    ImpactOutcome.GAINS_NOW: "success",
    ImpactOutcome.GAINS_AT_RESET: "success",
    ImpactOutcome.LOSES_AT_RESET: "danger",
    ImpactOutcome.CHANGES_AT_RESET: "warning",
    ImpactOutcome.UNCHANGED: "neutral",
}


def preview_of(draft: PackageVersion, now: datetime) -> impact.Preview:
    """How far the preview of a draft is, for the page that publishes it."""
    report = impacts.of_draft(draft)
    if report is None:
        begin = f"{model_url(ImpactReport, 'begin')}?package={draft.package_id}"
        return impact.Preview(None, begin, "Nobody has looked at what each customer would get.")
    address = model_url(ImpactReport, "change", report.pk)
    if report.status != ImpactStatus.COMPLETED:
        state = f"{report.done} of {report.total} subscriptions are looked at."
        return impact.Preview(None, address, state)
    return impact.Preview(
        report.pk, address, f"{_counted(report)}, computed {instant(report.computed_at)}."
    )


impact.register_previewer(preview_of)


class PackageDialog(DialogPage):
    """Asks about the plan or add-on that the address names, and leads to what was begun."""

    permission = "subscriptions.begin_rolloutrun"
    is_about_one = False
    created: Model | None = None
    heading: str
    """With a place for the name of the package."""

    @property
    def title(self) -> str:
        """What is asked, about which package."""
        return self.heading.format(self.package)

    @cached_property
    def package(self) -> Package | None:
        """The plan or add-on."""
        wanted = self.request.GET.get("package", "")
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 19):
            return None
        return Package.objects.filter(pk=int(wanted)).first()

    def back_url(self) -> str:
        """To what was begun; else to the package, if there is one."""
        if self.created is not None:
            return self.model_admin.object_url(self.created)
        return package_url(self.package) if self.package else self.model_admin.list_url()

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask, about a package that exists."""
        if self.package is None:
            return self.model_admin.gone(request)
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Act, on a package that exists."""
        if self.package is None:
            return self.model_admin.gone(request)
        return super().post(request, *args, **kwargs)


class BeginPreview(PackageDialog):
    """Work out what publishing a draft for all customers would do."""

    name = "begin"
    heading = "Preview the impact of {}"
    confirm_label = "Preview"
    question = (
        "What would each customer get and lose if this draft were published for all? Nothing is "
        "changed. Many subscriptions are looked at in the background."
    )

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Begin, and finish at once what is small."""
        assert self.package is not None, "asked for before"
        report = impacts.begin(package_id=self.package.pk, actor=actor, now=now)
        self.created = report
        if report.total > AT_ONCE:
            return "The preview is being worked out in the background."
        while impacts.proceed(report_id=report.pk, now=now):
            pass
        return "The preview is ready."


class ReportPage(ObjectPage):
    """What would happen: in sum, the most affected, and each subscription."""

    name = "change"
    label = "Impact"
    template_name = "admin/subscriptions/impact/report.html"
    object: ImpactReport

    def content(self) -> dict[str, Any]:
        """Figures, and a page of rows; a constant number of queries."""
        report = self.object
        counts = _counts(report)
        names = names_of_credit_types(report.granted)
        rows = filtered(report, self.request)
        try:
            page = cursors.page(rows, request=self.request, order=("id",))
        except BadInput:  # an address typed by hand: begin at the beginning
            self.request.GET = self.request.GET.__class__()
            page = cursors.page(filtered(report, self.request), request=self.request, order=("id",))
        return {
            "report": report,
            "package_url": package_url(report.version.package),
            "is_finished": report.status == ImpactStatus.COMPLETED,
            "percent": 100 * report.done / report.total if report.total else 100,
            "computed_at": instant(report.computed_at),
            "cards": [
                ("Subscriptions", in_digits(report.done)),
                ("Customers", in_digits(report.customers)),
                *((each.label, in_digits(counts.get(each, 0))) for each in ImpactOutcome),
            ],
            "granted": [
                (names.get(public_id, public_id), in_digits(Decimal(amount)))
                for public_id, amount in report.granted.items()
            ],
            "gaining": [shown(row) for row in self._movers("granted")],
            "losing": [shown(row) for row in self._movers("lost")],
            "rows": [shown(row) for row in page.rows],
            "older": page.next,
            "newer": page.prev,
            "outcomes": [(each.value, each.label) for each in ImpactOutcome],
            "outcome": self.request.GET.get("outcome", ""),
            "search": self.request.GET.get("q", "")[:LONGEST_SEARCH],
            "csv_url": self.model_admin.url_of("csv", report.pk),
        }

    def _movers(self, field: str) -> list[ImpactRow]:
        rows = _named(self.object.rows.filter(**{f"{field}__gt": 0}))
        return list(rows.order_by(f"-{field}", "pk")[:TOP_MOVERS])


class ReportSheet(SheetPage):
    """The rows of a preview as a table for spreadsheets, with the filter of the page."""

    object: ImpactReport

    def rows(self) -> Iterable[sheets.Row]:
        """In the order in which they were looked at."""
        return _sheet(filtered(self.object, self.request).order_by("pk"))


@admin.register(ImpactReport)
class ImpactReportAdmin(ReadOnly, WorkspaceAdmin):
    """All previews, newest first."""

    pages = [ReportPage, ReportSheet, BeginPreview]
    list_display = ["what", "subscriptions", "computed", "by"]
    list_select_related = ["version__package"]
    has_activity = False
    empty_title = "No previews yet"
    empty_text = "Edit a plan or add-on that customers have, and press Review & publish."

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImpactReport]:
        """With what a preview is named by."""
        rows: QuerySet[ImpactReport] = super().get_queryset(request)
        return rows.select_related("version__package__live", "version__package__draft")

    def badges(self, obj: ImpactReport) -> list[Badge]:
        """How far it is."""
        tone = "success" if obj.status == ImpactStatus.COMPLETED else "primary"
        return [Badge(ImpactStatus(obj.status).label, tone)]

    @admin.display(description="Preview")
    def what(self, obj: ImpactReport) -> str:
        """Of which plan or add-on it is."""
        return str(obj)

    @admin.display(description="Subscriptions")
    def subscriptions(self, obj: ImpactReport) -> str:
        """How many were looked at."""
        return f"{in_digits(obj.done)} of {in_digits(obj.total)}"

    @admin.display(description="Computed", ordering="computed_at")
    def computed(self, obj: ImpactReport) -> str:
        """As of when."""
        return instant(obj.computed_at)

    @admin.display(description="By", ordering="actor_name")
    def by(self, obj: ImpactReport) -> str:
        """Who wanted to know."""
        return obj.actor_name


def filtered(report: ImpactReport, request: HttpRequest) -> QuerySet[ImpactRow]:
    """The rows that the address asks for; what it asks for in vain is ignored."""
    rows = _named(report.rows.all())
    outcome = request.GET.get("outcome", "")
    if outcome in ImpactOutcome:
        rows = rows.filter(outcome=outcome)
    search = request.GET.get("q", "").strip()[:LONGEST_SEARCH]
    if search and "\0" not in search:
        rows = rows.filter(
            Q(subscription__customer__name__icontains=search)
            | Q(subscription__customer__public_id=search)
            | Q(subscription__public_id=search)
        )
    return rows


def shown(row: ImpactRow) -> dict[str, Any]:
    """A row in finished values."""
    subscription = row.subscription
    outcome = ImpactOutcome(row.outcome)
    return {
        "subscription": subscription.public_id,
        "url": model_url(type(subscription), "change", subscription.pk),
        "customer": subscription.customer.name,
        "outcome": outcome.label,
        "tone": TONES[outcome],
        "effects": [
            {
                "name": each["name"],
                "granted": signed(Decimal(each["granted"])) if each["granted"] != "0" else "",
                "balance_before": in_digits(Decimal(each["balance_before"])),
                "balance_after": in_digits(Decimal(each["balance_after"])),
                "recurring_before": recurring(each["recurring_before"]),
                "recurring_after": recurring(each["recurring_after"]),
            }
            for each in row.effects
        ],
    }


def recurring(amounts: dict[str, str]) -> str:
    """Such as "5,000 / month + 60,000 / year"; "nothing" if nothing recurs."""
    parts = (
        f"{in_digits(Decimal(amount))} / {cadence.lower()}"
        for cadence, amount in sorted(amounts.items())
    )
    return " + ".join(parts) or "nothing"


def package_url(package: Package) -> str:
    """The page of a plan or add-on."""
    return model_url(Plan if package.kind == PackageKind.PLAN else Addon, "change", package.pk)


def _named(rows: QuerySet[ImpactRow]) -> QuerySet[ImpactRow]:
    return rows.select_related("subscription__customer")


def _counts(report: ImpactReport) -> dict[str, int]:
    """How many subscriptions have each outcome."""
    return dict(report.rows.values_list("outcome").annotate(number=Count("pk")))


def _counted(report: ImpactReport) -> str:
    counts = _counts(report)
    parts = (
        f"{in_digits(counts[each])} {each.label.lower()}"
        for each in ImpactOutcome
        if each in counts
    )
    return ", ".join(parts) or "No subscription is concerned"


def _sheet(rows: QuerySet[ImpactRow]) -> Iterator[list[object]]:
    """A line per subscription and credit type, with amounts digit for digit."""
    yield [
        "Customer ID",
        "Customer",
        "Subscription ID",
        "Outcome",
        "Credit type",
        "Granted now",
        "Balance before",
        "Balance after",
        "Recurring before",
        "Recurring after",
    ]
    for row in rows.iterator(chunk_size=1000):
        customer = row.subscription.customer
        named = [customer.public_id, customer.name, row.subscription.public_id]
        outcome = ImpactOutcome(row.outcome).label
        for each in row.effects or [{}]:
            yield [
                *named,
                outcome,
                each.get("credit_type"),
                each.get("granted"),
                each.get("balance_before"),
                each.get("balance_after"),
                _in_sheet(each.get("recurring_before")),
                _in_sheet(each.get("recurring_after")),
            ]


def _in_sheet(amounts: dict[str, str] | None) -> str:
    pairs = sorted((amounts or {}).items())
    return "; ".join(f"{amount} per {cadence.lower()}" for cadence, amount in pairs)
