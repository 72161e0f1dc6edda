"""What a job prints, logs and says of its progress, kept by both workers."""

import json
import time

import pytest

from app.queue.running.lines import CUT, LONGEST_LINE, MOST_BYTES, MOST_LINES
from tests.worker import talking_tasks as mine
from tests.worker.processes import wait_until

TALKING = "tests.worker.talking_tasks"


@pytest.fixture
def worker_settings(worker_settings):
    return worker_settings.model_copy(update={"task_modules": (TALKING,)})


@pytest.fixture
def log(redis_client):
    """Give a job's log as it is kept."""

    def log(job):
        return [json.loads(line) for line in redis_client.lrange(f"task-api:log:{job.id}", 0, -1)]

    return log


@pytest.fixture
def said(log):
    """Give the messages of a job's log."""
    return lambda job: [line["message"] for line in log(job)]


@pytest.fixture
def progress_of(redis_client):
    """Give how far a job has said that it is."""

    def progress_of(job):
        kept = redis_client.hget(f"rq:job:{job.id}", "progress")
        return json.loads(kept) if kept else None

    return progress_of


@pytest.fixture
def reports(redis_client):
    """Give the progress of a job as the stream of events tells it."""

    def reports(job):
        entries = [fields for _, fields in redis_client.xrange("task-api:events")]
        return [
            fields
            for fields in entries
            if b"progress" in fields and fields[b"job"].decode() == job.id
        ]

    return reports


def test_what_a_task_prints_and_logs_is_kept_in_order_with_level_and_time(line, work, log, capfd):
    job = line.put(mine.talk)

    before = time.time()
    work()

    lines = log(job)
    kept = [(each["level"], each["stream"], each["logger"], each["message"]) for each in lines]
    assert kept == [
        ("WARNING", None, "talking", "logged 1"),
        (None, "stdout", None, "printed"),
        (None, "stderr", None, "to err"),
        (None, "stdout", None, "bytes \ufffd"),
        (None, "stdout", None, "two"),
        (None, "stdout", None, "lines"),
    ]
    assert {each["attempt"] for each in lines} == {1}
    moment = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(before))
    assert lines[0]["time"].startswith(moment[:13])
    assert lines[0]["time"].endswith("Z")
    assert "printed" in capfd.readouterr().out  # where it went before


def test_a_task_can_switch_its_log_off_and_still_say_how_far_it_is(line, work, log, progress_of):
    job = line.put(mine.talk_unheard)

    work()

    assert log(job) == []
    assert progress_of(job)["percent"] == 7


def test_a_job_that_says_nothing_leaves_no_log(line, work, redis_client):
    job = line.put(mine.be_silent)

    work()

    assert line.job(job.id).get_status() == "finished"
    assert not redis_client.exists(f"task-api:log:{job.id}")
    assert not redis_client.hexists(f"rq:job:{job.id}", "log")


def test_records_of_any_logger_are_kept_with_their_tracebacks(line, work, log, said):
    job = line.put(mine.log_oddly)

    work()

    messages = said(job)
    assert messages[:4] == [
        "apart",
        "(a record that cannot be written out: TypeError)",
        "failed",
        "badly \\udcff",
    ]
    assert messages[4] == "Traceback (most recent call last):"
    assert messages[-1].startswith("ValueError: invalid literal")
    assert {line["level"] for line in log(job)} == {"ERROR"}


def test_pieces_are_joined_and_long_lines_are_cut(line, work, said):
    job = line.put(mine.print_oddly)

    work()

    *lines, cut, controls, rest = said(job)
    assert lines == ["ab", "dos", "30%"]
    assert cut == "x" * (LONGEST_LINE - len(CUT.encode())) + CUT
    assert controls == "\x00\x1b[31m"
    assert rest == "no end"


def test_the_ring_keeps_the_last_thousand_lines(line, work, said, redis_client):
    job = line.put(mine.print_lines, 2500)

    work()

    assert said(job) == [str(number) for number in range(2500 - MOST_LINES, 2500)]
    assert redis_client.hget(f"rq:job:{job.id}", "log").split()[0] == b"2500"


