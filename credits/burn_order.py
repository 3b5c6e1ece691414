"""Who pays first (R35)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from credits.book import ZERO, GrantState, GrantType

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True, frozen=True)
class Share:
    """What one grant pays of a consumption."""

    grant: GrantState
    amount: Decimal


def rank(grant: GrantState) -> tuple[int, datetime, bool, datetime, datetime]:
    """Sort key of the burn order: the smallest pays first (R35).

    Lower priority number; sooner expiry, never being last; promotional before others;
    earlier effective; earlier created. Grants equal in all keep the order of their making.
    """
    return (
        grant.priority,
        grant.expires_at or NEVER,
        grant.type != GrantType.PROMOTIONAL,
        grant.effective_at,
        grant.created_at,
    )


IN_SQL = f"""
    priority, expires_at NULLS LAST, type <> '{GrantType.PROMOTIONAL}', effective_at, created_at, id
"""
"""`rank` for PostgreSQL, where `at_once` spends; a property test holds them equal."""


def ordered(grants: Iterable[GrantState]) -> list[GrantState]:
    """`grants` with the one that pays first in front."""
    return sorted(grants, key=rank)


def split(amount: Decimal, grants: Iterable[GrantState]) -> tuple[list[Share], Decimal]:
    """Spread `amount` over `grants` in burn order.

    Returns:
        The share of each grant touched, and what none of them could pay.
    """
    shares: list[Share] = []
    for grant in ordered(grants):
        if amount == ZERO:
            break
        part = min(amount, grant.remaining)
        if part > 0:
            shares.append(Share(grant, part))
            amount -= part
    return shares, amount
