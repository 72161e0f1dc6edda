"""The dashboard's buttons: whom they obey, and what they do."""

from datetime import UTC, datetime

import pytest

from app.queue.job_id import new_job_id

REGISTRIES = ["queued", "finished", "failed", "scheduled", "deferred", "canceled"]
BUTTONS = [
    "/job/{id}/delete",
    "/job/{id}/requeue",
    "/requeue/default",
    "/queue/default/failed/empty",
    "/queue/default/compact",
]


@pytest.mark.parametrize("button", BUTTONS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_a_button_answers_to_post_alone(dashboard, failed, button, method):
    answer = dashboard.request(method, button.format(id=failed.id))

    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]
    assert failed.get_status() == "failed"


@pytest.mark.parametrize("button", BUTTONS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_a_button_on_another_site_is_refused(dashboard, failed, button, headers):
    answer = dashboard.post(button.format(id=failed.id), headers=headers)

    assert answer.status_code == 403
    assert failed.get_status() == "failed"


def test_a_button_on_the_dashboard_s_own_page_is_not_refused(dashboard, failed):
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8000"}

    answer = dashboard.post(f"/job/{failed.id}/requeue", headers=headers)

    assert answer.status_code == 200
    assert answer.json()["status"] == "OK"
    assert failed.get_status() == "queued"


def test_requeue_gives_a_job_all_its_attempts_anew(dashboard, failed, queue):
    queue.connection.hset(failed.key, mapping={"retry_intervals": "[0, 0]", "retries_left": 0})

    dashboard.post(f"/job/{failed.id}/requeue")

    assert queue.job_ids == [failed.id]
    assert queue.failed_job_registry.get_job_ids() == []
    failed.refresh()
    assert failed.retries_left == 2


def test_requeue_of_a_job_that_has_not_failed_is_refused_with_the_reason(dashboard, queue):
    job = queue.enqueue("math.sqrt", 4)

    answer = dashboard.post(f"/job/{job.id}/requeue")

    assert answer.status_code == 409
    assert "is queued, so it cannot be retried" in answer.json()["detail"]
    assert queue.job_ids == [job.id]


def test_requeue_all_takes_every_failed_job_and_passes_over_the_expired(dashboard, queue, work):
    jobs = [queue.enqueue("math.sqrt", -1) for _ in range(3)]
    work()
    queue.connection.delete(jobs[1].key)

    answer = dashboard.post("/requeue/default")

    assert answer.json() == {"status": "OK", "count": 2}
    assert sorted(queue.job_ids) == sorted([jobs[0].id, jobs[2].id])


def test_a_forged_job_can_be_requeued_and_deleted_and_is_not_loaded(
    dashboard, failed, queue, forge, forgery
):
    for part in ("call", "result", "meta"):
        forge(failed, part, forgery.data)
    before = queue.connection.hmget(failed.key, "data", "meta")

    assert dashboard.post(f"/job/{failed.id}/requeue").status_code == 200
    assert queue.connection.hmget(failed.key, "data", "meta") == before
    assert dashboard.post(f"/job/{failed.id}/delete").status_code == 200

    assert queue.job_ids == []
    assert not forgery.canary.exists()


def test_delete_leaves_nothing_of_a_job(dashboard, failed):
    answer = dashboard.post(f"/job/{failed.id}/delete")

    assert answer.json() == {"status": "OK"}
    assert not [key for key in failed.connection.scan_iter() if failed.id.encode() in key]
    assert dashboard.rows("failed") == []


@pytest.mark.parametrize("button", BUTTONS[:2])
def test_a_button_for_a_job_that_is_gone_is_answered_410(dashboard, button):
    answer = dashboard.post(button.format(id=new_job_id()))

    assert answer.status_code == 410
    assert answer.json()["type"] == "/problems/job-gone"


@pytest.mark.parametrize("button", BUTTONS[:2])
def test_a_button_for_an_unknown_job_is_answered_404(dashboard, button):
    answer = dashboard.post(button.format(id="nobody"))

    assert answer.status_code == 404
    assert answer.json()["title"] == "Unknown job"


@pytest.mark.parametrize(
    "button", ["/job/{id}/delete", "/queue/default/started/empty", "/job/{id}/requeue"]
)
def test_a_running_job_is_left_alone(dashboard, queue, button, start):
    job = queue.enqueue("math.sqrt", 4)
    start(job)

    answer = dashboard.post(button.format(id=job.id))

    assert answer.status_code == 409
    assert "is started" in answer.json()["detail"]
    assert [row["id"] for row in dashboard.rows("started")] == [job.id]


@pytest.mark.parametrize("registry", REGISTRIES)
def test_empty_deletes_the_jobs_of_one_registry(dashboard, queue, registry, work):
    queue.enqueue("math.sqrt", 4)
    queue.enqueue("math.sqrt", -1)
    work()
    queue.enqueue_at(datetime(2100, 1, 1, tzinfo=UTC), "math.sqrt", 9)
    first = queue.enqueue("math.sqrt", 9)
    queue.enqueue("math.sqrt", 9, depends_on=first)
    queue.enqueue("math.sqrt", 9).cancel()

    answer = dashboard.post(f"/queue/default/{registry}/empty")

    assert answer.json() == {"status": "OK", "count": 1}
    left = {name: len(dashboard.rows(name)) for name in REGISTRIES}
    assert left == {name: int(name != registry) for name in REGISTRIES}


def test_compact_takes_the_expired_out_of_a_queue_and_keeps_the_order(dashboard, queue):
    jobs = [queue.enqueue("math.sqrt", 4) for _ in range(4)]
    queue.connection.delete(jobs[1].key)

    answer = dashboard.post("/queue/default/compact")

    assert answer.json() == {"status": "OK", "count": 1}
    assert queue.job_ids == [jobs[0].id, jobs[2].id, jobs[3].id]
    assert dashboard.post("/queue/nobody/compact").json()["count"] == 0
