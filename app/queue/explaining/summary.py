"""An explanation in one sentence: how a job stands, and why."""

from dataclasses import dataclass
from datetime import datetime

from app.explanation import Explanation, RunningAttempt
from app.queue.explaining import why_waiting
from app.queue.explaining.wording import at_time, counted, in_brief, span


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sentence needs beyond the fields."""

    now: datetime  # Redis' clock
    started_at: datetime | None  # of the last attempt
    far_behind: bool  # whether its queue is longer than it is looked through
    ours: int  # live workers of ours that serve its queue; counted where that is told


def summary_of(found: Explanation, around: Surroundings) -> str:
    """Say in one sentence how a job stands, and why."""
    match found.status:
        case "queued":
            said = why_waiting.queued(found, around.ours, far_behind=around.far_behind)
        case "scheduled":
            said = why_waiting.scheduled(found, around.now, around.ours)
        case "deferred":
            said = why_waiting.deferred(found, around.ours)
        case "started":
            said = _started(found, around.now)
        case "finished" | "failed" | "stopped" | "canceled":
            said = _ended(found, around)
        case "created":
            said = "It was made by a plain RQ client and never enqueued"
        case other:
            said = f"Its status is {other!r}, which this service does not know"
    return f"{said}."


def _started(found: Explanation, now: datetime) -> str:
    running = found.running
    assert running is not None
    attempt = f"attempt {found.attempt} of {found.max_attempts}"
    worker = f"worker {running.worker}" if running.worker else "a worker that is not known"
    if running.lost:
        return _lost(found, running, f"It ran on {worker} ({attempt})", now)
    said = f"It runs on {worker} ({attempt})"
    if running.since is not None:
        said += (
            f" since {at_time(running.since)}, for {span((now - running.since).total_seconds())}"
        )
    if running.timeout is None:
        return f"{said}, without a time-out"
    return f"{said}, and may take {span(running.timeout)}"


def _lost(found: Explanation, running: RunningAttempt, said: str, now: datetime) -> str:
    seen = (
        f", last seen {span((now - running.seen_at).total_seconds())} ago"
        if running.seen_at
        else ""
    )
    then = (
        f"runs attempt {found.next_attempt} then"
        if found.next_attempt
        else "is failed then, for it has no attempt left"
    )
    if running.taken_over_by is not None:
        left = (running.taken_over_by - now).total_seconds()
        within = f"another worker takes it over within {span(left)}"
        return f"{said}, which is gone{seen}; {within}, and it {then}"
    if not found.workers:
        remedy = f"no live worker serves the queue {found.queue!r} to take it over: start one with "
        return (
            f"{said}, which is gone{seen}; {remedy}`python worker.py {found.queue}`, and it {then}"
        )
    return (
        f"{said}, which is gone{seen}; it should have been taken over by now: RQ's own workers do "
        f"that every 10 minutes only, `python worker.py` within seconds, and it {then}"
    )


def _ended(found: Explanation, around: Surroundings) -> str:
    attempt = f"attempt {found.attempt} of {found.max_attempts}"
    at = f" at {at_time(found.ended_at)}" if found.ended_at else ""
    why = f": {in_brief(found.error)}" if found.error else ""
    if found.status == "canceled":
        begun = f", after {attempt}" if found.attempt else ", before it had begun"
        because = found.canceled_because or "by whom is not recorded"
        return f"It was canceled{at}{begun}; {because}"
    if found.status == "stopped":
        return f"It was stopped{at} while it ran, in {attempt}{why}"
    if found.status == "failed":
        left = found.max_attempts - found.attempt
        unused = f"; {counted(left, 'more attempt')} would have been left" if left > 0 else ""
        if unused and found.gave_up:
            unused += f", but {found.gave_up}"
        return f"It failed{at} in {attempt}{why}{unused}"
    took = ""
    if found.ended_at and around.started_at:
        took = f" after {span((found.ended_at - around.started_at).total_seconds())}"
    return f"It finished{at}{took}, in {attempt}"
