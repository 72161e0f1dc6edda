"""The end of the server, noticed in time: callers who wait are answered before it waits for them.

uvicorn runs the lifespan's end only once every request is answered, and tells an app nothing
before. So the signals are listened to beside it.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_end_of_server(callback: Callable[[], None]) -> Iterator[None]:
    """Call back on the event loop once the process is told to end; its own handlers are called too.

    Where the loop runs in another thread than the main one, no signal comes, and nothing is called.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def on_signal(number: int, frame: FrameType | None) -> Any:
        loop.call_soon_threadsafe(callback)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler is signal.SIG_DFL:
            signal.signal(number, handler)
            signal.raise_signal(number)

    for number in _SIGNALS:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is on_signal:  # else it is somebody else's by now
                signal.signal(number, handler)
