"""Both workers on one real Redis: RQ's own, and ours, in this process."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import rq
from rq import Queue
from rq.job import Job as RQJob
from rq.results import Result

from app.options import JobOptions
from app.queue.enqueue import Enqueuer
from app.queue.wire import WireSerializer
from app.settings import Settings
from app.tasks import Task
from tests.worker import processes
from tests.worker.processes import SAMPLES
from worker import Worker

QUEUES = ["high", "default", "low"]

Work = Callable[..., Any]


@pytest.fixture
def worker_settings(tmp_path: Path, redis_url: str) -> Settings:
    """Settings of workers that know the tasks under test."""
    return Settings(
        redis_url=redis_url,
        task_modules=(SAMPLES,),
        activity_log=tmp_path / "activity.jsonl",
        data_dir=tmp_path,
    )


@pytest.fixture
def work_ours(worker_settings: Settings, redis_client: redis.Redis, signals: None) -> Work:
    """Run our worker here until the queues are empty; gives it."""

    def work(queues: list[str] = QUEUES, name: str = "w", **options: Any) -> Worker:
        chosen = worker_settings.model_copy(update=options.pop("settings", {}))
        of_work = {each: options.pop(each) for each in list(options) if each in OF_WORK}
        client = redis.Redis.from_url(worker_settings.redis_dsn)
        worker = Worker(queues, name, connection=client, settings=chosen, **options)
        worker.work(**{"burst": True, **of_work})
        client.close()
        return worker

    return work


class Stock(rq.Worker):
    """RQ's worker, deaf to commands: its ear costs each test a second at the end."""

    def subscribe(self) -> None:
        """Hear nothing."""


OF_WORK = {"burst", "max_jobs", "max_idle_time", "dequeue_strategy", "with_scheduler"}


@pytest.fixture
def work_stock(worker_settings: Settings, redis_client: redis.Redis, signals: None) -> Work:
    """Run RQ's own worker here until the queues are empty; gives it."""

    def work(queues: list[str] = QUEUES, name: str = "w", **options: Any) -> rq.Worker:
        options.pop("settings", None)
        of_work = {each: options.pop(each) for each in list(options) if each in OF_WORK}
        client = redis.Redis.from_url(worker_settings.redis_dsn)
        worker = Stock(queues, name, connection=client, **options)
        worker.work(**{"burst": True, "with_scheduler": True, **of_work})
        client.close()
        return worker

    return work


@pytest.fixture(params=["stock", "ours"])
def work(request: pytest.FixtureRequest) -> Work:
    """Run a worker until the queues are empty: each test of it runs with RQ's own and with ours."""
    chosen: Work = request.getfixturevalue(f"work_{request.param}")
    return chosen


class Line:
    """What a client does with the queues, as RQ has it."""

    def __init__(self, connection: redis.Redis, settings: Settings) -> None:
        self.redis = connection
        self.url = settings.redis_dsn
        self._enqueuer = Enqueuer(settings)

    def queue(self, name: str = "default") -> Queue:
        return Queue(name, connection=self.redis, serializer=WireSerializer)

    def put(self, task: Task[..., Any], *args: Any, **options: Any) -> RQJob:
        """Enqueue a task's call as our API does: positional arguments get their names."""
        bound = task.arguments.parse(*args, **options.pop("kwargs", {}))
        job = self._enqueuer.enqueue(task, bound, JobOptions(**options))
        return self.job(job.id)

    def call(self, function: object, **options: Any) -> RQJob:
        """Enqueue as a plain RQ client does, with RQ's own options."""
        path = (
            function
            if isinstance(function, str)
            else f"tests.worker.sample_tasks.{function.__name__}"
        )  # type: ignore[attr-defined]
        at_front = options.pop("at_front", False)
        queue = self.queue(options.pop("queue", "default"))
        return queue.enqueue_call(path, at_front=at_front, **options)

    def job(self, job_id: str) -> RQJob:
        return RQJob.fetch(job_id, self.redis, WireSerializer)

    def again(self, job: RQJob) -> RQJob:
        return self.job(job.id)

    def result(self, job: RQJob) -> Any:
        """Give what a finished job has returned."""
        found = self.job(job.id)
        latest = found.latest_result()
        assert found.get_status() == "finished", latest and latest.exc_string
        return found.return_value()

    def error(self, job: RQJob) -> str:
        """Give why a failed job has failed."""
        found = self.job(job.id)
        assert found.get_status() == "failed", found.get_status()
        latest = found.latest_result()
        assert latest is not None
        return str(latest.exc_string)

    def kinds(self, job: RQJob) -> list[Result.Type]:
        """Give how each attempt has ended; RQ pickles a `Retry` into some, so none is unpickled."""
        entries = self.redis.xrange(f"rq:results:{job.id}")
        return [Result.Type(int(entry[b"type"])) for _, entry in entries]

    def make_due(self, job: RQJob) -> None:
        """Let what is scheduled be due now."""
        assert self.redis.zadd(f"rq:scheduled:{job.origin}", {job.id: 1}, xx=True, ch=True)

    def waiting(self, name: str = "default") -> list[str]:
        return [each.decode() for each in self.redis.lrange(f"rq:queue:{name}", 0, -1)]

    def has_ended(self, job: RQJob) -> bool:
        return self.again(job).get_status() in {"finished", "failed", "stopped"}

    def workers(self) -> list[str]:
        """Name the registered workers."""
        keys = self.redis.smembers("rq:workers")
        return [key.decode().removeprefix("rq:worker:") for key in keys]

    def states(self) -> set[str | None]:
        """Give the states that the registered workers tell."""
        found = [self.redis.hget(f"rq:worker:{name}", "state") for name in self.workers()]
        return {state and state.decode() for state in found}

    def said(self) -> list[str]:
        """Give what callbacks have said."""
        return [each.decode() for each in self.redis.lrange("said", 0, -1)]


@pytest.fixture
def line(worker_settings: Settings, redis_client: redis.Redis) -> Line:
    """The queues, as a client sees them."""
    return Line(redis_client, worker_settings)


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., Any]]:
    """Start a worker's command, `python worker.py` by default; it is killed with the test."""
    started: list[processes.Program] = []

    def start(*arguments: object, **settings: str) -> processes.Program:
        env = processes.environment(settings.pop("redis_url", redis_url), **settings)
        command = arguments if arguments[:1] == ("-m",) else ("-m", "worker", *arguments)
        started.append(processes.Program(tmp_path, env, *command))
        return started[-1]

    yield start
    for program in started:
        program.send(signal.SIGTERM)  # so that what it has covered is kept
    for program in started:
        program.give_up(1.0)
