"""`python -m app doctor`: each trouble made for real, on a real Redis, and what is said of it."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from rq import Queue, SimpleWorker
from rq.suspension import suspend
from rq.utils import utcformat

from app import __main__ as command
from app.catalogue import Catalogue
from app.doctor import machine, permissions, server
from app.doctor.examination import examine
from app.doctor.finding import Finding, as_json, as_text, is_well
from app.local.ports import any_free
from app.options import DEFAULT_OPTIONS, JobOptions
from app.queue import keys
from app.queue.enqueue import Enqueuer
from app.settings import Settings
from app.tasks import task

ROOT = Path(__file__).parent.parent
QUEUES = ("high", "default", "low")


@pytest.fixture
def settings(tmp_path, redis_url):
    return Settings(redis_url=redis_url, activity_log=tmp_path / "log" / "activity.jsonl")


@pytest.fixture
def found(settings):
    """Examine the deployment; gives what a check has found."""

    def found(check, **changes):
        findings = examine(settings.model_copy(update=changes))
        named = {finding.check: finding for finding in findings}
        assert len(named) == len(findings)
        return named.get(check)

    return found


@pytest.fixture
def configure(redis_client):
    """Change Redis' own configuration, for one test."""
    before = {}

    def configure(**changes):
        for changed, value in changes.items():
            name = changed.replace("_", "-")
            before.setdefault(name, redis_client.config_get(name)[name])
            redis_client.config_set(name, value)

    yield configure
    for name, value in before.items():
        redis_client.config_set(name, value)


@pytest.fixture
def hire(redis_client):
    """Register a worker as RQ's own does when it starts."""

    def hire(name, *queues):
        SimpleWorker(queues or QUEUES, connection=redis_client, name=name).register_birth()
        return keys.worker(name)

    return hire


@pytest.fixture
def put(settings, shipped):
    """Enqueue a cleaning as our API does."""
    task = shipped.named("clean_temp_files")
    enqueuer = Enqueuer(settings)

    def put(options=DEFAULT_OPTIONS):
        return enqueuer.enqueue(task, task.arguments.parse(older_than=60), options)

    return put


def levels(finding):
    return finding.level, finding.remedy is None


# A whole deployment.


