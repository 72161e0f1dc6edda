"""The same work done two ways, for test_background_or_queue.py: a task, and an app around it.

The work stands still until a file says go, so that a test does its mischief in the very middle.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.responses import Response, StreamingResponse

from app.tasks import task

NOTES = Path("notes")
PIECE = bytes(64 * 1024)
PIECES = 500  # 32 MB: more than the kernel buffers for a client that does not read


def note(line: str) -> None:
    with NOTES.open("a") as notes:
        notes.write(line + "\n")


def may_go(name: str) -> bool:
    return Path(f"{name}.go").exists()


@task(retries=1, backoff=0, timeout=60)
def work(name: str, fails: bool = False) -> None:
    """Note its begin, wait for leave, note its end."""
    note(f"{name} begun {os.getpid()}")
    if fails:
        raise RuntimeError(f"{name} cannot be done")
    while not may_go(name):
        time.sleep(0.02)
    note(f"{name} ended")


async def work_async(name: str) -> None:
    note(f"{name} begun")
    try:
        while not may_go(name):  # noqa: ASYNC110 - the test is another process
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        note(f"{name} cancelled")
        raise
    note(f"{name} ended")


app = FastAPI()


@app.get("/plain")
def plain() -> str:
    """Answer from the thread pool, as any `def` endpoint."""
    return "here"


@app.post("/background/{name}")
async def by_background(name: str, background: BackgroundTasks, fails: bool = False) -> None:
    background.add_task(work, name, fails)


@app.post("/background-async/{name}")
async def by_background_async(name: str, background: BackgroundTasks) -> None:
    background.add_task(work_async, name)


@app.post("/queue/{name}")
async def by_queue(name: str, fails: bool = False, retries: int = 1) -> str:
    return (await work.with_options(retries=retries).aenqueue(name, fails)).id


@app.post("/both-then-raise/{name}")
async def both_then_raise(name: str, status: int, background: BackgroundTasks) -> None:
    background.add_task(note, f"{name} ran in the background")
    await work.aenqueue(name)
    if status == 500:
        raise RuntimeError("after both")
    raise HTTPException(status)


@app.post("/one-after-another/{name}")
async def one_after_another(name: str, background: BackgroundTasks, fails: bool = False) -> None:
    background.add_task(work, f"{name}-first", fails)
    background.add_task(work, f"{name}-second")


@app.post("/whole/{name}")
async def whole(name: str, background: BackgroundTasks) -> Response:
    """Answer with a large body in one piece."""
    background.add_task(note, f"{name} ran in the background")
    await work.aenqueue(name)
    return Response(PIECE * PIECES, background=background)


@app.post("/stream/{name}")
async def stream(name: str, background: BackgroundTasks) -> Response:
    """Answer with a large body, piece by piece."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            yield PIECE

    background.add_task(note, f"{name} ran in the background")
    await work.aenqueue(name)
    return StreamingResponse(pieces(), background=background)


def session() -> Iterator[str]:
    yield "a session"
    note("session closed")


@app.post("/with-session")
async def with_session(
    _session: Annotated[str, Depends(session)], background: BackgroundTasks
) -> None:
    background.add_task(note, "task ran")
