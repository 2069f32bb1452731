"""The executor against the model of the lifecycle, over SQLite."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.prove.model_steps import PROMISE, Emptied, closed, proven
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import Share
from tests.storage.emptied import EmptiedSqlite


@contextmanager
def database(share: Share) -> Iterator[Emptied]:
    """A file in the folder of the share."""
    emptied = EmptiedSqlite(share.folder)
    yield emptied
    closed(emptied)


def run(trial: Trial) -> Outcome:
    """Take the steps."""
    return proven(trial, database)


PROOF: Final = Proof(
    name="model-sqlite",
    promise=f"Over SQLite, {PROMISE}.",
    count=100_000,
    unit="steps",
    run=run,
    bugs={
        "no status guard": 2_000,
        "no mode guard": 2_000,
        "approval counted per click": 2_000,
        "stale fence accepted": 2_000,
        "kill without a new epoch": 2_000,
        "what was replaced stays up for decision": 1_000,
        "drift is not looked at": 2_000,
        "broken glass is not reviewed": 2_000,
    },
)
