"""Bulk: how many jobs a second does `enqueue_many` of 1,000 write."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from rq import Queue

from app import calls
from app.queue.enqueue import Enqueuer
from benchmarks.finding import Finding, Ratio, Sample, alternate
from benchmarks.scale import Scale
from benchmarks.stage import Stage
from benchmarks.tasks import mail

OURS = "Task.enqueue_many"
ASYNC = "Task.aenqueue_many"
RQ = "RQ's Queue.enqueue_many"

AT_ONCE = 1_000  # jobs in a call
CALLS = 10  # in a turn
MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works, it really does"}


def ask(scale: Scale) -> Finding:
    """Write the same jobs in each way, from this process."""
    with Stage(scale.fsync) as stage:
        enqueue_with(stage)
        sides = {
            OURS: partial(_turn, stage, ours),
            ASYNC: partial(_turn, stage, ours_async),
            RQ: partial(_turn, stage, partial(rq, stage)),
        }
        rounds = alternate(sides, scale.rounds)
    return Finding(
        name="bulk",
        question=f"How many jobs a second does `enqueue_many` of {AT_ONCE:,} write?",
        ratios=[
            Ratio(f"{OURS} / {RQ}", rounds.ratio(OURS, RQ, "rate")),
            Ratio(OURS, rounds.median(OURS, "rate"), "jobs a second", at_least=15_000),
        ],
        columns=("jobs a second", "CPU of the caller, µs a job", "CPU of Redis, µs a job"),
        rows=rounds.rows("rate", "cpu", "redis_cpu"),
        rounds=rounds.count,
        notes=["Ours validates the arguments of each job; RQ has nothing to validate them by."],
    )


def enqueue_with(stage: Stage) -> None:
    """Let the tasks of this process enqueue on that stage."""
    enqueuer = Enqueuer(stage.settings())
    calls.connect(lambda: enqueuer)


def ours(count: int = CALLS) -> None:
    """Enqueue with the service's own call."""
    for _ in range(count):
        mail.enqueue_many([MAIL] * AT_ONCE)


def ours_async() -> None:
    """Enqueue with its asynchronous one."""

    async def run() -> None:
        for _ in range(CALLS):
            await mail.aenqueue_many([MAIL] * AT_ONCE)

    asyncio.run(run())


def rq(stage: Stage, count: int = CALLS) -> None:
    """Enqueue with RQ's own, which writes all jobs of a call in one pipeline."""
    queue = Queue(connection=stage.redis)
    for _ in range(count):
        jobs = [Queue.prepare_data(mail.path, kwargs=MAIL) for _ in range(AT_ONCE)]
        queue.enqueue_many(jobs)


def _turn(stage: Stage, write: Callable[[], None]) -> Sample:
    stage.clear()
    redis_cpu, cpu, begun = stage.redis_cpu(), time.process_time(), time.perf_counter()
    write()
    seconds = time.perf_counter() - begun
    jobs = stage.redis.llen("rq:queue:default")
    assert jobs == CALLS * AT_ONCE, jobs
    return {
        "rate": jobs / seconds,
        "cpu": (time.process_time() - cpu) / jobs * 1e6,
        "redis_cpu": (stage.redis_cpu() - redis_cpu) / jobs * 1e6,
    }
