"""Everything on one machine, as real processes: started, used, ended and started again."""

import json
import re
import shutil
import socket
import subprocess

import pytest

from tests.acceptance.up.program import (
    END_SECONDS,
    HOST,
    get,
    post,
    processes_of,
    runs,
    wait_for_job,
)


def test_a_job_runs_and_its_result_is_there_after_the_next_start(start):
    first = start().wait_until_ready()
    job = post(first, "double", number=21)
    assert wait_for_job(first, job)["result"] == 42
    processes = processes_of(first)
    assert set(processes) >= {*first.pids(), first.process.pid}
    assert len(first.pids()) == 4

    code, seconds = first.end()

    assert code == 0, first.text
    assert seconds < END_SECONDS, first.text
    assert [pid for pid in processes if runs(pid)] == []
    assert "Traceback" not in first.text

    second = start().wait_until_ready()
    again = wait_for_job(second, job)
    assert (again["result"], again["args"]) == (42, {"number": 21})
    assert wait_for_job(second, post(second, "double", number=1))["result"] == 2


def test_the_links_work_and_the_line_to_try_does_what_it_says(start, tmp_path):
    up = start().wait_until_ready()

    assert "double" in get(up.link("API") + "/tasks")
    assert "swagger" in get(up.link("Docs")).lower()
    assert "<html" in get(up.link("Dashboard")).lower()
    assert re.fullmatch(r"redis://127\.0\.0\.1:\d+/0", up.link("Redis"))
    line = re.search(r"^  (curl .*)$", up.text, re.MULTILINE)[1]
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    answer = subprocess.check_output(["sh", "-c", line.replace("curl", "curl -sS", 1)], text=True)
    result = wait_for_job(up, json.loads(answer)["id"])["result"]
    assert result["recipient"] == "ada@example.com"
    assert [path for path in tmp_path.rglob("outbox/new/*") if "It works" in path.read_text()]


def test_every_line_has_the_prefix_of_its_process(start):
    up = start().wait_until_ready()
    up.end()

    block = up.text.partition("\n  API ")[2].partition("are kept.\n")
    lines = (up.text.replace("\n  API " + block[0] + block[1], "")).splitlines()
    names = {line.partition(" |")[0].strip() for line in lines if line}
    assert names == {"up", "redis", "api", "worker-1", "worker-2"}
    assert {line.index("|") for line in lines if line} == {len("worker-1 ")}
    assert "\x1b[" not in up.text


def test_the_next_free_port_is_taken_and_printed(start, environment):
    with socket.create_server((HOST, int(environment["TASK_API_PORT"]))):
        up = start().wait_until_ready()

        assert int(up.api.rpartition(":")[2]) > int(environment["TASK_API_PORT"])
        assert get(up.api + "/health/live")


def test_a_setting_that_is_misspelt_is_told_in_the_lines_of_the_start(start):
    up = start(TASK_API_QUEUE="fast").wait_until_ready()

    for name in ("api", "worker-1", "worker-2"):
        up.wait_for(rf"(?m)^{name} +\| .* setting\.unknown name=TASK_API_QUEUE ")


def test_the_command_has_a_name_too(start):
    up = start("up").wait_until_ready()

    assert up.end()[0] == 0
