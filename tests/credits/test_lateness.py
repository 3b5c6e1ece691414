from datetime import timedelta

import pytest

from credits import lateness
from credits.lateness import CLOCK_SKEW, UsedInTheFuture
from tests.builders import NOW


class TestRefuseFuture:
    @pytest.mark.parametrize("used_at", [None, NOW, NOW - timedelta(days=4000), NOW + CLOCK_SKEW])
    def test_lets_late_use_pass_and_clocks_differ(self, used_at):
        lateness.refuse_future(used_at, NOW, field="createdAt")

    def test_refuses_what_cannot_have_taken_place(self):
        with pytest.raises(UsedInTheFuture, match="2026-01-01T10:05:00Z lies in the future") as why:
            lateness.refuse_future(NOW + CLOCK_SKEW + timedelta.resolution, NOW, field="createdAt")

        assert why.value.field == "createdAt"
