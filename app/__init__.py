"""A lightweight task API: typed functions as durable, observable HTTP jobs, on Redis Queue.

Importing anything of this package joins the two ends that know nothing of each other: the tasks,
and the queue that takes and runs them.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from app import calls, context
from app.queue.enqueue import Enqueuer
from app.queue.running.job import running_job
from app.settings import Settings

try:
    __version__ = version("task-api")
except PackageNotFoundError:  # run from a checkout that was not installed
    __version__ = "0"


@cache
def _enqueuer() -> Enqueuer:
    return Enqueuer(Settings.load())


context.connect(running_job)
calls.connect(_enqueuer)

__all__ = ["__version__"]
