"""The audit log: what the ports promise, of every store."""

from datetime import timedelta

import pytest

from actions.canonical import Json, digest
from actions.errors import StorageError
from actions.models import AuditEvent, Checkpoint, Via
from actions.ports import AuditEntry, Store, Transaction
from tests.factories import START, FixedClock
from tests.storage.scripts import Script

ZEROS = "0" * 64


def an_entry(event: str = "denied", seconds: float = 0, proposal_id: int | None = None, **data: Json) -> AuditEntry:
    at = START + timedelta(seconds=seconds)
    return AuditEntry(at=at, event=event, actor="cli:ann@host", via=Via.CLI, proposal_id=proposal_id, data=data)


async def append(store: Store, *entries: AuditEntry) -> list[AuditEvent]:
    return await store.write(lambda tx: [tx.append_audit(entry) for entry in entries])


async def test_an_empty_log_has_a_head_of_zeros(store: Store) -> None:
    head = await store.read(lambda reader: reader.audit_head(START))

    assert head == Checkpoint(seq=0, head=ZEROS, count=0, at=START)
    assert await store.read(lambda reader: reader.audit()) == []
    assert await store.read(lambda reader: reader.audit_event(1)) is None


async def test_each_line_is_chained_to_the_one_before(store: Store) -> None:
    first = (await append(store, an_entry(why="may not", count=3)))[0]
    second, third = await append(store, an_entry("kill_switch", 1), an_entry("denied", 2))

    assert [line.seq for line in (first, second, third)] == [1, 2, 3]
    assert [first.prev, second.prev, third.prev] == [ZEROS, first.hash, second.hash]
    at = int(START.timestamp()) * 1_000_000
    data = '{"count":3,"why":"may not"}'
    assert first.hash == digest([1, at, None, "denied", "cli:ann@host", "cli", data, ZEROS])
    assert await store.read(lambda reader: reader.audit()) == [first, second, third]
    assert await store.read(lambda reader: reader.audit_event(2)) == second
    head = Checkpoint(seq=3, head=third.hash, count=3, at=START)
    assert await store.read(lambda reader: reader.audit_head(START)) == head


async def test_a_line_is_given_back_as_it_is_read(store: Store) -> None:
    written = await append(store, an_entry(pair=(1, 2), text="\u202eä\n", nothing=None))

    assert written == await store.read(lambda reader: reader.audit())
    assert written[0].data == {"pair": [1, 2], "text": "\u202eä\n", "nothing": None}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**64, "\ud800"])
async def test_what_json_cannot_say_is_not_written_down(store: Store, value: Json) -> None:
    with pytest.raises(ValueError, match=r"."):
        await append(store, an_entry(), an_entry(value=value))

    assert await store.read(lambda reader: reader.audit()) == []


async def test_a_line_of_a_unit_that_failed_leaves_no_gap(store: Store) -> None:
    def fail(tx: Transaction) -> None:
        tx.append_audit(an_entry())
        raise LookupError

    first = await append(store, an_entry())
    with pytest.raises(LookupError):
        await store.write(fail)
    second = await append(store, an_entry())

    assert [second[0].seq, second[0].prev] == [2, first[0].hash]


async def test_nothing_is_noted_about_a_proposal_that_does_not_exist(store: Store) -> None:
    with pytest.raises(StorageError):
        await append(store, an_entry(proposal_id=99))


async def test_the_history_of_one_proposal_is_read_in_pages(store: Store, script: Script) -> None:
    await script.whole_life("other")
    proposal = await script.whole_life("mine")

    async def page(after_seq: int) -> list[AuditEvent]:
        return await store.read(lambda reader: reader.audit(proposal_id=proposal.id, after_seq=after_seq, limit=3))

    first = await page(0)
    second = await page(first[-1].seq)
    assert [line.event for line in first + second] == ["proposed", "validated", "approved", "executing", "completed"]
    assert await page(second[-1].seq) == []


async def test_a_period_includes_its_start_and_not_its_end(store: Store) -> None:
    lines = await append(store, *(an_entry(seconds=n) for n in range(6)))

    async def within(since: int | None, until: int | None, **more: int) -> list[int]:
        start = None if since is None else START + timedelta(seconds=since)
        end = None if until is None else START + timedelta(seconds=until)
        found = await store.read(lambda reader: reader.audit(since=start, until=end, **more))
        assert all(line in lines for line in found)
        return [line.seq - 1 for line in found]

    assert await within(2, 4) == [2, 3]
    assert await within(4, None) == [4, 5]
    assert await within(None, 2) == [0, 1]
    assert await within(9, None) == []
    assert await within(1, 5, after_seq=3) == [3, 4]
    assert await within(1, 5, limit=2) == [1, 2]
    assert await within(1, 5, after_seq=3, limit=1) == [3]


async def test_a_clock_that_stepped_back_hides_no_line(store: Store) -> None:
    lines = await append(store, *(an_entry(seconds=at) for at in (10, 11, 2, 3, 12)))

    found = await store.read(lambda reader: reader.audit(since=START + timedelta(seconds=3)))

    assert found == [lines[0], lines[1], lines[3], lines[4]]


async def test_a_checkpoint_inside_a_transaction_covers_its_own_lines(store: Store, clock: FixedClock) -> None:
    def work(tx: Transaction) -> tuple[AuditEvent, Checkpoint]:
        line = tx.append_audit(an_entry("checkpoint"))
        head = tx.audit_head(clock.now())
        tx.save_checkpoint(head, "file:/w")
        tx.save_checkpoint(head, "slack:C1")
        return line, head

    line, head = await store.write(work)

    assert head == Checkpoint(seq=1, head=line.hash, count=1, at=clock.now())
