"""Bulk changes: begun, looked at, carried out, paused, undone; row by row (R46–R49)."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from unfold.decorators import display

from credits import bulk
from credits.admin.bulk_forms import (
    PERMISSIONS,
    BulkForm,
    InvalidSelection,
    Selection,
    allowed_kinds,
)
from credits.admin.words import counted
from credits.bulk import DEEDS
from credits.models import BulkKind, BulkOutcome, BulkRow, BulkRun, BulkStatus
from credits.models.bulk import UNFINISHED, WORKING
from subscriptions.models import Customer
from workspace import sheets
from workspace.actors import Actor
from workspace.admin.base import (
    Badge,
    DialogPage,
    ObjectPage,
    ReadOnly,
    SheetPage,
    WorkspaceAdmin,
    button,
)
from workspace.admin.base import Button as AdminButton
from workspace.admin.pages import model_url
from workspace.models import User
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant

VIEW = "credits.view_bulkrun"
AT_ONCE = 200
"""So many rows are looked at while one waits; more are left to the worker."""
MOST_ROWS = 200
LONGEST_SEARCH = 255
TONES = {
    BulkStatus.DRY_RUN: "info",
    BulkStatus.READY: "warning",
    BulkStatus.IN_PROGRESS: "primary",
    BulkStatus.COMPLETED: "success",
    BulkStatus.PARTIALLY_FAILED: "warning",
    BulkStatus.FAILED: "danger",
    BulkStatus.CANCELED: "neutral",
    BulkStatus.UNDOING: "primary",
    BulkStatus.UNDONE: "neutral",
}
OUTCOME_TONES = {
    BulkOutcome.WAITING: "neutral",
    BulkOutcome.PLANNED: "info",
    BulkOutcome.SKIPPED: "neutral",
    BulkOutcome.SUCCEEDED: "success",
    BulkOutcome.FAILED: "danger",
    BulkOutcome.UNDONE: "neutral",
    BulkOutcome.KEPT: "warning",
}
TROUBLE = [BulkOutcome.FAILED, BulkOutcome.KEPT]
CHANGED = "CHANGED"
"""What the address asks for in place of an outcome: rows that are not as the dry run said."""
REVERSIBLE = [kind for kind, deed in DEEDS.items() if not deed.irreversible_because]


def what_starting_does(run: BulkRun) -> str:
    """How many rows are done, and whether there is a way back."""
    planned = run.rows.filter(outcome=BulkOutcome.PLANNED).count()
    left_out = run.rows.filter(outcome=BulkOutcome.SKIPPED).count()
    way_back = DEEDS[run.kind].irreversible_because
    return " ".join(
        [
            f"{counted(planned, 'row')} are done in the background, "
            f"{counted(left_out, 'row')} left out.",
            "Whoever changed since the dry run is handled by the rules, and marked.",
            f"There is no undoing: {way_back}"
            if way_back
            else "Afterwards it can be undone where nothing was spent.",
        ]
    )


def what_undoing_does(run: BulkRun) -> str:
    """How many rows are tried, and what that means."""
    done = run.rows.filter(outcome__in=[BulkOutcome.SUCCEEDED, BulkOutcome.KEPT]).count()
    what = (
        "The credits that were granted are revoked where nothing of them was used."
        if run.kind == BulkKind.GRANT
        else "The grants expire again when they did before, unless that is over."
    )
    return (
        f"{counted(done, 'row')} were done. {what} The others are listed with the reason why not."
    )


class BeginPage(DialogPage):
    """Say what is to be done to whom; what comes of it is shown before anything is done."""

    name = "add"
    title = "New bulk change"
    is_about_one = False
    template_name = "admin/credits/bulk/begin.html"
    confirm_label = "Show what would happen"
    question = (
        "Nothing is changed yet: the next page shows for every customer what would be done, and "
        "the balance before and after."
    )
    created: BulkRun | None = None

    def has_permission(self) -> bool:
        """Whoever may do any of it."""
        return super().has_permission() and bool(allowed_kinds(self.user))

    def get_form(self) -> forms.Form:
        """With what may be done to what was chosen."""
        is_sent = self.request.method == "POST"
        return BulkForm(
            self.request.POST if is_sent else None,
            self.request.FILES if is_sent else None,
            selection=Selection(self.request),
            kinds=allowed_kinds(self.user),
        )

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Lead back from where nothing can be chosen."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except InvalidSelection as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(self.model_admin.list_url())

    def content(self) -> dict[str, Any]:
        """Who was chosen in a list."""
        selection = Selection(self.request)
        if selection.listed is None:
            return {"chosen": ""}
        return {"chosen": selection.words(selection.count())}

    def back_url(self) -> str:
        """To what was begun; else where one came from."""
        if self.created is not None:
            return self.model_admin.object_url(self.created)
        return super().back_url()

    def act(self, form: Any, actor: Actor, now: datetime) -> str:
        """Store the rows, and look at once at few of them."""
        chosen, aims = form.choice()
        self.created = run = bulk.begin(
            deed=form.deed(),
            aims=aims,
            reason=form.cleaned_data["reason"],
            chosen=chosen,
            actor=actor,
            now=now,
        )
        if run.rows.count() > AT_ONCE:
            return "What would happen is being worked out in the background."
        while bulk.look(run_id=run.pk, now=now):
            pass
        return "This is what would happen. Nothing is changed yet."


class RunPage(ObjectPage):
    """A bulk change: how far it is, and what became, or would become, of each row."""

    name = "change"
    label = "Rows"
    template_name = "admin/credits/bulk/run.html"
    object: BulkRun

    def content(self) -> dict[str, Any]:
        """Figures and rows, those in trouble first; a constant number of queries."""
        run = self.object
        counts = dict(run.rows.order_by().values_list("outcome").annotate(number=Count("pk")))
        changed = run.rows.filter(changed_since_review=True).count()
        total = sum(counts.values())
        left = counts.get(_next_outcome(run), 0) if run.status in WORKING else 0
        found = filtered(run, self.request)
        trouble = list(found.filter(outcome__in=TROUBLE)[:MOST_ROWS])
        rest = found.exclude(outcome__in=TROUBLE)[: MOST_ROWS - len(trouble)]
        return {
            "facts": [
                ("What", BulkKind(run.kind).label),
                ("Reason", run.reason),
                ("Chosen", run.chosen),
                ("Begun", instant(run.created_at)),
                ("By", run.actor_name),
                ("Dry run", instant(run.reviewed_at) if run.reviewed_at else ""),
                ("Paused", instant(run.paused_at) if run.paused_at else ""),
                ("Finished", instant(run.finished_at) if run.finished_at else ""),
            ],
            "lead": _lead(run, counts),
            "cards": [
                (outcome.label, in_digits(counts[outcome]), f"?outcome={outcome}")
                for outcome in BulkOutcome
                if outcome in counts
            ],
            "changed": changed,
            "percent": 100 * (total - left) / total if total else 100,
            "is_running": run.status in WORKING and run.paused_at is None,
            "is_working": run.status in WORKING,
            "rows": [shown(row) for row in (*trouble, *rest)],
            "most": MOST_ROWS,
            "outcomes": [
                *((each.value, each.label) for each in BulkOutcome if each in counts),
                *([(CHANGED, "Changed since the dry run")] if changed else []),
            ],
            "outcome": self.request.GET.get("outcome", ""),
            "search": self.request.GET.get("q", "")[:LONGEST_SEARCH],
            "csv_url": self.model_admin.url_of("csv", run.pk),
        }


class RunSheet(SheetPage):
    """The rows as a table for spreadsheets, with the filter of the page."""

    object: BulkRun

    def rows(self) -> Iterable[sheets.Row]:
        """In the order of the page."""
        return _sheet(filtered(self.object, self.request))


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnly, WorkspaceAdmin):
    """All bulk changes, newest first."""

    area = "Customers"
    pages = [RunPage, RunSheet, BeginPage]
    list_display = ["what_column", "reason", "chosen", "state", "by", "created"]
    list_filter = ["status", "kind"]
    search_fields = ["reason"]
    search_help_text = "Search by reason"
    add_label = "New bulk change"
    empty_title = "No bulk changes yet"
    empty_text = "Grant, revoke or extend credits, change an add-on or migrate, for many at once."

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Whoever may do any of it."""
        return isinstance(request.user, User) and bool(allowed_kinds(request.user))

    def may_press(self, user: User, found: AdminButton, obj: Any) -> bool:
        """Whoever may do to one customer what this does to many."""
        return super().may_press(user, found, obj) and user.has_perm(PERMISSIONS[obj.kind])

    def badges(self, obj: BulkRun) -> list[Badge]:
        """How far it is."""
        status = BulkStatus(obj.status)
        paused = [Badge("Paused", "warning")] if obj.paused_at else []
        return [Badge(status.label, TONES[status]), *paused]

    @display(description="What")
    def what_column(self, obj: BulkRun) -> str:
        """What it does."""
        return BulkKind(obj.kind).label

    @display(
        description="Status",
        ordering="status",
        label={status.label: TONES[status].replace("neutral", "default") for status in BulkStatus},
    )
    def state(self, obj: BulkRun) -> str:
        """How far it is."""
        return BulkStatus(obj.status).label

    @display(description="By", ordering="actor_name")
    def by(self, obj: BulkRun) -> str:
        """Who began it, or said last that it shall go on."""
        return obj.actor_name

    @display(description="Begun", ordering="created_at")
    def created(self, obj: BulkRun) -> str:
        """When somebody began it."""
        return instant(obj.created_at)

    @button(
        "Carry out",
        permission=VIEW,
        is_primary=True,
        is_in_lists=False,
        description=what_starting_does,
        is_available=lambda run: run.status == BulkStatus.READY,
    )
    def start(self, run: BulkRun, actor: Actor, now: datetime) -> str:
        """Do what the dry run shows."""
        bulk.start(run_id=run.pk, actor=actor, now=now)
        return "It is carried out in the background; this page follows by itself."

    @button(
        "Pause",
        permission=VIEW,
        icon="pause_circle",
        description="It rests where it is until somebody resumes it.",
        is_available=lambda run: run.status in WORKING and run.paused_at is None,
    )
    def pause(self, run: BulkRun, actor: Actor, now: datetime) -> str:
        """Let it rest."""
        bulk.pause(run_id=run.pk, actor=actor, now=now)
        return "It is paused."

    @button(
        "Resume",
        permission=VIEW,
        is_primary=True,
        is_in_lists=False,
        description="It goes on where it was.",
        is_available=lambda run: run.paused_at is not None,
    )
    def resume(self, run: BulkRun, actor: Actor, now: datetime) -> str:
        """Let it go on."""
        bulk.resume(run_id=run.pk, actor=actor, now=now)
        return "It goes on."

    @button(
        "Try failed ones again",
        permission=VIEW,
        icon="restart_alt",
        description="The worker takes up again every row that failed.",
        is_available=lambda run: run.status in (BulkStatus.PARTIALLY_FAILED, BulkStatus.FAILED),
    )
    def retry(self, run: BulkRun, actor: Actor, now: datetime) -> str:
        """Try once more what failed."""
        bulk.retry(run_id=run.pk, actor=actor, now=now)
        return "What failed is tried again in the background."

    @button(
        "Undo",
        permission=VIEW,
        icon="undo",
        is_dangerous=True,
        description=what_undoing_does,
        is_available=lambda run: run.status not in UNFINISHED and run.kind in REVERSIBLE,
    )
    def undo(self, run: BulkRun, actor: Actor, now: datetime) -> str:
        """Take back what was done, where nothing was spent."""
        bulk.undo(run_id=run.pk, actor=actor, now=now)
        return "It is undone in the background; this page follows by itself."

    @button(
        "Cancel bulk change",
        permission=VIEW,
        icon="stop_circle",
        is_dangerous=True,
        description="What was not done yet is left alone; what was done stays.",
        is_available=lambda run: run.status in UNFINISHED,
    )
    def cancel(self, run: BulkRun, actor: Actor, now: datetime) -> str:
        """Stop it."""
        bulk.cancel(run_id=run.pk, actor=actor, now=now)
        return "It is canceled."


