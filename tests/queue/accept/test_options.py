"""Options that go together, and those that do not."""

import pytest
from pydantic import ValidationError

from app.errors import InvalidOptions
from app.options import JobOptions
from tests.queue.tasks_for_tests import send


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires": 5, "delay": 5},
        {"after": "a", "delay": 5},
        {"after": "a", "run_at": "2030-01-01T00:00:00Z"},
        {"after_failure": "run"},
        {"key_mode": "reject"},
        {"key": "k", "key_mode": "debounce"},
        {"key": "k", "key_mode": "debounce", "run_at": "2030-01-01T00:00:00Z"},
        {"after": [str(n) for n in range(101)]},
        {"after": ["not an id"]},
        {"key": ""},
        {"key": "a\nb"},
        {"label": ""},
    ],
)
def test_options_that_do_not_fit_together_are_refused(wrong):
    with pytest.raises(ValidationError):
        JobOptions(**wrong)


def test_one_name_or_job_stands_for_a_list_of_one(enqueue):
    job = enqueue(send, to="ada")

    assert JobOptions(label="a", after=job) == JobOptions(label=["a", "a"], after=[job.id])


def test_a_job_that_would_expire_before_its_time_is_refused(enqueue, raw):
    with pytest.raises(InvalidOptions) as refused:
        enqueue(send, JobOptions(run_at="2035-01-01T00:00:00Z", expires=60), to="ada")

    assert refused.value.facts["errors"][0]["loc"] == ["query", "expires"]
    assert raw.dbsize() == 0
