"""Every error that the project raises, named after the fact that it states.

The docstring is the message: the first paragraph, its fields filled in, is what a caller reads, and
it tells the remedy. An error of an HTTP request carries its status; `app.api.problems` renders it.
"""

import re
from typing import Any, ClassVar

from pydantic import ValidationError

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FORMAT = re.compile(r"\{(\w+)[!:]\w+\}")


class TaskApiError(Exception):
    """Something went wrong in the task API."""

    status: ClassVar[int] = 500
    retry_after: ClassVar[int | None] = None  # seconds
    is_logged: ClassVar[bool] = False  # by whoever raises it; a worker adds no traceback of its own

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        template = " ".join((type(self).__doc__ or "").split("\n\n")[0].split())
        self.message = template.format(**facts)
        # Over HTTP the places stand beside the message; a traceback has this text alone.
        super().__init__(" ".join([self.message, *map(_as_text, facts.get("errors", ()))]))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.facts)

    @classmethod
    def slug(cls) -> str:
        """Name the error for machines, as in `unknown-task`: the stable part of its `type`."""
        return _CAMEL.sub("-", cls.__name__).lower()

    @classmethod
    def explanation(cls) -> str:
        """Give the message with the names of what is filled in, as in `{limit}`."""
        return _FORMAT.sub(r"{\1}", " ".join((cls.__doc__ or "").split()))

    @classmethod
    def title(cls) -> str:
        """Name the error for people, as in `Unknown task`."""
        return cls.slug().replace("-", " ").capitalize()


def _as_text(problem: dict[str, Any]) -> str:
    return f"[{'.'.join(map(str, problem['loc']))}: {problem['message']}]"


def _rebuild(kind: type[TaskApiError], facts: dict[str, Any]) -> TaskApiError:
    return kind(**facts)


MOST_PROBLEMS = 100
"""How many places one answer lists: a small body can be wrong in a hundred thousand."""


def field_problems(error: ValidationError, root: str | None = None) -> list[dict[str, Any]]:
    """List the places that do not fit and the reasons, without the values that were sent."""
    found_in_all = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        {
            "loc": [root, *found["loc"]] if root else list(found["loc"]),
            "message": found["msg"].removeprefix("Value error, "),
            "type": found["type"],
        }
        for found in found_in_all[:MOST_PROBLEMS]
    ]


# At start: how tasks are declared and found.


class DeclarationError(TaskApiError):
    """A task is declared wrongly."""


class MissingAnnotation(DeclarationError):
    """{place}: parameter {parameter!r} has no type annotation; every parameter of a task needs one,
    because it becomes the schema of the request body."""


class MissingResultAnnotation(DeclarationError):
    """{place}: the function has no return annotation; a task needs one (`-> None` will do), because
    it becomes the schema of the result."""


class UnsupportedParameter(DeclarationError):
    """{place}: parameter {parameter!r} {reason}."""


class UnresolvedAnnotation(DeclarationError):
    """{place}: an annotation cannot be turned into a schema: {reason}."""


class InvalidTaskName(DeclarationError):
    """{place}: {name!r} is no task name; use 1 to 64 letters, digits, `_`, `-` or `.`, starting
    with a letter."""


class InvalidTaskOption(DeclarationError):
    """{place}: {option}={value!r} {reason}."""


class DuplicateTask(DeclarationError):
    """Two tasks are named {name!r}: {first} and {second}; give one of them another `name=`."""


class LocalTask(DeclarationError):
    """{place}: the task is declared inside a function, where no worker can find it; declare it at
    the top level of its module."""


class UnknownTaskQueue(DeclarationError):
    """{place}: the task's queue {queue!r} is none of {queues}; change it, or add it to
    TASK_API_QUEUES."""


class TaskModuleFailed(DeclarationError):
    """The task module {module!r} cannot be imported: {reason}."""


class SeveralMistakes(DeclarationError):
    """{count} mistakes keep the tasks from being loaded:{listed}"""


class NotConnected(TaskApiError):
    """No queue is connected to the tasks; import them through the package `app`."""


class InvalidProgress(TaskApiError, ValueError):
    """progress({percent!r}, …) is refused: give a number from 0 to 100, and a text or nothing."""


# Requests that do not fit.


class UnknownTask(TaskApiError):
    """There is no task named {name!r}; GET /tasks lists them."""

    status = 404


class UnknownRoute(TaskApiError):
    """There is nothing at {path}; GET / lists the routes, /docs describes them."""

    status = 404


