"""The jobs that wait."""

from rq import Queue

from app.queue import keys
from tests.doctor.conftest import ago


def test_jobs_for_functions_that_are_no_tasks_are_named(found, put, redis_client):
    put()
    assert found("waiting-jobs").message == "1 looked at, all of them for registered tasks"
    queue = Queue("default", connection=redis_client)
    queue.enqueue("os.getcwd")
    queue.enqueue("os.getcwd")

    assert found("waiting-jobs").message == (
        "jobs wait for functions that are no registered task: os.getcwd (2)"
    )


def test_jobs_that_nobody_can_read_are_counted_and_run_nothing(found, put, redis_client, tmp_path):
    job = put()
    forged = f"cposix\nsystem\n(Vtouch {tmp_path}/forged\ntR."
    redis_client.hset(keys.job(job.id), "data", forged)
    redis_client.rpush(keys.queue(job.queue), "deleted-meanwhile")

    assert found("waiting-jobs").message.startswith("1 waiting jobs are not what this service")
    assert not (tmp_path / "forged").exists()


def test_a_job_that_is_queued_and_in_no_queue_is_found(found, put, redis_client):
    waiting, stuck, new = put(), put(), put()
    for job in (waiting, stuck):
        redis_client.hset(keys.job(job.id), "enqueued_at", ago(120))
    for job in (stuck, new):  # a worker may be taking the new one at this moment
        redis_client.lrem(keys.queue(job.queue), 1, job.id)
    redis_client.sadd(keys.dependents(waiting.id), "other")
    redis_client.set(keys.job("string"), "no hash")

    finding = found("stuck-jobs")

    assert finding.level == "warn"
    assert finding.message.startswith("1 of 4 jobs looked at are queued and stand in no queue, as ")
    assert finding.remedy.startswith(f"redis-cli RPUSH rq:queue:{stuck.queue} {stuck.id}, ")
    redis_client.rpush(keys.queue(stuck.queue), stuck.id)
    assert found("stuck-jobs").level == "ok"
