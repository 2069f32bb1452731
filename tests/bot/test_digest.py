import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actions.auditor import ActionAuditor, Witness
from actions.errors import StorageError
from actions.lifecycle import PENDING
from actions.models import Checkpoint
from actions.ports import Clock, OutboxItem, OutboxKind, Publisher, Reader, Store
from bot.digest import CATCH_UP, DigestScheduler, TimetableTrigger
from bot.digest_data import NEWEST, DigestOrder
from bot.settings import DigestSettings, Settings
from bot.timetable import daily
from tests.factories import START, FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, BO, MemoryKillFiles, Rig

MORNING = DigestSettings(name="morning", at="09:00", timezone="Europe/Berlin", channel="C0DIGEST")
DUE = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Counted(MemoryStore):
    """A store that counts the audit lines handed out, and can refuse to write."""

    lines = 0
    error: StorageError | None = None

    async def write(self, work: Any, *, urgent: bool = False) -> Any:
        if self.error is not None:
            raise self.error
        return await super().write(work, urgent=urgent)

    async def read(self, query: Any) -> Any:
        def counting(reader: Reader) -> Any:
            handed_out = reader.audit

            def audit(**asked: Any) -> Any:
                found = handed_out(**asked)
                self.lines += len(found)
                return found

            reader.audit = audit  # type: ignore[method-assign] # this reader lives for one query
            return query(reader)

        return await super().read(counting)


class FullDisk:
    name = "full"

    async def keep(self, checkpoint: Checkpoint) -> None:
        raise OSError(f"No space left on device for {checkpoint.line()}")


class Woken:
    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    def changed(self) -> None:
        self._event.set()


class Parts:
    def __init__(self, rig: Rig, *digests: DigestSettings, witness: Witness | None = None) -> None:
        self.settings = Settings(digests=digests)
        self.store: Store = rig.store
        self.clock: Clock = rig.clock
        self.publisher: Publisher = rig.publisher
        self.auditor = ActionAuditor(store=rig.store, witness=witness or rig.witness, clock=rig.clock)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def store() -> Counted:
    return Counted()


@pytest.fixture
async def rig(store: Counted, clock: FixedClock) -> Rig:
    return await Rig(store, MemoryKillFiles(), clock).start()


async def ordered(rig: Rig) -> list[DigestOrder]:
    def query(reader: Reader) -> list[OutboxItem]:
        return [item for item in reader.outbox_due(rig.clock.now(), 100) if item.kind is OutboxKind.DIGEST]

    return [DigestOrder.of(item) for item in await rig.store.read(query)]


def advance_to(clock: FixedClock, moment: datetime) -> None:
    clock.advance((moment - clock.now()).total_seconds())


async def test_what_is_due_is_ordered_once_however_many_processes_find_it(rig: Rig, clock: FixedClock) -> None:
    advance_to(clock, DUE)
    processes = [DigestScheduler(Parts(rig, MORNING)) for _ in range(4)]

    posted = await asyncio.gather(*(process.post_due(MORNING) for process in processes))

    assert sorted(posted) == [False, False, False, True]
    (order,) = await ordered(rig)
    assert order.ref == "morning@2026-03-02T08:00:00+00:00"
    assert (order.since, order.fire_at) == (DUE - timedelta(days=1), DUE)
    assert order.channel == "C0DIGEST"
    assert not order.late


async def test_a_digest_carries_a_checkpoint_that_the_witness_has_as_well(rig: Rig, clock: FixedClock) -> None:
    advance_to(clock, DUE)

    await DigestScheduler(Parts(rig, MORNING)).post_due(MORNING)

    (order,) = await ordered(rig)
    assert [order.checkpoint] == rig.witness.kept
    assert order.checkpoint.count > 0


