"""Counts, times, spans and errors, as a sentence of an explanation says them."""

from datetime import datetime

from app.models import JobError

LONGEST_MESSAGE = 200  # characters of an error's first line


def counted(number: int, noun: str) -> str:
    """Say how many there are."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def at_time(moment: datetime) -> str:
    """Say when, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """Say how long that is, in the two units that matter."""
    if seconds < 1:
        return "less than a second"
    left, words = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words[:2])


def in_brief(error: JobError) -> str:
    """Name an error, with the first line of its message; a long one is cut."""
    message = error.message.strip().partition("\n")[0]
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    message = message.rstrip(".")
    return f"{error.type}: {message}" if message else error.type
