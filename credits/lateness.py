"""When use may have taken place: at any time that is over, however long ago (R38)."""

from datetime import datetime, timedelta

from workspace.errors import BadInput

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of an application may be ahead of ours."""


class UsedInTheFuture(BadInput):
    """Use is reported that cannot have taken place yet."""


def is_future(used_at: datetime, now: datetime) -> bool:
    """Whether a time is later than now by more than clocks differ."""
    return used_at > now + CLOCK_SKEW


def refuse_future(used_at: datetime | None, now: datetime, *, field: str) -> None:
    """Refuse a time that is later than now by more than clocks differ; None is now.

    Raises:
        UsedInTheFuture: naming `field` as callers know it.
    """
    if used_at is not None and is_future(used_at, now):
        raise UsedInTheFuture(
            f"{used_at:%Y-%m-%dT%H:%M:%SZ} lies in the future: report use after it took place. "
            "If it did, set the clock of your application.",
            field=field,
        )
