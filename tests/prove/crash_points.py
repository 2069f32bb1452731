"""kill -9 at every point of everything that is done, one after the other, and a recovery after each."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import count as count_from
from multiprocessing import Value
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from typing import Final

from tests.in_memory import memory_folder
from tests.prove.crash_parts.judge import Judgement, judge
from tests.prove.crash_parts.points import Points
from tests.prove.crash_parts.processes import End, ended, forked
from tests.prove.crash_parts.scripts import SCRIPTS, Script, lifecycle
from tests.prove.crash_parts.start import begun, warm_up
from tests.prove.crash_parts.world import DEAD, Place, World, run
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import Share, Shared, in_shares

MUST_OCCUR: Final = (
    "killed before the send",
    "killed after the target applied it",
    "killed before its answer",
    "killed after its answer",
    "killed before COMMIT",
    "killed after session: commit",
    "unknown, then completed (confirmed)",
    "unknown, then failed (no_effect)",
    "unknown, then failed (partial)",
    "kill files left",
    "late results",
)
"""What makes the zero worth something: each at least once, where every point is tried."""
_ALL: Final = 1_500
"""About how many points there are."""


def crash_everywhere(trial: Trial) -> Outcome:
    """Kill all scripts at all of their points, or at so many of each; see `crash_scripts`."""
    shared = crash_scripts(trial, SCRIPTS)
    outcome, counts = shared.outcome, shared.counts
    outcome.notes.append(", ".join(f"{counts[what]:,} {what}" for what in MUST_OCCUR))
    outcome.notes.append(
        f"{len(SCRIPTS)} scripts, {len([what for what in counts if what.startswith('killed ')])} kinds of points, "
        f"{counts['states']:,} different states to recover from, {counts['effects']:,} effects"
    )
    missing = [what for what in MUST_OCCUR if not counts[what]]
    if missing and not outcome.violations and _stride(trial) == 1:
        outcome.violations.append(f"never occurred, so nothing was proven: {', '.join(missing)}")
    return outcome


def crash_scripts(trial: Trial, scripts: Sequence[Script]) -> Shared:
    """Kill at the first point of each script, at the second, and so on, until the script ends alive.

    Where fewer points are asked for than there are, every n-th is tried, beginning with one by chance.
    What is left is recovered from and judged once for each state: most kills within a transaction leave the same.
    """
    following: Synchronized[int] = Value("i", 0)
    with memory_folder() as folder:
        base = begun(Place(folder / "base"))
        warm_up(base.copied_to(folder / "warm"), lifecycle)
        work = partial(_share, scripts=scripts, base=base, following=following, stride=_stride(trial))
        return in_shares(trial, work, processes=os.cpu_count() or 1)


def _stride(trial: Trial) -> int:
    return max(1, round(_ALL / trial.count))


def crashed(script: Script, place: Place, fatal: int) -> End:
    """Kill the script at one of its points, in a place prepared for it; say how it ended, as it may have fewer."""
    journal = place.journal

    def act() -> None:
        world = World(
            place, points=Points(journal, fatal=fatal, since=script.since), later=script.later, owner=f"{DEAD}script"
        )
        run(_to_the_end(script, world))

    return ended(forked(act, journal.trouble))


def judged(place: Place, script: Script) -> Judgement:
    """Recover and judge in a new process."""
    trouble: list[str] = []
    end = ended(forked(partial(judge, place, later=script.later, then=script.then), place.journal.trouble))
    if end is not End.FINISHED:
        trouble = [line["trouble"] for line in place.journal.lines() if "trouble" in line]
        return Judgement(problems=[f"the recovery {end}: {' '.join(trouble)[-1_500:]}"])
    return Judgement.read(place.folder / "judgement")


def prepared(script: Script, base: Place, folder: Path) -> tuple[Place, list[str]]:
    """Return the place in which the script begins, and what went wrong on the way there."""
    place = base.copied_to(folder)
    journal = place.journal

    def prepare() -> None:
        world = World(place, points=Points(journal, fatal_name=script.prepared_until), owner=f"{DEAD}prepared")
        run(_prepare(script, world))

    expected = End.KILLED if script.prepared_until else End.FINISHED
    end = ended(forked(prepare, journal.trouble))
    return place, [] if end is expected else [f"{script.name}: preparing it {end}: {journal.lines()[-1:]}"]


def _share(
    share: Share,
    outcome: Outcome,
    counts: Counter[str],
    *,
    scripts: Sequence[Script],
    base: Place,
    following: "Synchronized[int]",
    stride: int,
) -> None:
    chance = Random(share.seed)
    while not share.over.value:
        with following.get_lock():
            number = following.value
            following.value += 1
        if number >= len(scripts):
            return
        with memory_folder() as folder:
            begin, problems = prepared(scripts[number], base, folder / "begin")
            outcome.violations += problems
            points = count_from(chance.randint(1, stride), stride)
            _at_each_point(scripts[number], begin, points, share, outcome, counts)


def _at_each_point(
    script: Script, begin: Place, points: Iterable[int], share: Share, outcome: Outcome, counts: Counter[str]
) -> None:
    known: set[str] = set()
    for point in points:
        with memory_folder() as folder:
            place = begin.copied_to(folder / "place")
            end = crashed(script, place, point)
            problems = [] if end in {End.KILLED, End.FINISHED} else [f"the script {end}"]
            died = [line["died"] for line in place.journal.lines() if "died" in line]
            left = place.fingerprint()
            if left not in known:
                known.add(left)
                judgement = judged(place, script)
                problems += judgement.problems
                counts.update({**judgement.counts, "states": 1})
        counts.update(f"killed {name}" for name in died)
        outcome.done += end is End.KILLED
        share.done.value = outcome.done
        where = f"{script.name}, point {point} ({died[0] if died else end})"
        outcome.violations += [f"{where}: {problem}" for problem in problems]
        if outcome.violations:
            share.over.value = 1
        if end is End.FINISHED or share.over.value:
            return


async def _prepare(script: Script, world: World) -> None:
    await script.prepare(world)
    await world.close()


async def _to_the_end(script: Script, world: World) -> None:
    await script.act(world)
    await world.close()


PROOF: Final = Proof(
    name="crash-points",
    promise="Whatever it was doing when it was killed: nothing acknowledged is lost, nothing is done twice, the audit "
    "is the state, and every unknown outcome is settled by what happened.",
    count=_ALL,
    unit="kills",
    run=crash_everywhere,
    bugs=dict.fromkeys(
        (
            "audit in its own transaction",
            "answered before the commit",
            "send before claim",
            "run again after a crash",
            "found in part is not found",
            "stale fence accepted",
            "kill in several transactions",
            "kill file lifted before the commit",
            "kill without a new epoch",
        ),
        _ALL,
    ),
)
