"""What may be done to a job, at each station of its life, and while a worker takes it."""

import asyncio
import random
import threading
import zlib

import pytest
import redis as client
from rq import Queue
from rq.job import Job as RQJob

from app.errors import (
    JobGone,
    RedisUnavailable,
    UnknownJob,
    UnreadableJob,
    WorkerUnreachable,
    WrongStatus,
)
from app.options import JobOptions
from app.queue import control as control_module
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import wait_until, work


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


# Cancel.


@pytest.mark.parametrize(
    "options", [JobOptions(), JobOptions(delay=3600)], ids=["queued", "scheduled"]
)
def test_a_job_that_has_not_begun_is_canceled_and_out_of_its_line(do, enqueue, raw, options):
    job = enqueue(mine.send, options, to="ada")

    canceled = do("cancel", job.id)

    assert (canceled.status, canceled.attempt) == ("canceled", 0)
    assert canceled.ended_at is not None
    assert raw.llen("rq:queue:default") == raw.zcard("rq:scheduled:default") == 0
    assert raw.zrange("rq:canceled:default", 0, -1) == [job.id]


def test_a_deferred_job_is_canceled(do, enqueue, raw, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.lpop("rq:queue:default")
    redis_client.zadd("rq:deferred:default", {job.id: 1})
    set_status(job, redis_client, "deferred")

    assert do("cancel", job.id).status == "canceled"
    assert raw.zcard("rq:deferred:default") == 0


def test_a_canceled_job_is_kept_for_as_long_as_the_service_says(do, enqueue, redis_client):
    job, gone = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")

    do("cancel", job.id, failure_ttl=100)
    assert do("cancel", gone.id, failure_ttl=0).status == "canceled"

    assert 95 <= redis_client.ttl(f"rq:job:{job.id}") <= 100
    assert redis_client.pttl(f"rq:job:{gone.id}") in range(1, 1001)
    kept = Queue("default", connection=redis_client).canceled_job_registry
    assert kept.get_job_ids() == [gone.id, job.id]


@pytest.mark.usefixtures("signals")
def test_a_canceled_job_is_not_run_and_the_others_are(do, enqueue, ask, redis_client):
    job, other = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")
    do("cancel", job.id)

    work(redis_client)

    statuses = [ask(lambda s, i=i: s.lookup.job(i)).status for i in (job.id, other.id)]
    assert statuses == ["canceled", "finished"]


@pytest.mark.parametrize("status", ["started", "finished", "failed", "stopped", "canceled"])
def test_a_job_that_has_begun_or_ended_is_not_canceled(do, enqueue, redis_client, status):
    job = enqueue(mine.send, to="ada")
    set_status(job, redis_client, status)
    before = everything(redis_client)

    with pytest.raises(
        WrongStatus,
        match=f"is {status}, so it cannot be canceled; that needs one of: queued, ",
    ):
        do("cancel", job.id)

    assert everything(redis_client) == before


def test_a_job_that_a_worker_is_just_taking_is_not_canceled(do, enqueue, redis_client):
    job = taken(enqueue(mine.send, to="ada"), redis_client)
    before = everything(redis_client)

    with pytest.raises(WrongStatus, match="is queued and being taken by a worker"):
        do("cancel", job.id)

    assert everything(redis_client) == before


# Retry.


@pytest.mark.usefixtures("signals")
def test_a_failed_job_is_run_again_with_all_its_attempts(do, enqueue, ask, raw, redis_client):
    job = enqueue(mine.flaky, fails=9)
    work(redis_client, "high")

    retried = do("retry", job.id)

    assert (retried.status, retried.attempt, retried.max_attempts) == ("queued", 3, 6)
    assert (retried.started_at, retried.ended_at, retried.error) == (None, None, None)
    assert raw.zcard("rq:failed:high") == 0
    assert raw.ttl(f"rq:job:{job.id}") == -1
    assert retried.enqueued_at > job.enqueued_at

    work(redis_client, "high")
    failed = ask(lambda service: service.lookup.job(job.id))
    assert (failed.status, failed.attempt, failed.max_attempts) == ("failed", 6, 6)

    assert do("retry", job.id).max_attempts == 9


@pytest.mark.usefixtures("signals")
def test_a_job_that_gave_up_is_run_again_with_all_its_attempts(do, enqueue, ask, redis_client):
    job = enqueue(mine.hopeless, after=1)
    work(redis_client)

    retried = do("retry", job.id)
    assert (retried.attempt, retried.max_attempts) == (2, 8)
    work(redis_client)

    failed = ask(lambda service: service.lookup.job(job.id))
    assert (failed.status, failed.attempt) == ("failed", 3)


def test_a_canceled_job_is_queued_again(do, enqueue, raw):
    job = enqueue(mine.flaky, fails=0)
    do("cancel", job.id)

    retried = do("retry", job.id)

    assert (retried.status, retried.position) == ("queued", 0)
    assert (retried.attempt, retried.max_attempts) == (0, 3)
    assert raw.zcard("rq:canceled:high") == 0
    assert raw.lrange("rq:queue:high", 0, -1) == [job.id]
    assert raw.ttl(f"rq:job:{job.id}") == -1


@pytest.mark.parametrize("status", ["queued", "scheduled", "deferred", "started", "finished"])
def test_a_job_that_has_not_ended_badly_is_not_retried(do, enqueue, redis_client, status):
    job = enqueue(mine.send, to="ada")
    set_status(job, redis_client, status)
    before = everything(redis_client)

    with pytest.raises(
        WrongStatus, match="cannot be retried; that needs one of: failed, stopped, canceled"
    ):
        do("retry", job.id)

    assert everything(redis_client) == before


def test_a_job_that_many_retry_at_once_is_queued_once(ask, enqueue, raw):
    job = enqueue(mine.send, to="ada")

    async def many(service):
        await service.control.cancel(job.id)
        return await asyncio.gather(
            *(service.control.retry(job.id) for _ in range(10)), return_exceptions=True
        )

    answers = ask(many)

    assert sum(isinstance(answer, WrongStatus) for answer in answers) == 9
    assert raw.lrange("rq:queue:default", 0, -1) == [job.id]


# Delete.


@pytest.mark.usefixtures("signals")
def test_a_job_that_has_ended_is_deleted_with_all_that_is_kept_of_it(do, enqueue, redis_client):
    finished, failed = enqueue(mine.send, to="ada"), enqueue(mine.hopeless)
    work(redis_client)

    deleted = do("delete", finished.id)
    assert (deleted.status, deleted.result["to"]) == ("finished", "ada")
    assert do("delete", failed.id).error.type == "Hopeless"

    left = {key.decode() for key in redis_client.scan_iter()}
    assert not [key for key in left if finished.id in key or failed.id in key]
    assert not left & {"rq:finished:default", "rq:failed:default", "rq:queue:default"}
    with pytest.raises(JobGone):
        do("delete", finished.id)


@pytest.mark.parametrize(
    "options", [JobOptions(), JobOptions(delay=3600)], ids=["queued", "scheduled"]
)
def test_a_job_that_waits_is_deleted(do, enqueue, redis_client, options):
    job = enqueue(mine.send, options, to="ada")

    assert do("delete", job.id).id == job.id

    assert sorted(redis_client.keys()) == [b"rq:queues", b"task-api:events"]


def test_a_running_job_is_not_deleted(do, started, redis_client):
    before = everything(redis_client)

    with pytest.raises(WrongStatus, match="is started, so it cannot be deleted"):
        do("delete", started.id)

    assert everything(redis_client) == before


def test_a_job_that_a_worker_is_just_taking_is_not_deleted(do, enqueue, redis_client):
    job = taken(enqueue(mine.send, to="ada"), redis_client)
    before = everything(redis_client)

    with pytest.raises(WrongStatus, match="is queued and being taken by a worker"):
        do("delete", job.id)

    assert everything(redis_client) == before


def test_a_job_that_cannot_be_read_is_deleted_all_the_same(do, enqueue, redis_client):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(f"rq:job:{job.id}", "data", zlib.compress(b"cos\nsystem\n(S'true'\ntR."))

    deleted = do("delete", job.id)

    assert (deleted.id, deleted.status, deleted.error.type) == (job.id, "queued", "UnreadableJob")
    assert sorted(redis_client.keys()) == [b"rq:queues", b"task-api:events"]


@pytest.mark.parametrize("action", ["cancel", "retry", "stop"])
def test_nothing_else_is_done_to_a_job_that_cannot_be_read(do, enqueue, redis_client, action):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(f"rq:job:{job.id}", "data", b"broken")
    before = everything(redis_client)

    with pytest.raises(UnreadableJob):
        do(action, job.id)

    assert everything(redis_client) == before


# Stop.


@pytest.mark.parametrize(
    "words", [1, 3], ids=["that it obeys", "that it obeys once it has begun it"]
)
def test_a_running_job_is_stopped_by_a_word_to_its_worker(
    ask, started, redis_client, redis_url, monkeypatch, words
):
    monkeypatch.setattr(control_module, "STOP_AGAIN", 0.05)
    heard = []

    def worker():
        with client.Redis.from_url(redis_url) as own, own.pubsub() as channel:
            channel.subscribe("rq:pubsub:a-worker")
            for message in channel.listen():
                if message["type"] == "subscribe":
                    listening.set()
                else:
                    heard.append(message["data"])
                if len(heard) == words:
                    set_status(started, own, "stopped")
                    return

    listening = threading.Event()
    thread = threading.Thread(target=worker)
    thread.start()
    listening.wait(5)

    stopped = ask(lambda service: service.control.stop(started.id))

    thread.join(5)
    assert stopped.status == "stopped"
    assert heard == [b'{"command": "stop-job", "job_id": "%s"}' % started.id.encode()] * words


def test_a_stop_that_takes_long_is_answered_with_the_job_as_it_stands(
    ask, started, redis_client, monkeypatch
):
    monkeypatch.setattr(control_module, "STOP_IS_SLOW", 0.1)
    with redis_client.pubsub() as channel:
        channel.subscribe("rq:pubsub:a-worker")
        channel.get_message(timeout=1)

        assert ask(lambda service: service.control.stop(started.id)).status == "started"


def test_a_worker_that_does_not_listen_is_told(do, started):
    with pytest.raises(WorkerUnreachable, match="'a-worker'"):
        do("stop", started.id)


@pytest.mark.parametrize(
    "status", ["queued", "scheduled", "deferred", "finished", "failed", "stopped", "canceled"]
)
def test_a_job_that_does_not_run_is_not_stopped(do, started, redis_client, status):
    set_status(started, redis_client, status)
    before = everything(redis_client)

    with pytest.raises(
        WrongStatus, match=f"is {status}, so it cannot be stopped; that needs one of: started"
    ):
        do("stop", started.id)

    assert everything(redis_client) == before


# Whatever is done.

ACTIONS = ["cancel", "retry", "delete", "stop"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("job_id", ["nothing", "a:b", "\ud800"])
def test_a_job_that_never_existed_is_unknown(do, redis_client, action, job_id):
    with pytest.raises(UnknownJob):
        do(action, job_id)

    assert redis_client.keys() == []


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_a_job_that_goes_away_in_between_is_gone(ask, enqueue, redis_client, action):
    job = enqueue(mine.send, to="ada")

    async def scenario(service):
        found = await service.lookup.job(job.id)

        async def as_it_was(_):
            return found

        service.lookup.job = as_it_was
        redis_client.delete(f"rq:job:{job.id}", "rq:queue:default")
        await getattr(service.control, action)(job.id)

    with pytest.raises(JobGone):
        ask(scenario)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_redis_that_is_away_is_told(ask, enqueue, started, proxy, settings, action):
    job = started if action == "stop" else enqueue(mine.send, to="ada")

    async def lose(service):
        found = await service.lookup.job(job.id)

        async def as_it_was(_):
            return found

        service.lookup.job = as_it_was
        proxy.close()
        await getattr(service.control, action)(job.id)

    with pytest.raises(RedisUnavailable):
        ask(lose, redis_url=type(settings.redis_url)(proxy.url))


@pytest.mark.parametrize("action", ["cancel", "delete"])
def test_scripts_that_redis_has_forgotten_are_sent_again(do, enqueue, redis_client, action):
    first, second = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")
    do(action, first.id)
    redis_client.script_flush()

    assert do(action, second.id).id == second.id


# Races with a worker.


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("action", ["cancel", "delete"])
def test_a_job_is_either_taken_out_or_run_and_never_both(
    ask, enqueue, redis_client, action, tmp_path
):
    jobs = [enqueue(mine.touch, path=tmp_path / str(n)) for n in range(40)]
    done, refused = set(), set()

    async def each_in_any_order(service):
        for job in random.sample(jobs, len(jobs)):
            try:
                await getattr(service.control, action)(job.id)
                done.add(job.id)
            except WrongStatus:
                refused.add(job.id)

    thread = threading.Thread(target=lambda: ask(each_in_any_order))
    wait_until(lambda: redis_client.llen("rq:queue:default") == len(jobs))
    thread.start()
    while thread.is_alive():
        work(redis_client)
    thread.join()
    work(redis_client)

    run = {job.id for n, job in enumerate(jobs) if (tmp_path / str(n)).exists()}
    if action == "delete":  # what has ended may be deleted as well
        assert refused <= run
        assert done | run == {job.id for job in jobs}
        assert redis_client.llen("rq:queue:default") == 0
    else:
        assert run == refused
        assert done == {job.id for job in jobs} - run


def test_a_worker_that_takes_a_job_while_it_is_canceled_finds_nothing(ask, enqueue, redis_client):
    jobs = [enqueue(mine.send, to=str(n)) for n in range(100)]
    found = []

    def take():
        while (job_id := redis_client.lpop("rq:queue:default")) is not None:
            found.append(job_id.decode())

    async def cancel_all(service):
        thread = threading.Thread(target=take)
        thread.start()
        answers = await asyncio.gather(
            *(service.control.cancel(job.id) for job in reversed(jobs)), return_exceptions=True
        )
        await asyncio.to_thread(thread.join)
        return [
            job.id
            for job, answer in zip(reversed(jobs), answers, strict=True)
            if not isinstance(answer, WrongStatus)
        ]

    canceled = ask(cancel_all)

    assert sorted(canceled + found) == sorted(job.id for job in jobs)
