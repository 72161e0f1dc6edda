"""Server-sent events of one job, until its end."""

import json
import time

import pytest

from app.queue import keys
from tests.api.watching.events import note, post, statuses
from tests.api.watching.requests import ask, stream


@pytest.fixture
def queued(request):
    """What the scheduler of a worker leaves in the stream: RQ's own leaves nothing."""
    return ["queued"] if request.node.callspec.params["worker"] == "ours" else []


def make_due(redis_client, job_id):
    """Let a job that is scheduled be due now."""
    assert redis_client.zadd(keys.registry("scheduled", "default"), {job_id: 1}, xx=True, ch=True)


def test_a_job_s_stream_begins_with_the_job_tells_each_change_and_closes_with_its_end(
    served, worker, redis_client, queued
):
    job = post(served, "sleep?delay=60&label=x", seconds=0.3)

    with stream(served, f"/jobs/{job['id']}/events") as opened:
        events = opened.events("job")
        make_due(redis_client, job["id"])
        events += opened.events()  # to the end of the stream

    assert opened.status == 200
    assert opened.headers["content-type"].startswith("text/event-stream")
    assert opened.headers["cache-control"] == "no-store"
    assert opened.headers["x-accel-buffering"] == "no"
    # RQ's own scheduler leaves no entry, and is seen only where the job then waits a little.
    seen = [frame for frame in events if frame.data["status"] != "queued" or frame.id]
    assert statuses(seen) == ["scheduled", *queued, "started", "finished", "finished"]
    assert [frame.event for frame in seen] == ["job", *(["status"] * (len(seen) - 2)), "end"]
    first, *changes, last = (frame.data for frame in events)
    assert first["id"] == last["id"] == job["id"]
    assert first["run_at"] is not None
    assert last["result"] == "slept"
    for change in changes:
        assert set(change) == {"job", "status", "task", "queue", "labels", "at"}
        assert (change["job"], change["task"]) == (job["id"], "sleep")
        assert (change["queue"], change["labels"]) == ("default", ["x"])


def test_who_comes_back_with_the_id_of_the_end_is_told_204_and_stops(served, redis_client):
    job = post(served, "add?delay=60", left=1)
    ask(served, "POST", f"/jobs/{job['id']}/cancel")
    path = f"/jobs/{job['id']}/events"

    with stream(served, path) as opened:
        *_, end = opened.events()
    with stream(served, path, Last_Event_ID=end.id) as again:
        assert (end.event, again.status) == ("end", 204)
    with stream(served, f"{path}?last_event_id={end.id}") as again:
        assert again.status == 204
    with stream(served, path) as anew:
        assert [frame.event for frame in anew.events()] == ["job", "end"]

    ask(served, "POST", f"/jobs/{job['id']}/retry")
    with stream(served, path, Last_Event_ID=end.id) as again:
        assert again.status == 200  # it goes on
        assert statuses(again.events("status")) == ["queued"]


def test_a_stream_that_broke_goes_on_without_loss_or_doubles(served, redis_client):
    job = post(served, "add?delay=60", left=1)["id"]
    path = f"/jobs/{job}/events"
    with stream(served, path) as opened:
        [first] = opened.events("job")
        note(redis_client, job, "queued")
        [queued] = opened.events("status")
    note(redis_client, job, "started")
    note(redis_client, "another", "started")
    note(redis_client, job, "queued")

    with stream(served, path, Last_Event_ID=queued.id) as again:
        missed = [*again.events("status"), *again.events("status")]
        note(redis_client, job, "started")
        live = again.events("status")
    with stream(served, path, Last_Event_ID=first.id) as from_the_first:
        every = [from_the_first.events("status")[0] for _ in range(4)]

    assert statuses(missed + live) == ["started", "queued", "started"]
    assert every == [queued, *missed, *live]
    assert all(frame.event == "status" for frame in every)  # and no second `job`


def test_an_end_that_came_while_the_caller_was_away_is_given_to_it(
    served, worker, redis_client, queued
):
    job = post(served, "sleep?delay=60", seconds=0.1)["id"]
    with stream(served, f"/jobs/{job}/events") as opened:
        [first] = opened.events("job")
    make_due(redis_client, job)
    ask(served, "GET", f"/jobs/{job}", Prefer="wait=60")

    with stream(served, f"/jobs/{job}/events", Last_Event_ID=first.id) as again:
        events = again.events()

    assert statuses(events) == [*queued, "started", "finished", "finished"]
    assert events[-1].event == "end"


