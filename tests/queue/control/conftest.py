"""What is done to a job, the stations that it is brought to, and all that stands in Redis."""

import pytest
from rq.job import Job as RQJob

from tests.queue import tasks_for_tests as mine


@pytest.fixture
def do(ask):
    return lambda action, job_id, **changes: ask(
        lambda service: getattr(service.control, action)(job_id), **changes
    )


@pytest.fixture
def started(enqueue, redis_client):
    """A job that a worker of this name has in hand."""
    job = enqueue(mine.send, to="ada")
    redis_client.lpop("rq:queue:default")
    with redis_client.pipeline() as pipeline:
        RQJob.fetch(job.id, connection=redis_client).prepare_for_execution("a-worker", pipeline)
        pipeline.execute()
    return job


def taken(job, redis_client):
    """Take a job out of its queue as a worker does, which has not come to note it yet."""
    assert redis_client.lpop(f"rq:queue:{job.queue}") == job.id.encode()
    return job


def everything(redis_client):
    """Give all that stands in Redis, to see that nothing has changed."""
    read = {
        b"hash": redis_client.hgetall,
        b"list": lambda key: redis_client.lrange(key, 0, -1),
        b"set": redis_client.smembers,
        b"zset": lambda key: redis_client.zrange(key, 0, -1, withscores=True),
        b"stream": redis_client.xrange,
    }
    return {
        key: (read[redis_client.type(key)](key), redis_client.ttl(key))
        for key in redis_client.scan_iter()
    }


def set_status(job, redis_client, status):
    redis_client.hset(f"rq:job:{job.id}", "status", status)
