"""Where it happens: one database, one host's kill files, a ledger of effects, and processes under load."""

import asyncio
import logging
import multiprocessing
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Final

from actions.ports import Store
from bot.system import SystemClock
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.factories import CountingEntropy
from tests.prove.kill_parts.load import Load
from tests.prove.race_parts.arena import Numbers
from tests.prove.race_parts.ledger import Ledger, effects_in
from tests.prove.race_parts.remains import Remains, remains_of
from tests.prove.race_parts.watched import WatchedTarget
from tests.rig import Rig, Target

PROCESSES: Final = 3
WIDTH: Final = 4
"""How many actions each process runs at the same time."""
_PATIENCE: Final = 60.0
"""Seconds to wait for the database."""
_FORK: Final = multiprocessing.get_context("fork")
Wrapped = Callable[[Store, int], Store]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all processes know of."""

    url: str
    folder: Path
    on_the_way: Sequence[float]
    """Seconds that something takes to arrive at the target, one of these."""
    refused_at: Numbers
    """When each process was last told that it may not: nanoseconds of the clock that all share."""
    under_way: Numbers
    """1 for each executor that is running an action, or about to."""
    over: Numbers
    """1 when the load shall end."""

    @classmethod
    def at(cls, url: str, folder: Path, on_the_way: Sequence[float]) -> "Site":
        """Prepare the folder."""
        (folder / "state").mkdir(mode=0o700)
        return cls(
            url=url,
            folder=folder,
            on_the_way=on_the_way,
            refused_at=Numbers(PROCESSES),
            under_way=Numbers(PROCESSES * WIDTH),
            over=Numbers(1),
        )

    @property
    def ledger(self) -> Path:
        """Where the effects are written down."""
        return self.folder / "ledger"

    @property
    def effects(self) -> int:
        """A number that grows with every effect."""
        return self.ledger.stat().st_size if self.ledger.exists() else 0

    def opened(self, *, patience: float = _PATIENCE) -> SqlStore:
        """Open the database. Blocks."""
        return SqlStore.open(self.url, clock=SystemClock(), busy_timeout=patience)

    def rig(self, store: Store, owner: str, target: Target | None = None) -> Rig:
        """Return what one of them acts through."""
        kill_files = DirectoryKillFiles(self.folder / "state", entropy=CountingEntropy(prefix=owner))
        return Rig(store, kill_files, SystemClock(), owner=owner, target=target)

    async def remains(self) -> Remains:
        """Return what is left when the load has ended."""
        store = await asyncio.to_thread(self.opened)
        remains = await remains_of(self.rig(store, "host/98/settled"), self.url, effects_in(self.ledger))
        await store.close()
        return remains

    @contextmanager
    def under_load(self, wrapped: Wrapped = lambda store, _: store) -> Iterator[list[ForkProcess]]:
        """Have processes claim and run until the block ends."""
        processes = [_FORK.Process(target=_serve, args=(self, number, wrapped)) for number in range(PROCESSES)]
        for process in processes:
            process.start()
        try:
            yield processes
        finally:
            self.over[0] = 1
            for process in processes:
                process.join()
        if any(process.exitcode for process in processes):
            raise RuntimeError("a process under load broke")


def _serve(site: Site, process: int, wrapped: Wrapped) -> None:
    logging.disable()
    asyncio.run(_work(site, process, wrapped))


async def _work(site: Site, process: int, wrapped: Wrapped) -> None:
    opened = await asyncio.to_thread(site.opened)
    store = wrapped(opened, process)
    ledger = Ledger(site.ledger)
    loads = [_load(site, store, ledger, process, process * WIDTH + number) for number in range(WIDTH)]
    await asyncio.gather(*(load.until(site.over) for load in loads))
    await opened.close()


def _load(site: Site, store: Store, ledger: Ledger, process: int, number: int) -> Load:
    ids: dict[str, int] = {}
    target = WatchedTarget(
        ledger=ledger,
        counts=Counter(),
        store=store,
        owner=f"host/{number}/load",
        proposal_of=ids.__getitem__,
        chance=random.Random(number),
        on_the_way=site.on_the_way,
    )
    rig = site.rig(store, f"host/{number}/load", target)
    return Load(rig, ids, number=number, process=process, refused_at=site.refused_at, under_way=site.under_way)
