"""A load of HTTP requests: N connections, each sends its next request when it has its answer.

Run as a process of its own, so that it does not share the server's interpreter:
`python -m benchmarks.load PORT PATH CONNECTIONS SECONDS BODY` prints one line of JSON.
"""

import asyncio
import json
import sys
import time

import uvloop


class Caller(asyncio.Protocol):
    """One connection. It parses no more of an answer than it must."""

    def __init__(self, request: bytes) -> None:
        self.latencies: list[float] = []  # seconds
        self.refused = 0  # answers that are no success
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._until = 0.0
        self._buffer = b""
        self._sent = 0.0

    def start(self, until: float) -> None:
        """Send requests one after the other, the last one before that time of `perf_counter`."""
        self._until = until
        self._send()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Count an answer once it is whole, and send the next request."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._buffer.lower().find(b"content-length: ", 0, head) + 16
        length = int(self._buffer[at : self._buffer.find(b"\r", at)])
        if len(self._buffer) < head + 4 + length:
            return
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        if self._buffer[9:10] != b"2":
            self.refused += 1
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; a connection that the server has closed has an answer missing, which is counted."""
        if exc is not None or time.perf_counter() < self._until:
            self.refused += 1
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)


async def run(
    port: int, path: str, connections: int, seconds: float, body: bytes
) -> dict[str, float]:
    """Load a server on loopback for some seconds; rates are answers a second, times milliseconds.

    All connections are open before the first request is sent.
    """
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    request = head.encode() + body
    callers = [
        (await loop.create_connection(lambda: Caller(request), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    begun = time.perf_counter()
    for caller in callers:
        caller.start(begun + seconds)
    await asyncio.gather(*(caller.done for caller in callers))
    ended = time.perf_counter()
    latencies = sorted(latency for caller in callers for latency in caller.latencies)
    return {
        "answers": len(latencies),
        "rate": len(latencies) / (ended - begun),
        "p50": latencies[len(latencies) // 2] * 1000,
        "p99": latencies[len(latencies) * 99 // 100] * 1000,
        "refused": sum(caller.refused for caller in callers),
    }


def main() -> None:
    """Read the command line, print the result as JSON."""
    port, path, connections, seconds, body = sys.argv[1:]
    result = uvloop.run(run(int(port), path, int(connections), float(seconds), body.encode()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
