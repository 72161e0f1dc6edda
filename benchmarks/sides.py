"""The workers compared, and the commands that start them.

Each has one process that executes jobs, and none logs a line for a job: levels are at warning, for
the libraries as for ours. Ours and the fastest of the others run again as they are shipped, with
a line or more for each job.
"""

from dataclasses import dataclass

OURS = "worker.py"
TWO = "worker.py -n 2"
OURS_AS_SHIPPED = "worker.py, logging as shipped"
HUEY_AS_SHIPPED = "huey, logging as shipped"
STOCK = "rq worker"
PRELOADED = "rq worker, tasks imported before"
SIMPLE = "rq SimpleWorker"


@dataclass(frozen=True, slots=True)
class Side:
    """One worker, and how its queue is filled."""

    peer: str  # the module in benchmarks.peers
    command: tuple[str, ...]  # of Python
    enough: int  # jobs a second that it surely stays below
    log_level: str = "warning"  # of ours


SIDES = {
    OURS: Side("ours", ("worker.py",), 9_000),
    TWO: Side("ours", ("worker.py", "-n", "2"), 14_000),
    OURS_AS_SHIPPED: Side("ours", ("worker.py",), 9_000, log_level="info"),
    STOCK: Side("rq", ("-m", "rq.cli", "worker", "--quiet", "default"), 250),
    SIMPLE: Side(
        "rq",
        ("-m", "rq.cli", "worker", "--quiet", "-w", "rq.worker.SimpleWorker", "default"),
        1_200,
    ),
    "saq": Side("saq", ("-m", "saq", "benchmarks.peers.saq.settings"), 4_000),
    # One thread is the default.
    "huey": Side(
        "huey", ("-m", "huey.bin.huey_consumer", "benchmarks.peers.huey.huey", "--quiet"), 6_000
    ),
    HUEY_AS_SHIPPED: Side(
        "huey", ("-m", "huey.bin.huey_consumer", "benchmarks.peers.huey.huey"), 6_000
    ),
    # One process: the default is one for each core. Eight threads are the default.
    "dramatiq": Side(
        "dramatiq", ("-m", "dramatiq", "benchmarks.peers.dramatiq", "--processes", "1"), 4_000
    ),
    # One process: the default is two.
    "taskiq": Side(
        "taskiq",
        (
            *("-m", "taskiq", "worker", "benchmarks.peers.taskiq:broker"),
            *("--workers", "1", "--log-level", "WARNING"),
        ),
        4_000,
    ),
    "arq": Side("arq", ("-m", "arq", "benchmarks.peers.arq.WorkerSettings"), 3_500),
    "Celery": Side(
        "celery",
        (
            *("-m", "celery", "-A", "benchmarks.peers.celery", "worker", "--loglevel", "WARNING"),
            *("--pool", "prefork", "--concurrency", "1"),
            # Of use between several workers; this one is alone.
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        2_500,
    ),
}

# Where the jobs are the service's own tasks. RQ's documentation advises to import them beforehand:
# the bare command does so after each fork anew, which takes longer than all else.
PRELOADED_COMMAND = ("-m", "benchmarks.peers.rq_preloaded")

LIBRARIES = ("saq", "huey", "dramatiq", "taskiq", "arq", "Celery")
