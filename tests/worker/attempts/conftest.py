"""A job as the API shows it, and what its attempts tell."""

import asyncio

import pytest

from app.catalogue import load_catalogue
from app.queue.connection import connect_async
from app.queue.control import Control
from app.queue.lookup import Lookup


@pytest.fixture
def ask(worker_settings):
    """Ask the lookup, or the control, as the API does."""
    catalogue = load_catalogue(worker_settings)

    def ask(question):
        async def answer():
            async with connect_async(worker_settings) as client:
                lookup = Lookup(client, catalogue, worker_settings)
                return await question(lookup, Control(client, lookup, worker_settings))

        return asyncio.run(answer())

    return ask


@pytest.fixture
def look(ask):
    """Read a job as the API shows it."""
    return lambda job: ask(lambda lookup, _: lookup.job(job.id))


def told(job):
    return [
        (each.number, each.error and f"{each.error.type}: {each.error.message}")
        for each in job.attempts
    ]
