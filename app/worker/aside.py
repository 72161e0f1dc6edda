"""Users' code that a supervisor has to call: in another process, so that it can break nothing."""

import contextlib
import logging
import os
import signal
from collections.abc import Callable

logger = logging.getLogger("task_api.worker")


class Aside:
    """Forks a process for each call, and waits for none."""

    def __init__(self) -> None:
        self._running: set[int] = set()

    def call(self, action: Callable[[], None]) -> None:
        """Call it in a process of its own, which ends with it."""
        if pid := os.fork():
            self._running.add(pid)
            return
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            action()
        except BaseException:
            logger.exception("callback.failed pid=%s", os.getpid())
        finally:
            logging.shutdown()
            os._exit(0)

    def reap(self) -> None:
        """Take in the processes that have ended."""
        for pid in list(self._running):
            with contextlib.suppress(ChildProcessError):
                if not os.waitpid(pid, os.WNOHANG)[0]:
                    continue
            self._running.discard(pid)
