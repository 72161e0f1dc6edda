"""A claim that is put back."""

from tests.worker import sample_tasks as sample
from tests.worker.turn.conftest import send


def test_a_claim_that_is_put_back_is_the_next_one_to_be_claimed(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(3)]
    turn = turns()
    first = turn.next(None, None, claim=True).claim
    ahead = turn.read(send(turn, None, first)).claim

    turn.put_back(ahead)
    turn.put_back(ahead)

    assert line.waiting() == [job.id for job in jobs[1:]]
    assert line.again(jobs[1]).get_status() == "queued"


def test_a_job_that_is_put_back_may_expire_again_as_rq_has_it(turns, line, redis_client):
    line.put(sample.add, 1)
    job = line.call(sample.add, kwargs={"left": 1}, ttl=300)
    turn = turns()
    first = turn.next(None, None, claim=True).claim
    ahead = turn.read(send(turn, None, first)).claim
    assert redis_client.ttl(f"rq:job:{job.id}") == -1

    turn.put_back(ahead)

    assert 290 < redis_client.ttl(f"rq:job:{job.id}") <= 300
