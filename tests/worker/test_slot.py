"""What a horse is at, seen from another process."""

import math
import os
import signal

from app.worker.slot import NOTHING, Doing, Slot

JOB = ("job-id", "execution-id", "default")


def test_at_the_start_nothing_is_done():
    slot = Slot()

    record = slot.look()

    assert (record.doing, *record.held) == (
        Doing.WAITING,
        "",
        "",
        "",
    )
    assert (slot.done, slot.must_end) == (0, False)


def test_another_process_sees_what_runs():
    slot = Slot()

    if (pid := os.fork()) == 0:
        slot.running(JOB, 12.5)
        slot.running_until(99.25)
        slot.count()
        os._exit(0)
    os.waitpid(pid, 0)

    record = slot.look()
    assert record.doing is Doing.RUNNING
    assert record.held == JOB
    assert (record.begun, record.deadline) == (12.5, 99.25)
    assert slot.done == 1


def test_what_has_no_deadline_is_never_late():
    slot = Slot()

    slot.running(JOB, 1.0)

    assert slot.look().deadline == math.inf


def test_a_shorter_name_leaves_nothing_of_a_longer_one():
    slot = Slot()
    slot.running(("long" * 100, "e" * 32, "q" * 64), 1.0)

    slot.running(JOB, 2.0)

    assert slot.look().held.job_id == "job-id"


def test_every_step_is_told_apart_and_keeps_the_names():
    slot = Slot()
    slot.running(JOB, 1.0)

    steps = []
    for step in (slot.recording, slot.handing_over, slot.waiting, lambda: slot.running_until(5)):
        step()
        steps.append(slot.look().doing)

    assert steps == [Doing.RECORDING, Doing.HANDING_OVER, Doing.WAITING, Doing.RUNNING]
    assert slot.look().held.job_id == "job-id"


def test_a_queue_may_have_any_name_that_a_command_line_gives():
    slot = Slot()

    slot.running(("job-id", "e", "two\nlines: {é} *"), 1.0)

    assert slot.look().held == ("job-id", "e", "two\nlines: {é} *")


def test_names_that_are_too_long_are_none():
    slot = Slot()

    slot.running(("x" * 5000, "e", "q"), 1.0)

    assert slot.look().held.job_id == ""


def test_the_next_horse_begins_anew_and_the_count_goes_on():
    slot = Slot()
    slot.running(JOB, 1.0)
    slot.count()
    slot.end()

    slot.clear()

    assert slot.look().doing is Doing.WAITING
    assert slot.done == 1
    assert slot.must_end


def test_counting_does_not_take_back_that_it_is_to_end():
    slot = Slot()
    slot.end()

    assert slot.count() == 1

    assert slot.must_end


OTHER = ("other-id", "other-execution", "low")


def test_the_job_before_can_still_be_seen_while_the_next_one_runs():
    slot = Slot()
    slot.running(JOB, 1.0)
    slot.recording()

    slot.running(OTHER, 2.0)

    assert (slot.look().held.job_id, slot.look().doing) == ("other-id", Doing.RUNNING)
    assert (slot.look_before().held.job_id, slot.look_before().doing) == ("job-id", Doing.RECORDING)


def test_the_horse_may_turn_back_to_the_job_before():
    slot = Slot()
    slot.running(JOB, 1.0)
    slot.running(OTHER, 2.0)
    slot.recording()

    slot.turn_back()
    slot.running_until(9.0)

    assert (slot.look().held.job_id, slot.look().deadline) == ("job-id", 9.0)
    before = slot.look_before()
    assert (before.held.job_id, before.doing) == ("other-id", Doing.RECORDING)
    slot.turn_back()
    assert slot.look().held.job_id == "other-id"


def test_what_is_claimed_ahead_is_seen_with_the_job_that_runs_meanwhile():
    slot = Slot()
    slot.running(JOB, 1.0)
    assert slot.look_ahead()[0] == ""

    slot.claiming_ahead("k" * 32)
    call, record = slot.look_ahead()

    assert (call, record.held.job_id) == ("k" * 32, "job-id")
    slot.not_claiming_ahead()
    assert slot.look_ahead()[0] == ""


def test_a_call_that_changed_while_it_was_looked_at_is_none(monkeypatch):
    slot = Slot()
    slot.running(JOB, 1.0)
    slot.claiming_ahead("k" * 32)
    look = slot.look

    def look_slowly():
        slot.not_claiming_ahead()
        slot.running(OTHER, 2.0)
        slot.claiming_ahead("l" * 32)
        return look()

    monkeypatch.setattr(slot, "look", look_slowly)

    assert slot.look_ahead()[0] == ""


def test_a_job_may_begin_anew():
    slot = Slot()
    slot.running(JOB, 1.0)

    slot.begun(7.0)

    assert slot.look().begun == 7.0
    assert slot.look().held.job_id == "job-id"


def test_the_next_horse_sees_nothing_of_the_jobs_before():
    slot = Slot()
    slot.running(JOB, 1.0)
    slot.running(OTHER, 2.0)
    slot.claiming_ahead("k" * 32)

    slot.clear()

    assert slot.look() == slot.look_before() == NOTHING
    assert slot.look_ahead()[0] == ""


def test_no_number_is_ever_seen_half_written():
    slot = Slot()
    slot.running(JOB, 1000.1)
    slot.running_until(2000.2)
    if (pid := os.fork()) == 0:
        while True:
            for n in range(100):
                slot.running(JOB, 1000.1 + n)
                slot.begun(1000.2 + n)
                slot.running_until(2000.2 + n)
                slot.count()

    try:
        seen = [(record, slot.done) for record in (slot.look() for _ in range(200_000))]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    assert [r for r, _ in seen if not (1000 < r.begun < 1101 and r.deadline > 2000)] == []
    counted = [done for _, done in seen]
    assert counted == sorted(counted)
    assert counted[0] < counted[-1]
