"""What is this machine's part: the settings, the tasks, the folder of the activity log."""

import os
from pathlib import Path

from app.addresses import is_loopback
from app.catalogue import Catalogue, load_catalogue
from app.doctor.finding import Finding, fail, ok, warn
from app.errors import DeclarationError
from app.settings import Settings
from app.variables import unknown_variables


def check_variables() -> Finding:
    """Name each variable that is meant for a setting and is none; the tasks are loaded by now."""
    unknown = unknown_variables()
    if unknown:
        named = (f"{name} (is {near} meant?)" if near else name for name, near in unknown.items())
        return warn(
            "settings",
            f"no setting has the name {', '.join(named)}",
            "rename or unset it; docs/configuration.md has all that are read",
        )
    return ok("settings", "each of them will do")


def check_access(settings: Settings) -> Finding:
    """Say whether somebody beyond this machine may use the open API."""
    if settings.allow_anonymous:
        return warn(
            "access",
            "TASK_API_ALLOW_ANONYMOUS=true: whoever reaches the API may use all of it",
            "keep it behind a proxy that asks for a login, or leave the setting out",
        )
    if not is_loopback(settings.host):
        return fail(
            "access",
            f"the API has no keys, so it refuses to listen on {settings.host}",
            "TASK_API_HOST=127.0.0.1, or TASK_API_ALLOW_ANONYMOUS=true behind a proxy",
        )
    return ok("access", "the API answers this machine alone")


def check_tasks(settings: Settings) -> tuple[Finding, Catalogue | None]:
    """Import every task module, as the API and the workers do at their start."""
    try:
        catalogue = load_catalogue(settings)
    except DeclarationError as error:
        remedy = "mend it, or install what it needs; API and workers do not start like this"
        return fail("tasks", str(error), remedy), None
    if not len(catalogue):
        modules = ", ".join(settings.task_modules)
        finding = warn("tasks", f"no task in {modules}", "mark a function there with @task")
        return finding, catalogue
    return ok("tasks", f"{len(catalogue)} tasks, each of them can be imported"), catalogue


def check_activity_log(settings: Settings) -> Finding:
    """Say whether the activity log can be written by whoever runs this."""
    path = settings.activity_log.absolute()
    target = path if path.exists() else _first_that_is_there(path.parent)
    if path.is_dir() or not os.access(target, os.W_OK):
        return fail(
            "activity-log",
            f"{path} cannot be written: {target} is not writable for this user",
            "give the user of the API the right to, or choose another TASK_API_ACTIVITY_LOG",
        )
    return ok("activity-log", f"{path} can be written")


def _first_that_is_there(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
