"""The sweep of the indexes: what is gone goes, what is there stays, and nobody does it twice."""

import random

import pytest

from app.queue import keys
from app.queue.job_id import new_job_id
from app.queue.pruning import prune_call
from app.queue.scripts import script

STEP = 500  # ids of one index at a time, as the script has it


@pytest.fixture
def put(redis_client):
    """Write so many ids into the index of all jobs and into others; those of `live` have a job."""

    def put(count, live=lambda number: True, indexes=()):
        ids = [new_job_id() for _ in range(count)]
        with redis_client.pipeline(transaction=False) as pipeline:
            for number, job_id in enumerate(ids):
                for index in (keys.JOBS, *indexes):
                    pipeline.zadd(index, {job_id: 0})
                if live(number):
                    pipeline.hset(keys.job(job_id), mapping={"data": "x", "status": "queued"})
            for index in indexes:
                pipeline.zadd(keys.INDEXES, {index: 0}, nx=True)
            pipeline.execute()
        return ids

    return put


@pytest.fixture
def prune(redis_client):
    """Call the script; gives how many ids it looked at, how many it removed, and its wait."""
    run = redis_client.register_script(script("prune"))

    def prune(most=1000, tasks=()):
        looked, removed, wait = run(*prune_call(most, tasks))
        return looked, removed, float(wait)

    return prune


def make_due(redis_client):
    """Let the next step of every index be due now."""
    for index in redis_client.zrange(keys.INDEXES, 0, -1):
        redis_client.zadd(keys.INDEXES, {index: 0})


def left(redis_client, index=keys.JOBS):
    return [member.decode() for member in redis_client.zrange(index, 0, -1)]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_ids_whose_job_is_gone_are_removed_and_all_others_stay(share, put, prune, redis_client):
    dice = random.Random(2)
    gone = [dice.random() < share for _ in range(3000)]
    label = keys.jobs_with_label("a")
    ids = put(3000, lambda number: not gone[number], [keys.jobs_of_task("send"), label])
    live = [job_id for number, job_id in enumerate(ids) if not gone[number]]

    for _ in range(40):  # 9,000 ids, a thousand at a time
        make_due(redis_client)
        prune(tasks=["send"])

    for index in (keys.JOBS, keys.jobs_of_task("send"), label):
        assert left(redis_client, index) == live
    assert redis_client.dbsize() == len(live) + (3 + 2 if live else 0)


def test_an_index_that_is_empty_is_forgotten(put, prune, redis_client):
    put(3, lambda number: False, [keys.jobs_with_label("a")])

    _, removed, _ = prune()

    assert removed == 6
    assert redis_client.keys("*") == []
    assert prune() == (0, 0, 10)


def test_the_indexes_of_the_tasks_are_swept_from_then_on_whoever_named_them(
    put, prune, redis_client
):
    index = keys.jobs_of_task("send")
    put(2)
    redis_client.zadd(index, {new_job_id(): 0})

    prune(tasks=["send", "of-which-there-is-no-job"])

    assert redis_client.exists(index) == 0
    assert left(redis_client, keys.INDEXES) == [keys.JOBS]


def test_nothing_is_done_before_it_is_due(put, prune):
    put(10)

    looked, removed, wait = prune()

    assert (looked, removed) == (10, 0)
    assert 20 < wait <= 60
    assert prune()[:2] == (0, 0)


def test_one_call_looks_at_no_more_than_it_may(put, prune):
    put(5 * STEP, lambda number: False)

    assert [prune(most=STEP)[0] for _ in range(3)] == [STEP] * 3


def test_where_much_is_gone_the_next_step_follows_at_once(put, prune):
    put(10 * STEP, lambda number: number >= 5 * STEP)

    waits = [prune(most=STEP)[2] for _ in range(6)]

    assert waits[:5] == [0] * 5
    assert waits[5] > 1


def test_the_sweep_goes_on_where_another_caller_stopped(put, prune, redis_client):
    put(4 * STEP, lambda number: number % 3 > 0)  # too few to follow at once
    looked = []
    for _ in range(4):
        make_due(redis_client)
        looked.append(prune(most=STEP)[:2])

    assert [each for each, _ in looked] == [STEP] * 4
    assert sum(removed for _, removed in looked) == len(range(0, 4 * STEP, 3))


def test_a_period_that_found_much_is_followed_by_a_shorter_one_and_one_of_little_by_a_longer(
    put, prune, redis_client
):
    def period():
        return float(redis_client.hget(keys.PRUNING, keys.JOBS).split()[-2])

    def go_round():
        for _ in range(redis_client.zcard(keys.JOBS) // STEP + 1):
            make_due(redis_client)
            prune(most=STEP)

    found = []
    for _ in range(3):
        put(4 * STEP, lambda number: number % 20 == 0)
        go_round()
        found.append(period())
    assert found[0] > found[1] > found[2] >= 1
    for _ in range(20):
        go_round()
    assert period() >= 30


def test_a_hash_without_a_job_does_not_keep_its_id(put, prune, redis_client):
    [job_id] = put(1)
    redis_client.hdel(keys.job(job_id), "data")

    assert prune()[1] == 1


def test_whatever_else_stands_under_a_job_s_name_is_left_alone(put, prune, redis_client):
    [job_id] = put(1, lambda number: False)
    redis_client.set(keys.job(job_id), "no hash")

    assert prune()[:2] == (1, 0)
    assert left(redis_client) == [job_id]


def test_very_many_labels_are_swept_a_few_at_a_time(prune, redis_client):
    with redis_client.pipeline(transaction=False) as pipeline:
        for number in range(5000):
            index = keys.jobs_with_label(f"user-{number}")
            pipeline.zadd(index, {new_job_id(): 0})
            pipeline.zadd(keys.INDEXES, {index: 0})
        pipeline.execute()

    assert prune(most=1000)[:2] == (100, 100)
