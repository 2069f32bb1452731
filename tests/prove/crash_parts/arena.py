"""Two processes on one database: one is killed, a new one recovers what it left, while the other goes on."""

import os
import random
import select
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.prove.crash_parts.judge import Judgement, judge
from tests.prove.crash_parts.points import Points
from tests.prove.crash_parts.processes import PATIENCE, End, ended, forked, kill
from tests.prove.crash_parts.worker import Worker, resolve_blind
from tests.prove.crash_parts.world import Place, World, run
from tests.prove.proof import Outcome
from tests.prove.shares import Share

KILLS: Final = 20
"""In one place, before it is judged; the audit log remembers them all, so that nothing is missed meanwhile."""
MEAN_POINTS: Final = 100
"""That a process passes before it is killed."""
SUDDENLY: Final = 0.3
"""The share of those that are killed at any moment, and not at a point."""
A_STEP: Final = 60.0
"""Seconds by which the clock of each new process is ahead of the one before, so that things expire."""
LONGEST_MOMENT: Final = 0.004
"""Seconds between a point and a kill that is to come at any moment."""

Places = Callable[[Share], AbstractContextManager[Place]]
"""Gives a fresh place, in mode execute, for one round."""


@dataclass(frozen=True, slots=True)
class Doomed:
    """A process at work."""

    pid: int
    suddenly: bool
    """It is killed at any moment, soon after a point; else at the point."""


@dataclass(slots=True)
class Arena:
    """One round."""

    place: Place
    rng: random.Random
    counts: Counter[str]
    problems: list[str] = field(default_factory=list)
    kills: int = 0
    _living: dict[int, Doomed] = field(default_factory=dict)
    """By the descriptors that tell of their end."""
    _started: int = 0

    def fight(self, kills: int) -> None:
        """Kill so many processes, always two at work, and judge what is left."""
        doomed, doom = os.pipe()
        try:
            for _ in range(2):
                self._start(doom)
            while self.kills < kills and not self.problems:
                self._next(doomed, doom)
        finally:
            for descriptor, process in self._living.items():
                kill(process.pid)
                os.close(descriptor)
            os.close(doomed)
            os.close(doom)
        self._judge()

    def _next(self, doomed: int, doom: int) -> None:
        ready, _, _ = select.select([doomed, *self._living], [], [], PATIENCE)
        if not ready:
            self.problems.append("a process hangs")
        for descriptor in ready:
            if descriptor == doomed:
                self._kill_in_a_moment(int.from_bytes(os.read(doomed, 4)))
            else:
                self._bury(descriptor)
                self._start(doom)

    def _kill_in_a_moment(self, pid: int) -> None:
        if Doomed(pid, suddenly=True) in self._living.values():
            select.select([], [], [], self.rng.uniform(0, LONGEST_MOMENT))
            os.kill(pid, signal.SIGKILL)

    def _start(self, doom: int) -> None:
        number, seed = self._started, self.rng.getrandbits(64)
        self._started += 1
        fatal = 1 + int(self.rng.expovariate(1 / MEAN_POINTS))
        suddenly = self.rng.random() < SUDDENLY
        journal = self.place.journal

        def work() -> None:
            end = partial(os.write, doom, os.getpid().to_bytes(4)) if suddenly else None
            points = Points(journal, fatal=fatal, end=end)
            world = World(self.place, points=points, later=number * A_STEP)
            run(Worker(world, random.Random(seed), number).work())

        pid = forked(work, journal.trouble)
        self._living[os.pidfd_open(pid)] = Doomed(pid, suddenly)

    def _bury(self, descriptor: int) -> None:
        process = self._living.pop(descriptor)
        end = ended(process.pid)
        os.close(descriptor)
        self.counts["killed at any moment" if process.suddenly else "killed at a point"] += 1
        if end is not End.KILLED:
            said = [line["trouble"] for line in self.place.journal.lines() if "trouble" in line]
            self.problems.append(f"a process {end}: {' '.join(said)[-1_500:]}")
        self.kills += 1

    def _judge(self) -> None:
        place = self.place
        later = self._started * A_STEP
        end = ended(forked(partial(judge, place, later=later, then=resolve_blind), place.journal.trouble))
        if end is not End.FINISHED:
            said = [line["trouble"] for line in place.journal.lines() if "trouble" in line]
            self.problems.append(f"the recovery {end}: {' '.join(said)[-1_500:]}")
            return
        judgement = Judgement.read(place.folder / "judgement")
        self.problems += judgement.problems
        self.counts.update(judgement.counts)
        died = (line["died"] for line in place.journal.lines() if "died" in line)
        self.counts.update(f"at {name}" for name in died)


def fight_rounds(share: Share, outcome: Outcome, counts: Counter[str], *, places: Places) -> None:
    """Do a share of the rounds."""
    for seed in share.rounds(outcome):
        with places(share) as place:
            arena = Arena(place, random.Random(seed), counts)
            arena.fight(min(KILLS, share.count - outcome.done))
        outcome.done += arena.kills
        outcome.violations += [f"round {seed}: {problem}" for problem in arena.problems]


def told(outcome: Outcome, counts: Counter[str]) -> Outcome:
    """Add to the notes what was counted; that something never occurred, in so many kills, is a violation."""
    verdicts = sorted(what for what in counts if what.startswith("unknown, then "))
    kinds = [what for what in counts if what.startswith("at ")]
    outcome.notes.append(", ".join(f"{counts[what]:,} {what}" for what in verdicts) or "no unknown outcomes")
    outcome.notes.append(
        f"{counts['killed at a point']:,} at {len(kinds)} kinds of points, "
        f"{counts['killed at any moment']:,} at any moment; "
        f"{counts['proposals']:,} proposals, {counts['effects']:,} effects"
    )
    counts["unknown"] = sum(counts[what] for what in verdicts)
    missing = [what for what, enough in MUST_OCCUR.items() if outcome.done >= enough and not counts[what]]
    if missing and not outcome.violations:
        outcome.violations.append(f"never occurred, so nothing was proven: {', '.join(missing)}")
    return outcome


MUST_OCCUR: Final = {
    "unknown": 100,
    "unknown, then completed (confirmed)": 300,
    "unknown, then failed (no_effect)": 300,
    "unknown, then failed (partial)": 300,
    "unknown, then attested": 300,
    "killed at any moment": 300,
    "at before COMMIT": 300,
    "at after session: commit": 300,
    "at after the target applied it": 300,
}
"""What makes the zero worth something, and in how many kills it occurs at least once."""
