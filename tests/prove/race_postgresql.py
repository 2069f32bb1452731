"""Four processes decide and run at once, over one PostgreSQL database."""

from typing import Final

from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.race_parts.databases import postgresql
from tests.prove.race_parts.races import race


def run(trial: Trial) -> Outcome:
    """Race."""
    return race(trial, postgresql(), width=2)


PROOF: Final = Proof(
    name="race-postgresql",
    promise="Whatever four processes do at once, each effect happens at most once and each answer was true.",
    count=50_000,
    unit="operations",
    run=run,
    bugs={"decided on what was read before": 3_000, "stale fence accepted": 3_000},
)
