"""Callbacks over HTTP, sent by RQ's worker and by ours to a real receiver."""

import asyncio
import signal
import time
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from app.catalogue import load_catalogue
from app.options import JobOptions
from app.queue import keys
from app.queue.callbacks import Callbacks
from app.queue.connection import connect_async
from app.queue.control import Control
from app.queue.lookup import Lookup
from app.webhooks import new_secret, verify
from tests.callbacks.receiver import receiving
from tests.worker import sample_tasks as sample
from tests.worker.fixtures import Line
from tests.worker.processes import wait_until

SECRET = new_secret()


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def told(worker_settings, redis_client, monkeypatch):
    """The queues of a service whose callbacks may go to loopback."""
    monkeypatch.setenv("TASK_API_CALLBACK_ALLOW_INNER", "true")
    monkeypatch.setenv("TASK_API_CALLBACK_SECRETS", SECRET)
    changes = {"callback_allow_inner": True, "callback_secrets": (SecretStr(SECRET),)}
    return Line(redis_client, worker_settings.model_copy(update=changes))


@pytest.fixture
def ask(worker_settings):
    """Ask a part of the API, as in `ask(lambda api: api.callbacks.of(job_id))`."""

    class Api:
        def __init__(self, client):
            lookup = Lookup(client, load_catalogue(worker_settings), worker_settings)
            self.lookup = lookup
            self.callbacks = Callbacks(client)
            self.control = Control(client, lookup, worker_settings)

    def ask(question):
        async def answer():
            async with connect_async(worker_settings) as client:
                return await question(Api(client))

        return asyncio.run(answer())

    return ask


def callbacks_of(line, job):
    ids = (line.redis.hget(keys.job(job.id), "callbacks") or b"").decode().split()
    return [line.job(each) for each in ids]


def make_due(line, callback):
    """Let a callback's next try be due now."""
    line.make_due(callback)


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


def test_the_callback_comes_after_the_end_can_be_seen(told, receiver, work, ask):
    seen = []

    def look(handler):
        job_id = receiver.received[-1].message["data"]["id"]
        seen.append(told.job(job_id).get_status())
        handler.send_response(204)
        handler.end_headers()

    receiver.replies = [look]
    told.put(sample.add, 1, callback=receiver.url)
    told.put(sample.fail, "x", callback=receiver.url)

    work()

    assert sorted(seen) == ["failed", "finished"]


def test_a_callback_leaves_no_event_and_stands_in_no_index(told, receiver, work):
    job = told.put(sample.add, 1, callback=receiver.url)

    work()

    about = {entry[b"job"].decode() for _, entry in told.redis.xrange(keys.EVENTS)}
    assert about == {job.id}
    assert told.redis.zrange(keys.JOBS, 0, -1) == [job.id.encode()]


def test_a_plain_job_writes_nothing_of_callbacks(told):
    job = told.put(sample.add, 1)

    assert told.redis.hmget(keys.job(job.id), "callback", "callbacks") == [None, None]
    assert told.redis.exists(keys.dependents(job.id)) == 0


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


def test_what_is_not_taken_is_tried_again_by_the_schedule(told, receiver, work, ask):
    receiver.replies = [500, (302, {"Location": "/"}), 404, 200]
    job = told.put(sample.add, 1, callback=receiver.url)
    work()
    [callback] = callbacks_of(told, job)
    delays = callback.retry_intervals
    for expected in delays[:3]:
        [shown] = ask(lambda api: api.callbacks.of(job.id))
        assert shown.status == "scheduled"
        assert expected - 3 < (shown.next_try_at - datetime.now(UTC)).total_seconds() < expected + 3
        make_due(told, callback)
        work()

    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert [each.status for each in shown.tries] == [500, 302, 404, 200]
    assert [each.number for each in shown.tries] == [1, 2, 3, 4]
    assert all(each.seconds is not None and each.seconds < 5 for each in shown.tries)
    assert shown.tries[0].answer == "as you say"
    assert (shown.status, shown.next_try_at) == ("finished", None)
    assert shown.delivered_at == shown.tries[3].at
    bodies = {got.body for got in receiver.received}
    ids = {got.headers["webhook-id"] for got in receiver.received}
    assert (len(bodies), ids) == (1, {callback.id})
    for got in receiver.received:
        verify(got.body, got.headers, SECRET)


def test_410_stops_it_for_good(told, receiver, work, ask):
    receiver.replies = [410]
    job = told.put(sample.add, 1, callback=receiver.url)

    work()

    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert (shown.status, len(shown.tries), shown.next_try_at) == ("failed", 1, None)
    assert told.redis.zcard("rq:scheduled:default") == 0


