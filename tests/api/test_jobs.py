"""Jobs over HTTP, on a real Redis, executed by RQ's stock worker in this process."""

import json
import pickle
import signal
import threading
import zlib
from base64 import b64encode
from datetime import datetime

import pytest
import redis
import rq
from pydantic import BaseModel, SecretStr
from rq.job import Job as RQJob
from rq.job import JobStatus

from app import context
from app.catalogue import Catalogue
from app.tasks import task

QUEUES = ("high", "default", "low")
ran = []  # what a forged pickle would leave behind


class Canary:
    """Pickles into a call of `ran.append`."""

    def __reduce__(self):
        return _sing, ("sung",)


def _sing(word):
    ran.append(word)


class Total(BaseModel):
    sum: int
    parts: tuple[int, ...]


@task
def add(a: int, b: int = 1) -> Total:
    return Total(sum=a + b, parts=(a, b))


@task
def nothing() -> None: ...


@task(retries=2, backoff=0)
def fail(message: str = "no luck") -> None:
    raise ConnectionError(message)


@task(retries=3, backoff=0)
def recover(at: int) -> int:
    if context.attempt() < at:
        raise ConnectionError("not yet")
    return context.attempt()


@task(retries=4, backoff=0, give_up_on=(LookupError,))
def give_up() -> None:
    raise KeyError("never")


CATALOGUE = Catalogue([add, nothing, fail, recover, give_up])


@pytest.fixture
def api(make_client, redis_url):
    return make_client(CATALOGUE, redis_url=SecretStr(redis_url))


class QuickWorker(rq.SimpleWorker):
    """RQ's stock worker, without the thread that takes commands, whose end takes a second."""

    def subscribe(self):
        pass

    def unsubscribe(self):
        pass


