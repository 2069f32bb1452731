"""A process stops dead in the middle of its claim's transaction, with the lock of the database in its hand; a kill."""

import asyncio
import os
import random
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from actions.models import ActionStatus
from actions.ports import Store
from tests.factories import START
from tests.invariants import everything
from tests.prove.kill_parts.killer import LOOK, PREPARED_WITHIN, Killer
from tests.prove.kill_parts.load import Freezing
from tests.prove.kill_parts.site import Site
from tests.prove.race_parts.answers import Answer
from tests.prove.race_parts.arena import Numbers
from tests.prove.race_parts.databases import Databases
from tests.prove.race_parts.history import History
from tests.prove.race_parts.ledger import effects_in
from tests.prove.race_parts.promises import broken
from tests.prove.race_parts.remains import Remains

PATIENCE: Final = 0.3
"""Seconds that the kill waits for the database."""
LIMIT: Final = PATIENCE + 2.0
"""Seconds within which it must have answered all the same."""
_VICTIM: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What one case came to."""

    violations: Sequence[str]
    took: int
    """Nanoseconds that the kill took to answer."""
    resumed_claims: int
    """Claims that were committed after the kill had answered: those in the hand of the stopped writer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    answers: Sequence[Answer]
    kill: Answer
    refused: bool
    """Whether every process was, before execute was set again."""
    file: bool
    """Whether a kill file lay there when the kill had answered."""
    claimed: frozenset[int]
    """What was executing when the kill had answered; its effects may still begin."""
    last_seq: int


def freeze(databases: Databases, folder: Path, seed: str, *, on_the_way: Sequence[float]) -> Frozen:
    """Do it once."""
    folder.mkdir()
    url = databases.fresh(folder)
    site, asked = Site.at(url, folder, on_the_way), Numbers(1)

    def wrapped(store: Store, process: int) -> Store:
        return Freezing(store, asked) if process == _VICTIM else store

    try:
        with site.under_load(wrapped) as processes:
            seen = asyncio.run(_kill_a_stopped_writer(site, seed, processes[_VICTIM].pid or 0, asked))
        return _judged(site, seen, asyncio.run(site.remains()))
    finally:
        databases.drop(url)
        shutil.rmtree(folder)


async def _kill_a_stopped_writer(site: Site, seed: str, victim: int, asked: Numbers) -> _Seen:
    patient = await asyncio.to_thread(site.opened)
    hasty = await asyncio.to_thread(site.opened, patience=PATIENCE)
    chance = random.Random(seed)
    killer = Killer(site, site.rig(patient, "host/99/killer"), chance)
    hasty_killer = Killer(site, site.rig(hasty, "host/97/killer"), chance)
    try:
        asked[0] = 1
        await _stopped(victim)
        kill = await hasty_killer.throw()
        stored = await patient.read(everything)
        claimed = frozenset(proposal.id for proposal in stored if proposal.status is ActionStatus.EXECUTING)
        last = await patient.read(lambda reader: reader.audit_head(START).seq)
        file = bool(killer.kill_files())
        os.kill(victim, signal.SIGCONT)
        refused_after = await killer.all_refused(since=kill.ended)
        await killer.go_on()
        await killer.an_effect()
    finally:
        os.kill(victim, signal.SIGCONT)
        site.over[0] = 1
        await patient.close()
        await hasty.close()
    return _Seen(
        answers=[*hasty_killer.answers, *killer.answers],
        kill=kill,
        refused=refused_after is not None,
        file=file,
        claimed=claimed,
        last_seq=last,
    )


async def _stopped(process: int) -> None:
    async with asyncio.timeout(PREPARED_WITHIN):
        while not _is_stopped(process):  # noqa: ASYNC110 - other processes cannot set our events
            await asyncio.sleep(LOOK)


def _is_stopped(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None


def _judged(site: Site, seen: _Seen, remains: Remains) -> Frozen:
    history = History(answers=seen.answers, effects=effects_in(site.ledger), remains=remains)
    lifted = history.turns[-1]
    resumed = {
        event.proposal_id
        for event in remains.audit
        if event.event == "executing" and seen.last_seq < event.seq < lifted.seq
    }
    after = [effect.proposal_id for effect in history.effects if seen.kill.ended < effect.began < lifted.since]
    return Frozen(
        violations=[*_of_the_kill(seen), *_of_the_claims(resumed, after, seen), *remains.problems, *broken(history)],
        took=seen.kill.ended - seen.kill.began,
        resumed_claims=len(resumed),
    )


def _of_the_kill(seen: _Seen) -> Iterator[str]:
    if seen.kill.recorded:
        yield "the kill says that it was recorded, while another process held the lock of the database"
    if seen.kill.ended - seen.kill.began > LIMIT * 1e9:
        yield f"the kill took {(seen.kill.ended - seen.kill.began) / 1e9:.1f} s to answer"
    if not seen.file:
        yield "the kill could not be recorded, and no kill file lies there"
    if not seen.refused:
        yield "a process goes on claiming in spite of the kill file"


def _of_the_claims(resumed: set[int | None], after: Sequence[int], seen: _Seen) -> Iterator[str]:
    if len(resumed) != 1:
        yield f"{len(resumed)} claims were committed after the kill: {resumed}, where the stopped writer held one"
    for proposal_id in after:
        if proposal_id not in seen.claimed:
            yield f"the effect of proposal {proposal_id} began after the kill, and was not claimed before"
