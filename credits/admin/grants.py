"""One grant: what it is, and what people may do with it (R46–R49)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from credits import grants, summaries
from credits.admin.forms import EditGrantForm, RevokeForm, edited, fields_named_as_here
from credits.admin.words import cost_of, pool_url, state_of, type_of, units, way_to
from credits.models import Grant, GrantStatus, Pool
from credits.summaries import GrantLine
from subscriptions import searching
from subscriptions.admin.choosing import ChosenForBulk
from workspace.actors import Actor
from workspace.admin.base import Badge, Link, ObjectPage, ReadOnly, WorkspaceAdmin, button
from workspace.templatetags.stipend import credits as in_digits
from workspace.templatetags.stipend import instant

MOST_FOUND = 1000
"""Grants that a search looks through, by name and by customer each."""


def _line(grant: Grant) -> GrantLine:
    """By its own columns: enough to say what is offered, the verbs look again."""
    return GrantLine(grant, grant.status_at(timezone.now()))


def _units(grant: Grant, amount: Decimal) -> str:
    return units(grant.pool.credit_type, amount)


def _is_editable(grant: Grant) -> bool:
    return _line(grant).is_editable


def _is_revocable(grant: Grant) -> bool:
    return _line(grant).is_revocable


def _awaits_payment(grant: Grant) -> bool:
    return _line(grant).awaits_payment


def _what_revoking_does(grant: Grant) -> str:
    line = summaries.grant_line(grant, timezone.now())
    if line.status != GrantStatus.ACTIVE:
        return f"It has not begun to count: {grant.pool.customer} loses a promise, no credits."
    taken = f"{_units(grant, line.remaining)} that {grant.pool.customer} has left are taken away."
    if not grant.consumed:
        return taken
    return f"{taken} {_units(grant, grant.consumed)} that were used stay used."


def _what_confirming_does(grant: Grant) -> str:
    cost = f" of {cost_of(grant)}" if grant.cost_amount else ""
    if grant.effective_at > timezone.now():
        return (
            f"The payment{cost} has arrived. {_units(grant, grant.amount)} are given on "
            f"{instant(grant.effective_at)}."
        )
    return f"The payment{cost} has arrived. {_units(grant, grant.amount)} are given at once."


class GrantPage(ObjectPage):
    """A grant with everything that is known about it."""

    name = "change"
    label = "Overview"
    template_name = "admin/credits/grant.html"
    object: Grant

    def content(self) -> dict[str, Any]:
        """Facts, as they stand now."""
        line = summaries.grant_line(self.object, self.now)
        grant = line.grant
        return {
            "line": line,
            "customer": grant.pool.customer,
            "credits_url": pool_url(grant.pool),
            "remaining": _units(grant, line.remaining),
            "amount": _units(grant, grant.amount),
            "cost": cost_of(grant),
            "type": type_of(grant),
            "metadata": list(grant.metadata.items()),
        }


@admin.register(Grant)
class GrantAdmin(ChosenForBulk, ReadOnly, WorkspaceAdmin):
    """Grants: to look for and to act on by buttons, never by a plain form."""

    area = "Customers"
    pages = [GrantPage]
    bulk_name = "grants"
    bulk_permissions = ("credits.void_grant", "credits.change_grant")
    list_display = ["name", "customer", "credit_type", "type_label", "amount_label", "received"]
    list_select_related = ["pool__customer", "pool__credit_type"]
    search_fields = ["name"]
    search_help_text = "Beginning of a grant's name, or words of its customer"
    ordering = ["-pk"]
    sortable_by = ()
    paginator = InfinitePaginator
    empty_title = "No grants yet"
    empty_text = "Credits are granted by subscriptions, or by hand on a customer's Credits tab."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Grant]:
        """With what every page of a grant names."""
        rows: QuerySet[Grant] = super().get_queryset(request)
        return rows.select_related(*grants.SHOWN_WITH)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Grant], search_term: str
    ) -> tuple[QuerySet[Grant], bool]:
        """Those whose names begin so, and those of customers whom a search would find."""
        if not (typed := search_term.strip()):
            return queryset, False
        named = Grant.objects.given_as(typed)
        pools = Pool.objects.filter(customer__in=searching.find(typed))
        theirs = Grant.objects.filter(pool__in=list(pools.values_list("pk", flat=True)))
        keys = {
            key
            for rows in (named, theirs.order_by("-pk"))
            for key in rows.values_list("pk", flat=True)[:MOST_FOUND]
        }
        return queryset.filter(pk__in=keys), False

    def crumbs(self, obj: Grant) -> list[Link]:
        """By its pool."""
        return [*way_to(obj.pool), Link(obj.name, self.object_url(obj))]

    def badges(self, obj: Grant) -> list[Badge]:
        """Its state now, whatever was written down."""
        return [state_of(summaries.grant_line(obj, timezone.now()))]

    def menu_of(self, request: HttpRequest, line: GrantLine, back: str) -> list[Link]:
        """What this person may do with a grant in a table on another page."""
        if not line.is_written:
            return []
        return [self._link(found, line.grant, back) for found in self._offered(request, line.grant)]

    @display(description="Customer")
    def customer(self, grant: Grant) -> str:
        """Who has it."""
        return str(grant.pool.customer)

    @display(description="Credit type")
    def credit_type(self, grant: Grant) -> str:
        """What it is counted in."""
        return grant.pool.credit_type.name

    @display(description="Type")
    def type_label(self, grant: Grant) -> str:
        """Recurring, paid, promotional or overdraft."""
        return type_of(grant)

    @display(description="Amount")
    def amount_label(self, grant: Grant) -> str:
        """How much it was."""
        return in_digits(grant.amount)

    @display(description="Received")
    def received(self, grant: Grant) -> str:
        """When it was made."""
        return instant(grant.created_at)

    @button(
        "Edit",
        permission="credits.change_grant",
        form=EditGrantForm,
        initial=edited,
        confirm_label="Save",
        icon="edit",
        is_available=_is_editable,
        description="Amount and type stay as they are: revoke the grant and make a new one.",
    )
    def edit_grant(self, grant: Grant, form: EditGrantForm, actor: Actor, now: datetime) -> str:
        """Change what R49 allows to change."""
        with fields_named_as_here():
            grants.edit(grant_id=grant.public_id, edit=form.edit(), actor=actor, now=now)
        return f"{form.cleaned_data['name']} is saved."

    @button(
        "Confirm payment",
        permission="credits.grant_credits",
        icon="payments",
        is_available=_awaits_payment,
        description=_what_confirming_does,
    )
    def confirm_payment(self, grant: Grant, actor: Actor, now: datetime) -> str:
        """Let a grant that waited for its payment take effect (R47)."""
        grants.confirm_payment(grant_id=grant.public_id, actor=actor, now=now)
        return f"{grant.name} is paid."

    @button(
        "Revoke",
        permission="credits.void_grant",
        form=RevokeForm,
        icon="block",
        is_dangerous=True,
        is_available=_is_revocable,
        description=_what_revoking_does,
    )
    def revoke(self, grant: Grant, form: RevokeForm, actor: Actor, now: datetime) -> str:
        """Take back what is left, for a reason (R48)."""
        grants.void(
            grant_id=grant.public_id, reason=form.cleaned_data["reason"], actor=actor, now=now
        )
        return f"{grant.name} is revoked."
