"""Logging: one line for each event, on standard error, the same in every process."""

import logging
import re
import sys

from app.settings import Settings

_TALKATIVE = ("httpx", "httpcore")  # they log each URL, and with it what stands in its query
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s %(message)s"


_TOKEN = re.compile(r"(?<=/shared/)[^/?#\s]+")


def without_tokens(text: str) -> str:
    """Take the token out of a share link's path: whoever reads a log is not to use the link."""
    return _TOKEN.sub("{token}", text)


class _WithoutTokens(logging.Filter):
    """Keeps tokens out of uvicorn's access log, whose lines are made of the request's path."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                without_tokens(each) if isinstance(each, str) else each for each in record.args
            )
        return True


_without_tokens = _WithoutTokens()  # one, so that it is added once


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
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger("uvicorn.access").addFilter(_without_tokens)
    let_through(settings.log_level.upper())


def let_through(level: int | str) -> None:
    """Let what is logged through from a level on, of the talkative no less than warnings."""
    root = logging.getLogger()
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def is_unconfigured() -> bool:
    """Say whether logging is as Python begins with it: warnings alone, and no handler."""
    root = logging.getLogger()
    return not root.handlers and root.level == logging.WARNING
