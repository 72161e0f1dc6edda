"""Jobs of plain RQ clients, and on queues that the settings do not name."""

import time
from datetime import UTC, datetime, timedelta

from rq import Queue

from app.options import JobOptions
from app.queue.lists import candidates
from tests.queue import tasks_for_tests as mine


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


def test_jobs_on_a_queue_that_the_settings_no_longer_name_are_listed(settings, many, page_by):
    [job] = many(1, JobOptions(queue="low"))
    many(3)
    changed = settings.model_copy(update={"queues": ("default",)})

    assert job.id in [each.id for each in page_by(changed, status=("queued",)).jobs]


def test_the_time_before_a_foreign_id_sorts_as_our_ids_do():
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    places = [
        candidates.place_at("b", (moment + timedelta(milliseconds=number)).isoformat().encode())
        for number in range(3)
    ]

    assert places == sorted(places)
    assert [candidates.id_at(place) for place in places] == ["b"] * 3
    assert candidates.place_at("c", b"soon") < candidates.place_at("a", b"1970-01-02T00:00:00Z")
