"""Jobs that ours does not run: of unknown functions, forged, or broken; none of them stops it."""

import pickle
import zlib

import pytest
from rq import Retry
from rq.exceptions import DeserializationError

from tests.worker import sample_tasks as sample


class Calls:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def test_rqs_worker_runs_any_function(work_stock, line):
    job = line.call("eval", args=("6*7",))

    work_stock()

    assert line.result(job) == 42


@pytest.mark.parametrize(
    "path", ["eval", "tests.worker.sample_tasks.no_task", "os.getcwd", "no.such.thing"]
)
def test_ours_refuses_what_is_no_registered_task(work_ours, line, path):
    job = line.call(path, args=("6*7",))
    after = line.put(sample.add, 1)

    work_ours()

    assert "UnregisteredTask" in line.error(job)
    assert path in line.error(job)
    assert line.result(after) == 2


def test_what_is_refused_is_not_tried_again(work_ours, line):
    job = line.call("eval", args=("6*7",), retry=Retry(3, 0))

    work_ours()

    assert "UnregisteredTask" in line.error(job)
    assert len(line.kinds(job)) == 1


def test_a_method_of_an_instance_is_refused(work_ours, line):
    queue = line.queue()
    queue.serializer = pickle  # RQ's own, as a plain client has it
    job = queue.enqueue_call([1, 2].copy)

    work_ours()

    assert "Traceback" in line.error(job)
    assert line.again(job).get_status() == "failed"


def test_a_forged_pickle_runs_nothing_and_fails_its_job_alone(work_ours, line, tmp_path):
    mark = tmp_path / "mark"
    job = line.put(sample.add, 1)
    line.redis.hset(f"rq:job:{job.id}", "data", zlib.compress(pickle.dumps(Calls(mark.touch))))
    after = line.put(sample.add, 2)

    work_ours()

    assert not mark.exists()
    assert DeserializationError.__name__ in line.error(job)
    assert line.result(after) == 3


def test_a_forged_meta_or_result_runs_nothing(work_ours, line, tmp_path):
    mark = tmp_path / "mark"
    job = line.call(sample.keep_meta, kwargs={"words": ["w"]})
    forged = pickle.dumps(Calls(mark.touch))
    line.redis.hset(f"rq:job:{job.id}", mapping={"meta": forged, "result": forged})

    work_ours()

    assert not mark.exists()


# Whatever else may stand in a job's record, and break RQ's own reading of it.
BROKEN = {
    "no data": {"data": None},
    "data that is no pickle": {"data": b"\x00"},
    "data of another shape": {"data": zlib.compress(pickle.dumps([1, 2, 3]))},
    "a timeout that is no number": {"timeout": "soon"},
    "a result_ttl that is no number": {"result_ttl": "long"},
    "a failure_ttl that is no number": {"failure_ttl": "long", "data": b"\x00"},
    "a time that is none": {"created_at": "yesterday", "success_callback_name": "x.y"},
    "retries that are no number": {"retries_left": "many", "data": b"\x00"},
    "intervals that are no list": {"retry_intervals": "}", "retries_left": "1", "data": b"\x00"},
    "bytes that are no text": {"description": b"\xff\xfe", "data": b"\x00"},
    "a callback that does not exist": {"success_callback_name": "no.such"},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_job_whose_record_is_broken_fails_alone(work_ours, line, what):
    job = line.put(sample.add, 1)
    for field, value in BROKEN[what].items():
        if value is None:
            line.redis.hdel(f"rq:job:{job.id}", field)
        else:
            line.redis.hset(f"rq:job:{job.id}", field, value)
    after = line.put(sample.add, 2)

    work_ours()

    assert line.redis.hget(f"rq:job:{job.id}", "status") == b"failed"
    assert line.redis.zscore("rq:failed:default", job.id)
    assert line.redis.xlen(f"rq:results:{job.id}") == 1
    assert line.redis.zcard("rq:wip:default") == 0
    assert line.result(after) == 3


def test_a_job_that_is_no_hash_is_passed_over(work_ours, line):
    line.redis.set("rq:job:odd", "text")
    line.redis.rpush("rq:queue:default", "odd")
    after = line.put(sample.add, 2)

    work_ours()

    assert line.result(after) == 3
