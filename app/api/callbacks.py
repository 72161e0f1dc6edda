"""A job's callbacks over HTTP: each message and its tries, and one sent again."""

from fastapi import APIRouter
from starlette.routing import BaseRoute

from app.api.answers import answers
from app.api.service import ServiceDep
from app.callback import Callback, CallbackMessage
from app.errors import JobGone, UnknownCallback, UnknownJob, WrongStatus

router = APIRouter(tags=["callbacks"])


@router.get("/jobs/{job_id}/callbacks", responses=answers(UnknownJob, JobGone, changes=False))
async def list_callbacks(job_id: str, service: ServiceDep) -> list[Callback]:
    """List the messages about a job's end, each with every try and what it was answered."""
    return await service.callbacks.of(job_id)


@router.post(
    "/jobs/{job_id}/callbacks/{callback_id}/send",
    responses=answers(UnknownJob, JobGone, UnknownCallback, WrongStatus),
)
async def send_callback(job_id: str, callback_id: str, service: ServiceDep) -> Callback:
    """Send a message again, at once, whether it was taken, given up or waits for its next try.

    Its `webhook-id` and its body stay the same. Should it not be taken, it is tried again as often
    as a new one.
    """
    return await service.callbacks.send(job_id, callback_id)


def told(task: str) -> list[BaseRoute]:
    """Describe what a receiver is sent: the `callbacks` of a task's POST in the document."""
    routes = APIRouter()
    routes.add_api_route(
        "{$request.query.callback}",
        job_ended,
        methods=["POST"],
        name="job_ended",
        operation_id=f"told_by_{task}",
        status_code=200,
        response_model=None,
        responses={
            200: {"description": "Taken; so is any 2xx"},
            410: {"description": "Wants no more of it: not tried again"},
            "default": {"description": "Not taken: tried again, for three days"},
        },
    )
    return routes.routes


async def job_ended(message: CallbackMessage) -> None:
    """Tell that the job has ended, by Standard Webhooks 1.0.

    The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` say whose it is. Any
    answer but 2xx and 410 is tried again, for three days.
    """
