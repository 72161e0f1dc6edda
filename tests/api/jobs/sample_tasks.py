"""The tasks of these tests: one that succeeds, one of no result, and some that fail."""

from pydantic import BaseModel

from app import context
from app.catalogue import Catalogue
from app.tasks import task


class Total(BaseModel):
    sum: int
    parts: tuple[int, ...]


@task
def add(a: int, b: int = 1) -> Total:
    return Total(sum=a + b, parts=(a, b))


@task
def nothing() -> None: ...


@task(retries=2, backoff=0)
def fail(message: str = "no luck") -> None:
    raise ConnectionError(message)


@task(retries=3, backoff=0)
def recover(at: int) -> int:
    if context.attempt() < at:
        raise ConnectionError("not yet")
    return context.attempt()


@task(retries=4, backoff=0, give_up_on=(LookupError,))
def give_up() -> None:
    raise KeyError("never")


CATALOGUE = Catalogue([add, nothing, fail, recover, give_up])
