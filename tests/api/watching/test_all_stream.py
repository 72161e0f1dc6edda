"""Server-sent events of all jobs that fit, from now on."""

import threading
import time

import pytest

from app.api import all_events
from app.queue.watching import replay
from tests.api.watching.events import jobs, note, post, statuses
from tests.api.watching.requests import ask, stream


def test_the_events_of_all_jobs_come_from_now_on_in_their_order(served, worker, redis_client):
    post(served, "add?delay=60", left=0)
    with stream(served, "/events?status=finished&status=failed") as opened:
        next(opened.frames())
        added, failed = post(served, "add", left=1), post(served, "fail?queue=low", message="no")
        events = [*opened.events("status"), *opened.events("status")]

    assert jobs(events) == [added["id"], failed["id"]]
    assert statuses(events) == ["finished", "failed"]
    assert all(frame.id for frame in events)


def test_filters_are_combined_and_only_what_fits_comes(served, redis_client):
    query = "?task=add&queue=low&label=x&label=y&status=queued&status=scheduled"
    with stream(served, f"/events{query}") as opened:
        next(opened.frames())
        fits = "add?queue=low&label=x&label=y&label=z"
        post(served, "add?queue=low&label=x", left=1)
        post(served, "add?label=x&label=y", left=1)
        post(served, "nothing?queue=low&label=x&label=y")
        first = post(served, fits, left=1)
        ask(served, "POST", f"/jobs/{first['id']}/cancel")
        second = post(served, f"{fits}&delay=60", left=1)
        events = [*opened.events("status"), *opened.events("status")]

    assert jobs(events) == [first["id"], second["id"]]
    assert statuses(events) == ["queued", "scheduled"]


@pytest.mark.parametrize("query", ["?status=running", "?nope=1", "?label=%00", "?task="])
def test_filters_that_do_not_fit_are_refused(api, expect_problem, query):
    expect_problem(api.get(f"/events{query}"), 422, "invalid-options", "/events")


def test_a_reconnected_stream_of_a_busy_service_has_each_event_once(
    served, redis_client, monkeypatch
):
    monkeypatch.setattr(replay, "CHUNK", 7)
    monkeypatch.setattr(all_events, "CHUNK", 7)
    written, stop = [], threading.Event()

    def busy():
        while not stop.is_set():
            written.append(note(redis_client, str(len(written)), "queued"))
            time.sleep(0.0005)

    had = []
    with stream(served, "/events") as opened:
        last = next(frame.id for frame in opened.frames() if frame.id)
    threads = [threading.Thread(target=busy)]
    threads[0].start()
    try:
        for _ in range(8):
            with stream(served, "/events", Last_Event_ID=last) as opened:
                for _ in range(40):
                    [frame] = opened.events("status")
                    had.append(frame)
                last = frame.id
    finally:
        stop.set()
        threads[0].join()

    assert jobs(had) == [str(number) for number in range(320)]
    assert [frame.id for frame in had] == written[:320]
