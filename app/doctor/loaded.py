"""The tasks that live workers have loaded, against those that are here."""

from collections.abc import Iterable, Mapping, Sequence

from app.catalogue import AnyTask, Catalogue
from app.doctor.finding import Finding, fail, ok, warn
from app.doctor.roster import WorkerRecord

MOST_NAMED = 5  # tasks, and workers of each

REMEDY = (
    "restart those workers, from the version that the API runs and with its TASK_API_TASK_MODULES"
)


def check_loaded(alive: Sequence[WorkerRecord], catalogue: Catalogue) -> Finding:
    """Compare what each live worker has loaded of the tasks whose queue it serves.

    Only our own workers tell what they have loaded.
    """
    telling = [worker for worker in alive if worker.tasks is not None]
    silent = len(alive) - len(telling)
    digests = catalogue.digests()
    missing: dict[str, list[str]] = {}
    other: dict[str, list[str]] = {}
    for worker in telling:
        for task in catalogue:
            if task.options.queue in worker.queues:
                _compare(worker, task, digests, missing, other)
    if missing:
        return fail("workers-tasks", f"not loaded by live workers: {_named(missing)}", REMEDY)
    if other:
        return warn(
            "workers-tasks",
            f"loaded by live workers with other arguments: {_named(other)}",
            REMEDY,
        )
    return ok("workers-tasks", _well(len(telling), silent))


def _compare(
    worker: WorkerRecord,
    task: AnyTask,
    digests: Mapping[str, str],
    missing: dict[str, list[str]],
    other: dict[str, list[str]],
) -> None:
    loaded = (worker.tasks or {}).get(task.path)
    if loaded is None:
        missing.setdefault(task.name, []).append(worker.name)
    elif loaded != digests[task.path]:
        other.setdefault(task.name, []).append(worker.name)


def _well(telling: int, silent: int) -> str:
    if not telling and not silent:
        return "no live worker to compare with"
    if not telling:
        return f"not known: {_workers(silent)} of RQ's own, which do not tell what they have loaded"
    beside = f"; of {_workers(silent)} of RQ's own it is not known" if silent else ""
    has = "has" if telling == 1 else "have"
    return f"{_workers(telling)} {has} the tasks that are here{beside}"


def _workers(number: int) -> str:
    return f"{number} worker{'' if number == 1 else 's'}"


def _named(found: Mapping[str, Sequence[str]]) -> str:
    return _cut(f"{task} ({_cut(workers)})" for task, workers in found.items())


def _cut(names: Iterable[str]) -> str:
    first, *rest = [*names]
    shown = [first, *rest[: MOST_NAMED - 1]]
    return ", ".join(shown) + (", …" if len(rest) >= MOST_NAMED else "")
