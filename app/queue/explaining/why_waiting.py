"""Why a job waits, in one sentence: in its queue, for its time, or for other jobs."""

from datetime import datetime

from app.explanation import Explanation, Parent
from app.queue.explaining.wording import at_time, counted, in_brief, span

_ENDED_BADLY = frozenset({None, "failed", "stopped", "canceled"})


def queued(found: Explanation, ours: int, *, far_behind: bool) -> str:
    """Say where it stands in its queue, and when its turn may come.

    Args:
        found: the facts.
        ours: how many live workers of ours serve its queue.
        far_behind: whether its queue is longer than it is looked through.
    """
    again = f" for attempt {found.attempt + 1} of {found.max_attempts}" if found.attempt else ""
    why = f" (the last one ended with {in_brief(found.error)})" if again and found.error else ""
    place = f"in the queue {found.queue!r}{again}{why}"
    if found.position is None and not far_behind:
        return (
            f"It should stand {place} and does not: a worker takes it at this moment, or one of "
            "RQ's own was killed as it took it, and lost it; then `redis-cli RPUSH "
            f"rq:queue:{found.queue} {found.id}` puts it back"
        )
    if found.position is None:
        where = f"It waits {place}, far behind"
    elif found.position == 0:
        where = f"It is the first {place}"
    else:
        where = f"It waits {place} behind {counted(found.position, 'job')}"
    return f"{where}; {_blocked(found, ours) or _likely(found)}{_besides(found)}"


def scheduled(found: Explanation, now: datetime, ours: int) -> str:
    """Say when it is to be queued, and whether anybody will do that.

    Args:
        found: the facts.
        now: Redis' clock.
        ours: how many live workers of ours serve its queue.
    """
    why = f" ({in_brief(found.error)})" if found.error else ""
    before = (
        f"Attempt {found.attempt} of {found.max_attempts} did not succeed{why}, and the next one"
        if found.attempt
        else "It"
    )
    if found.run_at is None:
        return (
            f"{before} is scheduled, and its time has come: a scheduler takes it at this moment, "
            "or was killed as it took it"
        )
    left = (found.run_at - now).total_seconds()
    when = f"in {span(left)}" if left > 0 else f"{span(-left)} ago"
    due = "is to be queued" if left > 0 else "was to be queued"
    said = f"{before} {due} at {at_time(found.run_at)}, {when}"
    if not found.scheduler:
        return (
            f"{said}; no scheduler is alive for the queue {found.queue!r}, so nobody will do that: "
            f"start a worker with `python worker.py {found.queue}`"
        )
    blocked = _blocked(found, ours)
    return f"{said}; {blocked}{_besides(found)}" if blocked else said + _besides(found)


def deferred(found: Explanation, ours: int) -> str:
    """Say which job it waits for, and what follows from how that one ends.

    Args:
        found: the facts.
        ours: how many live workers of ours serve its queue.
    """
    live = [each for each in found.waits_for if each.status not in _ENDED_BADLY]
    # One that is gone decides only once the others have ended.
    over = [
        each
        for each in found.waits_for
        if each.status in _ENDED_BADLY and (each.status is not None or not live)
    ]
    others = len(found.waits_for if found.after_failure is None else live) - 1
    besides = f"; it waits for {counted(others, 'more job')}" if others > 0 else ""
    if found.after_failure is None and over:
        return _hopeless(over[0]) + besides + _besides(found)
    if found.after_failure == "cancel" and over:
        why = f"Job {over[0].id}, which it was to run after, {_fault(over[0])}"
        return f"{why} (after_failure=cancel); {_settled('cancel', found, ours)}"
    if not live:
        return _met(found, ours)
    said = f"It waits for job {live[0].id}, which is {live[0].status}"
    if found.after_failure == "cancel":
        said += ", and is canceled should that one not finish"
    elif found.after_failure == "run":
        said += ", and runs however that one ends"
    return said + besides + _besides(found)


def _hopeless(parent: Parent) -> str:
    said = f"It waits for job {parent.id}, which "
    if parent.status is None:
        return f"{said}{_fault(parent)}, so nothing will queue this one"
    return f"{said}is {parent.status}, so it runs only if that one is retried and finishes"


def _fault(parent: Parent) -> str:
    if parent.status is None:
        return "was deleted or has expired"
    return "failed" if parent.status == "failed" else f"was {parent.status}"


def _met(found: Explanation, ours: int) -> str:
    if found.after_failure is None:
        return "The jobs that it waited for have ended well, and whoever ended the last queues it"
    return f"The jobs that it waited for have ended; {_settled('queue', found, ours)}"


def _settled(action: str, found: Explanation, ours: int) -> str:
    """Say who does what whoever ended the others has not done."""
    if ours:
        return f"a worker {action}s this one for that within seconds"
    return (
        f"RQ's own workers do not {action} this one for that: start a worker with "
        f"`python worker.py {found.queue}`, which does"
    )


def _likely(found: Explanation) -> str:
    wait = found.likely_wait
    verb = "serves" if found.workers == 1 else "serve"
    serve = f"{counted(found.workers, 'live worker')} {verb} it"
    if wait is None:
        return f"{serve}, and how long it will wait is not known"
    if wait.seconds < 1:
        return f"{serve}, and its turn is likely to come at once"
    return f"{serve}, and its turn is likely to come in about {span(wait.seconds)}"


def _blocked(found: Explanation, ours: int) -> str | None:
    reason = _unworked(found)
    if not found.paused:
        return reason
    said = (
        f"the queue {found.queue!r} is paused, until somebody calls "
        f"`POST /queues/{found.queue}/resume`{_unheeded(found.workers - ours, ours)}"
    )
    return f"{said}; {reason}" if reason else said


def _unheeded(stock: int, ours: int) -> str:
    """Say who goes on with a paused queue: RQ's own workers know nothing of it."""
    if not stock:
        return ""
    only = "" if ours else "only "
    verbs = "serves it, and does" if stock == 1 else "serve it, and do"
    whose = f"{counted(stock, 'worker')} of RQ's own"
    return f"; {only}{whose} {verbs} not heed that"


def _unworked(found: Explanation) -> str | None:
    if found.suspended:
        return "all workers are suspended, until somebody calls `rq resume`"
    if not found.workers:
        return f"no live worker serves that queue: start one with `python worker.py {found.queue}`"
    return None


def _besides(found: Explanation) -> str:
    """Say until when it has to start, and how many calls of its key it stands for."""
    said = ""
    if found.expires_at is not None:
        said += f"; it is canceled unless it has started by {at_time(found.expires_at)}"
    if found.duplicates:
        said += f"; it stands for {counted(found.duplicates, 'more call')} with its key"
    return said
