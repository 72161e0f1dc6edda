"""Jobs that are accepted under conditions: others to run after, a unique key, an Idempotency-Key.

One script, `lua/accept.lua`, gets the conditions and the very commands that write a plain job, and
decides in one step: whoever else asks for the same at the same time comes before it or behind it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from typing import Any, NamedTuple

import hiredis
from redis.exceptions import NoScriptError

from app.errors import (
    DuplicateJob,
    IdempotencyKeyReused,
    JobGone,
    QueueFull,
    UnknownParent,
)
from app.models import Job, JobError
from app.options import JobOptions
from app.queue import keys
from app.queue.hashes import hash_of
from app.queue.job_commands import NewJobs
from app.queue.moment import moment_of_score, text_of
from app.queue.record import restored
from app.queue.scripts import script
from app.queue.writer import Command
from app.settings import Settings

_UNKNOWN_SCRIPT = "No matching script"  # how Redis says that it has to be sent the text


@dataclass(frozen=True, slots=True)
class Once:
    """A request that is answered once, however often it comes."""

    record: str  # the Redis key of what is remembered
    fingerprint: str  # of the request; another one may not have the same record
    remember_for: int  # seconds


class Accepted(NamedTuple):
    """What a caller is answered."""

    job: Job
    is_new: bool = True  # else it is the first one of its key
    is_replayed: bool = False  # the answer is the one that the same request had before


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One job that is not written yet, and under which conditions it is to be."""

    new: NewJobs
    options: JobOptions
    settings: Settings
    once: Once | None = None

    @property
    def job(self) -> Job:
        """The job as it would be."""
        return self.new.jobs[0]

    @property
    def command(self) -> Command:
        """The script by its name, with what it is to decide and to write."""
        return ("EVALSHA", _text_and_name()[1], 0, *self._arguments)

    @property
    def whole_command(self) -> Command:
        """The same with the script's text, for a Redis that does not know it yet."""
        return ("EVAL", _text_and_name()[0], 0, *self._arguments)

    def remember_command(self, accepted: Accepted) -> Command | None:
        """Give what completes the record of a request that another job stands for, if anything."""
        if self.once is None or accepted.is_new or accepted.is_replayed:
            return None
        body = accepted.job.__pydantic_serializer__.to_json(accepted.job)
        return ("EVAL", script("remember"), 1, self.once.record, body)

    def read(self, reply: Sequence[Any]) -> Accepted:
        """Read the script's answer.

        Raises:
            DuplicateJob, UnknownParent, QueueFull, IdempotencyKeyReused: nothing was enqueued.
            JobGone: the job that the request was answered with once is not kept any more.
        """
        match _texts(reply):
            case ["replayed", answer, "", *shown]:
                [_, first] = json.loads(answer)
                return Accepted(self._shown(first, shown), is_new=False, is_replayed=True)
            case ["replayed", answer, body, *_]:
                job, told = Job.model_validate_json(body), json.loads(answer)
                is_new = told[0] != "first"
                if is_new:
                    _settle(job, *told)
                return Accepted(job, is_new, is_replayed=True)
            case ["first", first, *shown]:
                return Accepted(self._shown(first, shown), is_new=False)
            case ["reused"]:
                raise IdempotencyKeyReused(errors=[_REUSED])
            case ["held", first, status]:
                raise DuplicateJob(
                    first=first,
                    task=self.job.task,
                    key=self.options.key,
                    status=status,
                    mode=self.options.key_mode,
                )
            case ["parents", *missing]:
                raise UnknownParent(errors=[_unknown_parent(parent) for parent in missing])
            case ["full"]:
                raise QueueFull(queue=self.job.queue, limit=self.settings.max_queue_length)
            case told:
                _settle(self.job, *told)
                return Accepted(self.job)

    @property
    def _arguments(self) -> tuple[Any, ...]:
        job, commands = self.job, self.new.commands
        answered = job.__pydantic_serializer__.to_json(job) if self.once else b""
        counted = [part for command in commands for part in (len(command), *command)]
        now = text_of(job.created_at)
        return (json.dumps(self._conditions), now, answered, len(commands), *counted)

    @property
    def _conditions(self) -> dict[str, Any]:
        options, once = self.options, self.once
        conditions: dict[str, Any] = {
            "id": self.job.id,
            "queue": self.job.queue,
            "limit": self.settings.max_queue_length,
            "is_queued": self.new.is_queued,
            "front": options.front,
            "after": options.after,
            "after_failure": options.after_failure,
        }
        if options.key is not None:
            conditions |= {"lock": keys.lock(self.job.task, options.key), "mode": options.key_mode}
        if once is not None:
            conditions |= {
                "record": once.record,
                "fingerprint": once.fingerprint,
                "remember_for": once.remember_for,
            }
        return conditions

    def _shown(self, job_id: str, shown: Sequence[Any]) -> Job:
        flat, position, due = shown
        if not flat:
            raise JobGone(job_id=job_id)
        job = restored(job_id, hash_of(flat), lambda _: self.job.task, self.settings)
        job.position = position
        job.run_at = moment_of_score(due)
        return job


def is_plain(options: JobOptions) -> bool:
    """Say whether a job can be written without a look at what is there."""
    return not options.after and options.key is None


def is_unknown_script(reply: object) -> bool:
    """Say whether Redis has to be sent the script's text; then nothing was done."""
    if isinstance(reply, NoScriptError):
        return True
    return isinstance(reply, hiredis.ReplyError) and _UNKNOWN_SCRIPT in str(reply)


@cache
def _text_and_name() -> tuple[str, str]:
    text = script("accept")
    return text, sha1(text.encode()).hexdigest()  # noqa: S324 - how Redis names it


def _settle(job: Job, status: str, outcome: Any = None) -> None:
    """Let a job be as the script has left it."""
    job.status = status
    if status == "queued":
        job.position = outcome
        job.enqueued_at = job.created_at
    elif status == "canceled":
        job.ended_at = job.created_at
        job.error = JobError(type="JobCanceled", message=outcome)


def _texts(reply: Sequence[Any]) -> list[Any]:
    """Decode the texts of an answer; what a hash holds stays as it is."""
    return [part.decode() if isinstance(part, bytes) else part for part in reply]


_REUSED = {
    "loc": ["header", "idempotency-key"],
    "message": "It was used for another task, body or options",
    "type": "idempotency_key_reused",
}


def _unknown_parent(parent: str) -> dict[str, Any]:
    return {
        "loc": ["query", "after"],
        "message": f"There is no job {parent!r}, or it is not kept any more",
        "type": "unknown_parent",
    }
