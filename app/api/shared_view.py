"""A job's stream and log as a share link shows them: less of what each of them says."""

import re
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import pydantic_core

from app.api.shared_job import shared_job
from app.errors import JobGone, ShareOver, UnknownJob, UnreadableJob
from app.models import Job, JobLog, LogLine
from app.queue.shares import Share

_WITH_JOB = (b"event: job", b"event: end")
_AS_IT_IS = (b"event: progress", b"event: gap", b"retry:", b"id:", b":")
_SHOWN_OF_STATUS = ("job", "status", "at")

_TRACEBACK = re.compile(r"\s*(\+ )?(Exception Group )?Traceback \(most recent call last\):")


async def shared_frames(
    chunks: AsyncGenerator[bytes, None], share: Share
) -> AsyncGenerator[bytes, None]:
    """Reduce a job's frames to what a link shows, until it expires.

    Raises:
        ShareOver: the job is gone. RedisUnavailable.
    """
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                if share.expires_at.timestamp() <= time.time():
                    return
                yield b"".join(_reduced(frame, share) for frame in chunk.split(b"\n\n") if frame)
    except (UnknownJob, JobGone, UnreadableJob) as error:
        raise ShareOver from error


def shared_log(log: JobLog, after: int) -> JobLog:
    """Leave out the tracebacks of a whole log, and then what comes before a place in it."""
    first = log.next - len(log.lines)
    shown = [line for number, line in _plain_lines(log.lines) if first + number >= after]
    return JobLog(lines=shown, truncated=after < first, next=log.next)


def _reduced(frame: bytes, share: Share) -> bytes:
    lines = frame.split(b"\n")
    kind, data = lines[0], lines[-1].removeprefix(b"data: ")
    if kind in _WITH_JOB:
        job = shared_job(Job.model_validate_json(data), share)
        lines[-1] = b"data: " + job.model_dump_json().encode()
    elif kind == b"event: status":
        said = pydantic_core.from_json(data)
        shown = {name: said[name] for name in _SHOWN_OF_STATUS}
        lines[-1] = b"data: " + pydantic_core.to_json(shown)
    elif not kind.startswith(_AS_IT_IS):
        return b""  # not known here, so not shown
    return b"\n".join(lines) + b"\n\n"


def _plain_lines(lines: list[LogLine]) -> Iterator[tuple[int, LogLine]]:
    """Give the lines that are no part of a traceback, with their places; its last line says why."""
    is_within = False
    for number, line in enumerate(lines):
        if _TRACEBACK.match(line.message):
            is_within = True
        elif not (is_within and line.message.startswith(" ")):
            is_within = False
            yield number, line
