"""What the worker did, to look at only (X11).

Of the tables of django-q2, one is a screen. Its scheduler is off, and its queue holds tickets for
a moment that name no work (`workspace.worker`): neither tells anybody anything. Whoever could edit
them could run any function.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from unfold.decorators import display

from workspace.admin.base import Badge, ObjectPage, ReadOnly, WorkspaceAdmin
from workspace.templatetags.stipend import instant

LONGEST = 100
"""So much of what came of a job stands in the list."""


class OutcomeFilter(admin.SimpleListFilter):
    """Jobs that were done, or that failed."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("done", "Done"), ("failed", "Failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        if self.value() not in ("done", "failed"):
            return queryset
        return queryset.filter(success=self.value() == "done")


class TaskPage(ObjectPage):
    """One job: when it ran, and all that came of it."""

    name = "change"
    template_name = "admin/workspace/task.html"
    object: Task

    def content(self) -> dict[str, Any]:
        """Facts, and why it failed."""
        task = self.object
        return {
            "facts": [
                ("Started", instant(task.started)),
                ("Took", took(task)),
                ("Function", task.func),
                ("Result", outcome_of(task) if task.success else ""),
            ],
            "failure": "" if task.success else str(task.result),
        }


class TaskAdmin(ReadOnly, WorkspaceAdmin):
    """Operations → Tasks: the latest jobs of the worker."""

    pages = [TaskPage]
    list_display = ["job", "state", "started_column", "took_column", "result_column"]
    list_filter = [OutcomeFilter]
    search_fields = ["func"]
    search_help_text = "Search by function"
    ordering = ["-started"]
    has_activity = False
    empty_title = "No jobs yet"
    empty_text = "Start a worker with “manage.py run_worker”: what it does appears here."

    def object_title(self, obj: Task) -> str:
        """What it is about, as its function is called."""
        return job_of(obj)

    def badges(self, obj: Task) -> list[Badge]:
        """Whether it was done."""
        return [Badge("Done", "success") if obj.success else Badge("Failed", "danger")]

    @display(description="Job", ordering="func")
    def job(self, obj: Task) -> str:
        """What it is about."""
        return job_of(obj)

    @display(description="Outcome", label={"Done": "success", "Failed": "danger"})
    def state(self, obj: Task) -> str:
        """Whether it was done."""
        return "Done" if obj.success else "Failed"

    @display(description="Started", ordering="started")
    def started_column(self, obj: Task) -> str:
        """When a worker took it up."""
        return instant(obj.started)

    @display(description="Took")
    def took_column(self, obj: Task) -> str:
        """How long it ran."""
        return took(obj)

    @display(description="Result")
    def result_column(self, obj: Task) -> str:
        """What came of it; of a failure, its first line."""
        return outcome_of(obj)[:LONGEST]


def job_of(task: Task) -> str:
    """The name of its function in words: "Carry out bulk changes"."""
    return task.func.rpartition(".")[2].replace("_", " ").capitalize()


def took(task: Task) -> str:
    """Its duration, such as "0.4 s"."""
    return f"{task.time_taken():.1f} s"


def outcome_of(task: Task) -> str:
    """What it said that it did, or the first line of why it failed."""
    match task.result:
        case None:
            return "–"
        case 0:
            return "Nothing to do"
        case int() as number:
            return f"{number:,} done"
    return str(task.result).partition("\n")[0]


for unused in (Schedule, Success, Failure, OrmQ):
    admin.site.unregister(unused)
admin.site.register(Task, TaskAdmin)
