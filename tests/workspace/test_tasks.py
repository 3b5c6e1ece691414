from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from workspace import tasks
from workspace.models import IdempotentAnswer


@pytest.mark.django_db
class TestTidyUp:
    def test_forgets_what_is_over_and_nothing_else(self):
        """R40, end. Running twice changes nothing."""
        for hours in (23, 25, 300):
            IdempotentAnswer.objects.create(
                principal="API_KEY:one",
                key=str(hours),
                fingerprint="f",
                created_at=timezone.now() - timedelta(hours=hours),
            )

        assert (tasks.tidy_up(), tasks.tidy_up()) == (2, 0)
        assert IdempotentAnswer.objects.get().key == "23"

    def test_is_called_by_the_worker(self):
        assert "workspace.tasks.tidy_up" in settings.STIPEND_SWEEPS
