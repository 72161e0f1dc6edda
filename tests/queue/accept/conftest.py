"""Jobs that are accepted under conditions: a key, or others to run after."""

import asyncio

import pytest

from app.options import JobOptions
from app.queue.enqueue import Enqueuer

KEY = JobOptions(key="k")


@pytest.fixture(params=["blocking", "async"])
def call(request, settings):
    """Call the enqueuer as a script does, or as an event loop does: `call("enqueue", …)`."""

    def call(name, *args):
        enqueuer = Enqueuer(settings)
        if request.param == "blocking":
            return getattr(enqueuer, name)(*args)

        async def awaited():
            try:
                return await getattr(enqueuer, f"a{name}")(*args)
            finally:
                await enqueuer.aclose()

        return asyncio.run(awaited())

    return call


def options(**chosen):
    return JobOptions(**{"key": "k", **chosen})


def canceled_because(raw, job):
    assert raw.hget(f"rq:job:{job.id}", "status") == "canceled"
    return raw.hget(f"rq:job:{job.id}", "canceled_because")
