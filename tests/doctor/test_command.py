"""`python -m app doctor` on a whole deployment: what it prints, and its exit code."""

import json
import os
import subprocess
import sys
import time

from app import __main__ as command
from app.doctor.finding import Finding, as_json, as_text, is_well
from app.queue import keys
from tests.doctor.conftest import ROOT


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
