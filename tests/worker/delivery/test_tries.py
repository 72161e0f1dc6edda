"""The tries of a callback, and their schedule."""

from datetime import UTC, datetime

import pytest

from app.webhooks import verify
from tests.worker import sample_tasks as sample
from tests.worker.delivery.conftest import SECRET, callbacks_of


def make_due(line, callback):
    """Let a callback's next try be due now."""
    line.make_due(callback)


def test_what_is_not_taken_is_tried_again_by_the_schedule(told, receiver, work, ask):
    receiver.replies = [500, (302, {"Location": "/"}), 404, 200]
    job = told.put(sample.add, 1, callback=receiver.url)
    work()
    [callback] = callbacks_of(told, job)
    delays = callback.retry_intervals
    for expected in delays[:3]:
        [shown] = ask(lambda api: api.callbacks.of(job.id))
        assert shown.status == "scheduled"
        assert expected - 3 < (shown.next_try_at - datetime.now(UTC)).total_seconds() < expected + 3
        make_due(told, callback)
        work()

    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert [each.status for each in shown.tries] == [500, 302, 404, 200]
    assert [each.number for each in shown.tries] == [1, 2, 3, 4]
    assert all(each.seconds is not None and each.seconds > 0 for each in shown.tries)
    assert shown.tries[0].answer == "as you say"
    assert (shown.status, shown.next_try_at) == ("finished", None)
    assert shown.delivered_at == shown.tries[3].at
    bodies = {got.body for got in receiver.received}
    ids = {got.headers["webhook-id"] for got in receiver.received}
    assert (len(bodies), ids) == (1, {callback.id})
    for got in receiver.received:
        verify(got.body, got.headers, SECRET)


def test_410_stops_it_for_good(told, receiver, work, ask):
    receiver.replies = [410]
    job = told.put(sample.add, 1, callback=receiver.url)

    work()

    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert (shown.status, len(shown.tries), shown.next_try_at) == ("failed", 1, None)
    assert told.redis.zcard("rq:scheduled:default") == 0


@pytest.mark.parametrize(
    ("status", "header", "least", "most"),
    [
        (503, "90", 88, 93),
        (429, "600", 598, 603),
        (429, "999999999", 86_390, 86_410),
        (503, "0", 3, 7),  # never before the schedule's own time
        (500, "600", 3, 7),  # not one of those that have it
    ],
)
def test_retry_after_is_honoured_within_bounds(
    told, receiver, work, ask, status, header, least, most
):
    receiver.replies = [(status, {"Retry-After": header})]
    job = told.put(sample.add, 1, callback=receiver.url)

    work()

    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert least <= (shown.next_try_at - datetime.now(UTC)).total_seconds() <= most


def test_an_inner_address_is_refused_when_it_is_connected_to(
    told, receiver, work, ask, monkeypatch
):
    monkeypatch.delenv("TASK_API_CALLBACK_ALLOW_INNER")
    job = told.put(sample.add, 1, callback=receiver.url)

    work()

    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert receiver.received == []
    assert shown.tries[0].status is None
    assert "TASK_API_CALLBACK_ALLOW_INNER" in shown.tries[0].error
