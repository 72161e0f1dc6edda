"""What a turn claims, and in which order."""

import time

from tests.worker import sample_tasks as sample
from tests.worker.turn.conftest import LEASE


def test_a_claim_records_all_that_tells_of_it(turns, line, redis_client):
    job = line.put(sample.add, 1)

    claim = turns().next(None, None, claim=True).claim

    assert claim.job_id == job.id
    assert claim.queue == "default"
    assert line.waiting() == []
    found = line.again(job)
    assert found.get_status() == "started"
    assert found.worker_name == "w"
    assert abs(found.started_at.timestamp() - time.time()) < 5
    [execution] = found.get_executions()
    assert (execution.id, execution.worker_name) == (claim.execution_id, "w")
    assert line.queue().started_job_registry.get_job_and_execution_ids() == [
        (job.id, claim.execution_id)
    ]
    expires = redis_client.zscore("rq:wip:default", f"{job.id}:{claim.execution_id}")
    assert 0 <= redis_client.time()[0] + LEASE - expires <= 2
    worker = redis_client.hgetall("rq:worker:w")
    assert (worker[b"state"], worker[b"current_job"]) == (b"busy", job.id.encode())


def test_where_nothing_is_to_be_claimed_nothing_is(turns, line):
    job = line.put(sample.add, 1)

    turn = turns().next(None, None, claim=False)

    assert turn.claim is None
    assert line.waiting() == [job.id]


def test_no_turn_passes_over_more_jobs_that_are_gone_than_redis_does_in_a_moment(
    turns, line, redis_client
):
    redis_client.rpush("rq:queue:high", *(f"gone-{number}" for number in range(1500)))
    job = line.put(sample.add, 1)
    turn = turns()

    first = turn.next(None, None, claim=True)

    assert (first.claim, first.is_unfinished) == (None, True)
    assert redis_client.llen("rq:queue:high") == 500
    second = turn.next(None, None, claim=True)
    assert (second.claim.job_id, second.is_unfinished) == (job.id, False)


def test_queues_are_looked_at_in_the_order_that_is_asked_for(turns, line):
    high, low = line.put(sample.add, 1, queue="high"), line.put(sample.add, 1, queue="low")
    turn = turns()

    assert turn.next(None, [2, 1, 0], claim=True).claim.job_id == low.id
    assert turn.next(None, None, claim=True).claim.job_id == high.id


def test_what_expires_is_bound_to_redis_own_clock(turns, line, redis_client, monkeypatch):
    job = line.put(sample.add, 1)
    monkeypatch.setattr(time, "time", lambda: 5.0)  # a machine whose clock is wrong

    claim = turns().next(None, None, claim=True).claim

    expires = redis_client.zscore("rq:wip:default", f"{job.id}:{claim.execution_id}")
    assert expires > redis_client.time()[0]