def test_the_ring_keeps_64_kib_of_text_to_the_byte(line, work, said, redis_client):
    job = line.put(mine.print_lines, 200, 1000)

    work()

    stored = said(job)
    size = sum(map(len, stored))
    total, counted, _ = redis_client.hget(f"rq:job:{job.id}", "log").split()
    assert size <= MOST_BYTES < size + len(stored[0])  # one line more would be too much
    assert (int(total), int(counted)) == (200, size)


def test_a_task_that_prints_a_gigabyte_fills_no_memory(line, work, said):
    job = line.put(mine.print_hugely, 100)

    work()

    assert line.result(job) < 150_000_000  # the encoded copy of one print, and little more
    assert said(job)[-1] == "the last line"
    assert said(job)[0].startswith("y")


def test_threads_are_heard_and_do_not_mix_their_lines(line, work, said, progress_of):
    job = line.put(mine.print_in_threads, 8)

    work()

    assert sorted(said(job)) == sorted([f"thread {number} ends" for number in range(8)] * 20)
    assert progress_of(job)["percent"] in range(8)


def test_coroutines_and_their_threads_are_heard(line, work, said, progress_of):
    job = line.put(mine.talk_later)

    work()

    assert said(job) == ["before", "in a thread", "in the executor"]
    assert progress_of(job)["message"] == "later"


def test_a_coroutine_that_outlives_its_job_is_not_taken_for_the_next_one(
    line, work_ours, said, progress_of
):
    jobs = line.put(mine.leave_a_coroutine), line.put(mine.yield_often)

    work_ours()

    assert [said(job) for job in jobs] == [["alive"], ["after the ghost"]]
    assert [progress_of(job) for job in jobs] == [None, None]


def test_a_task_that_replaces_stdout_does_not_deafen_the_next_job(line, work_ours, said):
    jobs = line.put(mine.replace_stdout), line.put(mine.talk)

    work_ours()

    assert said(jobs[0]) == ["before"]
    assert "printed" in said(jobs[1])


def test_a_task_called_within_a_task_speaks_for_the_job_around_it(line, work, said):
    job = line.put(mine.nest)

    work()

    assert said(job)[:3] == ["around", "logged 1", "printed"]


def test_a_forked_process_says_nothing_for_the_job(line, work, said, progress_of):
    job = line.put(mine.fork)

    work()

    assert said(job) == ["in the parent"]
    assert progress_of(job) is None


def test_progress_is_written_four_times_a_second_and_the_last_one_always(
    line, work, progress_of, reports
):
    job = line.put(mine.report_often, 1.5, label=("big",))

    work()

    last = progress_of(job)
    assert (last["percent"], last["message"]) == (100, "done")
    assert last["updated_at"].endswith("Z")
    assert 4 <= len(reports(job)) <= 8  # and the last one
    entry = reports(job)[-1]
    assert json.loads(entry[b"progress"]) == last
    assert entry[b"task"] == b"report_often"
    assert entry[b"queue"] == b"default"
    assert json.loads(entry[b"labels"]) == ["big"]
    assert b"status" not in entry
    assert line.job(job.id).meta == {}


def test_the_last_progress_comes_before_the_end(line, work, redis_client):
    line.put(mine.speak_and_fail)

    work()

    kinds = [
        fields.get(b"status", b"progress") for _, fields in redis_client.xrange("task-api:events")
    ]
    assert kinds == [b"queued", b"started", b"progress", b"failed"]


def test_a_failed_job_keeps_its_progress_and_its_log_as_long_as_itself(
    line, work, said, progress_of, redis_client
):
    job = line.put(mine.speak_and_fail)

    work()

    assert progress_of(job)["message"] == "so far"
    assert said(job) == ["then it failed"]
    assert expiry(redis_client, f"rq:job:{job.id}") == pytest.approx(
        expiry(redis_client, f"task-api:log:{job.id}"), abs=2
    )


