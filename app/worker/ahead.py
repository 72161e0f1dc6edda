"""When a horse claims its next job while one still runs, and how that is undone.

Redis then works while the job runs, instead of after it. A job that is claimed ahead must not wait
behind a long one, though, and which jobs are long is known only afterwards. So:

- A horse claims ahead only while jobs come without a pause and are short.
- What was claimed ahead of a job that has taken more than `LATE` is not run but put back, to the
  front of its queue.
- Where a job runs for `HELD_UP` its supervisor puts back what was claimed ahead of it.

`LATE` is shorter than `HELD_UP`, and the supervisor looks at the clock before it looks at the
horse, the horse after it has noted that its job has ended. So whatever the supervisor may put back,
the horse does not run, however long either of them takes for its next step.
"""

import time
from collections.abc import Callable

from app.worker.recovery import Recovery
from app.worker.slot import Record

SHORT = 0.005  # seconds; what jobs may take on average
STEADY = 0.5  # seconds without a pause or a long job; the supervisor looks once in this time
LATE = 0.05  # seconds
HELD_UP = 0.1  # seconds

_WEIGHT = 1 / 16  # of the last job in the average


class Pace:
    """How the last jobs went."""

    def __init__(self) -> None:
        self._mean = 0.0
        self._steady_since = time.monotonic()

    def rested(self) -> None:
        """Note that there was no job for a moment."""
        self._steady_since = time.monotonic()

    def ended(self, begun: float, now: float) -> None:
        """Note that a job has run."""
        seconds = now - begun
        self._mean += (seconds - self._mean) * _WEIGHT
        if seconds > LATE:
            self._steady_since = now

    def is_brisk(self) -> bool:
        """Say whether the next job may be claimed while one runs."""
        return self._mean < SHORT and time.monotonic() - self._steady_since > STEADY


class HeldUp:
    """Puts back what was claimed ahead, where the job that runs takes long."""

    def __init__(
        self, worker_key: str, recovery: Recovery, look: Callable[[], tuple[str, Record]]
    ) -> None:
        self._worker_key = worker_key
        self._recovery = recovery
        self._look = look
        self._seen_to = ""  # the call whose claim was put back

    def put_back(self) -> float:
        """Do so where there is such a job; gives the seconds until the next look.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        now = time.monotonic()
        call, record = self._look()
        seconds = now - record.begun
        is_claimed = call not in {"", self._seen_to}
        # Where Redis does not know the call yet, the next look is in time.
        if (
            is_claimed
            and seconds > HELD_UP
            and self._recovery.put_back_claimed(self._worker_key, call=call)
        ):
            self._seen_to = call
        return HELD_UP if is_claimed or seconds < STEADY else STEADY
