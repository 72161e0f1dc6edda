"""What the tests of explanations share: workers, schedulers and runs, as they are in Redis."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from rq import Queue, SimpleWorker
from rq.job import Job as RQJob
from rq.utils import utcformat

from app.queue import keys
from app.queue.explaining.explain import Explainer

TASKS = "tests.queue.tasks_for_tests"


@pytest.fixture
def explain(ask):
    """Explain a job, as in `explain(job.id)`."""

    def explain(job_id, **changes):
        def question(service):
            settings = service.lookup._settings
            return Explainer(service.client, service.lookup, service.fleet, settings).explain(
                job_id
            )

        return ask(question, **changes)

    return explain


@pytest.fixture
def hire(redis_client):
    """Register a worker as RQ's own does when it starts."""

    def hire(name, *queues, state="idle"):
        worker = SimpleWorker(queues, connection=redis_client, name=name)
        worker.register_birth()
        worker.set_state(state)
        return worker

    return hire


@pytest.fixture
def stock(redis_client):
    return Queue("default", connection=redis_client)


@pytest.fixture
def schedulers(redis_client):
    """Let a scheduler hold the queues, as RQ's lock says it."""
    for queue in ("high", "default", "low"):
        redis_client.set(keys.scheduler_lock(queue), "a-scheduler", ex=60)


@pytest.fixture
def ran(redis_client):
    """Leave the records of a task's jobs that took so many seconds each."""

    def ran(queue, task, *runs):
        begun = datetime(2026, 1, 1, tzinfo=UTC)
        for number, seconds in enumerate(runs):
            job_id = f"{queue}-{task}-{number}"
            facts = {
                "origin": queue,
                "description": task,
                "started_at": utcformat(begun),
                "ended_at": utcformat(begun + timedelta(seconds=seconds)),
            }
            redis_client.hset(keys.job(job_id), mapping=facts)
            redis_client.zadd(keys.registry("finished", queue), {job_id: 4e9})

    return ran


@pytest.fixture
def begin(redis_client, hire):
    """Start a job as a worker does whose name is given, without running it."""

    def begin(job, name="w", lease=60):
        worker = hire(name, job.queue, state="busy")
        redis_client.lrem(keys.queue(job.queue), 1, job.id)
        started = RQJob.fetch(job.id, connection=redis_client)
        worker.prepare_execution(started)
        with redis_client.pipeline() as pipeline:
            started.prepare_for_execution(name, pipeline)
            pipeline.execute()
        renew(redis_client, job, lease)
        return worker

    return begin


def renew(redis_client, job, seconds):
    """Let a job's execution expire so many seconds from now."""
    (entry,) = redis_client.zrange(keys.registry("started", job.queue), 0, -1)
    redis_client.zadd(keys.registry("started", job.queue), {entry: time.time() + seconds})
