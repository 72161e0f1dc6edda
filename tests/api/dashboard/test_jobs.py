"""Jobs and workers on the dashboard's pages, whatever stands in Redis."""

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.queue.job_id import new_job_id

REGISTRIES = ["queued", "started", "finished", "failed", "scheduled", "deferred", "canceled"]


def test_a_job_stands_in_the_list_of_its_registry_and_is_counted_there(
    dashboard, queue, redis_client, work, start
):
    jobs = {
        "finished": queue.enqueue("math.sqrt", 4),
        "failed": queue.enqueue("math.sqrt", -1),
    }
    work()
    jobs["queued"] = queue.enqueue("math.sqrt", 9)
    jobs["scheduled"] = queue.enqueue_at(datetime(2100, 1, 1, tzinfo=UTC), "math.sqrt", 9)
    jobs["deferred"] = queue.enqueue("math.sqrt", 9, depends_on=jobs["queued"])
    jobs["canceled"] = queue.enqueue("math.sqrt", 9)
    jobs["canceled"].cancel()
    jobs["started"] = queue.enqueue("math.sqrt", 9)
    start(jobs["started"])

    found = {name: [row["id"] for row in dashboard.rows(name)] for name in REGISTRIES}
    [counts] = dashboard.get("/0/data/queues.json").json()["queues"]

    assert found == {name: [jobs[name].id] for name in REGISTRIES}
    assert counts["count"] == 1
    assert [counts[f"{name}_job_registry_count"] for name in REGISTRIES[1:]] == [1] * 6
    assert {dashboard.shown(job.id)["status"] for job in jobs.values()} == set(REGISTRIES)


def test_a_job_s_page_has_its_result(dashboard, queue, work):
    job = queue.enqueue("math.sqrt", 4, meta={"note": "n"}, description="root")
    work()

    facts = dashboard.shown(job.id)

    assert facts["result"] == 2.0
    assert facts["description"] == "root"
    assert facts["exc_info"] is None
    assert json.loads(facts["metadata"]) == {"note": "n"}
    assert facts["ended_at"]


def test_a_result_is_shown_in_its_own_order(dashboard, queue, forge):
    job = queue.enqueue("math.sqrt", 4)
    forge(job, "result", pickle.dumps({"second": 2, "first": 1}))

    assert list(dashboard.shown(job.id)["result"]) == ["second", "first"]


def test_a_job_s_page_has_its_traceback(dashboard, failed):
    facts = dashboard.shown(failed.id)

    assert facts["result"] is None
    assert "ValueError: " in facts["exc_info"]
    [row] = dashboard.rows("failed")
    assert row["exc_info"] == facts["exc_info"]


def test_a_job_s_page_names_the_jobs_that_it_waits_for(dashboard, queue):
    first, gone = queue.enqueue("math.sqrt", 4), queue.enqueue("math.sqrt", 4)
    job = queue.enqueue("math.sqrt", 9, depends_on=[first, gone])
    queue.connection.delete(gone.key)

    facts = dashboard.shown(job.id)

    assert dict(zip(facts["depends_on"], facts["depends_on_status"], strict=True)) == {
        first.id: "active",
        gone.id: "expired",
    }


@pytest.mark.parametrize("registry", ["queued", "failed"])
@pytest.mark.parametrize("order", ["asc", "dsc"])
def test_pages_hold_each_job_once_in_order(dashboard, queue, registry, order, work):
    jobs = [queue.enqueue("math.sqrt", -1) for _ in range(20)]
    if registry == "failed":
        work()

    pages = [dashboard.rows(registry, f"8/{order}/{page}") for page in (1, 2, 3, 4)]

    assert [len(page) for page in pages] == [8, 8, 4, 0]
    ids = [row["id"] for page in pages for row in page]
    expected = [job.id for job in jobs]
    if registry == "failed":  # those of one second stand there in no order of their own
        forwards = [row["id"] for row in dashboard.rows(registry, "20/asc/1")]
        assert sorted(forwards) == sorted(expected)
        expected = forwards
    assert ids == (expected if order == "asc" else expected[::-1])


def test_an_expired_job_breaks_no_list_and_is_not_taken_out_of_it_by_looking(dashboard, queue):
    gone, job = queue.enqueue("math.sqrt", 4), queue.enqueue("math.sqrt", 4)
    queue.connection.delete(gone.key)

    assert [row["id"] for row in dashboard.rows("queued")] == [job.id]
    assert queue.count == 2


def test_a_job_that_is_gone_is_answered_by_a_page_that_says_so(dashboard):
    job_id = new_job_id()

    answer = dashboard.get(f"/0/view/job/{job_id}")

    assert answer.status_code == 410
    assert "Job gone" in answer.text
    data = dashboard.get(f"/0/data/job/{job_id}.json")
    assert (data.status_code, data.json()["type"]) == (410, "/problems/job-gone")


@pytest.mark.parametrize("job_id", ["nobody", "a b", "<b>", "x:dependents"])
def test_an_unknown_job_is_answered_by_a_page_that_says_so(dashboard, redis_client, job_id):
    redis_client.sadd("rq:job:x:dependents", "y")
    answer = dashboard.get(f"/0/view/job/{job_id}")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Unknown job" in answer.text
    assert "<b>" not in answer.text
    data = dashboard.get(f"/0/data/job/{job_id}.json")
    assert data.status_code == 404
    assert data.headers["content-type"] == "application/problem+json"
    assert data.json()["type"] == "/problems/unknown-job"
    assert data.json()["request_id"] == data.headers["x-request-id"]


