"""The catalogue over HTTP, and `POST /tasks/{task}`: one operation for each task."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query

from app.api import callbacks
from app.api.answers import answers
from app.api.example import example_body
from app.api.idempotency import HEADER, LONGEST_KEY
from app.api.prefer import PREFER, PREFERENCE_APPLIED
from app.api.service import ServiceDep
from app.catalogue import AnyTask, Catalogue
from app.errors import (
    BodyTooLarge,
    DuplicateJob,
    IdempotencyKeyInFlight,
    IdempotencyKeyReused,
    InvalidArguments,
    InvalidIdempotencyKey,
    InvalidOptions,
    JobGone,
    MalformedBody,
    QueueFull,
    UnknownParent,
    UnknownTask,
    UnsupportedContentType,
)
from app.models import Job, TaskInfo
from app.options import JobOptions

router = APIRouter(tags=["tasks"])


@router.get("/tasks", responses=answers(changes=False))
async def list_tasks(service: ServiceDep) -> list[TaskInfo]:
    """List every task that can be enqueued."""
    root = service.settings.root_path
    return [_info(task, root) for task in service.catalogue]


@router.get("/tasks/{task}", responses=answers(UnknownTask, changes=False))
async def get_task(task: str, service: ServiceDep) -> TaskInfo:
    """Describe one task, with the JSON Schema of its arguments and of its result."""
    return _info(service.catalogue.named(task), service.settings.root_path)


def task_router(catalogue: Catalogue) -> APIRouter:
    """Make a route for each task: `POST /tasks/{its name}`."""
    routes = APIRouter(tags=["enqueue"])
    for task in catalogue:
        routes.add_api_route(
            f"/tasks/{task.name}",
            _operation(task),
            methods=["POST"],
            status_code=202,
            response_model=Job,
            name=f"enqueue_{task.name}",
            operation_id=f"enqueue_{task.name}",
            summary=task.description.partition("\n")[0] or f"Enqueue {task.name}",
            description=task.description,
            response_description="Accepted: Redis has confirmed the job",
            responses=answers(
                UnknownTask,
                MalformedBody,
                BodyTooLarge,
                UnsupportedContentType,
                InvalidArguments,
                InvalidOptions,
                UnknownParent,
                DuplicateJob,
                InvalidIdempotencyKey,
                IdempotencyKeyInFlight,
                IdempotencyKeyReused,
                JobGone,
                QueueFull,
            )
            | _FIRST_OF_ITS_KEY,
            callbacks=callbacks.told(task.name),
            openapi_extra={"requestBody": _request_body(task), "parameters": [PREFER]},
        )
    return routes


def _request_body(task: AnyTask) -> dict[str, Any]:
    """Say of the body what FastAPI cannot: that it may be left out, and an example."""
    model = task.arguments.model
    body: dict[str, Any] = {"required": any(f.is_required() for f in model.model_fields.values())}
    if (example := example_body(model)) is not None:
        body["content"] = {"application/json": {"example": example}}
    return body


_FIRST_OF_ITS_KEY: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Job,
        "description": "Ended (`Prefer: wait`), or not enqueued: this live job has the same `key`",
        "headers": PREFERENCE_APPLIED,
    }
}

_IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=LONGEST_KEY,
        pattern="^[ -~]+$",
        description="the request is carried out once, however often it comes with this key; the "
        "answer is repeated",
    ),
]


def _operation(task: AnyTask) -> Callable[..., Any]:
    """Make the function that FastAPI reads the operation's schema from; it is never called."""

    async def operation(body: Any, options: Any, idempotency_key: Any = None) -> Job: ...  # type: ignore[empty-body]

    operation.__annotations__ = {
        "body": task.arguments.model,
        "options": Annotated[JobOptions, Query()],
        "idempotency_key": _IdempotencyKey,
        "return": Job,
    }
    return operation


def _info(task: AnyTask, root: str) -> TaskInfo:
    address = f"{root}/tasks/{task.name}"
    return TaskInfo(
        name=task.name,
        description=task.description,
        queue=task.options.queue,
        timeout=task.options.timeout,
        retries=task.options.retries,
        arguments=task.arguments.schema,
        result=task.result.schema,
        links={"self": address, "enqueue": address},
    )
