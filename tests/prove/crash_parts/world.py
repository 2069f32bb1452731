"""One process of the bot, as far as decisions and effects go, over a place that it shares with others."""

import asyncio
import hashlib
import shutil
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar, cast

from actions.auditor import ActionAuditor
from actions.diagnosis.models import ActionRecommendation
from actions.dispatcher import Dispatcher
from actions.drafts import Proposition
from actions.errors import OperatorError
from actions.executor import Timing
from actions.lifecycle import APPROVED
from actions.models import Caller, Checkpoint, SafetyMode
from actions.ports import KillFiles
from bot.system import is_dead, process_owner
from storage.database import Database
from storage.databases import database_at
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from storage.witness import WitnessFile
from tests.factories import START, CountingEntropy, FixedClock
from tests.prove.crash_parts.journal import Journal
from tests.prove.crash_parts.points import Points, Watched, WatchedDatabase
from tests.prove.crash_parts.target import Ledger, LedgerTarget
from tests.rig import AGENT, Rig

T = TypeVar("T")
LEASE: Final = timedelta(days=1)
"""So long that none runs out: the owner is dead, or it is alive and its effect may still begin."""
DEAD: Final = "dead/"
"""What begins the names of processes that are going to be killed, where the same must come of the same script."""
QUEUE: Final = 1_000
BUSY: Final = 10.0
"""Seconds to wait for the other process: more than a machine that does much else keeps it from its commit."""


@dataclass(frozen=True, slots=True)
class Place:
    """What outlives a process: the database, the kill files, the target's ledger, the witness and the journal."""

    folder: Path
    server_url: str | None = None
    """Where the database is, unless it is a file in the folder."""

    @property
    def url(self) -> str:
        """Where the database is."""
        return self.server_url or f"sqlite:///{self.folder}/operator.db"

    @property
    def journal(self) -> Journal:
        """What the processes were told."""
        return Journal(self.folder / "journal")

    @property
    def ledger(self) -> Ledger:
        """What happened."""
        return Ledger(self.folder / "ledger")

    @property
    def witness(self) -> WitnessFile:
        """Who keeps checkpoints."""
        return WitnessFile(self.folder / "witness")

    @property
    def testimony(self) -> tuple[Checkpoint, ...]:
        """The checkpoints that the witness keeps."""
        return self.witness.checkpoints() if (self.folder / "witness").exists() else ()

    def fingerprint(self) -> str:
        """Return a hash of all that a new process would find, where the database is a file."""
        found = hashlib.sha256(b"".join(committed_frames(self.folder / "operator.db-wal")))
        found.update((self.folder / "operator.db").read_bytes())
        for name in ("ledger", "witness"):
            path = self.folder / name
            found.update(path.read_bytes() if path.exists() else b"")
            found.update(b"|")
        found.update(repr(sorted(path.name for path in (self.folder / "state").iterdir())).encode())
        found.update(repr([line for line in self.journal.lines() if "died" not in line]).encode())
        return found.hexdigest()

    def copied_to(self, folder: Path) -> "Place":
        """Return a copy of a place whose database is a file, without its journal."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("journal"))
        return Place(folder)


class World:
    """A process; *owner* is its name, by default one that no other ever has."""

    def __init__(
        self, place: Place, *, points: Points | None = None, later: float = 0.0, owner: str | None = None
    ) -> None:
        self.place = place
        self.journal = place.journal
        self.points = points or Points(self.journal)
        self.clock = FixedClock(START + timedelta(seconds=later))
        self.owner = owner or process_owner()
        self.target = LedgerTarget(place.ledger, self.points)
        self.store = self._open()
        (place.folder / "state").mkdir(mode=0o700, exist_ok=True)
        files = DirectoryKillFiles(place.folder / "state", entropy=CountingEntropy(prefix=self.owner))
        self.kill_files = cast("KillFiles", Watched(files, self.points, "kill file", {"drop", "remove"}))
        self.rig = Rig(
            self.store,
            self.kill_files,
            self.clock,
            owner=self.owner,
            target=self.target,
            timing=Timing(lease=LEASE, abort_window=timedelta(0)),
        )
        self.rig.registry.register(self.target.pair_definition())
        self.auditor = ActionAuditor(store=self.store, witness=place.witness, clock=self.clock)

    async def told(self, work: Awaitable[T]) -> T | OperatorError:
        """Wait for the answer, and write down what it promises; a refusal is an answer."""
        try:
            answer = await work
        except OperatorError as error:
            return error
        self.journal.answered(answer)
        return answer

    async def look(self) -> None:
        """Write down what can be read now."""
        await self.store.read(self.journal.looked)

    async def propose(self, item: str, mark: str, *, action: str = "touch", by: Caller = AGENT) -> int:
        """Propose an action and put it up for decision; return its id."""
        recommendation = ActionRecommendation(
            action_name=f"rack.{action}",
            parameters={"item": item, "mark": mark},
            reason="because",
            expected_outcome="touched",
        )
        proposition = Proposition(recommendation=recommendation, source_key=mark, by=by)
        proposal = await self.rig.executor.propose_action(proposition)
        self.journal.answered(proposal)
        self.journal.answered(await self.rig.executor.validate_proposal(proposal.id))
        return proposal.id

    async def recover(self) -> None:
        """Do what a process does when it starts, and then again and again."""
        await self.rig.reconciler.recover(lambda owner: owner.startswith(DEAD) or is_dead(owner, me=self.owner))
        await self.rig.reconciler.reconcile()
        await self.rig.sweeper.sweep()

    async def is_held_back(self) -> bool:
        """Return whether nothing can run."""
        return (await self.rig.safety.control()).mode is not SafetyMode.EXECUTE

    async def run_approved(self) -> None:
        """Run what is approved, one after the other, and find out what became of it."""
        if await self.is_held_back():
            return
        for proposal in await self.store.read(lambda reader: reader.proposals(statuses=[APPROVED], limit=1_000)):
            await self.told(self.rig.executor.execute_proposal(proposal.id))
            await self.rig.reconciler.reconcile()

    async def dispatch(self) -> None:
        """Run what is approved, all at once."""
        dispatcher = Dispatcher(store=self.store, executor=self.rig.executor)
        await dispatcher.dispatch()
        await dispatcher.stop(grace=10)

    async def close(self) -> None:
        """End in good order."""
        await self.store.close()

    def _open(self) -> SqlStore:
        database = database_at(self.place.url, busy_timeout=BUSY)
        database.prepare(clock=self.clock, check=False)
        return SqlStore(cast("Database", WatchedDatabase(database, self.points)), queue=QUEUE)


def committed_frames(wal: Path) -> Iterator[bytes]:
    """Yield the pages of a write-ahead log with their numbers, without its random salts and what follows from them."""
    log = wal.read_bytes() if wal.exists() else b""
    size = 24 + int.from_bytes(log[8:12])
    for start in range(32, len(log) - size + 1, size):
        yield log[start : start + 8]
        yield log[start + 24 : start + size]


def run(work: Awaitable[None]) -> None:
    """Run it in an event loop of its own."""

    async def main() -> None:
        await work

    asyncio.run(main())
