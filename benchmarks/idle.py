"""Idle: what does a worker cost that has nothing to do, and how soon does it take up a job."""

import time
from statistics import median
from typing import Any

from redis import Redis
from rq import Queue

from benchmarks.errors import BenchmarkError
from benchmarks.finding import Finding, Ratio
from benchmarks.process import Process
from benchmarks.scale import Scale
from benchmarks.sides import OURS, PRELOADED, PRELOADED_COMMAND
from benchmarks.stage import Stage
from benchmarks.tasks import clock

QUEUES = ("high", "default", "low")
JOBS = 60
COMMANDS = {
    OURS: ("worker.py", *QUEUES),
    PRELOADED: (*PRELOADED_COMMAND, "--with-scheduler", *QUEUES),  # ours has one too
}
_SETTLED = 3.0  # seconds
_LONGEST_WAIT = 10.0


def ask(scale: Scale) -> Finding:
    """Leave both workers idle for a while, side by side; then give each a job now and then."""
    with Stage(scale.fsync) as stage:
        workers = {
            name: stage.run(f"worker-{db}", *command, env=stage.env(db))
            for db, (name, command) in enumerate(COMMANDS.items())
        }
        clients = [Redis.from_url(stage.url(db)) for db in range(len(workers))]
        for client in clients:
            _take_up(client, QUEUES[0])  # it runs, and has imported what it needs
        time.sleep(_SETTLED)
        shares = _shares(workers, scale.idle_seconds)
        waits = {name: _take_ups(client) for name, client in zip(workers, clients, strict=True)}
    return Finding(
        name="idle",
        question="What does an idle worker cost, and how soon does it take up a job?",
        ratios=[
            Ratio(f"{OURS}, idle", shares[OURS], "% of a core", at_most=0.5),
            Ratio(f"{OURS}, enqueued to started, p50", waits[OURS], "ms", at_most=5),
        ],
        columns=("% of a core, idle", "enqueued to started, p50, ms"),
        rows={name: (shares[name], waits[name]) for name in workers},
        notes=[
            "On three queues, with its scheduler.",
            "Jobs are enqueued by a plain RQ client, on each queue in turn.",
            f"CPU time counts in steps of 10 ms, here {1 / scale.idle_seconds:.2f} % of a core.",
        ],
    )


def _shares(workers: dict[str, Process], seconds: float) -> dict[str, float]:
    before = {name: worker.cpu_seconds() for name, worker in workers.items()}
    time.sleep(seconds)
    return {
        name: (worker.cpu_seconds() - before[name]) / seconds * 100
        for name, worker in workers.items()
    }


def _take_ups(client: Redis) -> float:
    """Give the median of the milliseconds until a job runs."""
    waits = []
    for number in range(JOBS):
        waits.append(_take_up(client, QUEUES[number % len(QUEUES)]))
        time.sleep(0.03)
    return median(waits) * 1e3


def _take_up(client: Redis, queue: str) -> float:
    """Enqueue a job, and give the seconds until its function was called."""
    begun = time.monotonic()
    job = Queue(queue, connection=client).enqueue(clock.path)
    deadline = begun + _LONGEST_WAIT
    while (result := job.latest_result()) is None:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"a job on {queue} was not executed")
        time.sleep(0.005)
    if result.type is not result.Type.SUCCESSFUL:
        raise BenchmarkError(f"a job on {queue} failed: {result.exc_string}")
    started: Any = result.return_value
    return float(started) - begun
