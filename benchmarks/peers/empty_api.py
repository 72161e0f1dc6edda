"""An endpoint that does nothing: the body is validated, and a ready answer is given."""

import json
import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from pydantic import BaseModel

TEXT = Path(os.environ["BENCH_ANSWER"]).read_text()
ANSWER: dict[str, Any] = json.loads(TEXT)

app = FastAPI()


class Mail(BaseModel):
    """The body."""

    to: str
    subject: str
    body: str


@app.post("/mail", status_code=202)
async def mail(mail: Mail) -> dict[str, Any]:  # noqa: ARG001 - validated, no more
    """Answer as one would write it."""
    return ANSWER


@app.post("/ready", status_code=202)
async def ready(mail: Mail) -> Response:  # noqa: ARG001
    """Answer with bytes: FastAPI serialises nothing."""
    return Response(TEXT, 202, media_type="application/json")
