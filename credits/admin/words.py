"""How the credit screens say things, and where they lead."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse

from catalog import wording
from catalog.models import CreditType
from credits.book import GrantType
from credits.entitlement_usage import UsageLine
from credits.models import Grant, GrantStatus, Pool
from credits.summaries import GrantLine
from subscriptions.models import Customer, Resource
from workspace.admin.base import Badge, Link
from workspace.templatetags.stipend import NOTHING
from workspace.templatetags.stipend import credits as in_digits

TONES = {
    GrantStatus.ACTIVE: "success",
    GrantStatus.SCHEDULED: "info",
    GrantStatus.PAYMENT_PENDING: "warning",
    GrantStatus.EXPIRED: "neutral",
    GrantStatus.VOIDED: "neutral",
}
NEARLY_USED_UP, USED_UP = 80, 100  # percent
MINUTES_AN_HOUR = 60
MINUTES_A_DAY = 24 * MINUTES_AN_HOUR


# Addresses


def credits_url(
    customer: Customer | int, credit_type: CreditType | None, resource: Resource | None
) -> str:
    """The Credits tab of a customer, showing one of their pools."""
    customer_id = customer if isinstance(customer, int) else customer.pk
    address = reverse("admin:credits_customer_credits", args=[customer_id])
    return with_pool(address, credit_type, resource)


def pool_url(pool: Pool) -> str:
    """Where a pool is shown."""
    return credits_url(pool.customer_id, pool.credit_type, pool.resource)


def way_to(pool: Pool) -> list[Link]:
    """To a pool by its customer: links for the head of a page."""
    kind = pool.credit_type.name
    return [
        Link("Customers", reverse("admin:subscriptions_customer_changelist")),
        Link(
            str(pool.customer),
            reverse("admin:subscriptions_customer_change", args=[pool.customer_id]),
        ),
        Link(f"{kind}, {pool.resource.public_id}" if pool.resource else kind, pool_url(pool)),
    ]


def balance_url(pool: Pool) -> str:
    """Where a pool's balance is explained."""
    return reverse("admin:credits_pool_balance", args=[pool.pk])


def forecast_url(pool: Pool) -> str:
    """Where it is foreseen what becomes of a pool."""
    return reverse("admin:credits_pool_forecast", args=[pool.pk])


def number_from(text: str | None, *, largest: int = 2**62) -> int | None:
    """A whole number above 0 from an address; None for anything else."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return min(int(text), largest) or None


def with_pool(address: str, credit_type: CreditType | None, resource: Resource | None) -> str:
    """An address that names a pool by the ids that applications know."""
    named = {}
    if credit_type is not None:
        named["credit_type"] = credit_type.public_id
    if resource is not None:
        named["resource"] = resource.public_id
    return f"{address}?{urlencode(named)}" if named else address


# Words


def name_of(pool: Pool) -> str:
    """Whose pool it is, and of what: "Acme: AI Credits, workspace-1"."""
    resource = f", {pool.resource.public_id}" if pool.resource else ""
    return f"{pool.customer}: {pool.credit_type.name}{resource}"


def type_of(grant: Grant) -> str:
    """Recurring, Paid, Promotional or Overdraft."""
    return GrantType(grant.type).value.capitalize()


def state_of(line: GrantLine) -> Badge:
    """The state of a grant as a badge."""
    return Badge(line.status.label, TONES[line.status])


def cost_of(grant: Grant) -> str:
    """What it cost, such as "20 USD"; a dash for what costs nothing."""
    if not grant.cost_amount:
        return NOTHING
    return f"{in_digits(grant.cost_amount)} {grant.cost_currency}"


def units(credit_type: CreditType, amount: Decimal) -> str:
    """An amount with its unit: "1,000 credits"."""
    return f"{in_digits(amount)} {wording.units_of(credit_type, amount)}"


def limit_of(line: UsageLine) -> str:
    """The limit in words."""
    return "Unlimited" if line.is_unlimited else in_digits(line.limit)


def percent_of(percent: Decimal | None) -> str:
    """Such as "31.4 %"; a dash where there is nothing to be a part of."""
    return NOTHING if percent is None else f"{in_digits(percent)} %"


def tone_of(percent: Decimal | None) -> str:
    """When a bar should warn: nearly used up, or used up."""
    if percent is None or percent < NEARLY_USED_UP:
        return ""
    return "warning" if percent < USED_UP else "danger"


def until(at: datetime, now: datetime) -> str:
    """How long it is until then: "in 12 days", "in 5 hours", "in 1 minute"."""
    return f"in {_length(at - now)}"


def ago(at: datetime, now: datetime) -> str:
    """How long it is since then: "3 days ago", "just now"."""
    if now - at < timedelta(minutes=1):
        return "just now"
    return f"{_length(now - at)} ago"


def time_of_day(at: datetime) -> str:
    """Such as "10:00 UTC"."""
    return f"{at.astimezone(UTC):%H:%M} UTC"


def _length(span: timedelta) -> str:
    minutes = max(int(span.total_seconds() // 60), 1)
    if minutes >= MINUTES_A_DAY:
        count, name = minutes // MINUTES_A_DAY, "day"
    elif minutes >= MINUTES_AN_HOUR:
        count, name = minutes // MINUTES_AN_HOUR, "hour"
    else:
        count, name = minutes, "minute"
    return counted(count, name)


def counted(number: int, noun: str) -> str:
    """Such as "1 row", "1,204 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