class UnknownProblem(TaskApiError):
    """No error of this service is named {slug!r}."""

    status = 404


class MethodNotAllowed(TaskApiError):
    """{path} does not answer {method}; the Allow header names the methods that it does."""

    status = 405


class MalformedBody(TaskApiError):
    """The body is not valid JSON: {reason}."""

    status = 400


class BodyTooLarge(TaskApiError):
    """The body is larger than {limit} bytes; store large data elsewhere and pass its address, or
    raise TASK_API_MAX_BODY_BYTES."""

    status = 413


class UnsupportedContentType(TaskApiError):
    """The content type {content_type!r} is not understood; send application/json."""

    status = 415


class InvalidArguments(TaskApiError):
    """The arguments do not fit the task {task!r}; `errors` names each place and reason."""

    status = 422


class InvalidOptions(TaskApiError):
    """The options do not fit; `errors` names each one and the reason."""

    status = 422


class InvalidCursor(TaskApiError):
    """The cursor is none that this service gave for these filters ({reason}); follow `next` as it
    is, or begin without a cursor."""

    status = 400


class UnknownParent(TaskApiError):
    """The jobs that this one is to run after are not all there; `errors` names each, and nothing
    was enqueued. A job that ended is kept for a time only; leave out those that are done."""

    status = 422


class DuplicateJob(TaskApiError):
    """Job {first!r} of the task {task!r} has the key {key!r} and is {status}, so nothing was
    enqueued (key_mode={mode}); wait for its end, or give another key or key_mode."""

    status = 409


class InvalidEventId(TaskApiError):
    """{event_id!r} is no id of an event; send the last `id` of the stream as it was, or none to
    begin with what happens from now on."""

    status = 400


class InvalidIdempotencyKey(TaskApiError):
    """The Idempotency-Key will not do: {reason}; send one header of 1 to 255 printable ASCII
    characters, quoted or bare, and a new one for each new request."""

    status = 400


class IdempotencyKeyInFlight(TaskApiError):
    """A request with this Idempotency-Key is still being answered; wait for it, or try again
    later."""

    status = 409
    retry_after = 1


class IdempotencyKeyReused(TaskApiError):
    """The Idempotency-Key was used for another request: another task, body or options; send a new
    key with a new request, and the same request with the same key."""

    status = 422


class CrossSiteRequest(TaskApiError):
    """A page of another site may not change anything here; call the API from a program, or from a
    page of its own origin."""

    status = 403


class NotOnLoopback(TaskApiError):
    """The API has no keys, so it answers this machine alone, not as {host}; ask it at
    127.0.0.1 or localhost, or set TASK_API_ALLOW_ANONYMOUS=true."""

    status = 403


# Jobs and queues.


class UnknownJob(TaskApiError):
    """There is no job {job_id!r}, and this service has issued no such id."""

    status = 404


class JobGone(TaskApiError):
    """Job {job_id!r} existed and is not kept any more: it has expired, or was deleted. How long an
    ended job is kept is set by TASK_API_RESULT_TTL, TASK_API_FAILURE_TTL and `result_ttl`."""

    status = 410


class UnknownShare(TaskApiError):
    """No such share link was given out by this service, or its secret was changed since; ask
    whoever sent it for a new one."""

    status = 404


class ShareOver(TaskApiError):
    """The share link has expired, or its job can be shown no more; ask whoever sent it for a new
    one."""

    status = 410


class UnknownCallback(TaskApiError):
    """Job {job_id!r} has no callback {callback_id!r}, or it is not kept any more;
    GET /jobs/{job_id}/callbacks lists them."""

    status = 404


class UnknownQueue(TaskApiError):
    """There is no queue {queue!r}; TASK_API_QUEUES names them: {queues}."""

    status = 404


class UnreadableJob(TaskApiError):
    """The stored data of job {job_id!r} is not what this service writes ({part}: {reason}), so it
    was not loaded; whoever can write to Redis put it there. Delete the job, and look who that
    is."""


class WrongStatus(TaskApiError):
    """Job {job_id!r} is {status}, so it cannot be {action}; that needs one of: {allowed}."""

    status = 409


class NoResultYet(TaskApiError):
    """Job {job_id!r} is {status} and has no result; GET /jobs/{job_id} shows how it stands."""

    status = 409


class WorkerUnreachable(TaskApiError):
    """Worker {worker!r}, which runs job {job_id!r}, does not listen any more; if it is dead, the
    job is taken over by itself."""

    status = 409


