"""The id that a caller comes back with: none, older than what is kept, of the future."""

import time

import pytest

from app.queue import keys
from tests.api.watching.events import jobs, note, post
from tests.api.watching.requests import stream


@pytest.mark.parametrize(
    "event_id",
    [
        *("x", "1-", "-1", "1-2-3", "1-2-END", "99999999999999999999-0", "1 2", "1-2-end-end", "٣"),
        "18446744073709551615-18446744073709551615",  # Redis' own last one, which none can follow
    ],
)
@pytest.mark.parametrize("path", ["/jobs/none/events", "/events", "/jobs/none"])
def test_an_id_that_is_none_is_refused(api, expect_problem, path, event_id):
    headers = {"Last-Event-ID": event_id.encode(), "Accept": "text/event-stream"}

    expect_problem(api.get(path, headers=headers), 400, "invalid-event-id")


def test_an_id_older_than_what_is_kept_is_told_of_the_gap(served, redis_client):
    first = note(redis_client, "a", "queued")
    second = note(redis_client, "b", "queued")
    third = note(redis_client, "c", "queued")
    redis_client.xtrim(keys.EVENTS, minid=third, approximate=False)

    with stream(served, "/events", Last_Event_ID=first) as opened:
        gap, kept = opened.events("status")
    assert (gap.event, gap.data) == ("gap", {"after": first, "oldest": third})
    assert (kept.id, kept.data["job"]) == (third, "c")
    job = post(served, "add?delay=60", left=1)["id"]
    with stream(served, f"/jobs/{job}/events", Last_Event_ID=second) as opened:
        assert [frame.event for frame in opened.events("job")] == ["gap", "job"]
    with stream(served, "/events?last_event_id=0") as opened:
        assert opened.events("status")[0].data["job"] == "c"  # from the start: no gap


def test_an_id_of_the_future_hides_nothing(served, redis_client):
    with stream(served, "/events", Last_Event_ID="9999999999999-0") as opened:
        next(opened.frames())
        time.sleep(0.2)
        note(redis_client, "a", "queued")
        assert jobs(opened.events("status")) == ["a"]
