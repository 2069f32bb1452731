"""A full run of the bot's core over a real file, real kill files and real sockets, as one of its calls fails."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from actions.canonical import Json
from actions.errors import OperatorError, StorageError
from actions.models import ActionProposal, Fact, SafetyMode
from actions.ports import Reader, Transaction
from actions.registry import Done, Happened, Preview, Verdict
from actions.subjects.transport import Call, Transport
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.factories import CountingEntropy, FixedClock
from tests.prove.power_recorder import DATABASE, STATE, WITNESS, MarkingWitness
from tests.prove.shim.control import Shim
from tests.rig import ANN, ANN_CLI, AT_ONCE, BO, Rig, Target, Touch

T = TypeVar("T")
_DISK_REPORTS: Final = "its disk reports an error"


class SocketTarget(Target):
    """A target behind a real socket, spoken to as all subjects speak to theirs."""

    def __init__(self, endpoint: str, shim: Shim) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._shim = shim
        self._transport = Transport()

    async def preview(self, params: Touch) -> Preview:
        return Preview(impact=(), pins={}, before={"touched": await self._count(params.key)})

    async def verify(self, params: Touch, before: Mapping[str, Json]) -> Verdict:
        count = await self._count(params.key)
        return Verdict(
            happened=Happened.YES if count > int(str(before["touched"])) else Happened.NO,
            evidence=(Fact(label="touched", value=str(count)),),
        )

    async def close(self) -> None:
        await self._transport.close()

    async def _touch(self, key: str) -> Done:
        self._shim.mark(f"EFFECT {key}")
        reply = await self._transport.write(self._endpoint, Call(path=f"/{key}", body=b"{}"))
        reply.require_success()
        return Done(detail=f"touched {key}")

    async def _count(self, key: str) -> int:
        reply = await self._transport.read([self._endpoint], Call(path=f"/{key}"))
        return int(json.loads(reply.body).get(key, 0))


class DistrustingStore:
    """The store, and whether it wrote anything after its disk had failed."""

    def __init__(self, store: SqlStore, problems: list[str]) -> None:
        self._store = store
        self._problems = problems
        self._failed = ""

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        try:
            answer = await self._store.write(work, urgent=urgent)
        except StorageError as error:
            if _DISK_REPORTS in str(error):
                self._failed = str(error)
            raise
        if self._failed:
            self._problems.append(f"the store went on although its disk had failed: {self._failed}")
            self._failed = ""  # said once
        return answer

    async def read(self, query: Callable[[Reader], T]) -> T:
        return await self._store.read(query)

    async def close(self) -> None:
        await self._store.close()


class Scenario:
    """Propose, approve, execute, cancel, kill, audit. What is refused or fails is noted, and the run goes on."""

    def __init__(self, root: Path, shim: Shim, endpoint: str, name: str, *, ends_well: bool) -> None:
        self.problems: list[str] = []
        self.refused = 0
        self._root = root
        self._shim = shim
        self._name = name
        self._ends_well = ends_well
        self._clock = FixedClock()
        self._target = SocketTarget(endpoint, shim)

    async def play(self) -> None:
        """Do all of it."""
        url = f"sqlite:///{self._root / DATABASE}"
        try:
            store = DistrustingStore(SqlStore.open(url, clock=self._clock, check=True), self.problems)
        except OperatorError as error:
            self._refused(error)
            return
        kill_files = DirectoryKillFiles(self._root / STATE, entropy=CountingEntropy())
        rig = Rig(store, kill_files, self._clock, target=self._target, timing=AT_ONCE)
        rig.auditor._witness = MarkingWitness(self._root / WITNESS, self._shim)
        await self._work(rig)
        if self._ends_well:
            await store.close()
            await self._target.close()

    async def _work(self, rig: Rig) -> None:
        await self._try(rig, rig.start())
        await self._try(rig, rig.auditor.started("fault sweep"))
        plain = [await self._proposed(rig, name) for name in ("a", "b", "c", "d")]
        risky = await self._proposed(rig, "e", action="crush")
        for proposal_id in (*plain[:2], plain[3], risky):
            await self._try(rig, rig.executor.approve_proposal(proposal_id, by=ANN))
        await self._try(rig, rig.executor.approve_proposal(risky, by=BO))
        await self._try(rig, rig.executor.execute_proposal(plain[0]))
        await self._try(rig, rig.executor.cancel_proposal(plain[2], by=BO, reason="enough"))
        await self._try(rig, rig.auditor.checkpoint())
        await asyncio.gather(
            self._try(rig, rig.executor.execute_proposal(plain[1])),
            self._try(rig, rig.executor.execute_proposal(risky)),
            self._proposed(rig, "f"),
        )
        await self._stop(rig, waiting=plain[3])
        self._shim.mark("KILL FILES")
        await self._try(rig, rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="on we go"))
        last = await self._proposed(rig, "g")
        await self._try(rig, rig.executor.approve_proposal(last, by=BO))
        await self._try(rig, rig.executor.execute_proposal(last))
        await self._try(rig, rig.sweeper.sweep())
        await self._try(rig, rig.reconciler.reconcile())
        await self._try(rig, rig.auditor.stopped("fault sweep"))

    async def _stop(self, rig: Rig, *, waiting: int) -> None:
        stopped = await self._try(rig, rig.safety.kill_switch(by=ANN, reason="in the middle"))
        if stopped is not None and not stopped.recorded:
            held = rig.kill_files.present()
            self._shim.mark(f"KILL FILES {' '.join(held)}")
            if not held:
                self.problems.append("the kill switch said that a kill file stays, and there is none")
        ran = await self._try(rig, rig.executor.execute_proposal(waiting))
        if stopped is not None and ran is not None:
            self.problems.append(f"action {waiting} ran after the kill switch had returned")

    async def _proposed(self, rig: Rig, name: str, *, action: str = "touch") -> int:
        mark = f"{self._name}-{name}"
        proposal_id = await self._try(rig, rig.propose(f"item-{name}", mark=mark, action=action))
        if proposal_id is not None:
            self._shim.mark(f"TOLD {proposal_id} 2")
        return proposal_id or 1_000

    async def _try(self, rig: Rig, step: Awaitable[T]) -> T | None:
        answer: T | None = None
        try:
            answer = await step
        except OperatorError as error:
            self._refused(error)
        except OSError as error:
            # Only the witness may say so, and callers of it know.
            if Path(str(error.filename or self._root / WITNESS)).name != Path(WITNESS).name:
                self.problems.append(f"no sentence, but {error!r}")
        except Exception as error:  # noqa: BLE001 - boundary: whatever else comes out is a violation
            self.problems.append(f"no sentence, but {error!r}")
        await self._acknowledged(rig, answer)
        return answer

    async def _acknowledged(self, rig: Rig, answer: Any) -> None:
        if isinstance(answer, ActionProposal):
            self._shim.mark(f"TOLD {answer.id} {answer.version}")
        with suppress(StorageError):
            head = await rig.store.read(lambda reader: reader.audit_head(self._clock.now()))
            self._shim.mark(f"ACK {head.line()}")

    def _refused(self, error: OperatorError) -> None:
        said = str(error)
        self.refused += 1
        if len(said) < 20 or said[-1] not in ".…" or "This is a bug" in said:
            self.problems.append(f"no sentence for a person: {said!r}")
