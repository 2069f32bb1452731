"""One round: processes are forked, contend over one fresh database, and what they were told is held against it."""

import asyncio
import logging
import multiprocessing
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final

from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.factories import CountingEntropy
from tests.prove.race_parts.answers import Answer
from tests.prove.race_parts.arena import Arena, ArenaClock, Tally
from tests.prove.race_parts.contestant import PER_ITEM, WINDOW, Contestant
from tests.prove.race_parts.history import History
from tests.prove.race_parts.ledger import Ledger, effects_in
from tests.prove.race_parts.remains import Remains, remains_of
from tests.rig import Rig, Target

PROCESSES: Final = 4
_PATIENCE: Final = 60.0
"""Seconds to wait for the database: here nobody is to be sent away because others are busy."""
_FORK: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What its processes need."""

    url: str
    folder: Path
    seed: str
    count: int
    width: int
    """How many operations each process does at the same time."""
    arena: Arena
    start: Barrier

    @classmethod
    def of(cls, url: str, folder: Path, seed: str, *, count: int, width: int) -> "Round":
        """Prepare a round of *count* operations."""
        (folder / "state").mkdir(mode=0o700)
        items = (count + PROCESSES * width * 2) // PER_ITEM + WINDOW + 1
        arena = Arena(processes=PROCESSES, width=width, items=items)
        return cls(
            url=url, folder=folder, seed=seed, count=count, width=width, arena=arena, start=_FORK.Barrier(PROCESSES)
        )

    @property
    def ledger(self) -> Path:
        """Where the effects are written down."""
        return self.folder / "ledger"

    def opened(self) -> SqlStore:
        """Open the database. Blocks."""
        return SqlStore.open(self.url, clock=ArenaClock(self.arena.done), busy_timeout=_PATIENCE)

    def kill_files(self, prefix: str) -> DirectoryKillFiles:
        """Return the kill files of the host on which all of this happens."""
        return DirectoryKillFiles(self.folder / "state", entropy=CountingEntropy(prefix=prefix))


def contended(one: Round) -> History:
    """Let the processes contend; return what they were told, with what the database and the ledger say at the end."""
    answers = _from_all(one)
    return History(answers=answers, effects=effects_in(one.ledger), remains=asyncio.run(_settled(one)))


def _from_all(one: Round) -> list[Answer]:
    receivers, processes = [], []
    for number in range(PROCESSES):
        receiver, sender = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_serve, args=(one, number, sender), daemon=True)
        process.start()
        sender.close()
        receivers.append(receiver)
        processes.append(process)
    said = [receiver.recv() for receiver in receivers]
    for process in processes:
        process.join()
    broken = [text for text in said if isinstance(text, str)]
    if broken:
        raise RuntimeError(f"a process of round {one.seed} broke: {broken[0]}")
    return [answer for answers in said for answer in answers]


def _serve(one: Round, process: int, sender: Connection) -> None:
    logging.disable()  # the actions fail on purpose
    try:
        sender.send(asyncio.run(_contend(one, process)))
    except BaseException:  # boundary: whoever waits must hear of it
        one.start.abort()
        sender.send(traceback.format_exc())
        raise


async def _contend(one: Round, process: int) -> list[Answer]:
    store = await asyncio.to_thread(one.opened)
    ledger = Ledger(one.ledger)
    contestants = [
        Contestant(
            arena=one.arena,
            store=store,
            kill_files=one.kill_files(f"files{process}.{number}"),
            ledger=ledger,
            process=process,
            number=process * one.width + number,
            seed=one.seed,
        )
        for number in range(one.width)
    ]
    await asyncio.to_thread(one.start.wait)
    await asyncio.gather(*(contestant.run(one.count) for contestant in contestants))
    await store.close()
    return [answer for contestant in contestants for answer in contestant.answers]


async def _settled(one: Round) -> Remains:
    store = await asyncio.to_thread(one.opened)
    target = Target(ledger=Tally(one.arena.touched))
    rig = Rig(store, one.kill_files("settled"), ArenaClock(one.arena.done), owner="host/0/settled", target=target)
    remains = await remains_of(rig, one.url, effects_in(one.ledger))
    await store.close()
    return remains
