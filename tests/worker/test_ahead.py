"""The next job is claimed while one runs; and it waits behind no long one, whatever happens."""

import os
import random
import signal
import threading
import time
from collections import Counter

import pytest
from rq import Callback

from app.local.sessions import process_state
from app.queue import keys
from app.queue.connection import dedicated
from app.worker import ahead
from app.worker.ahead import HELD_UP, HeldUp, Pace
from app.worker.aside import Aside
from app.worker.heartbeat import Heartbeat
from app.worker.hotline import Hotline
from app.worker.recovery import Recovery
from app.worker.slot import NOTHING, Doing, Record
from app.worker.turn import Turns
from tests.worker import ahead_tasks as tasks
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import QUEUES
from tests.worker.processes import SAMPLES, children, wait_until
from worker import Worker

MODULES = {"task_modules": (SAMPLES, tasks.__name__)}


@pytest.fixture
def brisk(monkeypatch):
    """Let a worker claim ahead from its first job on."""
    monkeypatch.setattr(Pace, "is_brisk", lambda _: True)


@pytest.fixture
def work_briskly(brisk, work_ours):
    def work(**options):
        return work_ours(settings=MODULES | options.pop("settings", {}), **options)

    return work


def statuses(line, job):
    """Give the events of a job, in their order."""
    return [
        event[b"status"].decode()
        for _, event in line.redis.xrange("task-api:events")
        if event[b"job"].decode() == job.id
    ]


# When.


def test_a_worker_claims_ahead_once_jobs_were_short_and_came_without_a_pause(monkeypatch):
    monkeypatch.setattr(ahead, "STEADY", 0.05)
    pace = Pace()
    assert not pace.is_brisk()

    time.sleep(0.06)

    assert pace.is_brisk()
    pace.rested()
    assert not pace.is_brisk()


def test_jobs_that_take_their_time_are_not_claimed_ahead(monkeypatch):
    monkeypatch.setattr(ahead, "STEADY", -1.0)
    pace = Pace()

    for _ in range(20):
        pace.ended(0.0, 0.02)
    assert not pace.is_brisk()
    for _ in range(40):
        pace.ended(0.0, 0.001)

    assert pace.is_brisk()


def test_one_long_job_is_a_pause(monkeypatch):
    monkeypatch.setattr(ahead, "SHORT", 1.0)
    pace = Pace()
    long_ago = time.monotonic() - 10
    pace._steady_since = long_ago
    assert pace.is_brisk()

    now = time.monotonic()
    pace.ended(now - 0.06, now)

    assert not pace.is_brisk()


def test_the_next_job_is_started_while_one_runs_and_the_worker_shows_the_one_that_runs(
    work_briskly, line
):
    first = line.put(tasks.look, line.url)
    second = line.put(tasks.look, line.url)
    last = line.put(sample.add, 1)

    work_briskly()

    seen = line.result(first)
    assert (seen["current_job"], seen["claimed"]) == (first.id, second.id)
    assert seen["started"] == sorted([first.id, second.id])
    seen = line.result(second)
    assert (seen["current_job"], seen["claimed"], seen["state"]) == (second.id, last.id, "busy")
    assert seen["started"] == sorted([second.id, last.id])  # the first has ended meanwhile
    assert line.result(last) == 2
    assert [statuses(line, job)[-2:] for job in (first, second, last)] == [
        ["started", "finished"]
    ] * 3


def test_a_worker_that_is_alone_with_one_job_claims_nothing_ahead(work_ours, line):
    job, after = line.put(sample.sleep, 0.05), line.put(sample.add, 1)

    watched = threading.Thread(target=wait_until, args=(lambda: line.again(job).is_started,))
    watched.start()
    work_ours(burst=True, max_jobs=1)
    watched.join()

    assert statuses(line, after) == ["queued"]


def test_no_more_is_claimed_ahead_than_the_worker_may_run(work_briskly, line):
    jobs = [line.put(sample.add, number) for number in range(4)]

    work_briskly(max_jobs=2)

    assert line.waiting() == [job.id for job in jobs[2:]]
    assert statuses(line, jobs[2]) == ["queued"]


def test_suspended_workers_claim_nothing_ahead(work_briskly, line):
    jobs = [line.put(sample.add, number) for number in range(3)]
    line.redis.set("rq:suspended", 1)

    work_briskly()

    assert line.waiting() == [job.id for job in jobs]


def test_nothing_is_claimed_ahead_from_a_paused_queue_and_the_others_go_on(work_briskly, line):
    line.redis.sadd(keys.PAUSED, "high")
    held = [line.put(sample.add, number, queue="high") for number in range(3)]
    jobs = [line.put(sample.add, number) for number in range(10)]

    work_briskly()

    assert [line.result(job) for job in jobs] == [*range(1, 11)]
    assert line.waiting("high") == [job.id for job in held]
    assert {status for job in held for status in statuses(line, job)} == {"queued"}


# A long job.


