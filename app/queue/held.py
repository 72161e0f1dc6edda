"""What a worker holds: a job, by one execution of it."""

from typing import NamedTuple

from app.queue import keys


class Held(NamedTuple):
    """Tells one execution of a job from all others."""

    job_id: str
    execution_id: str
    queue: str

    @property
    def registry(self) -> str:
        """Name the registry of started jobs that it stands in."""
        return keys.registry("started", self.queue)

    @property
    def entry(self) -> str:
        """Give its entry there, as RQ writes it."""
        return f"{self.job_id}:{self.execution_id}"
