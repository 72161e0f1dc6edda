"""Queues and workers over HTTP."""

from fastapi import APIRouter

from app.api.answers import answers
from app.api.service import ServiceDep
from app.errors import UnknownQueue
from app.models import QueueInfo, WorkerInfo

router = APIRouter(tags=["queues and workers"])


@router.get("/queues", responses=answers(changes=False))
async def list_queues(service: ServiceDep) -> list[QueueInfo]:
    """Count every queue's jobs per status, in order of priority."""
    return await service.fleet.queues()


@router.get("/queues/{queue}", responses=answers(UnknownQueue, changes=False))
async def get_queue(queue: str, service: ServiceDep) -> QueueInfo:
    """Count one queue's jobs per status."""
    return await service.fleet.queue(queue)


@router.post("/queues/{queue}/pause", responses=answers(UnknownQueue))
async def pause_queue(queue: str, service: ServiceDep) -> QueueInfo:
    """Let no further job of a queue begin until it is resumed; what has begun runs on."""
    return await service.fleet.pause(queue)


@router.post("/queues/{queue}/resume", responses=answers(UnknownQueue))
async def resume_queue(queue: str, service: ServiceDep) -> QueueInfo:
    """Let the jobs of a paused queue begin again, in their order."""
    return await service.fleet.resume(queue)


@router.get("/workers", responses=answers(changes=False))
async def list_workers(service: ServiceDep) -> list[WorkerInfo]:
    """List the live workers: what each does, serves and has done."""
    return await service.fleet.workers()
