"""What a dead horse has left behind, settled; in each of the ways in which it may have died."""

import signal
import time

import pytest
from redis.exceptions import ConnectionError as RedisAway
from rq import Callback

from app.queue.held import Held
from app.worker.aside import Aside
from app.worker.burial import Burial
from app.worker.recovery import Recovery
from app.worker.slot import NOTHING, Doing, Record
from app.worker.stable import End
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import QUEUES
from tests.worker.processes import wait_until
from worker import Worker

KILLED = int(signal.SIGKILL)  # as os.waitpid gives it


@pytest.fixture
def burial(redis_client, worker_settings):
    worker = Worker(QUEUES, "w", connection=redis_client, settings=worker_settings)
    aside = Aside()
    return Burial(worker, Recovery(redis_client, QUEUES, aside), aside)


@pytest.fixture
def die(line, redis_client):
    """Let a job be claimed by worker `w`, and its horse be dead."""

    def die(job, doing=Doing.RUNNING, status=KILLED):
        redis_client.lrem(f"rq:queue:{job.origin}", 1, job.id)
        now = {"status": "started", "started_at": "2026-01-01T00:00:00Z", "worker_name": "w"}
        redis_client.hset(f"rq:job:{job.id}", mapping=now)
        redis_client.zadd(f"rq:wip:{job.origin}", {f"{job.id}:e": time.time() + 100})
        of_worker = {"current_job": job.id, "claimed": job.id, "execution": "e"}
        redis_client.hset("rq:worker:w", mapping=of_worker)
        return End(status, Record(doing, 0.0, 0.0, Held(job.id, "e", job.origin)))

    return die


def test_a_job_that_was_claimed_and_not_begun_is_put_back(burial, die, line):
    job, other = line.put(sample.add, 1), line.put(sample.add, 1)
    end = die(job, Doing.WAITING)

    burial.bury(end)

    assert line.waiting() == [job.id, other.id]
    assert line.redis.hget(f"rq:job:{job.id}", "crashes") is None


def test_a_job_that_was_claimed_while_the_last_was_recorded_is_put_back(burial, die, line):
    last, claimed = line.put(sample.add, 1), line.put(sample.add, 1)
    end = die(last, Doing.RECORDING)
    line.redis.zrem("rq:wip:default", f"{last.id}:e")
    line.redis.hset(f"rq:job:{last.id}", "status", "finished")
    die(claimed)

    burial.bury(end)

    assert line.again(last).get_status() == "finished"
    assert line.waiting() == [claimed.id]


@pytest.mark.parametrize("doing", [Doing.RUNNING, Doing.RECORDING, Doing.HANDING_OVER])
def test_a_job_that_had_begun_is_lost(burial, die, line, doing):
    job = line.put(sample.add, 1)

    burial.bury(die(job, doing))

    assert "signal 9 (SIGKILL)" in line.error(job)


@pytest.fixture
def die_in_mid_stride(line, redis_client):
    """Let a horse die at one job, with another claimed ahead and the end of a third on its way."""
    jobs = [line.put(sample.add, number) for number in range(4)]
    before, running, ahead = jobs[:3]
    for job, execution in ((before, "b"), (running, "r"), (ahead, "a")):
        redis_client.lpop("rq:queue:default")
        redis_client.hset(f"rq:job:{job.id}", mapping={"status": "started", "worker_name": "w"})
        redis_client.zadd("rq:wip:default", {f"{job.id}:{execution}": time.time() + 100})
    of_worker = {"current_job": running.id, "claimed": ahead.id, "execution": "a"}
    redis_client.hset("rq:worker:w", mapping=of_worker)
    record = Record(Doing.RUNNING, 0.0, 0.0, Held(running.id, "r", "default"))
    end = End(KILLED, record, Record(Doing.RECORDING, 0.0, 0.0, Held(before.id, "b", "default")))
    return jobs, end


def test_what_was_claimed_ahead_and_what_had_ended_unheard_run_again(
    burial, die_in_mid_stride, line
):
    (before, running, ahead, last), end = die_in_mid_stride

    burial.bury(end)
    burial.bury(end)  # as it is where Redis was away in the middle of it

    assert "signal 9 (SIGKILL)" in line.error(running)
    assert line.waiting() == [before.id, ahead.id, last.id]
    assert line.redis.hget(f"rq:job:{ahead.id}", "crashes") is None
    assert line.redis.zcard("rq:wip:default") == 0


def test_all_that_a_horse_had_in_hand_goes_back_in_its_order_for_the_worker_ends(
    burial, die_in_mid_stride, line
):
    jobs, end = die_in_mid_stride
    burial.put_back = True

    burial.bury(end)

    assert line.waiting() == [job.id for job in jobs]


