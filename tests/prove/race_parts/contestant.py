"""One of those who act at once: decides and runs, by chance, whatever everybody else is busy with too."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from actions.errors import ActionFailedError, ObserveOnlyError
from actions.executor import Timing
from actions.models import EVERYTHING, Caller, FailureOutcome, Risk, SafetyMode
from actions.ports import KillFiles, Store
from actions.registry import Done
from tests.prove.race_parts.answers import OK, Answer, told
from tests.prove.race_parts.arena import Arena, ArenaClock, Tally
from tests.prove.race_parts.ledger import Ledger
from tests.prove.race_parts.watched import WatchedTarget
from tests.rig import AGENT, ANN, ANN_CLI, BO, CY, Rig

PER_ITEM: Final = 14
"""How many operations meet one item, more or less."""
WINDOW: Final = 6
"""How many items are contested at the same time."""
TIMING: Final = Timing(
    proposal_lifetime=dict.fromkeys(Risk, timedelta(milliseconds=PER_ITEM * WINDOW * 3)),
    approval_lifetime=timedelta(milliseconds=PER_ITEM * 8),
    finish_interval=0.05,
    abort_window=timedelta(0),
)
"""The lifetimes are in the time of `ArenaClock`."""
_FAULTS: Final = ("", "", "", "", "", "", "refuse", "lost", "apply-then-lost")
_WEIGHTS: Final = {
    "approve": 40.0,
    "run": 34.0,
    "cancel": 2.0,
    "sweep": 2.0,
    "reconcile": 2.0,
    "recover": 3.0,
    "kill": 0.3,
    "observe": 0.05,
}
_GO_ON: Final = 0.2
"""How likely someone who is told of observe mode switches to execute next."""
_APPROVERS: Final = (*(ANN, ANN, ANN_CLI, BO, BO) * 4, CY)
_SCOPES: Final = (EVERYTHING, EVERYTHING, "rack")
_SAME_CLICK: Final = 0.3
_ON_THE_WAY: Final = (0, 0, 0.02, 0.1, 0.3)
"""Seconds that something takes to arrive at the target."""
_LINGERING: Final = 0.25
_LINGERS: Final = 0.04
"""How likely an executor keeps its answer to itself, so that others take it for dead; and for how many seconds."""


class ContestedTarget(WatchedTarget):
    """Fails at times, or keeps its answer to itself for a while."""

    def __init__(self, *, dead: Callable[[], None], **parts: Any) -> None:
        super().__init__(**parts)
        self._dead = dead

    async def _touch(self, key: str) -> Done:
        fault = self.chance.choice(_FAULTS)
        if fault not in {"refuse", "lost"}:
            await self.begin(key)
        if self.chance.random() < _LINGERING:
            self._dead()
            await asyncio.sleep(_LINGERS)
        if fault == "refuse":
            raise ActionFailedError("refused", FailureOutcome.NO_EFFECT)
        if fault:
            raise ConnectionError("lost on the way there, or on the way back")
        return Done(detail=f"touched {key}")


class Contestant:
    """Does one operation after the other, and keeps the answers. Its executor runs one action at a time."""

    def __init__(
        self, *, arena: Arena, store: Store, kill_files: KillFiles, ledger: Ledger, process: int, number: int, seed: str
    ) -> None:
        self.answers: list[Answer] = []
        self._arena = arena
        self._process = process
        self._number = number
        self._chance = random.Random(f"{seed}:{number}")
        self._owner = f"host/{number}/{process}"
        target = ContestedTarget(
            ledger=ledger,
            counts=Tally(arena.touched),
            store=store,
            owner=self._owner,
            proposal_of=lambda key: arena.ids[int(key)],
            chance=self._chance,
            on_the_way=_ON_THE_WAY,
            dead=partial(self._looks_dead, yes=True),
        )
        self._rig = Rig(store, kill_files, ArenaClock(arena.done), owner=self._owner, timing=TIMING, target=target)
        self._verbs: Mapping[str, Callable[[], Awaitable[None]]] = {
            "approve": self._approve,
            "run": self._execute,
            "cancel": self._cancel,
            "sweep": lambda: self._do("sweep", self._rig.sweeper.sweep()),
            "reconcile": lambda: self._do("reconcile", self._rig.reconciler.reconcile()),
            "recover": lambda: self._do("recover", self._rig.reconciler.recover(self._is_dead)),
            "kill": self._kill,
            "observe": lambda: self._switch(SafetyMode.OBSERVE, self._some_scope()),
        }

    async def run(self, count: int) -> None:
        """Go on until all together have done *count* operations."""
        while self._arena.done.sum() < count:
            if self._was_told_of_observe_mode() and self._chance.random() < _GO_ON:
                await self._switch(SafetyMode.EXECUTE, self.answers[-1].scope)
                continue
            (verb,) = self._chance.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()))
            await self._verbs[verb]()

    async def _approve(self) -> None:
        proposal_id = await self._some_proposal()
        by = self._click("approve", proposal_id, self._chance.choice(_APPROVERS))
        if proposal_id:
            await self._do("approve", self._rig.executor.approve_proposal(proposal_id, by=by), by, proposal_id)

    async def _cancel(self) -> None:
        proposal_id = await self._some_proposal()
        by = self._click("cancel", proposal_id, self._chance.choice((ANN, BO)))
        if proposal_id:
            await self._do("cancel", self._rig.executor.cancel_proposal(proposal_id, by=by), by, proposal_id)

    async def _execute(self) -> None:
        proposal_id = await self._some_proposal()
        if proposal_id:
            self._looks_dead(yes=False)
            await self._do("run", self._rig.executor.execute_proposal(proposal_id), proposal_id=proposal_id)

    async def _kill(self) -> None:
        reason, scope = self._reason(), self._some_scope()
        await self._do("kill", self._rig.safety.kill_switch(by=BO, reason=reason, scope=scope), BO, reason=reason)

    async def _switch(self, mode: SafetyMode, scope: str) -> None:
        reason = self._reason()
        work = self._rig.safety.set_mode(mode, by=ANN, reason=reason, scope=scope)
        await self._do(mode.value, work, ANN, reason=reason)

    async def _some_proposal(self) -> int:
        item = self._arena.done.sum() // PER_ITEM + self._chance.randrange(WINDOW)
        if not self._arena.ids[item]:
            await self._propose(item)
        return self._arena.ids[item]

    async def _propose(self, item: int) -> None:
        action = "crush" if item % 4 == 0 else "touch"
        await self._do("propose", self._rig.propose(f"i{item // 2}", mark=str(item), action=action, validate=False))
        born = self.answers[-1]
        if born.said == OK:
            self._arena.ids[item] = born.number
            await self._do("validate", self._rig.executor.validate_proposal(born.number), proposal_id=born.number)

    async def _do(
        self, verb: str, work: Awaitable[object], by: Caller = AGENT, proposal_id: int = 0, reason: str = ""
    ) -> None:
        began = time.monotonic_ns()
        try:
            outcome = await work
        except Exception as error:  # noqa: BLE001 - boundary: whatever it was told is part of the history
            outcome = error
        fields: dict[str, Any] = {"proposal_id": proposal_id, "reason": reason, **told(outcome)}
        self.answers.append(
            Answer(
                verb=verb,
                by=str(by.actor),
                owner=self._owner,
                began=began,
                ended=time.monotonic_ns(),
                repeatable=by.key is not None,
                **fields,
            )
        )
        self._arena.done[self._process] += 1

    def _click(self, verb: str, proposal_id: int, by: Caller) -> Caller:
        same = self._chance.random() < _SAME_CLICK
        return replace(by, key=f"{verb}:{proposal_id}:{by.actor}") if same else by

    def _some_scope(self) -> str:
        return self._chance.choice(_SCOPES)

    def _reason(self) -> str:
        return f"{self._owner}#{len(self.answers)}"

    def _was_told_of_observe_mode(self) -> bool:
        return bool(self.answers) and self.answers[-1].said == ObserveOnlyError.__name__

    def _looks_dead(self, *, yes: bool) -> None:
        self._arena.dead[self._number] = yes

    def _is_dead(self, owner: str) -> bool:
        return self._arena.dead[int(owner.split("/")[1])] == 1
