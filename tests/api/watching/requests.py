"""What the tests of waiting and of streams share: requests that stay open, and their frames."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

PATIENCE = 90.0  # seconds; longer than any wait that is asked for


class Frame(NamedTuple):
    """One frame of a stream; a comment, or an id alone, has no event."""

    event: str | None
    id: str | None
    data: Any
    text: str


class Stream:
    """An open response of server-sent events."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._answer = answer

    def frames(self) -> Iterator[Frame]:
        """Give the frames as they come, until the stream is closed."""
        lines: list[str] = []
        deadline = time.monotonic() + PATIENCE
        while line := self._answer.readline().decode():
            assert time.monotonic() < deadline, "what was waited for has not come"
            if line != "\n":
                lines.append(line.removesuffix("\n"))
                continue
            fields = dict(each.split(": ", 1) for each in lines if not each.startswith(":"))
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Frame(fields.get("event"), fields.get("id"), data, "\n".join(lines))
            lines = []
        assert not lines, "the stream ended within a frame"

    def events(self, *until: str) -> list[Frame]:
        """Give the frames that are events, up to the first one of these kinds, or to the end."""
        found = []
        for frame in self.frames():
            if frame.event is not None:
                found.append(frame)
                if frame.event in until:
                    break
        return found


@contextmanager
def stream(served: Any, path: str, **headers: str) -> Iterator[Stream]:
    """Open a stream of a server; it is left at the end."""
    connection = http.client.HTTPConnection(*served.address, timeout=PATIENCE)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers=named)
    opened = connection.sock  # closed by hand: the response would be read to its end
    answer = connection.getresponse()
    try:
        yield Stream(answer)
    finally:
        answer.close()
        _close(opened)
        connection.close()


def _close(opened: socket.socket | None) -> None:
    if opened is not None:
        opened.close()


def ask(
    served: Any, method: str, path: str, arguments: Any = None, **headers: str
) -> tuple[Any, Any, float]:
    """Send a request; gives the response, its JSON, and the seconds that it took."""
    connection = http.client.HTTPConnection(*served.address, timeout=PATIENCE)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if arguments is not None:
        named["Content-Type"] = "application/json"
    begun = time.monotonic()
    try:
        body = None if arguments is None else json.dumps(arguments)
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        text = answer.read()
        return answer, json.loads(text) if text else None, time.monotonic() - begun
    finally:
        connection.close()