def test_what_was_claimed_before_a_pause_goes_back_behind_a_long_job_and_waits(
    work_briskly, line, tmp_path
):
    sign = tmp_path / "sign"
    long, next_one = line.put(sample.wait_for, str(sign)), line.put(sample.add, 1)

    def pause():
        wait_until((tmp_path / "sign.begun").exists, 20)
        line.redis.sadd(keys.PAUSED, "default")
        wait_until(lambda: statuses(line, next_one) == ["queued", "started", "queued"], 5)
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
        wait_until((tmp_path / "sign.begun").exists, 20)
        begun = time.monotonic()
        wait_until(lambda: statuses(line, next_one) == ["queued", "started", "queued"], 5)
        seen.append(time.monotonic() - begun)
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

    seconds, waiting, claimed = seen
    assert seconds < 1  # a tenth of one on a machine that is not busy
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
        running = Record(Doing.RUNNING, time.monotonic() - seconds, 0.0, "r", "e", "default")
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


# The unusual.


def test_a_job_that_fails_harms_neither_the_one_before_nor_the_one_claimed_ahead(
    work_briskly, line
):
    before, failing, after = (
        line.put(sample.add, 1),
        line.put(tasks.then_fail, line.url),
        line.put(sample.add, 2),
    )

    work_briskly()

    assert [line.result(before), line.result(after)] == [2, 3]
    assert "as it was to" in line.error(failing)
    assert [len(line.kinds(job)) for job in (before, failing, after)] == [1, 1, 1]


def test_a_job_that_gets_a_dependent_while_it_runs_is_ended_rqs_way(work_briskly, line):
    line.put(sample.add, 1)
    job = line.put(sample.enqueue_dependent, line.url)
    after = line.put(sample.add, 2)

    work_briskly()

    assert line.result(job) == "child"
    assert line.job("child").return_value() == 2
    assert line.result(after) == 3
    assert [len(line.kinds(each)) for each in (job, after)] == [1, 1]


def test_a_job_that_others_wait_for_is_ended_before_the_next_one_begins(work_briskly, line):
    parent = line.put(sample.add, 1)
    child = line.call(sample.add, kwargs={"left": 1}, depends_on=parent, queue="high")
    after = line.put(sample.now)

    work_briskly()

    assert line.again(child).enqueued_at.timestamp() < line.result(after)
    assert line.result(child) == 2


def test_callbacks_and_isolated_tasks_are_mixed_with_what_is_claimed_ahead(work_briskly, line):
    jobs = []
    for number in range(3):
        jobs += [
            line.put(sample.add, number),
            line.call(sample.add, kwargs={"left": 1}, on_success=Callback(sample.say_success)),
            line.put(sample.which_process_alone),
            line.put(sample.add_later, number),
        ]

    work_briskly()

    for job in jobs:
        line.result(job)
        assert len(line.kinds(job)) == 1
    assert len({line.result(job) for job in jobs[2::4]}) == 3
    assert len(line.said()) == 3
    assert line.redis.keys("rq:execution*") == []


def test_a_renewed_horse_leaves_nothing_behind(work_briskly, line):
    jobs = [line.put(sample.which_process) for _ in range(9)]

    work_briskly(settings={"renew_after_jobs": 3})

    pids = [line.result(job) for job in jobs]
    assert [len(set(pids[start : start + 3])) for start in (0, 3, 6)] == [1, 1, 1]
    assert len(set(pids)) == 3
    assert {tuple(statuses(line, job)) for job in jobs} == {("queued", "started", "finished")}


# Who dies, or is told to end.


def test_a_job_that_kills_its_process_takes_none_with_it(work_briskly, line):
    before, dying, after = (
        line.put(sample.add, 1),
        line.put(tasks.then_die, line.url),
        line.put(sample.add, 2),
    )

    work_briskly()

    assert [line.result(before), line.result(after)] == [2, 3]
    assert "signal 9 (SIGKILL)" in line.error(dying)
    assert line.redis.hget(f"rq:job:{after.id}", "crashes") is None
    assert statuses(line, after) == ["queued", "started", "queued", "started", "finished"]
    assert line.redis.zcard("rq:wip:default") == 0
    assert line.redis.keys("rq:execution*") == []


def test_told_to_end_a_worker_puts_back_what_it_has_claimed_ahead(work_briskly, line):
    job, after = line.put(tasks.then_end_worker, line.url), line.put(sample.add, 1)
    last = line.put(sample.add, 2)

    work_briskly(burst=False)

    line.result(job)
    assert line.waiting() == [after.id, last.id]
    assert line.again(after).get_status() == "queued"
    assert line.redis.zcard("rq:wip:default") == 0


def test_a_lost_connection_loses_no_job_and_runs_none_twice(work_briskly, line):
    jobs = [
        line.put(sample.add, 1),
        line.put(tasks.then_lose_connections, line.url),
        *(line.put(sample.add, number) for number in range(2, 5)),
    ]

    work_briskly()

    for job in jobs:
        line.result(job)
        assert statuses(line, job) == ["queued", "started", "finished"]
    assert line.redis.hget("rq:worker:w", "successful_job_count") == b"5"


