import pytest
from django.contrib import admin
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success, Task

from workspace.admin import tasks
from workspace.models import Role


@pytest.fixture
def _jobs(db):
    a_job("t0", 12)
    a_job("t1", "division by zero : Traceback\n  line 7", success=False)


def a_job(key: str, result: object, *, func: str = "subscriptions.tasks.roll_out", success=True):
    now = timezone.now()
    return Task.objects.create(
        id=key, name=key, func=func, started=now, stopped=now, success=success, result=result
    )


@pytest.mark.usefixtures("_jobs")
class TestTasks:
    def test_are_shown_to_administrators_only(self, administrator, visit):
        """X11."""
        for path in ("", "t0/change/", "t1/change/"):
            address = f"/admin/django_q/task/{path}"
            assert administrator.get(address).status_code == 200
            for role in (Role.PRODUCT_MANAGER, Role.CUSTOMER_SUPPORT, Role.READ_ONLY):
                assert visit(role).get(address).status_code == 403

    def test_cannot_be_changed_or_run_by_anybody(self, administrator, rf):
        """X11: whoever may edit a schedule may run any function."""
        for path in ("add/", "t1/edit/", "t1/delete/"):
            administrator.post(f"/admin/django_q/task/{path}", {"func": "os.system"})
        administrator.post(
            "/admin/django_q/task/",
            {"action": "resubmit_task", "_selected_action": ["t0", "t1"], "index": "0"},
        )
        request = rf.get("/")
        request.user = administrator.user

        assert set(Task.objects.values_list("func", flat=True)) == {"subscriptions.tasks.roll_out"}
        assert Task.objects.count() == 2
        assert not OrmQ.objects.exists()
        assert admin.site._registry[Task].get_actions(request) == {}

    @pytest.mark.parametrize("model", [Schedule, Success, Failure, OrmQ])
    def test_are_one_screen(self, model):
        assert not admin.site.is_registered(model)

    def test_say_in_words_what_they_did(self, administrator):
        page = administrator.get("/admin/django_q/task/")
        failed = administrator.get("/admin/django_q/task/?outcome=failed")

        assert "12 done" in page.text
        assert "12 done" not in failed.text
        assert "division by zero : Traceback" in failed.text
        assert "line 7" not in failed.text

    def test_say_why_they_failed(self, administrator):
        failed = administrator.get("/admin/django_q/task/t1/change/")

        assert "Nothing is lost: the next tick looks for the same work again." in failed.text
        assert "line 7" in failed.text
        assert "Nothing is lost" not in administrator.get("/admin/django_q/task/t0/change/").text


@pytest.mark.django_db
class TestOutcomeOf:
    @pytest.mark.parametrize(
        ("result", "words"),
        [
            (None, "–"),
            (0, "Nothing to do"),
            (1234, "1,234 done"),
            ("3 pools written, 0 set aside", "3 pools written, 0 set aside"),
        ],
    )
    def test_is_what_the_job_said(self, result, words):
        assert tasks.outcome_of(a_job("t", result)) == words


@pytest.mark.django_db
class TestJobOf:
    def test_is_the_function_in_words(self):
        job = a_job("t", 0, func="credits.tasks.carry_out_bulk_changes")

        assert tasks.job_of(job) == "Carry out bulk changes"
