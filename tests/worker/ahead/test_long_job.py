"""What was claimed ahead waits behind no long job."""

import threading
import time

import pytest

from app.queue import keys
from app.queue.connection import dedicated
from app.queue.held import Held
from app.worker import ahead
from app.worker.ahead import HELD_UP, HeldUp
from app.worker.aside import Aside
from app.worker.hotline import Hotline
from app.worker.recovery import Recovery
from app.worker.slot import Doing, Record
from app.worker.turn import Turns
from tests.worker import ahead_tasks as tasks
from tests.worker import sample_tasks as sample
from tests.worker.ahead.conftest import statuses
from tests.worker.fixtures import QUEUES
from tests.worker.processes import wait_until


def test_what_was_claimed_before_a_pause_goes_back_behind_a_long_job_and_waits(
    work_briskly, line, tmp_path
):
    sign = tmp_path / "sign"
    long, next_one = line.put(sample.wait_for, str(sign)), line.put(sample.add, 1)

    def pause():
        wait_until((tmp_path / "sign.begun").exists)
        line.redis.sadd(keys.PAUSED, "default")
        wait_until(lambda: statuses(line, next_one) == ["queued", "started", "queued"])
        sign.touch()

    other = threading.Thread(target=pause)
    other.start()
    work_briskly()
    other.join()

    assert line.result(long) == "seen"
    assert line.waiting() == [next_one.id]
    assert line.again(next_one).get_status() == "queued"


def test_a_long_job_does_not_hold_up_what_was_claimed_ahead_of_it(work_briskly, line, tmp_path):
    sign = tmp_path / "sign"
    long, next_one = line.put(sample.wait_for, str(sign)), line.put(sample.add, 1)
    seen = []

    def be_another_worker():
        wait_until((tmp_path / "sign.begun").exists)
        wait_until(lambda: statuses(line, next_one) == ["queued", "started", "queued"])
        seen.append(line.waiting())
        connection = dedicated(line.redis)
        hotline = Hotline(lambda: connection, lambda **_: True)
        seen.append(Turns(hotline, "other", QUEUES, 9).next(None, None, claim=True).claim.job_id)
        connection.disconnect()
        line.redis.zrem("rq:wip:default", *line.redis.zrange("rq:wip:default", 0, -1)[1:])
        sign.touch()

    other = threading.Thread(target=be_another_worker)
    other.start()
    work_briskly()
    other.join()

    waiting, claimed = seen
    assert waiting == [next_one.id]
    assert claimed == next_one.id
    assert line.again(next_one).worker_name == "other"
    assert line.again(long).worker_name == "w"


def test_a_horse_runs_nothing_that_it_claimed_ahead_of_a_long_job(work_briskly, line, monkeypatch):
    """For its supervisor may be giving it back in this very moment."""
    monkeypatch.setattr(HeldUp, "put_back", lambda _: 1.0)
    long, next_one = line.put(tasks.then_sleep, line.url, 0.1), line.put(sample.add, 1)

    work_briskly()

    assert line.result(long)["claimed"] == next_one.id
    assert line.result(next_one) == 2
    assert statuses(line, next_one) == ["queued", "started", "queued", "started", "finished"]
    assert len(line.kinds(next_one)) == 1


@pytest.fixture
def held_up(redis_client, line):
    """Give what looks after a job that worker `w` has claimed ahead by the call `k`."""
    job = line.put(sample.add, 1)
    redis_client.lpop("rq:queue:default")
    redis_client.hset(f"rq:job:{job.id}", "status", "started")
    redis_client.zadd("rq:wip:default", {f"{job.id}:k": time.time() + 100})
    redis_client.hset("rq:worker:w", mapping={"claimed": job.id, "execution": "k"})

    def held_up(call, seconds):
        running = Record(Doing.RUNNING, time.monotonic() - seconds, 0.0, Held("r", "e", "default"))
        recovery = Recovery(redis_client, QUEUES, Aside())
        return HeldUp("rq:worker:w", recovery, lambda: (call, running))

    held_up.job = job
    return held_up


def test_what_a_job_holds_up_is_put_back_once(held_up, line):
    looks = held_up("k", 0.2)

    looks.put_back()
    line.redis.lpop("rq:queue:default")
    looks.put_back()

    assert statuses(line, held_up.job) == ["queued", "queued"]
    assert line.waiting() == []


@pytest.mark.parametrize(("call", "seconds"), [("k", 0.06), ("", 10.0), ("later", 10.0)])
def test_what_no_job_holds_up_stays_claimed(held_up, line, call, seconds):
    assert held_up(call, seconds).put_back() <= ahead.STEADY

    assert line.waiting() == []
    assert line.redis.zcard("rq:wip:default") == 1


def test_a_call_that_redis_does_not_know_yet_is_looked_at_again(held_up, line):
    looks = held_up("later", 10.0)
    assert looks.put_back() == HELD_UP
    entry = line.redis.zrange("rq:wip:default", 0, -1)[0].decode()
    line.redis.zrem("rq:wip:default", entry)
    line.redis.zadd("rq:wip:default", {entry.replace(":k", ":later"): time.time() + 100})
    line.redis.hset("rq:worker:w", "execution", "later")

    looks.put_back()

    assert line.waiting() == [held_up.job.id]
