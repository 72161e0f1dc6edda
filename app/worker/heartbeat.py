"""How a worker is known to live: registered as RQ's is, and renewed by one script."""

import time
from datetime import UTC, datetime

from rq import worker_registration
from rq.worker import BaseWorker

from app.queue.moment import text_of
from app.queue.scripts import script
from app.worker.slot import NOTHING, Doing, Record

EXPIRES = 20  # seconds after its last heartbeat that a worker is no longer listed, or two leases


class Heartbeat:
    """Keeps a worker's record, and the records of the jobs that it has in hand, from expiring."""

    def __init__(self, worker: BaseWorker, lease: int) -> None:
        self._worker = worker
        self._lease = lease
        # It is there at the next beat, and at the takeover: it tells what was only claimed ahead.
        self._expires = max(EXPIRES, 2 * lease)
        self._script = worker.connection.register_script(script("beat"))
        self.registered = False

    def beat(self, record: Record, before: Record = NOTHING) -> float:
        """Register the worker, or renew it and its jobs; gives the seconds until the next beat.

        Those are the one that it is at, the one `before` if its end is not recorded yet, and what
        was claimed ahead, which Redis knows.

        Raises:
            redis.exceptions.RedisError: Redis is away.
            ValueError: a live worker has this name.
        """
        if not self.registered:
            self._worker.register_birth()
            self.registered = True
        now = time.time()
        args: list[str | float] = [text_of(datetime.fromtimestamp(now, UTC)), now, self._expires]
        args += [self._lease, round(time.monotonic() - record.begun, 3)]
        if record.doing is not Doing.WAITING:
            args += record.held
        if before.doing is Doing.RECORDING:
            args += before.held
        if not self._script(keys=[self._worker.key], args=args):
            self._write_anew()
        return self._lease / 3

    def end(self) -> None:
        """Take the worker off the list."""
        if self.registered:
            self._worker.register_death()

    def _write_anew(self) -> None:
        # It had expired: Redis was away for long, or lost what it held.
        worker = self._worker
        worker.last_heartbeat = datetime.now(UTC)
        with worker.connection.pipeline() as pipeline:
            pipeline.hset(worker.key, mapping=worker.serialize())
            worker_registration.register(worker, pipeline)
            pipeline.execute()
