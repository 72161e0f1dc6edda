"""The options in the query: each that does not fit, with its name."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.bad_input.requests import places, send

NOW = datetime.now(UTC)
TOO_FAR = (NOW + timedelta(days=3655)).strftime("%Y-%m-%dT00:00:00Z")


@pytest.mark.parametrize(
    ("query", "option", "kind"),
    [
        ("queue=express", "queue", "unknown_queue"),
        ("queue=", "queue", "string_too_short"),
        ("queue=%00", "queue", "unknown_queue"),
        ("delay=-1", "delay", "greater_than_equal"),
        ("delay=-0.001", "delay", "greater_than_equal"),
        ("delay=nan", "delay", "finite_number"),
        ("delay=inf", "delay", "finite_number"),
        ("delay=1e999", "delay", "finite_number"),
        ("delay=315360000.1", "delay", "less_than_equal"),
        ("delay=soon", "delay", "float_parsing"),
        ("delay=", "delay", "float_parsing"),
        ("run_at=2030-01-01T00:00:00", "run_at", "timezone_aware"),
        ("run_at=2030-01-01", "run_at", "timezone_aware"),
        (f"run_at={TOO_FAR}", "run_at", "value_error"),
        ("run_at=9999-12-31T23:59:59-12:00", "run_at", "value_error"),
        ("run_at=0001-01-01T00:00:00%2B14:00", "run_at", "value_error"),
        ("run_at=2030-01-01T00:00:00+02:00", "run_at", "datetime_from_date_parsing"),
        ("run_at=tomorrow", "run_at", "datetime_from_date_parsing"),
        ("run_at=2030-02-30T00:00:00Z", "run_at", "datetime_from_date_parsing"),
        ("run_at=60", "run_at", "value_error"),
        ("run_at=1893456000.5", "run_at", "value_error"),
        ("run_at=", "run_at", "datetime_from_date_parsing"),
        ("front=perhaps", "front", "bool_parsing"),
        ("timeout=0", "timeout", "greater_than_equal"),
        ("timeout=604801", "timeout", "less_than_equal"),
        ("timeout=1.5", "timeout", "int_parsing"),
        ("retries=-1", "retries", "greater_than_equal"),
        ("retries=101", "retries", "less_than_equal"),
        ("retries=" + "9" * 5000, "retries", "int_parsing_size"),
        ("result_ttl=-1", "result_ttl", "greater_than_equal"),
        ("result_ttl=315360001", "result_ttl", "less_than_equal"),
        ("delay=1&delay=2", "delay", "given_twice"),
        ("front=true&front=true", "front", "given_twice"),
        ("ttl=60", "ttl", "extra_forbidden"),
        ("Delay=1", "Delay", "extra_forbidden"),
        ("value=1", "value", "extra_forbidden"),
        ("%FF=1", "\ufffd", "extra_forbidden"),
        ("delay", "delay", "float_parsing"),
    ],
)
def test_an_option_that_does_not_fit_is_422_with_its_name(api, expect_problem, query, option, kind):
    answer = send(api, '{"value":1}', query=f"?{query}")

    problem = expect_problem(answer, 422, "invalid-options")
    assert places(problem) == [(["query", option], kind)]


def test_the_refusal_of_a_queue_names_those_that_there_are(api, expect_problem):
    answer = send(api, '{"value":1}', query="?queue=express")

    [error] = expect_problem(answer, 422, "invalid-options")["errors"]
    assert error["message"] == "'express' is no queue of this service; it has high, default, low"


def test_a_delay_and_a_time_together_are_422(api, expect_problem):
    answer = send(api, '{"value":1}', query="?delay=1&run_at=2030-01-01T00:00:00Z")

    problem = expect_problem(answer, 422, "invalid-options")
    assert places(problem) == [(["query"], "value_error")]
    assert "not both" in problem["errors"][0]["message"]


def test_every_option_that_does_not_fit_is_named(api, expect_problem):
    answer = send(api, '{"value":1}', query="?delay=-1&retries=x&colour=red")

    problem = expect_problem(answer, 422, "invalid-options")
    assert [error["loc"][1] for error in problem["errors"]] == ["delay", "retries", "colour"]
