"""Workers as real processes under RQ's own commands, signals, and a Redis that goes away."""

# ruff: noqa: F811 - the fixtures are those of the workers' tests

import os
import signal
import statistics
import time

import pytest
import redis
from pydantic import SecretStr
from rq import Callback, Retry
from rq.command import send_kill_horse_command, send_shutdown_command, send_stop_job_command
from rq.job import Job as RQJob
from rq.serializers import DefaultSerializer

from app.local.embedded import EmbeddedRedis
from app.local.ports import any_free
from app.queue.wire import WireSerializer
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import Line, line, start, worker_settings  # noqa: F401
from tests.worker.processes import alive, cpu_seconds, wait_until

RQ = ("-m", "rq.cli")
OURS = ("worker", "-w", "worker.Worker", "high", "default", "low")
SLOW = 20.0  # seconds; a slow machine under coverage


@pytest.fixture
def running(start, line, tmp_path):
    """Start a worker, and a job on it that runs until `release` is called."""

    def running(*command, task=sample.wait_for, **options):
        worker = start(*command, **options)
        sign = tmp_path / "sign"
        job = line.put(task, str(sign))
        wait_until((tmp_path / "sign.begun").exists, SLOW)
        return worker, job, sign

    return running


def begun(tmp_path):
    return len((tmp_path / "sign.begun").read_text().split())


# RQ's own commands.


@pytest.mark.parametrize("command", [OURS, ("worker", "high", "default", "low")])
def test_rqs_command_runs_the_jobs_with_our_worker_and_with_its_own(start, line, command):
    jobs = [line.put(sample.add, 1), line.put(sample.add_later, 2, queue="high")]

    worker = start(*RQ, *command)

    wait_until(lambda: all(line.again(job).is_finished for job in jobs), SLOW)
    assert [line.result(job) for job in jobs] == [2, 3]
    assert worker.end() < 5


def test_rqs_pool_runs_our_workers(start, line):
    pool = start(*RQ, "worker-pool", "-w", "worker.Worker", "-n", 2, "high", "default")
    wait_until(lambda: line.redis.scard("rq:workers") == 2, SLOW)
    jobs = [line.put(sample.add, number) for number in range(10)]

    wait_until(lambda: all(line.again(job).is_finished for job in jobs), SLOW)
    pool.send(signal.SIGTERM)

    assert pool.wait() == 0
    assert line.redis.scard("rq:workers") == 0


def test_rqs_worker_beside_ours_shares_the_work(start, line):
    ours, theirs = start(), start(*RQ, "worker", "high", "default", "low")
    wait_until(lambda: line.redis.scard("rq:workers") == 2, SLOW)
    jobs = [line.put(sample.sleep, 0.02) for _ in range(60)]

    wait_until(lambda: all(line.again(job).is_finished for job in jobs), SLOW)

    assert len({line.again(job).worker_name for job in jobs}) == 2
    for worker in (ours, theirs):
        assert worker.end() < 10


def test_rq_info_shows_our_worker_and_what_it_does(running, start, line):
    _, job, sign = running()

    told = start(*RQ, "info")

    assert told.wait() == 0
    assert "0, 1 executing, 0 finished, 0 failed" in told.log
    assert "busy high, default, low" in told.log
    assert "1 workers, " in told.log
    assert line.again(job).is_started
    sign.touch()
    wait_until(lambda: line.again(job).is_finished, SLOW)


def test_rq_suspend_and_resume_hold_for_our_worker(start, line):
    start()
    wait_until(lambda: line.redis.scard("rq:workers") == 1, SLOW)
    assert start(*RQ, "suspend").wait() == 0
    job = line.put(sample.add, 1)
    time.sleep(1)
    assert line.again(job).is_queued

    assert start(*RQ, "resume").wait() == 0

    wait_until(lambda: line.again(job).is_finished, 3)


