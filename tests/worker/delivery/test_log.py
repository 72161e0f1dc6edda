"""A try that is not taken is a line of the worker's log; a stock worker adds a traceback."""

import pytest

from app.queue import keys
from tests.worker import sample_tasks as sample
from tests.worker.delivery.conftest import SECRET, callbacks_of

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
