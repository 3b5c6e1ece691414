"""The tables of django-q2, to look at only (X11).

Whoever could edit them could run any function.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_q.admin import FailAdmin, QueueAdmin, ScheduleAdmin, TaskAdmin
from django_q.models import Failure, OrmQ, Schedule, Success

from workspace.admin.base import ReadOnly, WorkspaceAdmin


class LookOnly(ReadOnly):
    """Leaves out the actions that django-q2 brings along: to run a task again is to change it."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}


WORDS = {
    "has_activity": False,
    "empty_title": "Nothing here",
    "empty_text": "The worker fills and empties this list by itself.",
}


def registered_again(model: type, theirs: type[admin.ModelAdmin]) -> None:
    """Replace the admin of django-q2 by one that looks like ours and changes nothing."""
    looking = type(f"ReadOnly{theirs.__name__}", (LookOnly, theirs, WorkspaceAdmin), WORDS)
    if admin.site.is_registered(model):
        admin.site.unregister(model)
    admin.site.register(model, looking)


registered_again(Schedule, ScheduleAdmin)
registered_again(Success, TaskAdmin)
registered_again(Failure, FailAdmin)
registered_again(OrmQ, QueueAdmin)