def test_a_suspended_worker_says_so(start, line):
    worker = start()
    wait_until(lambda: line.redis.scard("rq:workers") == 1, SLOW)
    [key] = line.redis.smembers("rq:workers")
    line.redis.set("rq:suspended", 1)
    line.put(sample.add, 1)

    wait_until(lambda: line.redis.hget(key, "state") == b"suspended", 3)
    assert worker.end() < 1


def test_rq_requeue_runs_failed_jobs_again(start, line):
    job = line.put(sample.fail, "m")
    start()
    wait_until(lambda: line.again(job).is_failed, SLOW)

    assert start(*RQ, "requeue", "--queue", "default", "--all").wait() == 0

    wait_until(lambda: len(line.kinds(job)) == 2 and line.again(job).is_failed, SLOW)


def test_a_stopped_job_becomes_stopped_and_the_next_one_runs(running, line):
    worker, job, _ = running()
    horse, after = worker.horse, line.put(sample.add, 1)

    send_stop_job_command(line.redis, job.id, WireSerializer)

    wait_until(lambda: line.again(job).is_stopped, 2)
    assert job.id in line.queue().failed_job_registry
    assert "JobStopped" in line.again(job).latest_result().exc_string
    wait_until(lambda: line.again(after).is_finished, 2)
    assert not alive(horse)
    assert line.redis.zcard("rq:wip:default") == 0


def test_a_stopped_job_is_not_tried_again_and_tells_its_callback(start, line, tmp_path):
    start()
    sign = tmp_path / "sign"
    job = line.call(
        sample.wait_for,
        kwargs={"path": str(sign)},
        retry=Retry(3, 0),
        on_stopped=Callback(sample.say_stopped),
    )
    wait_until((tmp_path / "sign.begun").exists, SLOW)

    send_stop_job_command(line.redis, job.id, DefaultSerializer)

    wait_until(lambda: line.said() == [f"stopped {job.id}"], SLOW)
    assert line.again(job).is_stopped
    assert begun(tmp_path) == 1


def test_an_isolated_job_can_be_stopped_too(running, line):
    worker, job, _ = running(task=sample.wait_alone)
    after = line.put(sample.add, 1)

    send_stop_job_command(line.redis, job.id, WireSerializer)

    wait_until(lambda: line.again(job).is_stopped, 2)
    wait_until(lambda: line.again(after).is_finished, 2)
    assert not worker.ended


def test_the_stop_of_a_job_that_has_just_ended_does_not_kill_the_next(running, line, tmp_path):
    worker, job, sign = running()
    horse = worker.horse
    [name] = [each.decode().rpartition(":")[2] for each in line.redis.smembers("rq:workers")]
    beside = tmp_path / "next.begun"
    after = line.put(sample.wait_for, str(tmp_path / "next"), str(beside))
    sign.touch()
    wait_until(beside.exists, SLOW)

    line.redis.publish(f"rq:pubsub:{name}", f'{{"command": "stop-job", "job_id": "{job.id}"}}')
    time.sleep(0.5)

    assert alive(horse)
    (tmp_path / "next").touch()
    wait_until(lambda: line.again(after).is_finished, SLOW)
    assert line.result(job) == "seen"


def test_stops_at_every_instant_hit_the_job_that_they_name_or_none(start, line):
    start()
    jobs = [line.put(sample.sleep, 0.01) for _ in range(120)]
    for job in jobs[::3]:
        wait_until(lambda job=job: not line.again(job).is_queued, SLOW)
        found = line.again(job)
        if found.worker_name:
            command = f'{{"command": "stop-job", "job_id": "{job.id}"}}'
            line.redis.publish(f"rq:pubsub:{found.worker_name}", command)

    wait_until(lambda: all(ended(line.again(job)) for job in jobs), SLOW)

    for number, job in enumerate(jobs):
        status = line.again(job).get_status().value
        assert status in ({"finished", "stopped"} if number % 3 == 0 else {"finished"})


