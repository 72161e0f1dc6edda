"""An explanation in one sentence."""

from dataclasses import dataclass
from datetime import datetime

from app.explanation import Explanation, Parent, RunningAttempt

LONGEST_MESSAGE = 200  # characters of an error's first line


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sentence needs beyond the fields."""

    now: datetime  # Redis' clock
    started_at: datetime | None  # of the last attempt
    far_behind: bool  # whether its queue is longer than it is looked through


def summary_of(found: Explanation, around: Surroundings) -> str:
    """Say in one sentence how a job stands, and why."""
    match found.status:
        case "queued":
            said = _queued(found, around)
        case "scheduled":
            said = _scheduled(found, around.now)
        case "deferred":
            said = _deferred(found.waits_for)
        case "started":
            said = _started(found, around.now)
        case "finished" | "failed" | "stopped" | "canceled":
            said = _ended(found, around)
        case "created":
            said = "It was made by a plain RQ client and never enqueued"
        case other:
            said = f"Its status is {other!r}, which this service does not know"
    return f"{said}."


def _queued(found: Explanation, around: Surroundings) -> str:
    again = f" for attempt {found.attempt + 1} of {found.max_attempts}" if found.attempt else ""
    place = f"in the queue {found.queue!r}{again}"
    if found.position is None and not around.far_behind:
        return (
            f"It should stand {place} and does not: a worker takes it at this moment, or one of "
            "RQ's own was killed as it took it, and lost it"
        )
    if found.position is None:
        where = f"It waits {place}, far behind"
    elif found.position == 0:
        where = f"It is the first {place}"
    else:
        where = f"It waits {place} behind {_counted(found.position, 'job')}"
    return f"{where}; {_blocked(found) or _likely(found)}"


def _likely(found: Explanation) -> str:
    wait = found.likely_wait
    serve = (
        f"{_counted(found.workers, 'live worker')} {'serves' if found.workers == 1 else 'serve'} it"
    )
    if wait is None:
        return f"{serve}, and how long it will wait is not known"
    if wait.seconds < 1:
        return f"{serve}, and its turn is likely to come at once"
    return f"{serve}, and its turn is likely to come in about {_span(wait.seconds)}"


def _blocked(found: Explanation) -> str | None:
    if found.suspended:
        return "all workers are suspended, until somebody calls `rq resume`"
    if not found.workers:
        return f"no live worker serves that queue: start one with `python worker.py {found.queue}`"
    return None


def _scheduled(found: Explanation, now: datetime) -> str:
    before = (
        f"Attempt {found.attempt} of {found.max_attempts} did not succeed, and the next one"
        if found.attempt
        else "It"
    )
    if found.run_at is None:
        return (
            f"{before} is scheduled, and its time has come: a scheduler takes it at this moment, "
            "or was killed as it took it"
        )
    left = (found.run_at - now).total_seconds()
    when = f"in {_span(left)}" if left > 0 else f"{_span(-left)} ago"
    due = "is to be queued" if left > 0 else "was to be queued"
    said = f"{before} {due} at {_time(found.run_at)}, {when}"
    if not found.scheduler:
        return (
            f"{said}; no scheduler is alive for the queue {found.queue!r}, so nobody will do that: "
            f"start a worker with `python worker.py {found.queue}`"
        )
    blocked = _blocked(found)
    return f"{said}; {blocked}" if blocked else said


def _deferred(parents: list[Parent]) -> str:
    if not parents:
        return "The jobs that it waited for have ended well, and whoever ended the last queues it"
    # The one that will never end by itself is what keeps it.
    hopeless = [each for each in parents if each.status in {None, "failed", "stopped", "canceled"}]
    first = (hopeless or parents)[0]
    others = f"; it waits for {_counted(len(parents) - 1, 'more job')}" if parents[1:] else ""
    if first.status is None:
        return (
            f"It waits for job {first.id}, which was deleted or has expired, so nothing will queue "
            f"this one{others}"
        )
    said = f"It waits for job {first.id}, which is {first.status}"
    if hopeless:
        said += ", so it runs only if that one is retried and finishes"
    return said + others


def _started(found: Explanation, now: datetime) -> str:
    running = found.running
    assert running is not None
    attempt = f"attempt {found.attempt} of {found.max_attempts}"
    worker = f"worker {running.worker}" if running.worker else "a worker that is not known"
    if running.lost:
        return _lost(found, running, f"It ran on {worker} ({attempt})", now)
    said = f"It runs on {worker} ({attempt})"
    if running.since is not None:
        said += f" since {_time(running.since)}, for {_span((now - running.since).total_seconds())}"
    if running.timeout is None:
        return f"{said}, without a time-out"
    return f"{said}, and may take {_span(running.timeout)}"


def _lost(found: Explanation, running: RunningAttempt, said: str, now: datetime) -> str:
    seen = (
        f", last seen {_span((now - running.seen_at).total_seconds())} ago"
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
        within = f"another worker takes it over within {_span(left)}"
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
    at = f" at {_time(found.ended_at)}" if found.ended_at else ""
    why = f": {_error(found)}" if found.error else ""
    if found.status == "canceled":
        begun = f", after {attempt}" if found.attempt else ", before it had begun"
        return f"It was canceled{at}{begun}; by whom is not recorded"
    if found.status == "stopped":
        return f"It was stopped{at} while it ran, in {attempt}{why}"
    if found.status == "failed":
        left = found.max_attempts - found.attempt
        unused = f"; {_counted(left, 'more attempt')} would have been left" if left > 0 else ""
        return f"It failed{at} in {attempt}{why}{unused}"
    took = ""
    if found.ended_at and around.started_at:
        took = f" after {_span((found.ended_at - around.started_at).total_seconds())}"
    return f"It finished{at}{took}, in {attempt}"


def _error(found: Explanation) -> str:
    assert found.error is not None
    message = found.error.message.strip().partition("\n")[0]
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    message = message.rstrip(".")
    return f"{found.error.type}: {message}" if message else found.error.type


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _span(seconds: float) -> str:
    """Say how long that is, in the two units that matter."""
    if seconds < 1:
        return "less than a second"
    left, words = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words[:2])
