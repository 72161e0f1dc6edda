"""One POST to the outer world, against a real server on loopback."""

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme

from app.callbacks.post import Answer, post
from app.errors import CallbackUnreachable, InnerAddress
from tests.callbacks.receiver import receiving


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


def send(url, body=b"{}", **options):
    return post(url, body, {"webhook-id": "m"}, **{"allow_inner": True, **options})


def resolving(monkeypatch, *answers):
    """Let every look-up give the next of these lists of addresses; tells what was looked up."""
    asked = []

    def getaddrinfo(host, port, **_):
        asked.append(host)
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in answers[min(len(asked), len(answers)) - 1]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_the_body_arrives_as_it_is_with_the_headers_and_the_host(receiver):
    answer = send(receiver.url, '{"a":"ü"}'.encode())

    [got] = receiver.received
    assert answer == Answer(204, "", None)
    assert got.body == '{"a":"ü"}'.encode()
    assert got.path == "/hook?who=me"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["webhook-id"] == "m"
    assert "proxy-connection" not in got.headers


@pytest.mark.parametrize("status", [200, 201, 299])
def test_every_2xx_is_success(receiver, status):
    receiver.replies = [status]

    answer = send(receiver.url)

    assert (answer.status, answer.text, answer.is_taken) == (status, "as you say", True)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(receiver, status):
    receiver.replies = [(status, {"Location": receiver.url})]

    answer = send(receiver.url)

    assert (answer.status, answer.is_taken) == (status, False)
    assert len(receiver.received) == 1


def test_no_proxy_is_used(receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert send(receiver.url).status == 204


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]"),
        *("0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[64:ff9b::7f00:1]"),
        *("[fe80::1]",),
    ],
)
def test_an_inner_address_is_refused_before_anything_is_sent(receiver, host):
    with pytest.raises(InnerAddress, match="TASK_API_CALLBACK_ALLOW_INNER"):
        send(f"http://{host}:{receiver.port}/", allow_inner=False)

    assert receiver.received == []


def test_a_name_is_refused_if_one_of_its_addresses_is_an_inner_one(receiver, monkeypatch):
    asked = resolving(monkeypatch, ["93.184.216.34", "127.0.0.1"])

    with pytest.raises(InnerAddress, match=r"127\.0\.0\.1"):
        send(f"http://rebind.example:{receiver.port}/", allow_inner=False)

    assert (asked, receiver.received) == (["rebind.example"], [])


def test_the_address_that_was_checked_is_the_one_connected_to(receiver, monkeypatch):
    # The second look-up, should there be one, would point inwards: DNS rebinding.
    asked = resolving(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    connected = []

    def connect(self, address):
        connected.append(address)
        raise ConnectionRefusedError("no")

    monkeypatch.setattr(socket.socket, "connect", connect)

    with pytest.raises(CallbackUnreachable):
        send(f"http://rebind.example:{receiver.port}/", allow_inner=False)

    assert asked == ["rebind.example"]
    assert connected == [("93.184.216.34", receiver.port)]


def test_the_next_address_is_tried_where_the_first_does_not_answer(receiver, monkeypatch):
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])  # nobody listens on the first

    assert send(f"http://two.example:{receiver.port}/").status == 204
    assert receiver.received[0].headers["host"] == f"two.example:{receiver.port}"


