"""An executor that is never idle, and a process that stops in the middle of its claim."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from actions.attempt import Claim
from actions.errors import ConflictError, KilledError, ObserveOnlyError
from actions.ports import Reader, Store, Transaction
from tests.prove.race_parts.arena import Numbers
from tests.rig import ANN, Rig

_BREATH: Final = 0.002
"""Seconds before whoever was refused tries again."""
T = TypeVar("T")


class Load:
    """Proposes, approves and runs one action after the other; says when it is refused."""

    def __init__(
        self, rig: Rig, ids: dict[str, int], *, number: int, process: int, refused_at: Numbers, under_way: Numbers
    ) -> None:
        self._ids = ids
        self._rig = rig
        self._number = number
        self._process = process
        self._refused_at = refused_at
        self._under_way = under_way

    async def until(self, over: Numbers) -> None:
        """Go on until it is over."""
        while not over[0]:
            try:
                await self._one_action(f"{self._number}.{len(self._ids)}.{time.monotonic_ns()}")
            except (ObserveOnlyError, KilledError):
                self._refused_at[self._process] = time.monotonic_ns()
                await asyncio.sleep(_BREATH)
            except ConflictError:
                continue  # a kill cancelled it meanwhile

    async def _one_action(self, key: str) -> None:
        self._ids[key] = proposal_id = await self._rig.propose(key)
        await self._rig.executor.approve_proposal(proposal_id, by=ANN)
        self._under_way[self._number] = 1
        try:
            await self._rig.executor.execute_proposal(proposal_id)
        finally:
            self._under_way[self._number] = 0


class Freezing:
    """A store whose process stops in the transaction of a claim, before its commit, once it is asked to."""

    def __init__(self, store: Store, asked: Numbers) -> None:
        self._store = store
        self._asked = asked

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        """See `Store.write`."""
        return await self._store.write(partial(self._work, work), urgent=urgent)

    async def read(self, query: Callable[[Reader], T]) -> T:
        """See `Store.read`."""
        return await self._store.read(query)

    def _work(self, work: Callable[[Transaction], T], tx: Transaction) -> T:
        outcome = work(tx)
        if isinstance(outcome, Claim) and self._asked[0]:
            self._asked[0] = 0
            # To this thread, so that it goes no further than here; the process stops with it.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return outcome
