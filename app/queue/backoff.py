"""When retries come: exponential backoff with full jitter, worked out when the job is enqueued.

RQ keeps a list of intervals with each job, so a stock worker follows it. Full jitter draws each
delay evenly between nothing and the exponential bound, which spreads retries best (Marc Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from functools import lru_cache

from app.queue.chance import chance

LONGEST_BACKOFF = 3600  # seconds


def intervals(retries: int, first: float) -> list[int]:
    """Draw the delays before each retry, in whole seconds, for RQ's scheduler looks once a second.

    Args:
        retries: how many delays to draw.
        first: seconds, the bound of the first one; each further bound is twice the one before, up
            to an hour.
    """
    return [round(chance.random() * bound) for bound in _bounds(retries, first)]


@lru_cache(maxsize=1024)
def _bounds(retries: int, first: float) -> tuple[float, ...]:
    return tuple(min(LONGEST_BACKOFF, first * 2.0 ** min(n, 32)) for n in range(retries))
