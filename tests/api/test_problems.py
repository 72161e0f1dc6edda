"""Errors as problem+json, whatever raises them; an unexpected one is answered and logged."""

import logging

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from app.errors import TaskApiError
from app.main import create_app


class TooHot(TaskApiError):
    """It is {degrees} degrees; wait until it has cooled down."""

    status = 503
    retry_after = 60


def boom() -> None:
    raise ZeroDivisionError("secret detail")


def hot() -> None:
    raise TooHot(degrees=99)


def teapot() -> None:
    raise HTTPException(418, "I am a teapot", headers={"X-Pot": "short"})


def number(n: int) -> int:
    return n


def half() -> StreamingResponse:
    def chunks():
        yield b"a"
        raise ZeroDivisionError

    return StreamingResponse(chunks())


def add_routes(app: FastAPI) -> None:
    for endpoint in (boom, hot, teapot, half):
        app.add_api_route(f"/{endpoint.__name__}", endpoint)
    app.add_api_route("/number/{n}", number)


@pytest.fixture
def app(settings, shipped):
    app = create_app(settings.model_copy(update={"dashboard": False}), shipped)
    add_routes(app)
    return app


@pytest.fixture
def api(make_client, app):
    return make_client(app=app)


def test_an_error_of_ours_is_rendered_with_its_status_and_facts(api, expect_problem):
    answer = api.get("/hot")

    problem = expect_problem(answer, 503, "too-hot")
    assert problem["detail"] == "It is 99 degrees; wait until it has cooled down."
    assert answer.headers["retry-after"] == "60"


def test_an_unexpected_error_is_500_and_tells_the_caller_nothing_of_it(api, expect_problem):
    answer = api.get("/boom")

    problem = expect_problem(answer, 500, "internal-error")
    assert "secret" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert "request's id" in problem["detail"]


def test_so_is_one_in_the_enqueueing_itself(api, app, monkeypatch, expect_problem):
    async def fail(*_):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(app.state.service.enqueuer, "aaccept", fail)

    answer = api.post("/tasks/daily_report")

    expect_problem(answer, 500, "internal-error")
    assert "secret" not in answer.text


def test_an_unexpected_error_is_logged_under_the_request_s_id(api, caplog):
    with caplog.at_level(logging.ERROR, logger="task_api.api"):
        api.get("/boom", headers={"X-Request-ID": "mine"})

    [record] = [record for record in caplog.records if record.name == "task_api.api"]
    assert record.getMessage() == "request.failed request_id=mine"
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_the_service_goes_on_after_an_unexpected_error(api):
    api.get("/boom")

    assert api.get("/health/live").status_code == 200


def test_an_exception_of_the_framework_s_keeps_its_status_and_headers(api):
    answer = api.get("/teapot")

    assert answer.status_code == 418
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-pot"] == "short"
    problem = answer.json()
    assert problem.pop("request_id") == answer.headers["x-request-id"]
    assert problem == {
        "type": "about:blank",
        "title": "I am a teapot",
        "status": 418,
        "detail": "I am a teapot",
        "instance": "/teapot",
    }


def test_a_parameter_that_does_not_fit_is_422_with_its_place(api, expect_problem):
    problem = expect_problem(api.get("/number/one"), 422, "invalid-options")

    assert [(error["loc"], error["type"]) for error in problem["errors"]] == [
        (["path", "n"], "int_parsing")
    ]


def test_an_answer_that_breaks_off_is_broken_off_for_the_client_too(serve):
    served = serve(prepare=add_routes)

    with served.connect() as connection:
        connection.sendall(served.head("GET", "/half"))
        answer = b""
        while received := connection.recv(65_536):
            answer += received

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"1\r\na\r\n" in answer
    assert not answer.endswith(b"0\r\n\r\n")  # no end of a whole body
    assert b"problem" not in answer
