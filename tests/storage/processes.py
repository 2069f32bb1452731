"""What the processes do that the tests kill, or let race: run as `python -m tests.storage.processes NAME ARGUMENTS`."""

import asyncio
import sys
from datetime import timedelta

from actions.models import EVERYTHING, ActionProposal, ActionStatus, SafetyMode
from actions.ports import Transaction
from storage.store import SqlStore
from tests.factories import START, FixedClock, a_proposal
from tests.storage.scripts import Script, must
from tests.storage.test_contract_audit import an_entry


def say(word: object) -> None:
    """Tell the test, at once."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def write_for_ever(url: str) -> None:
    """Lead many lives at once, and name each one that was acknowledged."""
    clock = FixedClock()
    store = await asyncio.to_thread(SqlStore.open, url, clock=clock)
    script = Script(store, clock)

    async def live(worker: int) -> None:
        for number in range(1_000_000):
            say((await script.whole_life(f"{worker}:{number}")).source_key)

    await asyncio.gather(*(live(worker) for worker in range(16)))


async def stop_in_the_middle(url: str) -> None:
    """Acknowledge one write; then hang inside the second unit of a batch of three."""
    store = await asyncio.to_thread(SqlStore.open, url, clock=FixedClock())

    def insert(tx: Transaction, key: str) -> None:
        born = must(tx.insert_proposal(a_proposal(source_key=key)))
        tx.append_audit(an_entry("proposed", proposal_id=born.id))

    def hang(tx: Transaction) -> None:
        insert(tx, "unfinished")
        say("in the middle")
        sys.stdin.read()

    await store.write(lambda tx: insert(tx, "acknowledged"))
    await asyncio.gather(
        store.write(lambda tx: insert(tx, "before")), store.write(hang), store.write(lambda tx: insert(tx, "after"))
    )


async def race(url: str) -> None:
    """Look at everything that can be claimed; when told to, claim all of it, and name what was won."""
    store = await asyncio.to_thread(SqlStore.open, url, clock=FixedClock(), busy_timeout=30)
    seen = await store.read(lambda reader: reader.proposals(statuses={ActionStatus.APPROVED}, limit=1_000))
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    for approved in seen:
        if await claim(store, approved):
            say(approved.id)
    await store.close()


async def claim(store: SqlStore, approved: ActionProposal) -> bool:
    """Move a proposal to executing, from a view that may be stale."""
    changes = {"attempts": 1, "fence": approved.fence + 1, "lease_until": START + timedelta(seconds=30)}
    return await store.write(lambda tx: tx.move(approved, ActionStatus.EXECUTING, changes)) is not None


async def claim_while_live(url: str) -> None:
    """Count claims in a lease, one transaction each, as fast as the mode allows, until told otherwise."""
    store = await asyncio.to_thread(SqlStore.open, url, clock=FixedClock(), busy_timeout=30)
    count = 0

    def claim(tx: Transaction) -> bool:
        if tx.lock_control(EVERYTHING).mode is not SafetyMode.EXECUTE:
            return False
        tx.drop_lease("claims", str(count))
        return tx.hold_lease("claims", str(count + 1), now=START, until=START + timedelta(seconds=30))

    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    while not ending.done():
        count += await store.write(claim)
    await store.close()


async def hold(url: str) -> None:
    """Hold the lock of the database until told otherwise."""
    store = await asyncio.to_thread(SqlStore.open, url, clock=FixedClock())

    def wait(_: Transaction) -> None:
        say("holding")
        sys.stdin.read()

    await store.write(wait)


async def migrate_together(url: str) -> None:
    """Open the database when told to, at the same moment as others."""
    await asyncio.to_thread(sys.stdin.readline)
    store = await asyncio.to_thread(SqlStore.open, url, clock=FixedClock())
    say(len(await store.read(lambda reader: reader.controls())))
    await store.close()


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    asyncio.run(globals()[name](*arguments))
