"""A child process that does not outlive its parent, however that one ends."""

import ctypes
import os
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def lifeline(signal_number: int) -> Callable[[], None]:
    """Give what a child is to call right after the fork: it gets this signal when its parent ends.

    Call this before the fork, for after it only what takes no lock is safe. It works on Linux
    alone; elsewhere a process whose parent is killed has to find out by itself.
    """
    parent = os.getpid()
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal_number))
        if os.getppid() != parent:  # it ended between the fork and the line above
            os._exit(1)

    return tie
