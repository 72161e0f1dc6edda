"""An answer's head and its body, handed to the socket in one write.

A server writes the head when it is told of it, and the body after: two system calls, two packets,
and a client that wakes twice. For a short answer that is a fifth of what the server does at all.
uvicorn offers no way to join them, so its transport is swapped for the moment between the two.
"""

from typing import Any, Protocol

from starlette.types import Message, Send


class Transport(Protocol):
    """What an asyncio transport is asked for here."""

    def write(self, data: bytes, /) -> None:
        """Send some bytes."""

    def close(self) -> None:
        """End the connection once all is sent."""


class Gathering:
    """Stands in for a transport, and keeps what is written; whatever else is asked is passed on."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._written: list[bytes] = []
        self._is_closed = False

    def __getattr__(self, name: str) -> Any:
        """Ask the transport itself."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep some bytes."""
        self._written.append(data)

    def close(self) -> None:
        """Close the connection as soon as all is out."""
        self._is_closed = True

    def release(self) -> None:
        """Write all that was kept."""
        if self._written:
            self._transport.write(b"".join(self._written))
        if self._is_closed:
            self._transport.close()


async def send_together(send: Send, *messages: Message) -> None:
    """Send parts of one answer, in one write where the server's transport can be reached.

    It can be with uvicorn, whose `send` is a method of the object that holds it. With any other
    server the parts are sent one after the other, as they would be anyway.
    """
    cycle: Any = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        for message in messages:
            await send(message)
        return
    gathering = Gathering(transport)
    cycle.transport = gathering
    try:
        for message in messages:
            await send(message)
    finally:
        cycle.transport = transport
        gathering.release()
