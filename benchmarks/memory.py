"""Memory: does the process that executes the jobs grow with their number."""

import time

from benchmarks import bulk
from benchmarks.errors import BenchmarkError
from benchmarks.finding import Finding, Ratio
from benchmarks.process import Process, cpu_seconds, memory
from benchmarks.scale import Scale
from benchmarks.sides import OURS, SIDES
from benchmarks.stage import Stage
from benchmarks.tasks import noop

STEPS = 10
_SECONDS_A_STEP = 300.0
_FLAT = 2.0  # MiB: pages that were shared with the supervisor until they were first written to


def ask(scale: Scale) -> Finding:
    """Let one worker run many no-op jobs, in ten steps."""
    with Stage(scale.fsync) as stage:
        bulk.enqueue_with(stage)
        more = {
            "TASK_API_RENEW_AFTER_JOBS": "1000000000",  # one horse for them all
            "TASK_API_RESULT_TTL": "20",  # Redis need not hold a million results
        }
        worker = stage.run("worker", *SIDES[OURS].command, env=stage.env(more=more))
        step = scale.memory_jobs // STEPS
        bytes_after = {}
        horse = 0
        for number in range(1, STEPS + 1):
            _run(stage, worker, step)
            horse = horse or max(worker.descendants(), key=cpu_seconds)
            if horse not in worker.descendants():
                raise BenchmarkError("the horse was renewed, so its growth is not known")
            bytes_after[number * step] = memory(horse)
    # The second half: what is loaded or cached at its first use is there by then.
    half = STEPS // 2
    first, last = bytes_after[half * step], bytes_after[STEPS * step]
    return Finding(
        name="memory",
        question=f"Does the horse's memory grow over {scale.memory_jobs:,} no-op jobs?",
        ratios=[
            Ratio(
                f"growth from {half * step:,} to {STEPS * step:,} jobs",
                (last - first) / 1_048_576,
                "MiB",
                at_most=_FLAT,
            ),
        ],
        columns=("memory of the horse alone, MiB",),
        rows={f"{jobs:,} jobs": (size / 1_048_576,) for jobs, size in bytes_after.items()},
        notes=["`make bench ARGS='memory --jobs 1000000'` runs a million."],
    )


def _run(stage: Stage, worker: Process, jobs: int) -> None:
    for start in range(0, jobs, bulk.AT_ONCE):
        noop.enqueue_many({"number": 1} for _ in range(min(bulk.AT_ONCE, jobs - start)))
    deadline = time.monotonic() + _SECONDS_A_STEP
    while stage.redis.llen("rq:queue:default") or stage.redis.zcard("rq:wip:default"):
        if not worker.runs or time.monotonic() > deadline:
            raise BenchmarkError(f"the worker does not end its jobs:\n{worker.last_lines()}")
        time.sleep(0.02)
