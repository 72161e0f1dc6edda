"""What is on a page, how large it gets, and where the next one begins."""

import pytest

from app.errors import InvalidCursor, RedisUnavailable
from app.options import JobOptions
from app.queue.lists import listing
from tests.queue import tasks_for_tests as mine
from tests.queue.lists.conftest import labels


def test_a_scheduled_job_in_a_list_says_when_it_will_be_queued(many, page):
    [job] = many(1, JobOptions(delay=3600))

    [found] = page().jobs

    assert found.run_at == job.run_at


def test_jobs_of_one_call_of_enqueue_many_stand_in_its_order_the_last_on_top(many, ids):
    jobs = many(2500)

    assert ids(limit=100) == [job.id for job in reversed(jobs)]


def test_a_full_page_at_the_very_end_has_none_behind_it(many, page):
    many(6)
    first = page(limit=3)

    assert (len(first.jobs), first.next is None) == (3, False)
    second = page(limit=3, cursor=first.next)
    assert (len(second.jobs), second.next, second.links.next) == (3, None, None)
    assert page(limit=6).next is None


def test_the_links_lead_to_the_page_itself_and_to_the_next_one(many, page):
    many(3, labels("a b", "ä&c"))

    answer = page(label=("a b", "ä&c"), status=("queued",), limit=1)

    filters = "/jobs?status=queued&label=a+b&label=%C3%A4%26c&limit=1"
    assert answer.links.self == filters
    assert answer.links.next == f"{filters}&cursor={answer.next}"


def test_an_empty_service_has_an_empty_list(page):
    answer = page()

    assert (answer.jobs, answer.next, answer.links.self) == ([], None, "/jobs")


def test_a_cursor_of_other_filters_is_refused(many, page):
    many(3)

    with pytest.raises(InvalidCursor):
        page(status=("failed",), cursor=page(limit=1).next)


def test_a_list_without_redis_says_so(page, settings, monkeypatch):
    monkeypatch.setattr(type(settings), "redis_dsn", "redis://127.0.0.1:1/0")

    with pytest.raises(RedisUnavailable):
        page()


@pytest.mark.parametrize("limit", [100, 7])
def test_a_page_ends_with_the_job_that_makes_it_large_and_the_next_one_goes_on(
    enqueue, page, limit
):
    text = "a" * 1_000_000  # next to nothing in Redis, where it is compressed
    ids = [enqueue(mine.send, to=text).id for _ in range(12)][::-1]

    pages, cursor = [], None
    while not pages or cursor:
        answer = page(limit=limit, cursor=cursor)
        pages.append([job.id for job in answer.jobs])
        cursor = answer.next

    assert [len(each) for each in pages] == [5, 5, 2]
    assert [job_id for each in pages for job_id in each] == ids


def test_a_page_has_one_job_at_least_however_large(many, page, whole, monkeypatch):
    jobs = many(60)  # of which not all are read at once
    monkeypatch.setattr(listing, "LARGE", 1)

    assert [job.id for job in page().jobs] == [jobs[-1].id]
    assert [job.id for job in whole()] == [job.id for job in reversed(jobs)]


def test_a_large_job_at_the_very_end_has_no_page_behind_it(many, page, monkeypatch):
    monkeypatch.setattr(listing, "LARGE", 1)
    many(1)

    assert page().next is None
