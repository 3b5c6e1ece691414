"""A customer's tab Credits: one pool with its use, its grants and its ledger."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from catalog import wording
from credits import charts, dimensions, past, pools, statements, summaries
from credits.admin import drawing
from credits.admin.forms import ChartForm, LedgerFilter
from credits.admin.grants import GrantAdmin
from credits.admin.words import (
    balance_url,
    cost_of,
    forecast_url,
    number_from,
    percent_of,
    state_of,
    time_of_day,
    tone_of,
    type_of,
    until,
    with_pool,
)
from credits.book import PoolState
from credits.charts import Reach
from credits.models import Grant, Pool
from credits.pools import Standing
from credits.statements import Filter
from credits.summaries import GrantLine, GrantPage
from subscriptions.models import Customer
from workspace.admin.base import Link, ObjectPage
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import day

REACHES = {
    Reach.DAY: "Day",
    Reach.WEEK: "Week",
    Reach.MONTH: "Month",
    Reach.YEAR: "Year",
}
IN_WORDS = {
    Reach.DAY: "the last 24 hours",
    Reach.WEEK: "the last 7 days",
    Reach.MONTH: "the last 30 days",
    Reach.YEAR: "the last 12 months",
}


NEWEST = {"before": "", "after": ""}
"""Without these, the ledger begins with its latest entry."""


class CreditsPage(ObjectPage):
    """Tab Credits: what is in a pool, its use, its grants and its ledger."""

    name = "credits"
    address = "credits"
    url_name = "credits"
    label = "Credits"
    permission = "credits.view_pool"
    template_name = "admin/credits/customer_credits.html"
    object: Customer

    def content(self) -> dict[str, Any]:
        """Everything about one pool, in finished values; a constant number of queries."""
        rows = summaries.pools_of(self.object)
        pool = self._chosen(rows)
        content = {
            "pool": pool,
            "pickers": self._pickers(rows, pool),
            "adjust_url": self._adjust_url(pool),
        }
        if pool is None:
            return content
        state = summaries.on_paper(pool, self.now)
        standing = pools.standing(pool, self.now)
        return {
            **content,
            **self._cards(pool, standing),
            **self._chart(pool),
            **self._grants(pool, state),
            **self._ledger(pool, state),
        }

    def _chosen(self, rows: list[Pool]) -> Pool | None:
        """The pool that the address names, or else the first."""
        credit_type = self.request.GET.get("credit_type")
        resource = self.request.GET.get("resource") or None
        of_type = [row for row in rows if row.credit_type.public_id == credit_type] or rows
        for row in of_type:
            if (row.resource.public_id if row.resource else None) == resource:
                return row
        return of_type[0] if of_type else None

    def _pickers(self, rows: list[Pool], pool: Pool | None) -> dict[str, Any]:
        """Credit types, and the resources that have a pool of the chosen one."""
        types = {row.credit_type_id: row.credit_type for row in rows}
        siblings = [row for row in rows if pool and row.credit_type_id == pool.credit_type_id]
        has_resources = any(row.resource_id for row in rows)
        return {
            "credit_types": [
                (
                    credit_type.public_id,
                    credit_type.name + (" (archived)" if credit_type.archived_at else ""),
                    pool is not None and credit_type.pk == pool.credit_type_id,
                )
                for credit_type in types.values()
            ],
            "resources": [
                (
                    row.resource.public_id if row.resource else "",
                    row.resource.public_id if row.resource else "Whole customer",
                    row == pool,
                )
                for row in siblings
            ]
            if has_resources
            else [],
        }

    def _adjust_url(self, pool: Pool | None) -> str:
        """Where credits are adjusted; empty for those who may not."""
        if not self.user.has_perm("credits.grant_credits") or self.object.archived_at:
            return ""
        address = reverse("admin:credits_customer_adjust", args=[self.object.pk])
        return with_pool(address, pool.credit_type, pool.resource) if pool else address

    def _cards(self, pool: Pool, standing: Standing) -> dict[str, Any]:
        reset_at = standing.next_reset_at
        percent = summaries.utilisation(standing)
        return {
            "balance": in_digits(standing.balance),
            "units": wording.units_of(pool.credit_type, standing.balance),
            "is_overdrawn": standing.balance < 0,
            "balance_url": balance_url(pool),
            "forecast_url": forecast_url(pool),
            "granted": in_digits(standing.granted),
            "consumed": in_digits(standing.consumed),
            "percent": percent,
            "percent_label": percent_of(percent),
            "percent_tone": tone_of(percent),
            "next_reset": day(reset_at) if reset_at else "None",
            "next_reset_note": (
                f"{time_of_day(reset_at)}, {until(reset_at, self.now)}"
                if reset_at
                else "Nothing recurs in this pool."
            ),
        }

    def _chart(self, pool: Pool) -> dict[str, Any]:
        form = ChartForm(self.request.GET, auto_id="chart-%s", dimensions=dimensions.latest(pool))
        span = form.span(self.now)
        wanted = self.request.GET.get("range", "")
        reach = Reach(wanted) if wanted in REACHES else Reach.MONTH
        start, end = span or charts.span(reach, self.now)
        use = charts.over_time(pool, start, end, dimension=form.dimension)
        return {
            "chart": drawing.draw(use),
            "chart_range": "this time" if span else IN_WORDS[reach],
            "chart_form": form,
            "chart_keeps": self._kept(*form.fields),
            "ranges": [
                Link(
                    label,
                    self._here(range=each.value, chart_since="", chart_until="") + "#usage",
                    is_current=each == reach and span is None,
                )
                for each, label in REACHES.items()
            ],
        }

    def _grants(self, pool: Pool, state: PoolState) -> dict[str, Any]:
        shows_all = self.request.GET.get("grants") == "all"
        page = number_from(self.request.GET.get("page"), largest=100_000) or 1
        read: Callable[..., GrantPage] = (
            summaries.all_grants if shows_all else summaries.current_grants
        )
        found = read(pool, state, page=page, now=self.now)
        back = "?" + urlencode({"next": self._here() + "#grants"})
        return {
            "grants": [self._grant_row(line, back) for line in found.lines],
            "shows_all_grants": shows_all,
            "grant_filters": [
                Link(
                    "Current", self._here(grants="", page="") + "#grants", is_current=not shows_all
                ),
                Link("All", self._here(grants="all", page="") + "#grants", is_current=shows_all),
            ],
            "grants_newer": self._here(page=page - 1) + "#grants" if page > 1 else "",
            "grants_older": self._here(page=page + 1) + "#grants" if found.has_more else "",
        }

    def _grant_row(self, line: GrantLine, back: str) -> dict[str, Any]:
        grant = line.grant
        grant_admin = self.model_admin.admin_site.get_model_admin(Grant)
        assert isinstance(grant_admin, GrantAdmin)
        return {
            "line": line,
            "grant": grant,
            "key": f"grant-{grant.pk}",
            "url": grant_admin.object_url(grant) if line.is_written else "",
            "place": "" if line.place is None else in_digits(line.place),
            "type": type_of(grant),
            "state": state_of(line),
            "remaining": line.remaining,
            "cost": cost_of(grant),
            "menu": grant_admin.menu_of(self.request, line, back),
        }

    def _ledger(self, pool: Pool, state: PoolState) -> dict[str, Any]:
        form = LedgerFilter(
            self.request.GET, auto_id="ledger-%s", features=statements.features(pool)
        )
        only = form.filter()
        found = statements.statement(
            pool,
            state,
            only=only,
            before=number_from(self.request.GET.get("before")),
            after=number_from(self.request.GET.get("after")),
        )
        newer = older = ""
        if found.lines:
            newer = self._here(after=found.lines[0].number, before="") + "#ledger"
            older = self._here(before=found.lines[-1].number, after="") + "#ledger"
        return {
            "ledger_form": form,
            "is_ledger_filtered": any(self.request.GET.get(name) for name in form.fields),
            "ledger_unfiltered_url": self._here(**NEWEST | dict.fromkeys(form.fields, ""))
            + "#ledger",
            "ledger_keeps": self._kept(*form.fields, *NEWEST),
            "ledger_balances": self._balances(state, only),
            "entries": found.lines,
            "newer_url": newer if found.has_newer else "",
            "older_url": older if found.has_older else "",
            "newest_url": self._here(**NEWEST) + "#ledger",
        }

    def _balances(self, state: PoolState, only: Filter) -> list[dict[str, str]]:
        """What was held before the days that are asked for and after them, as far as they are over.

        `written` is what the book said at that moment, if a worker came late to it (R24).
        """
        found = []
        for word, bound, shown in (
            ("before", only.since, only.since),
            ("after", only.until, only.until and only.until - timedelta.resolution),
        ):
            if bound is None or bound > self.now:
                continue
            at = bound - timedelta.resolution
            held = past.balance(state, at=at)
            written = past.balance(state, at=at, known_at=at)
            found.append(
                {
                    "label": f"Balance {word} {day(shown)}",
                    "balance": in_digits(held),
                    "written": in_digits(written) if written != held else "",
                }
            )
        return found

    def _kept(self, *own: str) -> list[tuple[str, str]]:
        """The parameters of this page that a form keeps beside its `own`."""
        return [(name, self.request.GET[name]) for name in self.request.GET if name not in own]

    def _here(self, **changes: Any) -> str:
        """The address of this page with some parameters changed, or left out if empty."""
        kept = {name: self.request.GET[name] for name in self.request.GET} | changes
        query = urlencode({name: value for name, value in kept.items() if value not in ("", None)})
        return f"{self.request.path}?{query}"
