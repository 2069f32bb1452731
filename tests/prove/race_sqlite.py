"""Four processes decide and run at once, over one SQLite database."""

from typing import Final

from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.race_parts.databases import sqlite
from tests.prove.race_parts.races import race


def run(trial: Trial) -> Outcome:
    """Race."""
    return race(trial, sqlite(), width=8)


PROOF: Final = Proof(
    name="race-sqlite",
    promise="Whatever four processes do at once, each effect happens at most once and each answer was true.",
    count=200_000,
    unit="operations",
    run=run,
    bugs=dict.fromkeys(
        (
            "no status guard",
            "decided on what was read before",
            "no mode guard",
            "kill without a new epoch",
            "approval counted per click",
            "stale fence accepted",
            "send before claim",
            "answered before the commit",
            "the same click is taken anew",
            "the wrong winner is named",
        ),
        3_000,
    ),
)
