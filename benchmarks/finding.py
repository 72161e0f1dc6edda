"""What a question's answer is made of: ratios with their targets first, then a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

Sample = dict[str, float]
"""What one side measured in one round, by name: rate, p50, cpu, …"""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A comparison, or another number that has a target."""

    label: str
    value: float
    unit: str = "times"
    at_least: float | None = None
    at_most: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.at_least is None and self.at_most is None:
            return None
        low = self.at_least if self.at_least is not None else float("-inf")
        high = self.at_most if self.at_most is not None else float("inf")
        return low <= self.value <= high


@dataclass(frozen=True, slots=True)
class Finding:
    """A question's answer, ready to be shown."""

    name: str
    question: str
    ratios: list[Ratio]
    columns: tuple[str, ...]  # with their units
    rows: dict[str, tuple[float, ...]]  # by side
    notes: list[str] = field(default_factory=list)
    rounds: int = 1


@dataclass(frozen=True, slots=True)
class Rounds:
    """The samples of all sides, round by round."""

    samples: Mapping[str, Sequence[Sample]]

    @property
    def count(self) -> int:
        """How many rounds there were."""
        return len(next(iter(self.samples.values())))

    def median(self, side: str, name: str) -> float:
        """Give a side's median of one figure."""
        return median(sample[name] for sample in self.samples[side])

    def ratio(self, side: str, other: str, name: str) -> float:
        """Give the median of the ratios within each round.

        Both sides of a pair ran within seconds of each other, so what else the machine did weighs
        less on it than on the ratio of two medians.
        """
        pairs = zip(self.samples[side], self.samples[other], strict=True)
        return median(one[name] / two[name] for one, two in pairs)

    def rows(self, *names: str) -> dict[str, tuple[float, ...]]:
        """Give the medians of these figures, by side."""
        return {side: tuple(self.median(side, name) for name in names) for side in self.samples}


def alternate(sides: Mapping[str, Callable[[], Sample]], rounds: int) -> Rounds:
    """Let each side measure once in each round, every other round in the opposite order."""
    samples: dict[str, list[Sample]] = {side: [] for side in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(reversed(list(sides)))
        for side in order:
            samples[side].append(sides[side]())
    return Rounds(samples)