def test_an_end_that_has_arrived_is_not_taken_back(burial, die_in_mid_stride, line):
    (before, _, ahead, last), end = die_in_mid_stride
    line.redis.zrem("rq:wip:default", f"{before.id}:b")
    line.redis.hset(f"rq:job:{before.id}", "status", "finished")

    burial.bury(end)

    assert line.again(before).get_status() == "finished"
    assert line.waiting() == [ahead.id, last.id]


def test_a_horse_that_was_at_nothing_leaves_nothing(burial, line):
    burial.bury(End(KILLED, NOTHING))

    assert line.redis.keys("rq:job*") == []


def test_a_stopped_job_is_stopped_and_its_callback_is_told(burial, die, line):
    job = line.call(sample.add, kwargs={"left": 1}, on_stopped=Callback(sample.say_stopped))
    end = die(job)
    burial.stopped = job.id

    burial.bury(end)

    assert line.again(job).get_status() == "stopped"
    assert line.again(job).latest_result().execution_started_at.year == 2026
    wait_until(lambda: line.said() == [f"stopped {job.id}"])


def test_a_stop_is_for_one_job(burial, die, line):
    first, second = line.put(sample.add, 1), line.put(sample.add, 1)
    burial.stopped = first.id
    burial.bury(die(first))

    burial.bury(die(second))

    assert "signal 9 (SIGKILL)" in line.error(second)


def test_a_job_that_ended_before_it_could_be_stopped_stays_as_it_is(burial, die, line):
    job = line.put(sample.add, 1)
    end = die(job)
    line.redis.zrem("rq:wip:default", f"{job.id}:e")
    line.redis.hset(f"rq:job:{job.id}", "status", "finished")
    burial.stopped = job.id

    burial.bury(end)

    assert line.again(job).get_status() == "finished"


def test_a_job_that_was_deleted_while_it_was_stopped_is_forgotten(burial, die, line):
    job = line.put(sample.add, 1)
    end = die(job)
    line.redis.delete(f"rq:job:{job.id}")
    burial.stopped = job.id

    burial.bury(end)

    assert not line.redis.exists(f"rq:job:{job.id}")


def test_a_stopped_job_whose_record_is_broken_fails(burial, die, line):
    job = line.put(sample.add, 1)
    end = die(job)
    line.redis.hset(f"rq:job:{job.id}", "retries_left", "many")
    burial.stopped = job.id

    burial.bury(end)

    assert line.redis.hget(f"rq:job:{job.id}", "status") == b"failed"
    assert line.redis.zcard("rq:wip:default") == 0


def test_a_stop_that_could_not_be_recorded_is_recorded_the_next_time(
    burial, die, line, monkeypatch
):
    job = line.put(sample.add, 1, retries=3)
    end = die(job)
    burial.stopped = job.id
    handle = Worker.handle_job_failure
    monkeypatch.setattr(Worker, "handle_job_failure", lambda *_, **__: None)
    with pytest.raises(RedisAway):
        burial.bury(end)
    assert line.again(job).get_status() == "started"

    monkeypatch.setattr(Worker, "handle_job_failure", handle)
    burial.bury(end)

    assert line.again(job).get_status() == "stopped"


def test_what_was_killed_for_the_end_of_the_worker_is_put_back_though_redis_was_away(
    burial, die, line, monkeypatch
):
    job = line.put(sample.add, 1)
    end = die(job)
    burial.put_back = True
    put_back = Recovery.put_back

    def away(*_):
        raise RedisAway("away")

    monkeypatch.setattr(Recovery, "put_back", away)
    with pytest.raises(RedisAway):
        burial.bury(end)
    monkeypatch.setattr(Recovery, "put_back", put_back)

    burial.bury(end)

    assert line.waiting() == [job.id]


@pytest.mark.parametrize(("overdue", "number"), [(True, signal.SIGKILL), (False, signal.SIGALRM)])
def test_a_job_that_was_late_says_so(burial, die, line, overdue, number):
    job = line.put(sample.add, 1)
    burial.overdue = overdue

    burial.bury(die(job, status=int(number)))

    assert "JobTimeoutException" in line.error(job)


def test_a_lost_job_without_its_data_fails(burial, die, line):
    job = line.put(sample.add, 1)
    end = die(job)
    line.redis.hdel(f"rq:job:{job.id}", "data")

    burial.bury(end)

    assert line.redis.hget(f"rq:job:{job.id}", "status") == b"failed"
    assert line.redis.zcard("rq:wip:default") == 0
