"""The processes that run the jobs: how they die, are renewed, and are kept apart."""

import gc
import os
import select
import signal
import threading
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from rq import Callback
from rq import Retry as RetryOption
from rq.job import Dependency
from rq.webhook import Webhook

from app.worker import supervisor
from app.worker.slot import Slot
from app.worker.supervisor import Supervisor
from tests.worker import sample_tasks as sample
from tests.worker.processes import SOON, alive, wait_until

DEATHS = [
    (sample.segfault, (), "signal 11 (SIGSEGV)"),
    (sample.die, (signal.SIGKILL,), "signal 9 (SIGKILL)"),
    (sample.die, (signal.SIGRTMIN + 3,), f"signal {signal.SIGRTMIN + 3} (no name)"),
    (sample.exit_hard, (3,), "exit code 3"),
    # The horse's own codes mean nothing while a job runs.
    (sample.exit_hard, (0,), "exit code 0"),
    (sample.exit_hard, (81,), "exit code 81"),
]


@pytest.mark.parametrize(("task", "arguments", "cause"), DEATHS)
def test_a_job_that_kills_its_process_fails_alone_with_the_reason(
    work_ours, line, task, arguments, cause
):
    before, job = line.put(sample.add, 1), line.put(task, *arguments)
    after = line.put(sample.add, 2)

    work_ours()

    assert f"WorkerLost: WorkHorseTerminated: the process that ran the job ended with {cause}" in (
        line.error(job)
    )
    assert [line.result(before), line.result(after)] == [2, 3]
    assert line.redis.zcard("rq:wip:default") == 0
    assert line.redis.keys("rq:execution*") == []


def test_a_job_that_asks_for_too_much_memory_fails_alone(work, line):
    job, after = line.put(sample.take_all_memory), line.put(sample.add, 1)

    work()

    assert "MemoryError" in line.error(job)
    assert line.result(after) == 2


def test_a_crash_counts_as_an_attempt(work, line):
    job = line.call(sample.exit_hard, kwargs={"code": 3}, retry=RetryOption(1, 0))

    work()

    assert line.error(job)
    assert line.again(job).retries_left == 0


def test_a_job_that_crashes_three_times_fails_though_attempts_are_left(work_ours, line):
    job = line.call(sample.exit_hard, kwargs={"code": 3}, retry=RetryOption(10, 0))

    work_ours()

    assert "exit code 3, as 2 workers did before that ran it" in line.error(job)
    assert line.redis.hget(f"rq:job:{job.id}", "crashes") == b"3"
    gave_up = line.redis.hget(f"rq:job:{job.id}", "gave_up")
    assert gave_up == b"its process had died 3 times"


def test_a_crash_while_the_result_is_recorded_counts_as_a_crash(work_ours, line, monkeypatch):
    monkeypatch.setattr("app.worker.turn.dumps", lambda value: os._exit(9))
    job = line.call(sample.add, kwargs={"left": 1}, retry=RetryOption(10, 0))

    work_ours()

    assert "exit code 9, as 2 workers did before that ran it" in line.error(job)


def test_a_crash_while_the_job_is_read_counts_as_a_crash(work_ours, line, monkeypatch):
    monkeypatch.setattr("app.worker.assignment.load_call", lambda raw: os._exit(9))
    job = line.call(sample.add, kwargs={"left": 1}, retry=RetryOption(10, 0))

    work_ours()

    assert "exit code 9, as 2 workers did before that ran it" in line.error(job)


def test_the_death_of_a_horse_wakes_its_supervisor_at_once(work_ours, line, monkeypatch):
    def wait_for_no_tick(readable, *others):
        found = select.select(readable, *others[:2], 60)
        assert found[0], "nothing has woken it"
        return found

    for _ in range(5):
        line.put(sample.die, signal.SIGKILL)
    last = line.put(sample.add, 1)
    with monkeypatch.context() as patch:
        patch.setattr(supervisor, "select", SimpleNamespace(select=wait_for_no_tick))
        work_ours()

    assert line.result(last) == 2


def test_a_horse_that_breaks_at_its_start_is_not_replaced_without_end(work_ours, line, monkeypatch):
    started = []

    def break_once(*arguments):
        started.append(time.monotonic())
        monkeypatch.undo()
        raise RuntimeError("no horse")

    line.put(sample.add, 1)
    monkeypatch.setattr("app.worker.worker.Horse", break_once)
    begun = time.monotonic()

    ender = threading.Timer(1.4, os.kill, (os.getpid(), signal.SIGTERM))
    ender.start()
    work_ours(burst=False)
    ender.join()

    assert 1 < time.monotonic() - begun < 30
    assert len(line.waiting()) == 1


def test_a_lost_job_tells_its_failure_callback_webhooks_and_dependents(work_ours, line):
    job = line.call(
        sample.exit_hard,
        kwargs={"code": 3},
        on_failure=Callback(sample.say_failure),
        webhooks=[Webhook("http://127.0.0.1:9/", "failed", timeout=1)],
    )
    child = line.call(
        sample.add, kwargs={"left": 1}, depends_on=Dependency([job], allow_failure=True)
    )

    work_ours()

    wait_until(line.said)
    assert line.said() == [f"failure {job.id} AbandonedJobError"]
    assert line.result(child) == 2


