"""Share links over HTTP: what they show, to whom, how long, and what they keep to themselves."""

import io
import json
import logging
import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from rq.job import Job as RQJob
from rq.results import Result

from app.api import shared_view
from app.queue import shares
from app.queue.wire import WireSerializer
from tests.api.job_page.greeting import BROWSER, enqueue

DAY = 86_400
PRIVATE = "very-private"


def share(api, job, query=""):
    answer = api.post(f"/jobs/{job['id']}/share{query}")
    assert answer.status_code == 201, answer.text
    return answer.json()


def path_of(link):
    return link["url"].removeprefix("http://127.0.0.1:8000")


def test_a_share_link_shows_the_job(api):
    job = enqueue(api)
    begun = datetime.now(UTC)

    answer = api.post(f"/jobs/{job['id']}/share")

    link = answer.json()
    assert (answer.status_code, set(link)) == (201, {"url", "expires_at"})
    assert answer.headers["location"] == path_of(link)
    assert answer.headers["cache-control"] == "no-store"
    expires = datetime.fromisoformat(link["expires_at"])
    assert timedelta(0) <= expires - begun.replace(microsecond=0) - timedelta(days=7) <= (
        timedelta(seconds=5)
    )  # fmt: skip
    shown = api.get(path_of(link))
    assert shown.status_code == 200
    assert (shown.json()["id"], shown.json()["status"]) == (job["id"], "queued")
    assert shown.json()["shared_until"] == link["expires_at"]


def test_it_says_nothing_about_the_job_s_maker_or_the_deployment(api, stored):
    job = enqueue(api, f"?label={PRIVATE}", name=PRIVATE)
    key = f"rq:job:{job['id']}"
    stored.hset(key, mapping={"worker_name": PRIVATE, "key": PRIVATE, "callback": PRIVATE})
    rq_job = RQJob.fetch(job["id"], stored, serializer=WireSerializer)
    trace = f"Traceback (most recent call last):\n  {PRIVATE}\nValueError: too hot"
    Result.create(rq_job, Result.Type.FAILED, ttl=60, exc_string=trace)
    stored.hset(key, "status", "failed")
    path = path_of(share(api, job))

    as_json, as_page = api.get(path), api.get(path, headers=BROWSER)

    assert as_json.json()["error"] == {
        "type": "ValueError",
        "message": "too hot",
        "traceback": None,
    }
    assert "too hot" in as_page.text
    for text in (as_json.text, as_page.text):
        assert PRIVATE not in text
        assert "Traceback" not in text
        assert "default" not in text  # its queue
    assert set(as_json.json()["links"].values()) == {path, f"{path}/events", f"{path}/log"}


def test_its_page_has_no_buttons_and_leads_nowhere_else(api):
    path = path_of(share(api, enqueue(api)))

    answer = api.get(path, headers=BROWSER)

    assert "<form" not in answer.text
    assert "<button" not in answer.text
    assert answer.text.count("<a ") == 1
    assert f'<a href="{path}?format=json">' in answer.text
    assert '"/jobs/' not in answer.text
    assert api.get(f"{path}?format=json", headers=BROWSER).json()["status"] == "queued"


def test_its_address_is_told_to_nobody(api):
    path = path_of(share(api, enqueue(api)))

    for headers in ({}, BROWSER):
        answer = api.get(path, headers=headers)
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["vary"] == "Accept"
    problem = api.get("/shared/none", headers=BROWSER)
    assert problem.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed_by_it(api, expect_problem, method):
    path = path_of(share(api, enqueue(api)))

    expect_problem(api.request(method, path), 405, "method-not-allowed")
    expect_problem(api.request(method, f"{path}/cancel"), 404, "unknown-route")


