"""Users' code beside a supervisor."""

import os
import signal

from app.worker.aside import Aside
from tests.worker.processes import wait_until


def test_it_runs_in_a_process_of_its_own_and_is_not_waited_for(tmp_path):
    mark, go = tmp_path / "mark", tmp_path / "go"
    aside = Aside()

    def wait():
        wait_until(go.exists)
        mark.write_text(str(os.getpid()))

    aside.call(wait)
    aside.reap()
    assert aside._running
    go.touch()

    wait_until(lambda: aside.reap() or not aside._running)
    assert int(mark.read_text()) != os.getpid()


def test_whatever_it_does_ends_with_it():
    aside = Aside()

    def fail():
        raise ValueError("m")

    aside.call(fail)
    aside.call(lambda: os.kill(os.getpid(), signal.SIGKILL))
    aside.call(lambda: os._exit(7))

    wait_until(lambda: aside.reap() or not aside._running)


def test_what_somebody_else_has_reaped_is_forgotten():
    aside = Aside()
    aside.call(lambda: None)
    [pid] = aside._running
    os.waitpid(pid, 0)

    aside.reap()

    assert not aside._running
