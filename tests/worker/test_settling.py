"""Jobs that wait in vain: the look that settles them, on what RQ's own code leaves behind."""

import threading
import time

import pytest
import redis
import rq
from rq.job import Dependency
from rq.registry import StartedJobRegistry

from app.queue import keys
from app.worker.settling import MOST, Settling
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import QUEUES
from tests.worker.test_after import event_statuses, leftovers, reason, status

REST = 3.0  # seconds between two rounds, as the script has it


@pytest.fixture
def settling(redis_client):
    return Settling(redis_client, QUEUES)


@pytest.fixture
def look(settling, redis_client):
    """Look at all that waits, whether it is due or not."""

    def look():
        redis_client.delete(keys.SETTLING)
        while settling.look() < 1:
            due_now(redis_client)

    return look


def due_now(redis_client):
    """Let the next look at each registry be due, which goes on where the last one stopped."""
    for registry, known in redis_client.hgetall(keys.SETTLING).items():
        redis_client.hset(keys.SETTLING, registry, known.split()[0] + b" 0")


@pytest.fixture
def end(line, redis_client):
    """Let a stock worker's parent process record an end: its horse was killed, or stopped."""

    def end(job, how="failed"):
        redis_client.lrem(f"rq:queue:{job.origin}", 1, job.id)
        worker, stored = rq.Worker(QUEUES, connection=redis_client), line.again(job)
        worker._stopped_job_id = job.id if how == "stopped" else None
        worker.handle_job_failure(stored, line.queue(job.origin), exc_string="Work-horse is gone")
        assert status(line, job) == how

    return end


def family(line, **options):
    """Enqueue a job, one that is canceled should it fail, and one that runs in any case."""
    first = line.put(sample.add, 1, **options)
    canceled = line.put(sample.add, 1, 2, after=first.id)
    run = line.put(sample.add, 1, 2, after=first.id, after_failure="run")
    return first, canceled, run


@pytest.mark.parametrize(("how", "said"), [("failed", "failed"), ("stopped", "was stopped")])
def test_those_that_a_stock_workers_parent_process_has_told_nothing_are_settled(
    look, end, line, how, said
):
    first, canceled, run = family(line)
    after = line.put(sample.add, 1, 2, after=canceled.id)
    end(first, how)
    assert status(line, canceled) == "deferred"

    look()

    assert [status(line, job) for job in (canceled, after, run)] == [
        *("canceled", "canceled", "queued")
    ]
    assert reason(line, canceled) == (
        f"job {first.id}, which it was to run after, {said} (after_failure=cancel)"
    )
    assert line.waiting() == [run.id]
    assert event_statuses(line, after) == ["deferred", "canceled"]
    assert leftovers(line, first, canceled, after) == []
    assert line.redis.zcard("rq:deferred:default") == 0


def test_a_callback_of_a_canceled_one_is_queued_and_that_of_a_stopped_one_too(look, end, line):
    first = line.put(sample.add, 1, callback="https://example.com/first")
    told = line.put(sample.add, 1, after=first.id, callback="https://example.com/told")
    end(first, "stopped")

    look()

    callbacks = [line.redis.hget(f"rq:job:{job.id}", "callbacks").decode() for job in (first, told)]
    assert status(line, told) == "canceled"
    assert sorted(line.waiting()) == sorted(callbacks)
    assert line.redis.hget(f"rq:job:{callbacks[1]}", "status") == b"queued"


def test_what_rqs_own_cleanup_has_failed_settles_those_that_waited_for_it(look, line, redis_client):
    first, canceled, run = family(line)
    redis_client.lrem("rq:queue:default", 1, first.id)
    redis_client.hset(f"rq:job:{first.id}", "status", "started")
    redis_client.zadd("rq:wip:default", {f"{first.id}:gone": 1})
    StartedJobRegistry(queue=line.queue()).cleanup()
    assert (status(line, first), status(line, canceled)) == ("failed", "deferred")

    look()

    assert (status(line, canceled), status(line, run)) == ("canceled", "queued")
    assert line.waiting().count(run.id) == 1


def test_what_a_plain_client_cancels_settles_those_that_waited_for_it(look, line):
    first, canceled, run = family(line)
    line.again(first).cancel()

    look()

    assert (status(line, canceled), status(line, run)) == ("canceled", "queued")
    assert "was canceled" in reason(line, canceled)


