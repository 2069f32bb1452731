"""One round: processes are forked, contend over one fresh database, and what they were told is held against it."""

import asyncio
import logging
import multiprocessing
import traceback
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final

from actions.models import ActionProposal, AuditEvent
from storage.audit_verify import verify
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.factories import CountingEntropy
from tests.invariants import check, everything
from tests.prove.race_parts.answers import Answer
from tests.prove.race_parts.arena import Arena, ArenaClock, Tally
from tests.prove.race_parts.contestant import PER_ITEM, WINDOW, Contestant
from tests.prove.race_parts.history import History
from tests.prove.race_parts.ledger import Effect, Ledger, effects_in
from tests.rig import Rig, Target

PROCESSES: Final = 4
WIDTH: Final = 8
"""How many operations each process does at the same time."""
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
    arena: Arena
    start: Barrier

    @classmethod
    def of(cls, url: str, folder: Path, seed: str, count: int) -> "Round":
        """Prepare a round of *count* operations."""
        (folder / "state").mkdir(mode=0o700)
        items = (count + PROCESSES * WIDTH * 2) // PER_ITEM + WINDOW + 1
        arena = Arena(processes=PROCESSES, width=WIDTH, items=items)
        return cls(url=url, folder=folder, seed=seed, count=count, arena=arena, start=_FORK.Barrier(PROCESSES))

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
    proposals, audit, problems = asyncio.run(_settled(one))
    return History(answers=answers, audit=audit, proposals=proposals, effects=effects_in(one.ledger), problems=problems)


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
            number=process * WIDTH + number,
            seed=one.seed,
        )
        for number in range(WIDTH)
    ]
    await asyncio.to_thread(one.start.wait)
    await asyncio.gather(*(contestant.run(one.count) for contestant in contestants))
    await store.close()
    return [answer for contestant in contestants for answer in contestant.answers]


async def _settled(one: Round) -> tuple[list[ActionProposal], list[AuditEvent], list[str]]:
    store = await asyncio.to_thread(one.opened)
    target = Target(ledger=Tally(one.arena.touched))
    rig = Rig(store, one.kill_files("settled"), ArenaClock(one.arena.done), owner="host/0/settled", target=target)
    await rig.sweeper.sweep()
    await rig.reconciler.reconcile()
    proposals = await store.read(everything)
    audit = await rig.auditor.events(limit=1_000_000)
    problems = await _broken(store, effects_in(one.ledger))
    await store.close()
    return proposals, audit, [*problems, *verify(one.url, []).problems]


async def _broken(store: SqlStore, effects: list[Effect]) -> list[str]:
    try:
        await store.read(lambda reader: check(reader, Counter(effect.key for effect in effects), {}))
    except (AssertionError, ValueError) as error:
        return [str(error) or repr(error)]
    return []