@pytest.mark.parametrize("part", ["", "/events", "/log"])
def test_a_link_that_we_have_not_given_out_is_404(api, expect_problem, part):
    job, other = enqueue(api), enqueue(api)
    token = path_of(share(api, job)).rpartition("/")[2]

    expect_problem(api.get(f"/shared/none{part}"), 404, "unknown-share")
    forged = f"/shared/{token.replace(job['id'], other['id'])}{part}"
    problem = expect_problem(api.get(forged), 404, "unknown-share")
    assert other["id"] not in problem["detail"]
    page = api.get(forged, headers=BROWSER)
    assert page.status_code == 404
    assert "<h1>Unknown share</h1>" in page.text


@pytest.mark.parametrize("part", ["", "/events", "/log"])
def test_a_link_that_has_expired_is_410(api, expect_problem, monkeypatch, part):
    path = path_of(share(api, enqueue(api), "?ttl=60"))
    assert api.get(path).status_code == 200
    now = time.time()
    monkeypatch.setattr(shares.time, "time", lambda: now + 61)

    expect_problem(api.get(path + part), 410, "share-over")
    assert "<h1>Share over</h1>" in api.get(path + part, headers=BROWSER).text


@pytest.mark.parametrize("part", ["", "/events", "/log"])
def test_a_job_that_is_gone_is_410_and_not_named(api, stored, expect_problem, part):
    job = enqueue(api)
    path = path_of(share(api, job))
    stored.delete(f"rq:job:{job['id']}")

    problem = expect_problem(api.get(path + part), 410, "share-over")

    assert job["id"] not in problem["detail"]


def test_only_a_job_that_is_there_can_be_shared(api, stored, expect_problem):
    job = enqueue(api)
    stored.delete(f"rq:job:{job['id']}")

    expect_problem(api.post("/jobs/none/share"), 404, "unknown-job")
    expect_problem(api.post(f"/jobs/{job['id']}/share"), 410, "job-gone")


@pytest.mark.parametrize("ttl", ["59", str(30 * DAY + 1), "week", "-1", "1e9", ""])
def test_a_link_lives_a_minute_to_thirty_days(api, expect_problem, ttl):
    job = enqueue(api)

    problem = expect_problem(api.post(f"/jobs/{job['id']}/share?ttl={ttl}"), 422, "invalid-options")

    assert problem["errors"][0]["loc"] == ["query", "ttl"]
    for allowed in (60, 30 * DAY):
        share(api, job, f"?ttl={allowed}")


def test_the_form_of_the_page_answers_with_a_page_that_shows_the_link(api):
    job = enqueue(api)

    answer = api.post(
        f"/jobs/{job['id']}/share", headers={**BROWSER, "Sec-Fetch-Site": "same-origin"}
    )

    assert answer.status_code == 201
    assert f'value="http://127.0.0.1:8000{answer.headers["location"]}"' in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_another_site_cannot_have_a_link_made(api, expect_problem):
    job = enqueue(api)

    answer = api.post(f"/jobs/{job['id']}/share", headers={"Sec-Fetch-Site": "cross-site"})

    expect_problem(answer, 403, "cross-site-request")


# Its token is a secret.


def test_the_activity_log_has_the_route_and_not_the_token(api, activity):
    job = enqueue(api)
    path = path_of(share(api, job))
    api.post(f"/jobs/{job['id']}/cancel")  # so that its stream ends
    for each in (path, f"{path}/log", f"{path}/events", f"{path}/none", f"{path}/"):
        api.get(each)
    api.post(path)
    token = path.rpartition("/")[2]

    records = activity(9)[3:]

    assert token not in json.dumps(records)
    assert {record["path"].removesuffix("/") for record in records} == {
        "/shared/{token}", *(f"/shared/{{token}}/{part}" for part in ("log", "events", "none"))
    }  # fmt: skip
    assert records[0]["route"] == "/shared/{token}"
    assert records[0]["job_id"] == job["id"]


def test_the_server_s_own_access_log_has_no_token(api, serve, catalogue):
    logger = logging.getLogger("uvicorn.access")
    written, level = io.StringIO(), logger.level
    handler = logging.StreamHandler(written)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        served = serve(catalogue)
        status, _ = served.ask("GET", "/shared/a.1.b?format=json")
        served.stop()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)

    assert status == 404
    assert '"GET /shared/{token}?format=json HTTP/1.1" 404' in written.getvalue()


