"""Jobs that are taken out of their queue while a worker takes them."""

import asyncio
import contextlib
import random
import threading
import time

import pytest

from app.errors import WrongStatus
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import wait_until, work


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("action", ["cancel", "delete"])
def test_a_job_is_either_taken_out_or_run_and_never_both(
    ask, enqueue, redis_client, action, tmp_path
):
    jobs = [enqueue(mine.touch, path=tmp_path / str(n)) for n in range(40)]
    done, refused = set(), set()

    async def each_in_any_order(service):
        for job in random.sample(jobs, len(jobs)):
            try:
                await getattr(service.control, action)(job.id)
                done.add(job.id)
            except WrongStatus:
                refused.add(job.id)

    thread = threading.Thread(target=lambda: ask(each_in_any_order))
    wait_until(lambda: redis_client.llen("rq:queue:default") == len(jobs))
    thread.start()
    while thread.is_alive():
        work(redis_client)
    thread.join()
    work(redis_client)

    run = {job.id for n, job in enumerate(jobs) if (tmp_path / str(n)).exists()}
    if action == "delete":  # what has ended may be deleted as well
        assert refused <= run
        assert done | run == {job.id for job in jobs}
        assert redis_client.llen("rq:queue:default") == 0
    else:
        assert run
        assert done
        assert run == refused
        assert done == {job.id for job in jobs} - run


def test_a_worker_that_takes_a_job_while_it_is_canceled_finds_nothing(ask, enqueue, redis_client):
    jobs = [enqueue(mine.send, to=str(n)) for n in range(100)]
    found = []

    def take():
        while (job_id := redis_client.lpop("rq:queue:default")) is not None:
            found.append(job_id.decode())
            time.sleep(0.001)  # a cancel is three calls

    async def cancel_all(service):
        thread = threading.Thread(target=take)
        thread.start()
        canceled = []
        for job in reversed(jobs):
            with contextlib.suppress(WrongStatus):
                canceled.append((await service.control.cancel(job.id)).id)
        await asyncio.to_thread(thread.join)
        return canceled

    canceled = ask(cancel_all)

    assert canceled
    assert found
    assert sorted(canceled + found) == sorted(job.id for job in jobs)