def test_kill_horse_loses_the_running_job_alone(running, line):
    worker, job, _ = running()
    after = line.put(sample.add, 1)
    [name] = [each.decode().rpartition(":")[2] for each in line.redis.smembers("rq:workers")]

    send_kill_horse_command(line.redis, name)

    wait_until(lambda: line.again(job).is_failed, 2)
    assert "signal 9 (SIGKILL)" in line.error(job)
    wait_until(lambda: line.again(after).is_finished, 2)
    assert not worker.ended


def test_shutdown_lets_the_running_job_end(running, line):
    worker, job, sign = running()
    [name] = [each.decode().rpartition(":")[2] for each in line.redis.smembers("rq:workers")]

    send_shutdown_command(line.redis, name)
    time.sleep(0.3)
    sign.touch()

    assert worker.wait() == 0
    assert line.result(job) == "seen"


@pytest.mark.parametrize("junk", ["no json", "[1]", '{"command": 7}', "{}", "\x00", '"x"'])
def test_a_worker_that_is_told_nonsense_goes_on(start, line, junk):
    worker = start()
    wait_until(lambda: line.redis.scard("rq:workers") == 1, SLOW)
    [key] = [each.decode().rpartition(":")[2] for each in line.redis.smembers("rq:workers")]
    wait_until(lambda: line.redis.publish(f"rq:pubsub:{key}", junk), SLOW)
    time.sleep(0.1)

    job = line.put(sample.add, 1)

    wait_until(lambda: line.again(job).is_finished, SLOW)
    assert not worker.ended


# The end of a worker.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_ends_within_a_second(start, line, number):
    worker = start()
    wait_until(lambda: b"idle" in states(line), SLOW)

    assert worker.end(number) < 1
    assert worker.wait() == 0


def test_told_to_end_it_lets_its_job_end(running, line):
    worker, job, sign = running()

    worker.send(signal.SIGTERM)
    time.sleep(0.5)
    assert not worker.ended
    sign.touch()

    assert worker.wait() == 0
    assert line.result(job) == "seen"


def test_told_to_end_it_takes_no_further_job(running, line):
    worker, _, sign = running()
    after = line.put(sample.add, 1)

    worker.send(signal.SIGTERM)
    time.sleep(0.2)
    sign.touch()

    assert worker.wait() == 0
    assert line.again(after).is_queued


@pytest.mark.parametrize("task", [sample.wait_for, sample.wait_alone])
def test_a_job_that_does_not_end_in_time_is_put_back_to_the_front(running, line, task):
    worker, job, _ = running(task=task, TASK_API_SHUTDOWN_GRACE="1")
    after = line.put(sample.add, 1)

    assert 1 <= worker.end() < 3

    assert line.waiting() == [job.id, after.id]
    assert line.again(job).is_queued
    assert line.redis.hget(f"rq:job:{job.id}", "crashes") is None
    assert line.redis.zcard("rq:wip:default") == 0


def test_a_job_that_was_put_back_has_all_its_attempts(start, line, tmp_path):
    sign = tmp_path / "sign"
    job = line.call(sample.wait_for, kwargs={"path": str(sign)}, retry=Retry(2, 0))
    worker = start(TASK_API_SHUTDOWN_GRACE="0")
    wait_until((tmp_path / "sign.begun").exists, SLOW)
    worker.end()

    sign.touch()
    start()

    wait_until(lambda: line.again(job).is_finished, SLOW)
    assert line.again(job).retries_left == 2
    assert begun(tmp_path) == 2


def test_told_twice_it_ends_at_once_and_puts_the_job_back(running, line):
    worker, job, _ = running(TASK_API_SHUTDOWN_GRACE="60")
    worker.send(signal.SIGTERM)
    time.sleep(1.1)  # what comes sooner may be one and the same Ctrl-C, passed on

    assert worker.end() < 1

    assert line.waiting() == [job.id]


def test_told_twice_by_mistake_it_lets_its_job_end(running, line):
    worker, job, sign = running()
    worker.send(signal.SIGINT)
    worker.send(signal.SIGINT)
    time.sleep(0.3)
    sign.touch()

    assert worker.wait() == 0
    assert line.result(job) == "seen"


