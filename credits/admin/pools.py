"""Pools as a whole: whether time is written down (R24), what moved today, all balances."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django_q.models import Task
from unfold.decorators import display

from credits import resets
from credits.admin.adjusting import AdjustPage
from credits.admin.customer_credits import CreditsPage
from credits.admin.customer_entities import EntitiesPage
from credits.admin.customer_usage import UsagePage
from credits.admin.explaining import BalancePage
from credits.admin.forecasting import ForecastPage
from credits.admin.home import moved_today
from credits.admin.words import ago, balance_url, name_of, pool_url, way_to
from credits.models import Pool
from subscriptions import searching
from subscriptions.models import Customer
from workspace.actors import Actor
from workspace.admin.base import Badge, Link, ObjectPage, ReadOnly, WorkspaceAdmin, button
from workspace.admin.home import bounded_count
from workspace.admin.pages import bound
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant

SWEEP = "credits.tasks.sweep"
MOST_SHOWN = 100
MISSED_TICKS = 3
"""So many ticks without a sweep, and no worker seems to run."""


class ResetsPage(ObjectPage):
    """The health of the worker. Balances are right without it: they are read through time."""

    name = "resets"
    label = "Resets"
    area = "Operations"
    permission = "credits.view_pool"
    is_about_one = False
    template_name = "admin/credits/resets.html"

    def content(self) -> dict[str, Any]:
        """The last sweep, what is due, and what was set aside; a constant number of queries."""
        sweep = Task.objects.filter(func=SWEEP).order_by("-started").first()
        due = Pool.objects.due(self.now).select_related(*NAMED_BY)
        aside = Pool.objects.exclude(set_aside_at=None).select_related(*NAMED_BY)
        found = list(aside.order_by("-set_aside_at", "pk")[: MOST_SHOWN + 1])
        health, advice = self._health(sweep)
        return {
            "sweep": sweep,
            "sweep_result": str(sweep.result or "") if sweep and sweep.success else "",
            "sweep_ago": ago(sweep.started, self.now) if sweep else "",
            "health": health,
            "advice": advice,
            "due_count": bounded_count(due) or "0",
            **self._oldest(due),
            "aside": [self._row(pool) for pool in found[:MOST_SHOWN]],
            "has_more_aside": len(found) > MOST_SHOWN,
            "aside_count": bounded_count(aside) or "0",
            "may_try_again": self.user.has_perm("credits.change_pool"),
        }

    def _oldest(self, due: QuerySet[Pool]) -> dict[str, Any]:
        oldest = due.order_by("next_change_at").first()
        if oldest is None or oldest.next_change_at is None:
            return {"oldest": None}
        return {
            "oldest": oldest,
            "oldest_ago": ago(oldest.next_change_at, self.now),
            "oldest_name": name_of(oldest),
            "oldest_url": pool_url(oldest),
        }

    def _health(self, sweep: Task | None) -> tuple[Badge, str]:
        patience = timedelta(seconds=MISSED_TICKS * max(settings.STIPEND_SWEEP_SECONDS, 20))
        if sweep is None:
            return Badge("Never seen", "warning"), START_A_WORKER
        if self.now - sweep.started > patience:
            return Badge("Not running", "danger"), START_A_WORKER
        if not sweep.success:
            return Badge(
                "Failing", "danger"
            ), "The last sweep failed. Operations → Tasks shows why."
        return Badge("Running", "success"), ""

    def _row(self, pool: Pool) -> dict[str, Any]:
        back = f"?next={self.request.path}"
        return {
            "pool": pool,
            "name": name_of(pool),
            "url": pool_url(pool),
            "try_again_url": self.model_admin.url_of("try_again", pool.pk) + back,
        }


class TodayPage(ObjectPage):
    """Who was granted what today, and used what: what made the figures of the home page."""

    name = "today"
    label = "Today"
    area = "Operations"
    permission = "credits.view_pool"
    is_about_one = False
    template_name = "admin/credits/today.html"

    def content(self) -> dict[str, Any]:
        """The pools of a credit type, most used first, each with its explanation; two queries."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = self.request.GET.get("credit_type", "")
        moved = moved_today(self.now, "pool")
        if wanted:
            moved = moved.filter(pool__credit_type__public_id=wanted)
        found = list(moved.order_by("used", "-granted", "pool")[: MOST_SHOWN + 1])
        rows = Pool.objects.select_related(*NAMED_BY).in_bulk([each["pool"] for each in found])
        since = urlencode({"since": f"{midnight:%Y-%m-%dT%H:%M}"})
        return {
            "since": midnight,
            "rows": [
                {
                    "name": name_of(pool),
                    "url": f"{balance_url(pool)}?{since}",
                    "granted": each["granted"],
                    "used": -each["used"],
                }
                for each in found[:MOST_SHOWN]
                for pool in [rows[each["pool"]]]
            ],
            "has_more": len(found) > MOST_SHOWN,
        }


