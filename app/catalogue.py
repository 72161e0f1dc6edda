"""The catalogue: every task that the configured modules declare, found once, at start."""

import hashlib
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from app.errors import (
    DeclarationError,
    DuplicateTask,
    InvalidTaskOption,
    LocalTask,
    TaskModuleFailed,
    UnknownTask,
    UnknownTaskQueue,
)
from app.mistakes import noting, refuse
from app.settings import Settings
from app.tasks import Task, declared_tasks

AnyTask = Task[..., Any]

INTERNAL = ("app.callbacks.delivery",)
"""Modules of tasks that workers run and nobody can call: jobs of theirs are written with others."""


class Catalogue:
    """Tasks by name, and by the dotted path that Redis knows them under."""

    def __init__(self, tasks: Iterable[AnyTask], internal: Iterable[AnyTask] = ()) -> None:
        named, own = sorted(tasks, key=lambda task: task.name), [*internal]
        refuse(_clashes(named, own))
        self._by_name: dict[str, AnyTask] = {task.name: task for task in named}
        self._by_path: dict[str, AnyTask] = {task.path: task for task in (*own, *named)}

    def __iter__(self) -> Iterator[AnyTask]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def digests(self) -> dict[str, str]:
        """Give, by each task's dotted path, what tells the schema of its arguments from another."""
        return {path: _digest(task.arguments.schema) for path, task in self._by_path.items()}

    def named(self, name: str) -> AnyTask:
        """Give the task of this name.

        Raises:
            UnknownTask: there is none.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownTask(name=name) from None

    def at(self, path: str) -> AnyTask | None:
        """Give the task that this dotted path names, None where it names no registered one."""
        return self._by_path.get(path)


def load_catalogue(settings: Settings) -> Catalogue:
    """Import the task modules, all their submodules included, and build every schema.

    A module ends at its first mistake, as Python does; all the others are looked at nevertheless.

    Raises:
        DeclarationError: a module or a task will not do; names the file and the function. Where
            there are several, `SeveralMistakes` lists them.
    """
    mistakes: list[DeclarationError] = []
    modules = {
        module.__name__ for root in settings.task_modules for module in _import_tree(root, mistakes)
    }
    tasks = [task for task in declared_tasks() if task.function.__module__ in modules]
    for task in tasks:
        mistakes += _mistakes_of(task, settings.queues)
    for name in INTERNAL:
        _import(name)
    internal = [task for task in declared_tasks() if task.function.__module__ in INTERNAL]
    refuse([*mistakes, *_clashes(tasks, internal)])
    return Catalogue(tasks, internal)


def _mistakes_of(task: AnyTask, queues: Sequence[str]) -> list[DeclarationError]:
    mistakes: list[DeclarationError] = []
    if "<locals>" in task.path:
        mistakes.append(LocalTask(place=task.place))
    queue = task.options.queue
    if queue not in queues:
        mistakes.append(UnknownTaskQueue(place=task.place, queue=queue, queues=", ".join(queues)))
    with noting(mistakes):
        _ = task.arguments, task.result
    return mistakes


def _clashes(tasks: Iterable[AnyTask], internal: Iterable[AnyTask]) -> Iterator[DeclarationError]:
    by_name = {task.name: task for task in internal}
    paths = {task.path for task in internal}
    for task in tasks:
        first = by_name.setdefault(task.name, task)
        if first is not task:
            yield DuplicateTask(name=task.name, first=first.place, second=task.place)
        elif task.path in paths:
            yield InvalidTaskOption(
                place=task.place,
                option="name",
                value=task.name,
                reason=f"is a second name of {task.path}, which is all that a job names",
            )
        paths.add(task.path)


def _digest(schema: Mapping[str, Any]) -> str:
    canonical = json.dumps(schema, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _import_tree(root: str, mistakes: list[DeclarationError]) -> Iterator[ModuleType]:
    """Import a module and all below it; what cannot be imported is noted and left out."""
    with noting(mistakes):
        module = _import(root)
        yield module
        for name in _names_below(module):
            with noting(mistakes):
                yield _import(name)


def _names_below(module: ModuleType) -> Iterator[str]:
    for folder in getattr(module, "__path__", ()):
        # Not by pkgutil, which overlooks what stands in a folder without an `__init__.py`.
        for path in sorted(Path(folder).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            # Importing `__main__` would run a program, and a dot is in no module's own name.
            if parts[-1:] != ("__main__",) and "." not in "".join(parts):
                yield ".".join((module.__name__, *parts))


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except DeclarationError:
        raise
    except Exception as error:  # whatever a user's module raises, its name is what helps
        raise TaskModuleFailed(module=name, reason=f"{type(error).__name__}: {error}") from error
