"""What becomes of a second job of a key: it is rejected, it replaces the first, or puts it off."""

import pytest

from app.errors import DuplicateJob
from tests.queue.accept.conftest import KEY, canceled_because, options
from tests.queue.conftest import work
from tests.queue.tasks_for_tests import flaky, send


def events(raw, job):
    return [e["status"] for _, e in raw.xrange("task-api:events") if e["job"] == job.id]


def test_reject_refuses_the_second_and_names_the_first(enqueue, raw):
    first = enqueue(send, options(key_mode="reject"), to="ada")

    with pytest.raises(DuplicateJob) as refused:
        enqueue(send, options(key_mode="reject"), to="bob")

    assert refused.value.facts["first"] == first.id
    assert first.id in str(refused.value)
    assert raw.hget(f"rq:job:{first.id}", "duplicates") is None
    assert raw.zcard("task-api:jobs") == 1


@pytest.mark.parametrize("waits", [{}, {"delay": 60}, {"after": True}])
def test_replace_cancels_the_one_that_waits(waits, enqueue, raw):
    parent = enqueue(send, to="parent")
    waits = {"after": parent.id} if waits.get("after") else waits
    first = enqueue(send, options(**waits), to="ada")

    second = enqueue(send, options(key_mode="replace"), to="bob")

    assert (second.status, second.args["to"]) == ("queued", "bob")
    assert canceled_because(raw, first) == f"job {second.id} of the same key has replaced it"
    assert raw.get("task-api:lock:send:k") == second.id
    assert raw.lrange("rq:queue:default", 0, -1) == [parent.id, second.id]
    assert raw.zcard("rq:scheduled:default") == raw.zcard("rq:deferred:default") == 0
    assert raw.exists(f"rq:job:{parent.id}:dependents") == 0
    assert events(raw, first)[-1] == "canceled"


@pytest.mark.parametrize("mode", [{"key_mode": "replace"}, {"key_mode": "debounce", "delay": 1}])
def test_a_job_that_runs_is_neither_replaced_nor_put_off(mode, enqueue, raw):
    first = enqueue(send, KEY, to="ada")
    raw.lpop("rq:queue:default")  # a worker has taken it, and not yet said so

    with pytest.raises(DuplicateJob):
        enqueue(send, options(**mode), to="bob")

    raw.hset(f"rq:job:{first.id}", "status", "started")
    with pytest.raises(DuplicateJob, match="is started"):
        enqueue(send, options(**mode), to="bob")
    assert raw.zcard("task-api:jobs") == 1
    assert raw.get("task-api:lock:send:k") == first.id


def test_debounce_begins_the_delay_anew_with_the_new_arguments(enqueue, raw, ask):
    first = enqueue(send, options(key_mode="debounce", delay=10, label="old", expires=60), to="ada")

    second = enqueue(
        send,
        options(key_mode="debounce", delay=30, label="new", queue="high", timeout=7),
        to="bob",
    )

    assert second.id == first.id
    assert (second.args["to"], second.duplicates, second.labels) == ("bob", 1, ["new"])
    assert second.created_at == first.created_at
    assert (second.run_at - first.run_at).total_seconds() == pytest.approx(20, abs=2)
    assert second == ask(lambda service: service.lookup.job(first.id))
    assert raw.zcard("rq:scheduled:default") == 0
    assert raw.zrange("rq:scheduled:high", 0, -1) == [first.id]
    assert raw.hget(f"rq:job:{first.id}", "timeout") == "7"
    assert raw.zrange("task-api:jobs", 0, -1) == [first.id]
    assert raw.exists("task-api:jobs:label:old", "task-api:expiring") == 0
    assert raw.keys("rq:job:*") == [f"rq:job:{first.id}"]


def test_a_job_put_off_again_and_again_runs_once(enqueue, raw, redis_client, signals):
    jobs = {enqueue(send, options(key_mode="debounce", delay=5), to=str(n)).id for n in range(20)}
    [job_id] = jobs
    raw.zadd("rq:scheduled:default", {job_id: 1})

    work(redis_client, with_scheduler=True)

    assert raw.hget(f"rq:job:{job_id}", "duplicates") == "19"
    assert raw.zrange("rq:finished:default", 0, -1) == [job_id]


def test_debounce_queued_already_takes_its_place_as_well(enqueue, raw):
    first = enqueue(send, options(key_mode="debounce", delay=5), to="ada")
    raw.zrem("rq:scheduled:default", first.id)
    raw.rpush("rq:queue:default", first.id)
    raw.hset(f"rq:job:{first.id}", "status", "queued")

    second = enqueue(send, options(key_mode="debounce", delay=5), to="bob")

    assert (second.id, second.status) == (first.id, "scheduled")
    assert raw.llen("rq:queue:default") == 0


def test_a_job_that_waits_for_another_attempt_is_replaced_not_overwritten(
    enqueue, raw, redis_client, signals
):
    first = enqueue(flaky, KEY, fails=1)
    raw.hset(f"rq:job:{first.id}", "retry_intervals", "[600, 600]")
    work(redis_client, "high")

    second = enqueue(flaky, options(key_mode="debounce", delay=5), fails=0)

    assert second.id != first.id
    assert "has replaced it" in canceled_because(raw, first)
