"""A job whose changes leave what RQ itself does not keep, in the same transaction as its record.

RQ's own code writes what becomes of a job that fails, is retried or is stopped. It asks the job for
each step, so the job adds ours to the same pipeline: an event, and all that an end brings with it.
"""

from functools import cache
from typing import Any

from rq.job import Job as RQJob
from rq.job import JobStatus
from rq.utils import now, utcformat

from app.queue import keys
from app.queue.scripts import script

MOST_EVENTS = 100_000  # that are kept, give or take a block; `changes.lua` says the same

_ENDED = (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)


class Witnessed(RQJob):
    """RQ's job, and what we add to its steps."""

    labels = ""  # a JSON list, as its hash holds it

    def restore(self, raw_data: Any) -> None:
        """Read the job's hash, what we keep in it beside RQ's fields included."""
        super().restore(raw_data)
        self.read_ours(raw_data)

    def read_ours(self, fields: Any) -> None:
        """Read what we keep in the job's hash beside RQ's fields."""
        self.attempts_before = int(fields.get(b"attempts_before") or 0)
        self.labels = (fields.get(b"labels") or b"").decode()

    def set_status(self, status: JobStatus, pipeline: Any = None) -> None:
        """Set the status, in a transaction or at once.

        RQ says "scheduled" at once, before the transaction that schedules and says so again. Killed
        in between, a worker would leave a job that is in no registry.
        """
        if pipeline is None:
            if status is JobStatus.SCHEDULED:
                self._status = status
            else:
                super().set_status(status, pipeline)
            return
        super().set_status(status, pipeline)
        if status in _ENDED:
            pipeline.eval(script("ended"), 1, self.key, self.id, status.value, utcformat(now()))
        else:
            self.note(status.value, pipeline)

    def note(self, status: str, connection: Any) -> None:
        """Add a change of status to the stream of events."""
        fields = {
            "job": self.id,
            "status": status,
            "task": self.description or "",
            "queue": self.origin,
        }
        if self.labels:
            fields["labels"] = self.labels
        connection.xadd(keys.EVENTS, fields, maxlen=MOST_EVENTS, approximate=True)


def witness(job: RQJob) -> None:
    """Let the job that a stock worker is running be a witnessed one, from now on.

    Its worker has begun it already, so that is noted here.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    if isinstance(job, Witnessed):
        return
    kind: Any = type(job)
    job.__class__ = _witnessed(kind)
    assert isinstance(job, Witnessed)
    job.read_ours(job.connection.hgetall(job.key))
    job.note(JobStatus.STARTED.value, job.connection)


@cache
def _witnessed(kind: Any) -> type[Witnessed]:
    return type(f"Witnessed{kind.__name__}", (Witnessed, kind), {})
