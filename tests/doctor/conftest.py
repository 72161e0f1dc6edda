"""What a check of the doctor has found, and what workers and jobs leave in Redis for it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rq import SimpleWorker
from rq.utils import utcformat

from app.doctor.examination import examine
from app.options import DEFAULT_OPTIONS
from app.queue import keys
from app.queue.enqueue import Enqueuer
from app.settings import Settings

ROOT = Path(__file__).parents[2]
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


def ago(seconds):
    return utcformat(datetime.now(UTC) - timedelta(seconds=seconds))


@pytest.fixture
def load(hire, redis_client, shipped):
    """Register a worker that has loaded the tasks of the catalogue, save for changes."""

    def load(name, *queues, **changed):
        tasks = {**shipped.digests(), **changed.pop("others", {})}
        for missing in changed.pop("without", ()):
            del tasks[shipped.named(missing).path]
        redis_client.hset(hire(name, *queues), "tasks", json.dumps(tasks))

    return load
