"""A look at a job."""

import pytest


@pytest.fixture
def look(ask):
    return lambda job_id: ask(lambda service: service.lookup.job(job_id))
