"""Server-sent events: of one job until its end, and of all that fit; resumed without loss."""

import contextlib
import json
import threading
import time

import pytest
import redis
from pydantic import SecretStr

from app.api import all_events, event_stream, job_events
from app.queue import keys
from app.queue.watching import replay
from tests.api.watching.requests import ask, stream


@pytest.fixture
def queued(request):
    """What the scheduler of a worker leaves in the stream: RQ's own leaves nothing."""
    return ["queued"] if request.node.callspec.params["worker"] == "ours" else []


def post(served, path, **arguments):
    _, job, _ = ask(served, "POST", f"/tasks/{path}", arguments)
    return job


def note(redis_client, job, status, **fields):
    """Add an event as a change does."""
    entry = {"job": job, "status": status, "task": "add", "queue": "default", **fields}
    return redis_client.xadd(keys.EVENTS, entry).decode()


def statuses(events):
    return [frame.data["status"] for frame in events]


def jobs(events):
    return [frame.data["job"] for frame in events]


# One job.


def test_a_job_s_stream_begins_with_the_job_tells_each_change_and_closes_with_its_end(
    served, worker, queued
):
    job = post(served, "sleep?delay=1&label=x", seconds=0.3)

    with stream(served, f"/jobs/{job['id']}/events") as opened:
        events = opened.events()  # to the end of the stream

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


def test_an_end_that_came_while_the_caller_was_away_is_given_to_it(served, worker, queued):
    job = post(served, "sleep?delay=1", seconds=0.1)["id"]
    with stream(served, f"/jobs/{job}/events") as opened:
        [first] = opened.events("job")
    ask(served, "GET", f"/jobs/{job}", Prefer="wait=20")

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

    assert time.monotonic() - begun < 2  # a quarter of a second, on a machine that is not busy
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


# All jobs.


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


# Connections.


def test_an_idle_stream_is_kept_alive_and_its_id_moves_on(served, redis_client, monkeypatch):
    monkeypatch.setattr(job_events, "KEEP_ALIVE", 0.2)
    monkeypatch.setattr(all_events, "KEEP_ALIVE", 0.2)
    job = post(served, "add?delay=60", left=1)["id"]
    for path in (f"/jobs/{job}/events", "/events?task=none"):
        with stream(served, path) as opened:
            frames = opened.frames()
            while not next(frames).text.startswith(": keep-alive"):
                pass
            latest = note(redis_client, "another", "queued")
            time.sleep(0.3)
            kept = [next(frames) for _ in range(3)]

        assert all(frame.text.startswith(": keep-alive\nid: ") for frame in kept)
        assert kept[-1].id == latest
        with stream(served, path, Last_Event_ID=latest) as again:
            assert next(again.frames()).text in {"retry: 1000", f"id: {latest}"}


def test_a_stream_ends_after_its_longest_time_and_goes_on_in_another(served, monkeypatch):
    monkeypatch.setattr(event_stream, "LONGEST", 0.3)
    job = post(served, "add?delay=60", left=1)["id"]

    with stream(served, f"/jobs/{job}/events") as opened:
        [first] = opened.events()
    with stream(served, f"/jobs/{job}/events", Last_Event_ID=first.id) as again:
        assert again.status == 200
        assert again.events() == []


def test_who_asks_for_the_head_alone_has_no_endless_answer(served):
    for path in ("/events", f"/jobs/{post(served, 'add?delay=60', left=1)['id']}/events"):
        answer, _, seconds = ask(served, "HEAD", path)

        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert seconds < 5


def test_a_caller_that_leaves_is_listened_for_no_longer_and_logged(served, activity, eventually):
    listeners = served.app.state.service.events._listeners
    with stream(served, "/events") as opened:
        next(opened.frames())
        assert len(listeners.filters) == 1
    eventually(lambda: not listeners)

    [line] = activity(1)
    assert (line["status"], line["route"]) == (499, "/events")


def test_a_caller_that_reads_too_slowly_is_ended_and_loses_nothing(
    served, redis_client, monkeypatch
):
    monkeypatch.setattr("app.queue.watching.subscription.MOST_WAITING", 50)
    label = json.dumps(["x" * 60_000])  # large, so that sockets are full soon
    with stream(served, "/events") as opened:
        next(opened.frames())
        for number in range(600):
            note(redis_client, str(number), "queued", labels=label)
        time.sleep(0.5)
        had = opened.events()  # it is closed at some point
    assert 50 <= len(had) < 600

    with stream(served, "/events", Last_Event_ID=had[-1].id) as again:
        had += [again.events("status")[0] for _ in range(600 - len(had))]
    assert jobs(had) == [str(number) for number in range(600)]


def test_streams_go_on_by_themselves_when_redis_was_away(serve, samples, own_redis):
    served = serve(samples, redis_url=SecretStr(own_redis.url))
    job = post(served, "add?delay=60", left=1)["id"]
    with (
        stream(served, f"/jobs/{job}/events") as of_job,
        stream(served, "/events") as of_all,
        redis.Redis.from_url(own_redis.url) as client,
    ):
        of_job.events("job")
        next(of_all.frames())
        own_redis.stop()
        time.sleep(0.5)
        with stream(served, "/events") as refused:
            assert refused.status in {200, 503}  # it may be read from memory of where it was
        own_redis.start()
        note(client, job, "queued")

        assert jobs(of_job.events("status")) == jobs(of_all.events("status")) == [job]


def test_a_thousand_streams_share_one_reader(served, redis_client):
    before = len(redis_client.client_list())  # other tests may have left some behind
    path = f"/jobs/{post(served, 'add?delay=60', left=1)['id']}/events"
    with contextlib.ExitStack() as stack:
        streams = [
            stack.enter_context(stream(served, path if number % 2 else "/events?task=none"))
            for number in range(1000)
        ]
        for each in streams[1::2]:
            each.events("job")
        assert len([c for c in redis_client.client_list() if c["cmd"] == "xread"]) == 1
        assert len(redis_client.client_list()) <= before + 5
        note(redis_client, path.split("/")[2], "queued")

        assert {statuses(each.events("status"))[0] for each in streams[1::2]} == {"queued"}
