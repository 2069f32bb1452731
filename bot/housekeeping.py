"""What has to happen again and again: sweep, reconcile, hold the lease, compare messages, prune."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import aiohttp
from slack_sdk.errors import SlackApiError

from actions.errors import OperatorError
from actions.ports import Clock, Store, Transaction

log = logging.getLogger(__name__)

RUN_LEASE: Final = "run"
"""Held while an `operator run` is alive, so that the command line knows that somebody executes."""
RUN_LEASE_FOR: Final = timedelta(seconds=10)
KEPT_FOR: Final = timedelta(days=7)
"""How long delivered outbox rows and inbox keys are kept."""
PRUNE_BATCH: Final = 1_000


async def every(seconds: float, work: Callable[[], Awaitable[object]], *, clock: Clock, what: str) -> None:
    """Do *work* until cancelled, with pauses of *seconds*; a failure is logged and does not end it."""
    while True:
        try:
            await work()
        except (OperatorError, SlackApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("%s failed and is tried again: %s", what, error)
        except Exception:  # boundary: one fault must not end the upkeep of everything else
            log.exception("%s failed and is tried again", what)
        await clock.sleep(seconds)


class RunLease:
    """Says that this process executes what is approved."""

    def __init__(self, *, store: Store, owner: str, clock: Clock) -> None:
        self._store = store
        self._owner = owner
        self._clock = clock

    async def hold(self) -> None:
        """Take or renew it; another `operator run` that holds it is as good."""
        now = self._clock.now()
        await self._store.write(lambda tx: tx.hold_lease(RUN_LEASE, self._owner, now=now, until=now + RUN_LEASE_FOR))

    async def drop(self) -> None:
        """Give it up."""
        await self._store.write(lambda tx: tx.drop_lease(RUN_LEASE, self._owner))


async def prune(store: Store, clock: Clock) -> int:
    """Delete what was delivered or answered long ago, in batches; return how many rows."""

    def batch(tx: Transaction) -> int:
        return tx.prune(before=clock.now() - KEPT_FOR, limit=PRUNE_BATCH)

    total = 0
    while deleted := await store.write(batch):
        total += deleted
        await asyncio.sleep(0)
    return total
