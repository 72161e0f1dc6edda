"""A real receiver, and the queues of a service whose callbacks may go there."""

import asyncio

import pytest
from pydantic import SecretStr

from app.catalogue import load_catalogue
from app.queue import keys
from app.queue.callbacks import Callbacks
from app.queue.connection import connect_async
from app.queue.control import Control
from app.queue.lookup import Lookup
from app.webhooks import new_secret
from tests.callbacks.receiver import receiving
from tests.worker.fixtures import Line

SECRET = new_secret()


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def told(worker_settings, redis_client, monkeypatch):
    """The queues of a service whose callbacks may go to loopback."""
    monkeypatch.setenv("TASK_API_CALLBACK_ALLOW_INNER", "true")
    monkeypatch.setenv("TASK_API_CALLBACK_SECRETS", SECRET)
    changes = {"callback_allow_inner": True, "callback_secrets": (SecretStr(SECRET),)}
    return Line(redis_client, worker_settings.model_copy(update=changes))


@pytest.fixture
def ask(worker_settings):
    """Ask a part of the API, as in `ask(lambda api: api.callbacks.of(job_id))`."""

    class Api:
        def __init__(self, client, settings):
            lookup = Lookup(client, load_catalogue(settings), settings)
            self.lookup = lookup
            self.callbacks = Callbacks(client)
            self.control = Control(client, lookup, settings)

    def ask(question, **changes):
        settings = worker_settings.model_copy(update=changes)

        async def answer():
            async with connect_async(settings) as client:
                return await question(Api(client, settings))

        return asyncio.run(answer())

    return ask


def callbacks_of(line, job):
    ids = (line.redis.hget(keys.job(job.id), "callbacks") or b"").decode().split()
    return [line.job(each) for each in ids]
