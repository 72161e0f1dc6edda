"""When retries come."""

import os
import random
import statistics

import pytest

from app.queue.backoff import LONGEST_BACKOFF, intervals


def test_there_is_a_delay_for_each_retry():
    assert [len(intervals(retries, 2)) for retries in (0, 1, 5, 100)] == [0, 1, 5, 100]


def test_delays_are_whole_seconds_for_the_scheduler_looks_once_a_second():
    assert {type(delay) for delay in intervals(20, 0.7)} == {int}


@pytest.mark.parametrize("first", [0.5, 2, 60])
def test_each_delay_lies_between_nothing_and_a_bound_that_doubles_up_to_an_hour(first):
    for _ in range(200):
        for n, delay in enumerate(intervals(12, first)):
            assert 0 <= delay <= round(min(LONGEST_BACKOFF, first * 2**n))


def test_delays_are_spread_evenly_over_all_that_they_may_be():
    drawn = [intervals(4, 100)[3] for _ in range(4000)]  # up to 800 seconds

    assert statistics.mean(drawn) == pytest.approx(400, rel=0.05)
    assert statistics.quantiles(drawn, n=4) == pytest.approx([200, 400, 600], abs=40)
    assert (min(drawn), max(drawn)) == (pytest.approx(0, abs=5), pytest.approx(800, abs=5))


def test_two_jobs_do_not_retry_together():
    assert len({tuple(intervals(5, 60)) for _ in range(50)}) == 50


def test_a_task_that_seeds_the_common_dice_moves_no_retries_together():
    drawn = []
    for _ in range(2):
        random.seed(1)
        drawn.append(intervals(20, 600))

    assert drawn[0] != drawn[1]


def test_processes_that_were_forked_do_not_retry_together():
    read, write = os.pipe()
    for _ in range(2):
        if (child := os.fork()) == 0:
            os.write(write, f"{intervals(20, 600)};".encode())
            os._exit(0)
        os.waitpid(child, 0)
    first, second, _ = os.read(read, 10_000).decode().split(";")
    os.close(read)
    os.close(write)

    assert first != second


def test_a_hundred_retries_overflow_nothing_and_stay_within_the_hour():
    assert max(intervals(100, 10 * 365 * 86_400)) <= LONGEST_BACKOFF == 3600


def test_no_backoff_means_at_once():
    assert intervals(3, 0) == [0, 0, 0]
