"""`queue.enqueue` in a `def` endpoint, as RQ is used with FastAPI; threads are FastAPI's own."""

import os

from fastapi import FastAPI
from pydantic import BaseModel
from redis import Redis
from rq import Queue

app = FastAPI()
queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))


class Mail(BaseModel):
    """The body."""

    to: str
    subject: str
    body: str


@app.post("/mail", status_code=202)
def mail(mail: Mail) -> dict[str, str]:
    """Enqueue, by the function's path, so that nothing is imported."""
    job = queue.enqueue("benchmarks.tasks.mail", **mail.model_dump())
    return {"id": job.id}
