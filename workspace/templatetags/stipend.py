"""How amounts and instants look, everywhere."""

from datetime import UTC, datetime
from decimal import Decimal

from django import template

from workspace.json import plain

register = template.Library()

NOTHING = "–"
MINUS = "\N{MINUS SIGN}"


@register.filter
def credits(amount: Decimal | int | None) -> str:  # noqa: A001
    """80000 gives "80,000"; 0.5 gives "0.5"; nothing gives a dash."""
    if amount is None:
        return NOTHING
    whole, point, places = plain(abs(Decimal(amount))).partition(".")
    sign = MINUS if amount < 0 else ""
    return f"{sign}{int(whole):,}{point}{places}"


@register.filter
def signed(amount: Decimal | int | None) -> str:
    """As the filter `credits`, with a plus before what is added."""
    return f"+{credits(amount)}" if amount is not None and amount > 0 else credits(amount)


@register.filter
def instant(at: datetime | None) -> str:
    """Such as "1 Oct 2026, 10:00 UTC"; nothing gives a dash."""
    return f"{day(at)}, {at.astimezone(UTC):%H:%M} UTC" if at else NOTHING


@register.filter
def exact_instant(at: datetime | None) -> str:
    """Such as "1 Oct 2026, 10:00:05.123 UTC", where the order of events matters."""
    if at is None:
        return NOTHING
    at = at.astimezone(UTC)
    return f"{day(at)}, {at:%H:%M:%S}.{at.microsecond // 1000:03} UTC"


@register.filter
def day(at: datetime | None) -> str:
    """Such as "1 Oct 2026"; nothing gives a dash."""
    if at is None:
        return NOTHING
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y}"


@register.filter
def machine_instant(at: datetime) -> str:
    """For the `datetime` attribute of `<time>`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
