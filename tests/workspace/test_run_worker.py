import os
import signal
import subprocess
import time

import pytest
from django_q.models import Success

from tests.real_worker import children, descendants, eventually, is_alive, running_worker
from workspace import worker
from workspace.management.commands.run_worker import Watch


class TestWatch:
    @pytest.fixture
    def watch(self):
        return Watch(probe_after=20, patience=90, now=100)

    def test_asks_after_a_time_of_silence(self, watch):
        assert not watch.needs_probe(119)
        assert watch.needs_probe(120)

    def test_asks_again_and_again(self, watch):
        watch.note_probe(120)

        assert not watch.needs_probe(139)
        assert watch.needs_probe(140)

    def test_declares_dead_whoever_leaves_the_first_question_unanswered(self, watch):
        watch.note_probe(120)
        watch.note_probe(200)

        assert not watch.is_dead(210)
        assert watch.is_dead(210.1)

    def test_never_declares_dead_whom_it_did_not_ask(self, watch):
        assert not watch.is_dead(10_000)

    def test_forgets_its_questions_at_a_sign_of_life(self, watch):
        watch.note_probe(120)

        watch.restart(205)

        assert not watch.is_waiting()
        assert not watch.is_dead(211)
        assert not watch.needs_probe(224)
        assert watch.needs_probe(225)


# Patient enough for a machine that is busy with other tests while a cluster starts.
IMPATIENT = ["--probe-after=1", "--patience=8"]


def cluster(supervisor: subprocess.Popen[bytes]) -> int:
    """The process group that the supervisor watches; 0 between two of them."""
    return next((pid for pid, _ in children(supervisor.pid)), 0)


def works() -> int:
    """How many sweeps have succeeded."""
    return Success.objects.filter(func="credits.tasks.sweep").count()


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
class TestRunWorker:
    def test_posts_its_tickets_and_works_them_off(self):
        with running_worker():
            assert eventually(lambda: works() >= 2)

    def test_ends_with_everything_it_started(self):
        with running_worker() as supervisor:
            assert eventually(works)
            processes = descendants(supervisor.pid)

            supervisor.terminate()

            assert supervisor.wait(20) == 0
            assert [pid for pid, _ in processes if is_alive(pid)] == []

    def test_takes_everything_along_when_it_is_killed(self):
        with running_worker() as supervisor:
            assert eventually(works)
            processes = descendants(supervisor.pid)

            supervisor.kill()
            supervisor.wait()

            assert eventually(lambda: not [pid for pid, _ in processes if is_alive(pid)])

    def test_replaces_a_cluster_that_hangs(self):
        """As when an idle worker is killed and takes the lock of the queue with it."""
        with running_worker(*IMPATIENT, tick_seconds=3600) as supervisor:
            assert eventually(works)
            before = cluster(supervisor)
            time.sleep(1)  # nobody may be frozen with a lock of SQLite in hand

            os.killpg(before, signal.SIGSTOP)

            assert eventually(lambda: cluster(supervisor) not in (before, 0))
            done = works()
            worker.post("credits.tasks.sweep", save=True)
            assert eventually(lambda: works() > done)

    def test_replaces_a_cluster_that_lost_its_master(self):
        with running_worker() as supervisor:
            assert eventually(works)
            before = cluster(supervisor)
            orphans = [pid for pid, _ in descendants(before)]

            os.kill(before, signal.SIGKILL)

            assert eventually(lambda: cluster(supervisor) not in (before, 0))
            assert [pid for pid in orphans if is_alive(pid)] == []
            done = works()
            assert eventually(lambda: works() > done)
