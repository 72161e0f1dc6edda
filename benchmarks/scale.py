"""How long and how often is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """The size of a run. What is not named here is the same in every run."""

    rounds: int = 3
    seconds: float = 3.0  # of load, for each side in each round
    backlog: int = 1_000_000  # jobs waiting
    memory_jobs: int = 40_000
    waiters: int = 1_000  # callers at once
    idle_seconds: float = 15.0
    fsync: str = "everysec"  # Redis' appendfsync


QUICK = Scale(
    rounds=1, seconds=1.0, backlog=20_000, memory_jobs=5_000, waiters=100, idle_seconds=3.0
)
