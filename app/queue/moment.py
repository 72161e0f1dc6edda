"""Times as Redis holds them: as RQ's text or as seconds since 1970, where anything may stand."""

from datetime import UTC, datetime


def text_of(moment: datetime) -> str:
    """Write a time of UTC as RQ does."""
    return moment.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def text_of_now() -> str:
    """Write the present time as RQ does."""
    return text_of(datetime.now(UTC))


def moment_of_text(text: bytes | None) -> datetime | None:
    """Read a time that RQ has written; None where there is none.

    RQ's own `utcparse` takes fifty times as long, and a page of a list has hundreds of times.

    Raises:
        ValueError: it is no time of UTC.
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text.decode())
    if moment.tzinfo is not UTC:
        raise ValueError(f"{text!r} is no time of UTC")
    return moment


def moment_of_seconds(seconds: bytes | float) -> datetime:
    """Give the time after so many seconds.

    Raises:
        ValueError: they are no number, or lie beyond the calendar.
    """
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{float(seconds)} seconds lie beyond the calendar") from error


def moment_of_score(score: bytes | float | None) -> datetime | None:
    """Give the time that a score stands for; None where there is none, or none that is a time."""
    try:
        return None if score is None else moment_of_seconds(score)
    except ValueError:
        return None
