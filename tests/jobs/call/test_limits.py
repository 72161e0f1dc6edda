"""The limits of an answer, and of a request's headers and arguments."""

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pydantic import ValidationError

from jobs.call import HeaderNotAllowedError, UnusableAnswerError
from tests.jobs.call.service import Service, answer, call
from tests.jobs.conftest import Configure, FakeJob


@pytest.mark.parametrize("size", [1000, 1001])
def test_an_answer_is_taken_up_to_its_largest_size(
    service: Service, configure: Configure, job: FakeJob, size: int
) -> None:
    configure(CALL_API_MAX_BYTES="1000")
    service.answers = [answer(200, b"x" * size)]

    if size <= 1000:
        assert call("GET", service.url)["size"] == size
        return
    with pytest.raises(UnusableAnswerError, match="TASK_API_CALL_API_MAX_BYTES"):
        call("GET", service.url)
    assert job.given_up


def test_an_answer_without_end_is_cut_off(service: Service) -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        answer(200)(handler)
        while True:
            handler.wfile.write(b"x" * 65_536)

    service.answers = [flood]

    with pytest.raises(UnusableAnswerError, match="larger than 1048576 bytes"):
        call("GET", service.url)


def test_an_answer_is_not_unpacked(service: Service) -> None:
    service.answers = [answer(200, b"\x1f\x8b", Content_Encoding="gzip")]

    with pytest.raises(UnusableAnswerError, match="compressed"):
        call("GET", service.url)

    assert service.requests[0]["headers"]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Connection", "Accept-Encoding"]
)
def test_headers_that_frame_the_request_are_refused(
    service: Service, job: FakeJob, name: str
) -> None:
    with pytest.raises(HeaderNotAllowedError, match=name.lower()):
        call("GET", service.url, headers={name: "1"})

    assert service.requests == []
    assert job.given_up


@pytest.mark.parametrize(
    "arguments",
    [
        {"headers": {"x": "a\r\nHost: b"}},
        {"headers": {"x\r\nHost": "b"}},
        {"url": "file:///etc/passwd"},
        {"url": "gopher://127.0.0.1/"},
        {"method": "CONNECT"},
        {"timeout": 31},
        {"timeout": 0},
    ],
)
def test_arguments_that_do_not_fit_are_refused(service: Service, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        call(**{"method": "GET", "url": service.url, **arguments})

    assert service.requests == []
