"""What every verb that writes costs in statements: those that must survive a crash, once more.

That history costs nothing, and many no more than a few, is told where the verb is tested.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.concurrency.mortals import VERBS

pytestmark = pytest.mark.django_db

STATEMENTS = {
    "consume": (11, 12),
    "consume what is there": (7, 3),
    "grant": (18, 17),
    "void": (18, 16),
    "edit": (19, 17),
    "confirm payment": (18, 16),
    "sweep": (26, 24),
    "events": (24, 21),
    "usage": (62, 58),
    "bulk": (80, 77),
    "start": (63, 64),
    "change plan": (48, 49),
    "schedule": (54, 57),
    "cancel": (25, 23),
    "scheduled update": (35, 34),
    "transfer": (30, 30),
    "delegate": (9, 9),
    "coupon": (21, 21),
    "roll out": (49, 46),
    "migrate": (51, 51),
    "import customers": (14, 14),
    "import subscriptions": (104, 107),
}
"""On SQLite and on PostgreSQL, with the savepoints that stand for transactions in a test."""


class TestVerbs:
    @pytest.mark.parametrize("name", VERBS)
    def test_take_no_more_statements_than_they_did(self, name):
        verb = VERBS[name]
        arguments = verb.prepare()

        with CaptureQueriesContext(connection) as captured:
            verb.run(**arguments)

        assert len(captured) <= STATEMENTS[name][connection.vendor == "postgresql"]
