"""Why a job waits whose parents have ended, as a stock worker's parent process leaves it."""

import pytest
from rq import SimpleWorker

from app.options import JobOptions
from app.queue import keys
from tests.queue import tasks_for_tests as mine

STARTED_BY_HAND = "start a worker with `python worker.py default`, which does."


@pytest.fixture
def stop(redis_client):
    """Record that a job was stopped, as RQ's own code does."""

    def stop(job):
        redis_client.lrem(keys.queue(job.queue), 1, job.id)
        worker = SimpleWorker([job.queue], connection=redis_client)
        stored = worker.job_class.fetch(job.id, redis_client)
        worker._stopped_job_id = job.id
        worker.handle_job_failure(stored, worker.queues[0])

    return stop


@pytest.fixture
def ours(hire, redis_client):
    """Register a worker of ours, which tells its tasks."""

    def ours(*queues):
        redis_client.hset(hire("-".join(queues), *queues).key, "tasks", "{}")

    return ours


def test_one_that_is_to_be_canceled_says_by_whom(explain, enqueue, stop, hire, ours):
    parent = enqueue(mine.send, to="ada")
    job = enqueue(mine.send, JobOptions(after=(parent.id,)), to="b")
    stop(parent)
    hire("stock", "default")
    ours("high")

    why = f"Job {parent.id}, which it was to run after, was stopped (after_failure=cancel); "
    stays = f"RQ's own workers do not cancel this one for that: {STARTED_BY_HAND}"
    assert explain(job.id).summary == why + stays
    ours("default")
    assert explain(job.id).summary == f"{why}a worker cancels this one for that within seconds."


def test_one_that_is_to_be_queued_says_by_whom(explain, enqueue, stop, ours):
    parent = enqueue(mine.send, to="ada")
    job = enqueue(mine.send, JobOptions(after=(parent.id,), after_failure="run"), to="b")
    stop(parent)

    why = "The jobs that it waited for have ended; "
    stays = f"RQ's own workers do not queue this one for that: {STARTED_BY_HAND}"
    assert explain(job.id).summary == why + stays
    ours("default")
    assert explain(job.id).summary == f"{why}a worker queues this one for that within seconds."


@pytest.mark.parametrize(("chosen", "action"), [("cancel", "cancels"), ("run", "queues")])
def test_a_parent_that_is_gone_is_said_so(explain, enqueue, ours, redis_client, chosen, action):
    parent = enqueue(mine.send, to="ada")
    job = enqueue(mine.send, JobOptions(after=(parent.id,), after_failure=chosen), to="b")
    redis_client.delete(keys.job(parent.id))
    ours("default")

    found = explain(job.id)

    assert found.summary.endswith(f"; a worker {action} this one for that within seconds.")
    assert ("was deleted or has expired" in found.summary) == (chosen == "cancel")


def test_one_that_is_gone_decides_nothing_while_another_is_waited_for(
    explain, enqueue, redis_client
):
    gone, live = enqueue(mine.send, to="ada"), enqueue(mine.send, to="b")
    job = enqueue(mine.send, JobOptions(after=(gone.id, live.id)), to="c")
    redis_client.delete(keys.job(gone.id))

    found = explain(job.id)

    assert found.summary == (
        f"It waits for job {live.id}, which is queued, and is canceled should that one not finish."
    )
    assert {each.id: each.status for each in found.waits_for} == {gone.id: None, live.id: "queued"}


def test_one_that_has_finished_and_expired_is_waited_for_no_more(explain, enqueue, redis_client):
    done, live = enqueue(mine.send, to="ada"), enqueue(mine.send, to="b")
    job = enqueue(mine.send, JobOptions(after=(done.id, live.id)), to="c")
    redis_client.srem(keys.dependencies(job.id), done.id)  # as its end does
    redis_client.delete(keys.job(done.id))

    assert [each.id for each in explain(job.id).waits_for] == [live.id]


def test_what_is_no_set_of_parents_is_none(explain, enqueue, redis_client):
    parent = enqueue(mine.send, to="ada")
    job = enqueue(mine.send, JobOptions(after=(parent.id,)), to="b")
    redis_client.delete(keys.dependencies(job.id))
    redis_client.set(keys.dependencies(job.id), "odd")

    assert explain(job.id).waits_for == []
