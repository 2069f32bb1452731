"""The steps of the lifecycle's model, taken in rounds over one database that is emptied in between."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from actions.ports import Store
from tests.actions.lifecycle_model import Lifecycle
from tests.prove.proof import Outcome, Trial
from tests.prove.shares import Share, in_shares

PROMISE: Final = (
    "whatever people, clocks, faults and kills do in whatever order, every answer and every status is the model's, "
    "and the invariants hold after each step"
)
EVENTS: Final = ("completed", "failed", "unknown", "late_result", "cancelled", "expired", "denied", "kill_switch")
"""What must have occurred, or the model has not been where it is dangerous."""
ENOUGH: Final = 2_000
"""Steps after which each of them has."""
ROUND: Final = settings(
    max_examples=12,
    stateful_step_count=40,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
LAST_MOVES: Final = 12
_MOVE: Final = re.compile(r"\(move\): '(\w+)'")


class Emptied(Protocol):
    """A database to be used again and again: `tests.storage.emptied` has them."""

    def fresh(self) -> Store:
        """Return its store, as if it were new."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


def proven(trial: Trial, database: Callable[[Share], AbstractContextManager[Emptied]]) -> Outcome:
    """Take the steps of a trial, each share over a database of its own."""

    def work(share: Share, outcome: Outcome, counts: Counter[str]) -> None:
        logging.disable()  # that actions fail is what it is about
        with database(share) as emptied:
            machine = _counting(emptied, outcome, counts)
            for each in share.rounds(outcome):
                _round(machine, each, outcome)

    shared = in_shares(trial, work)
    outcome, counts = shared.outcome, shared.counts
    outcome.notes = [f"{counts['stories']:,} stories; " + ", ".join(f"{counts[event]:,} {event}" for event in EVENTS)]
    never = [event for event in EVENTS if not counts[event]]
    if never and outcome.done >= ENOUGH and not outcome.violations:
        outcome.violations.append(f"never occurred: {', '.join(never)}")
    return outcome


def _counting(emptied: Emptied, outcome: Outcome, counts: Counter[str]) -> type[Lifecycle]:
    class Counting(Lifecycle):
        fresh = emptied.fresh

        @invariant()
        def a_step_was_taken(self) -> None:
            outcome.done += hasattr(self, "rig")

        def teardown(self) -> None:
            if hasattr(self, "rig"):
                audit = self.run(self.rig.store.read(lambda reader: reader.audit(limit=1_000_000)))
                counts.update(event.event for event in audit)
                counts["stories"] += 1
            super().teardown()

    return Counting


def _round(machine: type[Lifecycle], each: str, outcome: Outcome) -> None:
    try:
        run_state_machine_as_test(seed(each)(machine), settings=ROUND)
    except Exception as error:  # noqa: BLE001 - boundary: whatever breaks in the model or under it is a violation
        moves = _MOVE.findall("\n".join(getattr(error, "__notes__", ())))[-LAST_MOVES:]
        said = " ".join(str(error).split())[:300]
        outcome.violations.append(f"seed {each}: {type(error).__name__}: {said}; after {', '.join(moves)}")


def closed(emptied: Emptied) -> None:
    """Let go of a database from outside any event loop."""
    asyncio.run(emptied.close())
