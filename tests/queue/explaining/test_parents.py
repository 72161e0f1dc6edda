"""What a job says of the jobs that it waits for."""

import pytest
from rq.job import Dependency

from app.options import JobOptions
from app.queue import keys
from tests.queue import tasks_for_tests as mine
from tests.queue.conftest import work
from tests.queue.explaining.conftest import TASKS


def test_a_deferred_job_names_the_one_that_it_waits_for(explain, enqueue, stock):
    parent = enqueue(mine.send, to="ada")
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=parent.id)

    found = explain(job.id)

    assert found.status == "deferred"
    assert [(each.id, each.status) for each in found.waits_for] == [(parent.id, "queued")]
    assert found.summary == f"It waits for job {parent.id}, which is queued."


@pytest.mark.parametrize(
    ("chosen", "said"),
    [("cancel", "and is canceled should that one not finish"), ("run", "and runs however that")],
)
def test_a_job_that_runs_after_another_says_what_follows_from_its_end(
    explain, enqueue, chosen, said
):
    parent = enqueue(mine.send, to="ada")
    job = enqueue(mine.send, JobOptions(after=(parent.id,), after_failure=chosen), to="b")

    found = explain(job.id)

    assert (found.status, found.after_failure) == ("deferred", chosen)
    assert found.summary.startswith(f"It waits for job {parent.id}, which is queued, {said}")


@pytest.mark.usefixtures("signals")
def test_a_job_that_was_canceled_for_anothers_sake_names_that_one(explain, enqueue, redis_client):
    parent = enqueue(mine.hopeless)
    job = enqueue(mine.send, JobOptions(after=(parent.id,)), to="b")
    work(redis_client)

    found = explain(job.id)

    assert found.status == "canceled"
    assert found.canceled_because.startswith(f"job {parent.id}, which it ")
    assert found.canceled_because.endswith(" failed (after_failure=cancel)")
    assert found.summary.endswith(f"; {found.canceled_because}.")


@pytest.mark.usefixtures("signals")
def test_of_several_parents_the_one_that_ended_badly_is_named(
    explain, enqueue, stock, redis_client
):
    done, bad = enqueue(mine.send, to="ada"), enqueue(mine.hopeless)
    parents = [done.id, bad.id]
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=parents)
    work(redis_client)
    waiting = enqueue(mine.send, JobOptions(delay=90), to="ada")
    other = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=[waiting.id, bad.id])

    assert [each.id for each in explain(job.id).waits_for] == [bad.id]
    assert explain(job.id).summary == (
        f"It waits for job {bad.id}, which is failed, so it runs only if that one is retried and "
        "finishes."
    )
    assert explain(other.id).summary == (
        f"It waits for job {bad.id}, which is failed, so it runs only if that one is retried and "
        "finishes; it waits for 1 more job."
    )


def test_a_parent_that_is_gone_leaves_nobody_to_queue_its_child(
    explain, enqueue, stock, redis_client
):
    parent = enqueue(mine.send, to="ada")
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=parent.id)
    redis_client.delete(keys.job(parent.id))

    found = explain(job.id)

    assert [(each.id, each.status) for each in found.waits_for] == [(parent.id, None)]
    assert found.summary == (
        f"It waits for job {parent.id}, which was deleted or has expired, so nothing will queue "
        "this one."
    )


@pytest.mark.usefixtures("signals")
def test_a_failed_parent_does_not_hold_a_job_that_allows_it(explain, enqueue, stock, redis_client):
    bad, waiting = enqueue(mine.hopeless), enqueue(mine.send, JobOptions(delay=90), to="ada")
    either_way = Dependency([bad.id, waiting.id], allow_failure=True)
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=either_way)
    work(redis_client)

    assert [each.id for each in explain(job.id).waits_for] == [waiting.id]


def test_parents_that_nobody_can_read_are_none(explain, enqueue, stock, redis_client):
    parent = enqueue(mine.send, to="ada")
    job = stock.enqueue_call(f"{TASKS}.send", kwargs={"to": "b"}, depends_on=parent.id)
    redis_client.hset(keys.job(job.id), "dependency_ids", "{")

    found = explain(job.id)

    assert found.waits_for == []
    assert found.summary.startswith("The jobs that it waited for have ended well")
