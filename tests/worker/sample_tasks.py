"""The tasks, and the plain functions beside them, that the tests of the workers run."""

import asyncio
import contextlib
import ctypes
import itertools
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry, get_current_job
from rq.job import Job as RQJob

from app.context import RetryLater, attempt, job_id
from app.tasks import task


class Pair(BaseModel):
    """A nested argument."""

    left: int
    right: int


class NoCure(Exception):
    """What no further attempt can mend."""


@task
def add(left: int, right: int = 1) -> int:
    """Add two numbers."""
    return left + right


@task
def join(pair: Pair, *, word: str = "and") -> dict[str, Any]:
    """Give back a nested argument."""
    return {"text": f"{pair.left} {word} {pair.right}", "list": [1, 2.5, None, True]}


@task
def nothing() -> None:
    """Give no result."""


@task
def unfit() -> Any:
    """Give a result that JSON cannot hold."""
    return object()


@task
def fail(message: str) -> int:
    """Raise an exception."""
    raise ValueError(message)


@task
def fail_without_text() -> None:
    """Raise an exception whose message no encoding holds."""
    raise ValueError("\udcff")


@task
def close_everything() -> None:
    """Close what belongs to others."""
    os.closerange(3, 256)


@task
def leave(code: int) -> None:
    """End the interpreter as a script does."""
    sys.exit(code)


@task(give_up_on=(NoCure,))
def give_up() -> int:
    """Raise what is not tried again."""
    raise NoCure("there is none")


class Passing(Exception):
    """What a further attempt may mend."""


@task(retries=3, backoff=0, retry_on=(Passing,), give_up_on=(NoCure,))
def retry_some(kind: str) -> None:
    """Raise what is retried, what is given up on, or what nobody has named."""
    raise {"passing": Passing, "no cure": NoCure, "other": ValueError}[kind](kind)


@task(retries=3, backoff=0, retry_on=(Passing,))
async def retry_some_later(seconds: float) -> None:
    """Take too long on an event loop."""
    await asyncio.sleep(seconds)


@task
def later(seconds: float, most: int = 1, reason: str = "") -> int:
    """Ask to be run again after so many seconds, so often."""
    if attempt() <= most:
        raise RetryLater(seconds, reason)
    return attempt()


@task(give_up_on=(Exception,))
async def later_on_a_loop(seconds: float) -> int:
    """Do as `later` does on an event loop, and give up on all else."""
    await asyncio.sleep(0)
    if attempt() == 1:
        raise RetryLater(seconds)
    return attempt()


@task
def die_at(number: int) -> int:
    """Die in this attempt."""
    if attempt() == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt()


@task
def fail_at_length(characters: int) -> None:
    """Raise a long message that no encoding holds."""
    raise ValueError("\udcff" + "x" * characters)


@task
def succeed_at(number: int) -> int:
    """Fail until this attempt."""
    if attempt() < number:
        raise ValueError(f"attempt {attempt()} fails")
    return attempt()


@task
def ask_to_retry(most: int, interval: int = 0) -> Any:
    """Ask the queue for another attempt, by the result."""
    job = get_current_job()
    assert job is not None
    if (job.number_of_retries or 0) < most:
        return Retry(max=most, interval=interval)
    return "done"


@task
def ask_without_end() -> Any:
    """Ask for another attempt however many there were."""
    return Retry(max=2)


@task
async def add_later(left: int, right: int = 1) -> int:
    """Add two numbers on an event loop."""
    await asyncio.sleep(0)
    return left + right


@task
async def which_loop() -> int:
    """Say which event loop this is, and which process."""
    return id(asyncio.get_running_loop())


@task
async def fail_later() -> int:
    """Raise an exception on an event loop."""
    await asyncio.sleep(0)
    raise ValueError("later")


@task
async def sleep_later(seconds: float, path: str = "") -> str:
    """Sleep on an event loop; tells of its clean-up in a file."""
    try:
        await asyncio.sleep(seconds)
    finally:
        if path:
            Path(path).write_text("cleaned up")  # noqa: ASYNC240 - it is short
    return "slept"


@task
def sleep(seconds: float) -> str:
    """Sleep."""
    time.sleep(seconds)
    return "slept"


@task
def sleep_on(seconds: float) -> str:
    """Sleep, whatever is raised."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(end - time.monotonic())
        except Exception:  # noqa: BLE001 - that is what it is for
            continue
    return "slept on"


@task
def hold_interpreter(count: int) -> int:
    """Hold the interpreter, which so hears no signal."""
    return sum(itertools.repeat(0, count))


@task
def block_signals(seconds: float) -> None:
    """Sleep with every signal blocked that can be."""
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    time.sleep(seconds)


@task
def spoil_alarm() -> None:
    """Put another's handler for the time-out in the place of ours."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


@task
def say(word: str) -> None:
    """Print a word."""
    print(word)


@task
def note(path: str, word: str) -> str:
    """Write a word behind what a file holds."""
    with Path(path).open("a") as file:
        file.write(f"{word}\n")
    return word


@task
def wait_for(path: str, beside: str = "") -> str:
    """Run until there is a file; says by another that it has begun."""
    with Path(beside or f"{path}.begun").open("a") as file:
        file.write(f"{os.getpid()}\n")
    while not Path(path).exists():
        time.sleep(0.01)
    return "seen"


@task
def wait_for_and_fail(path: str) -> str:
    """Do as `wait_for` does, and fail."""
    raise ValueError(wait_for.function(path))


