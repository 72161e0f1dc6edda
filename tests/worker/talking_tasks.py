"""Tasks that print, log and say how far they are, for the tests of journals."""

import asyncio
import io
import logging
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from app.context import attempt, progress
from app.tasks import task

logger = logging.getLogger("talking")
apart = logging.getLogger("talking.apart")


@task
def talk() -> None:
    """Say something in each way."""
    logger.warning("logged %d", 1)
    print("printed")
    print("to", "err", file=sys.stderr)
    sys.stdout.buffer.write(b"bytes \xff\n")
    sys.stdout.writelines(["two\n", "lines\n"])


@task
def inform() -> None:
    """Log what is no warning, and what a library says of an address."""
    logger.info("informed")
    logger.debug("below the level")
    logging.getLogger("httpx").info("GET https://example.com/?token=secret")


@task
def be_silent() -> None:
    """Say nothing."""


@task(log=False)
def talk_unheard() -> None:
    """Say what is not kept."""
    print("printed")
    logger.warning("logged")
    progress(7)


@task
def log_oddly() -> None:
    """Log what is not plain."""
    apart.propagate = False
    apart.error("apart")
    logger.debug("below the level")
    apart.error("wrong %d arguments", "no number")
    try:
        int("cause")
    except ValueError:
        logger.exception("failed\nbadly \udcff")


@task
def print_oddly() -> None:
    """Print what is no plain line."""
    print("a", end="")
    print("b")
    print("dos", end="\r\n")
    print("10%", end="\r")
    print("20%", end="\r")
    print("30%")
    print("x" * 9000)
    print("\x00\x1b[31m")
    print("no end", end="")


@task
def print_lines(count: int, width: int = 0) -> None:
    """Print many lines at once."""
    print("\n".join(f"{number:0{width}d}" for number in range(count)))


@task
def print_hugely(megabytes: int) -> int:
    """Print far more than is kept; gives the bytes that the process has grown, beside the text."""
    target = sys.stdout._target if hasattr(sys.stdout, "_target") else sys.stdout
    assert target is not sys.stdout
    sys.stdout._target = io.StringIO()  # nothing is kept of it
    sys.stdout._target.write = len
    text = "y" * 999 + "\n"
    text *= megabytes * 1000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("the first line")
    for _ in range(10):
        sys.stdout.write(text)
    for _ in range(100_000):
        sys.stdout.write("without an end")
    print("\nthe last line")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout._target = target
    return grown * 1024


@task
def print_in_threads(count: int) -> None:
    """Print from threads at once, in pieces."""

    def run(number: int) -> None:
        for _ in range(20):
            print(f"thread {number}", end="")
            time.sleep(0.0001)
            print(" ends")
        progress(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@task
async def talk_later() -> None:
    """Say something on an event loop, and beside it."""
    print("before")
    await asyncio.sleep(0)
    await asyncio.to_thread(print, "in a thread")
    await asyncio.get_running_loop().run_in_executor(None, logger.warning, "in the executor")
    progress(60, "later")


@task
async def leave_a_coroutine() -> None:
    """Leave a coroutine behind, which speaks when another job runs."""

    async def speak() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        print("a ghost speaks")
        progress(99)

    leave_a_coroutine.ghost = asyncio.ensure_future(speak())
    print("alive")


@task
async def yield_often() -> None:
    """Let other coroutines run."""
    for _ in range(20):
        await asyncio.sleep(0.001)
    print("after the ghost")


@task
def replace_stdout() -> None:
    """Put another stream in the place of the standard one, and leave it there."""
    print("before")
    sys.stdout = io.StringIO()
    print("away")


@task
def report_often(seconds: float) -> int:
    """Say how far it is, as fast as possible; gives how often."""
    count = 0
    begun = time.monotonic()
    while (gone := time.monotonic() - begun) < seconds:
        progress(100 * gone / seconds, f"step {count}")
        count += 1
    progress(100, "done")
    return count


@task
def report_and_compute(path: str) -> None:
    """Say how far it is, and nothing more for long."""
    print("before it computes")
    progress(40, "resized")
    while not Path(path).exists():
        sum(range(1000))


@task(retries=1, backoff=0)
def report_and_fail_once() -> str:
    """Speak, and fail at the first attempt."""
    print(f"attempt {attempt()}")
    if attempt() == 1:
        progress(50, "half")
        raise ValueError("the first attempt fails")
    return "done"


@task
def speak_and_fail() -> None:
    """Speak, and fail."""
    progress(30, "so far")
    print("then it failed")
    raise ValueError("no")


@task
def speak_and_crash(path: str) -> None:
    """Speak, wait for a file, and be killed."""
    print("the last words")
    progress(10, "begun")
    while not Path(path).exists():
        time.sleep(0.01)
    print("never sent", end="")
    os.kill(os.getpid(), signal.SIGKILL)


@task
def fork() -> None:
    """Speak in a forked process as well."""
    print("in the parent")
    child = os.fork()
    if child == 0:
        print("in the child")
        progress(1)
        os._exit(0)
    os.waitpid(child, 0)


@task
def nest() -> int:
    """Call another task as a function."""
    print("around")
    talk()
    return 1


@task(retries=1, backoff=0)
def speak_at_first() -> None:
    """Speak in the first attempt alone, which fails."""
    if attempt() == 1:
        print("the only word")
        raise ValueError("the first attempt fails")
