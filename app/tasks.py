"""What `jobs/` imports: `@task`, and the catalogue of all tasks."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app import context
from app.addresses import CallbackUrl
from app.arguments import Arguments
from app.calls import Call, Named, Values
from app.errors import (
    InvalidArguments,
    InvalidResult,
    InvalidTaskName,
    InvalidTaskOption,
    UnserializableResult,
    field_problems,
)
from app.json_limits import UnfitForJson
from app.models import Job
from app.options import LONGEST_RUN, MOST_RETRIES, TEN_YEARS, JobOptions
from app.result import Result
from app.signature import check_annotated, place_of

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class TaskOptions(BaseModel):
    """What `@task` was told, checked; a job's own options go before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queue: str = "default"
    timeout: int = Field(default=180, ge=1, le=LONGEST_RUN)  # seconds, RQ's own default
    retries: int = Field(default=0, ge=0, le=MOST_RETRIES)
    # Seconds, the bound of the first retry's delay; doubled for each further.
    backoff: float = Field(default=2.0, ge=0, le=TEN_YEARS)
    # Seconds; None: TASK_API_RESULT_TTL.
    result_ttl: int | None = Field(default=None, ge=0, le=TEN_YEARS)
    retry_on: tuple[type[BaseException], ...] | None = None  # None: whatever is raised
    give_up_on: tuple[type[BaseException], ...] = ()  # before `retry_on`
    callback: CallbackUrl | None = None  # told how each job has ended
    isolated: bool = False  # a process of its own for each job
    log: bool = True  # whether what it logs and prints is kept

    @classmethod
    def checked(cls, place: str, options: Mapping[str, Any]) -> Self:
        """Refuse values that no job could keep to.

        Raises:
            InvalidTaskOption: names the option, the value and the reason.
        """
        try:
            return cls(**options)
        except ValidationError as error:
            [first, *_] = error.errors(include_url=False)
            raise InvalidTaskOption(
                place=place,
                option=first["loc"][0],
                value=first["input"],
                reason=f"is refused: {first['msg']}",
            ) from error


