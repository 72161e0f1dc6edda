"""Every Redis key, named in one place: RQ's own (`rq.job`, `rq.registry`, …), and ours.

The scripts in `lua/` name those that follow from a job's id by themselves.
"""

QUEUES = "rq:queues"
WORKERS = "rq:workers"
SUSPENDED = "rq:suspended"

PAUSED = "task-api:paused"
"""The set of the names of the queues that are paused; `worker.Worker` claims nothing from them."""

EVENTS = "task-api:events"
"""The stream of all changes, the last hundred thousand or so."""

JOBS = "task-api:jobs"
"""The sorted set of all ids, which sort by their time: what lists are made from."""

INDEXES = "task-api:indexes"
"""The sorted set of the indexes that are swept of what has expired, by when each is due."""

PRUNING = "task-api:pruning"
"""The hash of how far the sweep of each index is; see `prune.lua`."""

SETTLING = "task-api:settling"
"""The hash of how far the look at each registry of deferred jobs is; see `settle.lua`."""

SHARE_SECRET = "task-api:share-secret"  # noqa: S105 - the name of it
"""What share links are signed with, where no setting says it."""

CALLBACK_SECRET = "task-api:callback-secret"  # noqa: S105 - the name of it
"""What callbacks are signed with, where no setting says it."""

EXPIRING = "task-api:expiring"
"""The sorted set of the jobs that have to start by a time; its scores are those times."""

REGISTRIES = {
    "started": "rq:wip:",
    "finished": "rq:finished:",
    "failed": "rq:failed:",
    "scheduled": "rq:scheduled:",
    "deferred": "rq:deferred:",
    "canceled": "rq:canceled:",
}
"""The sorted sets that hold a queue's jobs of one status. A stopped job stands among the failed."""


def job(job_id: str) -> str:
    """Name a job's hash."""
    return f"rq:job:{job_id}"


def dependents(job_id: str) -> str:
    """Name the set of the jobs that wait for this one."""
    return f"rq:job:{job_id}:dependents"


def dependencies(job_id: str) -> str:
    """Name the set of the jobs that this one waits for; RQ writes two colons."""
    return f"rq:job::{job_id}:dependencies"


def results(job_id: str) -> str:
    """Name the stream of a job's results, one entry for each attempt that ended."""
    return f"rq:results:{job_id}"


def executions(job_id: str) -> str:
    """Name the sorted set of a job's running attempts."""
    return f"rq:executions:{job_id}"


def execution(job_id: str, execution_id: str) -> str:
    """Name the hash of one running attempt, which expires unless its worker keeps it."""
    return f"rq:execution:{job_id}:{execution_id}"


def queue(name: str) -> str:
    """Name the list of a queue's waiting jobs."""
    return f"rq:queue:{name}"


def registry(status: str, queue_name: str) -> str:
    """Name the sorted set of a queue's jobs of one status."""
    return REGISTRIES[status] + queue_name


def worker(name: str) -> str:
    """Name a worker's hash."""
    return f"rq:worker:{name}"


def worker_channel(name: str) -> str:
    """Name the channel that a worker takes commands from."""
    return f"rq:pubsub:{name}"


def scheduler_lock(queue_name: str) -> str:
    """Name the lock of the scheduler that serves a queue; it expires with its owner."""
    return f"rq:scheduler-lock:{queue_name}"


def scheduler(name: str) -> str:
    """Name a scheduler's hash."""
    return f"rq:scheduler:{name}"


def jobs_of_task(task: str) -> str:
    """Name the sorted set of a task's job ids."""
    return f"{JOBS}:task:{task}"


def jobs_with_label(label: str) -> str:
    """Name the sorted set of the ids of the jobs that carry a label."""
    return f"{JOBS}:label:{label}"


def log(job_id: str) -> str:
    """Name the list of a job's captured lines."""
    return f"task-api:log:{job_id}"


def lock(task: str, key: str) -> str:
    """Name what holds the id of the one live job of a task and key."""
    return f"task-api:lock:{task}:{key}"


def idempotency(caller: str, route: str, key: str) -> str:
    """Name the hash of what was answered to a caller's Idempotency-Key on a route."""
    return f"task-api:idempotency:{caller}:{route}:{key}"
