"""What happens by the clock: digests, each once for all processes, and a checkpoint of the audit log every hour."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from actions.auditor import ActionAuditor
from actions.errors import UnavailableError
from actions.models import Checkpoint
from actions.ports import Clock, OutboxKind, Publisher, Reader, Store, Transaction
from bot.digest_data import DigestOrder, gather
from bot.settings import DigestSettings, Settings
from bot.timetable import Timetable, cron
from bot.views.digest import DigestData, digest
from bot.views.message import Message

log = logging.getLogger(__name__)

CATCH_UP: Final = timedelta(hours=1)
"""A digest that was missed for longer than this is left out; the next one is due soon enough."""
PUNCTUAL: Final = timedelta(minutes=2)
"""Posted later than this after it was due, a digest says so."""
RETRY: Final = 15.0
EVERY_HOUR: Final = "0 * * * *"
A_DAY: Final = timedelta(days=1)


class DigestParts(Protocol):
    """What the timetable stands on; `bot.wiring.Parts` is one."""

    @property
    def settings(self) -> Settings:
        """The configuration."""
        ...

    @property
    def store(self) -> Store:
        """The database."""
        ...

    @property
    def auditor(self) -> ActionAuditor:
        """Takes checkpoints."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def publisher(self) -> Publisher:
        """Told when a digest waits in the outbox."""
        ...


class TimetableTrigger(BaseTrigger):  # type: ignore[misc] # APScheduler 3 has no types
    """A timetable, as APScheduler asks for it."""

    def __init__(self, timetable: Timetable) -> None:
        self._timetable = timetable

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """Return the first fire time after the previous one, or after *now*."""
        return self._timetable.after((previous or now).astimezone(UTC))


class DigestScheduler:
    """Runs in every process; what is due is posted by whichever claims it first."""

    def __init__(self, parts: DigestParts) -> None:
        self._store = parts.store
        self._auditor = parts.auditor
        self._clock = parts.clock
        self._publisher = parts.publisher
        self._digests = {one.name: one for one in parts.settings.digests}
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._hourly = cron(EVERY_HOUR, UTC)

    def start(self) -> None:
        """Begin, and catch up at once with what was missed for less than an hour. Needs a running loop."""
        self._add("checkpoint", self._hourly, self.take_hourly_checkpoint)
        for one in self._digests.values():
            self._add(f"digest {one.name}", one.timetable, partial(self.post_due, one))
            self._add(f"missed digest {one.name}", None, partial(self.post_due, one))
        self._scheduler.start()

    async def stop(self) -> None:
        """Fire no more. What was claimed stands in the outbox already."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def post_due(self, one: DigestSettings) -> bool:
        """Order the digest that was due last, unless that is long ago or another process has; return whether."""
        now = self._clock.now()
        fire_at = one.timetable.latest(now - CATCH_UP, now)
        if fire_at is None:
            return False
        order = DigestOrder(
            name=one.name,
            fire_at=fire_at,
            covers=one.covers,
            channel=one.channel,
            late=now - fire_at > PUNCTUAL,
            checkpoint=await self._checkpoint(),
        )
        return await self._order(order)

    async def send_now(self, name: str | None) -> DigestOrder:
        """Order a digest of the time up to now, out of turn. Raises `KeyError` for an unknown name."""
        order = self._now(name, await self._checkpoint())
        await self._order(order)
        return order

    async def data(self, name: str | None = None) -> DigestData:
        """Return what a digest would say now. Raises `KeyError` for an unknown name."""

        def query(reader: Reader) -> DigestData:
            return gather(reader, self._now(name, reader.audit_head(self._clock.now())))

        return await self._store.read(query)

    async def preview(self, name: str | None = None) -> Message:
        """Return the message that a digest would be now. Raises `KeyError` for an unknown name."""
        return digest(await self.data(name))

    async def take_hourly_checkpoint(self) -> bool:
        """Have the audit log witnessed, once an hour for all processes; return whether this one did."""
        now = self._clock.now()
        hour = self._hourly.latest(now - CATCH_UP, now)
        if hour is None or not await self._store.write(lambda tx: tx.claim_run("checkpoint", hour, now)):
            return False
        await self._checkpoint()
        return True

    def _add(self, name: str, timetable: Timetable | None, work: Callable[[], Awaitable[bool]]) -> None:
        self._scheduler.add_job(
            partial(self._until_done, name, work),
            TimetableTrigger(timetable) if timetable else None,
            name=name,
            misfire_grace_time=int(CATCH_UP.total_seconds()),
            coalesce=True,
            max_instances=1,
        )

    async def _until_done(self, name: str, work: Callable[[], Awaitable[bool]]) -> None:
        deadline = self._clock.monotonic() + CATCH_UP.total_seconds()
        while self._clock.monotonic() < deadline:
            try:
                await work()
            except UnavailableError as error:
                log.warning("%s is due and is tried again: %s", name, error)
                await self._clock.sleep(RETRY)
            else:
                return
        log.error("%s was due an hour ago and is left out", name)

    def _now(self, name: str | None, checkpoint: Checkpoint) -> DigestOrder:
        one = self._digests[name] if name is not None else next(iter(self._digests.values()), None)
        return DigestOrder(
            name=f"{one.name}-now" if one else "now",
            fire_at=self._clock.now(),
            covers=one.covers if one else A_DAY,
            channel=one.channel if one else None,
            checkpoint=checkpoint,
        )

    async def _order(self, order: DigestOrder) -> bool:
        at = self._clock.now()

        def work(tx: Transaction) -> bool:
            claimed = tx.claim_run(f"digest {order.name}", order.fire_at, at)
            if claimed:
                tx.enqueue(OutboxKind.DIGEST, order.ref, at=at, payload=order.payload())
            return claimed

        claimed = await self._store.write(work)
        self._publisher.changed()
        return claimed

    async def _checkpoint(self) -> Checkpoint:
        try:
            return await self._auditor.checkpoint()
        except OSError:
            # The channel is a witness too, and a full disk is no reason to post no digest.
            log.exception("the witness file could not be written; only the channel keeps this checkpoint")
            return await self._store.read(lambda reader: reader.audit_head(self._clock.now()))
