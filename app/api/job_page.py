"""A job's own page: what stands on it, for those who may do all and for those with a share link."""

from http import HTTPStatus

from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from app.api.page import page_response
from app.api.page_values import iso
from app.api.service import Service
from app.api.shared_job import SharedJob
from app.models import ENDED, Job, JobLog

RELOAD = 3
"""Seconds after which the page of a job that has not ended loads itself again without script."""

_ACTIONS: dict[str, tuple[str, ...]] = {
    "queued": ("cancel",),
    "scheduled": ("cancel",),
    "deferred": ("cancel",),
    "started": ("stop",),
    "failed": ("retry",),
    "stopped": ("retry",),
    "canceled": ("retry",),
}
"""The buttons of a status: what `app.queue.control` allows there."""


async def job_page(scope: Scope, service: Service, job_id: str) -> Response:
    """Show a job with all that is known of it, and the buttons that its status allows.

    Raises:
        UnknownJob, JobGone, UnreadableJob, RedisUnavailable.
    """
    job = await service.lookup.job(job_id)
    explanation = await service.explainer.explain(job_id)
    log = await service.logs.log(job_id)
    address = job.links.self
    whole = f"{address}?format=json"
    more = [("JSON", whole), ("Why", job.links.explain)]
    if job.status == "finished":
        more.append(("Result", job.links.result))
    if job.links.dashboard:
        more.append(("Dashboard", job.links.dashboard))
    facts: dict[str, object] = {
        **_of_every_job(job, address, log),
        "summary": explanation.summary,
        "args": job.args,
        "labels": job.labels,
        "parents": job.after,
        "attempts": job.attempts,
        "worker": job.worker,
        "actions": (*_ACTIONS.get(job.status, ()), "share"),
        "links": {"json": whole, "result": job.links.result},
        "more": more,
        "facts": [
            ("Queue", job.queue),
            ("Before it in the queue", job.position),
            ("Key", job.key),
            ("Duplicates", job.duplicates),
            ("Callback", job.callback),
        ],
    }
    return page_response(scope, "job.html", facts)


def shared_page(scope: Scope, job: SharedJob, log: JobLog) -> Response:
    """Show what a share link shows of a job."""
    address = job.links.self
    facts: dict[str, object] = {
        **_of_every_job(job, address, log),
        "summary": f"It is shown by a link that expires at {iso(job.shared_until)}.",
        "args": None,
        "labels": (),
        "parents": (),
        "attempts": (),
        "worker": None,
        "actions": (),
        "links": {"json": f"{address}?format=json", "result": None},
        "more": [("JSON", f"{address}?format=json")],
        "facts": [("Before it in the queue", job.position)],
    }
    return page_response(scope, "job.html", facts)


def back_to_page(job: Job) -> Response:
    """Answer a form of the page: the browser loads the page again, by GET."""
    return RedirectResponse(job.links.self, HTTPStatus.SEE_OTHER)


def _of_every_job(job: Job | SharedJob, address: str, log: JobLog) -> dict[str, object]:
    took = job.ended_at - job.started_at if job.ended_at and job.started_at else None
    return {
        "job": job,
        "address": address,
        "has_ended": job.status in ENDED,
        "reload": RELOAD,
        "log": log,
        "took": took,
        "times": [
            ("Created", job.created_at),
            ("Queued", job.enqueued_at),
            ("Runs at", job.run_at),
            ("Started", job.started_at),
            ("Ended", job.ended_at),
        ],
    }
