"""The way in: what this is, where things are, and what each error means."""

from pathlib import Path

import fastapi_offline
from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from app import __version__
from app.api.answers import answers
from app.api.service import ServiceDep
from app.errors import TaskApiError, UnknownProblem
from app.models import ProblemInfo, Welcome

ASSETS = StaticFiles(directory=Path(fastapi_offline.__file__).parent / "static")
"""Swagger UI's files, from a package: the page works without the internet."""

router = APIRouter()


@router.get("/", tags=["service"], responses=answers(changes=False))
async def welcome(service: ServiceDep) -> Welcome:
    """Give the service's name and version, and where everything is."""
    places = ["/docs", "/openapi.json", "/tasks", "/jobs", "/events", "/queues", "/workers"]
    places.append("/health/ready")
    if service.settings.dashboard:
        places.append("/dashboard")
    root = service.settings.root_path
    links = {place[1:].replace("/", "_").partition(".")[0]: root + place for place in places}
    return Welcome(name="task-api", version=__version__, links=links)


@router.get("/problems/{slug}", tags=["service"], responses=answers(UnknownProblem, changes=False))
async def problem(slug: str, service: ServiceDep) -> ProblemInfo:
    """Explain an error's `type`."""
    for kind in _kinds(TaskApiError):
        if kind.slug() == slug:
            return ProblemInfo(
                type=f"{service.settings.root_path}/problems/{slug}",
                title=kind.title(),
                status=kind.status,
                detail=kind.explanation(),
            )
    raise UnknownProblem(slug=slug)


@router.get("/docs", include_in_schema=False)
async def docs(service: ServiceDep) -> HTMLResponse:
    """Show a form for each operation."""
    root = service.settings.root_path
    return get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Task API",
        swagger_js_url=f"{root}/docs/assets/swagger-ui-bundle.js",
        swagger_css_url=f"{root}/pages/docs.css",  # which imports that of `ASSETS`
        swagger_favicon_url=f"{root}/docs/assets/favicon.png",
        swagger_ui_parameters={"displayRequestDuration": True, "tryItOutEnabled": True},
    )


def _kinds(parent: type[TaskApiError]) -> list[type[TaskApiError]]:
    return [kind for child in parent.__subclasses__() for kind in (child, *_kinds(child))]