def test_a_deployment_that_is_well_is_said_so(settings, redis_client, redis_url):
    env = {**os.environ, "REDIS_URL": redis_url}
    worker = subprocess.Popen(
        [sys.executable, "worker.py"], cwd=ROOT, env=env, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while not redis_client.exists(keys.scheduler_lock("low")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        done = subprocess.run(
            [sys.executable, "-m", "app", "doctor", "--json"],
            cwd=ROOT,
            env={**env, "TASK_API_ACTIVITY_LOG": str(settings.activity_log)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        worker.terminate()
        worker.wait(20)

    report = json.loads(done.stdout)
    assert [each for each in report["findings"] if each["level"] != "ok"] == []
    assert (done.returncode, report["well"], done.stderr) == (0, True, "")
    assert len(report["findings"]) == 22
    assert {
        "check": "workers-tasks",
        "level": "ok",
        "message": "1 worker has the tasks that are here",
        "remedy": None,
    } in report["findings"]


def test_what_is_broken_is_the_exit_code_and_has_its_remedy_below(
    monkeypatch, capsys, redis_client, redis_url, settings
):
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("TASK_API_ACTIVITY_LOG", str(settings.activity_log))

    assert command.main(["doctor"]) == 1

    lines = capsys.readouterr().out.splitlines()
    at = lines.index("fail  queues-served     no live worker serves high, default, low")
    assert lines[at + 1].strip() == "-> python worker.py high default low"
    assert lines[-1] == "20 ok, 0 to look at, 2 broken"


def test_wrong_settings_are_a_finding_too(monkeypatch, capsys):
    monkeypatch.setenv("TASK_API_PORT", "99999")

    assert command.main(["doctor", "--json"]) == 1

    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["check"], finding["level"]) == ("settings", "fail")
    assert "TASK_API_PORT" in finding["message"]


def test_a_setting_that_is_misspelt_is_looked_at_and_those_of_the_tasks_are_known(
    monkeypatch, capsys, redis_client, redis_url, settings
):
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("TASK_API_ACTIVITY_LOG", str(settings.activity_log))
    monkeypatch.setenv("TASK_API_QUEUE", "fast")
    monkeypatch.setenv("TASK_API_ZORGLUB", "1")
    monkeypatch.setenv("TASK_API_OUTBOX", "of a shipped job")

    command.main(["doctor", "--json"])

    finding = json.loads(capsys.readouterr().out)["findings"][0]
    assert (finding["check"], finding["level"]) == ("settings", "warn")
    assert finding["message"] == (
        "no setting has the name TASK_API_QUEUE (is TASK_API_QUEUES meant?), TASK_API_ZORGLUB"
    )
    assert "unset" in finding["remedy"]


def test_warnings_alone_are_no_failure():
    findings = [Finding("a", "ok", "fine"), Finding("bb", "warn", "hm " * 60, "do it")]

    assert is_well(findings)
    assert json.loads(as_json(findings))["well"]
    text = as_text(findings)
    assert text.startswith("ok    a   fine\nwarn  bb  hm hm")
    assert max(map(len, text.splitlines())) <= 100
    assert text.endswith("\n          -> do it\n\n1 ok, 1 to look at, 0 broken")
    assert not is_well([*findings, Finding("c", "fail", "no", "do it")])


def test_redis_away_is_found_and_the_password_is_not_shown(settings, capsys):
    url = f"redis://:secret@127.0.0.1:{any_free('127.0.0.1')}/0"

    findings = examine(settings.model_copy(update={"redis_url": SecretStr(url)}))

    assert [each.check for each in findings] == ["access", "activity-log", "tasks", "redis"]
    assert findings[-1].level == "fail"
    assert "does not answer" in findings[-1].message
    assert "secret" not in as_text(findings)


def test_what_redis_refuses_is_said(found, redis_client, redis_url):
    redis_client.acl_setuser(
        "small", enabled=True, passwords=["+secret"], keys="*", commands=["+ping", "+client"]
    )
    try:
        limited = SecretStr(redis_url.replace("redis://", "redis://small:secret@"))
        for part in ("redis-server", "redis-workers", "redis-jobs"):
            finding = found(part, redis_url=limited)
            assert finding.message.startswith("Redis refuses what is needed to look: ")
    finally:
        redis_client.acl_deluser("small")


# Redis.


@pytest.fixture
def found_by(found, redis_client, redis_url):
    """Examine it as a user with these rules of Redis' access lists."""

    def found_by(check, *rules):
        redis_client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pass", *rules)
        limited = redis_url.replace("redis://", "redis://limited:pass@")
        return found(check, redis_url=SecretStr(limited))

    yield found_by
    redis_client.acl_deluser("limited")


def test_a_user_that_may_do_all_is_told_so_and_nothing_is_done(found_by, redis_client):
    finding = found_by("redis-user", "~rq:*", "~task-api:*", "&rq:pubsub:*", "+@all")

    assert levels(finding) == ("ok", True)
    assert redis_client.dbsize() == 0


def test_the_remedy_for_a_user_with_too_few_commands_is_one_that_helps(found_by, redis_client):
    rules = "~*", "&*", "+@all", "-xread", "-blmove", "-script|load", "-acl"

    finding = found_by("redis-user", *rules)

    assert finding.level == "fail"
    assert "may not use BLMOVE, XREAD, SCRIPT LOAD; Redis says: " in finding.message
    assert "'blmove'" in finding.message
    _, _, remedy = finding.remedy.partition("SETUSER <user> ")
    allowed = remedy.partition(",")[0].split()
    assert allowed == ["+blmove", "+xread", "+script|load"]
    assert levels(found_by("redis-user", *rules, *allowed)) == ("ok", True)


@pytest.mark.parametrize(
    ("rules", "named", "remedy"),
    [
        (("~task-api:*", "&*"), "may not use WATCH, DEL, EXISTS, ", "'~rq:*' '~task-api:*'"),
        (("~rq:*", "&*"), "may not use EXISTS; ", "'~rq:*' '~task-api:*'"),
        (("~*", "resetchannels"), "may not use PUBLISH, SUBSCRIBE; ", "'&rq:pubsub:*'"),
    ],
)
def test_keys_and_channels_that_a_user_may_not_touch_are_told(found_by, rules, named, remedy):
    finding = found_by("redis-user", "+@all", *rules)

    assert named in finding.message
    assert finding.remedy.startswith(f"redis-cli ACL SETUSER limited {remedy}, ")


def test_a_user_without_transactions_is_sent_nothing_outside_of_one(found_by, redis_client):
    redis_client.set("rq:job:doctor", "kept")

    finding = found_by("redis-user", "~*", "&*", "+@all", "-multi")

    assert "may not use MULTI; " in finding.message
    assert redis_client.get("rq:job:doctor") == b"kept"


def test_each_command_of_the_scripts_is_asked_for():
    scripts = (ROOT / "app" / "queue" / "lua").glob("*.lua")
    used = {
        name
        for path in scripts
        for name in re.findall(r"redis\.p?call\('([A-Z]+)'", path.read_text())
    }

    assert {"XADD", "ZSCAN", "TIME"} <= used
    assert used <= {command[0] for command in permissions.NEEDED}


def test_a_managed_redis_that_hides_its_configuration_is_no_trouble(found, redis_client, redis_url):
    redis_client.acl_setuser(
        "managed",
        enabled=True,
        passwords=["+secret"],
        keys="*",
        commands=["+@all", "-config", "-command"],
    )
    try:
        managed = SecretStr(redis_url.replace("redis://", "redis://managed:secret@"))
        assert found("append-only-file", redis_url=managed).message == (
            "on, appendfsync unknown: Redis does not say how often it is written"
        )
        assert levels(found("redis-commands", redis_url=managed)) == ("warn", False)
    finally:
        redis_client.acl_deluser("managed")


def test_an_old_redis_is_too_old():
    assert server._version({"redis_version": "6.0.16"}).level == "fail"
    assert server._version({"redis_version": "6.2.14"}).level == "ok"
    valkey = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.1"}
    assert server._version(valkey).message == "valkey 8.1.1"


def test_a_command_that_redis_lacks_is_named(found, redis_client, monkeypatch):
    assert levels(found("redis-commands")) == ("ok", True)

    monkeypatch.setattr(server, "COMMANDS", (*server.COMMANDS, "BLFROB"))

    assert found("redis-commands").message == "Redis lacks BLFROB"


def test_a_redis_that_drops_keys_is_told_apart_from_one_that_would(found, configure):
    assert levels(found("eviction")) == ("ok", True)
    configure(maxmemory_policy="allkeys-lru")
    assert levels(found("eviction")) == ("warn", False)
    configure(maxmemory="1gb")
    assert levels(found("eviction")) == ("fail", False)


def test_a_redis_without_its_append_only_file_loses_jobs(found, configure):
    assert found("append-only-file").message.startswith("on, appendfsync ")
    configure(appendfsync="no")
    assert levels(found("append-only-file")) == ("warn", False)
    configure(appendonly="no")
    assert levels(found("append-only-file")) == ("fail", False)


def test_an_append_only_file_that_cannot_be_written_is_broken(redis_client):
    info = {"aof_enabled": 1, "aof_last_write_status": "err"}

    assert server._persistence(redis_client, info).level == "fail"


def test_memory_that_runs_out_is_told_before(found, configure, redis_client):
    assert found("memory").message.endswith("(the machine's) used")
    used = redis_client.info("memory")["used_memory"]
    configure(maxmemory=round(used / 0.82))
    assert levels(found("memory")) == ("warn", False)
    configure(maxmemory=round(used / 0.95))
    assert levels(found("memory")) == ("fail", False)
    assert server._memory({"used_memory": 3 * 1024**3}).message == (
        "3.0 GiB used, no limit is known"
    )


def test_a_clock_that_is_off_is_seen(redis_client, monkeypatch):
    real = time.time
    for off, level in ((0.0, "ok"), (5.0, "warn"), (60.0, "fail")):
        monkeypatch.setattr(server.time, "time", lambda off=off: real() + off)
        assert server._clock(redis_client).level == level
    assert "differ by 60.0" in server._clock(redis_client).message


# Workers and schedulers.


def test_queues_that_nobody_serves_are_named_those_of_others_too(found, hire, redis_client):
    hire("w", "high", "default")
    Queue("others", connection=redis_client).enqueue("os.getcwd")

    finding = found("queues-served")

    assert finding.message == "no live worker serves low, others"
    assert finding.remedy == "python worker.py low others"
    hire("v", "low", "others")
    assert found("queues-served").message == "2 live workers, and each queue has one"


def test_a_scheduler_that_is_missing_is_said_with_what_waits_for_it(found, put, redis_client):
    for queue in ("high", "low"):
        redis_client.set(keys.scheduler_lock(queue), "a-scheduler")
    put(JobOptions(delay=60, queue="default"))

    assert found("scheduler").message == (
        "no scheduler is alive for default: delayed jobs and retries do not run, 1 wait now"
    )
    redis_client.set(keys.scheduler_lock("default"), "a-scheduler")
    assert levels(found("scheduler")) == ("ok", True)


def test_workers_that_died_are_told_from_those_that_live(found, hire, redis_client):
    hire("alive")
    redis_client.delete(hire("gone"))
    redis_client.expire(hire("ours"), 20)
    silent = hire("silent")
    redis_client.hset(silent, "last_heartbeat", ago(19))
    redis_client.expire(silent, 1)
    odd = hire("odd")
    redis_client.hset(odd, "last_heartbeat", "noon")
    string = keys.worker("string")
    redis_client.set(string, "no hash")
    redis_client.sadd(keys.WORKERS, string)
    idle = hire("idle")  # RQ's own renews its record after 405 s of 480
    redis_client.hset(idle, "last_heartbeat", ago(404))
    redis_client.expire(idle, 76)

    assert found("dead-workers").message == "4 registered and silent: gone, odd, silent, string"
    assert found("queues-served").message.startswith("3 live workers")


def ago(seconds):
    return utcformat(datetime.now(UTC) - timedelta(seconds=seconds))


def test_a_heartbeat_from_the_future_tells_of_a_clock(found, hire, redis_client):
    redis_client.hset(hire("early"), "last_heartbeat", ago(-30))

    assert found("workers-clocks").message == "heartbeats from the future: early"


def test_suspended_workers_are_said_with_how_they_go_on(found, redis_client):
    suspend(redis_client)

    assert found("suspended").remedy == "rq resume"


def test_paused_queues_are_said_with_what_waits_and_how_each_goes_on(
    found, put, hire, load, redis_client
):
    assert levels(found("paused-queues")) == ("ok", True)
    load("ours", "low", "high")
    put(JobOptions(queue="low"))
    redis_client.sadd(keys.PAUSED, "low", "another")

    paused = found("paused-queues")
    assert paused.level == "warn"
    assert paused.message == "since when is not known: another (0 wait), low (1 wait)"
    assert paused.remedy == (
        "when they are to go on: redis-cli SREM task-api:paused another, POST /queues/low/resume"
    )
    hire("stock", "low")
    assert found("paused-queues").message.endswith("; not heeded by 1 worker of RQ's own")


def test_jobs_of_dead_workers_that_nobody_takes_over_are_counted(found, redis_client):
    now = time.time()
    redis_client.zadd(keys.registry("started", "low"), {"a:1": now - 60, "b:1": now - 1})

    assert found("lost-jobs").message == ("jobs of dead workers that nobody takes over: 1 in low")
    assert found("lost-jobs", takeover_after=90).level == "ok"


@pytest.fixture
def load(hire, redis_client, shipped):
    """Register a worker that has loaded the tasks of the catalogue, save for changes."""

    def load(name, *queues, **changed):
        tasks = {**shipped.digests(), **changed.pop("others", {})}
        for missing in changed.pop("without", ()):
            del tasks[shipped.named(missing).path]
        redis_client.hset(hire(name, *queues), "tasks", json.dumps(tasks))

    return load


def test_a_task_that_a_live_worker_does_not_have_is_named_with_the_worker(found, load):
    load("new")
    load("old", without=["clean_temp_files", "process_image"])
    load("older", without=["process_image"])

    finding = found("workers-tasks")

    assert finding.level == "fail"
    assert finding.message == (
        "not loaded by live workers: clean_temp_files (old), process_image (old, older)"
    )
    assert finding.remedy.startswith("restart those workers, from the version that the API runs")


def test_a_worker_needs_no_task_whose_queue_it_does_not_serve(found, load, shipped):
    assert shipped.named("clean_temp_files").options.queue == "low"
    load("elsewhere", "high", without=["clean_temp_files"])

    assert found("workers-tasks").level == "ok"


def test_a_task_that_a_worker_has_with_other_arguments_is_named(found, load, shipped):
    path = shipped.named("clean_temp_files").path
    load("old", others={path: "0123456789abcdef", "jobs.gone.task": "0" * 16})

    finding = found("workers-tasks")

    assert levels(finding) == ("warn", False)
    assert finding.message == "loaded by live workers with other arguments: clean_temp_files (old)"


def test_a_long_list_of_workers_is_cut(found, load):
    for number in range(7):
        load(f"w{number}", without=["clean_temp_files"])

    assert found("workers-tasks").message.endswith("clean_temp_files (w0, w1, w2, w3, w4, …)")


def test_rqs_own_workers_do_not_tell_what_they_have_loaded(found, hire, load, redis_client):
    assert found("workers-tasks").message == "no live worker to compare with"
    hire("stock")
    assert found("workers-tasks").message.startswith("not known: 1 worker of RQ's own, which do ")
    load("ours")
    assert found("workers-tasks").message == (
        "1 worker has the tasks that are here; of 1 worker of RQ's own it is not known"
    )
    redis_client.hset(keys.worker("ours"), "tasks", "broken")
    assert found("workers-tasks").message.startswith("not known: 2 workers of RQ's own, ")


def test_a_digest_changes_with_the_arguments_and_with_nothing_else():
    def digest(function):
        return [*Catalogue([task(name="same")(function)]).digests().values()]

    def one(a: int) -> int: ...
    def two(a: int) -> str: ...
    def three(a: int, b: int = 1) -> int: ...

    assert digest(one) == digest(two) != digest(three)


# What waits.


def test_jobs_for_functions_that_are_no_tasks_are_named(found, put, redis_client):
    put()
    assert found("waiting-jobs").message == "1 looked at, all of them for registered tasks"
    queue = Queue("default", connection=redis_client)
    queue.enqueue("os.getcwd")
    queue.enqueue("os.getcwd")

    assert found("waiting-jobs").message == (
        "jobs wait for functions that are no registered task: os.getcwd (2)"
    )


def test_jobs_that_nobody_can_read_are_counted_and_run_nothing(found, put, redis_client, tmp_path):
    job = put()
    forged = f"cposix\nsystem\n(Vtouch {tmp_path}/forged\ntR."
    redis_client.hset(keys.job(job.id), "data", forged)
    redis_client.rpush(keys.queue(job.queue), "deleted-meanwhile")

    assert found("waiting-jobs").message.startswith("1 waiting jobs are not what this service")
    assert not (tmp_path / "forged").exists()


def test_a_job_that_is_queued_and_in_no_queue_is_found(found, put, redis_client):
    waiting, stuck, new = put(), put(), put()
    for job in (waiting, stuck):
        redis_client.hset(keys.job(job.id), "enqueued_at", ago(120))
    for job in (stuck, new):  # a worker may be taking the new one at this moment
        redis_client.lrem(keys.queue(job.queue), 1, job.id)
    redis_client.sadd(keys.dependents(waiting.id), "other")
    redis_client.set(keys.job("string"), "no hash")

    finding = found("stuck-jobs")

    assert finding.level == "warn"
    assert finding.message.startswith("1 of 4 jobs looked at are queued and stand in no queue, as ")
    assert finding.remedy.startswith(f"redis-cli RPUSH rq:queue:{stuck.queue} {stuck.id}, ")
    redis_client.rpush(keys.queue(stuck.queue), stuck.id)
    assert found("stuck-jobs").level == "ok"


# This machine.


def test_it_is_said_whose_address_was_examined(found, tmp_path, redis_url, monkeypatch):
    assert found("redis").message == f"{redis_url} (REDIS_URL) answers"
    monkeypatch.setattr("app.settings.DEFAULT_REDIS_URL", redis_url)
    finding = found("redis", redis_url=None, data_dir=tmp_path / "nobody's")
    assert finding.message == f"{redis_url} (REDIS_URL is not set) answers"


def test_an_open_api_beyond_loopback_is_looked_at(found):
    assert found("access").level == "ok"
    assert found("access", host="localhost").level == "ok"
    assert found("access", host="0.0.0.0").level == "fail"
    assert found("access", host="tasks.example.com").level == "fail"
    assert found("access", host="0.0.0.0", allow_anonymous=True).level == "warn"


def test_a_task_module_that_cannot_be_imported_is_named(found, tmp_path, monkeypatch):
    (tmp_path / "broken_tasks.py").write_text("import no_such_package\n")
    (tmp_path / "no_tasks.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    finding = found("tasks", task_modules=("broken_tasks",))

    assert finding.level == "fail"
    assert "broken_tasks" in finding.message
    assert "no_such_package" in finding.message
    assert found("waiting-jobs", task_modules=("broken_tasks",)) is None
    assert found("tasks", task_modules=("no_tasks",)).message == "no task in no_tasks"


def test_each_mistake_of_the_tasks_has_a_line_of_its_own(found, tmp_path, monkeypatch):
    (tmp_path / "broken_tasks.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)

    text = as_text([found("tasks", task_modules=("broken_tasks", "not_there"))])

    lines = text.splitlines()
    assert lines[0] == "fail  tasks  2 mistakes keep the tasks from being loaded:"
    beginnings = [line.strip()[:30] for line in lines if line.strip().startswith("- ")]
    assert beginnings == ["- The task module 'broken_task", "- The task module 'not_there' "]


def test_an_activity_log_that_cannot_be_written_is_found(found, tmp_path, monkeypatch):
    assert found("activity-log", activity_log=tmp_path / "a" / "b.jsonl").level == "ok"
    assert not (tmp_path / "a").exists()
    assert found("activity-log", activity_log=tmp_path).level == "fail"
    # Root may write everywhere, so the system is asked for another's answer.
    monkeypatch.setattr(machine.os, "access", lambda path, mode: path != tmp_path)
    finding = found("activity-log", activity_log=tmp_path / "a" / "b.jsonl")
    assert finding.level == "fail"
    assert f"{tmp_path} is not writable" in finding.message