def test_a_signal_to_all_its_processes_is_one_to_the_worker(running, line):
    worker, job, sign = running()

    worker.send_group(signal.SIGTERM)
    time.sleep(0.3)
    assert not worker.ended
    sign.touch()

    assert worker.wait() == 0
    assert line.result(job) == "seen"


def test_a_horse_does_not_outlive_its_supervisor(running, tmp_path):
    worker, _, _ = running()
    horse = worker.horse

    os.kill(worker.pid, signal.SIGKILL)

    wait_until(lambda: not alive(horse), 1)


def test_a_dead_workers_job_is_run_again_by_another(start, line, tmp_path):
    worker = start(TASK_API_TAKEOVER_AFTER="5")
    sign = tmp_path / "sign"
    job = line.call(sample.wait_for, kwargs={"path": str(sign)}, retry=Retry(1, 0))
    wait_until((tmp_path / "sign.begun").exists, SLOW)
    start(TASK_API_TAKEOVER_AFTER="5")
    wait_until(lambda: line.redis.scard("rq:workers") == 2, SLOW)

    worker.send(signal.SIGKILL)
    killed = time.monotonic()

    wait_until(lambda: begun(tmp_path) == 2, 8)
    assert time.monotonic() - killed < 6
    sign.touch()
    wait_until(lambda: line.again(job).is_finished, SLOW)


def test_a_job_that_runs_long_is_not_taken_over(start, line, tmp_path):
    options = {"TASK_API_TAKEOVER_AFTER": "5"}
    start(**options), start(**options)
    sign = tmp_path / "sign"
    job = line.call(sample.wait_for, kwargs={"path": str(sign)}, retry=Retry(1, 0))
    wait_until((tmp_path / "sign.begun").exists, SLOW)

    time.sleep(8)

    assert begun(tmp_path) == 1
    sign.touch()
    wait_until(lambda: line.again(job).is_finished, SLOW)


def test_a_worker_that_stood_still_does_not_record_what_was_taken_from_it(start, line, tmp_path):
    options = {"TASK_API_TAKEOVER_AFTER": "5"}
    first = start(**options)
    sign = tmp_path / "sign"
    job = line.call(sample.wait_for, kwargs={"path": str(sign)}, retry=Retry(1, 0))
    wait_until((tmp_path / "sign.begun").exists, SLOW)
    start(**options)
    first.send_group(signal.SIGSTOP)
    wait_until(lambda: begun(tmp_path) == 2, 15)

    sign.touch()
    wait_until(lambda: line.again(job).is_finished, SLOW)
    first.send_group(signal.SIGCONT)
    first.says("job.result_discarded")

    assert len(line.kinds(job)) == 1
    assert not first.ended


# A Redis that goes away.


