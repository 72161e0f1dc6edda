"""A time as Redis holds it: seconds since 1970, in a field or a score where anything may stand."""

from datetime import UTC, datetime


def moment(seconds: bytes | float) -> datetime:
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
        return None if score is None else moment(score)
    except ValueError:
        return None
