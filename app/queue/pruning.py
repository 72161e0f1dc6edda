"""The call of `prune.lua`, which workers and the API make."""

from collections.abc import Iterable

from app.queue import keys


def prune_call(most: int, tasks: Iterable[str] = ()) -> tuple[list[str], list[str | int]]:
    """Give its keys and arguments: look at so many ids, and sweep these tasks' indexes as well."""
    indexes = [keys.JOBS, *map(keys.jobs_of_task, tasks)]
    return [keys.INDEXES, keys.PRUNING], [most, *indexes]