@pytest.fixture
def work(redis_client):
    """Run the jobs that wait, and those that come of them, with RQ's stock worker."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def burst():
        worker = QuickWorker(QUEUES, connection=redis_client)
        worker.work(burst=True, logging_level="CRITICAL")
        for number, handler in handlers.items():  # which the worker has replaced
            signal.signal(number, handler)

    return burst


def enqueue(api, task, query="", **args):
    answer = api.post(f"/tasks/{task.name}{query}", json=args)
    assert answer.status_code == 202, answer.text
    return answer.json()


def look(api, job):
    answer = api.get(f"/jobs/{job['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def set_status(redis_client, job, status):
    """Bring a job to a status as RQ does, by its own classes."""
    stored = RQJob.fetch(job["id"], redis_client)
    queue = rq.Queue(stored.origin, connection=redis_client)
    queue.remove(stored)
    if status == "started":
        with redis_client.pipeline() as pipeline:
            stored.prepare_for_execution("worker-1", pipeline)
            pipeline.execute()
    stored.set_status(JobStatus(status))
    if status == "deferred":
        queue.deferred_job_registry.add(stored)


# Looking.


def test_a_finished_job_has_its_result_and_its_times(api, work):
    job = enqueue(api, add, a=2)

    work()

    done = look(api, job)
    assert (done["status"], done["result"]) == ("finished", {"sum": 3, "parts": [2, 1]})
    assert done["args"] == {"a": 2, "b": 1}
    assert (done["error"], done["position"]) == (None, None)
    assert (done["attempt"], done["max_attempts"]) == (1, 1)
    moments = [done[key] for key in ("created_at", "enqueued_at", "started_at", "ended_at")]
    assert [datetime.fromisoformat(each) for each in moments] == sorted(
        datetime.fromisoformat(each) for each in moments
    )


def test_the_bare_result_is_json(api, work):
    job = enqueue(api, add, a=2)
    empty = enqueue(api, nothing)

    work()

    answer = api.get(job["links"]["result"])
    assert (answer.status_code, answer.json()) == (200, {"sum": 3, "parts": [2, 1]})
    assert answer.headers["content-type"] == "application/json"
    assert api.get(empty["links"]["result"]).text == "null"


def test_a_failed_job_has_the_exception_s_type_message_and_traceback(api, work):
    job = enqueue(api, fail, "?retries=0", message="first\nsecond: third")

    work()

    failed = look(api, job)
    assert (failed["status"], failed["result"]) == ("failed", None)
    assert failed["error"]["type"] == "ConnectionError"
    assert failed["error"]["message"] == "first\nsecond: third"
    assert failed["error"]["traceback"].startswith("Traceback (most recent call last):")
    assert "raise ConnectionError(message)" in failed["error"]["traceback"]


@pytest.mark.parametrize("status", ["queued", "scheduled", "started", "failed", "canceled"])
def test_a_job_without_a_result_is_409_there(api, redis_client, expect_problem, status):
    job = enqueue(api, fail, "?delay=60" if status == "scheduled" else "")
    if status not in {"queued", "scheduled"}:
        set_status(redis_client, job, status)

    answer = api.get(job["links"]["result"])

    problem = expect_problem(answer, 409, "no-result-yet")
    assert f"is {status} and has no result" in problem["detail"]


def test_a_status_of_a_newer_rq_passes_through(api, redis_client):
    job = enqueue(api, add, a=1)
    redis_client.hset(f"rq:job:{job['id']}", "status", "paused")

    assert look(api, job)["status"] == "paused"


def test_a_job_of_a_plain_rq_client_is_shown(api, redis_client):
    job = rq.Queue("low", connection=redis_client).enqueue("os.path.join", "a", "b", depth=1)

    shown = look(api, {"id": job.id})

    assert (shown["task"], shown["queue"]) == ("os.path.join", "low")
    assert shown["args"] == {"0": "a", "1": "b", "depth": 1}


ROUTES = [
    ("GET", ""),
    ("GET", "/result"),
    ("POST", "/cancel"),
    ("POST", "/stop"),
    ("POST", "/retry"),
    ("DELETE", ""),
]


@pytest.mark.parametrize(("method", "action"), ROUTES)
@pytest.mark.parametrize("job_id", ["none", "01a1f85a-3932-7dd6-a2c4-0749d7a3cafa", "%00", "ä"])
def test_a_job_that_never_existed_is_404(api, expect_problem, method, action, job_id):
    answer = api.request(method, f"/jobs/{job_id}{action}")

    expect_problem(answer, 404, "unknown-job", str(answer.request.url.raw_path, "ascii"))


@pytest.mark.parametrize(("method", "action"), ROUTES)
def test_rq_s_other_keys_are_no_jobs(api, redis_client, expect_problem, method, action):
    job = enqueue(api, add, a=1)
    redis_client.sadd(f"rq:job:{job['id']}:dependents", "other")

    answer = api.request(method, f"/jobs/{job['id']}:dependents{action}")

    expect_problem(answer, 404, "unknown-job")
    assert look(api, job)["status"] == "queued"


def test_what_rq_leaves_of_a_deleted_job_is_none(api, redis_client, expect_problem):
    redis_client.hset("rq:job:gone", "last_heartbeat", "2030-01-01T00:00:00.000000Z")

    expect_problem(api.get("/jobs/gone"), 404, "unknown-job")


# Attempts.


def test_attempts_count_the_executions_begun(api, work, redis_client):
    job = enqueue(api, recover, at=3)
    assert (job["attempt"], job["max_attempts"]) == (0, 4)

    work()

    done = look(api, job)
    assert (done["status"], done["result"]) == ("finished", 3)
    assert (done["attempt"], done["max_attempts"]) == (3, 4)


def test_a_running_job_counts_its_attempt(api, redis_client):
    job = enqueue(api, fail)

    set_status(redis_client, job, "started")

    started = look(api, job)
    assert (started["status"], started["attempt"]) == ("started", 1)
    assert started["worker"] == "worker-1"


def test_a_manual_retry_starts_the_attempts_anew_and_counts_on(api, work):
    job = enqueue(api, fail)
    work()
    failed = look(api, job)
    assert (failed["status"], failed["attempt"], failed["max_attempts"]) == ("failed", 3, 3)

    retried = api.post(f"/jobs/{job['id']}/retry").json()
    assert (retried["status"], retried["attempt"], retried["max_attempts"]) == ("queued", 3, 6)
    work()

    failed = look(api, job)
    assert (failed["status"], failed["attempt"], failed["max_attempts"]) == ("failed", 6, 6)


def test_a_job_whose_task_gave_up_has_made_one_attempt(api, work):
    job = enqueue(api, give_up)

    work()

    failed = look(api, job)
    assert (failed["status"], failed["error"]["type"]) == ("failed", "KeyError")
    assert failed["attempt"] == 1


# Retry.


def test_a_retried_job_runs_again_to_its_result(api, work, redis_client):
    job = enqueue(api, recover, "?retries=0", at=2)
    work()
    assert look(api, job)["status"] == "failed"

    answer = api.post(f"/jobs/{job['id']}/retry")

    retried = answer.json()
    assert answer.status_code == 200
    assert (retried["status"], retried["position"], retried["error"]) == ("queued", 0, None)
    assert (retried["started_at"], retried["ended_at"]) == (None, None)
    assert redis_client.zcard("rq:failed:default") == 0
    assert redis_client.ttl(f"rq:job:{job['id']}") == -1
    work()
    assert look(api, job)["attempt"] == 2


@pytest.mark.parametrize("status", ["failed", "stopped", "canceled"])
def test_what_ended_without_success_can_be_retried(api, redis_client, status):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, status)

    answer = api.post(f"/jobs/{job['id']}/retry")

    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert rq.Queue("default", connection=redis_client).job_ids == [job["id"]]


@pytest.mark.parametrize("status", ["queued", "scheduled", "deferred", "started", "finished"])
def test_no_other_job_can_be_retried(api, redis_client, expect_problem, status):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, status)

    problem = expect_problem(api.post(f"/jobs/{job['id']}/retry"), 409, "wrong-status")

    assert f"is {status}" in problem["detail"]
    assert "failed, stopped, canceled" in problem["detail"]
    assert look(api, job)["status"] == status


# Cancel.


@pytest.mark.parametrize("query", ["", "?delay=60"], ids=["queued", "scheduled"])
def test_a_job_that_has_not_begun_can_be_canceled(api, work, redis_client, settings, query):
    job = enqueue(api, add, query, a=1)

    answer = api.post(f"/jobs/{job['id']}/cancel")

    canceled = answer.json()
    assert (answer.status_code, canceled["status"]) == (200, "canceled")
    assert canceled["ended_at"]
    assert redis_client.llen("rq:queue:default") == 0
    assert redis_client.zcard("rq:scheduled:default") == 0
    registry = rq.registry.CanceledJobRegistry("default", redis_client)
    assert registry.get_job_ids() == [job["id"]]
    assert settings.failure_ttl - 5 <= redis_client.ttl(f"rq:job:{job['id']}")
    work()
    assert look(api, job)["status"] == "canceled"


def test_a_deferred_job_can_be_canceled(api, redis_client):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, "deferred")

    answer = api.post(f"/jobs/{job['id']}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert redis_client.zcard("rq:deferred:default") == 0


@pytest.mark.parametrize("status", ["started", "finished", "failed", "stopped", "canceled"])
def test_a_job_that_has_begun_cannot_be_canceled(api, redis_client, expect_problem, status):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, status)

    problem = expect_problem(api.post(f"/jobs/{job['id']}/cancel"), 409, "wrong-status")

    assert f"is {status}" in problem["detail"]
    assert look(api, job)["status"] == status


def test_a_job_that_a_worker_has_just_taken_cannot_be_canceled(api, redis_client, expect_problem):
    job = enqueue(api, add, a=1)
    redis_client.lpop("rq:queue:default")

    answer = api.post(f"/jobs/{job['id']}/cancel")

    problem = expect_problem(answer, 409, "wrong-status")
    assert "being taken by a worker" in problem["detail"]
    assert look(api, job)["status"] == "queued"


# Stop. That it ends a real worker's process stands in the acceptance tests.


@pytest.mark.parametrize(
    "status", ["queued", "scheduled", "deferred", "finished", "failed", "stopped", "canceled"]
)
def test_a_job_that_does_not_run_cannot_be_stopped(api, redis_client, expect_problem, status):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, status)

    problem = expect_problem(api.post(f"/jobs/{job['id']}/stop"), 409, "wrong-status")

    assert f"is {status}" in problem["detail"]


def test_a_running_job_whose_worker_does_not_listen_cannot_be_stopped(
    api, redis_client, expect_problem
):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, "started")

    problem = expect_problem(api.post(f"/jobs/{job['id']}/stop"), 409, "worker-unreachable")

    assert "'worker-1'" in problem["detail"]


def test_a_stop_is_told_to_the_worker_and_answered_once_it_is_done(api, redis_client, redis_url):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, "started")
    heard = []
    client = redis.Redis.from_url(redis_url)
    channel = client.pubsub()
    channel.subscribe(rq.command.PUBSUB_CHANNEL_TEMPLATE % "worker-1")

    def obey():
        for message in iter(lambda: channel.get_message(timeout=5), None):
            if message["type"] == "message":
                heard.append(json.loads(message["data"]))
                set_status(client, job, "stopped")
                return

    worker = threading.Thread(target=obey)
    worker.start()
    answer = api.post(f"/jobs/{job['id']}/stop")
    worker.join()
    channel.close()
    client.close()

    assert (answer.status_code, answer.json()["status"]) == (200, "stopped")
    assert heard == [{"command": "stop-job", "job_id": job["id"]}]


# Delete.


def test_a_deleted_job_is_gone_with_all_that_was_kept_of_it(
    api, work, redis_client, expect_problem
):
    job = enqueue(api, add, a=2)
    work()
    done = look(api, job)

    answer = api.delete(f"/jobs/{job['id']}")

    assert (answer.status_code, answer.json()) == (200, done)
    assert redis_client.keys(f"*{job['id']}*") == []
    assert redis_client.zcard("rq:finished:default") == 0
    expect_problem(api.get(f"/jobs/{job['id']}"), 410, "job-gone")


@pytest.mark.parametrize(
    "status", ["queued", "scheduled", "deferred", "finished", "failed", "stopped", "canceled"]
)
def test_a_job_that_does_not_run_can_be_deleted(api, redis_client, status):
    job = enqueue(api, add, a=1)
    if status != "queued":
        set_status(redis_client, job, status)

    answer = api.delete(f"/jobs/{job['id']}")

    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert redis_client.keys("*job*") == []
    assert redis_client.keys("rq:queue:*") == redis_client.keys("rq:deferred:*") == []


def test_a_running_job_cannot_be_deleted(api, redis_client, expect_problem):
    job = enqueue(api, add, a=1)
    set_status(redis_client, job, "started")

    expect_problem(api.delete(f"/jobs/{job['id']}"), 409, "wrong-status")

    assert look(api, job)["status"] == "started"


def test_a_job_that_a_worker_has_just_taken_cannot_be_deleted(api, redis_client, expect_problem):
    job = enqueue(api, add, a=1)
    redis_client.lpop("rq:queue:default")

    expect_problem(api.delete(f"/jobs/{job['id']}"), 409, "wrong-status")

    assert look(api, job)["status"] == "queued"


# What somebody else has put into Redis.


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
