"""The Idempotency-Key: a request is carried out once, however often it comes."""

import asyncio
import threading

import pytest
from pydantic import SecretStr

from app.api.idempotency import ANONYMOUS, fingerprint, key_of
from app.catalogue import Catalogue
from app.errors import InvalidIdempotencyKey
from app.options import JobOptions
from app.queue import keys
from app.queue.enqueue import Enqueuer
from app.tasks import task

REPLAYED = "Idempotent-Replayed"


@task
def keep(value: int = 1, word: str = "a") -> None: ...


@task
def hold(value: int = 1) -> None: ...


@pytest.fixture
def api(make_client):
    return make_client(Catalogue([keep, hold]))


def post(api, key='"k"', body=None, path="/tasks/keep", **headers):
    return api.post(path, json=body or {"value": 1}, headers={"Idempotency-Key": key, **headers})


def waiting(api):
    return [job["id"] for job in api.get("/jobs").json()["jobs"]]


def read(*values):
    return key_of({"headers": [(b"idempotency-key", value) for value in values]})


# The header.


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (b"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (b'  "a b"\t', "a b"),
        (rb'"a\"b\\c"', 'a"b\\c'),
        (b'"a";v=1', "a"),
        (b"order 17/b, part=2", "order 17/b, part=2"),
        (b'"' + b"x" * 255 + b'"', "x" * 255),
        (b"x" * 255, "x" * 255),
    ],
)
def test_a_key_is_quoted_or_bare(value, key):
    assert read(value) == key


@pytest.mark.parametrize(
    "values",
    [
        (b"",),
        (b" ",),
        (b'""',),
        (b'"a',),
        (b'"a"b"',),
        (rb'"a\b"',),
        ("ä".encode(),),
        ('"ä"'.encode(),),
        (b"a\x7f",),
        (b"x" * 256,),
        (b'"' + b"x" * 256 + b'"',),
        (b"a", b"a"),
    ],
)
def test_what_is_no_key_is_refused(values):
    with pytest.raises(InvalidIdempotencyKey):
        read(*values)


def test_no_header_is_no_key():
    assert read() is None


def test_a_key_that_will_not_do_is_400_and_enqueues_nothing(api, expect_problem):
    for key in ('"', "", "x" * 256):
        expect_problem(post(api, key), 400, "invalid-idempotency-key")

    assert waiting(api) == []


# The same request.


def test_the_same_request_is_answered_as_at_first_and_enqueues_nothing(api):
    first = post(api)
    post(api, "another")

    again = post(api)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"] == first.json()["links"]["self"]
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert again.headers["Retry-After"] == "1"
    assert len(waiting(api)) == 2


def test_quoted_and_bare_are_one_key(api):
    assert post(api, '"k"').json() == post(api, "k").json()


def test_spaces_and_order_make_no_other_request(api):
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    bodies = [b'{"value":1,"word":"b"}', b' { "word" : "b",\n"value": 1}']

    first, again = (api.post("/tasks/keep", content=b, headers=headers) for b in bodies)

    assert again.content == first.content
    assert again.headers[REPLAYED] == "true"


def test_the_answer_stays_the_first_one_when_the_job_has_moved_on(api):
    first = post(api)
    api.post(f"/jobs/{first.json()['id']}/cancel")

    assert post(api).content == first.content


@pytest.mark.parametrize(
    "other",
    [
        {"body": {"value": 2}},
        {"body": {"value": 1, "word": "a"}},
        {"path": "/tasks/keep?delay=5"},
        {"path": "/tasks/hold"},
    ],
    ids=["arguments", "a default given", "options", "task"],
)
def test_another_request_with_the_key_is_422(api, expect_problem, other):
    post(api)

    problem = expect_problem(post(api, **other), 422, "idempotency-key-reused")

    assert problem["errors"][0]["loc"] == ["header", "idempotency-key"]
    assert len(waiting(api)) == 1


def test_a_refused_request_leaves_its_key_free(api):
    assert post(api, body={"value": "x"}).status_code == 422
    assert post(api, path="/tasks/keep?after=gone").status_code == 422
    assert post(api, path="/tasks/nothing").status_code == 404

    assert post(api).status_code == 202


def test_a_full_queue_leaves_the_key_free(make_client):
    api = make_client(Catalogue([keep]), max_queue_length=1)
    post(api, "a")
    assert post(api, "k").status_code == 503
    assert post(api, "a").headers[REPLAYED] == "true"
    [job] = waiting(api)
    api.delete(f"/jobs/{job}")

    answer = post(api, "k")

    assert (answer.status_code, REPLAYED in answer.headers) == (202, False)