@pytest.mark.parametrize(
    ("status", "header", "least", "most"),
    [
        (503, "90", 88, 93),
        (429, "600", 598, 603),
        (429, "999999999", 86_390, 86_410),
        (503, "0", 3, 7),  # never before the schedule's own time
        (500, "600", 3, 7),  # not one of those that have it
    ],
)
def test_retry_after_is_honoured_within_bounds(
    told, receiver, work, ask, status, header, least, most
):
    receiver.replies = [(status, {"Retry-After": header})]
    job = told.put(sample.add, 1, callback=receiver.url)

    work()

    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert least <= (shown.next_try_at - datetime.now(UTC)).total_seconds() <= most


def test_an_inner_address_is_refused_when_it_is_connected_to(
    told, receiver, work, ask, monkeypatch
):
    monkeypatch.delenv("TASK_API_CALLBACK_ALLOW_INNER")
    job = told.put(sample.add, 1, callback=receiver.url)

    work()

    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert receiver.received == []
    assert shown.tries[0].status is None
    assert "TASK_API_CALLBACK_ALLOW_INNER" in shown.tries[0].error


def test_a_message_is_sent_again_with_the_same_id_and_body(told, receiver, work, ask):
    job = told.put(sample.add, 1, callback=receiver.url)
    work()
    [shown] = ask(lambda api: api.callbacks.of(job.id))

    again = ask(lambda api: api.callbacks.send(job.id, shown.id))
    assert again.status == "queued"
    work()

    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == shown.id
    assert first.body == second.body
    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert [each.number for each in shown.tries] == [1, 2]


def test_one_that_waits_for_its_next_try_can_be_sent_at_once(told, receiver, work, ask):
    receiver.replies = [500, 200]
    job = told.put(sample.add, 1, callback=receiver.url)
    work()
    [shown] = ask(lambda api: api.callbacks.of(job.id))

    ask(lambda api: api.callbacks.send(job.id, shown.id))
    work()

    assert len(receiver.received) == 2
    assert told.redis.zcard("rq:scheduled:default") == 0


def test_a_manual_retry_that_ends_again_is_a_new_message(told, receiver, work, ask):
    job = told.put(sample.fail, "x", callback=receiver.url)
    work()

    ask(lambda api: api.control.retry(job.id))
    work()

    first, second = receiver.received
    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    shown = ask(lambda api: api.callbacks.of(job.id))
    assert [each.id for each in shown] == [
        first.headers["webhook-id"],
        second.headers["webhook-id"],
    ]


def test_an_end_is_told_although_the_job_was_retried_meanwhile(told, receiver, work, ask):
    job = told.put(sample.fail, "x", queue="low", callback=receiver.url)
    work(["low"], max_jobs=1)
    assert told.again(job).get_status() == "failed"
    ask(lambda api: api.control.retry(job.id))

    work()

    first, second = receiver.received
    assert first.message["type"] == second.message["type"] == "job.failed"
    assert first.message["data"]["error"]["message"] == "x"


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


def test_the_tasks_own_callback_is_used_unless_the_job_has_one(told, receiver, work, monkeypatch):
    options = sample.add.options.model_copy(update={"callback": f"{receiver.url}&of=task"})
    monkeypatch.setattr(sample.add, "options", options)
    told.put(sample.add, 1)
    told.put(sample.add, 1, callback=f"{receiver.url}&of=job")

    work()

    assert sorted(got.path for got in receiver.received) == [
        "/hook?who=me&of=job",
        "/hook?who=me&of=task",
    ]


def running(line, job):
    wait_until(lambda: line.again(job).get_status() == "started")
    time.sleep(0.2)  # a stock worker listens a moment after it has begun


@pytest.mark.parametrize("command", [(), ("-m", "rq.cli", "worker", "--quiet", "default")])
def test_a_stopped_job_is_told(told, receiver, start, ask, redis_url, tmp_path, command):
    arguments = (*command, "--url", redis_url) if command else ()
    start(*arguments, TASK_API_CALLBACK_ALLOW_INNER="true")
    job = told.put(sample.sleep, 30, callback=receiver.url)
    running(told, job)

    stopped = ask(lambda api: api.control.stop(job.id, "request nightly-42"))
    assert stopped.status == "stopped"

    [got] = receiver.wait_for(1)
    assert got.message["type"] == "job.stopped"
    assert got.message["data"]["error"]["type"] == "JobStopped"
    assert got.message["data"]["error"]["message"] == stopped.error.message
    assert stopped.error.message.endswith(" (request nightly-42)")


def test_a_delivery_whose_worker_is_killed_is_made_again_with_the_same_id(
    told, receiver, start, ask
):
    def hang(handler):
        time.sleep(5)

    receiver.replies = [hang, 204]
    job = told.put(sample.add, 1, callback=receiver.url)
    first = start(TASK_API_CALLBACK_ALLOW_INNER="true", TASK_API_TAKEOVER_AFTER="5")
    receiver.wait_for(1)
    first.send_group(signal.SIGKILL)
    start(TASK_API_CALLBACK_ALLOW_INNER="true", TASK_API_TAKEOVER_AFTER="5")

    lost, again = receiver.wait_for(2, seconds=40)

    assert lost.headers["webhook-id"] == again.headers["webhook-id"]
    assert lost.body == again.body
    wait_until(lambda: callbacks_of(told, job)[0].get_status() == "finished")
    [shown] = ask(lambda api: api.callbacks.of(job.id))
    assert [(each.status, each.seconds is None) for each in shown.tries] == [
        (None, True),
        (204, False),
    ]


