"""Jobs that run after others."""

import json

import pytest

from app.options import JobOptions
from tests.queue.accept.conftest import KEY, canceled_because, options
from tests.queue.conftest import work
from tests.queue.tasks_for_tests import send


def test_many_jobs_run_after_one_in_their_order(call, enqueue, raw, ask):
    parent = enqueue(send, to="first")
    many = [send.arguments.parse(to=str(n)) for n in range(5)]

    jobs = call("enqueue_many", send, many, JobOptions(after=parent.id, front=False))

    assert [job.status for job in jobs] == ["deferred"] * 5
    assert [job.args["to"] for job in jobs] == ["0", "1", "2", "3", "4"]
    ask(lambda service: service.control.cancel(parent.id))
    assert [canceled_because(raw, job)[:3] for job in jobs] == ["job"] * 5


@pytest.mark.parametrize("deed", ["cancel", "delete"])
def test_a_parent_that_is_canceled_or_deleted_settles_those_that_wait(deed, enqueue, ask, raw):
    parent = enqueue(send, to="first")
    canceled = enqueue(send, JobOptions(after=parent.id), to="a")
    runs = [enqueue(send, JobOptions(after=parent.id, after_failure="run"), to=n) for n in "bc"]

    ask(lambda service: getattr(service.control, deed)(parent.id))

    assert f"was {deed}" in canceled_because(raw, canceled)
    assert raw.lrange("rq:queue:default", 0, -1) == [job.id for job in runs]
    assert raw.exists(f"rq:job:{parent.id}:dependents") == 0


def test_a_chain_longer_than_a_stack_of_calls_is_canceled_to_its_end(enqueue, ask, raw):
    first = enqueue(send, to="first")
    last = enqueue(send, JobOptions(after=first), to="last")
    record = {"status": "deferred", "origin": "default", "after_failure": "cancel"}
    with raw.pipeline() as pipeline:
        for number in range(7000):
            pipeline.hset(f"rq:job:{number}", mapping=record)
            pipeline.sadd(f"rq:job:{number - 1 if number else last.id}:dependents", number)
            pipeline.zadd("rq:deferred:default", {number: 0})
        pipeline.execute()

    ask(lambda service: service.control.cancel(first.id))

    assert raw.hget("rq:job:6999", "canceled_because").startswith("job 6998, ")
    assert raw.zcard("rq:canceled:default") == 7002


def test_a_job_that_is_canceled_is_not_waited_with_any_more(enqueue, ask, raw):
    parent = enqueue(send, to="first")
    job = enqueue(send, JobOptions(after=parent), to="a")

    ask(lambda service: service.control.cancel(job.id))

    assert raw.exists(f"rq:job:{parent.id}:dependents", f"rq:job::{job.id}:dependencies") == 0


def test_a_job_goes_to_the_front_when_its_turn_has_come(enqueue, raw, redis_client, signals):
    parent = enqueue(send, JobOptions(queue="high"), to="first")
    waiting = enqueue(send, to="waiting")
    urgent = enqueue(send, JobOptions(after=parent, front=True), to="urgent")
    at_once = enqueue(send, JobOptions(front=True), to="at once")
    assert raw.lrange("rq:queue:default", 0, -1) == [at_once.id, waiting.id]

    work(redis_client, "high")

    assert raw.lrange("rq:queue:default", 0, -1) == [urgent.id, at_once.id, waiting.id]


def test_a_replaced_parent_takes_those_with_it_that_wait(enqueue, raw):
    first = enqueue(send, KEY, to="ada")
    waiting = enqueue(send, JobOptions(after=first), to="a")

    enqueue(send, options(key_mode="replace"), to="bob")

    assert first.id in canceled_because(raw, waiting)


def test_the_record_is_what_rq_would_write(enqueue, raw):
    parent = enqueue(send, to="first")
    job = enqueue(send, JobOptions(after=parent, after_failure="run"), to="a")

    names = ("dependency_ids", "dependency_id", "allow_dependency_failures", "status")
    listed, single, may_fail, status = raw.hmget(f"rq:job:{job.id}", *names)
    assert json.loads(listed) == [single] == [parent.id]
    assert (may_fail, status) == ("1", "deferred")
    assert raw.smembers(f"rq:job:{parent.id}:dependents") == {job.id}
    assert raw.smembers(f"rq:job::{job.id}:dependencies") == {parent.id}
    assert raw.zrange("rq:deferred:default", 0, -1) == [job.id]