def test_a_change_that_leaves_no_entry_is_told_without_an_id_and_ends_the_stream(
    served, redis_client
):
    job = post(served, "add?delay=60", left=1)["id"]
    with stream(served, f"/jobs/{job}/events") as opened:
        opened.events("job")
        redis_client.hset(keys.job(job), "status", "stopped")
        begun = time.monotonic()
        status, end = opened.events()

    assert time.monotonic() - begun < 30  # a quarter of a second, on a machine that is not busy
    assert (status.event, status.id, status.data["status"]) == ("status", None, "stopped")
    assert (end.event, end.data["status"]) == ("end", "stopped")
    with stream(served, f"/jobs/{job}/events", Last_Event_ID=end.id) as again:
        assert again.status == 204


def test_a_deleted_job_s_stream_is_closed_and_its_address_is_gone(served):
    job = post(served, "add?delay=60", left=1)["id"]
    with stream(served, f"/jobs/{job}/events") as opened:
        opened.events("job")
        ask(served, "DELETE", f"/jobs/{job}")
        assert statuses(opened.events()) == ["deleted"]
    with stream(served, f"/jobs/{job}/events") as again:
        assert again.status == 410


def test_progress_is_told_and_what_nobody_of_us_wrote_is_left_out(served, redis_client):
    job = post(served, "add?delay=60", left=1)["id"]
    said = {"percent": 40.0, "message": "half\nway", "updated_at": "2026-11-20T12:00:00Z"}
    with stream(served, f"/jobs/{job}/events") as opened:
        opened.events("job")
        entry = {"job": job, "task": "add", "queue": "default"}
        redis_client.xadd(keys.EVENTS, {**entry, "progress": "data: {"})
        redis_client.xadd(keys.EVENTS, {**entry, "progress": json.dumps(said)})
        [progress] = opened.events("progress")

    assert progress.data == {"job": job, "progress": said}


def test_nothing_that_a_caller_sent_can_break_the_framing(served, redis_client):
    evil = "x\n\ndata: {}\r\revent: end\u2028\x85\x00"
    job = post(served, "say", word=evil)["id"]
    with stream(served, f"/jobs/{job}/events") as opened:
        [first] = opened.events("job")
        note(redis_client, job, "odd\n\nevent: end", task=evil, labels=json.dumps([evil]))
        [odd] = opened.events("status")

    assert first.data["args"] == {"word": evil}
    assert odd.data["status"] == "odd\n\nevent: end"
    assert (odd.data["task"], odd.data["labels"]) == (evil, [evil])
    assert [line.partition(":")[0] for line in first.text.split("\n")] == ["event", "id", "data"]
    assert "\r" not in odd.text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/event-stream", "text/event-stream"),
        ("text/event-stream, application/json;q=0.5", "text/event-stream"),
        ("application/json, text/event-stream;q=0.5", "application/json"),
        ("*/*", "application/json"),
        ("text/*;q=0.1, application/json;q=0.2", "application/json"),
    ],
)
def test_a_job_s_own_address_streams_to_those_who_accept_that(served, accept, kind):
    job = post(served, "add?delay=60", left=1)["id"]

    with stream(served, f"/jobs/{job}", Accept=accept) as opened:
        assert opened.headers["content-type"].partition(";")[0] == kind
        if kind == "text/event-stream":
            [first] = opened.events("job")
            assert first.data["id"] == job


def test_without_an_accept_header_a_job_is_json(served):
    job = post(served, "add?delay=60", left=1)["id"]

    answer, body, _ = ask(served, "GET", f"/jobs/{job}")

    assert body["id"] == job
    assert set(answer.headers["vary"].split(", ")) == {"Accept", "Prefer"}


@pytest.mark.parametrize("path", ["/jobs/none/events", "/jobs/a:b/events"])
def test_a_job_that_is_not_there_has_no_stream(api, expect_problem, path):
    expect_problem(api.get(path), 404, "unknown-job")
