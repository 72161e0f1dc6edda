"""What tells a worker to end, and how soon."""

import os
import select
import signal
import time

import pytest

from app.worker import signals as signals_module
from app.worker.signals import Signals

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on only when it is told to."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(signals_module.time, "monotonic", lambda: Clock.now)
    return Clock


def tell(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_the_job_has_its_grace(clock, number):
    signals = Signals(grace=7)
    with signals.heard():
        assert not signals.must_end
        tell(number)

    assert signals.must_end
    assert not signals.is_out_of_time
    clock.now += 6.9
    assert not signals.is_out_of_time
    clock.now += 0.2
    assert signals.is_out_of_time


@pytest.mark.parametrize(("later", "at_once"), [(0.0, False), (0.9, False), (1.1, True)])
def test_told_again_it_ends_at_once_unless_that_was_one_and_the_same(clock, later, at_once):
    signals = Signals(grace=60)
    with signals.heard():
        tell(signal.SIGTERM)
        clock.now += later
        tell(signal.SIGTERM)

    assert signals.is_out_of_time is at_once


@pytest.mark.parametrize("number", HEARD)
def test_each_of_them_wakes_the_loop(number):
    with Signals(grace=7).heard() as wakeup:
        assert select.select([wakeup], [], [], 0)[0] == []
        tell(number)
        assert select.select([wakeup], [], [], 1)[0] == [wakeup]


def test_a_child_that_ends_tells_nobody_to_end():
    signals = Signals(grace=0)
    with signals.heard():
        tell(signal.SIGCHLD)
        time.sleep(0)  # so that the handler has run

    assert not signals.must_end
    assert not signals.is_out_of_time


def test_the_handlers_that_were_there_are_put_back():
    before = [signal.getsignal(number) for number in HEARD]

    with Signals(grace=7).heard():
        assert [signal.getsignal(number) for number in HEARD] != before

    assert [signal.getsignal(number) for number in HEARD] == before
