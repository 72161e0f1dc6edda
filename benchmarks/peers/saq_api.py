"""saq in an async endpoint, connected while the application lives, as its documentation shows."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel
from saq import Queue

queue = Queue.from_url(os.environ["REDIS_URL"])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Keep the queue connected."""
    await queue.connect()
    yield
    await queue.disconnect()


app = FastAPI(lifespan=lifespan)


class Mail(BaseModel):
    """The body."""

    to: str
    subject: str
    body: str


@app.post("/mail", status_code=202)
async def mail(mail: Mail) -> dict[str, str]:
    """Enqueue."""
    job = await queue.enqueue("mail", **mail.model_dump())
    assert job is not None
    return {"id": job.id}
