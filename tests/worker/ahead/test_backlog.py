"""Workers that are killed at random while they claim ahead; a minute, so in a file of its own."""

import os
import random
import signal
import time
from collections import Counter

from app.local.sessions import process_state
from tests.worker import sample_tasks as sample
from tests.worker.processes import children, wait_until

JOBS = 6000


def test_horses_and_workers_that_are_killed_in_a_backlog_lose_nothing(start, line):
    """Each job runs at most once more than the kills that hit it explain."""
    rng = random.Random(int(os.environ.get("CHAOS_SEED", "7")))
    options = {"TASK_API_TAKEOVER_AFTER": "5", "TASK_API_LOG_LEVEL": "warning"}
    keys = {line.put(sample.count_run, line.url, f"k{n}").id: f"k{n}" for n in range(JOBS)}
    workers = [start(**options) for _ in range(2)]
    killed, claimed_ahead = [], 0
    while line.redis.llen("rq:queue:default") > JOBS / 10:
        until = time.monotonic() + rng.uniform(0.8, 1.2)
        while time.monotonic() < until:
            claimed_ahead += any(map(has_claimed_ahead, states(line)))
        worker = rng.choice(workers)
        if rng.random() < 0.3:
            worker.send(signal.SIGSTOP)  # so that it has the horse that we note
            wait_until(lambda worker=worker: process_state(worker.pid) == "T")
            killed += children(worker.pid)
            worker.send(signal.SIGKILL)
            worker.wait()
            workers[workers.index(worker)] = start(**options)
        else:
            for horse in children(worker.pid)[:1]:
                killed.append(horse)
                os.kill(horse, signal.SIGKILL)

    wait_until(lambda: line.redis.zcard("rq:finished:default") == JOBS)

    hits = Counter(
        key.decode() for horse in set(killed) if (key := line.redis.get(f"last:{horse}"))
    )
    runs = {key: line.redis.llen(f"runs:{key}") for key in keys.values()}
    assert {key: count for key, count in runs.items() if count > 1 + hits[key]} == {}
    assert line.redis.zcard("rq:wip:default") == 0
    assert killed
    assert claimed_ahead > 10  # else this has tested something else


def states(line):
    return [line.redis.hgetall(key) for key in line.redis.smembers("rq:workers")]


def has_claimed_ahead(state):
    return state.get(b"claimed", b"") not in {b"", state.get(b"current_job")}
