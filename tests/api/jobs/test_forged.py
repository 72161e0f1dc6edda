"""What somebody else has put into Redis runs nothing, and is told of that job alone."""

import pickle
import zlib
from base64 import b64encode

import pytest

from tests.api.jobs.sample_tasks import add, fail
from tests.api.jobs.steps import enqueue, look

ran = []  # what a forged pickle would leave behind


class Canary:
    """Pickles into a call of `ran.append`."""

    def __reduce__(self):
        return _sing, ("sung",)


def _sing(word):
    ran.append(word)


def call(args=(), kwargs=None, name="os.getcwd"):
    return zlib.compress(pickle.dumps((name, None, args, kwargs or {})))


LOOP = []
LOOP.append(LOOP)

FORGED_CALLS = {
    "a call as the whole": zlib.compress(pickle.dumps(Canary())),
    "a call as an argument": call(args=(Canary(),)),
    "a call within an argument": call(kwargs={"a": [{"b": Canary()}]}),
    "uncompressed": pickle.dumps(Canary()),
    "no pickle": b"rm -rf",
    "empty": b"",
    "another shape": zlib.compress(pickle.dumps({"f": "os.system"})),
    "NaN": call(kwargs={"a": float("nan")}),
    "bytes": call(kwargs={"a": b"\xff"}),
    "a lone surrogate": call(kwargs={"a": "\ud800"}),
    "itself": call(kwargs={"a": LOOP}),
    "a name with a lone surrogate": call(name="os.\ud800"),
}


@pytest.mark.parametrize("forged", FORGED_CALLS.values(), ids=FORGED_CALLS)
def test_a_forged_call_runs_nothing_and_is_told_of_that_job_alone(
    api, redis_client, expect_problem, forged
):
    good, bad = enqueue(api, add, a=1), enqueue(api, add, a=2)
    redis_client.hset(f"rq:job:{bad['id']}", "data", forged)

    answers = [
        api.get(f"/jobs/{bad['id']}"),
        api.get(f"/jobs/{bad['id']}/result"),
        *(api.post(f"/jobs/{bad['id']}/{action}") for action in ("cancel", "stop", "retry")),
    ]

    for answer in answers:
        problem = expect_problem(answer, 500, "unreadable-job")
        assert "(call: " in problem["detail"]
    assert ran == []
    assert redis_client.hget(f"rq:job:{bad['id']}", "status") == b"queued"
    assert look(api, good)["args"] == {"a": 1, "b": 1}
    assert api.get("/queues/default").json()["counts"]["queued"] == 2


FORGED_RESULTS = {
    "a call": b64encode(pickle.dumps(Canary())),
    "a call within": b64encode(pickle.dumps([Canary()])),
    "no pickle": b64encode(b"rm -rf"),
    "no base64": b"%",
    "NaN": b64encode(pickle.dumps(float("nan"))),
    "bytes": b64encode(pickle.dumps(b"\xff")),
    "too deep": b64encode(b"]" * 300 + b"a" * 299 + b"."),
}


@pytest.mark.parametrize("forged", FORGED_RESULTS.values(), ids=FORGED_RESULTS)
def test_a_forged_result_runs_nothing_and_is_told_of_that_job_alone(
    api, redis_client, work, expect_problem, forged
):
    good, bad = enqueue(api, add, a=1), enqueue(api, add, a=2)
    work()
    redis_client.xadd(f"rq:results:{bad['id']}", {"type": 1, "return_value": forged})

    for path in (f"/jobs/{bad['id']}", f"/jobs/{bad['id']}/result"):
        problem = expect_problem(api.get(path), 500, "unreadable-job")
        assert "(result: " in problem["detail"]
    assert ran == []
    assert look(api, good)["result"]["sum"] == 2


def test_a_result_of_another_type_is_told_of_that_job_which_can_be_deleted(
    api, redis_client, expect_problem
):
    good, bad = enqueue(api, add, a=1), enqueue(api, add, a=2)
    redis_client.set(f"rq:results:{bad['id']}", "no stream")

    for path in ("", "/result", "/explain", "/events"):
        problem = expect_problem(api.get(f"/jobs/{bad['id']}{path}"), 500, "unreadable-job")
        assert f"rq:results:{bad['id']}" in problem["detail"]
    assert look(api, good)["status"] == "queued"
    assert api.delete(f"/jobs/{bad['id']}").status_code == 200
    assert not redis_client.exists(f"rq:results:{bad['id']}")


def test_something_else_under_the_name_of_a_job_is_neither_shown_nor_deleted(
    api, redis_client, expect_problem
):
    redis_client.set("rq:job:mine", "no hash")

    expect_problem(api.get("/jobs/mine"), 500, "unreadable-job")
    expect_problem(api.delete("/jobs/mine"), 500, "unreadable-job")
    assert redis_client.get("rq:job:mine") == b"no hash"


@pytest.mark.parametrize("exc_string", [b"a", b64encode(b"no zlib")])
def test_a_forged_traceback_is_told_of_that_job(
    api, redis_client, work, expect_problem, exc_string
):
    job = enqueue(api, fail, "?retries=0")
    work()
    redis_client.xadd(f"rq:results:{job['id']}", {"type": 2, "exc_string": exc_string})

    expect_problem(api.get(f"/jobs/{job['id']}"), 500, "unreadable-job")


@pytest.mark.parametrize(
    ("field", "forged"),
    [
        ("created_at", b"yesterday"),
        ("started_at", b"\xff"),
        ("status", b"\xff"),
        ("origin", b"\xff"),
        ("retries_left", b"many"),
        ("attempts_before", b"1.5"),
    ],
)
def test_a_forged_field_is_told_of_that_job(api, redis_client, expect_problem, field, forged):
    job = enqueue(api, fail)
    redis_client.hset(f"rq:job:{job['id']}", field, forged)

    problem = expect_problem(api.get(f"/jobs/{job['id']}"), 500, "unreadable-job")

    assert "(record: " in problem["detail"]


def test_a_forged_meta_is_not_even_read(api, redis_client):
    job = enqueue(api, add, a=1)
    redis_client.hset(f"rq:job:{job['id']}", "meta", pickle.dumps(Canary()))

    assert look(api, job)["args"] == {"a": 1, "b": 1}
    assert ran == []


def test_the_canary_sings_where_a_pickle_is_loaded_as_usual():
    pickle.loads(pickle.dumps(Canary()))

    assert ran == ["sung"]
    ran.clear()


@pytest.mark.parametrize("forged", FORGED_CALLS.values(), ids=FORGED_CALLS)
def test_an_unreadable_job_can_be_deleted_as_its_error_advises(
    api, redis_client, expect_problem, forged
):
    job = enqueue(api, add, a=1)
    redis_client.hset(f"rq:job:{job['id']}", "data", forged)

    answer = api.delete(f"/jobs/{job['id']}")

    deleted = answer.json()
    assert (answer.status_code, deleted["status"]) == (200, "queued")
    assert (deleted["queue"], deleted["args"]) == ("default", {})
    assert deleted["error"]["type"] == "UnreadableJob"
    assert redis_client.keys("rq:job:*") == redis_client.keys("rq:queue:*") == []
    expect_problem(api.get(f"/jobs/{job['id']}"), 410, "job-gone")
