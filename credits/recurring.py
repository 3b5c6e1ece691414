"""How much recurs: the effective amount of each source (R15–R17)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from catalog.models import Behaviour
from credits.book import ZERO
from subscriptions.entitlements import CreditSource
from subscriptions.periods import MONTHS


@dataclass(slots=True, frozen=True)
class Allowance:
    """What one source in force gives per period of its cadence; 0 gives nothing."""

    source: CreditSource
    amount: Decimal


def amount_of(source: CreditSource) -> Decimal:
    """Credits that `source` would give per period of its cadence on its own (R15, R17).

    A linked entitlement gives its amount per unit bought; unlimited, missing or 0 units
    give nothing. An add-on counts once per unit of its quantity, unless the units that it
    brings are counted already.
    """
    return (source.amount or ZERO) * units_of(source)


def units_of(source: CreditSource) -> Decimal:
    """How often `source` gives its amount: per unit bought, or per unit of its quantity."""
    if source.linked:
        return source.units or ZERO
    return Decimal(source.quantity)


def in_force(sources: Iterable[CreditSource]) -> list[Allowance]:
    """Of one subscription and credit type, who grants, and how much (R15, R16).

    Without overrides every source grants on its own cadence. With at least one override
    only the largest one grants, months counting twelvefold beside years; among equals the
    add-on attached first.
    """
    sources = list(sources)
    overrides = [source for source in sources if source.behaviour == Behaviour.OVERRIDE]
    chosen = [_strongest(overrides)] if overrides else sources
    return [Allowance(source, amount_of(source)) for source in chosen]


def effective_amount(allowances: Iterable[Allowance], cadence: str) -> Decimal:
    """Credits per period of `cadence` that sources in force give together (R15)."""
    return sum(
        (
            allowance.amount
            for allowance in allowances
            if allowance.source.cadence == cadence and allowance.source.is_granted
        ),
        ZERO,
    )


def suspended(sources: Sequence[CreditSource]) -> list[CreditSource]:
    """The sources that give nothing while an override lasts (R16)."""
    granting = {id(allowance.source) for allowance in in_force(sources)}
    return [source for source in sources if id(source) not in granting]


def _strongest(overrides: list[CreditSource]) -> CreditSource:
    """The largest per year; the first attached of equals, as `max` keeps the earliest."""
    by_age = sorted(
        overrides, key=lambda source: (source.attached_at is not None, source.attached_at)
    )
    return max(by_age, key=lambda source: amount_of(source) * (12 // MONTHS[source.cadence]))
