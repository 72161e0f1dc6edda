"""What the tests of explanations share."""

import pytest
from rq import Queue, SimpleWorker

from app.queue.explaining.explain import Explainer


@pytest.fixture
def explain(ask):
    """Explain a job, as in `explain(job.id)`."""

    def explain(job_id, **changes):
        def question(service):
            settings = service.lookup._settings
            return Explainer(service.client, service.lookup, service.fleet, settings).explain(
                job_id
            )

        return ask(question, **changes)

    return explain


@pytest.fixture
def hire(redis_client):
    """Register a worker as RQ's own does when it starts."""

    def hire(name, *queues, state="idle"):
        worker = SimpleWorker(queues, connection=redis_client, name=name)
        worker.register_birth()
        worker.set_state(state)
        return worker

    return hire


@pytest.fixture
def stock(redis_client):
    return Queue("default", connection=redis_client)
