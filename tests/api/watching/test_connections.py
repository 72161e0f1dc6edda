"""The connections of streams: kept alive, ended, left, too slow, without Redis, a thousand."""

import contextlib
import json
import time

import redis
from pydantic import SecretStr

from app.api import all_events, event_stream, job_events
from tests.api.watching.events import jobs, note, post, statuses
from tests.api.watching.requests import ask, stream


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
        assert seconds < 30


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
