"""Job ids: they sort by their time, no two are the same, and they know their own."""

import os
import random
import time
from itertools import pairwise
from uuid import UUID

from app.queue.job_id import new_job_id


def test_an_id_is_a_uuid_of_version_7_of_this_moment():
    before = time.time_ns() // 1_000_000
    made = UUID(new_job_id())
    after = time.time_ns() // 1_000_000

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= after


def test_ids_sort_by_their_time():
    made = []
    for _ in range(5):
        made.append(new_job_id())
        time.sleep(0.002)

    assert all(first < second for first, second in pairwise(made))


def test_no_two_ids_are_the_same():
    assert len({new_job_id() for _ in range(10_000)}) == 10_000


def test_two_processes_that_were_forked_make_different_ids():
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, new_job_id()[14:].encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read, 100).decode() != new_job_id()[14:]
    os.close(read)
    os.close(write)


def test_a_task_that_seeds_the_common_dice_makes_no_two_ids_the_same():
    made = []
    for _ in range(2):
        random.seed(1)
        made.append(new_job_id()[14:])

    assert made[0] != made[1]