class Task(Generic[P, R]):
    """A function that can be enqueued. Calling it runs it here and now, its arguments validated."""

    def __init__(self, function: Callable[P, R], name: str, options: TaskOptions) -> None:
        check_annotated(function)
        self.function = function
        # Called by name, with what a schema has let through.
        self._run: Callable[..., Any] = function
        self.name = name
        self.options = options
        self.place = place_of(function)
        self.path = f"{function.__module__}.{function.__qualname__}"
        self.description = inspect.cleandoc(function.__doc__ or "")
        self.is_async = inspect.iscoroutinefunction(function)
        # What rq's own listings and stock workers ask a function for.
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        if not _NAME.fullmatch(name):
            raise InvalidTaskName(place=self.place, name=name)

    def __repr__(self) -> str:
        return f"<Task {self.name} at {self.place}>"

    @cached_property
    def arguments(self) -> Arguments:
        """The schema of the arguments, built at its first use: annotations may look ahead."""
        return Arguments(self.function, title=self.name)

    @cached_property
    def result(self) -> Result:
        """The schema of the result."""
        return Result(self.function)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function, its arguments validated.

        The worker's call comes this way too, a stock worker's included. It is told apart by the job
        that it runs in, and its result is reduced to JSON's types.

        Raises:
            pydantic.ValidationError: an argument does not fit.
        """
        job = context.running_job()
        if job is None or not job.claim(self.final_by):
            value: R = self._run(**self.arguments.bind(*args, **kwargs))
            return value
        if self.is_async:
            return self._perform_async(job, args, kwargs)  # type: ignore[return-value]
        return self._perform(job, args, kwargs)

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Enqueue a call of this task; returns once Redis has confirmed it.

        Raises:
            InvalidArguments, QueueFull, RedisUnavailable: and nothing was enqueued.
        """
        return self.with_options().enqueue(*args, **kwargs)

    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Do as `enqueue` does, without blocking the event loop."""
        return await self.with_options().aenqueue(*args, **kwargs)

    def enqueue_many(self, calls: Iterable[Mapping[str, Any]]) -> list[Job]:
        """Enqueue many calls, each given by its arguments' names: far faster than one by one.

        They keep their order, and are all checked before the first is enqueued.

        Raises:
            InvalidArguments, QueueFull, RedisUnavailable.
        """
        return self.with_options().enqueue_many(calls)

    async def aenqueue_many(self, calls: Iterable[Mapping[str, Any]]) -> list[Job]:
        """Do as `enqueue_many` does, without blocking the event loop on Redis."""
        return await self.with_options().aenqueue_many(calls)

    def with_options(self, **options: Any) -> Call[P]:
        """Set options for one job, as in `send_email.with_options(delay=60).enqueue(to=…)`.

        They are those of `POST /tasks/{task}`, as `JobOptions` has them. With `after` or `key`,
        enqueueing may raise `UnknownParent` or `DuplicateJob` besides; where `key` has a live job,
        it gives that one, and enqueues nothing.

        Raises:
            pydantic.ValidationError: an option does not fit.
        """
        return Call(self, JobOptions(**options))

    def final_by(self, error: BaseException) -> str | None:
        """Say by which rule no attempt is to follow one that ended so; None where one may."""
        options = self.options
        for kind in options.give_up_on:
            if isinstance(error, kind):
                return f"the task's `give_up_on` names {kind.__name__}"
        # Data that do not fit do not fit the next time either.
        if isinstance(error, (InvalidArguments, InvalidResult, UnserializableResult)):
            return "no attempt mends arguments or a result that do not fit"
        if options.retry_on is not None and not isinstance(error, options.retry_on):
            return f"the task's `retry_on` does not name {type(error).__name__}"
        return None

    def _perform(self, job: context.RunningJob, args: Values, kwargs: Named) -> R:
        try:
            job.begin(log=self.options.log)
            return self._outcome(job, self._run(**self._load(args, kwargs)))
        finally:
            job.end()

    async def _perform_async(self, job: context.RunningJob, args: Values, kwargs: Named) -> R:
        try:
            job.begin(log=self.options.log)
            return self._outcome(job, await self._run(**self._load(args, kwargs)))
        finally:
            job.end()

    def _load(self, args: Values, kwargs: Named) -> dict[str, Any]:
        try:
            return self.arguments.load(*args, **kwargs)
        except ValidationError as error:
            raise InvalidArguments(task=self.name, errors=field_problems(error)) from error
        except (TypeError, ValueError) as error:  # stored by a plain RQ client
            wrong = {"loc": [], "message": str(error), "type": "unreadable"}
            raise InvalidArguments(task=self.name, errors=[wrong]) from error

    def _outcome(self, job: context.RunningJob, value: Any) -> R:
        if job.is_for_queue(value):
            passed: R = value
            return passed
        try:
            reduced: R = self.result.reduce(value)
        except ValidationError as error:
            raise InvalidResult(task=self.name, reason=error) from error
        except UnfitForJson as error:
            raise UnserializableResult(
                task=self.name, type_name=error.type_name, reason=error
            ) from error
        return reduced


# By place and name: a module that is loaded again replaces its own.
_declared: dict[tuple[str, str], Task[..., Any]] = {}


def declared_tasks() -> list[Task[..., Any]]:
    """List every task that a module imported so far has declared."""
    return list(_declared.values())


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(
    *,
    name: str | None = None,
    queue: str = "default",
    timeout: int = 180,
    retries: int = 0,
    backoff: float = 2.0,
    result_ttl: int | None = None,
    retry_on: tuple[type[BaseException], ...] | None = None,
    give_up_on: tuple[type[BaseException], ...] = (),
    callback: str | None = None,
    isolated: bool = False,
    log: bool = True,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(
    function: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Any
) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
    """Make a typed function a task: `@task`, or `@task(queue="high", timeout=30, retries=5)`.

    Args:
        function: the function, where the decorator is used bare.
        name: the task's name; the function's own where left out.
        **options: `queue`, its queue. `timeout`, seconds that one attempt may take. `retries`,
            further attempts after a failed one. `backoff`, the bound in seconds of the delay before
            the first retry, doubled for each further one; each delay is drawn evenly from nothing
            to its bound ("full jitter", Marc Brooker, AWS Architecture Blog, 2015). `result_ttl`,
            seconds that a result is kept. `retry_on`, the only exceptions that are retried; all
            are where it is left out. `give_up_on`, exceptions that no retry can mend, whatever
            `retry_on` says. `isolated`, whether each job gets a process of its own. `log`,
            whether what it logs and prints is kept. `callback`, a URL that is told, signed, when
            a job has ended.

    Raises:
        DeclarationError: the signature or an option will not do; names the place.
    """

    def declare(function: Callable[P, R]) -> Task[P, R]:
        checked = TaskOptions.checked(place_of(function), options)
        declared = Task(function, name or function.__name__, checked)
        _declared[declared.place, declared.name] = declared
        return declared

    return declare if function is None else declare(function)
