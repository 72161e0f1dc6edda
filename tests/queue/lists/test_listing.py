"""Lists of jobs on a real Redis: held against a model, and paged while all of it changes."""

import asyncio
import itertools
import pickle
import random
import time
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from rq import Queue
from rq.job import Job as RQJob

from app.errors import InvalidCursor, RedisUnavailable
from app.job_list import JobQuery
from app.options import JobOptions
from app.queue import keys
from app.queue.connection import connect_async
from app.queue.enqueue import Enqueuer
from app.queue.lists import candidates, listing
from app.queue.lists.listing import Listing
from app.queue.lookup import Lookup
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work

STATUSES = ("queued", "scheduled", "finished", "failed", "canceled", "started", "stopped")
SEVERAL = (("queued", "failed"), ("finished", "canceled", "scheduled"), ("failed", "stopped"))


@pytest.fixture
def many(settings):
    """Enqueue so many jobs of a task at once."""
    enqueuer = Enqueuer(settings)

    def many(count, options=None, task=mine.send):
        args = [task.arguments.parse(**({"to": "ada"} if task is mine.send else {}))] * count
        return enqueuer.enqueue_many(task, args, options or JobOptions())

    return many


@pytest.fixture
def page(settings, catalogue):
    """Ask for one page, or with `whole` for all of them, as a caller follows `next`."""

    async def ask(query):
        async with connect_async(settings) as client:
            lookup = Lookup(client, catalogue, settings)
            try:
                return await Listing(client, lookup, catalogue, settings).page(query)
            finally:
                await lookup.aclose()

    with asyncio.Runner() as runner:
        yield lambda **query: runner.run(ask(JobQuery(**query)))


@pytest.fixture
def whole(page):
    def whole(**query):
        found, cursor, pages = [], None, 0
        while True:
            answer = page(**query, cursor=cursor)
            assert len(answer.jobs) <= query.get("limit", 50)
            found += answer.jobs
            cursor, pages = answer.next, pages + 1
            assert pages < 1000
            if cursor is None:
                return found

    return whole


@pytest.fixture
def ids(whole):
    return lambda **query: [job.id for job in whole(**query)]


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


def labels(*names):
    return JobOptions(label=names)


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


def begin(redis_client, job_id):
    """Take a job as RQ's worker does."""
    job = RQJob.fetch(job_id, redis_client)
    Queue(job.origin, connection=redis_client).remove(job)
    with redis_client.pipeline() as pipeline:
        job.prepare_for_execution("a-worker", pipeline)
        pipeline.zadd(keys.registry("started", job.origin), {f"{job_id}:x": time.time() + 60})
        pipeline.execute()


# What is on a page.


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
    for job in whole():
        alone = ask(lambda service, job=job: service.lookup.job(job.id))
        if alone.error:
            alone.error.traceback = None
        assert job == alone.model_copy(update={"position": None})


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


# While jobs come and go.


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


# What is gone, broken or foreign.


def test_ids_that_are_met_and_gone_are_taken_out_of_the_indexes(many, ids, redis_client):
    jobs = many(5, labels("a"))
    redis_client.delete(*(keys.job(job.id) for job in jobs[1:4]))
    kept = [jobs[4].id, jobs[0].id]

    assert ids(label=("a",), task="send") == kept
    for index in (keys.JOBS, keys.jobs_of_task("send"), keys.jobs_with_label("a")):
        assert [each.decode() for each in redis_client.zrevrange(index, 0, -1)] == kept


def test_a_hash_that_was_written_into_after_it_had_expired_is_no_job(many, ids, redis_client):
    jobs = many(2)
    redis_client.delete(keys.job(jobs[1].id))
    redis_client.hset(keys.job(jobs[1].id), mapping={"status": "finished", "ended_at": "x"})

    assert ids() == [jobs[0].id]


