"""`python -m app` as a process, and what a caller asks of it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from app.local import sessions

ROOT = Path(__file__).parents[3]
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
