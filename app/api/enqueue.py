"""`POST /tasks/{task}`: the hot path, from the body's bytes to the answer's.

FastAPI would match each task's route in turn, parse the body to Python values, and validate those.
Here the task is looked up by its name, and its own validator takes the bytes. The operations in the
OpenAPI document are `app.api.tasks`'s; errors, access and activity are those of every route.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.answers import status_after_wait
from app.api.body import read_json_bytes
from app.api.departure import unless_left
from app.api.idempotency import REPLAYED, Idempotency
from app.api.prefer import applied, preferred_wait
from app.api.repeated import given_twice
from app.api.service import Service
from app.catalogue import AnyTask
from app.errors import InvalidArguments, InvalidOptions, MalformedBody, field_problems
from app.options import DEFAULT_OPTIONS, JobOptions
from app.queue.accept import Accepted

_REPEATABLE = frozenset({"after", "label"})


class EnqueueMiddleware:
    """Takes `POST /tasks/{task}` for every task, and passes all else on."""

    path = "/tasks/{task}"  # the route's template, for the activity log

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._prefix = f"{service.settings.root_path}/tasks/"
        self._idempotency = Idempotency(service.settings.idempotency_ttl)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Enqueue a job and answer with it, or pass the request on."""
        name = self._task_name(scope)
        if name is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = self
        service = self._service
        task = service.catalogue.named(name)
        options = _options(scope["query_string"])
        body = await read_json_bytes(scope, receive, service.settings.max_body_bytes)
        try:
            args = task.arguments.parse_json(body)
        except ValidationError as error:
            raise _refused(task, error) from error
        request = {"task": name, "arguments": body, "options": options}
        with self._idempotency.hold(scope, "tasks", request) as once:
            accepted = await service.enqueuer.aaccept(task, args, options, once)
            scope["state"]["job_id"] = accepted.job.id
            seconds = preferred_wait(scope)
            if seconds is None:
                await _answer(accepted, send, 202 if accepted.is_new else 200)
                return
            # Its key is in flight until then.
            waiting = service.waiting.wait_for_new(accepted.job, seconds)
            accepted = accepted._replace(job=await unless_left(receive, waiting))
            await _answer(accepted, send, status_after_wait(accepted.job), (applied(seconds),))

    def _task_name(self, scope: Scope) -> str | None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return None
        path: str = scope["path"]
        name = path[len(self._prefix) :]
        return name if path.startswith(self._prefix) and name and "/" not in name else None


async def _answer(
    accepted: Accepted, send: Send, status: int, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    job = accepted.job
    answer = job.__pydantic_serializer__.to_json(job)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
        (b"location", job.links.self.encode()),
        *more,
    ]
    if status == 202:
        headers.append((b"retry-after", b"1"))
    if accepted.is_replayed:
        headers.append(REPLAYED)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _options(query: bytes) -> JobOptions:
    if not query:
        return DEFAULT_OPTIONS
    given: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        given.setdefault(name, []).append(value)
    if twice := {name for name in given if len(given[name]) > 1 and name not in _REPEATABLE}:
        raise given_twice(twice)
    try:
        return JobOptions.model_validate(
            {name: found if name in _REPEATABLE else found[0] for name, found in given.items()}
        )
    except ValidationError as error:
        raise InvalidOptions(errors=field_problems(error, "query")) from error


def _refused(task: AnyTask, error: ValidationError) -> MalformedBody | InvalidArguments:
    [first, *_] = error.errors(include_url=False, include_input=False)
    if first["type"] == "json_invalid":
        return MalformedBody(reason=first["ctx"]["error"])
    return InvalidArguments(task=task.name, errors=field_problems(error, "body"))
