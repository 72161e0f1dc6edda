"""One event loop for all coroutines of a horse."""

import asyncio
import signal

import pytest

from app.worker.coroutines import Coroutines


class Interrupted(Exception):
    """What a signal raises."""


@pytest.fixture
def coroutines():
    coroutines = Coroutines()
    coroutines.run(asyncio.sleep(0))  # the first loop takes a while, under coverage
    yield coroutines
    coroutines.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def interrupt_soon():
    def interrupt(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.2)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


async def loop():
    return asyncio.get_running_loop()


def test_results_and_exceptions_come_through(coroutines):
    async def fail():
        raise ValueError("m")

    assert coroutines.run(asyncio.sleep(0, "slept")) == "slept"
    with pytest.raises(ValueError, match="m"):
        coroutines.run(fail())


def test_the_loop_lives_on(coroutines):
    assert coroutines.run(loop()) is coroutines.run(loop())


def test_an_interrupted_coroutine_is_cancelled_and_cleans_up(coroutines, interrupt_soon):
    cleaned = []

    async def sleep():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cleaned.append("cancelled")
            raise

    interrupt_soon()
    with pytest.raises(Interrupted):
        coroutines.run(sleep())

    assert cleaned == ["cancelled"]
    assert coroutines.run(asyncio.sleep(0, "goes on")) == "goes on"


def test_a_coroutine_that_will_not_be_cancelled_is_left_behind(
    coroutines, interrupt_soon, monkeypatch
):
    monkeypatch.setattr("app.worker.coroutines.CLEANUP", 0.1)
    left = []

    async def sleep_on():
        left.append(asyncio.current_task())
        for _ in range(3):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                continue

    interrupt_soon()
    with pytest.raises(Interrupted):
        coroutines.run(sleep_on())

    assert coroutines.run(asyncio.sleep(0, "goes on")) == "goes on"
    for _ in range(3):
        left[0].cancel()
        coroutines.run(asyncio.sleep(0.01))
    assert left[0].done()


def test_without_a_coroutine_there_is_no_loop_to_close():
    Coroutines().close()
