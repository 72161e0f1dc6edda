"""The processes of a session."""

import os
import shutil
import subprocess
import sys

import pytest

from app.local import sessions

# Says the id of its own child, which is in a process group of its own, as RQ's work horses are.
PARENT = (
    "import subprocess; print(subprocess.Popen(['sleep', '60'], process_group=0).pid, flush=True)\n"
    "input()"
)


@pytest.fixture
def family():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    orphan = int(parent.stdout.readline())
    yield parent, orphan
    sessions.kill_session(parent.pid, seconds=10)
    parent.communicate()


def test_a_session_has_its_leader_and_what_it_started(family):
    parent, child = family

    assert sorted(sessions.members({parent.pid})) == sorted([parent.pid, child])


def test_an_orphan_stays_in_its_session(family):
    parent, child = family
    parent.kill()
    parent.wait()

    assert sessions.members({parent.pid}) == [child]


def test_a_process_that_has_ended_and_was_not_waited_for_is_no_member(family):
    parent, child = family
    parent.kill()
    os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)

    assert sessions.members({parent.pid}) == [child]


def test_no_session_has_no_members():
    assert sessions.members(set()) == []


def test_the_state_of_no_process_is_empty(family):
    parent, _ = family
    parent.kill()
    parent.wait()

    assert sessions.process_state(parent.pid) == ""


@pytest.mark.skipif(shutil.which("ps") is None, reason="this machine has no ps")
def test_processes_are_found_without_a_proc_file_system(family, monkeypatch, tmp_path):
    parent, child = family
    monkeypatch.setattr(sessions, "_PROC", tmp_path / "nowhere")

    assert sorted(sessions.members({parent.pid})) == sorted([parent.pid, child])


def test_killing_a_session_spares_nobody_in_it_and_everybody_else(family):
    parent, child = family

    assert sessions.kill_session(parent.pid, seconds=10) == sorted([parent.pid, child])

    assert sessions.members({parent.pid}) == []
    assert sessions.members({os.getsid(0)})
