"""What several processes, and the death of one, may not do to a database."""

import asyncio
import re
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest

from actions.errors import StorageError
from actions.models import ActionStatus
from actions.ports import Transaction
from storage.audit_verify import verify
from storage.store import SqlStore
from tests.factories import FixedClock, a_proposal
from tests.storage.scripts import must

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def process(name: str, *arguments: str) -> AsyncIterator[Process]:
    command = [sys.executable, "-m", "tests.storage.processes", name, *arguments]
    started = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=ROOT)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        started._transport.close()  # type: ignore[attr-defined]  # else its pipes are closed by the garbage collector


async def line(of: Process) -> str:
    assert of.stdout is not None
    return (await of.stdout.readline()).decode().strip()


async def tell(to: Process) -> None:
    assert to.stdin is not None
    to.stdin.write(b"\n")
    await to.stdin.drain()


def keys(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {key for (key,) in connection.execute("SELECT source_key FROM proposals")}


def insert_approved(tx: Transaction, count: int) -> None:
    for key in (f"race:{number}" for number in range(count)):
        must(tx.insert_proposal(a_proposal(source_key=key, target=key, status=ActionStatus.APPROVED)))


@pytest.mark.parametrize("acknowledged", [1, 50])
async def test_what_was_acknowledged_survives_a_sudden_death(url: str, path: Path, acknowledged: int) -> None:
    async with process("write_for_ever", url) as writer:
        known = {await line(writer) for _ in range(acknowledged)}
        writer.send_signal(signal.SIGKILL)
        assert writer.stdout is not None
        known |= set((await writer.stdout.read()).decode().split("\n")[:-1])

    found = await asyncio.to_thread(verify, url, [])
    assert found.problems == ()
    assert known <= await asyncio.to_thread(keys, path)
    assert len(known) >= acknowledged


async def test_a_batch_that_was_not_committed_is_gone_as_a_whole(url: str, path: Path) -> None:
    async with process("stop_in_the_middle", url) as writer:
        assert await line(writer) == "in the middle"
        writer.send_signal(signal.SIGKILL)

    assert await asyncio.to_thread(keys, path) == {"acknowledged"}
    assert (await asyncio.to_thread(verify, url, [])).rows == 1


async def test_of_two_processes_one_wins_each_claim(sql_store: SqlStore, url: str) -> None:
    count = 100
    await sql_store.write(lambda tx: insert_approved(tx, count))
    async with AsyncExitStack() as stack:
        racers = [await stack.enter_async_context(process("race", url)) for _ in range(2)]
        for racer in racers:
            assert await line(racer) == "ready"
        for racer in racers:
            await tell(racer)
        won = [[int(one) for one in (await racer.communicate())[0].split()] for racer in racers]

    assert sorted(won[0] + won[1]) == list(range(1, count + 1))
    claimed = await sql_store.read(lambda reader: reader.proposals(limit=count))
    assert {(one.status, one.version, one.fence, one.attempts) for one in claimed} == {
        (ActionStatus.EXECUTING, 2, 1, 1)
    }


async def test_whoever_holds_the_lock_is_named(sql_store: SqlStore, url: str) -> None:
    async with process("hold", url) as holder:
        assert await line(holder) == "holding"
        with pytest.raises(StorageError, match=rf"is locked by process {holder.pid} \(python[^)]*\)"):
            await sql_store.write(lambda tx: tx.claim_run("digest", FixedClock().now(), FixedClock().now()))


async def test_processes_that_start_together_make_one_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/operator.db"
    async with AsyncExitStack() as stack:
        starters = [await stack.enter_async_context(process("migrate_together", url)) for _ in range(3)]
        for starter in starters:
            await tell(starter)
        answers = [(await starter.communicate())[0] for starter in starters]

    assert answers == [b"1\n"] * 3
    assert re.fullmatch(r"operator\.db(\.migrate\.lock)?", min(one.name for one in (tmp_path / "new").iterdir()))
    assert (await asyncio.to_thread(verify, url, [])).ok
