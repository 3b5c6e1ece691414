"""How often one key may ask, and how often one address may guess (X8).

At most STIPEND_RATE_LIMIT times, such as `6000/minute`; empty: no limit. Counted in the cache,
in windows that begin with the clock. Without a cache everybody may go on: a limit protects the
service, and must not be what breaks it (F15).
"""

import logging
import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from workspace.keys import KnownKey

logger = logging.getLogger(__name__)

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
PAUSE = 10  # seconds in which a cache that did not answer is left alone

_left_alone = {"until": 0.0}


def is_on() -> bool:
    """Whether there is a limit."""
    return bool(settings.STIPEND_RATE_LIMIT)


def wait_after(what: str) -> float | None:
    """Count `what` once more: None while that is within the limit, else seconds to wait."""
    if not is_on():
        return None
    limit, period = settings.STIPEND_RATE_LIMIT.split("/")
    seconds = SECONDS[period]
    now = time.time()
    if now < _left_alone["until"] <= now + PAUSE:
        return None
    window, passed = divmod(now, seconds)
    counter = f"rate:{what}:{window:.0f}"
    try:
        cache.add(counter, 0, timeout=seconds)
        return None if cache.incr(counter) <= int(limit) else seconds - passed
    except Exception as error:
        _left_alone["until"] = now + PAUSE
        logger.warning("The cache does not answer; requests are not counted: %r", error)
        return None


def wait_after_guess(request: Request) -> float | None:
    """Count a key that was none: seconds to wait for an address that sends too many.

    Others are not slowed down, nor is this address where it has a valid key.
    """
    return wait_after(f"guess:{request.META.get('REMOTE_ADDR', '')}")


class KeyRate(BaseThrottle):
    """Limits the requests of one key."""

    seconds: float | None = None

    def allow_request(self, request: Request, view: object) -> bool:
        if isinstance(request.auth, KnownKey):
            self.seconds = wait_after(request.auth.lookup)
        return self.seconds is None

    def wait(self) -> float | None:
        return self.seconds
