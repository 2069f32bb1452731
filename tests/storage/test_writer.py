"""The one writer: group commit, and what its callers hear when the database cannot take it."""

import asyncio
import contextlib
import resource
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from actions.errors import OverloadedError, StorageError
from actions.models import EVERYTHING, ActionProposal, ActionStatus, Approval, Control, SafetyMode, Via
from actions.ports import Transaction
from storage.sqlite import SqliteWriteSession
from storage.store import SqlStore
from storage.unit_of_work import SqlTransaction
from tests.factories import START, FixedClock, a_proposal
from tests.storage.scripts import must
from tests.storage.test_contract_audit import an_entry


def insert(number: int) -> Callable[[Transaction], object]:
    return lambda tx: must(tx.insert_proposal(a_proposal(source_key=f"test:{number}")))


def say(sql: str) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        assert isinstance(tx, SqlTransaction)
        tx._channel.ask(sql, {})

    return work


def driver(store: SqlStore) -> sqlite3.Connection:
    session = store._writer._session
    assert isinstance(session, SqliteWriteSession)
    found = session._connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


@contextmanager
def statements(store: SqlStore) -> Iterator[list[str]]:
    said: list[str] = []
    driver(store).set_trace_callback(said.append)
    yield said
    driver(store).set_trace_callback(None)


def stored(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [key for (key,) in connection.execute("SELECT source_key FROM proposals ORDER BY id")]


def wreck(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def take_away(path: Path, *, replace: bool) -> None:
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    path.unlink()
    if replace:
        copy.rename(path)


async def queued(store: SqlStore, *work: Callable[[Transaction], object]) -> list[asyncio.Task[object]]:
    tasks = [asyncio.create_task(store.write(one)) for one in work]
    await asyncio.sleep(0)  # lets each of them get as far as the queue
    return tasks


async def test_whatever_waits_shares_one_commit(sql_store: SqlStore, path: Path) -> None:
    with locked(path) as other, statements(sql_store) as said:
        tasks = await queued(sql_store, *(insert(n) for n in range(100)))
        other.execute("COMMIT")
        await asyncio.gather(*tasks)

    assert said.count("BEGIN IMMEDIATE") == said.count("COMMIT") == 1
    assert stored(path) == [f"test:{n}" for n in range(100)]


async def test_a_batch_is_bounded(sql_store: SqlStore, path: Path) -> None:
    with locked(path) as other, statements(sql_store) as said:
        tasks = await queued(sql_store, *(insert(n) for n in range(600)))
        other.execute("COMMIT")
        await asyncio.gather(*tasks)

    assert said.count("COMMIT") == 3
    assert len(stored(path)) == 600


async def test_an_answer_comes_after_the_commit(sql_store: SqlStore, path: Path) -> None:
    for number in range(20):
        await sql_store.write(insert(number))
        assert len(stored(path)) == number + 1


async def test_a_locked_database_is_told_to_everybody_who_waits(sql_store: SqlStore, path: Path) -> None:
    with locked(path), statements(sql_store) as said:
        tasks = await queued(sql_store, *(insert(n) for n in range(5)))
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert said.count("BEGIN IMMEDIATE") == 1
    assert [type(answer) for answer in answers] == [StorageError] * 5
    assert len({id(answer) for answer in answers}) == 5
    assert str(answers[0]) == (
        f"The database {path} is locked by another connection; nothing was recorded. "
        "Try again; if it stays locked, end that process."
    )
    assert stored(path) == []
    await sql_store.write(insert(1))
    assert stored(path) == ["test:1"]


async def test_reading_does_not_wait_for_the_lock(sql_store: SqlStore, path: Path) -> None:
    await sql_store.write(insert(1))
    with locked(path) as other:
        other.execute("UPDATE proposals SET detail = 'unseen'")
        (found,) = await sql_store.read(lambda reader: reader.proposals())

    assert found.detail == ""


async def test_a_full_disk_stores_nothing_and_loses_nothing(sql_store: SqlStore, path: Path) -> None:
    await sql_store.write(insert(1))
    pages = driver(sql_store).execute("PRAGMA page_count").fetchone()[0]
    driver(sql_store).execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StorageError, match=r"the disk is full; nothing was recorded\. Free some space"):
        await sql_store.write(lambda tx: tx.insert_proposal(a_proposal(source_key="big", detail="x" * 100_000)))

    assert stored(path) == ["test:1"]
    driver(sql_store).execute("PRAGMA max_page_count = 1000000")
    await sql_store.write(insert(2))
    assert stored(path) == ["test:1", "test:2"]


async def test_a_full_disk_refuses_what_is_too_big_and_takes_the_rest(sql_store: SqlStore, path: Path) -> None:
    await sql_store.write(insert(1))
    pages = driver(sql_store).execute("PRAGMA page_count").fetchone()[0]
    driver(sql_store).execute(f"PRAGMA max_page_count = {pages}")

    with locked(path) as other:
        tasks = await queued(
            sql_store,
            lambda tx: tx.take_inbox("small", body_hash="h", reply="", at=START),
            lambda tx: tx.insert_proposal(a_proposal(source_key="big", detail="x" * 100_000)),
            lambda tx: tx.take_inbox("small too", body_hash="h", reply="", at=START),
        )
        other.execute("COMMIT")
        answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(answer) for answer in answers] in (
        [type(None), StorageError, type(None)],
        [StorageError, StorageError, StorageError],
    )
    kept = await sql_store.read(lambda reader: [reader.inbox("small"), reader.inbox("small too")])
    assert [entry is None for entry in kept] == [isinstance(answer, StorageError) for answer in answers[::2]]


