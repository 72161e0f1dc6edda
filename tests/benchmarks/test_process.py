import sys
import time

import pytest

from benchmarks.process import Process, memory, started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.2: pass"])
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def process(tmp_path):
    process = Process("parent", (sys.executable, "-c", PARENT), {}, tmp_path / "log")
    deadline = time.monotonic() + 20
    while "ready" not in process.log.read_text():
        assert time.monotonic() < deadline, process.last_lines()
        time.sleep(0.01)
    yield process
    process.kill()


def test_cpu_time_includes_that_of_children_that_have_ended(process):
    assert process.cpu_seconds() >= 0.2


def test_memory_is_more_than_nothing_and_less_than_a_hundred_mebibytes(process):
    assert 100_000 < memory(process.pid) < 100 * 1_048_576


def test_what_a_process_has_started_ends_with_it(process):
    [child] = process.descendants()
    assert started(child)

    process.kill()

    deadline = time.monotonic() + 5
    while started(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not process.runs
