"""A call that is tried again, and when it is given up."""

import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

import httpx
import pytest

import jobs.call
from jobs.call import ServiceFailedError, call_api
from tests.jobs.call.service import Service, answer, call
from tests.jobs.conftest import Configure, FakeJob


def test_429_is_tried_again_after_its_retry_after(service: Service) -> None:
    service.answers = [answer(429, Retry_After="1"), answer(200, b"1")]
    began = time.monotonic()

    assert call("GET", service.url).body == 1
    assert 1 <= time.monotonic() - began < 30
    assert len(service.requests) == 2


def test_a_retry_after_that_is_a_date_is_understood(service: Service) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    service.answers = [answer(503, Retry_After=at), answer(200, b"1")]
    began = time.monotonic()

    assert call("GET", service.url).body == 1
    assert time.monotonic() - began > 0.8  # the date has whole seconds


@pytest.mark.parametrize("retry_after", ["", "soon", "-5", "nan", "Fri, 99 Nov 2026 99:99:99 GMT"])
def test_without_a_usable_retry_after_the_pause_is_short_and_random(
    service: Service, monkeypatch: pytest.MonkeyPatch, retry_after: str
) -> None:
    monkeypatch.setattr(jobs.call, "FIRST_PAUSE", 0.01)
    service.answers = [answer(502, Retry_After=retry_after), answer(500), answer(200, b"1")]
    began = time.monotonic()

    assert call("GET", service.url).body == 1
    assert time.monotonic() - began < 30
    assert len(service.requests) == 3


def test_a_service_that_keeps_failing_is_left_to_the_jobs_retries(
    service: Service, job: FakeJob
) -> None:
    service.answers = [answer(500, b"x" * 2_000_000, Retry_After="0")]

    with pytest.raises(ServiceFailedError, match=r"127\.0\.0\.1 answered 500 to GET"):
        call("GET", service.url)

    assert len(service.requests) == jobs.call.TRIES
    assert not job.given_up


def test_after_the_last_try_nothing_is_waited_for(service: Service) -> None:
    service.answers = [
        answer(503, Retry_After="0"),
        answer(503, Retry_After="0"),
        answer(503, Retry_After="40"),
    ]
    began = time.monotonic()

    with pytest.raises(ServiceFailedError):
        call("GET", service.url)

    assert time.monotonic() - began < 30
    assert len(service.requests) == 3


@pytest.mark.parametrize("retry_after", ["3600", "9" * 5000])
def test_a_retry_after_beyond_the_tasks_time_is_not_waited_for(
    service: Service, retry_after: str
) -> None:
    service.answers = [answer(503, Retry_After=retry_after)]
    began = time.monotonic()

    with pytest.raises(ServiceFailedError):
        call("GET", service.url)

    assert time.monotonic() - began < 30
    assert len(service.requests) == 1


def test_all_tries_together_stay_within_the_tasks_timeout() -> None:
    assert call_api.options.timeout > jobs.call.PATIENCE > jobs.call.LONGEST_TRY


def test_an_answer_that_drips_is_cut_off_at_the_timeout(service: Service) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        answer(200)(handler)
        for _ in range(1000):
            handler.wfile.write(b".")
            handler.wfile.flush()
            time.sleep(0.05)

    service.answers = [drip]
    began = time.monotonic()

    with pytest.raises(TimeoutError, match=r"did not answer within 0\.3 s"):
        call("GET", service.url, timeout=0.3)

    assert time.monotonic() - began < 30


def test_a_service_that_is_away_is_left_to_the_jobs_retries(
    configure: Configure, job: FakeJob
) -> None:
    configure(CALL_API_HOSTS="*", ALLOW_INNER_ADDRESSES="true")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(httpx.ConnectError):
        call("GET", f"http://127.0.0.1:{port}")

    assert not job.given_up
