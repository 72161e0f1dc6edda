"""Lists: does a page of `GET /jobs` cost the same with a million jobs kept as with a thousand."""

import http.client
import json
import time
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any
from urllib.parse import urlencode

import redis

from app.job_list import JobQuery
from app.queue import keys
from app.queue.job_id import new_job_id
from app.queue.lists.cursor import cursor_at
from app.queue.wire import dumps
from benchmarks.errors import BenchmarkError
from benchmarks.finding import Finding, Ratio, Rounds, Sample, alternate
from benchmarks.scale import Scale
from benchmarks.stage import Stage
from benchmarks.tasks import mail, noop

FEW = 1_000  # jobs kept
FAILED = 40  # of them, in both
OTHERS = 10  # one job in so many is of the other task
PAGE = 50
PAGES = 60  # that one side asks for in a turn
AT_ONCE = 10_000  # jobs in one pipeline of the loading

_DATA = dumps((mail.path, None, (), {"to": "ada@example.com", "subject": "Hello", "body": "It is"}))
_OTHER = dumps((noop.path, None, (), {"number": 1}))

FIRST = "no filter"
OF_A_TASK = f"task={noop.name}"
OF_A_STATUS = "status=failed"
IN_THE_MIDDLE = "by cursor, in the middle"


def ask(scale: Scale) -> Finding:
    """Load two services side by side, one with few jobs and one with many."""
    many_name = f"{scale.backlog:,} jobs"
    with Stage(scale.fsync) as few, Stage(scale.fsync) as many:
        middles = {f"{FEW:,} jobs": load(few.redis, FEW)}
        begun = time.monotonic()
        middles[many_name] = load(many.redis, scale.backlog)
        seconds = time.monotonic() - begun
        callers = {
            name: Caller(stage, middles[name])
            for name, stage in zip(middles, (few, many), strict=True)
        }
        rounds = {
            kind: alternate(
                {name: partial(_turn, caller, kind) for name, caller in callers.items()},
                scale.rounds,
            )
            for kind in (FIRST, OF_A_TASK, OF_A_STATUS, IN_THE_MIDDLE)
        }
    return _finding(rounds, many_name, scale, seconds)


def load(client: redis.Redis, count: int) -> str:
    """Write finished jobs, some of them failed, as they stand after the service; gives a middle id.

    They are written raw: what is measured is how they are read.
    """
    middle = ""
    for start in range(0, count, AT_ONCE):
        ids = [new_job_id() for _ in range(min(AT_ONCE, count - start))]
        with client.pipeline(transaction=False) as pipeline:
            for number, job_id in enumerate(ids, start):
                pipeline.hset(keys.job(job_id), mapping=_fields(number, count))
            of_mail = [each for at, each in enumerate(ids, start) if at % OTHERS]
            of_noop = [each for at, each in enumerate(ids, start) if not at % OTHERS]
            for index, members in (
                (keys.JOBS, ids),
                (keys.jobs_of_task(mail.name), of_mail),
                (keys.jobs_of_task(noop.name), of_noop),
            ):
                pipeline.zadd(index, dict.fromkeys(members, 0))
            failed = [each for at, each in enumerate(ids, start) if _has_failed(at, count)]
            for status, members in (
                ("failed", failed),
                ("finished", [each for each in ids if each not in set(failed)]),
            ):
                if members:
                    line = keys.registry(status, "default")
                    pipeline.zadd(line, dict.fromkeys(members, time.time() + 86_400))
            pipeline.sadd(keys.QUEUES, keys.queue("default"))
            pipeline.execute()
        if start <= count // 2 < start + AT_ONCE:
            middle = ids[count // 2 - start]
    return middle


def _has_failed(number: int, count: int) -> bool:
    return number % (count // FAILED) == 0


def _fields(number: int, count: int) -> dict[Any, Any]:
    now = datetime.now(UTC).replace(tzinfo=None).isoformat() + "Z"
    return {
        "created_at": now,
        "data": _DATA if number % OTHERS else _OTHER,
        "origin": "default",
        "description": mail.name if number % OTHERS else noop.name,
        "status": "failed" if _has_failed(number, count) else "finished",
        "enqueued_at": now,
        "started_at": now,
        "ended_at": now,
    }


class Caller:
    """Asks one service for pages, one after the other, on one connection."""

    def __init__(self, stage: Stage, middle: str) -> None:
        env = stage.env(more={"TASK_API_DASHBOARD": "false"})
        self._stage = stage
        self._process, port = stage.serve("api", "app.main:app", env)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._queries = {
            FIRST: "",
            OF_A_TASK: urlencode({"task": noop.name}),
            OF_A_STATUS: urlencode({"status": "failed", "limit": FAILED}),
            IN_THE_MIDDLE: urlencode({"cursor": cursor_at(middle, JobQuery())}),
        }

    def page(self, kind: str) -> float:
        """Ask for one; gives its seconds."""
        begun = time.perf_counter()
        page = self._ask(self._queries[kind])
        seconds = time.perf_counter() - begun
        wanted = FAILED if kind == OF_A_STATUS else PAGE
        if len(page["jobs"]) != wanted:
            raise BenchmarkError(f"{kind}: a page of {len(page['jobs'])} jobs, not {wanted}")
        return seconds

    def cpu(self) -> tuple[float, float]:
        """Give the CPU seconds so far, of the service and of its Redis."""
        return self._process.cpu_seconds(), self._stage.redis_cpu()

    def _ask(self, query: str) -> dict[str, list[object]]:
        self._connection.request("GET", f"/jobs?{query}" if query else "/jobs")
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchmarkError(f"GET /jobs?{query} answers {answer.status}: {body[:300]!r}")
        page: dict[str, list[object]] = json.loads(body)
        return page


def _turn(caller: Caller, kind: str) -> Sample:
    caller.page(kind)
    cpu, redis_cpu = caller.cpu()
    seconds = sorted(caller.page(kind) for _ in range(PAGES))
    cpu_after, redis_after = caller.cpu()
    return {
        "p50": median(seconds) * 1e3,
        "slowest": seconds[-1] * 1e3,
        "cpu": (cpu_after - cpu) / PAGES * 1e3,
        "redis_cpu": (redis_after - redis_cpu) / PAGES * 1e3,
    }


def _finding(rounds: dict[str, Rounds], many: str, scale: Scale, seconds: float) -> Finding:
    few = f"{FEW:,} jobs"
    return Finding(
        name="lists",
        question=f"Does a page of `GET /jobs` cost the same with {scale.backlog:,} jobs kept?",
        ratios=[
            Ratio(f"{many} / {few}, {kind}", each.ratio(many, few, "p50"), at_most=1.5)
            for kind, each in rounds.items()
        ],
        columns=("p50, ms", "slowest, ms", "CPU of the server, ms", "CPU of Redis, ms"),
        rows={
            f"{kind}, {name}": row
            for kind, each in rounds.items()
            for name, row in each.rows("p50", "slowest", "cpu", "redis_cpu").items()
        },
        rounds=scale.rounds,
        notes=[
            f"A page has {PAGE} jobs, that of the failed ones all {FAILED} that there are.",
            f"One caller, one page after the other. {many} were written in {seconds:.0f} s.",
        ],
    )
