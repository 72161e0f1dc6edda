"""Images over HTTP, from a real server: allowed hosts only, and never more than the limit."""

import gzip
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from jobs.download import DownloadRefusedError
from jobs.image import process_image
from jobs.outbound import HostNotAllowedError, InnerAddressError
from jobs.pixels import NotAnImageError
from jobs.storage import FileTooLargeError

from .conftest import Configure, FakeJob, picture

Answer = Callable[[BaseHTTPRequestHandler], None]


class Site(ThreadingHTTPServer):
    """A real HTTP server with one answer for every path."""

    daemon_threads = True
    answer: Answer
    sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/cat.png"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of a test."""


class Page(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.answer(self)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def respond(
    page: BaseHTTPRequestHandler, status: int = 200, body: bytes = b"", **headers: str
) -> None:
    page.send_response(status)
    for name, value in headers.items():
        page.send_header(name.replace("_", "-"), value)
    page.send_header("Content-Length", str(len(body)))
    page.end_headers()
    page.wfile.write(body)


@pytest.fixture
def site(storage: Path, configure: Configure) -> Iterator[Site]:
    server = Site(("127.0.0.1", 0), Page)
    server.answer = partial(respond, body=picture())
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    configure(IMAGE_HOSTS="127.0.0.1", ALLOW_INNER_ADDRESSES="true")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_image_is_fetched_from_an_allowed_host(site: Site) -> None:
    assert process_image(site.url, "copy.png", width=10).height == 5


@pytest.mark.parametrize("hosts", ["", "example.com"])
def test_other_hosts_are_refused_and_the_setting_is_named(
    site: Site, configure: Configure, hosts: str, job: FakeJob
) -> None:
    configure(IMAGE_HOSTS=hosts)
    with pytest.raises(HostNotAllowedError, match="TASK_API_IMAGE_HOSTS"):
        process_image(source=site.url, destination="copy.png")
    assert job.given_up


@pytest.mark.parametrize(
    "url",
    [
        "http://allowed.example@evil.example/cat.png",
        "http://evil.example#@allowed.example/cat.png",
        "HTTP://allowed.example.evil.example/cat.png",
    ],
)
def test_a_url_that_hides_its_host_is_refused(
    storage: Path, configure: Configure, url: str
) -> None:
    configure(IMAGE_HOSTS="allowed.example")
    with pytest.raises(HostNotAllowedError):
        process_image(url, "copy.png")


def test_an_allowed_host_with_an_inner_address_is_refused(site: Site, configure: Configure) -> None:
    configure(ALLOW_INNER_ADDRESSES="false")
    with pytest.raises(InnerAddressError):
        process_image(site.url, "copy.png")


def test_a_redirect_is_followed_to_allowed_hosts_only(site: Site) -> None:
    def redirect(page: BaseHTTPRequestHandler) -> None:
        if page.path == "/cat.png":
            respond(page, 302, Location="/moved.png")
        else:
            respond(page, body=picture())

    site.answer = redirect
    assert process_image(site.url, "copy.png").width == 40

    site.answer = partial(respond, status=302, Location="http://localhost:1/cat.png")
    with pytest.raises(HostNotAllowedError, match="localhost"):
        process_image(site.url, "copy.png")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "/cat.png", "ftp://127.0.0.1/x"])
def test_a_redirect_to_no_http_url_or_in_a_circle_is_refused(
    site: Site, target: str, job: FakeJob
) -> None:
    site.answer = partial(respond, status=301, Location=target)
    with pytest.raises(DownloadRefusedError):
        process_image(source=site.url, destination="copy.png")
    assert job.given_up


@pytest.mark.parametrize(
    ("status", "given_up"), [(404, True), (403, True), (410, True), (429, False), (503, False)]
)
def test_a_host_that_says_no_is_believed_and_one_that_fails_is_asked_again(
    site: Site, status: int, given_up: bool, job: FakeJob
) -> None:
    site.answer = partial(respond, status=status)
    with pytest.raises((DownloadRefusedError, httpx.HTTPStatusError), match=str(status)):
        process_image(source=site.url, destination="copy.png")
    assert job.given_up is given_up


@pytest.mark.parametrize("url", ["http://", "https://:80/", "http://[::1/cat.png", "http://a:b/"])
def test_what_is_no_url_is_refused(
    storage: Path, configure: Configure, url: str, job: FakeJob
) -> None:
    configure(IMAGE_HOSTS="*")
    with pytest.raises(DownloadRefusedError):
        process_image(source=url, destination="copy.png")
    assert job.given_up


def test_an_endless_answer_is_cut_off_at_the_limit(site: Site, configure: Configure) -> None:
    def endless(page: BaseHTTPRequestHandler) -> None:
        page.send_response(200)
        page.end_headers()
        while True:
            site.sent += page.wfile.write(bytes(65536))

    configure(IMAGE_MAX_BYTES="1MiB")
    site.answer = endless
    with pytest.raises(FileTooLargeError, match="TASK_API_IMAGE_MAX_BYTES"):
        process_image(site.url, "copy.png")
    assert site.sent < 64 * 2**20  # what the sockets' buffers take beside


def test_a_compressed_answer_is_not_blown_up(site: Site, configure: Configure) -> None:
    configure(IMAGE_MAX_BYTES="1MiB")
    site.answer = partial(respond, body=gzip.compress(bytes(200_000_000)), Content_Encoding="gzip")
    with pytest.raises(NotAnImageError):
        process_image(site.url, "copy.png")
