"""The keys' names, against those that RQ's own classes make."""

import pytest
from rq import Queue
from rq import Worker as RQWorker
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job as RQJob
from rq.results import get_key
from rq.scheduler import RQScheduler
from rq.suspension import WORKERS_SUSPENDED
from rq.worker_registration import REDIS_WORKER_KEYS

from app.queue import keys


@pytest.fixture
def job(redis_client):
    return RQJob.create("os.getcwd", id="an-id", connection=redis_client, origin="high")


@pytest.fixture
def queue(redis_client):
    return Queue("high", connection=redis_client)


def test_a_jobs_keys_are_rqs_own(job, redis_client):
    execution = Execution("one-run", job.id, connection=redis_client)

    assert keys.job(job.id) == job.key
    assert keys.dependents(job.id) == job.dependents_key
    assert keys.dependencies(job.id) == job.dependencies_key
    assert keys.results(job.id) == get_key(job.id)
    assert keys.executions(job.id) == ExecutionRegistry(job.id, connection=redis_client).key
    assert keys.execution(job.id, "one-run") == execution.key


def test_a_queues_keys_are_rqs_own(queue, redis_client):
    assert keys.queue("high") == queue.key
    assert Queue.redis_queues_keys == keys.QUEUES
    assert {status: keys.registry(status, "high") for status in keys.REGISTRIES} == {
        "started": queue.started_job_registry.key,
        "finished": queue.finished_job_registry.key,
        "failed": queue.failed_job_registry.key,
        "scheduled": queue.scheduled_job_registry.key,
        "deferred": queue.deferred_job_registry.key,
        "canceled": queue.canceled_job_registry.key,
    }


def test_a_workers_keys_are_rqs_own(queue, redis_client):
    worker = RQWorker([queue], connection=redis_client, name="a-worker")

    assert keys.worker("a-worker") == worker.key
    assert keys.worker_channel("a-worker") == worker.pubsub_channel_name
    assert keys.WORKERS == REDIS_WORKER_KEYS
    assert keys.SUSPENDED == WORKERS_SUSPENDED


def test_a_schedulers_keys_are_rqs_own(queue, redis_client):
    scheduler = RQScheduler([queue], connection=redis_client)

    assert keys.scheduler_lock("high") == RQScheduler.get_locking_key("high")
    assert keys.scheduler(scheduler.name) == scheduler.key
