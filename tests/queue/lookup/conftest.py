"""A look at a job."""

import pytest
from rq import Queue


@pytest.fixture
def look(ask):
    return lambda job_id: ask(lambda service: service.lookup.job(job_id))


@pytest.fixture
def stock(redis_client):
    """A queue as a plain RQ client has it."""
    return Queue("default", connection=redis_client)
