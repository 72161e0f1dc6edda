"""`POST /process`: a temporary file, made for one response and removed behind it.

Why BackgroundTasks: the file is of this machine and of this response. A worker may run on another
machine, and cannot know when the client has read the last byte; the process that sends it does.

What that leaves: a shutdown that has waited long enough cuts a response off together with its task,
so this process' files have a folder, which goes with it. A process that is killed removes nothing;
its folder stands where the job `clean_temp_files` cleans (TASK_API_TEMP_DIR): at leisure, by the
queue.
"""

import gzip
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from app.errors import TaskApiError
from app.models import Problem
from jobs.settings import job_settings

LARGEST = 64 * 1024 * 1024  # bytes


class FileTooLarge(TaskApiError):
    """The file is larger than {limit} bytes; send it in parts."""

    status = 413


class FileThenTask(FileResponse):
    """A file, and a background task that runs however the response ends.

    Starlette's own runs its task behind a response that was sent, and behind one that the client
    broke off; not where the file cannot be read or the connection fails.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, then run the task."""
        task, self.background = self.background, None
        try:
            await super().__call__(scope, receive, send)
        finally:
            if task is not None:
                await task()


class State(TypedDict):
    """What requests find in `request.state`."""

    folder: Path


@asynccontextmanager
async def own_folder(_: FastAPI) -> AsyncIterator[State]:
    """Give this process a folder for its temporary files, and remove it at the end."""
    parent = job_settings().temp_dir
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        yield {"folder": Path(folder)}


router = APIRouter(lifespan=own_folder)


@router.post(
    "/process",
    response_class=FileThenTask,
    responses={
        200: {"content": {"application/gzip": {}}, "description": "The compressed file"},
        413: {"model": Problem, "description": "The file is too large"},
    },
    openapi_extra={
        "requestBody": {
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
            "description": "any file",
        }
    },
)
async def process(request: Request) -> FileThenTask:
    """Compress a file, of 64 MiB at most."""
    path = await run_in_threadpool(_new_file, request.state.folder)
    remove = BackgroundTask(path.unlink, missing_ok=True)
    try:
        await _compress(request.stream(), path)
    except BaseException:
        await remove()
        raise
    return FileThenTask(
        path, media_type="application/gzip", filename="processed.gz", background=remove
    )


def _new_file(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)  # `clean_temp_files` takes it for left, after an idle day
    descriptor, path = tempfile.mkstemp(dir=folder, suffix=".gz")
    os.close(descriptor)
    return Path(path)


async def _compress(body: AsyncIterator[bytes], path: Path) -> None:
    """Compress what comes, as it comes: the file is never whole in memory.

    Raises:
        FileTooLarge: before more than `LARGEST` bytes were taken.
        ClientDisconnect: it did not come whole.
    """
    size = 0
    with gzip.open(path, "wb") as file:
        async for chunk in body:
            size += len(chunk)
            if size > LARGEST:
                raise FileTooLarge(limit=LARGEST)
            await run_in_threadpool(file.write, chunk)
