"""The supervisor, with real processes."""

import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from app.errors import EndedAtStart
from app.local import sessions
from app.local.child import Command
from app.local.processes import Backoff, Supervisor
from app.local.terminal import Terminal

DEADLINE = 20  # seconds; far more than any of these takes

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('ready', flush=True); time.sleep(60)"
)
OBEDIENT = (
    "import signal, sys, time\n"
    "def end(*_): print('bye', flush=True); sys.exit()\n"
    "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
)


class Stage:
    """A supervisor and what it has printed."""

    def __init__(self, backoff=None):
        self.stream = io.StringIO()
        self.supervisor = Supervisor(Terminal(self.stream, ["up", "a", "b", "last"]), "up", backoff)

    @property
    def text(self):
        return self.stream.getvalue()

    def start(self, name, program, **options):
        command = Command(name, (sys.executable, "-u", "-c", program), **options)
        return self.supervisor.start(command)

    def tick_until(self, pattern, times=1):
        deadline = time.monotonic() + DEADLINE
        while len(found := re.findall(pattern, self.text)) < times:
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.text}"
            self.supervisor.tick(0.02)
        return found[-1]

    def place(self, text):
        assert text in self.text, self.text
        return self.text.index(text)


@pytest.fixture
def stage():
    stage = Stage(Backoff(first=0.05, longest=0.2, forgotten_after=30))
    yield stage
    stage.supervisor.stop(grace=1, last_grace=1)


def runs(pid):
    return sessions.process_state(pid) not in {"", "Z"}


def test_lines_of_both_streams_are_relayed_with_the_name_before_them(stage):
    stage.start(
        "a", "import sys, time; print('out'); print('err', file=sys.stderr); time.sleep(60)"
    )

    stage.tick_until("err")

    assert "a    | out\na    | err\n" in stage.text


def test_a_line_is_relayed_whole_though_it_is_written_in_parts(stage):
    stage.start(
        "a",
        "import os, time\n"
        "for part in (b'on', b'e\\ntw', b'o\\n\\xff\\n'): os.write(1, part); time.sleep(0.05)\n"
        "time.sleep(60)",
    )

    stage.tick_until("\N{REPLACEMENT CHARACTER}")

    assert "a    | one\na    | two\na    | \N{REPLACEMENT CHARACTER}\n" in stage.text


def test_a_line_without_an_end_is_cut_and_does_not_fill_the_memory(stage):
    stage.start("a", "import os, time; os.write(1, b'x' * 300_000); time.sleep(60)")

    stage.tick_until("x" * 60_000, times=4)

    assert max(map(len, stage.text.splitlines())) < 140_000


def test_a_crashed_child_is_restarted_and_it_is_said(stage):
    child = stage.start("a", OBEDIENT)
    stage.tick_until("ready")

    os.kill(child.pid, signal.SIGKILL)
    stage.tick_until("ready", times=2)

    assert "up   | a was killed by signal 9 (Killed); starting it again in 0.05 s\n" in stage.text
    assert len(re.findall("started a, process", stage.text)) == 2


def test_a_child_that_ends_well_without_being_asked_is_restarted_too(stage):
    stage.supervisor.settle()
    stage.start("a", "print('ready')")

    stage.tick_until("ready", times=2)

    assert "a ended with code 0; starting it again" in stage.text


def test_the_waits_double_up_to_the_longest(stage):
    stage.supervisor.settle()
    stage.start("a", "raise SystemExit(3)")

    stage.tick_until("starting it again", times=4)

    waits = re.findall(r"a ended with code 3; starting it again in (\S+) s", stage.text)
    assert waits == ["0.05", "0.1", "0.2", "0.2"]


def test_the_waits_of_many_crashes_stay_a_number():
    assert Backoff().delay(10_000) == 30


def test_a_child_that_lived_a_while_starts_again_after_the_first_wait():
    stage = Stage(Backoff(first=0.05, longest=5, forgotten_after=0.1))
    stage.supervisor.settle()
    stage.start("a", "import time; time.sleep(0.15); raise SystemExit(3)")

    stage.tick_until("starting it again", times=3)
    stage.supervisor.stop(grace=1, last_grace=1)

    assert re.findall(r"again in (\S+) s", stage.text) == ["0.05"] * 3


def test_one_crashing_child_leaves_the_others_alone(stage):
    stage.supervisor.settle()
    steady = stage.start("b", OBEDIENT)
    stage.start("a", "raise SystemExit(3)")

    stage.tick_until("a ended", times=3)

    assert runs(steady.pid)
    assert len(re.findall("started b", stage.text)) == 1