class QueueFull(TaskApiError):
    """The queue {queue!r} holds {limit} jobs, the most that it may; try again later, start more
    workers, or raise TASK_API_MAX_QUEUE_LENGTH."""

    status = 503
    retry_after = 10


class RedisUnavailable(TaskApiError):
    """Redis does not answer ({reason}), so nothing was accepted for certain; try again. `REDIS_URL`
    says where it should be."""

    status = 503
    retry_after = 1


class WrongRootPath(TaskApiError):
    """The server has the service below {said}, and TASK_API_ROOT_PATH is {known!r}, so links would
    lead astray; set TASK_API_ROOT_PATH={said} for the API, the workers and whatever enqueues, or
    leave the server's own option (`--root-path`) out."""


class InternalError(TaskApiError):
    """The service failed on this request; its log has the traceback under this request's id."""


# In the worker.


class JobExpired(TaskApiError):
    """Job {job_id!r} did not start within the time that `expires` gave it, so it is canceled."""


class UnregisteredTask(TaskApiError):
    """The job calls {path!r}, which is not a registered task; this worker runs registered tasks
    only. Is its module in TASK_API_TASK_MODULES?"""


class BrokenScript(TaskApiError):
    """The script {name!r} fails on what Redis holds ({reason}); whatever it was to record is
    settled as of a crash. Some program has written a key of another type: look who that is."""


class ForgedPickle(TaskApiError):
    """The pickle names {name!r}; only plain JSON data is loaded from Redis."""


class CallbackNotTaken(TaskApiError):
    """A callback was sent, or was to be, and nobody has taken it."""

    is_logged = True


class InnerAddress(CallbackNotTaken):
    """The callback is not sent: {host} has the address {address}, which is not public; an operator
    allows such with TASK_API_CALLBACK_ALLOW_INNER=true, set for the workers too."""


class CallbackUnreachable(CallbackNotTaken):
    """{host} did not answer the callback: {reason}"""


class CallbackRefused(CallbackNotTaken):
    """The receiver did not take the callback: it answered {status}, and only 2xx is success."""


class CallbackUnwanted(CallbackNotTaken):
    """The receiver answered 410: it wants no more of this callback, so it is not tried again."""


class InvalidResult(TaskApiError):
    """The task {task!r} returned what its annotation does not promise: {reason}"""


class UnserializableResult(TaskApiError):
    """The result of the task {task!r} holds {type_name!r}, which JSON cannot; return plain data, a
    dataclass or a Pydantic model. ({reason})"""


# On this machine.


class RefusedAddress(TaskApiError):
    """The API has no keys, so it does not listen on {host}, beyond this machine; listen
    on 127.0.0.1, or set TASK_API_ALLOW_ANONYMOUS=true."""


class InvalidSettings(TaskApiError):
    """The settings are wrong: {reason}."""


class RedisServerMissing(TaskApiError):
    """There is no Redis server of version 6.2 or newer on this machine{seen}; install one (apt
    install redis-server, brew install redis, or pip install 'task-api[embedded]'), or set REDIS_URL
    to one that runs elsewhere."""


class RedisTooOld(TaskApiError):
    """{folder} was written by Redis 7 or newer, and {server} is version {version}, which would
    overlook it and start empty; install redis-server 7 or newer, or move the folder away."""


class RedisSilent(TaskApiError):
    """The Redis server on port {port} runs and does not answer after {seconds:g} s; its lines say
    what it is at."""


class UnknownDashboard(TaskApiError):
    """The installed rq-dashboard {version} is not the one that this service knows ({reason});
    install the version that constraints.txt names, or set TASK_API_DASHBOARD=false."""


class EndedAtStart(TaskApiError):
    """The process {name} ended at start with code {code}; it said last: {lines}"""


class FolderInUse(TaskApiError):
    """The folder {folder} is in use by {holder}; use that one, end it, or choose another folder
    with TASK_API_DATA_DIR."""


class FolderNotWritable(TaskApiError):
    """The folder {folder} cannot be written ({reason}); choose another one with
    TASK_API_DATA_DIR."""


class NoFreePort(TaskApiError):
    """None of the ports {first} to {last} of {host} is free; end what uses one, or choose another
    with TASK_API_PORT."""


class AddressUnavailable(TaskApiError):
    """Nothing can listen on {host}, port {port} ({reason}); choose another address with
    TASK_API_HOST and TASK_API_PORT."""