def test_a_finished_jobs_log_expires_with_it(line, work, redis_client):
    job = line.put(mine.talk, result_ttl=77)

    work()

    assert 70 <= expiry(redis_client, f"rq:job:{job.id}") <= 77
    assert 70 <= expiry(redis_client, f"task-api:log:{job.id}") <= 77


def test_a_result_that_is_not_kept_takes_the_log_with_it(line, work, redis_client):
    job = line.put(mine.talk, result_ttl=0)

    work()

    assert not redis_client.exists(f"rq:job:{job.id}", f"task-api:log:{job.id}")


def test_a_retry_goes_on_with_the_log_and_begins_without_progress(
    line, work, log, progress_of, redis_client
):
    job = line.put(mine.report_and_fail_once)

    work(max_jobs=1)

    assert progress_of(job) is None
    assert redis_client.exists(f"task-api:log:{job.id}")
    work()
    assert line.result(job) == "done"
    assert [(each["attempt"], each["message"]) for each in log(job)] == [
        (1, "attempt 1"),
        (2, "attempt 2"),
    ]
    assert progress_of(job) is None
    assert expiry(redis_client, f"task-api:log:{job.id}") <= 86_400


@pytest.mark.parametrize("command", [("-m", "worker"), ("-m", "rq.cli", "worker", "default")])
def test_what_was_said_is_seen_while_the_task_computes(
    line, start, tmp_path, said, progress_of, redis_url, command
):
    if command[1] == "rq.cli":
        command = (*command, "--url", redis_url)
    start(*command, TASK_API_TASK_MODULES=TALKING)
    go_on = tmp_path / "go_on"
    job = line.put(mine.report_and_compute, str(go_on))

    wait_until(lambda: progress_of(job))
    wait_until(lambda: said(job))

    assert line.job(job.id).get_status() == "started"
    assert progress_of(job)["message"] == "resized"
    assert said(job) == ["before it computes"]
    go_on.touch()
    wait_until(lambda: line.job(job.id).get_status() == "finished")
    assert progress_of(job)["percent"] == 40


@pytest.mark.parametrize("command", [("-m", "worker"), ("-m", "rq.cli", "worker", "default")])
def test_what_a_task_logs_is_kept_from_info_up(line, start, said, redis_url, command):
    if command[1] == "rq.cli":
        command = (*command, "--url", redis_url)
    worker = start(*command, TASK_API_TASK_MODULES=TALKING)
    job = line.put(mine.inform)

    wait_until(lambda: line.job(job.id).get_status() == "finished")

    assert said(job) == ["informed"]
    assert ("informed" in worker.log) == (command[1] == "worker")  # RQ's own says what it said


@pytest.mark.parametrize("command", [("-m", "worker"), ("-m", "rq.cli", "worker", "default")])
def test_a_job_that_is_killed_keeps_what_was_sent(
    line, start, tmp_path, said, progress_of, redis_url, redis_client, command
):
    if command[1] == "rq.cli":
        command = (*command, "--url", redis_url)
    start(*command, TASK_API_TASK_MODULES=TALKING)
    go_on = tmp_path / "go_on"
    job = line.put(mine.speak_and_crash, str(go_on))
    wait_until(lambda: said(job) and progress_of(job))

    go_on.touch()

    wait_until(lambda: line.job(job.id).get_status() == "failed")
    assert said(job) == ["the last words"]
    assert progress_of(job)["percent"] == 10
    gone, kept = (expiry(redis_client, f"{key}:{job.id}") for key in ("rq:job", "task-api:log"))
    assert gone - 5 <= kept <= gone + 200  # RQ's own code knows of no log; see journal.lua


def expiry(client, key):
    """Give the seconds until a key expires."""
    return client.ttl(key)


def test_what_an_earlier_attempt_has_said_expires_with_the_job_too(line, work, said, redis_client):
    job = line.put(mine.speak_at_first, result_ttl=77)

    work()

    assert line.job(job.id).get_status() == "finished"
    assert said(job) == ["the only word"]
    assert 70 <= expiry(redis_client, f"task-api:log:{job.id}") <= 77
