import asyncio
import contextlib

from benchmarks.load import run


@contextlib.asynccontextmanager
async def server(answer):
    """Answer each request with these bytes, in two pieces."""

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                writer.write(answer[:20])
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(answer[20:])
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1]


async def load(answer):
    async with server(answer) as port:
        return await run(port, "/", connections=3, seconds=0.2, body=b"{}")


def test_answers_are_counted_and_timed():
    result = asyncio.run(load(b"HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\ndone"))

    assert result["refused"] == 0
    assert result["answers"] >= 3
    assert 0 < result["p50"] <= result["p99"] < 200


def test_an_error_is_a_refusal_and_no_success():
    result = asyncio.run(load(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"))

    assert result["refused"] == result["answers"] >= 3
