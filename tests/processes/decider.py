"""A process that approves or cancels every pending proposal of a shared database.

Run as `python -m tests.processes.decider <folder> approve|cancel <count>`; begins when it reads a line, and prints for
each proposal whether it won.
"""

import asyncio
import sys
from pathlib import Path

from actions.errors import AlreadyDecidedError
from bot.system import SystemClock
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.factories import CountingEntropy
from tests.rig import ANN, BO, Rig


async def decide(folder: Path, verb: str, count: int) -> None:
    """Decide on proposals 1 to *count*: approve from the one end, fifty at a time, cancel from the other, five."""
    clock = SystemClock()
    store = await asyncio.to_thread(SqlStore.open, f"sqlite:///{folder}/operator.db", clock=clock, busy_timeout=20)
    kill_files = DirectoryKillFiles(folder / "state", entropy=CountingEntropy(prefix=verb))
    rig = Rig(store, kill_files, clock, owner=f"host/1/{verb}")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    # Approving asks more of the database than cancelling; like this neither is done before the other has begun.
    approving = verb == "approve"
    gate, begun = asyncio.Semaphore(50 if approving else 5), asyncio.Event()
    order = range(1, count + 1) if approving else range(count, 0, -1)

    async def one(proposal_id: int) -> str:
        async with gate:
            try:
                if verb == "approve":
                    await rig.executor.approve_proposal(proposal_id, by=ANN)
                else:
                    await rig.executor.cancel_proposal(proposal_id, by=BO)
            except AlreadyDecidedError:
                return f"{proposal_id} lost"
            if not begun.is_set():
                begun.set()
                print("begun", flush=True)
            return f"{proposal_id} won"

    print("\n".join(await asyncio.gather(*(one(i) for i in order))), flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(decide(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
