"""Cards of the home page: whether time is written down, who runs out, and what moved today."""

import contextlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.cache import cache
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from django_q.models import Task

from catalog.models import CreditType
from credits.admin.words import ago, time_of_day
from credits.book import EntryType
from credits.models import LedgerEntry, Pool
from workspace.admin import home
from workspace.admin.home import Card, bounded_count
from workspace.admin.pages import model_url
from workspace.templatetags.stipend import credits as in_digits

SWEEP = "credits.tasks.sweep"
REMEMBERED = timedelta(minutes=1)
"""How old the figures may be that take a look at many rows; the cards say of when they are."""


def balances_url(standing: str) -> str:
    """The list of pools that stand so."""
    return f"{model_url(Pool, 'changelist')}?standing={standing}"


def _may_look(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("credits.view_pool"))


@home.card
def overdue(request: HttpRequest) -> Card | None:
    """Pools that time changed and nobody has written down."""
    if not _may_look(request):
        return None
    now = timezone.now()
    due = Pool.objects.due(now).order_by("next_change_at")
    oldest = due.values_list("next_change_at", flat=True).first()
    if oldest is None:
        note = "Everything is written down."
        return Card("Overdue resets", "None", note, balances_url("due"), order=10)
    count = bounded_count(due)
    note = f"Oldest: {ago(oldest, now)}"
    return Card("Overdue resets", count, note, balances_url("due"), order=10)


@home.card
def last_sweep(request: HttpRequest) -> Card | None:
    """When a worker last wrote down what time did, and how much that was."""
    if not _may_look(request):
        return None
    url = model_url(Pool, "resets")
    sweep = Task.objects.filter(func=SWEEP).order_by("-started").first()
    if sweep is None:
        return Card("Last sweep", "Never", "No worker has run yet.", url, order=20)
    result = str(sweep.result or "") if sweep.success else "It failed."
    return Card("Last sweep", ago(sweep.started, timezone.now()), result, url, order=20)


@home.card
def negative(request: HttpRequest) -> Card | None:
    """Pools that owe credits."""
    if not _may_look(request):
        return None
    url = balances_url("negative")
    if not (count := bounded_count(Pool.objects.overdrawn())):
        return Card("Negative balances", "None", "Nobody owes credits.", url, order=50)
    return Card("Negative balances", count, "Settled by the next grant", url, order=50)


@home.card
def low(request: HttpRequest) -> Card | None:
    """Pools that have little left. Looks at all of them, and therefore seldom."""
    if not _may_look(request):
        return None
    url = balances_url("low")
    count, at = _remembered("low", lambda now: bounded_count(Pool.objects.low()))
    if not count:
        note = f"Everybody has enough, as of {time_of_day(at)}"
        return Card("Low balances", "None", note, url, order=60)
    note = f"At most a fifth is left, as of {time_of_day(at)}"
    return Card("Low balances", count, note, url, order=60)


@home.card
def today(request: HttpRequest) -> list[Card]:
    """What was granted and used since midnight, by credit type."""
    if not _may_look(request):
        return []
    moved, at = _remembered("today", _moved_today)
    cards = []
    for credit_type, granted, used in moved:
        url = f"{model_url(Pool, 'today')}?credit_type={credit_type.public_id}"
        note = f"{in_digits(granted)} granted, today in UTC until {time_of_day(at)}"
        label = f"{credit_type.name} used today"
        cards.append(Card(label, in_digits(used), note, url, order=70))
    return cards or [
        Card("Used today", "Nothing", f"In UTC, until {time_of_day(at)}", "", order=70)
    ]


def _moved_today(now: datetime) -> list[tuple[CreditType, Decimal, Decimal]]:
    by_type = {row["pool__credit_type"]: row for row in moved_today(now, "pool__credit_type")}
    return [
        (credit_type, by_type[credit_type.pk]["granted"], -by_type[credit_type.pk]["used"])
        for credit_type in CreditType.objects.filter(pk__in=by_type).order_by("name", "pk")
    ]


def moved_today(now: datetime, group: str) -> QuerySet[Any, dict[str, Any]]:
    """What was `granted` and `used` (below 0) since midnight in UTC, by a column of entries."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return (
        # Nothing is written before it takes effect: the first condition finds what the other wants.
        LedgerEntry.objects.filter(recorded_at__gte=midnight, effective_at__gte=midnight)
        .order_by()
        .values(group)
        .annotate(
            granted=Sum("amount", filter=Q(type=EntryType.GRANTED.value), default=0),
            used=Sum("amount", filter=Q(type=EntryType.CONSUMED.value), default=0),
        )
    )


def _remembered(name: str, look: Any) -> tuple[Any, datetime]:
    """A figure and of when it is; looked for again when it is too old.

    Without a cache it is looked for every time (F15).
    """
    key = f"credits.home.{name}"
    found = None
    with contextlib.suppress(Exception):
        found = cache.get(key)
    if found is None:
        now = timezone.now()
        found = (look(now), now)
        with contextlib.suppress(Exception):
            cache.set(key, found, REMEMBERED.total_seconds())
    value, at = found
    return value, at
