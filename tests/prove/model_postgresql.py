"""The executor against the model of the lifecycle, over PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.prove.model_steps import PROMISE, Emptied, closed, proven
from tests.prove.proof import Outcome, Proof, Trial
from tests.prove.shares import PROCESSES, Share
from tests.storage.emptied import EmptiedPostgresql
from tests.storage.servers import running


def run(trial: Trial) -> Outcome:
    """Take the steps, all shares on one server."""
    with running() as server:
        names = [server.fresh() for _ in range(PROCESSES)]

        @contextmanager
        def database(share: Share) -> Iterator[Emptied]:
            emptied = EmptiedPostgresql(server, names[share.number])
            yield emptied
            closed(emptied)

        return proven(trial, database)


PROOF: Final = Proof(
    name="model-postgresql",
    promise=f"Over PostgreSQL, {PROMISE}.",
    count=100_000,
    unit="steps",
    run=run,
    bugs={"approval counted per click": 2_000, "stale fence accepted": 2_000},
)
