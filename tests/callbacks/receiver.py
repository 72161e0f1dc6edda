"""A receiver of callbacks on loopback, which answers as it is told and keeps what it was sent."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = int | tuple[int, dict[str, str]] | Callable[[BaseHTTPRequestHandler], None]
"""A status, with headers, or what answers by itself."""


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def message(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers with each of `replies` in turn, the last of them for ever."""

    replies: list[Reply] = field(default_factory=lambda: [204])
    received: list[Received] = field(default_factory=list)
    url: str = ""
    port: int = 0

    def wait_for(self, count: int, seconds: float = 60.0) -> Sequence[Received]:
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} came"
            time.sleep(0.01)
        return self.received


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = receiver.replies[min(len(receiver.received), len(receiver.replies) - 1)]
            receiver.received.append(Received(self.path, headers, body, time.time()))
            if callable(reply):
                reply(self)
                return
            status, more = (reply, {}) if isinstance(reply, int) else reply
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            if status != 204:
                self.wfile.write(b"as you say")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # the sender went away
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing: a TLS handshake that fails is what a test is about."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_port
    scheme = "http" if context is None else "https"
    receiver.url = f"{scheme}://127.0.0.1:{receiver.port}/hook?who=me"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()
