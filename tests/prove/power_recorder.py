"""A process whose disk is recorded while it works: `python -m tests.prove.power_recorder FOLDER SEED COUNT ROUNDS`.

Each recording n leaves FOLDER/n, its first state FOLDER/n.before and its records FOLDER/n.log; then a line on standard
output says n. Recording 0 begins with nothing at all.
"""

from tests.prove.one import plant_from_environment

if __name__ == "__main__":
    plant_from_environment()

import asyncio
import logging
import shutil
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Final

from actions.errors import OperatorError
from actions.models import ActionProposal, ActionStatus, Checkpoint, SafetyMode
from actions.registry import Done
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from storage.witness import WitnessFile
from tests.factories import CountingEntropy, FixedClock
from tests.prove.shim.control import Shim
from tests.rig import ANN, ANN_CLI, AT_ONCE, BO, Rig, Target

DATABASE: Final = "var/operator.db"
STATE: Final = "var/state"
WITNESS: Final = "var/state/witness"
ITEMS: Final = 12
LOCKED_EVERY: Final = 30
BUSY: Final = 0.5
"""Seconds; a kill while the database is locked waits as long."""


class MarkedTarget(Target):
    """Says in the recording that an effect begins."""

    def __init__(self, shim: Shim) -> None:
        super().__init__()
        self._shim = shim

    async def _touch(self, key: str) -> Done:
        self._shim.mark(f"EFFECT {key}")
        return await super()._touch(key)


class MarkingWitness(WitnessFile):
    """Says in the recording that it keeps a checkpoint."""

    def __init__(self, path: Path, shim: Shim) -> None:
        super().__init__(path)
        self._shim = shim

    async def keep(self, checkpoint: Checkpoint) -> None:
        await super().keep(checkpoint)
        self._shim.mark(f"WITNESSED {checkpoint.line()}")


class Script:
    """Does what people and the bot do, by chance, and marks what it was told is done."""

    def __init__(self, root: Path, shim: Shim, chance: Random) -> None:
        self._root = root
        self._shim = shim
        self._chance = chance
        self._proposed = 0
        self._target = MarkedTarget(shim)
        self._clock = FixedClock()
        self._steps = (*[self._propose, self._approve, self._execute] * 3, self._execute, self._cancel)
        self._rig = self._opened()

    async def play(self, rounds: int) -> None:
        """Do so many rounds of several things at once."""
        await self._rig.start()
        await self._acknowledged()
        for number in range(rounds):
            await self._round(number)
            await self._acknowledged()
        await self._rig.store.close()  # type: ignore[attr-defined]

    async def _round(self, number: int) -> None:
        drawn = self._chance.random()
        if number % LOCKED_EVERY == LOCKED_EVERY // 2:
            await self._kill_while_the_database_is_locked()
        elif drawn < 0.03:
            await self._kill()
        elif drawn < 0.09:
            await self._rig.auditor.checkpoint()
        elif drawn < 0.12:
            await self._reopen()
        else:
            at_once = self._chance.choice([1, 1, 2, 4])
            await asyncio.gather(*(self._step() for _ in range(at_once)))

    async def _step(self) -> None:
        # A refusal is an answer too, and some of them are written down.
        with suppress(OperatorError):
            await self._chance.choice(self._steps)()

    async def _propose(self) -> None:
        self._proposed += 1
        item, action = f"item-{self._chance.randrange(ITEMS)}", self._chance.choice(["touch", "touch", "crush"])
        proposal_id = await self._rig.propose(item, mark=f"mark-{self._proposed}", action=action)
        self._shim.mark(f"TOLD {proposal_id} 2")

    async def _approve(self) -> None:
        proposal_id, by = await self._one_of(ActionStatus.VALIDATED), self._chance.choice([ANN, BO])
        self._told(await self._rig.executor.approve_proposal(proposal_id, by=by))

    async def _execute(self) -> None:
        self._told(await self._rig.executor.execute_proposal(await self._one_of(ActionStatus.APPROVED)))

    async def _cancel(self) -> None:
        proposal_id = await self._one_of(ActionStatus.VALIDATED, ActionStatus.APPROVED)
        self._told(await self._rig.executor.cancel_proposal(proposal_id, by=BO, reason="enough"))

    def _told(self, proposal: ActionProposal) -> None:
        self._shim.mark(f"TOLD {proposal.id} {proposal.version}")

    async def _one_of(self, *statuses: ActionStatus) -> int:
        found = await self._rig.store.read(lambda reader: reader.proposals(statuses=statuses))
        return self._chance.choice(found).id if found else 1

    async def _kill(self) -> None:
        stopped = await self._rig.safety.kill_switch(by=ANN, reason="by chance")
        assert stopped.recorded
        await self._acknowledged()
        await self._rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="on we go")

    async def _kill_while_the_database_is_locked(self) -> None:
        with closing(sqlite3.connect(self._root / DATABASE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            stopped = await self._rig.safety.kill_switch(by=BO, reason="by file")
            assert not stopped.recorded
            self._shim.mark(f"KILL FILES {' '.join(self._rig.kill_files.present())}")
            other.execute("ROLLBACK")
        await self._step()
        self._shim.mark("KILL FILES")  # from here on they may be removed
        await self._rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="on we go")

    async def _reopen(self) -> None:
        await self._rig.store.close()  # type: ignore[attr-defined]
        self._rig = self._opened()

    def _opened(self) -> Rig:
        store = SqlStore.open(f"sqlite:///{self._root / DATABASE}", clock=self._clock, busy_timeout=BUSY)
        kill_files = DirectoryKillFiles(self._root / STATE, entropy=CountingEntropy(prefix=str(self._chance.random())))
        if not (self._root / STATE).exists():
            kill_files.remove([kill_files.drop()])
        rig = Rig(store, kill_files, self._clock, owner=f"host/1/{self._proposed}", target=self._target, timing=AT_ONCE)
        rig.auditor._witness = MarkingWitness(self._root / WITNESS, self._shim)
        return rig

    async def _acknowledged(self) -> None:
        head = await self._rig.store.read(lambda reader: reader.audit_head(self._clock.now()))
        self._shim.mark(f"ACK {head.line()}")


def template(folder: Path) -> None:
    """Make a database with its tables."""
    asyncio.run(SqlStore.open(f"sqlite:///{folder / DATABASE}", clock=FixedClock()).close())
    files = DirectoryKillFiles(folder / STATE, entropy=CountingEntropy())
    files.remove([files.drop()])


def record(folder: Path, number: int, seed: str, play: Callable[[Script], None]) -> None:
    """Make one recording."""
    root, before, log = (folder / f"{number}{suffix}" for suffix in ("", ".before", ".log"))
    if number:
        shutil.copytree(folder / "template", root)
    else:
        root.mkdir(mode=0o700)
    shutil.copytree(root, before)
    shim = Shim()
    shim.record(root, log)
    play(Script(root, shim, Random(seed)))
    shim.record(folder / "nothing", log)


def main(arguments: Sequence[str]) -> None:
    """Make all that are asked for."""
    logging.disable()  # what is made to go wrong is told as refusals
    folder, seed, count, rounds = Path(arguments[0]), arguments[1], int(arguments[2]), int(arguments[3])
    template(folder / "template")
    for number in range(count):
        record(folder, number, f"{seed}/{number}", lambda script: asyncio.run(script.play(rounds)))
        print(number, flush=True)  # noqa: T201 - whoever waits for it reads this


if __name__ == "__main__":
    main(sys.argv[1:])