@pytest.mark.parametrize("by", ["rq", "expiry"])
def test_a_parent_whose_record_is_gone_is_not_waited_for(look, line, redis_client, by):
    first, canceled, run = family(line, queue="high")
    if by == "rq":
        line.again(first).delete()
    else:
        redis_client.pexpire(f"rq:job:{first.id}", 1)
        time.sleep(0.01)

    look()

    assert (status(line, canceled), status(line, run)) == ("canceled", "queued")
    assert reason(line, canceled) == (
        f"job {first.id}, which it was to run after, was deleted or has expired "
        "(after_failure=cancel)"
    )


def test_one_that_is_gone_decides_nothing_while_another_is_waited_for(
    look, line, redis_client, work_ours
):
    gone, other = line.put(sample.add, 1), line.put(sample.add, 1)
    job = line.put(sample.add, 1, 2, after=[gone.id, other.id])
    line.again(gone).delete()

    look()

    assert status(line, job) == "deferred"
    work_ours()
    assert line.result(job) == 3  # as RQ has it


def test_the_first_one_that_fails_cancels_whatever_else_is_waited_for(look, end, line):
    first, other = line.put(sample.add, 1), line.put(sample.add, 1)
    canceled = line.put(sample.add, 1, after=[other.id, first.id])
    run = line.put(sample.add, 1, after=[other.id, first.id], after_failure="run")
    end(first, "stopped")

    look()

    assert (status(line, canceled), status(line, run)) == ("canceled", "deferred")
    assert leftovers(line, canceled) == []
    end(other, "stopped")
    look()
    assert status(line, run) == "queued"


def test_one_whose_parents_are_lost_waits_for_nothing(look, line, redis_client):
    _, canceled, _ = family(line)
    redis_client.delete(f"rq:job::{canceled.id}:dependencies")
    by_hand = line.queue().create_job("f", status="deferred")
    by_hand.save()
    redis_client.zadd("rq:deferred:default", {by_hand.id: 1})

    look()

    assert (status(line, canceled), status(line, by_hand)) == ("queued", "deferred")


def test_those_whose_parents_go_on_are_left_alone(look, line):
    first, canceled, run = family(line)
    later = line.put(sample.add, 1, delay=600)
    waits = line.put(sample.add, 1, after=[later.id, run.id])

    look()

    assert {status(line, job) for job in (canceled, run, waits)} == {"deferred"}
    assert line.waiting() == [first.id]


def test_a_plain_clients_job_is_queued_only_where_rq_was_to_and_died(look, end, line, monkeypatch):
    monkeypatch.setattr(rq.Queue, "enqueue_dependents", lambda *_, **__: None)  # killed before it
    jobs = {}
    for how in ("failed", "stopped"):
        first = line.put(sample.add, 1)
        for may_fail in (True, False):
            parent = Dependency([first], allow_failure=may_fail)
            jobs[how, may_fail] = line.call(
                sample.add, kwargs={"left": 1}, depends_on=parent, queue="low"
            )
        end(first, how)
    gone = line.put(sample.add, 1)
    jobs["gone", True] = line.call(
        sample.add, kwargs={"left": 1}, depends_on=Dependency([gone], allow_failure=True)
    )
    line.again(gone).delete()

    look()

    queued = [which for which, job in jobs.items() if status(line, job) == "queued"]
    assert queued == [("failed", True)]
    assert line.waiting("low") == [jobs["failed", True].id]
    assert leftovers(line, jobs["failed", True]) == []


def test_a_broken_record_does_not_hold_up_the_others(look, end, line, redis_client):
    first, broken, run = family(line)
    redis_client.hdel(f"rq:job:{broken.id}", "origin")
    redis_client.zadd("rq:deferred:default", {"gone": 1, "odd": 2})
    redis_client.set("rq:job:odd", "no hash")
    redis_client.set("rq:deferred:high", "no registry")
    end(first)

    look()

    assert line.waiting() == [run.id]
    left = redis_client.zrange("rq:deferred:default", 0, -1)
    assert left == [b"odd", broken.id.encode()]