def test_plain_rq_s_arguments_that_are_no_plain_data_are_not_loaded_and_break_nothing(
    dashboard, queue
):
    job = queue.enqueue("time.mktime", datetime(2026, 1, 1, tzinfo=UTC), meta={"at": Path("/")})
    other = queue.enqueue("math.sqrt", 4)

    [first, second] = dashboard.rows("queued")

    assert first["id"] == job.id
    assert first["description"].startswith("time.mktime(datetime.datetime(2026")
    assert "unreadable: its call" in first["description"]
    assert second == dashboard.rows("queued")[1]
    assert second["id"] == other.id
    assert "unreadable" not in second["description"]
    assert "unreadable: its meta" in dashboard.shown(job.id)["metadata"]


@pytest.mark.parametrize("part", ["call", "result", "meta"])
def test_a_forged_pickle_runs_nothing_and_is_told_of_that_job_alone(
    dashboard, queue, work, start, forge, forgery, part
):
    forged, other = queue.enqueue("math.sqrt", 4), queue.enqueue("math.sqrt", 9)
    work()
    for job in (forged, other):
        start(job, f"miller-{job.id}")
        queue.connection.zadd("rq:finished:default", {job.id: 1})
    forge(forged, part, forgery.data)

    facts = dashboard.shown(forged.id)
    found = {row["id"]: row["description"] for row in dashboard.rows("finished")}
    current = {
        worker["current_job"]["job_id"]: worker["current_job"]["call_string"]
        for worker in dashboard.workers()
    }
    rest = [dashboard.get(path) for path in (*dashboard.pages, "/0/data/queues.json")]

    assert f"unreadable: its {part}" in facts["description"]
    assert f"unreadable: its {part}" in found[forged.id]
    assert "Path.touch" in found[forged.id]
    assert ("unreadable" in str(facts["result"])) == (part == "result")
    assert ("unreadable" in facts["metadata"]) == (part == "meta")
    assert ("unreadable" in current[forged.id]) == (part == "call")
    assert "unreadable" not in found[other.id] + current[other.id] + str(dashboard.shown(other.id))
    assert {answer.status_code for answer in rest} == {200}
    assert not forgery.canary.exists()
    pickle.loads(forgery.data)
    assert forgery.canary.exists(), "the forgery is one"


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def unfolding():
    """A few hundred bytes of pickle, and 2 ** 60 members once written out."""
    value = []
    for _ in range(60):
        value = [value, value]
    return value


def in_itself():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        pickle.dumps(unfolding()),
        pickle.dumps(in_itself()),
        pickle.dumps(nested(90)),
        pickle.dumps("x" * 2_000_000),
    ],
    ids=["empty", "broken", "unfolding", "in itself", "deep", "long"],
)
@pytest.mark.parametrize("part", ["call", "result", "meta"])
def test_a_value_that_cannot_be_shown_is_told_of_that_job_alone(
    dashboard, queue, data, part, forge
):
    job, other = queue.enqueue("math.sqrt", 4), queue.enqueue("math.sqrt", 9)
    forge(job, part, data)

    first, second = dashboard.rows("queued")

    assert f"unreadable: its {part}" in first["description"]
    assert "unreadable" not in second["description"]
    assert dashboard.shown(job.id)["id"] == job.id
    assert other.id == second["id"]


def test_plain_values_that_json_lacks_are_shown_as_text(dashboard, queue, forge):
    job = queue.enqueue("math.sqrt", 4)
    value = {
        "set": {1},
        2: b"x",
        "nan": float("nan"),
        "large": 2**60,
        "huge": 10**5000,
        None: ("t", True, None, 1.5),
    }
    forge(job, "result", pickle.dumps(value))

    assert dashboard.shown(job.id)["result"] == {
        "set": [1],
        "2": "b'x'",
        "nan": "nan",
        "large": "1152921504606846976",
        "huge": "a number of 16610 bits",
        "None": ["t", True, None, 1.5],
    }


@pytest.mark.parametrize(
    "field", ["created_at", "started_at", "status", "description", "origin", "timeout"]
)
def test_a_broken_field_breaks_no_page(dashboard, queue, field):
    job = queue.enqueue("math.sqrt", 4)
    queue.connection.hset(job.key, field, b"\xff")

    assert dashboard.rows("queued")[0]["id"] == job.id
    assert dashboard.shown(job.id)["id"] == job.id


def test_a_key_of_another_type_is_told_of_that_job_alone(dashboard, queue):
    job, other = queue.enqueue("math.sqrt", 4), queue.enqueue("math.sqrt", 9)
    queue.connection.set(f"rq:results:{other.id}", "text")
    queue.connection.delete(job.key)
    queue.connection.set(job.key, "text")

    assert [row["id"] for row in dashboard.rows("queued")] == [job.id, other.id]


def test_a_worker_whose_job_is_gone_is_still_listed(dashboard, queue, start):
    job = queue.enqueue("math.sqrt", 4)
    start(job)
    queue.connection.delete(job.key)

    [worker] = dashboard.workers()

    assert worker["name"] == "miller"
    assert worker["current_job"]["job_id"] == job.id
    assert "this job is gone" in worker["current_job"]["description"]


def test_an_idle_worker_is_shown_as_one(dashboard, idle_worker):
    idle_worker()

    [worker] = dashboard.workers()

    assert worker["current_job"] == "idle"
    assert worker["queues"] == ["default"]