def filtered(run: BulkRun, request: HttpRequest) -> QuerySet[BulkRow]:
    """The rows that the address asks for; what it asks for in vain is ignored."""
    rows = run.rows.select_related("customer", "resource").order_by("place", "turn")
    outcome = request.GET.get("outcome", "")
    if outcome in BulkOutcome:
        rows = rows.filter(outcome=outcome)
    elif outcome == CHANGED:
        rows = rows.filter(changed_since_review=True)
    search = request.GET.get("q", "").strip()[:LONGEST_SEARCH]
    if search and "\0" not in search:
        rows = rows.filter(Q(customer__name__icontains=search) | Q(customer__public_id=search))
    return rows


def shown(row: BulkRow) -> dict[str, Any]:
    """A row in finished values."""
    outcome = BulkOutcome(row.outcome)
    return {
        "place": row.line or row.place,
        "customer": str(row.customer),
        "customer_id": row.customer.public_id,
        "url": model_url(Customer, "change", row.customer_id),
        "what": row.what,
        "balances": [
            {
                "name": each["name"],
                "before": in_digits(Decimal(each["before"])),
                "after": in_digits(Decimal(each["after"])),
            }
            for each in row.done or row.planned
        ],
        "outcome": outcome.label,
        "tone": OUTCOME_TONES[outcome],
        "remark": row.message or ("Changed since the dry run" if row.changed_since_review else ""),
    }