async def test_a_read_only_database_says_so(sql_store: SqlStore, path: Path) -> None:
    driver(sql_store).execute("PRAGMA query_only = 1")

    with pytest.raises(StorageError, match=r"is read-only; nothing was recorded\. Check who owns the file"):
        await sql_store.write(insert(1))

    assert stored(path) == []


async def test_a_damaged_database_says_so(sql_store: SqlStore, path: Path) -> None:
    await sql_store.write(lambda tx: tx.insert_proposal(a_proposal(detail="x" * 100_000)))
    driver(sql_store).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    driver(sql_store).execute("PRAGMA cache_size = 0")
    wreck(path)

    with pytest.raises(StorageError, match=r"is damaged, or no database at all .* There is no backup beside it"):
        await sql_store.write(insert(2))
    with pytest.raises(StorageError, match="is damaged"):
        await sql_store.read(lambda reader: reader.proposals())


async def test_a_commit_that_fails_fails_for_everybody_in_it(sql_store: SqlStore, path: Path) -> None:
    orphan = Approval(proposal_id=99, person="ann", actor="cli:ann@h", via=Via.CLI, params_hash="h", at=START)

    def break_the_commit(tx: Transaction) -> None:
        say("PRAGMA defer_foreign_keys = 1")(tx)
        tx.insert_approval(orphan)

    def refuse(_: Transaction) -> None:
        raise LookupError

    with locked(path) as other:
        tasks = await queued(sql_store, insert(1), refuse, break_the_commit, insert(2))
        other.execute("COMMIT")
        answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["LookupError"] + ["StorageError"] * 3
    assert isinstance(answers[1], LookupError)
    assert "FOREIGN KEY" in str(answers[0])
    assert stored(path) == []
    await sql_store.write(insert(3))
    assert stored(path) == ["test:3"]


