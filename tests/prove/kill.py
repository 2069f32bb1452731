"""The kill switch, thrown under load again and again, also while a process that stopped holds the database's lock."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Final

from tests.in_memory import memory_folder
from tests.prove.kill_parts.frozen import Frozen, freeze
from tests.prove.kill_parts.sieges import Siege, besiege
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.race_parts.databases import Databases, postgresql, sqlite

EACH: Final = 50
"""How many kills one database sees."""
ON_POSTGRESQL: Final = 10
"""One kill in so many."""
STOPPED_WRITERS: Final = 100
"""One kill in so many meets one."""
ON_THE_WAY: Final = {"sqlite": (0.0, 0.001, 0.004, 0.016, 0.064), "postgresql": (0.0, 0.016, 0.064, 0.256, 0.512)}
"""Seconds that something takes to arrive at a target: as long as a kill takes, so that some of it begins afterwards."""
ENOUGH: Final = 100
"""From so many kills on everything must have occurred, and PostgreSQL has its share."""


@dataclass(kw_only=True)
class Kills:
    """What was done so far."""

    trial: Trial
    folder: Path
    outcome: Outcome = field(default_factory=Outcome)
    sieges: dict[str, list[Siege]] = field(default_factory=dict)
    """By kind of database."""
    frozen: list[Frozen] = field(default_factory=list)

    def meet_stopped_writers(self, databases: Databases, kind: str, cases: int) -> None:
        """Kill while a process that stopped holds the lock."""
        for number in range(cases):
            if self.outcome.violations:
                return
            name = f"{self.trial.seed}:{kind}, stopped writer {number}"
            folder = self.folder / f"{kind}-stopped{number}"
            self.frozen.append(freeze(databases, folder, name, on_the_way=ON_THE_WAY[kind]))
            self._add(name, 1, self.frozen[-1].violations)

    def besiege(self, databases: Databases, kind: str, kills: int) -> None:
        """Kill so often under load."""
        done = 0
        while done < kills and not self.outcome.violations:
            name = f"{self.trial.seed}:{kind} {done}"
            folder, count = self.folder / f"{kind}{done}", min(EACH, kills - done)
            siege = besiege(databases, folder, name, kills=count, on_the_way=ON_THE_WAY[kind])
            self.sieges.setdefault(kind, []).append(siege)
            self._add(name, siege.kills, siege.violations)
            done += siege.kills

    def concluded(self) -> Outcome:
        """Return the outcome, with what was measured."""
        resumed = sum(one.resumed_claims for one in self.frozen)
        self.outcome.notes.append(
            f"{len(self.frozen)} stopped writers with {resumed} claims in their hands; "
            + _spread("such a kill took", [one.took for one in self.frozen])
        )
        for kind, sieges in self.sieges.items():
            self.outcome.notes += _measured(kind, sieges)
        after = sum(sum(siege.begun_after) for sieges in self.sieges.values() for siege in sieges)
        if self.outcome.done >= ENOUGH and not after:
            self.outcome.violations.append("no effect began after a kill, so it proves nothing")
        return self.outcome

    def _add(self, name: str, kills: int, violations: Sequence[str]) -> None:
        self.outcome.done += kills
        self.outcome.violations += [f"{name}: {violation}" for violation in violations]
        self.trial.progress.at(self.outcome.done)


def run(trial: Trial) -> Outcome:
    """Kill."""
    logging.disable()  # what cannot be recorded is told as an error, over and over
    stopped = max(1, trial.count // STOPPED_WRITERS)
    elsewhere = trial.count // ON_POSTGRESQL if trial.count >= ENOUGH else 0
    with memory_folder() as folder:
        kills = Kills(trial=trial, folder=folder)
        with sqlite() as databases:
            kills.meet_stopped_writers(databases, "sqlite", stopped)
            kills.besiege(databases, "sqlite", trial.count - stopped - elsewhere)
        if elsewhere and not kills.outcome.violations:
            with postgresql() as databases:
                kills.meet_stopped_writers(databases, "postgresql", 1)
                kills.besiege(databases, "postgresql", elsewhere - 1)
        return kills.concluded()


def _measured(kind: str, sieges: Sequence[Siege]) -> Iterator[str]:
    effects = sum(siege.effects for siege in sieges)
    after = sum(sum(siege.begun_after) for siege in sieges)
    kills = sum(siege.kills for siege in sieges)
    yield f"{kind}: {kills:,} kills, {effects:,} effects, {after:,} begun after a kill that lists them"
    yield _spread(f"{kind}: a kill took", [took for siege in sieges for took in siege.took])
    yield _spread(
        f"{kind}: from its return to the last effect", [last for siege in sieges for last in siege.last_effect]
    )
    yield _spread(f"{kind}: to the refusal of the last process", [last for s in sieges for last in s.last_refusal])


def _spread(what: str, nanoseconds: Sequence[int]) -> str:
    if len(nanoseconds) < 2:
        return f"{what} {', '.join(f'{one / 1e6:.1f} ms' for one in nanoseconds) or 'nothing'}"
    cuts = quantiles(nanoseconds, n=100, method="inclusive")
    return f"{what} {cuts[49] / 1e6:.1f} ms (p50), {cuts[98] / 1e6:.1f} (p99), {max(nanoseconds) / 1e6:.1f} (max)"


PROOF: Final = Proof(
    name="kill",
    promise="After a kill no effect begins in any process that it does not list; a locked database delays no stop.",
    count=2_000,
    unit="kills",
    run=run,
    bugs={
        "kill without a new epoch": 30,
        "a kill that does not list what runs": 30,
        "no mode guard": 30,
        "the kill file is not looked at": 20,
        "send before claim": 20,
    },
)
