"""`POST /tasks/{task}` and the catalogue over HTTP."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import rq
from pydantic import SecretStr
from rq.job import Job as RQJob
from rq.registry import ScheduledJobRegistry

from app.catalogue import Catalogue
from app.errors import RedisUnavailable
from app.tasks import task

MAIL = {"to": "ada@example.com", "subject": "Hello", "body": "It works"}
VARYING = {b"created_at", b"enqueued_at", b"retry_intervals", b"data"}  # compared by their meaning
JOB_KEYS = {
    *("id", "task", "status", "queue", "args", "labels", "created_at", "enqueued_at", "run_at"),
    *("started_at", "ended_at", "attempt", "max_attempts", "progress", "result", "error"),
    *("position", "worker", "batch", "key", "duplicates", "links"),
    *("after", "attempts", "callback", "expires_at"),
}


@task(queue="low", timeout=7, result_ttl=90)
def tidy(limit: int = 3) -> int:
    """Tidy up.

    Twice, if need be.
    """
    return limit


def post(client, query="", body=MAIL, name="send_email"):
    answer = client.post(f"/tasks/{name}{query}", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def fetch(redis_client, job):
    return RQJob.fetch(job["id"], redis_client)


# What is answered.


def test_a_job_is_accepted_with_its_address_and_itself(api):
    answer = api.post("/tasks/send_email", json=MAIL)

    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}" == job["links"]["self"]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/json"
    assert (job["task"], job["status"], job["queue"]) == ("send_email", "queued", "high")
    assert job["args"] == MAIL
    assert (job["position"], job["attempt"], job["max_attempts"]) == (0, 0, 6)


def test_a_job_has_every_field_of_the_contract(api):
    job = post(api)

    assert set(job) == JOB_KEYS
    assert job["created_at"] == job["enqueued_at"]
    assert job["created_at"].endswith("Z")
    assert set(job["links"]) == {
        *("self", "events", "result", "log", "explain", "callbacks", "dashboard")
    }


def test_the_answer_is_what_a_look_at_the_job_gives(real_api):
    answer = real_api.post("/tasks/send_email", json=MAIL)

    assert real_api.get(answer.headers["location"]).json() == answer.json()


@pytest.mark.parametrize("query", ["?delay=90.25", "?run_at=2030-01-01T00:00:00.25Z"])
def test_the_time_of_a_job_is_the_same_in_its_answer_and_in_each_look_at_it(real_api, query):
    job = post(real_api, query)

    assert real_api.get(job["links"]["self"]).json()["run_at"] == job["run_at"]
    assert real_api.get("/jobs").json()["jobs"][0]["run_at"] == job["run_at"]


def test_job_ids_sort_by_their_time(api):
    ids = []
    for _ in range(3):
        ids.append(post(api)["id"])
        time.sleep(0.002)

    assert ids == sorted(ids)
    assert len(set(ids)) == 3


def test_defaults_are_filled_in(api):
    job = post(api, body={"older_than": 60}, name="clean_temp_files")

    assert job["args"] == {"older_than": 60, "dry_run": False}


def test_no_body_stands_for_no_arguments(api):
    answer = api.post("/tasks/daily_report")

    assert answer.status_code == 202
    assert answer.json()["args"] == {"day": None, "mail_to": None}


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/vnd.example+json"],
)
def test_every_kind_of_json_is_taken(api, content_type):
    answer = api.post(
        "/tasks/send_email", content=json.dumps(MAIL), headers={"Content-Type": content_type}
    )

    assert answer.status_code == 202


# What is written: RQ reads it as its own.


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_job_is_written_as_rq_writes_one(real_api, redis_client, settings, retries):
    queue = rq.Queue("high", connection=redis_client)
    options = {
        "kwargs": MAIL,
        "timeout": 30,
        "result_ttl": settings.result_ttl,
        "failure_ttl": settings.failure_ttl,
        "description": "send_email",
        "retry": rq.Retry(retries, [1] * retries) if retries else None,
    }

    theirs = queue.enqueue_call("jobs.email.send_email", **options)
    ours = post(real_api, f"?retries={retries}")

    written = redis_client.hgetall(f"rq:job:{ours['id']}")
    # RQ writes empty fields too, and reads them and missing ones alike.
    expected = {k: v for k, v in redis_client.hgetall(theirs.key).items() if v}
    assert set(written) == set(expected)
    assert [written[k] for k in expected if k not in VARYING] == [
        v for k, v in expected.items() if k not in VARYING
    ]
    assert queue.job_ids == [theirs.id, ours["id"]]
    assert redis_client.smembers("rq:queues") == {b"rq:queue:high"}
    job = fetch(redis_client, ours)
    same = set(job.to_dict()) - {field.decode() for field in VARYING}
    read = RQJob.fetch(theirs.id, redis_client).to_dict()
    assert {k: job.to_dict()[k] for k in same} == {k: read[k] for k in same}
    assert (job.func_name, list(job.args), job.kwargs) == ("jobs.email.send_email", [], MAIL)
    assert job.created_at.isoformat() == ours["created_at"].replace("Z", "+00:00")
    assert len(job.retry_intervals or []) == retries


def test_nothing_else_is_written(real_api, redis_client):
    job = post(real_api)

    keys = set(redis_client.keys())
    assert keys == {
        *(b"rq:queues", b"rq:queue:high", f"rq:job:{job['id']}".encode()),
        *(b"task-api:events", b"task-api:jobs", b"task-api:jobs:task:send_email"),
    }


def test_the_task_s_own_options_are_kept_with_the_job(make_client, redis_url, redis_client):
    api = make_client(Catalogue([tidy]), redis_url=SecretStr(redis_url), failure_ttl=77)

    job = post(api, body={}, name="tidy")

    stored = fetch(redis_client, job)
    assert (stored.origin, stored.timeout) == ("low", 7)
    assert (stored.result_ttl, stored.failure_ttl) == (90, 77)
    assert stored.retries_left is None


def test_the_job_s_options_go_before_the_task_s(make_client, redis_url, redis_client):
    api = make_client(Catalogue([tidy]), redis_url=SecretStr(redis_url))

    job = post(api, "?queue=high&timeout=11&retries=2&result_ttl=5", {}, "tidy")

    stored = fetch(redis_client, job)
    assert (stored.origin, stored.timeout, stored.result_ttl) == ("high", 11, 5)
    assert (stored.retries_left, job["max_attempts"]) == (2, 3)
    assert rq.Queue("high", connection=redis_client).job_ids == [job["id"]]


def test_retries_back_off_with_full_jitter(real_api, redis_client):
    jobs = [fetch(redis_client, post(real_api, "?retries=14")) for _ in range(20)]

    for n in range(14):
        drawn = [job.retry_intervals[n] for job in jobs]
        bound = min(3600, 2 * 2**n)  # seconds; the task's backoff is 2
        assert all(0 <= seconds <= bound for seconds in drawn)
        assert n < 3 or len(set(drawn)) > 3


def test_zero_is_an_option_s_value_and_not_its_absence(real_api, redis_client):
    stored = fetch(redis_client, post(real_api, "?retries=0&result_ttl=0&delay=0"))

    assert stored.retries_left is None
    assert stored.result_ttl == 0
    assert stored.get_status() == "queued"


# In which order, and when.


def test_jobs_stand_in_the_order_of_their_requests(real_api, redis_client):
    jobs = [post(real_api) for _ in range(3)]

    assert [job["position"] for job in jobs] == [0, 1, 2]
    assert rq.Queue("high", connection=redis_client).job_ids == [job["id"] for job in jobs]


def test_a_job_for_the_front_stands_before_all_others(real_api, redis_client):
    first, second = post(real_api), post(real_api)
    hasty = post(real_api, "?front=true")

    ids = rq.Queue("high", connection=redis_client).job_ids
    assert ids == [hasty["id"], first["id"], second["id"]]
    assert hasty["position"] == 0
    assert real_api.get(f"/jobs/{second['id']}").json()["position"] == 2


def test_a_delayed_job_is_scheduled_and_never_early(real_api, redis_client):
    before = datetime.now(UTC)
    job = post(real_api, "?delay=1.5")
    after = datetime.now(UTC)

    run_at = datetime.fromisoformat(job["run_at"])
    assert before + timedelta(seconds=1.5) <= run_at < after + timedelta(seconds=2.5)
    assert (job["status"], job["enqueued_at"], job["position"]) == ("scheduled", None, None)
    registry = ScheduledJobRegistry("high", redis_client)
    assert registry.get_job_ids() == [job["id"]]
    assert redis_client.zscore(registry.key, job["id"]) == run_at.timestamp()
    assert rq.Queue("high", connection=redis_client).job_ids == []
    assert fetch(redis_client, job).get_status() == "scheduled"


@pytest.mark.parametrize("zone", ["Z", "%2B02:00", "-09:30"])
def test_a_job_may_be_given_a_time_in_any_zone(real_api, redis_client, zone):
    wanted = f"{datetime.now(UTC).year + 1}-06-01T12:00:00"

    job = post(real_api, f"?run_at={wanted}{zone}")

    expected = datetime.fromisoformat(wanted + zone.replace("%2B", "+"))
    assert datetime.fromisoformat(job["run_at"]) == expected
    assert redis_client.zscore("rq:scheduled:high", job["id"]) == expected.timestamp()


def test_a_scheduled_job_is_looked_at_as_it_was_answered(real_api):
    job = post(real_api, f"?run_at={datetime.now(UTC).year + 1}-06-01T12:00:00Z")

    assert real_api.get(job["links"]["self"]).json() == job


@pytest.mark.parametrize("query", ["?delay=0", "?run_at=2001-01-01T00:00:00Z"])
def test_a_job_whose_time_has_come_is_queued_at_once(real_api, redis_client, query):
    job = post(real_api, query)

    assert (job["status"], job["run_at"]) == ("queued", None)
    assert rq.Queue("high", connection=redis_client).job_ids == [job["id"]]


def test_a_scheduled_job_for_the_front_is_put_there_when_it_is_due(real_api, redis_client):
    waiting = post(real_api)
    hasty = post(real_api, "?delay=1&front=true")
    scheduler = rq.scheduler.RQScheduler(["high"], connection=redis_client)
    scheduler.acquire_locks()

    redis_client.zadd("rq:scheduled:high", {hasty["id"]: 1})
    scheduler.enqueue_scheduled_jobs()
    scheduler.release_locks()

    ids = rq.Queue("high", connection=redis_client).job_ids
    assert ids == [hasty["id"], waiting["id"]]


# When it is not accepted.


def test_a_full_queue_is_refused_until_it_has_room(
    make_client, redis_url, redis_client, expect_problem
):
    api = make_client(redis_url=SecretStr(redis_url), max_queue_length=2)
    post(api), post(api)

    refused = api.post("/tasks/send_email", json=MAIL)
    redis_client.lpop("rq:queue:high")

    problem = expect_problem(refused, 503, "queue-full")
    assert "TASK_API_MAX_QUEUE_LENGTH" in problem["detail"]
    assert refused.headers["retry-after"] == "10"
    assert post(api, "?queue=low")["queue"] == "low"
    assert post(api)["position"] == 1


def test_a_write_that_redis_refuses_leaves_nothing_behind(real_api, redis_client, expect_problem):
    redis_client.set("rq:queue:high", "no list")

    answer = real_api.post("/tasks/send_email", json=MAIL)

    expect_problem(answer, 503, "redis-unavailable")
    assert answer.headers["retry-after"] == str(RedisUnavailable.retry_after)
    assert redis_client.keys("rq:job:*") == []


def test_one_job_that_redis_refuses_does_not_harm_those_sent_beside_it(
    serve, redis_url, redis_client
):
    redis_client.set("rq:queue:low", "no list")
    served = serve(redis_url=SecretStr(redis_url))
    body, kind = json.dumps(MAIL).encode(), {"Content-Type": "application/json"}

    with served.connect() as bad, served.connect() as good:
        for connection, queue in ((bad, "low"), (good, "high")):
            head = served.head(
                "POST", f"/tasks/send_email?queue={queue}", Content_Length=len(body), **kind
            )
            connection.sendall(head + body)
        statuses = [connection.recv(65_536).split()[1] for connection in (bad, good)]

    assert statuses == [b"503", b"202"]
    assert redis_client.llen("rq:queue:high") == 1


# The catalogue.


def test_the_catalogue_lists_every_task_by_name(api):
    tasks = api.get("/tasks").json()

    assert [each["name"] for each in tasks] == [
        *("call_api", "clean_temp_files", "daily_report", "process_image", "process_item"),
        "send_email",
    ]
    assert all(each["description"] for each in tasks)


def test_a_task_is_described_with_its_schemas(make_client):
    api = make_client(Catalogue([tidy]))

    described = api.get("/tasks/tidy").json()

    assert described == api.get("/tasks").json()[0]
    assert described["description"] == "Tidy up.\n\nTwice, if need be."
    assert (described["queue"], described["timeout"], described["retries"]) == ("low", 7, 0)
    assert described["arguments"]["properties"]["limit"]["type"] == "integer"
    assert described["arguments"]["properties"]["limit"]["default"] == 3
    assert described["arguments"]["additionalProperties"] is False
    assert described["result"] == {"type": "integer"}
    assert described["links"] == {"self": "/tasks/tidy", "enqueue": "/tasks/tidy"}


def test_an_unknown_task_is_not_in_the_catalogue(api, expect_problem):
    problem = expect_problem(api.get("/tasks/sned_email"), 404, "unknown-task")

    assert "'sned_email'" in problem["detail"]
    assert "GET /tasks" in problem["detail"]
