"""Suspended workers and paused queues."""

from app.queue import keys
from app.worker.turn import Ending
from tests.worker import sample_tasks as sample
from tests.worker.turn.conftest import finish


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
