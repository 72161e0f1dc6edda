"""A response that goes on: frames are sent as they come, until the caller leaves or they end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.departure import unless_left
from app.api.negotiation import EVENT_STREAM
from app.errors import TaskApiError

LONGEST = 3600.0
"""Seconds that one stream lasts. Callers come back by themselves, and lose nothing: so connections
spread again over the processes behind one address."""

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold frames back
}


class EventStream(Response):
    """Sends chunks of frames; 204 where not even a first one comes.

    An error before the first chunk is answered as on any route. One after it ends the stream: the
    caller comes back, and is told.
    """

    media_type = EVENT_STREAM

    def __init__(self, chunks: AsyncGenerator[bytes, None], status_code: int = 200) -> None:
        self._chunks = chunks
        self.status_code = status_code
        self.background = None
        self.init_headers(_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, for as long as the caller is there."""
        async with aclosing(self._chunks) as chunks:
            await unless_left(
                receive, self._send(chunks, send, to_head=scope.get("is_head", False))
            )

    async def _send(self, chunks: AsyncIterator[bytes], send: Send, *, to_head: bool) -> None:
        first = await anext(chunks, None)
        if first is None:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        if not to_head:
            await _send_each(first, chunks, send)
        await send({"type": "http.response.body", "body": b""})


async def _send_each(first: bytes, chunks: AsyncIterator[bytes], send: Send) -> None:
    try:
        async with asyncio.timeout(LONGEST):
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except (TimeoutError, TaskApiError):
        pass  # the end of the stream is what the caller sees of it
