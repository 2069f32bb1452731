"""A database that has lived, and what is tried on it again and again: forge one thing, then have the log verified."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from random import Random
from typing import Final, Protocol

from actions.errors import StorageError
from actions.models import Checkpoint
from storage.audit_verify import Verification, verify
from storage.store import SqlStore
from tests.factories import FixedClock
from tests.prove.proof import Outcome, Trial
from tests.prove.shares import Share, in_shares
from tests.storage.forgeries import FORGERIES, Editor, checkpoints, content
from tests.storage.scripts import Script

PROMISE: Final = "whatever is edited, deleted, inserted, cut or rewritten is found against what a witness keeps"
LIVES: Final = 70
"""Proposals; forgers look for the first sixty."""
TOLD: Final = 2
PATIENCE: Final = 5
"""How often to ask a server that does not answer."""


class Scene(Protocol):
    """A database that is as it was before each forgery."""

    url: str

    def forging(self) -> AbstractContextManager[Editor]:
        """Restore it, and open its tables for editing; afterwards the tracks are covered."""
        ...


class CannotBeForgedError(Exception):
    """The database itself does not take what the forger would write."""


async def lived(url: str) -> None:
    """Lead lives in a new database, to every end there is, and have its log witnessed."""
    clock = FixedClock()
    store = await asyncio.to_thread(SqlStore.open, url, clock=clock)
    await Script(store, clock).varied_lives(LIVES)
    await store.write(lambda tx: tx.save_checkpoint(tx.audit_head(clock.now()), "file:/w"))
    await store.close()


def tried(trial: Trial, scene: Callable[[Share], AbstractContextManager[Scene]]) -> Outcome:
    """Forge, one kind after the other."""

    def work(share: Share, outcome: Outcome, counts: Counter[str]) -> None:
        with scene(share) as place:
            with place.forging() as editor:
                witnessed = checkpoints(editor)
            if problems := _verified(place.url, witnessed).problems:
                outcome.violations.append(f"what nobody touched is said to be forged: {problems[:TOLD]}")
            for each in share.rounds(outcome):
                _round(place, each, witnessed, outcome, counts)

    shared = in_shares(trial, work)
    outcome, counts = shared.outcome, shared.counts
    kinds = [forgery.__name__ for forgery in FORGERIES]
    outcome.notes = [f"{len(kinds)} kinds, each at least {min(counts[kind] for kind in kinds):,} times"]
    if counts["impossible"]:
        outcome.notes.append(f"{counts['impossible']:,} more that the database itself did not take")
    return outcome


def _round(scene: Scene, each: str, witnessed: Sequence[Checkpoint], outcome: Outcome, counts: Counter[str]) -> None:
    for forgery in FORGERIES:
        seed = f"{each}:{forgery.__name__}"
        try:
            with scene.forging() as editor:
                before = content(editor)
                forgery(editor, Random(seed))
                changed = content(editor) != before
        except CannotBeForgedError:
            counts["impossible"] += 1
            continue
        outcome.done += 1
        counts[forgery.__name__] += 1
        if not changed:
            outcome.violations.append(f"seed {seed}: the forger changed nothing, which proves nothing")
        elif _verified(scene.url, witnessed).ok:
            outcome.violations.append(f"seed {seed}: not found")


def _verified(url: str, witnessed: Sequence[Checkpoint]) -> Verification:
    for _ in range(PATIENCE):
        try:
            return verify(url, witnessed)
        except StorageError:
            continue  # a server on a busy machine may take longer to answer than anybody waits
    return verify(url, witnessed)
