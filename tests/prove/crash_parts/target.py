"""The target: a ledger in a file of its own, which outlives whoever is killed while writing to it."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from actions.canonical import Json
from actions.errors import ActionFailedError
from actions.models import ActionProposal, Fact, FailureOutcome, Risk
from actions.registry import ActionDefinition, Done, Happened, Steps, Verdict, define
from tests.prove.crash_parts.points import Points
from tests.rig import Target, Touch

PARTS: Final[Mapping[str, int]] = {"rack.touch": 1, "rack.crush": 1, "rack.pair": 2}
"""Of how many effects an action consists."""
BLIND: Final = "blind"
"""Whose mark begins with it cannot be looked at."""


class Ledger:
    """A line for each effect, written by the system call with which it happens."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def apply(self, key: str, part: int) -> None:
        """Let it happen."""
        os.write(self._file, f"{key} {part}\n".encode())

    def effects(self) -> Counter[tuple[str, int]]:
        """Return how often each part of each action has happened."""
        lines = (line.split() for line in self._path.read_text().splitlines())
        return Counter((key, int(part)) for key, part in lines)


def key_of(proposal: ActionProposal) -> str:
    """Return what the ledger calls it."""
    return str(proposal.parameters["mark"])


class LedgerTarget(Target):
    """Fails as the mark says: `refuse.1`, `lost.2`, `apply-then-lost.3`, `second-lost.4`, `blind-lost.5`."""

    def __init__(self, ledger: Ledger, points: Points) -> None:
        super().__init__()
        self.file = ledger
        self.while_under_way: Callable[[str], Awaitable[None]] = _nothing_else
        self._points = points

    async def touch(self, params: Touch, steps: Steps) -> Done:
        """Touch an item."""
        done = await super().touch(params, steps)
        self._points.reach("after its answer")
        return done

    async def pair(self, params: Touch, steps: Steps) -> Done:
        """Touch both sides of an item, one after the other."""
        for part, name in enumerate(("first", "second")):
            async with steps(name):
                fault = _fault(params.key).removeprefix("second-") if part else ""
                await self._apply(params.key, part, fault)
            self._points.reach("after its answer")
        return Done(detail="touched both sides")

    async def verify(self, params: Touch, before: Mapping[str, Json]) -> Verdict:
        self.ledger = Counter(key for key, _ in self.file.effects().elements())
        if params.key.startswith(BLIND):
            self.blind.add(params.key)
        return await super().verify(params, before)

    async def verify_pair(self, params: Touch, _: Mapping[str, Json]) -> Verdict:
        """Tell whether both sides were touched, one, or none."""
        happened = {part for key, part in self.file.effects() if key == params.key}
        verdict = (Happened.NO, Happened.PARTLY, Happened.YES)[len(happened)]
        return Verdict(happened=verdict, evidence=(Fact(label="sides touched", value=str(len(happened))),))

    def pair_definition(self) -> ActionDefinition[Touch]:
        """Return the action of two steps."""
        return define(
            subject="rack",
            execute=self.pair,
            preview=self.preview,
            verify=self.verify_pair,
            target=lambda params: params.item,
            risk=Risk.LOW,
            verify_within=1.0,
            settle=0.01,
        )

    async def _touch(self, key: str) -> Done:
        return await self._apply(key, 0, _fault(key))

    async def _apply(self, key: str, part: int, fault: str) -> Done:
        self._points.reach("before the send")
        if fault == "refuse":
            raise ActionFailedError("refused", FailureOutcome.NO_EFFECT)
        if fault == "lost":
            raise ConnectionError("lost on the way there")
        self.file.apply(key, part)
        self._points.reach("after the target applied it")
        await self.while_under_way(key)
        await asyncio.sleep(0)
        if fault == "apply-then-lost":
            raise ConnectionError("lost on the way back")
        self._points.reach("before its answer")
        return Done(detail=f"touched {key}")


async def _nothing_else(_: str) -> None:
    return


def _fault(key: str) -> str:
    return key.partition(".")[0].removeprefix(f"{BLIND}-")
