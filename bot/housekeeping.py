"""What has to happen again and again: sweep, reconcile, hold the lease, compare messages, prune."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from slack_sdk.errors import SlackApiError

from actions.errors import OperatorError
from actions.ports import Clock, Store, Transaction
from bot.slack_errors import NO_ANSWER

log = logging.getLogger(__name__)

RUN_LEASE: Final = "run"
"""Held while an `operator run` is alive, so that the command line knows that somebody executes."""
RUN_LEASE_FOR: Final = timedelta(seconds=10)
TURN_FOR: Final = timedelta(seconds=10)
KEPT_FOR: Final = timedelta(days=7)
"""How long delivered outbox rows and inbox keys are kept."""
PRUNE_BATCH: Final = 1_000


async def every(seconds: float, work: Callable[[], Awaitable[object]], *, clock: Clock, what: str) -> None:
    """Do *work* until cancelled, with pauses of *seconds*; a failure is logged and does not end it."""
    while True:
        try:
            await work()
        except (OperatorError, SlackApiError, *NO_ANSWER) as error:
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


class Turn:
    """See `bot.delivery.Turn`: a lease that outlives its holder by ten seconds, or by none if it died on this host."""

    def __init__(self, name: str, *, store: Store, owner: str, clock: Clock, is_dead: Callable[[str], bool]) -> None:
        self._name = name
        self._store = store
        self._owner = owner
        self._clock = clock
        self._is_dead = is_dead
        self._sure_until = 0.0
        self._is_new = True

    async def mine(self) -> bool:
        """Take or keep it; False while another process has it. Raises `StorageError`."""
        began, now = self._clock.monotonic(), self._clock.now()
        if began < self._sure_until:
            return True
        if self._is_new:
            self._is_new = False
            await self._take_from_the_dead(now)
        if not await self._store.write(
            lambda tx: tx.hold_lease(self._name, self._owner, now=now, until=now + TURN_FOR)
        ):
            return False
        self._sure_until = began + TURN_FOR.total_seconds() / 2
        return True

    async def drop(self) -> None:
        """Let others have it."""
        self._sure_until = 0.0
        await self._store.write(lambda tx: tx.drop_lease(self._name, self._owner))

    async def _take_from_the_dead(self, now: datetime) -> None:
        # At the start alone: processes in containers can look dead to each other although they live.
        holder = await self._store.read(lambda reader: reader.lease_holder(self._name, now))
        if holder is not None and self._is_dead(holder):
            await self._store.write(lambda tx: tx.drop_lease(self._name, holder))


async def prune(store: Store, clock: Clock) -> int:
    """Delete what was delivered or answered long ago, in batches; return how many rows."""

    def batch(tx: Transaction) -> int:
        return tx.prune(before=clock.now() - KEPT_FOR, limit=PRUNE_BATCH)

    total = 0
    while deleted := await store.write(batch):
        total += deleted
        await asyncio.sleep(0)
    return total
