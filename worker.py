"""The worker command: `python worker.py [QUEUE…]`, and `worker.Worker` for RQ's own command."""

import argparse
import sys

from rq.worker_pool import WorkerPool

from app.errors import TaskApiError
from app.logs import configure_logging
from app.queue.connection import connect
from app.settings import Settings
from app.worker.worker import Worker

__all__ = ["Worker", "main"]


def main(argv: list[str] | None = None) -> int:
    """Run a worker, or a pool of them, until it is told to end; returns the exit code."""
    try:
        return _run(Settings.load(), argv)
    except TaskApiError as error:
        print(f"worker.py: {error}", file=sys.stderr)  # noqa: T201 - for the terminal
        return 1


def _run(settings: Settings, argv: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="worker.py", description="Execute jobs.")
    names = " ".join(settings.queues)
    parser.add_argument(
        "queues",
        nargs="*",
        metavar="QUEUE",
        help=f"in order of priority; all of {names} where none is named",
    )
    parser.add_argument("-n", type=int, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--burst", action="store_true", help="end when all queues are empty")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.queues if name not in settings.queues]:
        parser.error(f"no such queue: {unknown[0]}; TASK_API_QUEUES names {names}")
    configure_logging(settings)
    queues = options.queues or list(settings.queues)
    connection = connect(settings)
    if options.n > 1:
        pool = WorkerPool(queues, connection, num_workers=options.n, worker_class=Worker)
        pool.start(burst=options.burst, logging_level=settings.log_level.upper())
    else:
        Worker(queues, connection=connection, settings=settings).work(burst=options.burst)
    return 0


if __name__ == "__main__":
    sys.exit(main())