def test_a_program_that_has_gone_is_tried_again(stage, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nrm $0\nexit 1\n")
    program.chmod(0o755)
    stage.supervisor.settle()
    stage.supervisor.start(Command("a", (str(program),)))

    stage.tick_until("No such file", times=2)

    assert "a cannot be started (No such file or directory); starting it again" in stage.text


def test_a_program_that_does_not_exist_is_an_error_at_once(stage, tmp_path):
    with pytest.raises(FileNotFoundError):
        stage.supervisor.start(Command("a", (str(tmp_path / "nothing"),)))


def test_a_child_that_ends_by_itself_at_start_is_an_error_with_its_last_line(stage):
    stage.start("a", "print('first'); raise SystemExit('no such setting')")

    with pytest.raises(EndedAtStart) as failed:
        stage.tick_until("never")

    assert str(failed.value) == (
        "The process a ended at start with code 1; it said last: no such setting"
    )


def test_the_last_ones_end_after_all_others(stage):
    stage.start("last", OBEDIENT, ends_last=True)
    stage.start("a", OBEDIENT)
    stage.start("b", OBEDIENT)
    stage.tick_until("ready", times=3)

    stage.supervisor.stop(grace=10, last_grace=10)

    assert stage.place("up   | a ended\n") < stage.place("last | bye")
    assert stage.place("up   | b ended\n") < stage.place("last | bye")
    assert stage.text.endswith("up   | last ended\n")


def test_what_does_not_obey_is_killed_in_time_and_it_is_said(stage):
    first = stage.start("a", STUBBORN)
    last = stage.start("last", STUBBORN, ends_last=True)
    stage.tick_until("ready", times=2)

    begun = time.monotonic()
    stage.supervisor.stop(grace=0.5, last_grace=0.5)

    assert 1 < time.monotonic() - begun < 20
    assert not runs(first.pid)
    assert not runs(last.pid)
    assert stage.place("a did not end within 0.5 s; killing it") < stage.place("last did not end")


LEAVING = (
    "import subprocess, sys, time\n"
    "print('horse', subprocess.Popen(['sleep', '60'], process_group=0).pid); time.sleep(60)"
)


def test_what_a_killed_child_leaves_running_is_killed_before_its_restart(stage):
    child = stage.start("a", LEAVING)
    horse = int(stage.tick_until(r"horse (\d+)"))

    os.kill(child.pid, signal.SIGKILL)
    stage.tick_until("started a", times=2)

    assert not runs(horse)
    assert f"killed what a left running: [{horse}]" in stage.text


def test_what_a_child_leaves_running_at_the_end_is_killed(stage):
    stage.start("a", LEAVING)
    horse = int(stage.tick_until(r"horse (\d+)"))

    stage.supervisor.stop(grace=5, last_grace=5)

    assert not runs(horse)


def test_a_process_that_left_for_a_session_of_its_own_does_not_hold_up_the_end(stage):
    child = stage.start("a", LEAVING.replace("process_group=0", "start_new_session=True"))
    escaped = int(stage.tick_until(r"horse (\d+)"))

    stage.supervisor.stop(grace=5, last_grace=5)

    assert not runs(child.pid)
    assert runs(escaped)
    assert child.closed
    os.kill(escaped, signal.SIGKILL)


def test_nothing_is_restarted_while_stopping(stage):
    stage.supervisor.settle()
    stage.start("b", OBEDIENT.replace("sys.exit()", "time.sleep(0.5); sys.exit()"))
    stage.tick_until("ready")
    stage.start("a", "raise SystemExit(3)")
    stage.tick_until("starting it again")

    stage.supervisor.stop(grace=5, last_grace=5)

    assert stage.place("b    | bye")
    assert len(re.findall("started a", stage.text)) == 1
    assert len(re.findall("started b", stage.text)) == 1


# The supervisor in a process of its own, as signals find it.
HOST = f"""
import io, signal, sys
from app.local.child import Command
from app.local.processes import Supervisor
from app.local.terminal import Terminal

supervisor = Supervisor(Terminal(sys.stdout, ["up", "a", "last"]), "up")
signal.signal(signal.SIGINT, supervisor.request_stop)
signal.signal(signal.SIGTERM, supervisor.request_stop)
SLOW = {OBEDIENT!r}.replace("sys.exit()", "time.sleep(1); sys.exit()")
supervisor.start(Command("a", (sys.executable, "-u", "-c", SLOW)))
supervisor.start(Command("last", (sys.executable, "-u", "-c", {OBEDIENT!r}), ends_last=True))
while supervisor.tick():
    pass
supervisor.stop(grace=10, last_grace=10)
print("clean", flush=True)
"""


@pytest.fixture
def host():
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", HOST],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    process.first_lines = ""
    while process.first_lines.count("ready") < 2:
        process.first_lines += process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def children(host):
    return [int(pid) for pid in re.findall(r"started \S+ process (\d+)", host.first_lines)]


def test_a_second_ctrl_c_is_passed_on_to_the_children_that_take_their_time(host):
    os.killpg(host.pid, signal.SIGINT)  # as a terminal does
    time.sleep(0.3)
    os.killpg(host.pid, signal.SIGINT)

    output, _ = host.communicate(timeout=DEADLINE)

    assert host.returncode == 0
    assert output.splitlines() == [
        *("a    | bye", "a    | bye", "up   | a ended"),
        *("last | bye", "up   | last ended", "clean"),
    ]


def test_ctrl_c_reaches_the_supervisor_alone(host):
    os.killpg(host.pid, signal.SIGINT)

    output, _ = host.communicate(timeout=DEADLINE)

    assert host.returncode == 0
    assert output.splitlines() == [
        *("a    | bye", "up   | a ended"),
        *("last | bye", "up   | last ended", "clean"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_no_child_outlives_a_supervisor_that_was_killed(host):
    assert all(map(runs, children(host)))

    host.kill()
    host.communicate(timeout=DEADLINE)  # returns when nobody holds its output any more

    deadline = time.monotonic() + DEADLINE
    while any(runs(pid) for pid in children(host)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
