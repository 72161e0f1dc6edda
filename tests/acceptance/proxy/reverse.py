"""A little reverse proxy: it shows a service under a path, which it cuts off or passes on."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable


class ReverseProxy(socketserver.ThreadingTCPServer):
    """A server on a port of its own that passes on what is below its path."""

    daemon_threads = True

    def __init__(self, target: tuple[str, int], path: str, *, cuts: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.target = target
        self.path = path
        self.cuts = cuts
        self.asked_elsewhere: list[str] = []
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self.shutdown()
        self.server_close()


class _Exchange(socketserver.StreamRequestHandler):
    """One request of a connection, and its answer as it comes."""

    server: ReverseProxy

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            method, _, rest = self.rfile.readline().decode("latin-1").partition(" ")
            path, _, version = rest.partition(" ")
            if path.startswith(f"{self.server.path}/"):
                path = path.removeprefix(self.server.path) if self.server.cuts else path
                self._pass_on(f"{method} {path} {version}Connection: close\r\n".encode("latin-1"))
            elif method:
                self.server.asked_elsewhere.append(path)
                self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _pass_on(self, first: bytes) -> None:
        with socket.create_connection(self.server.target) as upstream:
            upstream.sendall(first)
            request = threading.Thread(target=_copy, args=(self.rfile.read1, upstream), daemon=True)
            request.start()
            _copy(upstream.recv, self.connection)
            request.join()


def _copy(read: Callable[[int], bytes], sink: socket.socket) -> None:
    """Copy until there is no more, and say so to the other side."""
    with contextlib.suppress(OSError):
        while data := read(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
