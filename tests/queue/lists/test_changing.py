"""Paging while jobs come, go on and go away."""

import random

import pytest

from app.queue import keys
from app.queue.lists.listing import Listing
from tests.queue.conftest import work
from tests.queue.lists.conftest import begin, labels


@pytest.mark.parametrize("filters", [{}, {"task": "send"}, {"label": ("a",)}, {"queue": "default"}])
@pytest.mark.usefixtures("signals")
def test_no_job_is_missed_or_twice_while_others_come_end_and_go(
    filters, many, page, ask, redis_client
):
    dice = random.Random(1)
    there = [job.id for job in many(1200, labels("a"))]
    stays = set(there)
    found, cursor, pages = [], None, 0
    while True:
        answer = page(**filters, limit=50, cursor=cursor)
        found += [job.id for job in answer.jobs]
        cursor, pages = answer.next, pages + 1
        if cursor is None:
            break
        many(7, labels("a"))  # some come
        work(redis_client, "default", max_jobs=3)  # some are executed, oldest first
        gone = dice.sample(sorted(stays), 8)
        stays -= set(gone)
        for job_id in gone[:4]:  # some are deleted, where they do not run
            ask(lambda service, job_id=job_id: service.control.delete(job_id))
        redis_client.delete(*map(keys.job, gone[4:]))  # some expire

    assert pages >= 20
    assert len(found) == len(set(found))
    assert stays <= set(found)
    assert set(found) <= set(there)  # what came meanwhile is before the first page
    assert found == sorted(found, reverse=True)


def test_paging_goes_on_where_the_job_that_a_page_ended_with_is_gone(many, page, redis_client):
    jobs = [job.id for job in reversed(many(10))]
    first = page(limit=4)
    redis_client.delete(*map(keys.job, jobs[2:5]))

    assert [job.id for job in page(limit=4, cursor=first.next).jobs] == jobs[5:9]


def test_a_job_that_goes_on_while_the_page_is_read_is_not_shown_in_a_status_that_it_left(
    many, page, redis_client, monkeypatch
):
    jobs = many(3)
    honest = Listing._read

    async def late(self, job_ids):
        begin(redis_client, jobs[1].id)
        return await honest(self, job_ids)

    monkeypatch.setattr(Listing, "_read", late)

    assert [job.id for job in page(status=("queued",)).jobs] == [jobs[2].id, jobs[0].id]
