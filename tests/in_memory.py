"""Settings of tests whose database lives in memory.

Processes that are forked with such a database have a copy of it, each its own: with
`--reuse-db`, none of them has to make it again.
"""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"].pop("TEST", None)