def _next_outcome(run: BulkRun) -> BulkOutcome:
    return bulk.NEXT.get(BulkStatus(run.status), BulkOutcome.WAITING)


def _lead(run: BulkRun, counts: dict[str, int]) -> str:
    """The sentence above the rows: where it stands, and what comes next."""
    planned = counts.get(BulkOutcome.PLANNED, 0)
    if run.paused_at is not None:
        return "It is paused: nothing happens until somebody resumes it."
    match run.status:
        case BulkStatus.DRY_RUN:
            return "What would happen is being worked out; the page follows by itself."
        case BulkStatus.READY if not planned:
            return "Nothing would be done: every row is left out."
        case BulkStatus.READY:
            rows = counted(planned, "row")
            return f"Nothing is changed yet. {rows} would be done, as they stand here."
        case BulkStatus.IN_PROGRESS:
            return "It is being carried out; the page follows by itself."
        case BulkStatus.UNDOING:
            return "It is being undone; the page follows by itself."
        case BulkStatus.FAILED if run.reviewed_at is None:
            return "The dry run could not be finished, and nothing was changed. Activity says why."
    return ""


def _sheet(rows: QuerySet[BulkRow]) -> Iterator[list[object]]:
    """A line per row and credit type, with amounts digit for digit."""
    yield [
        "Row",
        "Customer ID",
        "Customer",
        "Resource ID",
        "What",
        "Result",
        "Credit type",
        "Balance before",
        "Balance after",
        "Changed since the dry run",
        "Remark",
        "Time",
    ]
    for row in rows.iterator(chunk_size=1000):
        for each in row.done or row.planned or [{}]:
            yield [
                row.line or row.place,
                row.customer.public_id,
                row.customer.name,
                row.resource and row.resource.public_id,
                row.what,
                BulkOutcome(row.outcome).label,
                each.get("credit_type"),
                each.get("before"),
                each.get("after"),
                "yes" if row.changed_since_review else "",
                row.message,
                row.finished_at and row.finished_at.isoformat(),
            ]
