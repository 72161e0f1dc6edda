"""A job's log over HTTP: as JSON with a place to go on from, and as text."""

import fakeredis
import pytest

from app.main import create_app
from app.queue.job_id import new_job_id

JSON_LINE = (
    '{"time":"2026-11-20T12:00:00.%03dZ","attempt":1,"level":%s,"stream":%s,"logger":null,'
    '"message":"line %d"}'
)


@pytest.fixture
def server():
    return fakeredis.FakeServer()


@pytest.fixture
def store(server):
    """The fake Redis that the API asks."""
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def api(settings, shipped, make_client, server):
    chosen = settings.model_copy(update={"dashboard": False})
    app = create_app(chosen, shipped, fakeredis.FakeAsyncRedis(server=server))
    return make_client(app=app)


@pytest.fixture
def job(store):
    """A job with ten lines kept, five before them dropped."""
    job_id = new_job_id()
    store.hset(f"rq:job:{job_id}", mapping={"data": b"x", "log": "15 1000 batch.1"})
    for number in range(5, 15):
        kind = ('"INFO"', "null") if number % 2 else ("null", '"stderr"')
        store.rpush(f"task-api:log:{job_id}", JSON_LINE % (number, *kind, number))
    return job_id


def numbers(answer):
    return [int(line["message"].split()[1]) for line in answer.json()["lines"]]


def test_all_that_is_kept_is_given_with_the_place_to_go_on_from(api, job):
    answer = api.get(f"/jobs/{job}/log")

    assert answer.status_code == 200
    assert numbers(answer) == list(range(5, 15))
    assert answer.json()["truncated"] is True
    assert answer.json()["next"] == 15
    assert answer.json()["lines"][0] == {
        "time": "2026-11-20T12:00:00.005000Z",
        "attempt": 1,
        "level": "INFO",
        "stream": None,
        "logger": None,
        "message": "line 5",
    }
    assert answer.headers["link"] == f'</jobs/{job}/log?after=15>; rel="next"'
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("after", "given", "truncated"),
    [
        (0, range(5, 15), True),
        (4, range(5, 15), True),
        (5, range(5, 15), False),
        (12, range(12, 15), False),
        (15, [], False),
        (99, [], False),
    ],
)
def test_a_caller_goes_on_from_where_it_was(api, job, after, given, truncated):
    answer = api.get(f"/jobs/{job}/log", params={"after": after})

    assert numbers(answer) == list(given)
    assert (answer.json()["truncated"], answer.json()["next"]) == (truncated, 15)


def test_a_job_that_has_logged_nothing_has_an_empty_log(api, store):
    store.hset("rq:job:plain", "data", b"x")

    assert api.get("/jobs/plain/log").json() == {"lines": [], "truncated": False, "next": 0}
    assert api.get("/jobs/plain/log", headers={"Accept": "text/plain"}).text == ""


@pytest.mark.parametrize("accept", ["text/plain", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_people_get_plain_text(api, job, accept):
    answer = api.get(f"/jobs/{job}/log?after=13", headers={"Accept": accept})

    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text == (
        "2026-11-20T12:00:00.013Z 1 INFO line 13\n2026-11-20T12:00:00.014Z 1 stderr line 14\n"
    )


def test_text_says_that_older_lines_were_dropped(api, job):
    answer = api.get(f"/jobs/{job}/log", headers={"Accept": "text/plain"})

    assert answer.text.startswith("(older lines were dropped)\n2026")


def test_an_id_that_never_was_is_unknown_and_one_that_was_is_gone(api, store):
    store.sadd("rq:job:a:dependents", "x")

    assert api.get("/jobs/never/log").status_code == 404
    assert api.get("/jobs/a:dependents/log").status_code == 404
    assert api.get(f"/jobs/{new_job_id()}/log").status_code == 410


@pytest.mark.parametrize("after", ["-1", "x", "99999999999999999999"])
def test_a_place_that_is_none_is_refused(api, job, after):
    assert api.get(f"/jobs/{job}/log", params={"after": after}).status_code == 422


def test_a_forged_line_is_not_passed_on(api, job, store):
    store.rpush(f"task-api:log:{job}", b'{"time": "now"}, {"x": "\xff"')

    answer = api.get(f"/jobs/{job}/log")

    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/unreadable-job"


def test_the_log_is_described(api):
    described = api.get("/openapi.json").json()["paths"]["/jobs/{job_id}/log"]["get"]

    assert set(described["responses"]["200"]["content"]) == {"application/json", "text/plain"}
    assert {"404", "410", "422", "503"} <= set(described["responses"])