# The stream and the log of it.


def frames(text):
    """Give a stream's events, each with its data."""
    found = []
    for frame in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in frame.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


@pytest.mark.parametrize(("part", "accept"), [("/events", "*/*"), ("", "text/event-stream")])
def test_its_stream_shows_no_more_than_the_link(api, stored, part, accept):
    job = enqueue(api, f"?label={PRIVATE}", name=PRIVATE)
    path = path_of(share(api, job))
    stored.hset(f"rq:job:{job['id']}", "worker_name", PRIVATE)
    api.post(f"/jobs/{job['id']}/cancel")

    answer = api.get(path + part, headers={"Accept": accept})

    assert answer.headers["content-type"].startswith("text/event-stream")
    found = frames(answer.text)
    assert [kind for kind, _ in found] == ["job", "end"]
    assert all(data == api.get(path).json() | {"position": None} for _, data in found)
    assert PRIVATE not in answer.text


def test_one_who_comes_back_is_told_what_it_missed_and_no_more(make_client, redis_url, catalogue):
    api = make_client(catalogue, redis_url=SecretStr(redis_url))
    job = enqueue(api, f"?label={PRIVATE}&queue=low")
    path = path_of(share(api, job))
    api.post(f"/jobs/{job['id']}/cancel")

    answer = api.get(f"{path}/events", headers={"Last-Event-ID": "0-0"})

    changes = [data for kind, data in frames(answer.text) if kind == "status"]
    assert [each["status"] for each in changes] == ["queued", "canceled"]
    assert all(set(each) == {"job", "status", "at"} for each in changes)
    assert PRIVATE not in answer.text
    assert "low" not in answer.text
    last = answer.text.rpartition("id: ")[2].partition("\n")[0]
    assert api.get(f"{path}/events", headers={"Last-Event-ID": last}).status_code == 204


def test_a_stream_ends_with_its_link(api, monkeypatch):
    path = path_of(share(api, enqueue(api), "?ttl=60"))
    monkeypatch.setattr(shared_view.time, "time", lambda: time.monotonic() + 1e10)

    assert frames(api.get(f"{path}/events").text) == []


def line(message, level="ERROR", stream=None):
    return json.dumps(
        {
            "time": "2026-01-01T00:00:00Z",
            "attempt": 1,
            "level": level,
            "stream": stream,
            "logger": None,
            "message": message,
        }
    )


TRACEBACK = [
    "Traceback (most recent call last):",
    f'  File "{PRIVATE}.py", line 1, in f',
    f"    {PRIVATE}()",
    "ValueError: too hot",
]
GROUP = [
    "  + Exception Group Traceback (most recent call last):",
    f'  |   File "{PRIVATE}.py", line 1, in f',
    "  | ExceptionGroup: two (2 sub-exceptions)",
    "  +-+---------------- 1 ----------------",
]


def test_its_log_has_no_tracebacks_and_goes_on_from_a_place(api, stored):
    job = enqueue(api)
    path = path_of(share(api, job))
    said = ["begun", *TRACEBACK, "", "again", *GROUP, "  indented", "done"]
    stored.rpush(f"task-api:log:{job['id']}", *map(line, said))
    stored.hset(f"rq:job:{job['id']}", "log", len(said))

    whole = api.get(f"{path}/log")
    rest = api.get(f"{path}/log?after=3").json()
    page = api.get(path, headers=BROWSER)

    shown = [each["message"] for each in whole.json()["lines"]]
    assert shown == ["begun", "ValueError: too hot", "", "again", "done"]
    assert [each["message"] for each in rest["lines"]] == shown[1:]
    assert whole.json()["next"] == rest["next"] == len(said)
    assert PRIVATE not in whole.text + page.text
    assert "ValueError: too hot" in page.text
