"""Jobs that are accepted under conditions: one live job for a key, and others to run after."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from app.errors import (
    DuplicateJob,
    InvalidOptions,
    QueueFull,
    RedisUnavailable,
    UnknownParent,
    WrongStatus,
)
from app.options import JobOptions
from app.queue.enqueue import Enqueuer
from tests.queue.conftest import work
from tests.queue.tasks_for_tests import flaky, send

KEY = JobOptions(key="k")


@pytest.fixture(params=["blocking", "async"])
def call(request, settings):
    """Call the enqueuer as a script does, or as an event loop does: `call("enqueue", …)`."""

    def call(name, *args):
        enqueuer = Enqueuer(settings)
        if request.param == "blocking":
            return getattr(enqueuer, name)(*args)

        async def awaited():
            try:
                return await getattr(enqueuer, f"a{name}")(*args)
            finally:
                await enqueuer.aclose()

        return asyncio.run(awaited())

    return call


def options(**chosen):
    return JobOptions(**{"key": "k", **chosen})


def canceled_because(raw, job):
    assert raw.hget(f"rq:job:{job.id}", "status") == "canceled"
    return raw.hget(f"rq:job:{job.id}", "canceled_because")


def events(raw, job):
    return [e["status"] for _, e in raw.xrange("task-api:events") if e["job"] == job.id]


# One live job for a task and key.


def test_a_second_job_of_a_key_is_the_first_one(enqueue, raw):
    first = enqueue(send, KEY, to="ada")

    second = enqueue(send, KEY, to="bob")

    assert second.id == first.id
    assert (second.args, second.duplicates, second.position) == (first.args, 1, 0)
    assert second.created_at == first.created_at
    assert raw.lrange("rq:queue:default", 0, -1) == [first.id]
    assert raw.zcard("task-api:jobs") == 1
    assert enqueue(send, KEY, to="eve").duplicates == 2


def test_the_first_one_is_given_as_it_stands(enqueue, ask):
    first = enqueue(send, options(delay=60, label="late"), to="ada")

    second = enqueue(send, KEY, to="ada")

    looked_up = ask(lambda service: service.lookup.job(first.id))
    assert second == looked_up
    assert second.status == "scheduled"
    assert second.run_at is not None


def test_another_key_or_another_task_is_another_job(enqueue):
    jobs = [enqueue(send, KEY, to="ada"), enqueue(flaky, KEY, fails=1)]
    jobs.append(enqueue(send, options(key="l"), to="ada"))

    assert len({job.id for job in jobs}) == 3


@pytest.mark.parametrize("ending", ["finishes", "is canceled", "is deleted", "expires", "is gone"])
def test_a_key_is_free_again_once_its_job_has_ended(
    ending, enqueue, ask, raw, redis_client, signals
):
    first = enqueue(send, KEY, to="ada")
    if ending == "finishes":
        work(redis_client)
    elif ending == "is canceled":
        ask(lambda service: service.control.cancel(first.id))
    elif ending == "is deleted":
        ask(lambda service: service.control.delete(first.id))
    elif ending == "expires":
        raw.hset(f"rq:job:{first.id}", "expires_at", 1)
        work(redis_client)
    else:
        raw.delete(f"rq:job:{first.id}")
    assert raw.exists("task-api:lock:send:k") == (ending == "is gone")

    second = enqueue(send, KEY, to="bob")

    assert second.id != first.id
    assert raw.get("task-api:lock:send:k") == second.id


def test_a_job_that_ended_without_a_word_holds_its_key_no_longer(enqueue, raw):
    first = enqueue(send, KEY, to="ada")
    raw.hset(f"rq:job:{first.id}", "status", "stopped")  # as a stock worker records a stop

    assert enqueue(send, KEY, to="bob").id != first.id


def test_a_job_between_two_attempts_holds_its_key(enqueue, raw, redis_client, signals):
    first = enqueue(flaky, KEY, fails=1)
    raw.hset(f"rq:job:{first.id}", "retry_intervals", "[600, 600]")
    work(redis_client, "high")
    assert raw.hget(f"rq:job:{first.id}", "status") == "scheduled"

    assert enqueue(flaky, KEY, fails=0).id == first.id


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


def test_a_job_is_not_retried_by_hand_while_another_has_its_key(enqueue, ask, raw):
    first = enqueue(send, KEY, to="ada")
    ask(lambda service: service.control.cancel(first.id))
    second = enqueue(send, KEY, to="bob")

    with pytest.raises(WrongStatus, match=f"job {second.id} has its key"):
        ask(lambda service: service.control.retry(first.id))

    ask(lambda service: service.control.cancel(second.id))
    assert ask(lambda service: service.control.retry(first.id)).status == "queued"
    assert raw.get("task-api:lock:send:k") == first.id
    assert enqueue(send, KEY, to="eve").id == first.id


def test_of_many_at_once_one_is_enqueued(settings, raw):
    enqueuer = Enqueuer(settings)

    async def flood():
        args = send.arguments.parse(to="ada")
        many = [enqueuer.aaccept(send, args, KEY) for _ in range(200)]
        accepted = await asyncio.gather(*many)
        await enqueuer.aclose()
        return accepted

    with ThreadPoolExecutor(4) as pool:
        accepted = [
            each for part in pool.map(lambda _: asyncio.run(flood()), range(4)) for each in part
        ]

    assert len({each.job.id for each in accepted}) == 1
    assert sum(each.is_new for each in accepted) == 1
    assert raw.llen("rq:queue:default") == 1
    assert raw.hget(f"rq:job:{accepted[0].job.id}", "duplicates") == "799"


def test_many_jobs_have_no_key_in_common(settings, raw):
    enqueuer = Enqueuer(settings)

    with pytest.raises(InvalidOptions) as refused:
        enqueuer.enqueue_many(send, [send.arguments.parse(to="ada")], KEY)

    assert refused.value.facts["errors"][0]["type"] == "one_key_for_many"
    assert raw.dbsize() == 0


# Jobs that run after others.


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


# Refusals leave nothing.


def test_a_full_queue_refuses_without_a_trace(settings, raw):
    small = settings.model_copy(update={"max_queue_length": 1})
    enqueuer = Enqueuer(small)
    args = send.arguments.parse(to="ada")
    enqueuer.enqueue(send, args, JobOptions())
    before = raw.dbsize()

    for _ in range(2):
        with pytest.raises(QueueFull):
            enqueuer.enqueue(send, args, KEY)

    assert raw.dbsize() == before
    assert enqueuer.enqueue(send, args, options(delay=5)).status == "scheduled"


def test_a_missing_parent_refuses_without_a_trace(enqueue, raw):
    with pytest.raises(UnknownParent):
        enqueue(send, options(after="gone"), to="ada")

    assert raw.dbsize() == 0


def test_what_a_failed_command_leaves_behind_is_taken_back(call, raw):
    raw.set("rq:queue:default", "no list")

    with pytest.raises(RedisUnavailable) as failed:
        call("enqueue", send, send.arguments.parse(to="ada"), KEY)

    assert "WRONGTYPE" in str(failed.value)
    assert raw.keys("rq:job:*") == []
    assert raw.exists("task-api:jobs", "task-api:lock:send:k") == 0


def test_a_redis_that_has_forgotten_the_script_is_told_it_again(settings, raw):
    enqueuer = Enqueuer(settings)
    args = send.arguments.parse(to="ada")

    async def twice():
        first = await enqueuer.aaccept(send, args, KEY)
        raw.script_flush()
        second = await enqueuer.aaccept(send, args, KEY)
        await enqueuer.aclose()
        return first, second

    first, second = asyncio.run(twice())

    assert (first.is_new, second.is_new) == (True, False)
    assert second.job.duplicates == 1


def test_a_plain_job_is_written_as_before(enqueue, raw):
    raw.config_resetstat()
    enqueue(send, JobOptions(label="a", front=True, expires=9), to="ada")

    assert not {"cmdstat_eval", "cmdstat_evalsha"} & set(raw.info("commandstats"))


# What cannot go together.


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires": 5, "delay": 5},
        {"after": "a", "delay": 5},
        {"after": "a", "run_at": "2030-01-01T00:00:00Z"},
        {"after_failure": "run"},
        {"key_mode": "reject"},
        {"key": "k", "key_mode": "debounce"},
        {"key": "k", "key_mode": "debounce", "run_at": "2030-01-01T00:00:00Z"},
        {"after": [str(n) for n in range(101)]},
        {"after": ["not an id"]},
        {"key": ""},
        {"key": "a\nb"},
        {"label": ""},
    ],
)
def test_options_that_do_not_fit_together_are_refused(wrong):
    with pytest.raises(ValidationError):
        JobOptions(**wrong)


def test_one_name_or_job_stands_for_a_list_of_one(enqueue):
    job = enqueue(send, to="ada")

    assert JobOptions(label="a", after=job) == JobOptions(label=["a", "a"], after=[job.id])


def test_a_job_that_would_expire_before_its_time_is_refused(enqueue, raw):
    with pytest.raises(InvalidOptions) as refused:
        enqueue(send, JobOptions(run_at="2035-01-01T00:00:00Z", expires=60), to="ada")

    assert refused.value.facts["errors"][0]["loc"] == ["query", "expires"]
    assert raw.dbsize() == 0


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
