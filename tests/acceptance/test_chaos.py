"""Nothing is lost: jobs flow while workers, horses, the API and Redis are killed at any instant.

`CHAOS_SECONDS` lets it run longer, `CHAOS_SEED` repeats a run's kills.
"""

import collections
import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
import redis
from redis.exceptions import RedisError
from rq import Callback, Queue, Retry

from app.local.embedded import EmbeddedRedis
from app.local.ports import any_free
from app.local.sessions import process_state
from app.queue.wire import WireSerializer, load_result, load_traceback
from tests.worker import sample_tasks as sample
from tests.worker.processes import Program, children, environment, path_of, wait_until

SECONDS = float(os.environ.get("CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("CHAOS_SEED", "7"))  # another one is another run: try many by hand
WORKERS = 3
RATE = 30  # jobs a second
STUCK = 40.0  # seconds after the last kill in which some job has to have ended, if any is left
MOST_CRASHES = 3
HOST = "127.0.0.1"
QUEUES = ("high", "default", "low")

SETTINGS = {"TASK_API_TAKEOVER_AFTER": "5", "TASK_API_SHUTDOWN_GRACE": "2"}
TASKS = (sample.count_run, sample.count_run, sample.count_run_later, sample.count_run_alone)


class Town:
    """All processes of a deployment, and the record of who was killed."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._programs: list[Program] = []
        self.folder = folder
        self.rng = rng
        self.redis = EmbeddedRedis(folder / "redis", any_free(HOST))
        self.redis.start()
        self.port = any_free(HOST)
        self.env = environment(self.redis.url, TASK_API_ACTIVITY_LOG="activity.jsonl", **SETTINGS)
        self.api = self._start_api()
        self.workers = [self._start_worker() for _ in range(WORKERS)]
        self.killed_horses: list[int] = []
        self.deeds: collections.Counter[str] = collections.Counter()

    def do_something(self) -> None:
        """Kill somebody, and start them again as a supervisor of services would."""
        deeds = [self.kill_horse] * 4 + [self.kill_worker] * 3 + [self.kill_api, self.replace]
        deed = self.rng.choice(deeds)
        self.deeds[deed.__name__] += 1
        deed()

    def kill_horse(self) -> None:
        worker = self.rng.choice(self.workers)
        for horse in children(worker.pid)[:1]:
            self.killed_horses.append(horse)
            with contextlib.suppress(ProcessLookupError):
                os.kill(horse, signal.SIGKILL)

    def kill_worker(self) -> None:
        """Kill a supervisor, and with it its horse."""
        number = self.rng.randrange(WORKERS)
        worker = self.workers[number]
        worker.send(signal.SIGSTOP)  # so that it has the horse that we note
        wait_until(lambda: process_state(worker.pid) == "T")
        self.killed_horses += children(worker.pid)
        worker.send(signal.SIGKILL)
        worker.wait()
        self.workers[number] = self._start_worker()

    def replace(self) -> None:
        """End a worker as a deployment does: it may put its job back, which then runs again."""
        number = self.rng.randrange(WORKERS)
        worker = self.workers[number]
        worker.send(signal.SIGTERM)
        while not worker.ended:
            self.killed_horses += children(worker.pid)
            time.sleep(0.01)
        self.workers[number] = self._start_worker()

    def kill_api(self) -> None:
        self.api.send(signal.SIGKILL)
        self.api.wait()
        self.api = self._start_api()

    def restart_redis(self, number: int) -> None:
        """End Redis, by SIGTERM or by SIGKILL, and start it again."""
        assert self.redis.pid is not None
        os.kill(self.redis.pid, number)
        self.redis.stop()
        time.sleep(self.rng.uniform(0, 1.5))
        self.redis.start()

    def end(self) -> None:
        for program in self._programs:
            program.kill()
        self.redis.stop()

    def logs(self) -> str:
        return "\n".join(program.log for program in self._programs)

    def _start_api(self) -> Program:
        options = ("--port", self.port, "--no-access-log", "--log-level", "warning")
        return self._start("-m", "uvicorn", "app.main:app", *options)

    def _start_worker(self) -> Program:
        return self._start("-m", "worker")

    def _start(self, *command: object) -> Program:
        program = Program(self.folder, self.env, *command)
        self._programs.append(program)
        return program


class Callers(threading.Thread):
    """Enqueue jobs at a steady rate, over HTTP and as a plain RQ client, and note the accepted."""

    def __init__(self, town: Town, counts_url: str, rng: random.Random) -> None:
        super().__init__()
        self.accepted: dict[str, tuple[str, int]] = {}  # job id: its key, the runs that are to fail
        self.refused = 0
        self.over = threading.Event()
        self._town, self._counts_url, self._rng = town, counts_url, rng
        self._redis = redis.Redis.from_url(town.redis.url, socket_timeout=1)

    def run(self) -> None:
        for number in itertools.count():
            if self.over.wait(1 / RATE):
                return
            key = f"key-{number}"
            fails = self._rng.choice([0] * 8 + [1, 2])
            seconds = self._rng.choice([0.0, 0.0, 0.01, 0.05, 0.2])
            arguments = {"url": self._counts_url, "key": key, "seconds": seconds, "fails": fails}
            queue = self._rng.choice(QUEUES)
            put = self._rng.choice(
                [self._post] * 7 + [self._call_with_callback] * 2 + [self._call_family]
            )
            try:
                job_id = put(arguments, queue)
            except (OSError, http.client.HTTPException, RedisError):
                job_id = None
            if job_id is None:
                self.refused += 1
            else:
                self.accepted[job_id] = key, fails

    def _post(self, arguments: dict[str, object], queue: str) -> str | None:
        task = self._rng.choice(TASKS)
        connection = http.client.HTTPConnection(HOST, self._town.port, timeout=2)
        try:
            headers = {"content-type": "application/json"}
            path = f"/tasks/{task.name}?queue={queue}"
            connection.request("POST", path, json.dumps(arguments), headers)
            response = connection.getresponse()
            body = response.read()
            assert response.status in {202, 503}, body
            return str(json.loads(body)["id"]) if response.status == 202 else None
        finally:
            connection.close()

    def _call_rq(self, arguments: dict[str, object], queue: str, **options: object) -> str:
        job = Queue(queue, connection=self._redis, serializer=WireSerializer).enqueue_call(
            path_of(sample.count_run),
            kwargs=arguments,
            retry=Retry(30, [0, 1, 1]),
            result_ttl=3600,
            **options,
        )
        return job.id

    def _call_with_callback(self, arguments: dict[str, object], queue: str) -> str:
        return self._call_rq(arguments, queue, on_success=Callback(sample.say_success_if_it_can))

    def _call_family(self, arguments: dict[str, object], queue: str) -> str:
        """Enqueue a job that waits for another one; the other counts as accepted by itself."""
        parent = {**arguments, "key": f"{arguments['key']}-parent"}
        parent_id = self._call_rq(parent, queue)
        self.accepted[parent_id] = str(parent["key"]), int(str(parent["fails"]))
        return self._call_rq(arguments, "default", depends_on=parent_id)


@pytest.fixture
def town(tmp_path):
    rng = random.Random(SEED)
    town = Town(tmp_path, rng)
    yield town
    town.end()


def test_nothing_is_lost(town, redis_url, redis_client):
    print(f"CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS}")
    begun = time.monotonic()
    wait_until(lambda: "ready" in ready(town))
    callers = Callers(town, redis_url, random.Random(SEED + 1))
    callers.start()
    try:
        make_chaos(town, time.monotonic() + SECONDS)
    finally:
        callers.over.set()
        callers.join()
    with redis.Redis.from_url(town.redis.url) as client:
        settled = wait_until_settled(client, callers.accepted)
        check(town, client, callers, redis_client)
    print(f"{len(callers.accepted)} jobs accepted, {callers.refused} refused; {dict(town.deeds)}")
    print(f"settled {settled:.1f} s after the last kill, {time.monotonic() - begun:.1f} s in all")


def ready(town: Town) -> str:
    connection = http.client.HTTPConnection(HOST, town.port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        response.read()
    except OSError:
        return ""
    else:
        return "ready" if response.status == 200 else ""
    finally:
        connection.close()


def make_chaos(town: Town, until: float) -> None:
    """Kill on, and restart Redis in both ways in the middle of it."""
    thirds = SECONDS / 3
    restarts = [(until - 2 * thirds, signal.SIGTERM), (until - thirds, signal.SIGKILL)]
    while time.monotonic() < until:
        time.sleep(town.rng.uniform(0.05, 1.0))
        if restarts and time.monotonic() > restarts[0][0]:
            town.restart_redis(restarts.pop(0)[1])
        else:
            town.do_something()


def statuses(client: redis.Redis, jobs) -> dict[str, str | None]:
    with client.pipeline(transaction=False) as pipeline:
        for job in jobs:
            pipeline.hget(f"rq:job:{job}", "status")
        found = pipeline.execute()
    return {job: status and status.decode() for job, status in zip(jobs, found, strict=True)}


def in_lines(client: redis.Redis) -> set[str]:
    """Name the jobs that wait or run; some may have been enqueued without an answer."""
    entries = [
        *(entry for queue in QUEUES for entry in client.lrange(f"rq:queue:{queue}", 0, -1)),
        *(
            entry
            for queue in QUEUES
            for kind in ("wip", "scheduled", "deferred")
            for entry in client.zrange(f"rq:{kind}:{queue}", 0, -1)
        ),
    ]
    return {entry.decode().partition(":")[0] for entry in entries}


def wait_until_settled(client: redis.Redis, jobs) -> float:
    """Wait until all jobs have ended; a backlog may take its time, but it has to melt."""
    begun = moved = time.monotonic()
    fewest = len(jobs) + 1
    while True:
        known = {*jobs, *in_lines(client)}
        open_ = {j: s for j, s in statuses(client, known).items() if s not in ENDED}
        if not open_:
            return time.monotonic() - begun
        if len(open_) < fewest:
            fewest, moved = len(open_), time.monotonic()
        if time.monotonic() - moved > STUCK:
            left = {
                key.decode(): client.zrange(key, 0, -1, withscores=True)
                for key in client.keys("rq:wip:*") + client.keys("rq:scheduled:*")
            }
            pytest.fail(f"CHAOS_SEED={SEED}: not ended: {open_}; registries: {left}")
        time.sleep(0.2)


ENDED = {"finished", "failed"}


def check(town: Town, client: redis.Redis, callers: Callers, counts: redis.Redis) -> None:
    hits = collections.Counter(
        key.decode()
        for horse in set(town.killed_horses)
        if (key := counts.get(f"last:{horse}")) is not None
    )
    wrong = []
    lines = town.logs().splitlines()
    for job, (key, fails) in callers.accepted.items():
        runs = counts.llen(f"runs:{key}")
        told = [line for line in lines if job in line]
        status = client.hget(f"rq:job:{job}", "status")
        [(_, last)] = client.xrevrange(f"rq:results:{job}", count=1)
        if status == b"finished":
            assert load_result(last[b"return_value"]) == key
            if not counts.get(f"ended:{key}"):
                wrong.append(f"{key} is finished and never came to its end")
        else:
            reason = load_traceback(last[b"exc_string"])
            # A horse killed before the job's first line has left no mark, but a line in a log.
            lost = sum(f"job.lost id={job} " in line for line in told)
            if max(hits[key], lost) < MOST_CRASHES:
                wrong.append(f"{key} failed after {hits[key]} kills: {reason}; logs: {told}")
        if runs > fails + 1 + hits[key]:
            pids = [int(pid) for pid in counts.lrange(f"runs:{key}", 0, -1)]
            pids = {pid: (pid in town.killed_horses, counts.get(f"last:{pid}")) for pid in pids}
            wrong.append(
                f"{key} ran {runs} times ({fails} to fail), in {pids}, killed {hits[key]} times; "
                f"logs: {told}"
            )
    assert not wrong, "\n".join([f"CHAOS_SEED={SEED}", *wrong])
    for queue in QUEUES:
        for kind in ("queue", "wip", "scheduled", "deferred"):
            key = f"rq:{kind}:{queue}"
            size = client.llen(key) if kind == "queue" else client.zcard(key)
            assert size == 0, f"CHAOS_SEED={SEED}: {key} holds {size}"
    assert len(callers.accepted) > SECONDS * RATE / 4
    assert set(town.deeds) >= {"kill_horse", "kill_worker"}
    for never in ("horse.broken", "job.unreadable", "maintenance_failed", "callback.failed"):
        assert never not in town.logs(), f"CHAOS_SEED={SEED}: {never}"
