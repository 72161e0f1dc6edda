"""The commands that write new jobs, and those that take the writes back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.models import Job
from app.queue import keys
from app.queue.event import MOST_EVENTS
from app.queue.new_callback import NewCallback
from app.queue.writer import Command, raise_first_error


@dataclass(frozen=True, slots=True)
class NewJobs:
    """Jobs that are not written yet, all for one queue, and the commands that write them."""

    jobs: list[Job]
    writes: tuple[Command, ...]
    line: Command  # puts them where they wait: the queue's list, or a registry
    callbacks: tuple[NewCallback, ...] = ()

    @property
    def queue(self) -> str:
        """The queue that they are for."""
        return self.jobs[0].queue

    @property
    def is_queued(self) -> bool:
        """Whether they are due at once; then the last command answers with the queue's length."""
        return self.jobs[0].status == "queued"

    @property
    def commands(self) -> tuple[Command, ...]:
        """What has to be sent, in one transaction."""
        return (
            ("SADD", keys.QUEUES, keys.queue(self.queue)),
            *self.writes,
            *(command for callback in self.callbacks for command in callback.commands),
            *self._listings,
            *map(_event, self.jobs),
            self.line,
        )

    @property
    def undo(self) -> tuple[Command, ...]:
        """What takes the writes back, should a command have failed; the others were done."""
        ids = [job.id for job in self.jobs]
        return (
            ("DEL", *map(keys.job, ids)),
            *self._unlining,
            *(("ZREM", index, *ids) for index in self._indexes),
            *(command for callback in self.callbacks for command in callback.undo),
        )

    @property
    def _unlining(self) -> list[Command]:
        command, place, *_ = self.line
        ids = [job.id for job in self.jobs]
        if command == "ZADD":
            return [("ZREM", place, *ids)]
        end = 1 if command == "LPUSH" else -1  # of the list, from which each is searched
        return [("LREM", place, end, job_id) for job_id in ids]

    @property
    def _indexes(self) -> tuple[str, ...]:
        """Name the indexes that the jobs stand in; their task and labels are the same."""
        job = self.jobs[0]
        return (
            keys.JOBS,
            keys.jobs_of_task(job.task),
            *map(keys.jobs_with_label, job.labels),
        )

    @property
    def _listings(self) -> list[Command]:
        # All scores are nothing: ids sort by their time.
        scored = [part for job in self.jobs for part in (0, job.id)]
        listings: list[Command] = [("ZADD", index, *scored) for index in self._indexes]
        if labels := self.jobs[0].labels:
            known = [part for label in labels for part in (0, keys.jobs_with_label(label))]
            listings.append(("ZADD", keys.INDEXES, "NX", *known))
        return listings

    def confirmed(self, replies: Sequence[Any]) -> list[Job]:
        """Give the jobs as they stand once Redis has answered the commands.

        Raises:
            RedisUnavailable: one of them failed.
        """
        raise_first_error(replies)
        if self.is_queued:
            front = self.line[0] == "LPUSH"
            first = 0 if front else replies[-1] - len(self.jobs)
            for position, job in enumerate(self.jobs, first):
                job.position = position
        return self.jobs


def join(news: Sequence[NewJobs]) -> NewJobs:
    """Make one write of several, which keeps their order; they have the same options."""
    command, key, *_ = news[0].line
    ordered = reversed(news) if command == "LPUSH" else news  # the last one pushed comes first
    return NewJobs(
        [job for new in news for job in new.jobs],
        tuple(write for new in news for write in new.writes),
        (command, key, *(part for new in ordered for part in new.line[2:])),
        tuple(callback for new in news for callback in new.callbacks),
    )


def _event(job: Job) -> Command:
    fields: Command = (
        *("job", job.id),
        *("status", job.status),
        *("task", job.task),
        *("queue", job.queue),
    )
    if job.labels:
        fields += "labels", json.dumps(job.labels)
    return "XADD", keys.EVENTS, "MAXLEN", "~", MOST_EVENTS, "*", *fields
