"""Jobs that are gone or broken break no list."""

import pickle
import zlib

from app.queue import keys
from tests.queue.lists.conftest import labels


def test_ids_that_are_met_and_gone_are_taken_out_of_the_indexes(many, ids, redis_client):
    jobs = many(5, labels("a"))
    redis_client.delete(*(keys.job(job.id) for job in jobs[1:4]))
    kept = [jobs[4].id, jobs[0].id]

    assert ids(label=("a",), task="send") == kept
    for index in (keys.JOBS, keys.jobs_of_task("send"), keys.jobs_with_label("a")):
        assert [each.decode() for each in redis_client.zrevrange(index, 0, -1)] == kept


def test_a_hash_that_was_written_into_after_it_had_expired_is_no_job(many, ids, redis_client):
    jobs = many(2)
    redis_client.delete(keys.job(jobs[1].id))
    redis_client.hset(keys.job(jobs[1].id), mapping={"status": "finished", "ended_at": "x"})

    assert ids() == [jobs[0].id]


def test_one_broken_job_breaks_no_list(many, whole, redis_client):
    jobs = many(6)

    class Canary:
        def __reduce__(self):
            return exec, ("raise SystemExit",)

    redis_client.hset(keys.job(jobs[0].id), "data", zlib.compress(pickle.dumps(Canary())))
    redis_client.hset(keys.job(jobs[1].id), "created_at", "yesterday")
    redis_client.hset(
        keys.job(jobs[2].id), mapping={"status": "canceled", "canceled_because": b"\xff"}
    )
    redis_client.delete(keys.job(jobs[3].id))
    redis_client.set(keys.job(jobs[3].id), "no hash")
    redis_client.set(keys.results(jobs[4].id), "no stream")

    found = {job.id: job for job in whole()}

    assert list(found) == [jobs[at].id for at in (5, 4, 2, 1, 0)]
    assert found[jobs[0].id].error.type == "UnreadableJob"
    assert (found[jobs[0].id].status, found[jobs[0].id].queue) == ("queued", "default")
    assert "yesterday" in found[jobs[1].id].error.message
    assert found[jobs[2].id].error.message == "�"


def test_a_result_under_a_key_of_another_type_is_told_of_that_job_alone(many, whole, redis_client):
    job, other = many(2)
    redis_client.set(keys.results(job.id), "no stream")

    found = {each.id: each for each in whole()}

    assert found[other.id].error is None
    assert found[job.id].error.type == "UnreadableJob"
    assert "WRONGTYPE" in found[job.id].error.message
