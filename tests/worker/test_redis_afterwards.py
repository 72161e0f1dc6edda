"""What Redis holds after both workers, compared key by key and field by field."""

import json
import re
from base64 import b64decode
from zlib import decompress

import pytest
import redis
from rq import Callback, Repeat
from rq import Retry as RetryOption
from rq.group import Group
from rq.queue import Queue

from app.queue import keys
from tests.worker import sample_tasks as sample
from tests.worker.processes import path_of

# Fields that ours leaves and RQ's does not, or the other way round, and why that is wanted.
WANTED = {
    ("rq:worker:", "execution"): "the id of the last call: by it the script knows one sent twice",
    ("rq:worker:", "tasks"): "what it has loaded, for the doctor",
    ("rq:job:", "result"): "RQ pickles a returned `Retry` into the job, which loads as no JSON",
}

VOLATILE = re.compile(
    r"^(created_at|enqueued_at|started_at|ended_at|last_heartbeat|birth|death|pid|ip_address"
    r"|total_working_time|execution_started_at|execution_ended_at|execution_id|execution)$"
)


def plain(line):
    line.call(sample.add, kwargs={"left": 1}, job_id="one")
    line.call(sample.nothing, job_id="two")
    line.call(sample.add_later, kwargs={"left": 1}, job_id="three")


def failing(line):
    line.call(sample.fail, kwargs={"message": "m"}, job_id="one")
    line.call(sample.add, kwargs={"left": "x"}, job_id="two")


def retried(line):
    options = {"kwargs": {"number": 2}, "retry": RetryOption(1, 0)}
    line.call(sample.succeed_at, job_id="one", **options)
    line.call(sample.fail, kwargs={"message": "m"}, retry=RetryOption(2, [0, 0]), job_id="two")


def retried_later(line):
    line.call(sample.fail, kwargs={"message": "m"}, retry=RetryOption(1, 600), job_id="one")


def retry_as_result(line):
    line.call(sample.ask_to_retry, kwargs={"most": 1}, job_id="one")
    line.call(sample.ask_without_end, job_id="two")
    line.call(sample.ask_to_retry, kwargs={"most": 1, "interval": 600}, job_id="three")


def kept(line):
    line.call(sample.add, kwargs={"left": 1}, job_id="one", result_ttl=-1)
    line.call(sample.add, kwargs={"left": 1}, job_id="two", result_ttl=0)
    line.call(sample.fail, kwargs={"message": "m"}, job_id="three", failure_ttl=-1)
    line.call(sample.fail, kwargs={"message": "m"}, job_id="four", failure_ttl=60)
    line.call(sample.add, kwargs={"left": 1}, job_id="five", ttl=100)


def called_back(line):
    hooks = {"on_success": Callback(sample.say_success), "on_failure": Callback(sample.say_failure)}
    line.call(sample.add, kwargs={"left": 1}, job_id="one", **hooks)
    line.call(sample.fail, kwargs={"message": "m"}, job_id="two", **hooks)


def dependent(line):
    line.call(sample.add, kwargs={"left": 1}, job_id="one")
    line.call(sample.add, kwargs={"left": 1}, job_id="two", depends_on="one", queue="high")
    line.call(sample.fail, kwargs={"message": "m"}, job_id="three", depends_on="two")
    line.call(sample.add, kwargs={"left": 1}, job_id="four", depends_on="three")


def dependent_registered_late(line):
    line.call(sample.enqueue_dependent, kwargs={"url": line.url}, job_id="one")


def grouped(line):
    group = Group.create(line.redis, "g")
    datas = [
        Queue.prepare_data(path_of(sample.add), kwargs={"left": 1}, job_id=f"{number}")
        for number in range(2)
    ]
    group.enqueue_many(line.queue(), datas)


def repeated(line):
    line.call(sample.add, kwargs={"left": 1}, job_id="one", repeat=Repeat(2, 0))
    line.call(sample.add, kwargs={"left": 1}, job_id="two", repeat=Repeat(1, 600))


def with_meta(line):
    line.call(sample.keep_meta, kwargs={"words": ["w"]}, job_id="one", meta={"before": 1})


def of_a_plain_client(line):
    line.call(sample.add, args=(1, 2), job_id="one", description="d")


SCENARIOS = [
    plain,
    failing,
    retried,
    retried_later,
    retry_as_result,
    kept,
    called_back,
    dependent,
    dependent_registered_late,
    grouped,
    repeated,
    with_meta,
    of_a_plain_client,
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_ours_leaves_what_rqs_leaves(work_stock, work_ours, line, scenario):
    left = {}
    for name, work in (("stock", work_stock), ("ours", work_ours)):
        line.redis.flushall()
        scenario(line)
        work()
        left[name] = everything(line.redis)
        # RQ's own class queues a dependent, and tells nobody; to those who watch it is made up for.
        ttl, events = left[name]["task-api:events"]
        left[name]["task-api:events"] = ttl, [each for each in events if not is_queueing(each)]
        left[name].pop(keys.SETTLING, None)  # how far a look is, for a minute

    assert differences(left["stock"], left["ours"]) == []


def differences(stock, ours):
    """List what differs beyond what is wanted."""
    found = []
    for key in sorted({*stock, *ours}):
        here, there = stock.get(key), ours.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            found += [
                f"{key}.{field}: {here.get(field)} / {there.get(field)}"
                for field in sorted({*here, *there})
                if here.get(field) != there.get(field) and not is_wanted(key, field)
            ]
        elif here != there:
            found.append(f"{key}: {here} / {there}")
    return found


def is_queueing(event):
    return event["status"] == b"queued"


def is_wanted(key, field):
    return any(key.startswith(prefix) and field == name for prefix, name in WANTED)


def everything(connection):
    """Give all that Redis holds, times and random ids put down to that they are there."""
    return {key.decode(): content(connection, key) for key in sorted(connection.keys())}


def content(connection: redis.Redis, key: bytes):
    ttl = connection.ttl(key)
    rounded = ttl if ttl < 0 else round(ttl, -1)
    match connection.type(key):
        case b"hash":
            fields = {name.decode(): value for name, value in connection.hgetall(key).items()}
            return {
                "(ttl)": None if key.startswith(b"rq:worker") else rounded,
                **{name: shown(name, value) for name, value in fields.items()},
            }
        case b"zset":
            now = connection.time()[0]
            return rounded, {
                member.decode(): round(score - now, -1) if 0 < score < 1e12 else score
                for member, score in connection.zrange(key, 0, -1, withscores=True)
            }
        case b"stream":
            entries = [
                {name.decode(): shown(name.decode(), value) for name, value in entry.items()}
                for _, entry in connection.xrange(key)
            ]
            return rounded, entries
        case b"list":
            return connection.lrange(key, 0, -1)
        case b"set":
            return sorted(connection.smembers(key))
        case b"string":
            return connection.get(key)


def shown(name: str, value: bytes):
    if VOLATILE.match(name):
        return bool(value)
    if name.startswith("attempt:"):
        kept = json.loads(value)
        return {**kept, "start": bool(kept["start"]), "end": bool(kept["end"])}
    if name in {"exc_string", "exc_info"}:  # the frames of whoever runs the task are no part of it
        text = decompress(b64decode(value) if name == "exc_string" else value).decode()
        return text.rpartition("\n  ")[2]
    return value
