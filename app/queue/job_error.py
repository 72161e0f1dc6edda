"""Why a job failed, read from the text that RQ keeps of it."""

import re
from itertools import dropwhile, takewhile

from app.models import JobError

_STACK = "Traceback (most recent call last):"
_CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_GROUP = "  + Exception Group " + _STACK
_OUR_NAMES = re.compile(r"([A-Z][A-Za-z]+): ")
_RQ_NAMES = re.compile(r"due to (\w+)")
_RQ_SAYS = {"Job stopped by user": "JobStopped", "Work-horse terminated": "WorkerLost"}
"""How sentences of RQ's own begin, and the type that ours have for the same."""


def error_of(text: str) -> JobError:
    """Read the exception's type and message from a traceback, that of a chain's last one.

    Where a job ended without an exception, a sentence stands there instead. Ours begins with the
    type, as in `JobStopped: …`; RQ's has the same type where it says the same, else what RQ names
    it, or `Terminated`.
    """
    head, message = _last_exception(text.rstrip().split("\n"))
    if not head:
        if ours := _OUR_NAMES.match(text):
            return JobError(type=ours[1], message=text[ours.end() :].strip())
        return JobError(type=_kind_of_rq(text), message=text.strip())
    return JobError(type=head.rpartition(".")[2], message=message, traceback=text)


def _kind_of_rq(text: str) -> str:
    named = _RQ_NAMES.search(text)
    same = (kind for beginning, kind in _RQ_SAYS.items() if text.startswith(beginning))
    return named[1] if named else next(same, "Terminated")


def stopped_by(error: JobError, who: bytes | None) -> JobError:
    """Say in a stopped job's error by whom it was stopped, where that is known."""
    if not who:
        return error
    told = f"{error.message.rstrip('.')} ({who.decode(errors='replace')})"
    return error.model_copy(update={"message": told})


def _last_exception(lines: list[str]) -> tuple[str, str]:
    """Give the exception's dotted name and its message, which may have many lines."""
    # A message may quote a traceback of its own, so a stack counts only where a chain goes on.
    stacks = [
        i
        for i, line in enumerate(lines)
        if line in (_STACK, _GROUP) and (i == 0 or lines[i - 2] in _CHAINED)
    ]
    if not stacks:
        return "", ""
    rest = lines[stacks[-1] + 1 :]
    if lines[stacks[-1]] == _GROUP:
        rest = [line[4:] for line in takewhile(lambda line: line.startswith("  | "), rest)]
    first, *more = [*dropwhile(lambda line: line.startswith(" "), rest)] or [""]
    name, _, message = first.partition(": ")
    return name, "\n".join([message, *more]).strip("\n")
