"""The method and the path, and a task that is not there."""

import pytest

from tests.api.bad_input.requests import send


def test_an_unknown_task_is_404_and_names_the_catalogue(api, expect_problem):
    problem = expect_problem(send(api, "{}", "sned"), 404, "unknown-task")

    assert problem["detail"] == "There is no task named 'sned'; GET /tasks lists them."


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/tasks/keep", "GET, HEAD, POST"),
        ("POST", "/tasks", "GET, HEAD"),
        ("PUT", "/jobs/1", "GET, HEAD, DELETE"),
        ("GET", "/jobs/1/cancel", "POST"),
        ("DELETE", "/queues/high", "GET, HEAD"),
        ("POST", "/health/live", "GET, HEAD"),
        ("OPTIONS", "/workers", "GET, HEAD"),
        ("BREW", "/", "GET, HEAD"),
        ("POST", "/docs/assets/swagger-ui.css", "GET, HEAD"),
    ],
)
def test_another_method_is_405_and_names_all_that_there_are(
    api, expect_problem, method, path, allowed
):
    answer = api.request(method, path)

    problem = expect_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allowed
    assert f"{path} does not answer {method}" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/nowhere", "/nowhere"),
        ("/jobs/1/2", "/jobs/1/2"),
        ("/a%20b%3Fc%E2%82%AC", "/a%20b%3Fc%E2%82%AC"),
        ("/docs/assets/nothing.js", "/docs/assets/nothing.js"),
        ("/docs/assets/..%2F..%2F__init__.py", "/docs/assets/../../__init__.py"),
    ],
)
def test_what_is_nowhere_is_404_and_names_the_way_in(api, expect_problem, path, instance):
    problem = expect_problem(api.get(path), 404, "unknown-route", instance)

    assert "GET / lists the routes" in problem["detail"]
