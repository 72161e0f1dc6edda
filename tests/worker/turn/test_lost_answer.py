"""A call that is sent again claims no second job and ends none twice."""

import pytest
from redis.exceptions import ConnectionError as RedisAway

from app.worker.turn import Ending
from tests.worker import sample_tasks as sample
from tests.worker.turn.conftest import finish


def test_a_call_whose_answer_was_lost_claims_no_second_job(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(3)]
    turn = turns()
    first = turn.next(None, None, claim=True).claim
    turn.answers.lose = 2

    second = turn.next(finish(first, redis_client), None, claim=True)

    assert second.ending is Ending.RECORDED
    assert second.claim.job_id == jobs[1].id
    assert line.waiting() == [jobs[2].id]
    assert line.result(jobs[0]) == 42
    assert len(line.kinds(jobs[0])) == 1
    assert redis_client.hget("rq:worker:w", "successful_job_count") == b"1"


def test_a_call_whose_answer_was_lost_ends_no_job_twice(turns, line, redis_client):
    job = line.put(sample.add, 1)
    turn = turns()
    claim = turn.next(None, None, claim=True).claim
    turn.answers.lose = 1

    last = turn.next(finish(claim, redis_client), None, claim=True)

    assert last.ending is Ending.RECORDED
    assert last.claim is None
    assert len(line.kinds(job)) == 1
    assert redis_client.hget("rq:worker:w", "successful_job_count") == b"1"


def test_a_claim_that_was_taken_over_meanwhile_is_not_given_again(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(2)]
    turn = turns()

    def take_over():
        [entry] = redis_client.zrange("rq:wip:default", 0, -1)
        redis_client.zrem("rq:wip:default", entry)
        raise RedisAway("the answer was lost, and much time with it")

    turn.answers.instead = take_over

    assert turn.next(None, None, claim=True).claim.job_id == jobs[1].id


def test_who_is_not_patient_hears_that_redis_is_away(turns, line):
    line.put(sample.add, 1)
    turn = turns(patient=lambda *, with_result: with_result)
    turn.answers.lose = 1

    with pytest.raises(RedisAway):
        turn.next(None, None, claim=True)
