"""What the worker does here, once per tick."""

from django.utils import timezone

from workspace import acts


def tidy_up() -> int:
    """Forget answers to idempotency keys whose 24 hours are over; say how many (R40)."""
    return acts.forget_answers(now=timezone.now())
