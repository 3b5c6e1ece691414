"""What a subscription includes, on paper: credits of its plan and of its add-ons."""

from decimal import Decimal
from typing import Any

from catalog.models import Behaviour, Cadence, CreditType
from subscriptions.entitlements import CreditSource
from tests.credits.paper import JANUARY

AI_CREDITS = CreditType(pk=1, name="AI Credits")


def a_plan_source(amount: int | str | None = 100, **fields: Any) -> CreditSource:
    """What a plan gives per month."""
    return CreditSource(
        **{
            "source_id": 1,
            "source_is_addon": False,
            "name": "Pro",
            "credit_type_id": AI_CREDITS.pk,
            "amount": None if amount is None else Decimal(amount),
            "cadence": Cadence.MONTH,
            "behaviour": Behaviour.INCREMENT,
            "has_soft_limit": False,
            "is_granted": True,
            "quantity": 1,
            "linked": False,
            "units": None,
            "attached_at": None,
            "credit_type": AI_CREDITS,
            **fields,
        }
    )


def an_increment(amount: int | str, quantity: int = 1, **fields: Any) -> CreditSource:
    """An add-on that adds to the plan."""
    known_as = {"source_id": 2, "source_is_addon": True, "name": "Extra", "attached_at": JANUARY}
    return a_plan_source(amount, quantity=quantity, **(known_as | fields))


def an_override(amount: int | str, quantity: int = 1, **fields: Any) -> CreditSource:
    """An add-on that replaces the plan."""
    return an_increment(amount, quantity, behaviour=Behaviour.OVERRIDE, **fields)
