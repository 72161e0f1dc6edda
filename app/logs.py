"""Logging: one line for each event, on standard error, the same in every process."""

import logging
import sys

from app.settings import Settings

_TALKATIVE = ("httpx", "httpcore")  # they log each URL, and with it what stands in its query
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s %(message)s"


class _Formatter(logging.Formatter):
    """Writes out the time once a second, not once a line: a worker has a line for each job."""

    _second = -1
    _shown = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        second = int(record.created)
        if second != self._second:
            self._second, self._shown = second, super().formatTime(record, datefmt)
        return self._shown


def configure_logging(settings: Settings) -> None:
    """Send what is logged to standard error, at the level of `TASK_API_LOG_LEVEL`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(_FORMAT, datefmt="%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
