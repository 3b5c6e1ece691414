"""How often one key may ask (X8)."""

import logging
import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from workspace.keys import KnownKey

logger = logging.getLogger(__name__)

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class KeyRate(BaseThrottle):
    """At most STIPEND_RATE_LIMIT requests of one key, such as `6000/minute`; empty: no limit.

    Counts in the cache, in windows that begin with the clock. Without a cache everybody
    may go on: a limit protects the service, and must not be what breaks it (F15).
    """

    def allow_request(self, request: Request, view: object) -> bool:
        if not settings.STIPEND_RATE_LIMIT or not isinstance(request.auth, KnownKey):
            return True
        limit, period = settings.STIPEND_RATE_LIMIT.split("/")
        window, self.passed = divmod(time.time(), SECONDS[period])
        self.seconds = SECONDS[period]
        counter = f"rate:{request.auth.lookup}:{window:.0f}"
        try:
            cache.add(counter, 0, timeout=self.seconds)
            return bool(cache.incr(counter) <= int(limit))
        except Exception:
            logger.warning("The cache does not answer; requests are not counted.")
            return True

    def wait(self) -> float:
        return self.seconds - self.passed
