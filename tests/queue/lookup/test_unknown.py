"""What is no job."""

import pytest

from app.errors import UnknownJob
from tests.queue import tasks_for_tests as mine


@pytest.mark.parametrize(
    "job_id", ["nothing", "", "a:dependents", "größe", "a b", "../x", "\ud800", "a\n", "x" * 10_000]
)
def test_what_never_existed_is_unknown(look, job_id):
    with pytest.raises(UnknownJob):
        look(job_id)


def test_rqs_other_keys_are_no_jobs(look, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.sadd(f"rq:job:{job.id}:dependents", "x")

    with pytest.raises(UnknownJob):
        look(f"{job.id}:dependents")


def test_a_hash_that_a_late_heartbeat_has_left_is_no_job(look, redis_client):
    redis_client.hset("rq:job:left", "last_heartbeat", "2030-01-01T00:00:00.000000Z")

    with pytest.raises(UnknownJob):
        look("left")
