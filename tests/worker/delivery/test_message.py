"""What a callback's message says of the end of a job, and who signs it."""

import pytest
from standardwebhooks.webhooks import Webhook

from app.queue import keys
from app.webhooks import new_secret, verify
from tests.worker import sample_tasks as sample
from tests.worker.delivery.conftest import SECRET, callbacks_of


def test_a_finished_job_is_told_with_its_result_and_signed(told, receiver, work):
    job = told.put(sample.add, 2, 3, callback=receiver.url, label=("a", "b"))

    work()

    [got] = receiver.received
    assert told.result(job) == 5
    message = verify(got.body, got.headers, SECRET)
    assert Webhook(SECRET).verify(got.body, got.headers) == message
    data = message["data"]
    assert message["type"] == "job.finished"
    assert (data["id"], data["task"], data["status"], data["result"]) == (
        job.id,
        "add",
        "finished",
        5,
    )
    assert (data["labels"], data["attempt"], data["error"]) == (["a", "b"], 1, None)
    assert message["timestamp"] == data["ended_at"] > data["started_at"] >= data["created_at"]
    [callback] = callbacks_of(told, job)
    assert got.headers["webhook-id"] == callback.id
    assert callback.get_status() == "finished"


@pytest.mark.parametrize("root", ["", "/tasks-api"])
def test_a_message_links_the_job_as_the_service_shows_it(told, receiver, work, monkeypatch, root):
    monkeypatch.setenv("TASK_API_ROOT_PATH", root)
    job = told.put(sample.add, 2, 3, callback=receiver.url)

    work()

    [got] = receiver.received
    address = f"{root}/jobs/{job.id}"
    links = verify(got.body, got.headers, SECRET)["data"]["links"]
    assert links == {"self": address, "result": f"{address}/result"}


def test_a_failed_job_is_told_with_its_error_and_without_its_traceback(told, receiver, work):
    told.put(sample.fail, "no such luck", callback=receiver.url)

    work()

    [got] = receiver.received
    assert got.message["type"] == "job.failed"
    assert got.message["data"]["error"] == {"type": "ValueError", "message": "no such luck"}
    assert b"Traceback" not in got.body
    assert got.message["data"]["result"] is None


def test_a_job_that_is_retried_is_told_once_at_its_end(told, receiver, work, monkeypatch):
    monkeypatch.setattr("app.queue.chance.chance.random", lambda: 1.0)  # never at once
    job = told.put(sample.fail, "again", retries=1, callback=receiver.url)
    work()
    assert receiver.received == []
    told.make_due(job)
    work()

    [got] = receiver.wait_for(1)
    assert got.message["data"]["attempt"] == 2


def test_a_canceled_job_is_told_with_the_reason(told, receiver, work, ask):
    job = told.put(sample.add, 1, callback=receiver.url)
    ask(lambda api: api.control.cancel(job.id, "nobody wants it"))

    work()

    [got] = receiver.received
    assert got.message["type"] == "job.canceled"
    assert got.message["data"]["error"] == {"type": "JobCanceled", "message": "nobody wants it"}


def test_a_job_that_is_deleted_unrun_is_told_to_be_gone(told, receiver, work, ask):
    job = told.put(sample.add, 1, callback=receiver.url)
    ask(lambda api: api.control.delete(job.id))

    work()

    [got] = receiver.received
    assert got.message["type"] == "job.gone"
    assert (got.message["data"]["id"], got.message["data"]["status"]) == (job.id, None)


def test_a_result_that_is_not_kept_is_told_to_be_gone(told, receiver, work):
    told.put(sample.add, 1, callback=receiver.url, result_ttl=0)

    work()

    [got] = receiver.received
    assert got.message["type"] == "job.gone"


def test_a_message_is_bounded_by_leaving_the_result_out(told, receiver, work):
    pair = sample.Pair(left=1, right=2)
    told.put(sample.join, pair, kwargs={"word": "x" * 30_000}, callback=receiver.url)

    work()

    [got] = receiver.received
    assert (got.message["data"]["result"], got.message["data"]["result_omitted"]) == (None, True)
    assert len(got.body) < 20_480


def test_every_secret_signs(told, receiver, work, monkeypatch):
    new, old = new_secret(), new_secret()
    monkeypatch.setenv("TASK_API_CALLBACK_SECRETS", f"{new}, {old}")
    told.put(sample.add, 1, callback=receiver.url)

    work()

    [got] = receiver.received
    assert len(got.headers["webhook-signature"].split()) == 2
    for secret in (new, old):
        assert Webhook(secret).verify(got.body, got.headers)


def test_without_a_setting_one_secret_is_made_and_kept(told, receiver, work, monkeypatch):
    monkeypatch.delenv("TASK_API_CALLBACK_SECRETS")
    told.put(sample.add, 1, callback=receiver.url)
    told.put(sample.add, 2, callback=receiver.url)

    work()

    kept = told.redis.get(keys.CALLBACK_SECRET).decode()
    for got in receiver.received:
        verify(got.body, got.headers, kept)
    assert len(receiver.received) == 2
