import pytest
from django.contrib import admin
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success, Task

from workspace.models import Role

NAMES = ["schedule", "success", "failure", "ormq"]


@pytest.mark.django_db
class TestTasks:
    @pytest.fixture(autouse=True)
    def _rows(self):
        Schedule.objects.create(name="sweep", func="math.copysign")
        for number, success in enumerate((True, False)):
            Task.objects.create(
                id=f"t{number}",
                name=f"task {number}",
                func="math.copysign",
                started=timezone.now(),
                stopped=timezone.now(),
                success=success,
            )

    @pytest.mark.parametrize("name", NAMES)
    def test_are_shown_to_administrators_only(self, administrator, visit, name):
        """X11."""
        assert administrator.get(f"/admin/django_q/{name}/").status_code == 200
        for role in (Role.PRODUCT_MANAGER, Role.CUSTOMER_SUPPORT, Role.READ_ONLY):
            assert visit(role).get(f"/admin/django_q/{name}/").status_code == 403

    def test_cannot_be_changed_or_run_by_anybody(self, administrator):
        """X11: whoever may edit a schedule may run any function."""
        schedule = Schedule.objects.get()
        for path in ("schedule/add/", f"schedule/{schedule.pk}/change/", "failure/t1/delete/"):
            answer = administrator.post(f"/admin/django_q/{path}", {"func": "os.system"})
            assert answer.status_code == 403
        for name in ("success", "failure", "schedule"):
            administrator.post(
                f"/admin/django_q/{name}/",
                {"action": "resubmit_task", "_selected_action": ["t0", "t1"], "index": "0"},
            )

        assert Schedule.objects.get().func == "math.copysign"
        assert Failure.objects.count() == 1
        assert not OrmQ.objects.exists()

    def test_can_be_looked_at(self, administrator):
        for path in ("success/t0/", "failure/t1/", f"schedule/{Schedule.objects.get().pk}/"):
            assert administrator.get(f"/admin/django_q/{path}change/").status_code == 200

    def test_offer_no_actions(self, rf, administrator):
        request = rf.get("/")
        request.user = administrator.user
        for model in (Schedule, Success, Failure, OrmQ):
            assert admin.site._registry[model].get_actions(request) == {}
