"""Filters, held against a look at each job, whichever way the candidates are found."""

import itertools

import pytest

from app.options import JobOptions
from app.queue import keys
from app.queue.lists import candidates, listing
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work
from tests.queue.lists.conftest import begin, labels

STATUSES = ("queued", "scheduled", "finished", "failed", "canceled", "started", "stopped")
SEVERAL = (("queued", "failed"), ("finished", "canceled", "scheduled"), ("failed", "stopped"))


@pytest.fixture(params=["the shortest", "the indexes alone", "RQ's lines wherever they can"])
def driver(request, monkeypatch):
    """Each way in which candidates are found, whatever is the shortest."""
    if request.param == "the indexes alone":
        monkeypatch.setattr(candidates, "SHORT", -1)
    if request.param == "RQ's lines wherever they can":
        honest = candidates.shortest_of

        async def in_lines(client, indexes, lines):
            index, _ = await honest(client, indexes, lines)
            return index, bool(lines)

        monkeypatch.setattr(listing, "shortest_of", in_lines)
    return request.param


@pytest.fixture
def mixed(many, enqueue, ask, redis_client, signals):
    """Jobs of several tasks, queues and labels, in every status; gives their ids."""
    jobs = many(4) + many(4, labels("a", "b"), mine.send)
    jobs += [enqueue(mine.hopeless), enqueue(mine.hopeless, labels("b"))]
    jobs += [enqueue(mine.flaky, JobOptions(label=("a",), retries=0), fails=1)]
    work(redis_client, "high", "default", "low")
    redis_client.hset(keys.job(jobs[-3].id), "status", "stopped")  # among the failed, as RQ has it
    for label in ((), ("a",), ("a", "b")):
        for queue in ("high", "low"):
            options = JobOptions(label=label, queue=queue)
            jobs += many(3, options)
            late = many(2, options.model_copy(update={"delay": 3600}), mine.hopeless)
            jobs += late
            ask(lambda service, job=late[0]: service.control.cancel(job.id))
            waiting = enqueue(mine.hopeless, options)
            jobs.append(waiting)
            begin(redis_client, waiting.id)
    return [job.id for job in jobs]


def test_every_combination_of_filters_gives_what_a_look_at_each_job_gives(mixed, ids, ask, driver):
    async def look(service):
        return [await service.lookup.job(job_id) for job_id in mixed]

    jobs = sorted(ask(look), key=lambda job: job.id, reverse=True)
    assert {job.status for job in jobs} == set(STATUSES)
    combinations = itertools.product(
        [(), *((status,) for status in STATUSES), *SEVERAL],
        [None, "high", "default", "elsewhere"],
        [None, "send", "hopeless", "unknown"],
        [(), ("a",), ("b", "a"), ("c",)],
    )

    for status, queue, task, label in combinations:
        expected = [
            job.id
            for job in jobs
            if (not status or job.status in status)
            and queue in (None, job.queue)
            and task in (None, job.task)
            and set(label) <= set(job.labels)
        ]
        found = ids(status=status, queue=queue, task=task, label=label, limit=7)
        assert found == expected, (driver, status, queue, task, label)


def test_a_job_in_a_list_is_as_it_is_alone_but_for_place_and_traceback(mixed, whole, ask):
    jobs = whole()
    assert len(jobs) == len(mixed)
    for job in jobs:
        alone = ask(lambda service, job=job: service.lookup.job(job.id))
        if alone.error:
            alone.error.traceback = None
        assert job == alone.model_copy(update={"position": None})
