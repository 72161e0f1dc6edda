"""RQ's own code where Redis goes away in the middle of it."""

import time

import pytest
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError
from rq import Callback, Queue, Repeat
from rq import Retry as RetryOption
from rq.worker import BaseWorker

from tests.worker import sample_tasks as sample


@pytest.fixture
def break_once(monkeypatch, line):
    """Let a method of RQ's fail the first time, before or after what it does."""

    def break_once(name, *, after=False, error=RedisAway):
        method = getattr(BaseWorker, name)

        def broken(self, *arguments, **options):
            first = line.redis.incr("tries") == 1
            if first and not after:
                raise error("Redis went away")
            answer = method(self, *arguments, **options)
            if first:
                raise error("the answer was lost")
            return answer

        monkeypatch.setattr(BaseWorker, name, broken)

    return break_once


STEPS = ["prepare_job_execution", "handle_execution_ended", "handle_job_success"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_job_in_rqs_way_is_run_and_recorded_once(
    work_ours, line, break_once, tmp_path, step, after
):
    log = tmp_path / "log"
    job = line.call(
        sample.note,
        kwargs={"path": str(log), "word": "once"},
        retry=RetryOption(1, 0),
        on_success=Callback(sample.say_success),
    )
    break_once(step, after=after)

    work_ours()

    assert log.read_text() == "once\n"
    assert line.result(job) == "once"
    assert line.said() == [f"success {job.id} once"]
    assert len(line.kinds(job)) == 1
    assert line.redis.zcard("rq:wip:default") == 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("unusual", [False, True])
def test_a_retry_as_a_result_is_recorded_once(work_ours, line, break_once, after, unusual):
    callback = {"on_success": Callback(sample.say_success)} if unusual else {}
    job = line.call(sample.ask_to_retry, kwargs={"most": 1}, **callback)
    break_once("handle_job_retry", after=after)

    work_ours()

    assert line.result(job) == "done"
    assert line.again(job).number_of_retries == 1
    assert len(line.kinds(job)) == 2


@pytest.mark.parametrize("retry", [None, RetryOption(1, 600)])
@pytest.mark.parametrize("broken", [1, 2])
def test_a_failure_that_rq_could_not_record_is_recorded_in_the_end(
    work_ours, line, monkeypatch, retry, broken
):
    monkeypatch.setattr(
        BaseWorker,
        "handle_job_failure",
        swallow(BaseWorker.handle_job_failure, line, broken),
    )
    job = line.call(sample.fail, kwargs={"message": "m"}, retry=retry)

    work_ours()

    found = line.again(job)
    assert found.get_status() == ("scheduled" if retry else "failed")
    assert line.redis.get("tries") == str(broken + 1).encode()
    assert line.redis.zcard("rq:wip:default") == 0
    assert found.retries_left == (0 if retry else None)


def swallow(method, line, broken):
    """Do nothing for a while, as RQ does after it has logged an error."""

    def handle_job_failure(self, *arguments, **options):
        if line.redis.incr("tries") > broken:
            method(self, *arguments, **options)

    return handle_job_failure


def test_an_answer_that_refuses_fails_the_job_and_is_not_waited_for(work_ours, line, break_once):
    job = line.call(sample.add, kwargs={"left": 1}, on_success=Callback(sample.say_success))
    after = line.put(sample.add, 1)
    break_once("handle_job_success", error=ResponseError)

    work_ours()

    assert "ResponseError" in line.error(job)
    assert line.result(after) == 2


def test_maintenance_fails_no_job_whose_execution_has_expired(work_ours, line):
    """RQ's own would: also live ones, that nobody could renew while Redis was away."""
    job = line.put(sample.add, 1)
    line.redis.lrem("rq:queue:default", 1, job.id)
    line.redis.hset(f"rq:job:{job.id}", "status", "started")
    line.redis.zadd("rq:wip:default", {f"{job.id}:{'a' * 32}": 1})
    line.redis.zadd("rq:finished:default", {"old": 1})
    worker = work_ours()

    worker.clean_registries()

    assert line.again(job).get_status() == "started"
    assert line.redis.zcard("rq:finished:default") == 0


def test_maintenance_forgets_canceled_jobs_that_are_gone_and_no_others(
    work_ours, line, monkeypatch
):
    """RQ's own canceled jobs stay for ever, whatever their score is."""
    monkeypatch.setattr("app.worker.rq_worker.MOST_AT_ONCE", 2)
    kept = line.call(sample.add, kwargs={"left": 1})
    kept.cancel()
    gone = {f"gone{n}": 1 for n in range(5)} | {b"\xff": 1}
    line.redis.zadd("rq:canceled:default", {**gone, "later": time.time() + 60})
    worker = work_ours()

    worker.clean_registries()

    left = line.redis.zrange("rq:canceled:default", 0, -1)
    assert left == [kept.id.encode(), b"later"]


def test_maintenance_is_for_one_worker_at_a_time(work_ours, line):
    line.redis.zadd("rq:finished:default", {"old": 1})
    worker = work_ours()
    line.queue().acquire_maintenance_lock()

    worker.clean_registries()

    assert line.redis.zcard("rq:finished:default") == 1


def test_a_failure_that_rq_can_never_record_is_left_to_whoever_takes_it_over(
    work_ours, line, monkeypatch
):
    monkeypatch.setattr("app.worker.rq_worker.AGAIN", 0.01)
    monkeypatch.setattr(BaseWorker, "handle_job_failure", lambda *_, **__: None)
    job, after = line.call(sample.fail, kwargs={"message": "m"}), line.put(sample.add, 1)

    work_ours()

    assert line.again(job).get_status() == "started"
    assert line.redis.zcard("rq:wip:default") == 1
    assert line.result(after) == 2


def test_a_job_that_others_come_to_wait_for_while_it_is_recorded_is_recorded_whole(
    work_ours, line, monkeypatch
):
    job = line.call(sample.add, kwargs={"left": 1}, repeat=Repeat(1, 600))
    other = line.call(sample.add, kwargs={"left": 2}, depends_on=job)
    enqueue_dependents = Queue.enqueue_dependents

    def enqueue_late(self, parent, *arguments, **options):
        if line.redis.incr("tries") == 1:
            # So what RQ has watched has changed, and it begins anew.
            line.call(sample.add, kwargs={"left": 3}, depends_on=job, job_id="late")
        return enqueue_dependents(self, parent, *arguments, **options)

    monkeypatch.setattr(Queue, "enqueue_dependents", enqueue_late)
    work_ours()

    [(_, ended)] = line.redis.xrange(f"rq:results:{job.id}")
    assert ended[b"execution_id"]
    assert line.redis.zcard("rq:wip:default") == 0
    assert line.redis.keys("rq:execution*") == []
    assert line.again(job).repeats_left == 0
    assert [line.result(each) for each in (other, line.job("late"))] == [3, 4]
