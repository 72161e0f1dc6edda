"""`python -m app` in a folder of the test's own, with tasks of its own."""

import os

import pytest

from app.local import ports
from tests.acceptance.up.program import HOST, ROOT, TASKS, Up


@pytest.fixture
def environment(tmp_path):
    """The environment of a newcomer, but for free ports and folders of this test."""
    (tmp_path / "double_tasks.py").write_text(TASKS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TASK_API_")}
    kept.pop("REDIS_URL", None)
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "TASK_API_PORT": str(ports.any_free(HOST)),
        "TASK_API_TASK_MODULES": "jobs,double_tasks",
    }


@pytest.fixture
def start(tmp_path, environment):
    started = []

    def start(*arguments, **settings):
        started.append(Up(tmp_path, {**environment, **settings}, *arguments))
        return started[-1]

    yield start
    for up in started:
        up.kill()
