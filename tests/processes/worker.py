"""A process that executes over a shared database, and writes every effect into a ledger as it begins.

Run as `python -m tests.processes.worker <folder> <seconds before an effect> <seconds after it>`; with `inf` seconds an
effect waits for a file named `go`. Ends when its standard input does.
"""

import asyncio
import math
import os
import sys
import time
from pathlib import Path

from actions.dispatcher import Dispatcher
from actions.registry import Done
from bot.system import SystemClock, process_owner
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.factories import CountingEntropy
from tests.rig import Rig, Target


class LedgerTarget(Target):
    """Writes `<monotonic time> <key>` to a file the moment an effect begins."""

    def __init__(self, path: Path, before: float, after: float) -> None:
        super().__init__()
        self._go = path.with_name("go")
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._before = before
        self._after = after

    async def _touch(self, key: str) -> Done:
        await self._until_it_may_begin()
        os.write(self._file, f"{time.monotonic()} {key}\n".encode())
        self.ledger[key] += 1
        await asyncio.sleep(self._after)
        return Done(detail="touched")

    async def _until_it_may_begin(self) -> None:
        if self._before != math.inf:
            await asyncio.sleep(self._before)
            return
        while not self._go.exists():
            await asyncio.sleep(0.02)


async def work(folder: Path, before: float, after: float) -> None:
    """Execute what is approved until standard input ends."""
    clock = SystemClock()
    store = await asyncio.to_thread(SqlStore.open, f"sqlite:///{folder}/operator.db", clock=clock)
    kill_files = DirectoryKillFiles(folder / "state", entropy=CountingEntropy(prefix="files"))
    target = LedgerTarget(folder / "ledger", before, after)
    rig = Rig(store, kill_files, clock, owner=process_owner(), target=target)
    dispatcher = Dispatcher(store=store, executor=rig.executor)
    running = asyncio.create_task(dispatcher.run())
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    running.cancel()
    await dispatcher.stop(grace=5)
    await store.close()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
