"""An answer that is read later, while the job that was claimed before runs."""

from app.worker.aside import Aside
from app.worker.recovery import Recovery
from app.worker.turn import Ending
from tests.worker import sample_tasks as sample
from tests.worker.processes import wait_until
from tests.worker.turn.conftest import finish, send


def test_an_answer_may_be_read_later(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(3)]
    turn = turns()
    first = turn.next(None, None, claim=True).claim
    second = turn.read(send(turn, None, first)).claim

    call = send(turn, finish(first, redis_client), second)
    found = turn.read(call)

    assert found.ending is Ending.RECORDED
    assert (found.claim.job_id, found.claim.is_ahead) == (jobs[2].id, True)
    assert line.result(jobs[0]) == 42
    assert redis_client.hmget("rq:worker:w", "current_job", "claimed", "execution") == [
        each.encode() for each in (jobs[1].id, jobs[2].id, call.execution_id)
    ]


def test_a_later_answer_that_was_lost_claims_no_second_job_and_ends_none_twice(
    turns, line, redis_client
):
    jobs = [line.put(sample.add, number) for number in range(4)]
    turn = turns()
    first = turn.next(None, None, claim=True).claim
    second = turn.read(send(turn, None, first)).claim
    turn.answers.lose = 2

    found = turn.read(send(turn, finish(first, redis_client), second))

    assert found.ending is Ending.RECORDED
    assert found.claim.job_id == jobs[2].id
    assert line.waiting() == [jobs[3].id]
    assert len(line.kinds(jobs[0])) == 1
    assert redis_client.hget("rq:worker:w", "successful_job_count") == b"1"


def test_a_later_answer_that_was_lost_with_its_claim_claims_another_and_ends_none_twice(
    turns, line, redis_client
):
    jobs = [line.put(sample.add, number) for number in range(3)]
    turn = turns()
    first = turn.next(None, None, claim=True).claim
    second = turn.read(send(turn, None, first)).claim
    call = send(turn, finish(first, redis_client), second)
    wait_until(lambda: redis_client.hget("rq:worker:w", "execution") == call.execution_id.encode())
    assert Recovery(redis_client, ["default"], Aside()).put_back_claimed(
        "rq:worker:w", call=call.execution_id
    )
    turn.answers.lose = 1

    found = turn.read(call)

    assert found.ending is Ending.RECORDED
    assert found.claim.job_id == jobs[2].id
    assert redis_client.hget("rq:worker:w", "successful_job_count") == b"1"
    assert redis_client.zcard("rq:wip:default") == 2


def test_a_call_that_cannot_be_sent_is_answered_before_the_job_runs(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(2)]
    turn = turns()
    first = turn.next(None, None, claim=True).claim
    turn.answers.refuse = 1

    call = turn.prepare(None, None, claim=True, running=first)

    assert turn.send(call)  # it had to wait
    assert turn.read(call).claim.job_id == jobs[1].id


def test_the_script_is_loaded_again_for_a_later_answer(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(2)]
    turn = turns()
    first = turn.next(None, None, claim=True).claim
    redis_client.script_flush()

    assert turn.read(send(turn, None, first)).claim.job_id == jobs[1].id
