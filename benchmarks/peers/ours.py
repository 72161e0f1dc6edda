"""The service itself, with its defaults."""

from benchmarks.tasks import noop


def fill(count: int) -> None:
    """Enqueue jobs in bulk."""
    noop.enqueue_many({"number": number} for number in range(count))