def test_a_debounced_job_is_told_once_with_the_callback_it_had_last(told, receiver, work, ask):
    options = {"key": "k", "key_mode": "debounce", "delay": 60}
    job = told.put(sample.add, 1, callback=f"{receiver.url}&n=1", **options)
    told.put(sample.add, 2, callback=f"{receiver.url}&n=2", **options)
    assert told.redis.zcard("rq:deferred:default") == 1
    told.make_due(job)

    work()

    [got] = receiver.received
    assert got.path.endswith("&n=2")
    assert (got.message["data"]["id"], got.message["data"]["result"]) == (job.id, 3)
    assert told.redis.zcard("rq:deferred:default") == 0


def test_many_jobs_of_one_call_have_a_callback_each(told, receiver, work, worker_settings):
    jobs = told._enqueuer.enqueue_many(
        sample.add, [{"left": n, "right": 0} for n in range(3)], JobOptions(callback=receiver.url)
    )

    work()

    assert {got.message["data"]["id"] for got in receiver.received} == {job.id for job in jobs}


def test_nothing_is_left_for_ever(told, receiver, work):
    receiver.replies = [204, 410]
    told.put(sample.add, 1, callback=receiver.url)
    told.put(sample.fail, "x", callback=receiver.url)

    work()

    kept = [*told.redis.scan_iter("rq:job:*"), *told.redis.scan_iter("rq:results:*")]
    assert len(kept) == 8  # two jobs and two callbacks, each with what came of it
    assert [key for key in kept if told.redis.ttl(key) < 0] == []
    assert told.redis.zcard("rq:deferred:default") == 0


def test_the_plain_clients_dependents_run_beside_it(told, receiver, work):
    job = told.put(sample.add, 1, callback=receiver.url)
    after = told.call(sample.add, args=(1,), depends_on=told.job(job.id))

    work()

    assert len(receiver.received) == 1
    assert told.result(after) == 2


# The worker's log. A stock worker writes a traceback of its own besides.

ALLOWED = {"TASK_API_CALLBACK_ALLOW_INNER": "true", "TASK_API_CALLBACK_SECRETS": SECRET}


@pytest.fixture(params=["stock", "ours"])
def log_of_work(request, start, redis_url):
    """Run a worker of either kind as a process until the queues are empty; gives its log."""

    def log_of_work():
        if request.param == "ours":
            worker = start("--burst", **ALLOWED)
        else:
            worker = start("-m", "rq.cli", "worker", "-b", "--url", redis_url, "default", **ALLOWED)
        assert worker.wait() == 0
        assert "The above exception was the direct cause" not in worker.log
        assert "Traceback" not in worker.log or request.param == "stock"
        return [line for line in worker.log.splitlines() if "callback.not_taken" in line]

    return log_of_work


def test_a_try_that_is_not_taken_is_one_line_of_the_log(told, receiver, log_of_work):
    receiver.replies = [500, (503, {"Retry-After": "900"}), 410]
    job = told.put(sample.add, 1, callback=f"{receiver.url}&token=s3cret")
    [callback] = callbacks_of(told, job)
    lines = []
    for _ in receiver.replies:
        lines += log_of_work()
        if told.again(callback).get_status() == "scheduled":
            told.redis.zrem("rq:scheduled:default", callback.id)
            told.redis.hset(keys.job(callback.id), "status", "queued")
            told.redis.rpush("rq:queue:default", callback.id)

    said = [line.partition("callback.not_taken ")[2] for line in lines]
    head = f"id={callback.id} job={job.id} host=127.0.0.1"
    assert [each.partition(" reason=")[0] for each in said] == [
        f"{head} try=1 next={callback.retry_intervals[0]}s",
        f"{head} try=2 next=900s",
        f"{head} try=3 next=never",
    ]
    assert "it answered 500" in said[0]
    assert "503" in said[1]
    assert "410" in said[2]
    assert "s3cret" not in "".join(said)


def test_a_receiver_that_does_not_answer_is_one_line_of_the_log(told, receiver, log_of_work):
    def hang_up(handler):
        handler.wfile.write(b"\x1b[31mno\tHTTP\n")

    receiver.replies = [hang_up]
    told.put(sample.add, 1, callback=receiver.url)

    [line] = log_of_work()

    assert "127.0.0.1 did not answer the callback: " in line
    assert "\x1b" not in line
