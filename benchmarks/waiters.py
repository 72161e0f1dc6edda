"""A crowd of callers, each with one job, that want to know when it has ended.

Run as a process of its own: `python -m benchmarks.waiters PORT CALLERS EVERY` prints one line of
JSON. EVERY is the seconds between two questions of a caller; 0 for callers that are told instead.
"""

import asyncio
import json
import random
import sys
import time

import uvloop

BODY = json.dumps({"seconds": 0.005})
_LONGEST = 60.0  # seconds; each is over long before


class Caller:
    """One connection: it enqueues a job, and learns of its end."""

    def __init__(self, port: int, every: float) -> None:
        self._port = port
        self._every = every

    async def latency(self) -> float:
        """Give the seconds from the end of the job's function to the answer that says so."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            job = await self._ask("POST", "/tasks/rest", BODY)
            while job["status"] != "finished":
                # Callers are not in step with each other.
                await asyncio.sleep(self._every * random.uniform(0.9, 1.1))
                job = await self._ask("GET", f"/jobs/{job['id']}", "")
            return time.monotonic() - float(job["result"])
        finally:
            self._writer.close()

    async def _ask(self, method: str, path: str, body: str) -> dict[str, str]:
        prefer = "" if self._every else f"Prefer: wait={_LONGEST:.0f}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{prefer}"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write((head + body).encode())
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = answer.partition(b"content-length: ")[2].partition(b"\r")[0]
        job: dict[str, str] = json.loads(await self._reader.readexactly(int(length)))
        return job


async def run(port: int, callers: int, every: float) -> dict[str, float]:
    """Let all of them wait at once; times in milliseconds."""
    crowd = [Caller(port, every).latency() for _ in range(callers)]
    latencies = sorted(await asyncio.gather(*crowd))
    return {
        "p50": latencies[callers // 2] * 1000,
        "p99": latencies[callers * 99 // 100] * 1000,
    }


def main() -> None:
    """Read the command line, print the result as JSON."""
    port, callers, every = sys.argv[1:]
    print(json.dumps(uvloop.run(run(int(port), int(callers), float(every)))))


if __name__ == "__main__":
    main()
