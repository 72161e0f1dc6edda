import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from pydantic import ValidationError

import jobs.call
from jobs.call import (
    ApiAnswer,
    HeaderNotAllowedError,
    ServiceFailedError,
    UnusableAnswerError,
    call_api,
)
from jobs.outbound import HostNotAllowedError, InnerAddressError

from .conftest import Configure, FakeJob


class Service(ThreadingHTTPServer):
    """A real HTTP server that notes each request and answers it as the test says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.answers: list[Callable[[Handler], None]] = []
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of some tests."""


class Handler(BaseHTTPRequestHandler):
    server: Service

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(
            {"method": self.command, "path": self.path, "headers": headers, "body": body}
        )
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def answer(
    status: int = 200, body: bytes = b"", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return write


@pytest.fixture
def service(configure: Configure) -> Iterator[Service]:
    with Service() as server:
        server.answers = [answer(200, b'{"ok": true}', Content_Type="application/json")]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        configure(CALL_API_HOSTS="*", ALLOW_INNER_ADDRESSES="true")
        yield server
        server.shutdown()
        thread.join()


def call(method: str, url: str, **arguments: Any) -> ApiAnswer:
    """Call the task as a worker does: by names, to its end."""
    return asyncio.run(call_api(method=method, url=url, **arguments))


# What is sent, and what comes back.


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


# Trying again.


def test_429_is_tried_again_after_its_retry_after(service: Service) -> None:
    service.answers = [answer(429, Retry_After="1"), answer(200, b"1")]
    began = time.monotonic()

    assert call("GET", service.url).body == 1
    assert 1 <= time.monotonic() - began < 5
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
    assert time.monotonic() - began < 2
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
        answer(503, Retry_After="5"),
    ]
    began = time.monotonic()

    with pytest.raises(ServiceFailedError):
        call("GET", service.url)

    assert time.monotonic() - began < 2
    assert len(service.requests) == 3


@pytest.mark.parametrize("retry_after", ["3600", "9" * 5000])
def test_a_retry_after_beyond_the_tasks_time_is_not_waited_for(
    service: Service, retry_after: str
) -> None:
    service.answers = [answer(503, Retry_After=retry_after)]
    began = time.monotonic()

    with pytest.raises(ServiceFailedError):
        call("GET", service.url)

    assert time.monotonic() - began < 2
    assert len(service.requests) == 1


def test_all_tries_together_stay_within_the_tasks_timeout() -> None:
    assert call_api.options.timeout > jobs.call.PATIENCE > jobs.call.LONGEST_TRY


def test_an_answer_that_drips_is_cut_off_at_the_timeout(service: Service) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        answer(200)(handler)
        for _ in range(100):
            handler.wfile.write(b".")
            handler.wfile.flush()
            time.sleep(0.05)

    service.answers = [drip]
    began = time.monotonic()

    with pytest.raises(TimeoutError, match=r"did not answer within 0\.3 s"):
        call("GET", service.url, timeout=0.3)

    assert time.monotonic() - began < 2


def test_a_service_that_is_away_is_left_to_the_jobs_retries(
    configure: Configure, job: FakeJob
) -> None:
    configure(CALL_API_HOSTS="*", ALLOW_INNER_ADDRESSES="true")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(httpx.ConnectError):
        call("GET", f"http://127.0.0.1:{port}")

    assert not job.given_up


# Limits.


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


# Hosts and addresses.


@pytest.mark.parametrize("hosts", ["", "example.com", "*.example.com", "localhost"])
def test_a_host_that_is_not_allowed_is_not_called(
    service: Service, configure: Configure, job: FakeJob, hosts: str
) -> None:
    configure(CALL_API_HOSTS=hosts)

    with pytest.raises(HostNotAllowedError, match="TASK_API_CALL_API_HOSTS"):
        call("GET", service.url)

    assert service.requests == []
    assert job.given_up


INNER = [
    "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]",
    "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "localhost", "LOCALHOST", "2130706433", "0x7f000001",
    "0177.0.0.1", "127.1", "[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
]  # fmt: skip


@pytest.mark.parametrize("host", INNER)
def test_an_inner_address_is_refused_however_it_is_written(
    service: Service, configure: Configure, job: FakeJob, host: str
) -> None:
    configure(ALLOW_INNER_ADDRESSES="false")

    with pytest.raises(InnerAddressError, match="TASK_API_ALLOW_INNER_ADDRESSES"):
        call("GET", f"http://{host}:{service.port}/")

    assert service.requests == []
    assert job.given_up


def test_a_redirect_to_an_inner_address_is_not_followed(service: Service) -> None:
    service.answers = [answer(302, Location="http://169.254.169.254/latest/meta-data/")]

    assert call("GET", service.url).status == 302
    assert len(service.requests) == 1


def test_a_proxy_of_the_environment_is_not_used(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    assert call("GET", service.url).status == 200


def test_https_checks_the_certificate_against_the_name_of_the_url(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    url = f"https://localhost:{service.port}/"
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        call("GET", url)

    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert call("GET", url).status == 200
    assert service.requests[0]["headers"]["host"] == f"localhost:{service.port}"
    with pytest.raises(httpx.ConnectError, match=r"127\.0\.0\.1"):  # not in the certificate
        call("GET", url.replace("localhost", "127.0.0.1"))
