"""Whether the service is alive, and whether it is ready."""

from fastapi import APIRouter, Response

from app.api.answers import answers
from app.api.service import ServiceDep
from app.models import Check, Readiness

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", responses=answers(changes=False))
async def live() -> Check:
    """Answer while the process can; asks nobody else."""
    return Check(ok=True)


@router.get("/ready", responses={**answers(changes=False), 503: {"model": Readiness}})
async def ready(service: ServiceDep, response: Response) -> Readiness:
    """Say whether Redis answers and every queue has a worker; 503 names the part that is not so."""
    readiness = await service.fleet.readiness()
    response.status_code = 200 if readiness.ready else 503
    return readiness
