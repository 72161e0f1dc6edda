"""The callback as a job beside the one that it tells of."""

from app.options import JobOptions
from app.queue import keys
from tests.worker import sample_tasks as sample


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
