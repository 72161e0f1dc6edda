"""Where the rest about a job is found on this service."""

from app.models import JobLinks
from app.settings import Settings


def links_of(job_id: str, settings: Settings) -> JobLinks:
    """Give the paths of what belongs to a job."""
    root = settings.root_path
    job = f"{root}/jobs/{job_id}"
    return JobLinks(
        self=job,
        events=f"{job}/events",
        result=f"{job}/result",
        log=f"{job}/log",
        explain=f"{job}/explain",
        callbacks=f"{job}/callbacks",
        dashboard=f"{root}/dashboard/0/view/job/{job_id}" if settings.dashboard else None,
    )
