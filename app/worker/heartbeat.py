"""How a worker is known to live: registered as RQ's is, and renewed by one script."""

import time
from datetime import UTC, datetime

from rq import worker_registration
from rq.utils import utcformat
from rq.worker import BaseWorker

from app.queue import keys
from app.queue.scripts import script
from app.worker.slot import Doing, Record

EXPIRES = 20  # seconds after its last heartbeat that a worker is no longer listed


class Heartbeat:
    """Keeps a worker's record, and the record of the job that it runs, from expiring."""

    def __init__(self, worker: BaseWorker, lease: int) -> None:
        self._worker = worker
        self._lease = lease
        self._script = worker.connection.register_script(script("beat"))
        self.registered = False

    def beat(self, record: Record) -> float:
        """Register the worker, or renew it and its job; gives the seconds until the next beat.

        Raises:
            redis.exceptions.RedisError: Redis is away.
            ValueError: a live worker has this name.
        """
        if not self.registered:
            self._worker.register_birth()
            self.registered = True
        now = time.time()
        key = self._worker.key
        script_keys = [key]
        args: list[str | float] = [utcformat(datetime.fromtimestamp(now, UTC)), now, EXPIRES]
        if record.doing is not Doing.WAITING:
            script_keys += [
                keys.registry("started", record.queue),
                keys.execution(record.job_id, record.execution_id),
                keys.executions(record.job_id),
                keys.job(record.job_id),
            ]
            worked = round(time.monotonic() - record.begun, 3)
            args += [record.job_id, record.execution_id, self._lease, worked]
        if not self._script(keys=script_keys, args=args):
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
