"""The job that a turn ends."""

import redis

from app.worker.turn import Ending
from tests.worker import sample_tasks as sample
from tests.worker.turn.conftest import finish


def test_a_turn_ends_one_job_and_claims_the_next(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(2)]
    turn = turns()
    first = turn.next(None, None, claim=True).claim

    second = turn.next(finish(first, redis_client), None, claim=True)

    assert second.ending is Ending.RECORDED
    assert second.claim.job_id == jobs[1].id
    assert line.result(jobs[0]) == 42
    assert redis_client.zrange("rq:wip:default", 0, -1) == [
        f"{jobs[1].id}:{second.claim.execution_id}".encode()
    ]


def test_a_job_that_was_taken_over_is_not_ended_by_who_had_it(turns, line, redis_client):
    job = line.put(sample.add, 1)
    turn = turns()
    claim = turn.next(None, None, claim=True).claim
    redis_client.zrem("rq:wip:default", f"{job.id}:{claim.execution_id}")
    line.redis.rpush("rq:queue:default", job.id)
    other = turns(worker="other").next(None, None, claim=True).claim

    ended = turn.next(finish(claim, redis_client), None, claim=True)

    assert ended.ending is Ending.TAKEN_OVER
    found = line.again(job)
    assert (found.get_status(), found.worker_name) == ("started", "other")
    assert [each.id for each in found.get_executions()] == [other.execution_id]
    assert line.kinds(job) == []


def test_a_job_with_dependents_is_left_to_rqs_own_way(turns, line, redis_client):
    job, after = line.put(sample.add, 1), line.put(sample.add, 2)
    turn = turns()
    claim = turn.next(None, None, claim=True).claim
    line.call(sample.add, kwargs={"left": 1}, depends_on=job)

    ended = turn.next(finish(claim, redis_client), None, claim=True)

    assert ended.ending is Ending.HAS_DEPENDENTS
    assert ended.claim is None
    assert line.waiting() == [after.id]
    assert line.again(job).get_status() == "started"


def test_a_job_that_was_deleted_while_it_ran_is_not_written_anew(turns, line, redis_client):
    job = line.put(sample.add, 1)
    turn = turns()
    claim = turn.next(None, None, claim=True).claim
    line.again(job).delete()

    turn.next(finish(claim, redis_client), None, claim=True)

    assert redis_client.keys(f"*{job.id}*") == []


def test_a_job_is_never_in_none_of_its_places(turns, line, redis_client):
    """A look between any two commands of others finds each job waiting, started or ended."""
    jobs = {line.put(sample.add, number).id for number in range(30)}
    turn, ended = turns(), None
    with redis.Redis.from_url(line.url) as other:
        for _ in range(31):
            claim = turn.next(ended, None, claim=True).claim
            ended = claim and finish(claim, redis_client)
            with other.pipeline() as look:
                look.lrange("rq:queue:default", 0, -1)
                look.zrange("rq:wip:default", 0, -1)
                look.zrange("rq:finished:default", 0, -1)
                waiting, started, done = look.execute()
            seen = [*waiting, *(each.partition(b":")[0] for each in started), *done]
            assert sorted(each.decode() for each in seen) == sorted(jobs)
