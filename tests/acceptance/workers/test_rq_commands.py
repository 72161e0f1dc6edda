"""RQ's own commands on our worker: `rq worker`, `rq info`, `rq suspend`, stop, kill, shutdown."""

import signal
import time

import pytest
from rq import Callback, Retry
from rq.command import send_kill_horse_command, send_shutdown_command, send_stop_job_command
from rq.serializers import DefaultSerializer

from app.queue.wire import WireSerializer
from tests.worker import sample_tasks as sample
from tests.worker.processes import SOON, alive, wait_until

RQ = ("-m", "rq.cli")
OURS = ("worker", "-w", "worker.Worker", "high", "default", "low")


@pytest.mark.parametrize("command", [OURS, ("worker", "high", "default", "low")])
def test_rqs_command_runs_the_jobs_with_our_worker_and_with_its_own(start, line, command):
    jobs = [line.put(sample.add, 1), line.put(sample.add_later, 2, queue="high")]

    worker = start(*RQ, *command)

    wait_until(lambda: all(line.again(job).is_finished for job in jobs))
    assert [line.result(job) for job in jobs] == [2, 3]
    assert worker.end() < SOON


def test_rqs_pool_runs_our_workers(start, line):
    pool = start(*RQ, "worker-pool", "-w", "worker.Worker", "-n", 2, "high", "default")
    wait_until(lambda: len(line.workers()) == 2)
    jobs = [line.put(sample.add, number) for number in range(10)]

    wait_until(lambda: all(line.again(job).is_finished for job in jobs))
    pool.send(signal.SIGTERM)

    assert pool.wait() == 0
    assert line.workers() == []


def test_rqs_worker_beside_ours_shares_the_work(start, line):
    ours, theirs = start(), start(*RQ, "worker", "high", "default", "low")
    wait_until(lambda: len(line.workers()) == 2)
    jobs = [line.put(sample.sleep, 0.02) for _ in range(60)]

    wait_until(lambda: all(line.again(job).is_finished for job in jobs))

    assert len({line.again(job).worker_name for job in jobs}) == 2
    for worker in (ours, theirs):
        assert worker.end() < SOON


def test_rq_info_shows_our_worker_and_what_it_does(running, start, line, sign):
    _, job = running()

    told = start(*RQ, "info")

    assert told.wait() == 0
    assert "0, 1 executing, 0 finished, 0 failed" in told.log
    assert "busy high, default, low" in told.log
    assert "1 workers, " in told.log
    assert line.again(job).is_started
    sign.give()
    wait_until(lambda: line.again(job).is_finished)


def test_rq_suspend_and_resume_hold_for_our_worker(start, line):
    start()
    wait_until(line.workers)
    assert start(*RQ, "suspend").wait() == 0
    job = line.put(sample.add, 1)
    time.sleep(1)
    assert line.again(job).is_queued

    assert start(*RQ, "resume").wait() == 0

    wait_until(lambda: line.again(job).is_finished)


def test_a_suspended_worker_says_so(start, line):
    worker = start()
    wait_until(line.workers)
    line.redis.set("rq:suspended", 1)
    line.put(sample.add, 1)

    wait_until(lambda: line.states() == {"suspended"})
    assert worker.end() < SOON


def test_rq_requeue_runs_failed_jobs_again(start, line):
    job = line.put(sample.fail, "m")
    start()
    wait_until(lambda: line.again(job).is_failed)

    assert start(*RQ, "requeue", "--queue", "default", "--all").wait() == 0

    wait_until(lambda: len(line.kinds(job)) == 2 and line.again(job).is_failed)


def test_a_stopped_job_becomes_stopped_and_the_next_one_runs(running, line):
    worker, job = running()
    horse, after = worker.horse, line.put(sample.add, 1)

    send_stop_job_command(line.redis, job.id, WireSerializer)

    wait_until(lambda: line.again(job).is_stopped)
    assert job.id in line.queue().failed_job_registry
    assert "JobStopped" in line.again(job).latest_result().exc_string
    wait_until(lambda: line.again(after).is_finished)
    assert not alive(horse)
    assert line.redis.zcard("rq:wip:default") == 0


def test_a_stopped_job_is_not_tried_again_and_tells_its_callback(start, line, sign):
    start()
    job = line.call(
        sample.wait_for,
        kwargs={"path": sign.path},
        retry=Retry(3, 0),
        on_stopped=Callback(sample.say_stopped),
    )
    wait_until(lambda: sign.begun)

    send_stop_job_command(line.redis, job.id, DefaultSerializer)

    wait_until(lambda: line.said() == [f"stopped {job.id}"])
    assert line.again(job).is_stopped
    assert sign.begun == 1


def test_an_isolated_job_can_be_stopped_too(running, line):
    worker, job = running(task=sample.wait_alone)
    after = line.put(sample.add, 1)

    send_stop_job_command(line.redis, job.id, WireSerializer)

    wait_until(lambda: line.again(job).is_stopped)
    wait_until(lambda: line.again(after).is_finished)
    assert not worker.ended


def test_the_stop_of_a_job_that_has_just_ended_does_not_kill_the_next(
    running, line, tmp_path, sign
):
    worker, job = running()
    horse = worker.horse
    [name] = line.workers()
    beside = tmp_path / "next.begun"
    after = line.put(sample.wait_for, str(tmp_path / "next"), str(beside))
    sign.give()
    wait_until(beside.exists)

    line.redis.publish(f"rq:pubsub:{name}", f'{{"command": "stop-job", "job_id": "{job.id}"}}')
    time.sleep(0.5)

    assert alive(horse)
    (tmp_path / "next").touch()
    wait_until(lambda: line.again(after).is_finished)
    assert line.result(job) == "seen"


def test_stops_at_every_instant_hit_the_job_that_they_name_or_none(start, line):
    start()
    jobs = [line.put(sample.sleep, 0.01) for _ in range(120)]
    for job in jobs[::3]:
        wait_until(lambda job=job: not line.again(job).is_queued)
        found = line.again(job)
        if found.worker_name:
            command = f'{{"command": "stop-job", "job_id": "{job.id}"}}'
            line.redis.publish(f"rq:pubsub:{found.worker_name}", command)

    wait_until(lambda: all(line.has_ended(job) for job in jobs))

    for number, job in enumerate(jobs):
        status = line.again(job).get_status().value
        assert status in ({"finished", "stopped"} if number % 3 == 0 else {"finished"})


def test_kill_horse_loses_the_running_job_alone(running, line):
    worker, job = running()
    after = line.put(sample.add, 1)
    [name] = line.workers()

    send_kill_horse_command(line.redis, name)

    wait_until(lambda: line.again(job).is_failed)
    assert "signal 9 (SIGKILL)" in line.error(job)
    wait_until(lambda: line.again(after).is_finished)
    assert not worker.ended


def test_shutdown_lets_the_running_job_end(running, line, sign):
    worker, job = running()
    [name] = line.workers()

    send_shutdown_command(line.redis, name)
    time.sleep(0.3)
    sign.give()

    assert worker.wait() == 0
    assert line.result(job) == "seen"


@pytest.mark.parametrize("junk", ["no json", "[1]", '{"command": 7}', "{}", "\x00", '"x"'])
def test_a_worker_that_is_told_nonsense_goes_on(start, line, junk):
    worker = start()
    wait_until(line.workers)
    [name] = line.workers()
    wait_until(lambda: line.redis.publish(f"rq:pubsub:{name}", junk))
    time.sleep(0.1)

    job = line.put(sample.add, 1)

    wait_until(lambda: line.again(job).is_finished)
    assert not worker.ended
