"""kill -9 at random, with two processes at work on one SQLite database."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from tests.in_memory import memory_folder
from tests.prove.crash_parts.arena import fight_rounds, told
from tests.prove.crash_parts.scripts import lifecycle
from tests.prove.crash_parts.start import begun, warm_up
from tests.prove.crash_parts.world import Place
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import Share, in_shares


def crash_at_random(trial: Trial) -> Outcome:
    """Kill one of two processes again and again."""
    with memory_folder() as folder:
        base = begun(Place(folder / "base"))
        warm_up(base.copied_to(folder / "warm"), lifecycle)

        @contextmanager
        def places(share: Share) -> Iterator[Place]:  # noqa: ARG001 - one signature for every database
            with memory_folder() as scratch:
                yield base.copied_to(scratch / "place")

        together = in_shares(trial, partial(fight_rounds, places=places), processes=os.cpu_count() or 1)
    return told(together.outcome, together.counts)


PROOF: Final = Proof(
    name="crash-random",
    promise="Whichever of two processes is killed, whenever: nothing acknowledged is lost, nothing is done twice, the "
    "audit is the state, and the next process settles every unknown outcome by what happened.",
    count=10_000,
    unit="kills",
    run=crash_at_random,
    bugs={
        "audit in its own transaction": 200,
        "answered before the commit": 400,
        "send before claim": 200,
        "run again after a crash": 400,
        "found in part is not found": 400,
    },
)