@pytest.fixture
def claimed_ahead(redis_client, line, worker_settings):
    """Claim one job, and another ahead of it, as the horse of worker `w`."""
    jobs = [line.put(sample.add, number) for number in range(3)]
    connection = dedicated(redis_client)
    turns = Turns(Hotline(lambda: connection, lambda **_: True), "w", QUEUES, 9)
    running = turns.next(None, None, claim=True).claim
    waiting = turns.next(None, None, claim=True, running=running).claim
    yield jobs, running, waiting
    connection.disconnect()


def test_a_dead_worker_is_no_reason_to_count_a_job_that_it_had_only_claimed_ahead(
    claimed_ahead, line
):
    (first, second, third), _, _ = claimed_ahead
    for entry in line.redis.zrange("rq:wip:default", 0, -1):
        line.redis.zadd("rq:wip:default", {entry: 1})

    Recovery(line.redis, QUEUES, Aside()).take_over()

    assert "its worker died" in line.error(first)
    assert line.waiting() == [second.id, third.id]
    assert line.redis.hget(f"rq:job:{second.id}", "crashes") is None


def test_a_worker_renews_all_that_its_horse_has_in_hand(
    claimed_ahead, line, redis_client, worker_settings
):
    (first, second, _), running, waiting = claimed_ahead
    ended = line.put(sample.add, 9, queue="low")
    redis_client.zadd("rq:wip:low", {f"{ended.id}:x": 5})
    for entry in redis_client.zrange("rq:wip:default", 0, -1):
        redis_client.zadd("rq:wip:default", {entry: 5})
    worker = Worker(QUEUES, "w", connection=redis_client, settings=worker_settings)
    heartbeat = Heartbeat(worker, lease=9)
    heartbeat.registered = True
    redis_client.hset("rq:worker:w", "birth", "2026-01-01T00:00:00Z")

    heartbeat.beat(
        Record(Doing.RUNNING, 0.0, 0.0, *running.names),
        Record(Doing.RECORDING, 0.0, 0.0, ended.id, "x", "low"),
    )

    now = redis_client.time()[0]
    for job, claim in ((first, running), (second, waiting)):
        assert redis_client.zscore("rq:wip:default", f"{job.id}:{claim.execution_id}") > now + 7
    assert redis_client.zscore("rq:wip:low", f"{ended.id}:x") > now + 7


@pytest.mark.parametrize("lease", [9, 72])
def test_a_workers_record_is_there_until_what_it_has_in_hand_is_taken_over(
    redis_client, worker_settings, lease
):
    worker = Worker(QUEUES, "w", connection=redis_client, settings=worker_settings)

    Heartbeat(worker, lease).beat(NOTHING)

    looks = lease / 3  # seconds between two looks at what has expired
    assert redis_client.pttl("rq:worker:w") / 1000 > lease + looks


def test_a_worker_that_has_nothing_in_hand_renews_nothing(redis_client, line, worker_settings):
    worker = Worker(QUEUES, "w", connection=redis_client, settings=worker_settings)

    Heartbeat(worker, lease=9).beat(NOTHING)

    assert redis_client.keys("rq:execution*") == []
    assert b"current_job_working_time" not in redis_client.hgetall("rq:worker:w")


# At random.


JOBS = 6000


def test_horses_and_workers_that_are_killed_in_a_backlog_lose_nothing(start, line):
    """Each job runs at most once more than the kills that hit it explain."""
    rng = random.Random(int(os.environ.get("CHAOS_SEED", "7")))
    options = {"TASK_API_TAKEOVER_AFTER": "5", "TASK_API_LOG_LEVEL": "warning"}
    keys = {line.put(sample.count_run, line.url, f"k{n}").id: f"k{n}" for n in range(JOBS)}
    workers = [start(**options) for _ in range(2)]
    killed, claimed_ahead = [], 0
    while line.redis.llen("rq:queue:default") > JOBS / 10:
        until = time.monotonic() + rng.uniform(0.8, 1.2)
        while time.monotonic() < until:
            claimed_ahead += any(map(has_claimed_ahead, states(line)))
        worker = rng.choice(workers)
        if rng.random() < 0.3:
            worker.send(signal.SIGSTOP)  # so that it has the horse that we note
            wait_until(lambda worker=worker: process_state(worker.pid) == "T")
            killed += children(worker.pid)
            worker.send(signal.SIGKILL)
            worker.wait()
            workers[workers.index(worker)] = start(**options)
        else:
            for horse in children(worker.pid)[:1]:
                killed.append(horse)
                os.kill(horse, signal.SIGKILL)

    wait_until(lambda: line.redis.zcard("rq:finished:default") == JOBS, 60)

    hits = Counter(
        key.decode() for horse in set(killed) if (key := line.redis.get(f"last:{horse}"))
    )
    runs = {key: line.redis.llen(f"runs:{key}") for key in keys.values()}
    assert {key: count for key, count in runs.items() if count > 1 + hits[key]} == {}
    assert line.redis.zcard("rq:wip:default") == 0
    assert killed
    assert claimed_ahead > 10  # else this has tested something else


def states(line):
    return [line.redis.hgetall(key) for key in line.redis.smembers("rq:workers")]


def has_claimed_ahead(state):
    return state.get(b"claimed", b"") not in {b"", state.get(b"current_job")}