def test_a_name_without_an_address_says_so(monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(CallbackUnreachable, match=r"nowhere\.example .*not known"):
        send("http://nowhere.example/")


def test_a_refused_connection_says_so():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(CallbackUnreachable, match="refused"):
        send(f"http://127.0.0.1:{port}/")


def raw(answer, *, pause=0.0):
    """Serve one connection with these bytes, one piece after another; give the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with server, server.accept()[0] as connection:
            connection.recv(65_536)
            try:
                for piece in answer:
                    connection.sendall(piece)
                    time.sleep(pause)
            except OSError:
                pass  # the sender has had enough

    thread = threading.Thread(target=serve)
    thread.start()
    return server.getsockname()[1], thread


def forever(piece):
    while True:
        yield piece


@pytest.mark.parametrize(
    "answer",
    [forever(b"H"), (b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 1000)],
    ids=["in the status line", "in the headers"],
)
def test_an_answer_that_drips_is_given_up_at_the_deadline(answer):
    port, thread = raw(answer, pause=0.05)
    begun = time.monotonic()

    with pytest.raises(CallbackUnreachable, match=r"within 0\.5 s"):
        send(f"http://127.0.0.1:{port}/", seconds=0.5)

    assert time.monotonic() - begun < 20
    thread.join()


def test_silence_is_given_up_at_the_deadline():
    port, thread = raw([b""], pause=5.0)
    begun = time.monotonic()

    with pytest.raises(CallbackUnreachable, match=r"within 0\.3 s"):
        send(f"http://127.0.0.1:{port}/", seconds=0.3)

    assert time.monotonic() - begun < 4
    thread.join()


def test_a_body_without_end_is_read_to_a_bound_and_its_status_counts():
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    port, thread = raw((head, *[b"x" * 10_000] * 1000))

    answer = send(f"http://127.0.0.1:{port}/", seconds=10)

    assert (answer.status, answer.text) == (200, "x" * 1000)
    thread.join()


def test_a_body_that_stalls_does_not_take_the_success_back():
    port, thread = raw((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyes", b""), pause=0.8)

    answer = send(f"http://127.0.0.1:{port}/", seconds=0.4)

    assert (answer.status, answer.text) == (200, "yes")
    thread.join()


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 nil\r\n\r\n", b"\xff" * 70_000]
)
def test_what_is_no_http_is_no_answer(answer):
    port, thread = raw([answer])

    with pytest.raises(CallbackUnreachable):
        send(f"http://127.0.0.1:{port}/", seconds=2)

    thread.join()


@pytest.mark.parametrize("value", ["7", "0", "soon", "-1"])
def test_retry_after_is_read_in_seconds(receiver, value):
    receiver.replies = [(503, {"Retry-After": value})]

    answer = send(receiver.url)

    assert answer.retry_after == {"7": 7.0, "0": 0.0}.get(value)


def test_retry_after_is_read_as_a_date(receiver):
    soon = datetime.now(UTC) + timedelta(seconds=60)
    receiver.replies = [(429, {"Retry-After": format_datetime(soon, usegmt=True)})]

    retry_after = send(receiver.url).retry_after

    assert retry_after is not None
    assert 55 < retry_after <= 60


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path, monkeypatch):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        return authority

    def serving(self, authority, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        return receiving(context)

    def test_the_certificate_is_asked_for_the_urls_name(self, authority, monkeypatch):
        resolving(monkeypatch, ["127.0.0.1"])
        with self.serving(authority, "hooks.example") as receiver:
            answer = send(f"https://hooks.example:{receiver.port}/x")

            assert answer.status == 204
            assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"

    def test_another_names_certificate_is_refused(self, authority, monkeypatch):
        resolving(monkeypatch, ["127.0.0.1"])
        with self.serving(authority, "other.example") as receiver:
            with pytest.raises(CallbackUnreachable, match=r"hooks\.example"):
                send(f"https://hooks.example:{receiver.port}/x")

            assert receiver.received == []

    def test_a_certificate_of_nobody_known_is_refused(self, authority):
        with (
            self.serving(trustme.CA(), "127.0.0.1") as receiver,
            pytest.raises(CallbackUnreachable, match="verify failed"),
        ):
            send(receiver.url)

    def test_an_address_may_have_a_certificate(self, authority):
        with self.serving(authority, "127.0.0.1") as receiver:
            assert send(receiver.url).status == 204


def test_the_usual_port_is_not_named_in_host(receiver, monkeypatch):
    connect = socket.socket.connect
    resolving(monkeypatch, ["127.0.0.1"])
    monkeypatch.setattr(
        socket.socket, "connect", lambda self, _: connect(self, ("127.0.0.1", receiver.port))
    )

    send("http://usual.example/")

    assert receiver.received[0].headers["host"] == "usual.example"