class StandingFilter(admin.SimpleListFilter):
    """Pools that owe, have little left, wait to be written down, or were set aside."""

    title = "standing"
    parameter_name = "standing"
    LABELS = {
        "negative": "Negative",
        "low": "Low: a fifth or less",
        "due": "Reset overdue",
        "aside": "Set aside",
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.LABELS.items())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "negative":
                return queryset.overdrawn()
            case "low":
                return queryset.low()
            case "due":
                return queryset.due(timezone.now())
            case "aside":
                return queryset.exclude(set_aside_at=None)
        return queryset


NAMED_BY = ("customer", "credit_type", "resource")
START_A_WORKER = (
    "Start one with “manage.py run_worker”. Until then balances and answers are right, but "
    "resets are not written down, and imports, rollouts and bulk changes wait."
)


@admin.register(Pool)
class PoolAdmin(ReadOnly, WorkspaceAdmin):
    """All balances in a list; one is looked at on its customer's page. And what moves them."""

    area = "Customers"
    pages = [ResetsPage, TodayPage, BalancePage, ForecastPage]
    details_label = "Credits"
    has_activity = False
    list_display = [
        "customer_column",
        "type_column",
        "resource",
        "balance_column",
        "granted_column",
        "next_reset",
        "written",
    ]
    list_filter = [StandingFilter]
    search_fields = ["customer__name"]
    search_help_text = "Beginnings of words of a customer's name, ID or email"
    ordering = ["-pk"]
    sortable_by = ()
    empty_title = "No balances yet"
    empty_text = "A customer has one as soon as a subscription or a grant gives them credits."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Pool], search_term: str
    ) -> tuple[QuerySet[Pool], bool]:
        """Those of customers whom a search would find."""
        if not (typed := search_term.strip()):
            return queryset, False
        return queryset.filter(customer__in=searching.find(typed)), False

    @display(description="Customer")
    def customer_column(self, pool: Pool) -> str:
        """Whose it is; leads to the pool."""
        return str(pool.customer)

    @display(description="Credit type")
    def type_column(self, pool: Pool) -> str:
        """What it is counted in."""
        return pool.credit_type.name

    @display(description="Balance")
    def balance_column(self, pool: Pool) -> str:
        """As it was written down last."""
        return in_digits(pool.balance)

    @display(description="Granted")
    def granted_column(self, pool: Pool) -> str:
        """What the balance is left of."""
        return in_digits(pool.granted)

    @display(description="Next reset")
    def next_reset(self, pool: Pool) -> str | None:
        """The next instant at which recurring credits are issued."""
        return instant(pool.next_reset_at) if pool.next_reset_at else None

    @display(description="Written")
    def written(self, pool: Pool) -> str | None:
        """When time was last written down."""
        return instant(pool.as_of) if pool.as_of else None

    def get_urls(self) -> list[URLPattern]:
        """With the pages that belong to a customer but are made here."""
        customer_admin = self.admin_site.get_model_admin(Customer)
        tabs = [
            path(
                f"customers/<path:object_id>/{page.address}/",
                self.admin_site.admin_view(bound(page, model_admin=customer_admin)),
                name=f"credits_customer_{page.url_name}",
            )
            for page in (CreditsPage, UsagePage, EntitiesPage, AdjustPage)
        ]
        return [*tabs, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pool]:
        """With what a pool is named by."""
        rows: QuerySet[Pool] = super().get_queryset(request)
        return rows.select_related(*NAMED_BY)

    def object_title(self, obj: Pool) -> str:
        """Whose it is."""
        return name_of(obj)

    def crumbs(self, obj: Pool) -> list[Link]:
        """By its customer."""
        return way_to(obj)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A pool is shown on the Credits tab."""
        pool = self.get_object(request, object_id)
        return HttpResponseRedirect(pool_url(pool)) if pool else self.gone(request)

    @button(
        "Try again",
        permission="credits.change_pool",
        icon="restart_alt",
        is_available=lambda pool: pool.set_aside_at is not None,
        description="The next sweep takes this pool up again. If it fails again, it is set aside "
        "again.",
    )
    def try_again(self, pool: Pool, actor: Actor, now: datetime) -> str:
        """Let sweeps take up a pool that was set aside."""
        resets.try_again(pool_id=pool.pk, actor=actor, now=now)
        return f"{name_of(pool)} is tried again with the next sweep."
