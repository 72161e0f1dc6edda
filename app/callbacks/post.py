"""One POST to the outer world: no inner address, no redirect, no proxy, bounded in time and size.

A check of the URL alone is not enough: a name may point inwards, or point elsewhere at the next
look-up (DNS rebinding). So the name is resolved once, each address that it has is checked, and the
connection goes to one that was checked. `Host` and the certificate's name stay those of the URL.
"""

import contextlib
import http.client
import io
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from app.addresses import Place, is_public, place_of
from app.callback import LONGEST_TEXT
from app.errors import CallbackUnreachable, InnerAddress

SECONDS = 20.0  # for the whole exchange; the specification recommends 15 to 30
MOST_READ = 65_536  # bytes of an answer, its headers included; the rest is not waited for

Address = tuple[Any, Any, int, str, Any]  # of getaddrinfo


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver has answered."""

    status: int
    text: str  # the beginning of its body
    retry_after: float | None  # seconds from now, where it said so

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has taken the message."""
        return 200 <= self.status < 300


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow_inner: bool,
    seconds: float = SECONDS,
) -> Answer:
    """Send a body, and give the answer, whatever its status.

    Args:
        url: checked when the job came in.
        body: sent as it is.
        headers: beside `Host` and `Content-Length`.
        allow_inner: whether addresses that are not public may be connected to.
        seconds: for the connection, the request and the answer; looking up the name is not in it,
            for that cannot be interrupted.

    Raises:
        InnerAddress: nothing was sent.
        CallbackUnreachable: there was no connection, or no answer in time, or none that is HTTP.
    """
    place = place_of(url)
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        if not allow_inner:
            _refuse_inner(place.host, found)
        with _connected(place, found, _Deadline(seconds)) as connection:
            return _exchange(connection, place.target, body, headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # ValueError: a label of a name beyond 63 letters, a line that is no header.
        late = isinstance(error, TimeoutError)
        reason = f"not within {seconds:g} s" if late else str(error) or type(error).__name__
        raise CallbackUnreachable(host=place.host, reason=reason) from error


def _refuse_inner(host: str, found: list[Address]) -> None:
    for *_, sockaddr in found:
        if not is_public(str(sockaddr[0])):
            raise InnerAddress(host=host, address=sockaddr[0])


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _TimedSocket:
    """What `http.client` asks of a socket, all of it together within one deadline."""

    def __init__(self, connected: socket.socket, deadline: _Deadline) -> None:
        self._socket = connected
        self._deadline = deadline

    def sendall(self, data: Any) -> None:
        self._socket.settimeout(self._deadline.left())
        self._socket.sendall(data)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._socket, self._deadline))

    def close(self) -> None:
        """Leave that to whoever connected it: `http.client` closes before it reads the body."""


class _Reader(io.RawIOBase):
    def __init__(self, connected: socket.socket, deadline: _Deadline) -> None:
        self._socket = connected
        self._deadline = deadline
        self._left = MOST_READ

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        room = memoryview(buffer)[: self._left]
        if not room:
            return 0  # as though it ended here
        self._socket.settimeout(self._deadline.left())
        count = self._socket.recv_into(room)
        self._left -= count
        return count


@contextmanager
def _connected(
    place: Place, found: list[Address], deadline: _Deadline
) -> Iterator[http.client.HTTPConnection]:
    with _open(found, deadline) as plain, contextlib.ExitStack() as stack:
        used: socket.socket = plain
        if place.is_tls:
            plain.settimeout(deadline.left())
            context = ssl.create_default_context()
            used = stack.enter_context(context.wrap_socket(plain, server_hostname=place.host))
        connection = http.client.HTTPConnection(place.host, place.port)
        connection.default_port = 443 if place.is_tls else 80  # for Host
        connection.sock = _TimedSocket(used, deadline)
        yield connection


def _open(found: list[Address], deadline: _Deadline) -> socket.socket:
    """Connect to the first of the addresses that takes it."""
    for number, (family, kind, protocol, _, sockaddr) in enumerate(found, 1):
        candidate = socket.socket(family, kind, protocol)
        try:
            candidate.settimeout(deadline.left())
            candidate.connect(sockaddr)
        except OSError:
            candidate.close()
            if number == len(found):
                raise
        else:
            return candidate
    raise OSError("it has no address")


def _exchange(
    connection: http.client.HTTPConnection, target: str, body: bytes, headers: Mapping[str, str]
) -> Answer:
    connection.request("POST", target, body, {**headers, "Connection": "close"})
    response = connection.getresponse()
    read = b""
    # Its status counts, whatever becomes of the rest.
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        while piece := response.read1(MOST_READ):
            read += piece
    retry_after = response.getheader("retry-after")
    return Answer(
        status=response.status,
        text=read.decode(errors="replace")[:LONGEST_TEXT],
        retry_after=None if retry_after is None else _seconds_of(retry_after),
    )


def _seconds_of(retry_after: str) -> float | None:
    """Read a Retry-After header, which holds seconds or a date; None where it holds neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        date = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