def many(line, redis_client, count, parent, queue="default"):
    """Write so many jobs that wait for another one."""
    ids = [f"{parent}-{queue}-{number}" for number in range(count)]
    with redis_client.pipeline(transaction=False) as pipeline:
        for number, job_id in enumerate(ids):
            fields = {"status": "deferred", "after_failure": "cancel", "origin": queue, "data": "x"}
            pipeline.hset(f"rq:job:{job_id}", mapping=fields)
            pipeline.sadd(f"rq:job:{parent}:dependents", job_id)
            pipeline.sadd(f"rq:job::{job_id}:dependencies", parent)
            pipeline.zadd(f"rq:deferred:{queue}", {job_id: number // 1000})
        pipeline.execute()
    return ids


def test_a_look_reads_no_more_than_it_may_and_goes_on_where_it_stopped(
    settling, line, redis_client
):
    live = line.put(sample.add, 1)
    many(line, redis_client, 5000, live.id)
    gone = many(line, redis_client, 1, "gone")  # wherever it comes in the order
    looks = 1
    while settling.look() <= 1:
        looks += 1
        due_now(redis_client)

    assert status_of(redis_client, gone) == {b"canceled"}
    assert 5000 * 2 / MOST <= looks < 2 * 5000 * 2 / MOST
    assert redis_client.zcard("rq:deferred:default") == 5000


def test_where_many_are_to_be_settled_the_next_look_follows_soon(settling, line, redis_client):
    ids = many(line, redis_client, 2000, "gone") + many(line, redis_client, 300, "gone", "low")
    waits = [settling.look()]
    while redis_client.zcard("rq:deferred:default") + redis_client.zcard("rq:deferred:low"):
        time.sleep(waits[-1])
        waits.append(settling.look())
        assert len(waits) < 100

    assert max(waits[:-1]) < 0.5
    assert status_of(redis_client, ids) == {b"canceled"}


def status_of(redis_client, ids):
    with redis_client.pipeline() as pipeline:
        for job_id in ids:
            pipeline.hget(f"rq:job:{job_id}", "status")
        return set(pipeline.execute())


def test_workers_share_the_looks(settling, end, line, redis_client):
    family(line)
    assert settling.look() == REST
    first, canceled, _ = family(line)
    end(first)

    wait = Settling(redis_client, ["default"]).look()

    assert REST - 1 < wait <= REST
    assert status(line, canceled) == "deferred"
    due_now(redis_client)
    settling.look()
    assert status(line, canceled) == "canceled"


def test_a_clock_that_was_set_back_does_not_keep_anybody_waiting(settling, line, redis_client):
    family(line)
    redis_client.hset(keys.SETTLING, "rq:deferred:default", f"0 {time.time() + 3600}")

    assert settling.look() == REST

    assert float(redis_client.hget(keys.SETTLING, "rq:deferred:default").split()[1]) < (
        time.time() + REST + 1
    )


def test_where_nothing_waits_a_look_leaves_nothing_and_comes_seldom(settling, redis_client):
    redis_client.hset(keys.SETTLING, "rq:deferred:default", "0 1")

    assert settling.look() == REST

    assert redis_client.keys("*") == []


def test_a_worker_in_a_burst_runs_what_was_left_waiting(work_ours, end, line):
    first, canceled, run = family(line)
    end(first, "stopped")

    work_ours()

    assert (status(line, canceled), line.result(run)) == ("canceled", 3)


def test_each_is_settled_once_whoever_comes_first(line, look, redis_client, end):
    """For two seconds, RQ's own code ends jobs, and settles what it may, beside the looks."""
    over, families = time.monotonic() + 2, []
    stop, failures = threading.Event(), []

    def settle():
        mine = Settling(redis_client, QUEUES)
        try:
            while not stop.is_set():
                due_now(redis_client)
                mine.look()
        except redis.RedisError as error:  # for the test to see
            failures.append(error)

    lookers = [threading.Thread(target=settle) for _ in range(2)]
    for each in lookers:
        each.start()
    while (time.monotonic() < over or len(families) < 10) and not failures:
        first, canceled, run = family(line, queue="low")
        may_fail = Dependency([first], allow_failure=True)
        theirs = line.call(sample.add, kwargs={"left": 1}, depends_on=may_fail)
        end(first, "failed" if len(families) % 2 else "stopped")
        families.append((canceled, run, theirs))
    stop.set()
    for each in lookers:
        each.join()
    look()  # for the last of them

    assert failures == []
    waiting = line.waiting()
    for number, (canceled, run, theirs) in enumerate(families):
        assert status(line, canceled) == "canceled"
        assert event_statuses(line, canceled) == ["deferred", "canceled"]
        assert waiting.count(run.id) == 1
        assert waiting.count(theirs.id) == (1 if number % 2 else 0)