def test_one_broken_job_breaks_no_list(many, whole, redis_client):
    jobs = many(6)

    class Canary:
        def __reduce__(self):
            return exec, ("raise SystemExit",)

    redis_client.hset(keys.job(jobs[0].id), "data", zlib.compress(pickle.dumps(Canary())))
    redis_client.hset(keys.job(jobs[1].id), "created_at", "yesterday")
    redis_client.hset(
        keys.job(jobs[2].id), mapping={"status": "canceled", "canceled_because": b"\xff"}
    )
    redis_client.delete(keys.job(jobs[3].id))
    redis_client.set(keys.job(jobs[3].id), "no hash")
    redis_client.set(keys.results(jobs[4].id), "no stream")

    found = {job.id: job for job in whole()}

    assert list(found) == [jobs[at].id for at in (5, 4, 2, 1, 0)]
    assert found[jobs[0].id].error.type == "UnreadableJob"
    assert (found[jobs[0].id].status, found[jobs[0].id].queue) == ("queued", "default")
    assert "yesterday" in found[jobs[1].id].error.message
    assert found[jobs[2].id].error.message == "�"


def test_a_result_under_a_key_of_another_type_is_told_of_that_job_alone(many, whole, redis_client):
    job, other = many(2)
    redis_client.set(keys.results(job.id), "no stream")

    found = {each.id: each for each in whole()}

    assert found[other.id].error is None
    assert found[job.id].error.type == "UnreadableJob"
    assert "WRONGTYPE" in found[job.id].error.message


# How large a page gets.


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


def test_jobs_of_a_plain_rq_client_stand_by_their_time_where_rqs_lines_are_read(
    many, ids, redis_client
):
    queue = Queue("low", connection=redis_client)
    before = queue.enqueue(mine.send.path, to="ada", job_id="zz-named-by-its-client")
    time.sleep(0.002)
    [ours] = many(1, JobOptions(queue="low"))
    time.sleep(0.002)
    after = queue.enqueue(mine.send.path, to="ada")
    many(50)

    assert ids(queue="low", limit=1) == [after.id, ours.id, before.id]
    assert ids(queue="low", task="send") == [after.id, ours.id, before.id]
    assert ids(queue="low", task="flaky") == []
    assert before.id not in ids()  # it is in no index


def test_jobs_on_a_queue_that_the_settings_no_longer_name_are_listed(
    many, ids, redis_client, settings, monkeypatch
):
    [job] = many(1, JobOptions(queue="low"))
    many(3)
    monkeypatch.setattr(type(settings), "queues", ("default",), raising=False)

    assert job.id in ids(status=("queued",))


# What it costs.


def test_where_few_fit_a_page_ends_before_it_is_full_and_the_list_goes_on(
    many, page, ids, monkeypatch
):
    monkeypatch.setattr(candidates, "SHORT", -1)
    monkeypatch.setattr(listing, "MOST_LOOKED_AT", 600)
    [old] = many(1, JobOptions(delay=3600))
    many(1500)

    first = page(status=("scheduled",))

    assert (first.jobs, first.next is None) == ([], False)
    assert ids(status=("scheduled",)) == [old.id]


@pytest.mark.parametrize(
    "filters", [{}, {"status": ("failed",)}, {"queue": "low"}, {"task": "send"}]
)
def test_a_page_asks_redis_as_much_with_many_jobs_as_with_few(filters, many, page, redis_client):
    def asked():
        page(**filters)  # the scripts are loaded, and what is due is swept
        before = redis_client.info("commandstats")
        page(**filters)
        after = redis_client.info("commandstats")
        return {
            name: calls
            for name, stats in after.items()
            if (calls := stats["calls"] - before.get(name, {"calls": 0})["calls"])
            and not name.startswith(("cmdstat_client", "cmdstat_hello", "cmdstat_info"))
        }

    many(200)
    few = asked()
    for _ in range(5):
        many(1000)

    assert asked() == few


def test_a_list_sweeps_the_indexes_on_the_way(many, page, redis_client):
    jobs = many(300)
    redis_client.delete(*(keys.job(job.id) for job in jobs))

    page(status=("failed",))  # meets none of them

    assert redis_client.zcard(keys.JOBS) == redis_client.zcard(keys.jobs_of_task("send")) == 0


def test_the_time_before_a_foreign_id_sorts_as_our_ids_do():
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    places = [
        candidates.place_at("b", (moment + timedelta(milliseconds=number)).isoformat().encode())
        for number in range(3)
    ]

    assert places == sorted(places)
    assert [candidates.id_at(place) for place in places] == ["b"] * 3
    assert candidates.place_at("c", b"soon") < candidates.place_at("a", b"1970-01-02T00:00:00Z")
