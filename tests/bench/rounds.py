"""Comparing what drifts: contestants take turns, and what counts is the median of the rounds' own ratios."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The same thing, measured once a round."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    @property
    def lowest(self) -> float:
        """The best or worst round."""
        return min(self.values)

    @property
    def highest(self) -> float:
        """The worst or best round."""
        return max(self.values)

    @property
    def count(self) -> int:
        """How many rounds there were."""
        return len(self.values)

    def over(self, floor: "Spread") -> "Spread":
        """Return how many times the floor it was, round by round."""
        return Spread([value / other for value, other in zip(self.values, floor.values, strict=True)])

    def times(self, factor: float) -> "Spread":
        """Return it in another unit."""
        return Spread([value * factor for value in self.values])


@dataclass(slots=True)
class Rounds:
    """What came of several contestants, each measured once in every round."""

    found: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def of(self, name: str) -> Spread:
        """Return one figure's rounds."""
        return Spread(self.found[name])

    def forget_first(self) -> None:
        """Leave out the round in which everything was done for the first time."""
        for values in self.found.values():
            del values[0]

    def add(self, **figures: float) -> None:
        """Note figures of this round."""
        for name, value in figures.items():
            self.found[name].append(value)


def alternated(count: int, contestants: Mapping[str, Iterator[float]], *, seed: int = 1) -> Mapping[str, list[float]]:
    """Take *count* figures from each contestant, one at a time, in an order that changes."""
    chance, found = random.Random(seed), {name: list[float]() for name in contestants}
    order = list(contestants)
    for _ in range(count):
        chance.shuffle(order)
        for name in order:
            found[name].append(next(contestants[name]))
    return found


def taken_in_turns(count: int, contestants: Mapping[str, Callable[[], float]], *, seed: int = 1) -> Rounds:
    """Measure every contestant once a round, in an order that changes, after a round that does not count."""
    chance, rounds, order = random.Random(seed), Rounds(), list(contestants)
    for _ in range(count + 1):
        chance.shuffle(order)
        for name in order:
            rounds.add(**{name: contestants[name]()})
    rounds.forget_first()
    return rounds


def seconds(work: Callable[[], object]) -> float:
    """Return how long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that *share* of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
