"""The script that Redis has forgotten, or cannot run."""

import pytest
from redis.exceptions import ResponseError

from app.errors import BrokenScript
from app.worker import hotline
from tests.worker import sample_tasks as sample
from tests.worker.turn.conftest import finish


def test_the_script_is_loaded_again_where_redis_has_forgotten_it(turns, line, redis_client):
    jobs = [line.put(sample.add, number) for number in range(2)]
    turn = turns()
    turn.next(None, None, claim=True)
    redis_client.script_flush()

    assert turn.next(None, None, claim=True).claim.job_id == jobs[1].id


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
