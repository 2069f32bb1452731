"""Round after round until enough was done, and the counts that make the zero credible."""

import shutil
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from actions.models import ReasonCode
from tests.in_memory import memory_folder
from tests.prove.proof import Outcome, Trial
from tests.prove.race_parts.answers import OK
from tests.prove.race_parts.databases import Databases
from tests.prove.race_parts.explaining import unexplained
from tests.prove.race_parts.history import History
from tests.prove.race_parts.promises import begun_after_kills, broken
from tests.prove.race_parts.rounds import Round, contended

FIRST: Final = 1_000
"""How many operations the first round has: most bugs are found in it."""
EACH: Final = 4_000
"""How many each later one has."""
ENOUGH: Final = 20_000
"""From so many operations on everything below must have occurred."""
_OCCURS: Final = (
    "effects",
    "kills",
    "begun after a kill that lists them",
    "told that somebody else was first",
    "clicks delivered again",
    "told that they had approved already",
    "told that the target is busy",
    "late results refused",
    "settled by looking",
    "expired",
    "superseded",
)


def race(trial: Trial, databases: AbstractContextManager[Databases], *, width: int) -> Outcome:
    """Do round after round, *width* operations at once in each process, until enough is done or something is broken."""
    outcome, counts, number = Outcome(), Counter[str](), 0
    with databases as offered, memory_folder() as folder:
        while outcome.done < trial.count and not outcome.violations:
            count = min(EACH if number else FIRST, trial.count - outcome.done)
            history = _round(offered, folder / str(number), f"{trial.seed}:{number}", count, width)
            said = [*history.remains.problems, *broken(history), *unexplained(history)]
            outcome.violations += [f"round {trial.seed}:{number}: {one}" for one in said]
            outcome.done += len(history.answers)
            counts.update(_counted(history))
            number += 1
            trial.progress.at(outcome.done, f"{counts['effects']:,} effects")
    outcome.notes.append(", ".join(f"{counts[what]:,} {what}" for what in _OCCURS) + f"; {number} databases")
    if outcome.done >= ENOUGH:
        outcome.violations += [f"never seen, so it proves nothing: {what}" for what in _OCCURS if not counts[what]]
    return outcome


def _round(databases: Databases, folder: Path, seed: str, count: int, width: int) -> History:
    folder.mkdir()
    url = databases.fresh(folder)
    try:
        return contended(Round.of(url, folder, seed, count=count, width=width))
    finally:
        databases.drop(url)
        shutil.rmtree(folder)


def _counted(history: History) -> Counter[str]:
    said = Counter(answer.said for answer in history.answers)
    events = Counter(event.event for event in history.remains.audit)
    return Counter(
        {
            "effects": len(history.effects),
            "kills": sum(answer.verb == "kill" and answer.said == OK for answer in history.answers),
            "begun after a kill that lists them": sum(1 for _ in begun_after_kills(history)),
            "told that somebody else was first": said["AlreadyDecidedError"],
            "clicks delivered again": events["duplicate"],
            "told that they had approved already": said["AlreadyApprovedError"],
            "told that the target is busy": said["TargetBusyError"],
            "late results refused": events["late_result"],
            "settled by looking": sum(answer.number for answer in history.answers if answer.verb == "reconcile"),
            "expired": events["expired"],
            "superseded": sum(one.reason_code is ReasonCode.SUPERSEDED for one in history.remains.proposals),
        }
    )
