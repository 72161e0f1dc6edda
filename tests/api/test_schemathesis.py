"""Every operation of the OpenAPI document, tried with data that fit it and data that do not.

Schemathesis goes through it as its command does: the documented examples, each limit of each
schema, data drawn at random, and chains of requests that use each other's jobs.
"""

import pytest
import rq
import schemathesis
from pydantic import SecretStr
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from app.api import event_stream, prefer

PHASES = {"examples", "coverage", "fuzzing", "stateful"}

CONFIG = {
    "seed": 1,
    "continue-on-failure": True,
    "generation": {
        "max-examples": 25,  # for each operation and phase
        "deterministic": True,
        "no-shrink": True,
        "database": "none",
    },
    "phases": {"stateful": {"generation": {"max-examples": 25}}},
    # All checks are on, but for what the document cannot say.
    "checks": {
        # Refused although it fits: delay and run_at together, a time beyond ten years, an e-mail
        # address whose domain cannot have mail.
        "positive_data_acceptance": {"enabled": False},
    },
    "operations": [
        {
            # GET /tasks/{task} and POST /tasks/send_email are two paths to the document and one to
            # HTTP: the methods that it finds undocumented under one are documented under the other.
            "include-path-regex": "^/tasks/",
            "checks": {
                "allow_header_conformance": {"enabled": False},
                "unsupported_method": {"enabled": False},
            },
        }
    ],
}


@pytest.fixture
def no_patience(monkeypatch):
    """Let streams end and waits be over at once; they do by themselves, up to an hour later."""
    monkeypatch.setattr(event_stream, "LONGEST", 0.05)
    monkeypatch.setattr(prefer, "LONGEST_WAIT", 0)


@pytest.fixture
def document(serve, redis_url, redis_client, no_patience):
    """The document of an API that is ready, for it has a worker; nobody executes the jobs."""
    rq.SimpleWorker(["high", "default", "low"], connection=redis_client).register_birth()
    served = serve(redis_url=SecretStr(redis_url))
    return schemathesis.openapi.from_url(
        f"http://{served.netloc}/openapi.json", config=SchemathesisConfig.from_dict(CONFIG)
    )


def test_no_operation_fails_or_answers_what_is_not_declared(document):
    failures, statuses, succeeded = [], set(), set()

    for event in from_schema(document).execute():
        match event:
            case events.NonFatalError(value=error) | events.FatalError(exception=error):
                failures.append(str(error))
            case events.PhaseFinished(status=Status.SUCCESS):
                succeeded.add(event.phase.name.value)
            case events.ScenarioFinished(recorder=recorder):
                failures += [
                    f"{event.label}: {check.failure_info.failure.message}\n"
                    f"{check.failure_info.code_sample}"
                    for checks in recorder.checks.values()
                    for check in checks
                    if check.failure_info
                ]
                statuses |= {
                    interaction.response.status_code
                    for interaction in recorder.interactions.values()
                    if interaction.response
                }

    assert not failures, "\n\n".join(failures)
    assert succeeded >= PHASES
    assert statuses >= {200, 202, 400, 404, 405, 409, 422}  # it has been everywhere