async def test_a_transaction_that_sqlite_gave_up_spoils_nothing_for_others(sql_store: SqlStore, path: Path) -> None:
    driver(sql_store).execute(
        "CREATE TEMP TRIGGER giving_up BEFORE INSERT ON inbox WHEN NEW.key = 'bad' "
        "BEGIN SELECT RAISE(ROLLBACK, 'given up'); END"
    )

    def go_on_regardless(tx: Transaction) -> None:
        with contextlib.suppress(sqlite3.Error):
            tx.take_inbox("bad", body_hash="h", reply="", at=START)
        insert(0)(tx)

    with locked(path) as other:
        tasks = await queued(sql_store, insert(1), go_on_regardless, insert(2))
        other.execute("COMMIT")
        answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert [isinstance(answer, StorageError) for answer in answers] == [False, True, False]
    assert "given up" in str(answers[1])
    assert stored(path) == ["test:1", "test:2"]


async def test_after_the_disk_failed_nothing_is_written_until_a_new_start(
    sql_store: SqlStore, path: Path, url: str, clock: FixedClock
) -> None:
    await sql_store.write(insert(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("operator.db-wal").stat().st_size, before[1]))
    try:
        with pytest.raises(StorageError, match=r"its disk reports an error \(SQLITE_IOERR_WRITE\); whether"):
            await sql_store.write(insert(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(StorageError, match="then start operator again"):
        await sql_store.write(insert(3))

    assert len(await sql_store.read(lambda reader: reader.proposals())) == 1
    again = await asyncio.to_thread(SqlStore.open, url, clock=clock)
    await again.write(insert(4))
    await again.close()
    assert stored(path) == ["test:1", "test:4"]


@pytest.mark.parametrize("how", ["deleted", "replaced"])
async def test_a_file_that_is_gone_is_not_written_to(sql_store: SqlStore, path: Path, how: str) -> None:
    await sql_store.write(insert(1))
    driver(sql_store).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    take_away(path, replace=how == "replaced")

    with pytest.raises(StorageError, match="was deleted or replaced while it was open; nothing was recorded"):
        await sql_store.write(insert(2))
    with pytest.raises(StorageError, match="was deleted or replaced"):
        await sql_store.read(lambda reader: reader.proposals())

    assert driver(sql_store).execute("SELECT count(*) FROM proposals").fetchone() == (1,)


async def test_too_many_waiting_are_refused_at_once(path: Path, url: str, clock: FixedClock) -> None:
    store = await asyncio.to_thread(SqlStore.open, url, clock=clock, queue=5, busy_timeout=5)
    with locked(path) as other:
        tasks = await queued(store, *(insert(n) for n in range(20)))
        await asyncio.sleep(0)
        refused = [task for task in tasks if task.done()]
        other.execute("COMMIT")
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    await store.close()

    assert len(refused) in (14, 15)
    assert all(isinstance(task.exception(), OverloadedError) for task in refused)
    assert str(refused[0].exception()).startswith(f"5 changes already wait for the database {path}; nothing")
    assert sum(isinstance(answer, OverloadedError) for answer in answers) == len(refused)
    assert len(stored(path)) == 20 - len(refused)


async def test_a_flood_neither_refuses_nor_delays_what_is_urgent(path: Path, url: str, clock: FixedClock) -> None:
    flood = 50
    order: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        begun.set()
        assert go_on.wait(10)

    def note(number: int) -> Callable[[Transaction], object]:
        def work(tx: Transaction) -> None:
            order.append(number)
            insert(number)(tx)

        return work

    store = await asyncio.to_thread(SqlStore.open, url, clock=clock, queue=flood)
    holding = await queued(store, hold)
    await asyncio.to_thread(begun.wait, 10)
    tasks = await queued(store, *(note(n) for n in range(flood)))
    with pytest.raises(OverloadedError):
        await store.write(insert(-1))
    kill = asyncio.create_task(store.write(note(99), urgent=True))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(kill, *tasks, *holding)
    await store.close()

    assert order == [99, *range(flood)]
    assert len(stored(path)) == flood + 1


async def test_closing_writes_what_waits_and_then_refuses(path: Path, url: str, clock: FixedClock) -> None:
    store = await asyncio.to_thread(SqlStore.open, url, clock=clock)
    with locked(path) as other:
        tasks = await queued(store, *(insert(n) for n in range(300)))
        closing_down = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        other.execute("COMMIT")
        await asyncio.gather(*tasks, closing_down)
    await store.close()

    assert len(stored(path)) == 300
    with pytest.raises(StorageError, match="was closed"):
        await store.write(insert(1))
    with pytest.raises(StorageError, match="was closed"):
        await store.read(lambda reader: reader.proposals())
    assert not path.with_name("operator.db-wal").exists()


async def test_a_caller_that_gives_up_disturbs_nobody(sql_store: SqlStore, path: Path) -> None:
    with locked(path) as other:
        impatient, patient = await queued(sql_store, insert(1), insert(2))
        impatient.cancel()
        await asyncio.sleep(0)
        other.execute("COMMIT")
        await patient

    assert impatient.cancelled()
    assert stored(path) == ["test:1", "test:2"]


async def test_an_error_that_no_future_can_carry_still_arrives(sql_store: SqlStore) -> None:
    nothing: Iterator[int] = iter(())

    with pytest.raises(RuntimeError, match="StopIteration"):
        await sql_store.write(lambda _: next(nothing))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await sql_store.read(lambda _: next(nothing))


async def test_several_event_loops_may_share_a_store(sql_store: SqlStore, path: Path) -> None:
    def elsewhere(number: int) -> None:
        asyncio.run(sql_store.write(insert(number)))

    await asyncio.gather(sql_store.write(insert(0)), *(asyncio.to_thread(elsewhere, n) for n in range(1, 4)))

    assert sorted(stored(path)) == [f"test:{n}" for n in range(4)]


async def test_what_a_refused_unit_wrote_is_unknown_to_the_next(sql_store: SqlStore, path: Path) -> None:
    proposal = await sql_store.write(lambda tx: must(tx.insert_proposal(a_proposal())))

    def look(tx: Transaction) -> object:
        return tx.control(EVERYTHING), tx.proposal(proposal.id), tx.audit_head(START), tx.lock_control("etcd")

    def change_and_refuse(tx: Transaction) -> None:
        for scope in (EVERYTHING, "etcd"):
            tx.lock_control(scope)
            tx.set_control(Control(scope=scope, mode=SafetyMode.EXECUTE, epoch=7))
        tx.move(proposal, ActionStatus.CANCELLED, {"detail": "x"})
        tx.append_audit(an_entry())
        raise LookupError(look(tx))

    with locked(path) as other:
        tasks = await queued(sql_store, look, change_and_refuse, look)
        other.execute("COMMIT")
        before, refused, after = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(refused, LookupError)
    assert before == after != refused.args[0]


async def test_what_a_unit_wrote_is_known_to_the_next_of_its_batch(sql_store: SqlStore, path: Path) -> None:
    proposal = await sql_store.write(lambda tx: must(tx.insert_proposal(a_proposal())))
    later = START + timedelta(minutes=1)

    def claim(tx: Transaction) -> ActionProposal:
        tx.proposal(proposal.id)
        return must(tx.move(proposal, ActionStatus.EXECUTING, {"fence": 1, "lease_until": START}))

    def renew(tx: Transaction) -> ActionProposal:
        assert tx.renew_lease(proposal.id, fence=1, until=later)
        return must(tx.proposal(proposal.id))

    with locked(path) as other:
        tasks = await queued(sql_store, claim, renew, lambda tx: tx.proposal(proposal.id))
        other.execute("COMMIT")
        claimed, renewed, found = await asyncio.gather(*tasks)

    assert isinstance(claimed, ActionProposal)
    assert renewed == found == replace(claimed, lease_until=later)
    ended = await sql_store.write(lambda tx: tx.move(claimed, ActionStatus.UNKNOWN, {}))
    assert ended == await sql_store.read(lambda reader: reader.proposal(proposal.id))
    assert must(ended).lease_until == later