def test_a_key_is_remembered_for_a_day_by_default_and_as_long_as_is_set(
    make_client, redis_url, redis_client
):
    for ttl, changes in ((86_400, {}), (60, {"idempotency_ttl": 60})):
        redis_client.flushall()
        post(make_client(Catalogue([keep]), redis_url=SecretStr(redis_url), **changes))

        [record] = redis_client.keys("task-api:idempotency:*")
        assert ttl - 5 < redis_client.ttl(record) <= ttl


def test_a_key_belongs_to_its_caller_and_its_route():
    names = {keys.idempotency(caller, route, "k") for caller in "ab" for route in ("x", "y")}

    assert len(names) == 4
    assert ANONYMOUS in keys.idempotency(ANONYMOUS, "tasks", "k")


def test_a_fingerprint_is_of_what_was_asked_for():
    request = {"task": "t", "arguments": b'{"a": [1, 2.5], "b": null}', "options": JobOptions()}
    same = {**request, "arguments": b'{"b":null,"a":[1,2.5]}', "options": JobOptions(front=False)}

    assert fingerprint(request) == fingerprint(same)
    others = [
        {**request, "arguments": b'{"a": [2.5, 1], "b": null}'},
        {**request, "task": "u"},
        {**request, "options": JobOptions(delay=1)},
    ]
    assert len({fingerprint(each) for each in [request, *others]}) == 4


# Together with the other options.


@pytest.mark.parametrize("query", ["?delay=60", "?front=true", "?expires=60&label=a&label=b"])
def test_it_goes_with_every_option(api, query):
    post(api, "before")
    first = post(api, path=f"/tasks/keep{query}")

    again = post(api, path=f"/tasks/keep{query}")

    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers[REPLAYED] == "true"


def test_the_replay_of_a_job_that_waits_is_as_it_was(api):
    parent = post(api, "parent").json()["id"]
    path = f"/tasks/keep?after={parent}"
    first = post(api, path=path)
    assert first.json()["status"] == "deferred"
    api.post(f"/jobs/{parent}/cancel")

    assert post(api, path=path).content == first.content
    canceled = post(api, "late", path=path)
    assert canceled.json()["status"] == "canceled"
    assert post(api, "late", path=path).content == canceled.content


def test_a_duplicate_of_a_key_is_remembered_as_such(api):
    first = post(api, "a", path="/tasks/keep?key=k")
    second = post(api, "b", path="/tasks/keep?key=k")
    assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])
    api.delete(f"/jobs/{first.json()['id']}")

    again = post(api, "b", path="/tasks/keep?key=k")

    assert (again.status_code, again.content) == (200, second.content)
    assert again.headers[REPLAYED] == "true"
    assert waiting(api) == []


def test_a_duplicate_whose_answer_was_never_written_is_the_first_job_as_it_stands(
    make_client, redis_url, redis_client, expect_problem
):
    api = make_client(Catalogue([keep]), redis_url=SecretStr(redis_url))
    first = post(api, "a", path="/tasks/keep?key=k")
    post(api, "b", path="/tasks/keep?key=k")
    record = keys.idempotency(ANONYMOUS, "tasks", "b")
    redis_client.hset(record, "body", "")  # the process died right after the script

    again = post(api, "b", path="/tasks/keep?key=k")

    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert again.json()["duplicates"] == 1
    redis_client.hset(record, "body", "")
    api.delete(f"/jobs/{first.json()['id']}")
    expect_problem(post(api, "b", path="/tasks/keep?key=k"), 410, "job-gone")


# While it is in flight.


def test_the_same_key_in_flight_is_409(make_client, monkeypatch, expect_problem):
    begun, go_on = threading.Event(), threading.Event()
    written = Enqueuer.aaccept

    async def slow(*args, **kwargs):
        accepted = await written(*args, **kwargs)
        begun.set()
        await asyncio.to_thread(go_on.wait, 5)
        return accepted

    monkeypatch.setattr(Enqueuer, "aaccept", slow)
    api = make_client(Catalogue([keep]))
    answers = []
    first = threading.Thread(target=lambda: answers.append(post(api)))
    first.start()
    assert begun.wait(5)

    refused = post(api)
    expect_problem(refused, 409, "idempotency-key-in-flight")
    assert refused.headers["Retry-After"] == "1"

    go_on.set()
    first.join(5)
    assert answers[0].status_code == 202
    assert post(api).headers[REPLAYED] == "true"
