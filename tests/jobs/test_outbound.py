import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis.strategies import ip_addresses

from app import addresses
from jobs.outbound import (
    AsyncOutboundTransport,
    HostNotAllowedError,
    InnerAddressError,
    OutboundTransport,
    check_host,
    is_public,
)

Get = Callable[..., httpx.Response]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write((self.headers["host"] or "").encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """A resolver that gives each name its answers one after the other, and no further one."""
    zone: dict[str, list[list[str]]] = {}

    real = socket.getaddrinfo

    def resolve(host: str, port: int, *options: Any, **more: Any) -> list[Any]:
        if host.replace(".", "").isdecimal():  # an address: nothing to look up
            return real(host, port, *options, **more)
        if not zone.get(host):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in zone[host].pop(0)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return zone


def get(url: str, *, allow_inner: bool = False) -> httpx.Response:
    with httpx.Client(transport=OutboundTransport(allow_inner=allow_inner), timeout=5) as client:
        return client.get(url)


def get_async(url: str, *, allow_inner: bool = False) -> httpx.Response:
    async def request() -> httpx.Response:
        transport = AsyncOutboundTransport(allow_inner=allow_inner)
        async with httpx.AsyncClient(transport=transport, timeout=5) as client:
            return await client.get(url)

    return asyncio.run(request())


both = pytest.mark.parametrize("get", [get, get_async])


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"]
)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.31.0.1",
        "192.0.2.1", "192.168.0.1", "198.18.0.1", "224.0.0.251", "240.0.0.1", "255.255.255.255",
        "192.0.0.192", "168.63.129.16", "::ffff:192.0.0.192", "3fff::1",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
        "64:ff9b:1::1", "100::1", "2001:db8::1", "2002:a00:1::", "fc00::1", "fd00::1", "fe80::1",
        "fe80::1%lo", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_any_other_address_is_not(address: str) -> None:
    assert not is_public(address)


@given(ip_addresses())  # half of them from the ranges that have a special purpose
def test_jobs_and_callbacks_judge_every_address_alike(address: IPv4Address | IPv6Address) -> None:
    assert is_public(str(address)) is addresses.is_public(str(address))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("example.com", ["example.com"]),
        ("EXAMPLE.com.", ["example.COM"]),
        ("a.b.example.com", ["other.org", "*.example.com"]),
        ("anything.org", ["*"]),
    ],
)
def test_a_host_that_an_entry_names_is_allowed(host: str, allowed: list[str]) -> None:
    check_host(host, allowed, "TASK_API_X")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("example.com", []),
        ("example.com", ["example.org"]),
        ("example.com", ["*.example.com"]),
        ("evilexample.com", ["*.example.com", "example.com"]),
        ("example.com.evil.org", ["*.example.com", "example.com"]),
        ("", ["example.com"]),
    ],
)
def test_a_host_that_no_entry_names_is_not_and_the_setting_is_named(
    host: str, allowed: list[str]
) -> None:
    with pytest.raises(HostNotAllowedError, match="TASK_API_X"):
        check_host(host, allowed, "TASK_API_X")


@both
def test_a_name_is_looked_up_once_and_the_host_header_keeps_it(
    get: Get, port: int, lookups: dict[str, list[list[str]]]
) -> None:
    lookups["shop.example"] = [["127.0.0.1"]]

    response = get(f"http://shop.example:{port}/", allow_inner=True)

    assert response.text == f"shop.example:{port}"
    assert response.request.url.host == "shop.example"
    assert lookups["shop.example"] == []


@both
@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"]])
def test_a_name_with_any_inner_address_is_refused(
    get: Get, port: int, lookups: dict[str, list[list[str]]], addresses: list[str]
) -> None:
    lookups["rebind.example"] = [addresses]

    with pytest.raises(InnerAddressError, match=r"'rebind\.example'.*127\.0\.0\.1"):
        get(f"http://rebind.example:{port}/")


@both
def test_the_next_address_is_tried_where_one_does_not_answer(
    get: Get, port: int, lookups: dict[str, list[list[str]]]
) -> None:
    lookups["shop.example"] = [["127.0.0.2", "127.0.0.1"]]

    assert get(f"http://shop.example:{port}/", allow_inner=True).status_code == 200


@both
def test_a_host_whose_addresses_all_refuse_fails_to_connect(
    get: Get, port: int, lookups: dict[str, list[list[str]]]
) -> None:
    lookups["shop.example"] = [["127.0.0.2", "127.0.0.3"]]

    with pytest.raises(httpx.ConnectError, match=r"refused|attempts failed"):
        get(f"http://shop.example:{port}/", allow_inner=True)


@both
def test_a_name_that_nobody_knows_fails_to_connect(
    get: Get, lookups: dict[str, list[list[str]]]
) -> None:
    with pytest.raises(httpx.ConnectError, match=r"'nowhere\.example' could not be resolved"):
        get("http://nowhere.example/")


@both
def test_a_name_with_too_long_a_label_fails_to_connect(get: Get) -> None:
    with pytest.raises(httpx.ConnectError, match="could not be resolved"):
        get(f"https://{'a' * 64}.example/")
