"""A message that is sent again, and one that is new."""

from tests.worker import sample_tasks as sample


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
