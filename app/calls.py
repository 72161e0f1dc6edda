"""A call of a task with the options of one job, and where such calls are enqueued."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, Protocol

from pydantic import ValidationError

from app.arguments import Arguments
from app.errors import InvalidArguments, NotConnected, field_problems
from app.models import Job
from app.options import JobOptions
from app.signature import Json

P = ParamSpec("P")

Values = tuple[Any, ...]
"""Arguments by their positions."""

Named = Mapping[str, Any]
"""Arguments by their names."""


class Callee(Protocol):
    """What a call has to know of its task."""

    @property
    def name(self) -> str:
        """The task's name."""

    @property
    def arguments(self) -> Arguments:
        """The schema of its arguments."""


class Enqueuer(Protocol):
    """Where calls are enqueued; returns once Redis has confirmed them."""

    def enqueue(self, task: Any, args: dict[str, Json], options: JobOptions) -> Job:
        """Enqueue one job."""

    async def aenqueue(self, task: Any, args: dict[str, Json], options: JobOptions) -> Job:
        """Enqueue one job without blocking the event loop."""

    def enqueue_many(
        self, task: Any, many: Sequence[dict[str, Json]], options: JobOptions
    ) -> list[Job]:
        """Enqueue many jobs of one task, in their order."""

    async def aenqueue_many(
        self, task: Any, many: Sequence[dict[str, Json]], options: JobOptions
    ) -> list[Job]:
        """Enqueue many jobs of one task without blocking the event loop on Redis."""


def _no_enqueuer() -> Enqueuer:
    raise NotConnected


_enqueuer: Callable[[], Enqueuer] = _no_enqueuer


def connect(enqueuer: Callable[[], Enqueuer]) -> None:
    """Set what gives the enqueuer: `app` does so at import, each service again at its start."""
    global _enqueuer  # noqa: PLW0603 - the one seam between tasks and the queue behind them
    _enqueuer = enqueuer


class Call(Generic[P]):
    """A task together with the options of one job."""

    def __init__(self, task: Callee, options: JobOptions) -> None:
        self.task = task
        self.options = options

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Enqueue it; see `Task.enqueue`."""
        return _enqueuer().enqueue(self.task, self._parse(args, kwargs), self.options)

    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Enqueue it without blocking the event loop; see `Task.enqueue`."""
        return await _enqueuer().aenqueue(self.task, self._parse(args, kwargs), self.options)

    def enqueue_many(self, calls: Iterable[Named]) -> list[Job]:
        """Enqueue many calls; see `Task.enqueue_many`."""
        many = [self._parse((), call) for call in calls]
        return _enqueuer().enqueue_many(self.task, many, self.options)

    async def aenqueue_many(self, calls: Iterable[Named]) -> list[Job]:
        """Enqueue many calls without blocking the event loop; see `Task.enqueue_many`."""
        many = [self._parse((), call) for call in calls]
        return await _enqueuer().aenqueue_many(self.task, many, self.options)

    def _parse(self, args: Values, kwargs: Named) -> dict[str, Json]:
        try:
            return self.task.arguments.parse(*args, **kwargs)
        except ValidationError as error:
            raise InvalidArguments(task=self.task.name, errors=field_problems(error)) from error
