"""One live job for a task and key."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import InvalidOptions, WrongStatus
from app.queue.enqueue import Enqueuer
from tests.queue.accept.conftest import KEY, options
from tests.queue.conftest import work
from tests.queue.tasks_for_tests import flaky, send


def test_a_second_job_of_a_key_is_the_first_one(enqueue, raw):
    first = enqueue(send, KEY, to="ada")

    second = enqueue(send, KEY, to="bob")

    assert second.id == first.id
    assert (second.args, second.duplicates, second.position) == (first.args, 1, 0)
    assert second.created_at == first.created_at
    assert raw.lrange("rq:queue:default", 0, -1) == [first.id]
    assert raw.zcard("task-api:jobs") == 1
    assert enqueue(send, KEY, to="eve").duplicates == 2


def test_the_first_one_is_given_as_it_stands(enqueue, ask):
    first = enqueue(send, options(delay=60, label="late"), to="ada")

    second = enqueue(send, KEY, to="ada")

    looked_up = ask(lambda service: service.lookup.job(first.id))
    assert second == looked_up
    assert second.status == "scheduled"
    assert second.run_at is not None


def test_another_key_or_another_task_is_another_job(enqueue):
    jobs = [enqueue(send, KEY, to="ada"), enqueue(flaky, KEY, fails=1)]
    jobs.append(enqueue(send, options(key="l"), to="ada"))

    assert len({job.id for job in jobs}) == 3


@pytest.mark.parametrize("ending", ["finishes", "is canceled", "is deleted", "expires", "is gone"])
def test_a_key_is_free_again_once_its_job_has_ended(
    ending, enqueue, ask, raw, redis_client, signals
):
    first = enqueue(send, KEY, to="ada")
    if ending == "finishes":
        work(redis_client)
    elif ending == "is canceled":
        ask(lambda service: service.control.cancel(first.id))
    elif ending == "is deleted":
        ask(lambda service: service.control.delete(first.id))
    elif ending == "expires":
        raw.hset(f"rq:job:{first.id}", "expires_at", 1)
        work(redis_client)
    else:
        raw.delete(f"rq:job:{first.id}")
    assert raw.exists("task-api:lock:send:k") == (ending == "is gone")

    second = enqueue(send, KEY, to="bob")

    assert second.id != first.id
    assert raw.get("task-api:lock:send:k") == second.id


def test_a_job_that_ended_without_a_word_holds_its_key_no_longer(enqueue, raw):
    first = enqueue(send, KEY, to="ada")
    raw.hset(f"rq:job:{first.id}", "status", "stopped")  # as a stock worker records a stop

    assert enqueue(send, KEY, to="bob").id != first.id


def test_a_job_between_two_attempts_holds_its_key(enqueue, raw, redis_client, signals):
    first = enqueue(flaky, KEY, fails=1)
    raw.hset(f"rq:job:{first.id}", "retry_intervals", "[600, 600]")
    work(redis_client, "high")
    assert raw.hget(f"rq:job:{first.id}", "status") == "scheduled"

    assert enqueue(flaky, KEY, fails=0).id == first.id


def test_a_job_is_not_retried_by_hand_while_another_has_its_key(enqueue, ask, raw):
    first = enqueue(send, KEY, to="ada")
    ask(lambda service: service.control.cancel(first.id))
    second = enqueue(send, KEY, to="bob")

    with pytest.raises(WrongStatus, match=f"job {second.id} has its key"):
        ask(lambda service: service.control.retry(first.id))

    ask(lambda service: service.control.cancel(second.id))
    assert ask(lambda service: service.control.retry(first.id)).status == "queued"
    assert raw.get("task-api:lock:send:k") == first.id
    assert enqueue(send, KEY, to="eve").id == first.id


def test_of_many_at_once_one_is_enqueued(settings, raw):
    enqueuer = Enqueuer(settings)

    async def flood():
        args = send.arguments.parse(to="ada")
        many = [enqueuer.aaccept(send, args, KEY) for _ in range(200)]
        accepted = await asyncio.gather(*many)
        await enqueuer.aclose()
        return accepted

    with ThreadPoolExecutor(4) as pool:
        accepted = [
            each for part in pool.map(lambda _: asyncio.run(flood()), range(4)) for each in part
        ]

    assert len({each.job.id for each in accepted}) == 1
    assert sum(each.is_new for each in accepted) == 1
    assert raw.llen("rq:queue:default") == 1
    assert raw.hget(f"rq:job:{accepted[0].job.id}", "duplicates") == "799"


def test_many_jobs_have_no_key_in_common(settings, raw):
    enqueuer = Enqueuer(settings)

    with pytest.raises(InvalidOptions) as refused:
        enqueuer.enqueue_many(send, [send.arguments.parse(to="ada")], KEY)

    assert refused.value.facts["errors"][0]["type"] == "one_key_for_many"
    assert raw.dbsize() == 0
