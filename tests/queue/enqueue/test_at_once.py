"""Many enqueue at once: tasks of one event loop, threads, and several loops."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from app.options import DEFAULT_OPTIONS
from tests.queue import tasks_for_tests as mine


def test_many_at_once_are_all_written_in_the_order_that_they_were_given(enqueuer, raw):
    async def many():
        given = [enqueuer.aenqueue(mine.send, {"to": str(n)}, DEFAULT_OPTIONS) for n in range(1200)]
        jobs = await asyncio.gather(*given)
        await enqueuer.aclose()
        return jobs

    jobs = asyncio.run(many())

    assert raw.lrange("rq:queue:default", 0, -1) == [job.id for job in jobs]
    assert [job.position for job in jobs] == list(range(1200))


def test_a_caller_that_goes_away_takes_no_other_with_it(enqueuer, raw):
    async def scenario():
        given = [
            asyncio.create_task(enqueuer.aenqueue(mine.send, {"to": str(n)}, DEFAULT_OPTIONS))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        for each in given[::2]:
            each.cancel()
        answers = await asyncio.gather(*given, return_exceptions=True)
        await enqueuer.aclose()
        return answers

    answers = asyncio.run(scenario())

    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    kept = [answer.id for answer in answers[1::2]]
    assert [found for found in raw.lrange("rq:queue:default", 0, -1) if found in kept] == kept


def test_one_enqueuer_serves_many_threads(enqueuer, raw):
    def some(_):
        return [enqueuer.enqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS).id for _ in range(25)]

    with ThreadPoolExecutor(8) as pool:
        ids = [job_id for found in pool.map(some, range(8)) for job_id in found]

    assert sorted(raw.lrange("rq:queue:default", 0, -1)) == sorted(ids)
    assert len(set(ids)) == 200


def test_one_enqueuer_serves_event_loops_one_after_another_and_at_once(enqueuer, raw):
    async def some():
        jobs = await asyncio.gather(
            *(enqueuer.aenqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS) for _ in range(25))
        )
        await enqueuer.aclose()
        return [job.id for job in jobs]

    ids = asyncio.run(some()) + asyncio.run(some())
    with ThreadPoolExecutor(4) as pool:
        ids += [
            job_id
            for found in pool.map(lambda _: asyncio.run(some()), range(4))
            for job_id in found
        ]

    assert sorted(raw.lrange("rq:queue:default", 0, -1)) == sorted(ids)
    assert len(set(ids)) == 150


def test_closing_waits_for_what_was_given_before(enqueuer, raw):
    async def scenario():
        given = [
            asyncio.create_task(enqueuer.aenqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS))
            for _ in range(100)
        ]
        await asyncio.sleep(0)
        await enqueuer.aclose()
        length = await asyncio.to_thread(raw.llen, "rq:queue:default")
        await asyncio.gather(*given)
        return length

    assert asyncio.run(scenario()) == 100


def test_an_enqueuer_that_was_closed_opens_again(enqueuer, raw):
    async def scenario():
        await enqueuer.aclose()  # nothing was given: nothing to wait for
        for _ in range(2):
            await enqueuer.aenqueue(mine.send, {"to": "ada"}, DEFAULT_OPTIONS)
            await enqueuer.aclose()

    asyncio.run(scenario())

    assert raw.llen("rq:queue:default") == 2