@task
def now() -> float:
    """Tell the time."""
    return time.time()


@task
def which_process() -> int:
    """Say which process this is."""
    return os.getpid()


@task(isolated=True)
def which_process_alone() -> int:
    """Say which process this is, which has it alone."""
    return os.getpid()


@task(isolated=True)
def wait_alone(path: str) -> str:
    """Do as `wait_for` does, in a process of its own."""
    return wait_for.function(path)


@task(isolated=True)
def die_alone(number: int) -> None:
    """Die by a signal, in a process of its own."""
    os.kill(os.getpid(), number)


@task
def grow(mebibytes: int) -> int:
    """Leave memory behind."""
    _LEFT.append(bytearray(mebibytes * 1_048_576))
    return os.getpid()


_LEFT: list[bytearray] = []


@task
def die(number: int) -> None:
    """Die by a signal."""
    os.kill(os.getpid(), number)


@task
def segfault() -> None:
    """Read where there is nothing."""
    ctypes.string_at(0)


@task
def exit_hard(code: int) -> None:
    """End the process under the worker."""
    os._exit(code)


@task
def take_all_memory() -> int:
    """Ask for more memory than there is."""
    return len(bytearray(1 << 60))


@task
def fork_and_come_back(path: str) -> int:
    """Fork, and let the child come back from the task."""
    pid = os.fork()
    if pid == 0:
        Path(path).write_text(str(os.getpid()))
        return 0
    return os.waitpid(pid, 0)[1]


@task
def keep_meta(words: list[str]) -> list[str]:
    """Keep what it is told in the job's meta."""
    job = get_current_job()
    assert job is not None
    job.meta["words"] = words
    job.save_meta()
    return words


@task
def about_itself() -> list[Any]:
    """Tell what it knows of its job."""
    job = get_current_job()
    assert job is not None
    return [job_id(), attempt(), job.id, job.origin, job.get_status().value, job.kwargs]


class Runs:
    """Where a task counts its runs: in a Redis that no test's kill reaches."""

    def __init__(self, url: str, key: str) -> None:
        self._redis = Redis.from_url(url)
        self._key = key

    def begin(self, fails: int) -> None:
        """Note that a run begins; the first ones are to fail."""
        with self._redis.pipeline() as pipeline:  # whole or not at all: we may be killed in it
            pipeline.rpush(f"runs:{self._key}", os.getpid())
            pipeline.set(f"last:{os.getpid()}", self._key)
            begun, _ = pipeline.execute()
        if begun <= fails:
            raise ValueError(f"run {begun} fails")

    def end(self) -> None:
        """Note that a run has come to its end."""
        self._redis.incr(f"ended:{self._key}")
        self._redis.close()


@task(retries=30, backoff=0.5)
def count_run(url: str, key: str, seconds: float = 0.0, fails: int = 0) -> str:
    """Count a run, and take a while."""
    runs = Runs(url, key)
    runs.begin(fails)
    time.sleep(seconds)
    runs.end()
    return key


@task(retries=30, backoff=0.5)
async def count_run_later(url: str, key: str, seconds: float = 0.0, fails: int = 0) -> str:
    """Do as `count_run` does on an event loop."""
    runs = Runs(url, key)
    runs.begin(fails)
    await asyncio.sleep(seconds)
    runs.end()
    return key


@task(retries=30, backoff=0.5, isolated=True)
def count_run_alone(url: str, key: str, seconds: float = 0.0, fails: int = 0) -> str:
    """Do as `count_run` does in a process of its own."""
    return count_run.function(url, key, seconds, fails)


@task
def enqueue_dependent(url: str) -> str:
    """Enqueue a job that waits for this one."""
    job = get_current_job()
    assert job is not None
    with Redis.from_url(url) as connection:
        queue = Queue("default", connection=connection)
        queue.enqueue_call(
            "tests.worker.sample_tasks.add", kwargs={"left": 1}, depends_on=job.id, job_id="child"
        )
    return "child"


# No tasks: what RQ calls beside a job, and what a plain RQ client may name.


def say_success(job: RQJob, connection: Redis, result: Any, *_: Any) -> None:
    """Tell of a success."""
    connection.rpush("said", f"success {job.id} {result}")


def say_success_if_it_can(job: RQJob, connection: Redis, result: Any, *_: Any) -> None:
    """Tell of a success, and let Redis be away: a callback that raises fails its job."""
    with contextlib.suppress(RedisError):
        say_success(job, connection, result)


def say_failure(job: RQJob, connection: Redis, kind: type, value: Any, traceback: Any) -> None:
    """Tell of a failure."""
    connection.rpush("said", f"failure {job.id} {kind.__name__}")


def say_stopped(job: RQJob, connection: Redis) -> None:
    """Tell of a stop."""
    connection.rpush("said", f"stopped {job.id}")


def raise_in_callback(*_: Any) -> None:
    """Raise in a callback."""
    raise RuntimeError("the callback fails")


def sleep_in_callback(job: RQJob, connection: Redis, *_: Any) -> None:
    """Take longer in a callback than the job may."""
    time.sleep(1.2)
    connection.rpush("said", f"slept {job.id}")


def crash_in_callback(*_: Any) -> None:
    """Die in a callback."""
    os.kill(os.getpid(), signal.SIGKILL)


def no_task(number: int) -> int:
    """Be a function that is no task."""
    return number
