"""The one round trip of a job: what it claims, what it ends, and what it does when sent twice."""

import time

import pytest
import redis
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError

from app.errors import BrokenScript
from app.queue import keys
from app.queue.connection import dedicated
from app.worker import hotline
from app.worker.aside import Aside
from app.worker.hotline import Hotline
from app.worker.job import TaskJob
from app.worker.recovery import Recovery
from app.worker.turn import Ending, Finish, Turns
from tests.worker import sample_tasks as sample
from tests.worker.processes import wait_until

LEASE = 9


class Answers:
    """A connection that may lose answers on their way back."""

    def __init__(self, connection):
        self.connection = connection
        self.lose = 0
        self.refuse = 0
        self.instead = None

    def send_packed_command(self, command):
        if self.refuse:
            self.refuse -= 1
            raise RedisAway("it was not sent")
        self.connection.send_packed_command(command)

    def read_response(self):
        answer = self.connection.read_response()
        if self.instead and isinstance(answer, list):
            action, self.instead = self.instead, None
            action()
        if self.lose:
            self.lose -= 1
            raise RedisAway("the answer was lost")
        return answer

    def disconnect(self):
        """Stay, for the next call."""


@pytest.fixture
def turns(redis_client):
    made = []

    def turns(queues=("high", "default", "low"), worker="w", patient=lambda *, with_result: True):
        answers = Answers(dedicated(redis_client))
        made.append(answers.connection)
        turn = Turns(Hotline(lambda: answers, patient), worker, list(queues), LEASE)
        turn.answers = answers
        return turn

    yield turns
    for connection in made:
        connection.disconnect()


def finish(claim, redis_client, value=42):
    job = TaskJob.lazily(claim.job_id, claim.fields, redis_client)
    return Finish(claim, job, value, 500, 0.1)


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


def test_where_nothing_is_to_be_claimed_nothing_is(turns, line):
    job = line.put(sample.add, 1)

    turn = turns().next(None, None, claim=False)

    assert turn.claim is None
    assert line.waiting() == [job.id]


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


def send(turn, ended, running):
    call = turn.prepare(ended, None, claim=True, running=running)
    turn.send(call)
    return call


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


def test_the_script_is_loaded_again_where_redis_has_forgotten_it(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(2)]
    turn = turns()
    turn.next(None, None, claim=True)
    redis_client.script_flush()

    assert turn.next(None, None, claim=True).claim.job_id == jobs[1].id


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


def test_a_suspended_worker_claims_nothing_and_still_ends_its_job(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(2)]
    turn = turns()
    claim = turn.next(None, None, claim=True).claim
    redis_client.set("rq:suspended", 1)

    suspended = turn.next(finish(claim, redis_client), None, claim=True)

    assert suspended.suspended
    assert suspended.ending is Ending.RECORDED
    assert line.result(jobs[0]) == 42
    assert line.waiting() == [jobs[1].id]
    assert redis_client.hget("rq:worker:w", "state") == b"suspended"


def test_a_paused_queue_is_passed_over_and_named_once_the_others_are_empty(
    turns, line, redis_client
):
    held = [line.put(sample.add, number, queue="high") for number in range(2)]
    job = line.put(sample.add, 1, queue="low")
    redis_client.sadd(keys.PAUSED, "high", "not-ours")
    turn = turns()

    claim = turn.next(None, None, claim=True).claim
    after = turn.next(finish(claim, redis_client), None, claim=True)

    assert claim.job_id == job.id
    assert after.ending is Ending.RECORDED
    assert (after.claim, after.paused, after.suspended) == (None, {"high"}, False)
    assert line.waiting("high") == [each.id for each in held]
    assert redis_client.hget("rq:worker:w", "state") == b"idle"


def test_a_resumed_queue_is_claimed_from_again_in_its_order(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(2)]
    redis_client.sadd(keys.PAUSED, "default")
    turn = turns()
    assert turn.next(None, None, claim=True).paused == {"default"}

    redis_client.srem(keys.PAUSED, "default")

    assert turn.next(None, None, claim=True).claim.job_id == jobs[0].id
    assert turn.next(None, None, claim=True).claim.job_id == jobs[1].id
    assert turn.next(None, None, claim=True).paused == frozenset()


def test_a_queue_of_others_that_is_paused_is_not_named(turns, redis_client):
    redis_client.sadd(keys.PAUSED, "high")

    assert turns(["default", "low"]).next(None, None, claim=True).paused == frozenset()


def test_where_all_is_suspended_that_is_what_a_worker_of_paused_queues_says(turns, redis_client):
    redis_client.sadd(keys.PAUSED, "high")
    redis_client.set("rq:suspended", 1)

    turn = turns().next(None, None, claim=True)

    assert (turn.suspended, turn.paused) == (True, frozenset())


def test_what_is_no_set_of_paused_queues_holds_nothing_up(turns, line, redis_client):
    redis_client.set(keys.PAUSED, "high")
    job = line.put(sample.add, 1, queue="high")

    assert turns().next(None, None, claim=True).claim.job_id == job.id


def test_where_nothing_is_paused_a_claim_asks_for_it_in_the_call_that_it_makes_anyway(
    turns, line, redis_client
):
    line.put(sample.add, 1)
    turn = turns()
    turn.next(None, None, claim=False)  # the script is loaded
    with redis_client.monitor() as monitor:
        turn.next(None, None, claim=True)
        redis_client.echo("that is all")
        asked = []
        while (command := monitor.next_command()["command"]) != "ECHO that is all":
            asked.append(command)

    assert [each for each in asked if "suspended" in each or "paused" in each] == [
        "EXISTS rq:suspended task-api:paused"
    ]


def test_what_expires_is_bound_to_redis_own_clock(turns, line, redis_client, monkeypatch):
    job = line.put(sample.add, 1)
    monkeypatch.setattr(time, "time", lambda: 5.0)  # a machine whose clock is wrong

    claim = turns().next(None, None, claim=True).claim

    expires = redis_client.zscore("rq:wip:default", f"{job.id}:{claim.execution_id}")
    assert expires > redis_client.time()[0]


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


def test_a_script_that_fails_on_what_redis_holds_is_given_up_for_a_named_error(
    turns, line, redis_client, monkeypatch
):
    monkeypatch.setattr(hotline, "AGAIN", 0.001)
    line.put(sample.add, 1)
    turn = turns()
    first = turn.next(None, None, claim=True).claim
    redis_client.delete("rq:finished:default")
    redis_client.set("rq:finished:default", "no sorted set")
    redis_client.delete("rq:wip:default")
    redis_client.set("rq:wip:default", "no sorted set")

    with pytest.raises(BrokenScript, match=r"fails on what Redis holds .*WRONGTYPE"):
        turn.next(finish(first, redis_client), None, claim=True)


def test_a_script_that_redis_cannot_run_for_the_moment_is_run_again(turns, monkeypatch):
    monkeypatch.setattr(hotline, "AGAIN", 0.001)
    turn = turns()
    refusals = iter(range(hotline.MOST_TRIES + 3))

    def refuse():
        if next(refusals, None) is not None:
            turn.answers.instead = refuse
            raise ResponseError("OOM command not allowed. script: a, on @user_script:1.")

    turn.answers.instead = refuse

    assert turn.next(None, None, claim=True).claim is None
    assert next(refusals, None) is None
