"""What holds for each action: on jobs that are unknown, gone or unreadable, and without Redis."""

import pytest

from app.errors import JobGone, RedisUnavailable, UnknownJob, UnreadableJob
from tests.queue import tasks_for_tests as mine
from tests.queue.control.conftest import everything


@pytest.mark.parametrize("action", ["cancel", "retry", "stop"])
def test_nothing_else_is_done_to_a_job_that_cannot_be_read(do, enqueue, redis_client, action):
    job = enqueue(mine.send, to="ada")
    redis_client.hset(f"rq:job:{job.id}", "data", b"broken")
    before = everything(redis_client)

    with pytest.raises(UnreadableJob):
        do(action, job.id)

    assert everything(redis_client) == before


ACTIONS = ["cancel", "retry", "delete", "stop"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("job_id", ["nothing", "a:b", "\ud800"])
def test_a_job_that_never_existed_is_unknown(do, redis_client, action, job_id):
    with pytest.raises(UnknownJob):
        do(action, job_id)

    assert redis_client.keys() == []


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_a_job_that_goes_away_in_between_is_gone(ask, enqueue, redis_client, action):
    job = enqueue(mine.send, to="ada")

    async def scenario(service):
        found = await service.lookup.job(job.id)

        async def as_it_was(_):
            return found

        service.lookup.job = as_it_was
        redis_client.delete(f"rq:job:{job.id}", "rq:queue:default")
        await getattr(service.control, action)(job.id)

    with pytest.raises(JobGone):
        ask(scenario)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_redis_that_is_away_is_told(ask, enqueue, started, proxy, settings, action):
    job = started if action == "stop" else enqueue(mine.send, to="ada")

    async def lose(service):
        found = await service.lookup.job(job.id)

        async def as_it_was(_):
            return found

        service.lookup.job = as_it_was
        proxy.close()
        await getattr(service.control, action)(job.id)

    with pytest.raises(RedisUnavailable):
        ask(lose, redis_url=type(settings.redis_url)(proxy.url))


@pytest.mark.parametrize("action", ["cancel", "delete"])
def test_scripts_that_redis_has_forgotten_are_sent_again(do, enqueue, redis_client, action):
    first, second = enqueue(mine.send, to="ada"), enqueue(mine.send, to="bob")
    do(action, first.id)
    redis_client.script_flush()

    assert do(action, second.id).id == second.id
