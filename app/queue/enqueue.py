"""Enqueueing, from the API and from Python: one job, confirmed by Redis before it is answered."""

import asyncio
import weakref
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import redis
from redis.exceptions import RedisError

from app.errors import InvalidOptions, QueueFull, RedisUnavailable
from app.models import Job
from app.options import JobOptions
from app.queue import keys
from app.queue.accept import Acceptance, Accepted, Once, is_plain, is_unknown_script
from app.queue.connection import connect, connect_async
from app.queue.job_commands import NewJobs, join
from app.queue.new_job import prepare
from app.queue.transaction import Transaction
from app.queue.writer import BatchWriter, Command, Execute, raise_first_error
from app.settings import Settings
from app.signature import Json
from app.tasks import Task

AT_ONCE = 1000  # jobs in one transaction of enqueue_many

Outcome = TypeVar("Outcome")
# It gives transactions, takes the replies to each, and returns what has come of them: so it is
# written once for callers that block and for those on an event loop.
Exchange = Generator[Sequence[Command], Sequence[Any], Outcome]


class Enqueuer:
    """Writes jobs. One for a process; its connections are made when they are first used."""

    def __init__(
        self,
        settings: Settings,
        sync_redis: redis.Redis | None = None,
        execute: Execute | None = None,
    ) -> None:
        self._settings = settings
        self._sync_redis = sync_redis
        self._execute = execute  # in the place of a connection, for tests without one
        # A connection belongs to its event loop, and a script may run several.
        self._writers: WeakKeyDictionary[asyncio.AbstractEventLoop, BatchWriter] = (
            WeakKeyDictionary()
        )
        self._last: tuple[weakref.ref[asyncio.AbstractEventLoop], BatchWriter] | None = None
        self._full: set[str] = set()  # queues that were full when last written to

    def enqueue(self, task: Task[..., Any], args: dict[str, Json], options: JobOptions) -> Job:
        """Enqueue one job and wait until Redis has confirmed it.

        Where `key` has a live job, that one is given.

        Raises:
            InvalidOptions, UnknownParent, DuplicateJob, QueueFull, RedisUnavailable: nothing was
                enqueued. Where the connection was lost after the write, it may have been.
        """
        new = prepare(task, args, options, self._settings)
        if is_plain(options):
            return self._run(self._write(new))[0]
        return self._run(self._accept([Acceptance(new, options, self._settings)]))[0].job

    async def aenqueue(
        self, task: Task[..., Any], args: dict[str, Json], options: JobOptions
    ) -> Job:
        """Enqueue one job without blocking the event loop; see `enqueue`."""
        return (await self.aaccept(task, args, options)).job

    async def aaccept(
        self,
        task: Task[..., Any],
        args: dict[str, Json],
        options: JobOptions,
        once: Once | None = None,
    ) -> Accepted:
        """Enqueue one job as `aenqueue` does, and say whether it is a new one.

        Raises:
            IdempotencyKeyReused, and what `enqueue` raises.
        """
        new = prepare(task, args, options, self._settings)
        if once is None and is_plain(options):
            return Accepted((await self._arun(self._write(new)))[0])
        acceptance = Acceptance(new, options, self._settings, once)
        [accepted] = await self._arun(self._accept([acceptance]))
        if completion := acceptance.remember_command(accepted):
            await self._writer().write([completion])
        return accepted

    def enqueue_many(
        self, task: Task[..., Any], many: Sequence[dict[str, Json]], options: JobOptions
    ) -> list[Job]:
        """Enqueue jobs in their order, up to a thousand in one transaction; see `enqueue`.

        Where it raises, the thousands before the one that failed are enqueued.

        Raises:
            InvalidOptions: they cannot all have one `key`; and what `enqueue` raises.
        """
        jobs: list[Job] = []
        for start in range(0, len(many), AT_ONCE):
            news = self._prepare_many(task, many[start:][:AT_ONCE], options)
            if is_plain(options):
                jobs += self._run(self._write(join(news)))
            else:
                accepted = self._run(self._accept(self._conditional(news, options)))
                jobs += [each.job for each in accepted]
        return jobs

    async def aenqueue_many(
        self, task: Task[..., Any], many: Sequence[dict[str, Json]], options: JobOptions
    ) -> list[Job]:
        """Enqueue jobs without blocking the event loop for longer than it takes to make them."""
        jobs: list[Job] = []
        for start in range(0, len(many), AT_ONCE):
            news = self._prepare_many(task, many[start:][:AT_ONCE], options)
            if is_plain(options):
                jobs += await self._arun(self._write(join(news)))
            else:
                accepted = await self._arun(self._accept(self._conditional(news, options)))
                jobs += [each.job for each in accepted]
        return jobs

    async def aclose(self) -> None:
        """Wait until every job given on this event loop is answered for, and disconnect."""
        if writer := self._writers.pop(asyncio.get_running_loop(), None):
            self._last = None
            await writer.aclose()

    def _prepare_many(
        self, task: Task[..., Any], many: Sequence[dict[str, Json]], options: JobOptions
    ) -> list[NewJobs]:
        if options.key is not None:
            raise InvalidOptions(errors=[_ONE_KEY])
        now = datetime.now(UTC)
        return [prepare(task, args, options, self._settings, now) for args in many]

    def _conditional(self, news: Sequence[NewJobs], options: JobOptions) -> list[Acceptance]:
        return [Acceptance(new, options, self._settings) for new in news]

    def _write(self, new: NewJobs) -> Exchange[list[Job]]:
        if new.queue in self._full:
            replies = yield [("LLEN", keys.queue(new.queue))]
            raise_first_error(replies)
            self._refuse_if_full(new, replies[0])
        replies = yield new.commands
        if undo := self._needs_undo(new, replies):
            yield undo
        return new.confirmed(replies)

    def _accept(self, acceptances: Sequence[Acceptance]) -> Exchange[list[Accepted]]:
        replies = yield [each.command for each in acceptances]
        if any(map(is_unknown_script, replies)):  # then all of them have done nothing
            replies = yield [each.whole_command for each in acceptances]
        if undo := _undo(acceptances, replies):
            yield undo
        raise_first_error(replies)
        return [each.read(reply) for each, reply in zip(acceptances, replies, strict=True)]

    def _run(self, exchange: Exchange[Outcome]) -> Outcome:
        if self._sync_redis is None:
            self._sync_redis = connect(self._settings)
        try:
            commands = next(exchange)
            while True:
                commands = exchange.send(_transaction(self._sync_redis, commands))
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        except RedisError as error:
            raise RedisUnavailable(reason=error) from error

    async def _arun(self, exchange: Exchange[Outcome]) -> Outcome:
        writer = self._writer()
        try:
            commands = next(exchange)
            while True:
                commands = exchange.send(await writer.write(commands))
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome

    def _writer(self) -> BatchWriter:
        loop = asyncio.get_running_loop()
        if self._last is not None and self._last[0]() is loop:
            return self._last[1]
        writer = self._writers.get(loop)
        if writer is None:
            execute = self._execute or Transaction(connect_async(self._settings))
            writer = self._writers[loop] = BatchWriter(execute)
        self._last = weakref.ref(loop), writer
        return writer

    def _refuse_if_full(self, new: NewJobs, length: int) -> None:
        if length >= self._settings.max_queue_length:
            raise QueueFull(queue=new.queue, limit=self._settings.max_queue_length)
        self._full.discard(new.queue)

    def _needs_undo(self, new: NewJobs, replies: Sequence[Any]) -> Sequence[Command]:
        # A transaction of Redis goes on behind a command that fails: take back what it wrote.
        if any(isinstance(reply, Exception) for reply in replies):
            return new.undo
        # A push answers with the queue's length, so a full queue is known without asking.
        if new.is_queued and replies[-1] >= self._settings.max_queue_length:
            self._full.add(new.queue)
        return ()


_ONE_KEY = {
    "loc": ["key"],
    "message": "Many jobs cannot have one key, of which one is live at a time; enqueue them singly",
    "type": "one_key_for_many",
}


def _undo(acceptances: Sequence[Acceptance], replies: Sequence[Any]) -> list[Command]:
    # A script goes no further than the command that failed: take back what it wrote before.
    return [
        command
        for each, reply in zip(acceptances, replies, strict=True)
        if isinstance(reply, Exception)
        for command in each.new.undo
    ]


def _transaction(client: redis.Redis, commands: Sequence[Command]) -> list[Any]:
    with client.pipeline(transaction=True) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = pipeline.execute(raise_on_error=False)
        return replies
