"""What is refused leaves nothing behind."""

import asyncio

import pytest

from app.errors import QueueFull, RedisUnavailable, UnknownParent
from app.options import JobOptions
from app.queue.enqueue import Enqueuer
from tests.queue.accept.conftest import KEY, options
from tests.queue.tasks_for_tests import send


def test_a_full_queue_refuses_without_a_trace(settings, raw):
    small = settings.model_copy(update={"max_queue_length": 1})
    enqueuer = Enqueuer(small)
    args = send.arguments.parse(to="ada")
    enqueuer.enqueue(send, args, JobOptions())
    before = raw.dbsize()

    for _ in range(2):
        with pytest.raises(QueueFull):
            enqueuer.enqueue(send, args, KEY)

    assert raw.dbsize() == before
    assert enqueuer.enqueue(send, args, options(delay=5)).status == "scheduled"


def test_a_missing_parent_refuses_without_a_trace(enqueue, raw):
    with pytest.raises(UnknownParent):
        enqueue(send, options(after="gone"), to="ada")

    assert raw.dbsize() == 0


def test_what_a_failed_command_leaves_behind_is_taken_back(call, raw):
    raw.set("rq:queue:default", "no list")

    with pytest.raises(RedisUnavailable) as failed:
        call("enqueue", send, send.arguments.parse(to="ada"), KEY)

    assert "WRONGTYPE" in str(failed.value)
    assert raw.keys("rq:job:*") == []
    assert raw.exists("task-api:jobs", "task-api:lock:send:k") == 0


def test_a_redis_that_has_forgotten_the_script_is_told_it_again(settings, raw):
    enqueuer = Enqueuer(settings)
    args = send.arguments.parse(to="ada")

    async def twice():
        first = await enqueuer.aaccept(send, args, KEY)
        raw.script_flush()
        second = await enqueuer.aaccept(send, args, KEY)
        await enqueuer.aclose()
        return first, second

    first, second = asyncio.run(twice())

    assert (first.is_new, second.is_new) == (True, False)
    assert second.job.duplicates == 1


def test_a_plain_job_is_written_as_before(enqueue, raw):
    raw.config_resetstat()
    enqueue(send, JobOptions(label="a", front=True, expires=9), to="ada")

    assert not {"cmdstat_eval", "cmdstat_evalsha"} & set(raw.info("commandstats"))