@pytest.fixture
def own_redis(tmp_path):
    """A Redis of the test's own, which it may end and start again."""
    server = EmbeddedRedis(tmp_path / "redis", any_free("127.0.0.1"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_line(own_redis, worker_settings):
    client = redis.Redis.from_url(own_redis.url)
    yield Line(client, worker_settings.model_copy(update={"redis_url": SecretStr(own_redis.url)}))
    client.close()


def test_a_worker_goes_on_once_redis_is_back(start, own_redis, own_line):
    worker = start(redis_url=own_redis.url)
    job = own_line.put(sample.add, 1)
    wait_until(lambda: own_line.again(job).is_finished, SLOW)
    for _ in range(2):
        own_redis.stop()
        time.sleep(1)
        own_redis.start()
        job = own_line.put(sample.add, 1)
        wait_until(lambda job=job: own_line.again(job).is_finished, 2)

    wait_until(lambda: own_line.redis.scard("rq:workers") == 1, 5)
    [name] = [each.decode().rpartition(":")[2] for each in own_line.redis.smembers("rq:workers")]
    wait_until(lambda: own_line.redis.publish(f"rq:pubsub:{name}", "{}"), 5)
    assert worker.log.count("horse.waiting_for_redis") <= 2
    assert worker.end() < 5


@pytest.mark.parametrize("task", [sample.wait_for, sample.wait_for_and_fail])
@pytest.mark.parametrize("unusual", [False, True])
def test_a_job_that_ran_while_redis_was_away_is_recorded_once_and_not_run_twice(
    start, own_redis, own_line, tmp_path, task, unusual
):
    sign = tmp_path / "sign"
    worker = start(redis_url=own_redis.url)
    options = {"on_success": Callback(sample.say_success)} if unusual else {}
    job = own_line.call(task, kwargs={"path": str(sign)}, **options)
    wait_until((tmp_path / "sign.begun").exists, SLOW)

    own_redis.stop()
    sign.touch()
    time.sleep(1.5)
    own_redis.start()

    wait_until(lambda: ended(own_line.again(job)), 3)
    time.sleep(0.3)
    if task is sample.wait_for:
        assert own_line.result(job) == "seen"
    else:
        assert "ValueError: seen" in own_line.error(job)
    assert begun(tmp_path) == 1
    assert len(own_line.kinds(job)) == 1
    assert not worker.ended


def test_a_long_job_outlives_an_outage(start, own_redis, own_line, tmp_path):
    sign = tmp_path / "sign"
    options = {"redis_url": own_redis.url, "TASK_API_TAKEOVER_AFTER": "5"}
    start(**options), start(**options)
    job = own_line.put(sample.wait_for, str(sign))
    wait_until((tmp_path / "sign.begun").exists, SLOW)

    own_redis.stop()
    time.sleep(5)  # longer than an execution lives that nobody renews
    own_redis.start()
    time.sleep(4)

    assert begun(tmp_path) == 1
    sign.touch()
    wait_until(lambda: own_line.again(job).is_finished, SLOW)


def test_told_to_end_while_redis_is_away_it_ends(start, own_redis, own_line):
    worker = start(redis_url=own_redis.url)
    wait_until(lambda: b"idle" in states(own_line), SLOW)

    own_redis.stop()
    time.sleep(0.3)

    assert worker.end() < 1
    assert worker.wait() == 0


def test_told_to_end_with_a_result_it_waits_for_redis_as_long_as_it_may(
    start, own_redis, own_line, tmp_path
):
    sign = tmp_path / "sign"
    worker = start(redis_url=own_redis.url, TASK_API_SHUTDOWN_GRACE="5")
    job = own_line.put(sample.wait_for, str(sign))
    wait_until((tmp_path / "sign.begun").exists, SLOW)
    own_redis.stop()
    worker.send(signal.SIGTERM)
    sign.touch()
    time.sleep(1)
    assert not worker.ended

    own_redis.start()

    assert worker.wait(4) == 0
    assert own_line.result(job) == "seen"


def test_told_to_end_with_a_job_while_redis_stays_away_it_ends_all_the_same(
    start, own_redis, own_line, tmp_path
):
    sign = tmp_path / "sign"
    worker = start(redis_url=own_redis.url, TASK_API_SHUTDOWN_GRACE="1")
    job = own_line.call(sample.wait_for, kwargs={"path": str(sign)}, retry=Retry(1, 0))
    wait_until((tmp_path / "sign.begun").exists, SLOW)
    horse = worker.horse
    own_redis.stop()

    assert worker.end() < 3

    assert not alive(horse)
    own_redis.start()
    sign.touch()
    start(redis_url=own_redis.url, TASK_API_TAKEOVER_AFTER="5")
    wait_until(lambda: own_line.again(job).is_finished, SLOW)


@pytest.mark.parametrize("unusual", [False, True])
def test_a_redis_that_hangs_is_waited_for_like_one_that_is_gone(
    start, own_redis, own_line, tmp_path, unusual
):
    sign = tmp_path / "sign"
    worker = start(redis_url=own_redis.url)
    options = {"on_success": Callback(sample.say_success)} if unusual else {}
    job = own_line.call(sample.wait_for, kwargs={"path": str(sign)}, **options)
    wait_until((tmp_path / "sign.begun").exists, SLOW)
    os.kill(own_redis.pid, signal.SIGSTOP)
    sign.touch()
    worker.says("worker.waiting_for_redis")

    os.kill(own_redis.pid, signal.SIGCONT)

    wait_until(lambda: ended(own_line.again(job)), 3)
    assert own_line.result(job) == "seen"
    assert begun(tmp_path) == 1
    after = own_line.put(sample.add, 1)
    wait_until(lambda: own_line.again(after).is_finished, 3)


def test_keys_of_another_type_hold_up_nothing_but_themselves(start, line):
    line.redis.set("rq:scheduled:low", "text")
    line.redis.set("rq:wip:low", "text")
    worker = start(TASK_API_TAKEOVER_AFTER="5")
    worker.says("worker.refused_by_redis")

    job = line.put(sample.add, 1)
    wait_until(lambda: line.again(job).is_finished, SLOW)
    line.redis.delete("rq:scheduled:low", "rq:wip:low")
    later = line.put(sample.add, 1, queue="low", delay=1)

    wait_until(lambda: line.again(later).is_finished, 8)
    assert "waiting_for_redis" not in worker.log
    assert worker.end() < 5


def test_a_worker_whose_redis_was_emptied_is_listed_again(start, line):
    start()
    wait_until(lambda: line.redis.scard("rq:workers") == 1, SLOW)

    line.redis.flushall()

    wait_until(lambda: line.redis.scard("rq:workers") == 1, 5)
    [key] = line.redis.smembers("rq:workers")
    assert line.redis.hget(key, "birth")
    job = line.put(sample.add, 1)
    wait_until(lambda: line.again(job).is_finished, SLOW)


# Idle.


def test_an_idle_worker_uses_next_to_nothing(start, line):
    worker = start()
    wait_until(lambda: b"idle" in states(line), SLOW)
    time.sleep(0.5)
    processes = [worker.pid, worker.horse]
    before, begun = sum(map(cpu_seconds, processes)), time.monotonic()

    time.sleep(4)

    used = sum(map(cpu_seconds, processes)) - before
    assert used / (time.monotonic() - begun) < 0.01, f"{used:.2f} s of a processor"


def test_an_idle_horse_asks_redis_nothing(start, line):
    worker = start()
    wait_until(lambda: b"idle" in states(line), SLOW)
    horse = worker.horse
    time.sleep(0.2)
    with line.redis.monitor() as monitor:
        time.sleep(2.5)
        line.redis.echo("that is all")
        seen = []
        while (command := monitor.next_command())["command"] != "ECHO that is all":
            seen.append(command)

    # Three seconds of a scheduler that looks once in each, and a heartbeat or two.
    asked = [each["command"].split()[0] for each in seen if each["client_type"] != "lua"]
    assert len([command for command in asked if command == "EVALSHA"]) <= 6
    assert set(asked) <= {"EVALSHA", "HELLO", "CLIENT"}
    assert alive(horse)


def test_a_job_on_any_queue_starts_at_once(start, line):
    start()
    wait_until(lambda: b"idle" in states(line), SLOW)
    taken = []
    for number in range(45):
        job = line.call(sample.now, queue=("high", "default", "low")[number % 3])
        pushed = time.time()
        wait_until(lambda job=job: line.again(job).is_finished, SLOW)
        taken.append(line.result(job) - pushed)

    assert statistics.median(taken) < 0.02, f"{statistics.median(taken) * 1000:.1f} ms"


def states(line):
    return {line.redis.hget(key, "state") for key in line.redis.smembers("rq:workers")}


def ended(job: RQJob) -> bool:
    return job.get_status().value in {"finished", "failed", "stopped"}
