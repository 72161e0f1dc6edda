"""The examples of docs/watching.md, run as they stand against the service."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.api.conftest import activity, serve  # noqa: F401
from tests.worker.fixtures import start, worker_settings  # noqa: F401

PAGE = Path(__file__).parent.parent / "docs" / "watching.md"
ADDRESS = "http://127.0.0.1:8000"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

COMMANDS = {
    "bash": ["bash", "-euo", "pipefail", "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
    "python": [sys.executable, "-W", "error", "-c"],
}
WAITS = re.compile(r"wait=10")
STREAMS = re.compile(r"""links.events|"events"|text/event-stream""")
READS_LOG = re.compile(r"""links\.log|'log'|/log\b""")
EXAMPLES = [
    pytest.param(language, source, id=f"{language}-{number}")
    for number, (language, source) in enumerate(FENCE.findall(PAGE.read_text()))
    if language in COMMANDS
]


@pytest.fixture
def address(serve, start, redis_url, tmp_path):  # noqa: F811
    """The service with the shipped jobs and a worker, which puts mails into a folder."""
    start(TASK_API_TASK_MODULES="jobs")
    return f"http://{serve(redis_url=SecretStr(redis_url)).netloc}"


@pytest.mark.parametrize(("language", "source"), EXAMPLES)
def test_every_example_runs_and_sees_the_job_s_end(language, source, address, tmp_path):
    *command, option = COMMANDS[language]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not on this machine")
    assert ADDRESS in source

    done = subprocess.run(
        [*command, option, source.replace(ADDRESS, address)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    if READS_LOG.search(source):
        assert " INFO handed over, by maildir: <job." in done.stdout
    elif "/events?" not in source:
        assert "finished" in done.stdout
        assert "ada@example.com" in done.stdout or "end finished" in done.stdout


@pytest.mark.parametrize("language", COMMANDS)
@pytest.mark.parametrize("does", [WAITS, STREAMS, READS_LOG])
def test_there_is_an_example_of_each_way_in_each_language(language, does):
    assert any(each.values[0] == language and does.search(each.values[1]) for each in EXAMPLES)