def test_a_callback_that_crashes_harms_nobody(work_ours, line):
    job = line.call(
        sample.exit_hard, kwargs={"code": 3}, on_failure=Callback(sample.crash_in_callback)
    )
    after = line.put(sample.add, 1)

    work_ours()

    assert "exit code 3" in line.error(job)
    assert line.result(after) == 2


def test_a_success_callback_that_crashes_loses_its_job_alone(work_ours, line):
    job = line.call(sample.add, kwargs={"left": 1}, on_success=Callback(sample.crash_in_callback))
    after = line.put(sample.add, 1)

    work_ours()

    assert "signal 9 (SIGKILL)" in line.error(job)
    assert line.result(after) == 2


def test_jobs_share_a_warm_process(work_ours, line):
    jobs = [line.put(sample.which_process) for _ in range(5)]

    work_ours()

    [pid] = {line.result(job) for job in jobs}
    assert pid != os.getpid()


def test_the_process_is_renewed_after_a_number_of_jobs(work_ours, line):
    jobs = [line.put(sample.which_process) for _ in range(6)]

    work_ours(settings={"renew_after_jobs": 2})

    pids = [line.result(job) for job in jobs]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4] == pids[5]


def test_the_process_is_renewed_once_it_has_grown(work_ours, line, monkeypatch):
    monkeypatch.setattr("app.worker.horse.MEMORY_LOOKS", 0.0)
    first, second = line.put(sample.grow, 64), line.put(sample.which_process)

    work_ours(settings={"renew_after_growth": 32 * 1_048_576})

    assert line.result(first) != line.result(second)


def test_a_process_that_grows_a_little_with_each_job_is_renewed_before_it_is_far_too_large(
    work_ours, line
):
    jobs = [line.put(sample.grow, 8) for _ in range(60)]

    work_ours(settings={"renew_after_growth": 32 * 1_048_576})

    most = max(Counter(line.result(job) for job in jobs).values())
    assert most < 40  # of 8 MiB each; a look comes within some milliseconds


def test_an_isolated_task_has_a_process_of_its_own_for_each_job(work_ours, line):
    alone = [line.put(sample.which_process_alone) for _ in range(2)]
    between = line.put(sample.which_process)
    last = line.put(sample.which_process_alone)

    work_ours()

    pids = [line.result(job) for job in (*alone, between, last)]
    assert len(set(pids)) == 4
    assert not any(alive(pid) for pid in pids)


def test_the_processes_that_came_and_went_leave_nothing_in_the_supervisor(work_ours, line):
    line.put(sample.which_process_alone)
    work_ours()
    frozen = gc.get_freeze_count()  # is never collected

    for _ in range(3):
        line.put(sample.which_process_alone)
    work_ours()

    assert 0 < gc.get_freeze_count() <= frozen


def test_an_isolated_task_that_dies_fails_alone(work_ours, line):
    job, after = line.put(sample.die_alone, signal.SIGKILL), line.put(sample.add, 1)

    work_ours()

    assert "signal 9 (SIGKILL)" in line.error(job)
    assert line.result(after) == 2


def test_an_isolated_job_that_is_deleted_in_passing_is_forgotten(work_ours, line, monkeypatch):
    job, after = line.put(sample.which_process_alone), line.put(sample.add, 1)
    hand_over = Slot.handing_over

    def delete_and_hand_over(slot):
        line.redis.delete(f"rq:job:{job.id}")
        hand_over(slot)

    monkeypatch.setattr(Slot, "handing_over", delete_and_hand_over)

    work_ours()

    assert line.result(after) == 2
    assert line.redis.zcard("rq:wip:default") == 0


def test_told_to_end_while_a_job_is_handed_over_the_worker_lets_it_end(
    work_ours, line, monkeypatch
):
    job = line.put(sample.which_process_alone)
    prepare = Supervisor._prepare_handover

    def prepare_and_be_told(supervisor, record):
        prepare(supervisor, record)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Supervisor, "_prepare_handover", prepare_and_be_told)

    work_ours()

    assert line.result(job) != os.getpid()
    assert line.redis.zcard("rq:wip:default") == 0


def test_a_forked_child_that_comes_back_is_no_second_horse(work_ours, line, tmp_path):
    mark = tmp_path / "pid"
    job, after = line.put(sample.fork_and_come_back, str(mark)), line.put(sample.add, 1)

    work_ours()

    assert os.waitstatus_to_exitcode(line.result(job)) == 1
    assert not alive(int(mark.read_text()))
    assert line.result(after) == 2
    assert len(line.kinds(after)) == 1


def test_a_task_that_closes_what_belongs_to_the_horse_gets_the_next_job_another_one(start, line):
    line.redis.config_resetstat()
    first = line.put(sample.close_everything)
    worker = start()
    wait_until(lambda: line.again(first).is_finished)
    for _ in range(2):
        job = line.put(sample.add, 1)
        wait_until(lambda job=job: line.again(job).is_finished)

    assert line.redis.info("commandstats")["cmdstat_evalsha"]["calls"] < 500
    assert worker.end() < SOON
