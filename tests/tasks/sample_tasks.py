"""The tasks of these tests: one of a plain function, and one of a coroutine."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from app.tasks import task


class Receipt(BaseModel):
    to: str
    at: datetime


AT = datetime(2030, 1, 1, tzinfo=UTC)


@task
def send(to: str, times: Annotated[int, Field(ge=1)] = 1, *, copy: bool = False) -> Receipt:
    """Send one e-mail.

    It is sent
        over SMTP.
    """
    return Receipt(to=f"{to} x{times}{' with a copy' if copy else ''}", at=AT)


@task
async def send_later(to: str) -> Receipt:
    await asyncio.sleep(0)
    return Receipt(to=to, at=AT)
