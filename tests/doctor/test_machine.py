"""This machine: its settings, its task modules, its files."""

from app.doctor import machine
from app.doctor.finding import as_text


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
