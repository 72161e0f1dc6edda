"""What is sent, and what comes back."""

import json

import pytest

import jobs.call
from tests.jobs.call.service import Service, answer, call
from tests.jobs.conftest import FakeJob


def test_a_request_is_sent_as_given_and_its_answer_kept(service: Service) -> None:
    result = call(
        "POST", f"{service.url}/orders?a=1", headers={"X-Shop": "7"}, json={"item": "ü", "n": 2}
    )

    [request] = service.requests
    assert (request["method"], request["path"]) == ("POST", "/orders?a=1")
    assert json.loads(request["body"]) == {"item": "ü", "n": 2}
    assert request["headers"]["content-type"] == "application/json"
    assert request["headers"]["x-shop"] == "7"
    assert request["headers"]["host"] == f"127.0.0.1:{service.port}"
    assert (result.status, result.body, result.size) == (200, {"ok": True}, 12)
    assert result.headers["content-type"] == "application/json"


def test_only_headers_that_are_no_secret_are_kept(service: Service) -> None:
    service.answers = [answer(200, ETag='"1"', Set_Cookie="session=secret", X_Other="x")]

    result = call("GET", service.url)

    assert result.headers["etag"] == '"1"'
    assert result.headers.keys() <= set(jobs.call.KEPT)


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", "text/plain", None),
        ("größe".encode(), "text/plain", "größe"),
        ("größe".encode("latin-1"), "text/plain; charset=latin-1", "größe"),
        (b"\xff\xfe\x00", "image/png", None),
        (b"x", "text/plain; charset=no-such", None),
        (b"NaN", "application/json", "NaN"),
        (b"[1e999]", "application/json", "[1e999]"),
        (b'"\\ud800"', "application/json", '"\\ud800"'),
        (b"[" * 5000, "application/json", "[" * 5000),
        (b"12", "application/json", 12),
    ],
)
def test_a_body_is_json_else_text_else_nothing(
    service: Service, body: bytes, content_type: str, expected: object
) -> None:
    service.answers = [answer(200, body, Content_Type=content_type)]

    result = call("GET", service.url)

    assert result.body == expected
    assert result.size == len(body)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 422])
def test_what_is_neither_429_nor_5xx_is_a_result(service: Service, status: int) -> None:
    service.answers = [answer(status, Location="/elsewhere")]

    result = call("GET", service.url)

    assert result.status == status
    assert result.headers["location"] == "/elsewhere"
    assert len(service.requests) == 1


def test_post_carries_the_jobs_id_so_that_a_repetition_shows(
    service: Service, job: FakeJob
) -> None:
    call("POST", service.url)
    call("POST", service.url, headers={"Idempotency-Key": "mine"})
    call("GET", service.url)

    keys = [request["headers"].get("idempotency-key") for request in service.requests]
    assert keys == ["4f1c", "mine", None]