async def test_a_witness_file_that_cannot_be_written_does_not_silence_the_digest(
    rig: Rig, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    advance_to(clock, DUE)

    await DigestScheduler(Parts(rig, MORNING, witness=FullDisk())).post_due(MORNING)

    (order,) = await ordered(rig)
    assert order.checkpoint == await rig.store.read(lambda reader: reader.audit_head(rig.clock.now()))
    assert "the witness file could not be written" in caplog.text


async def test_nothing_is_posted_before_it_is_due_and_nothing_twice(rig: Rig, clock: FixedClock) -> None:
    scheduler = DigestScheduler(Parts(rig, MORNING))

    advance_to(clock, DUE - timedelta(seconds=1))
    early = await scheduler.post_due(MORNING)
    advance_to(clock, DUE + timedelta(seconds=1))
    due, again = await scheduler.post_due(MORNING), await scheduler.post_due(MORNING)

    assert (early, due, again) == (False, True, False)


@pytest.mark.parametrize(
    ("missed_for", "posted"), [(timedelta(minutes=40), True), (CATCH_UP, False), (timedelta(hours=5), False)]
)
async def test_a_missed_digest_is_made_up_for_within_the_hour_and_says_that_it_is_late(
    rig: Rig, clock: FixedClock, missed_for: timedelta, posted: bool
) -> None:
    advance_to(clock, DUE + missed_for)

    assert await DigestScheduler(Parts(rig, MORNING)).post_due(MORNING) is posted
    assert [order.late for order in await ordered(rig)] == [True] * posted


async def test_an_order_survives_the_outbox_unchanged(rig: Rig) -> None:
    head = await rig.store.read(lambda reader: reader.audit_head(START))
    order = DigestOrder(
        name="m", fire_at=START, covers=timedelta(hours=1.5), checkpoint=head, channel="C0DIGEST", late=True
    )
    await rig.store.write(lambda tx: tx.enqueue(OutboxKind.DIGEST, order.ref, at=START, payload=order.payload()))

    assert await ordered(rig) == [order]


async def test_an_order_that_is_none_is_refused() -> None:
    item = OutboxItem(
        id=1, kind=OutboxKind.DIGEST, ref="x", version=1, payload={}, attempts=0, due_at=START, created_at=START
    )

    with pytest.raises(ValueError, match="name"):
        DigestOrder.of(item)


async def test_a_digest_tells_what_is_open_and_what_was_done(rig: Rig, clock: FixedClock) -> None:
    done = await rig.approved("done")
    clock.advance(60)
    await rig.executor.execute_proposal(done)
    failed = await rig.approved("failed")
    rig.target.faults["failed"] = "refuse"
    await rig.executor.execute_proposal(failed)
    unknown = await rig.approved("unknown")
    rig.target.faults["unknown"] = "apply-then-lost"
    await rig.executor.execute_proposal(unknown)
    waiting = await rig.propose("waiting")
    crushing = await rig.propose("crushing", action="crush")
    clock.advance(120)
    await rig.executor.approve_proposal(crushing, by=ANN)
    await rig.executor.approve_proposal(crushing, by=BO)
    clock.advance(1)

    data = await DigestScheduler(Parts(rig, MORNING)).data()

    assert [p.id for p in data.done.newest] == [done]
    assert [p.id for p in data.failed.newest] == [failed]
    assert [p.id for p in data.unknown.newest] == [unknown]
    assert [p.id for p in data.pending.newest] == [crushing, waiting]
    assert (data.done.count, data.failed.count, data.unknown.count, data.pending.count) == (1, 1, 1, 2)
    assert data.approvals == 5
    assert data.median_decision_seconds == 0.0
    assert [change.data["mode"] for change in data.mode_changes] == ["execute", "execute"]


async def test_only_what_happened_in_its_time_is_told(rig: Rig, clock: FixedClock) -> None:
    before = await rig.approved("before")
    await rig.executor.execute_proposal(before)
    clock.advance(timedelta(days=1).total_seconds())
    within = await rig.approved("within")
    await rig.executor.execute_proposal(within)
    clock.advance(1)

    data = await DigestScheduler(Parts(rig)).data()

    assert [p.id for p in data.done.newest] == [within]
    assert data.mode_changes == ()


async def test_what_is_too_much_to_name_is_counted(rig: Rig) -> None:
    ids = [await rig.propose(str(number)) for number in range(NEWEST + 5)]

    data = await DigestScheduler(Parts(rig)).data()

    assert data.pending.count == NEWEST + 5
    assert [p.id for p in data.pending.newest] == ids[::-1][:NEWEST]


async def test_what_a_digest_reads_grows_with_its_time_and_not_with_the_history(
    rig: Rig, clock: FixedClock, store: Counted
) -> None:
    for number in range(300):
        await rig.propose(f"long ago {number}")
    clock.advance(timedelta(days=2).total_seconds())
    await rig.propose("now")
    clock.advance(1)

    await DigestScheduler(Parts(rig)).data()

    assert store.lines == 2


async def test_more_than_a_page_of_events_is_counted_in_full(rig: Rig, clock: FixedClock) -> None:
    for number in range(600):
        await rig.propose(str(number))
    await rig.safety.kill_switch(by=ANN, reason="test")
    clock.advance(1)

    data = await DigestScheduler(Parts(rig)).data()

    assert [change.event for change in data.mode_changes] == ["mode_change", "mode_change", "kill_switch"]
    assert data.pending.count == 0
    assert await rig.store.read(lambda reader: reader.proposals(statuses=PENDING)) == []


async def test_a_preview_changes_nothing(rig: Rig) -> None:
    head = await rig.store.read(lambda reader: reader.audit_head(START))

    message = await DigestScheduler(Parts(rig, MORNING)).preview("morning")

    assert message.text.startswith("Digest until 2026-03-01 12:00:00 UTC")
    assert await rig.store.read(lambda reader: reader.audit_head(START)) == head
    assert await ordered(rig) == []


async def test_a_digest_can_be_sent_out_of_turn_and_its_turn_still_comes(rig: Rig, clock: FixedClock) -> None:
    advance_to(clock, DUE - timedelta(minutes=1))
    scheduler = DigestScheduler(Parts(rig, MORNING))

    sent = await scheduler.send_now("morning")
    advance_to(clock, DUE)
    await scheduler.post_due(MORNING)

    assert [order.name for order in await ordered(rig)] == ["morning-now", "morning"]
    assert sent.channel == "C0DIGEST"


async def test_the_log_is_witnessed_once_an_hour_for_all_processes(rig: Rig, clock: FixedClock) -> None:
    processes = [DigestScheduler(Parts(rig)) for _ in range(3)]
    for _ in range(5):
        clock.advance(1_800)
        for process in processes:
            await process.take_hourly_checkpoint()

    assert len(rig.witness.kept) == 3


async def test_what_cannot_be_written_now_is_tried_again(rig: Rig, clock: FixedClock, store: Counted) -> None:
    advance_to(clock, DUE)
    store.error = StorageError("The database is locked.")
    scheduler = DigestScheduler(Parts(rig, MORNING))

    async def post() -> bool:
        if rig.clock.now() >= DUE + timedelta(minutes=1):
            store.error = None
        return await scheduler.post_due(MORNING)

    await scheduler._until_done("digest morning", post)

    assert len(await ordered(rig)) == 1


async def test_the_scheduler_knows_when_each_digest_is_due_and_makes_up_for_missed_ones_at_start(
    rig: Rig, clock: FixedClock
) -> None:
    advance_to(clock, DUE + timedelta(minutes=30))
    parts, published = Parts(rig, MORNING), asyncio.Event()
    parts.publisher = Woken(published)
    scheduler = DigestScheduler(parts)

    scheduler.start()
    jobs = {job.name: job for job in scheduler._scheduler.get_jobs()}
    async with asyncio.timeout(5):
        await published.wait()
    await scheduler.stop()

    due = jobs["digest morning"].next_run_time.astimezone(MORNING.timetable.zone)
    assert (due.hour, due.minute) == (9, 0)
    assert jobs["checkpoint"].next_run_time.minute == 0
    assert all((job.coalesce, job.max_instances, job.misfire_grace_time) == (True, 1, 3600) for job in jobs.values())
    assert [order.late for order in await ordered(rig)] == [True]


def test_the_trigger_goes_on_from_the_last_fire() -> None:
    trigger = TimetableTrigger(daily("09:00", MORNING.timetable.zone))

    first = trigger.get_next_fire_time(None, DUE - timedelta(hours=1))

    assert first == DUE
    assert trigger.get_next_fire_time(first, DUE) == DUE + timedelta(days=1)
