"""Everybody acts at once, in an order that chance decides: what was promised holds all the same."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from actions.errors import OperatorError
from actions.executor import ActionExecutor
from actions.models import ActionProposal, Caller, SafetyMode
from actions.ports import Store
from actions.registry import Done, Steps
from storage.store import SqlStore
from tests.actions.parts import executor_over, require_sound, stored
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, AT_ONCE, BO, MemoryKillFiles, Rig, Target, Touch

ITEMS = "abcdef"
ACTIONS = ("touch", "crush")
"""Two on each item: of one, the newer proposal takes the place of the older."""


@dataclass
class Story:
    """What was seen from outside, in order: effects that began, and what each kill said when it returned."""

    chance: random.Random
    lines: list[tuple[str, Any]] = field(default_factory=list)

    async def dawdle(self, most: int = 12) -> None:
        for _ in range(self.chance.randrange(most)):
            await asyncio.sleep(0)

    def check(self, ids: dict[str, int]) -> None:
        """Assert that no effect began after a kill that the kill did not list."""
        stopped: set[int] = set()
        listed: set[int] = set()
        for word, what in self.lines:
            if word == "killed":
                stopped, listed = set(ids.values()), set(what)
            elif ids[what] in stopped:
                assert ids[what] in listed, f"{what} began after a kill that did not list it: {self.lines}"


class Watched(Target):
    """A target that tells when an effect begins, and takes its time."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self._story = story

    async def touch(self, params: Touch, steps: Steps) -> Done:
        """Touch an item."""
        await self._story.dawdle()
        async with steps("touch"):
            await self._story.dawdle()  # what was sent takes a while to arrive
            self._story.lines.append(("began", params.key))
            await self._story.dawdle()
            self.faults[params.key] = self._story.chance.choice(["", "", "refuse", "lost", "apply-then-lost"])
            return await self._touch(params.key)


async def quietly(work: Awaitable[object]) -> None:
    try:
        await work
    except OperatorError:
        return


async def one_round(store: Store, seed: int) -> None:
    story = Story(random.Random(seed))
    rig = await Rig(store, MemoryKillFiles(), FixedClock(), target=Watched(story), timing=AT_ONCE).start()
    wanted = [(item, action) for item in ITEMS for action in ACTIONS]
    ids = {
        f"{item}-{action}": await rig.propose(item, mark=f"{item}-{action}", action=action) for item, action in wanted
    }
    for proposal_id in ids.values():
        if story.chance.random() < 0.7:
            await rig.executor.approve_proposal(proposal_id, by=ANN)
    others = [rig.executor, *(executor_over(rig, timing=AT_ONCE, owner=f"host/{n}") for n in range(2))]
    acts = [*_decisions(rig, story, list(ids.values())), *_runs(story, others, list(ids.values()))]
    acts += [_kill(rig, story), _go_on(rig, story), _tidy(rig, story)]
    story.chance.shuffle(acts)

    await asyncio.gather(*(quietly(act()) for act in acts))

    story.check(ids)
    await rig.sweeper.sweep()
    await rig.reconciler.reconcile()
    await require_sound(rig)
    for proposal_id in ids.values():
        assert (await stored(store, proposal_id)).status.value not in {"executing", "unknown"}


Act = Callable[[], Awaitable[object]]


def _decisions(rig: Rig, story: Story, ids: Sequence[int]) -> list[Act]:
    def decide(proposal_id: int, by: Caller) -> Act:
        async def act() -> None:
            await story.dawdle()
            if story.chance.random() < 0.9:
                await rig.executor.approve_proposal(proposal_id, by=by)
            else:
                await rig.executor.cancel_proposal(proposal_id, by=by)

        return act

    return [decide(proposal_id, by) for proposal_id in ids for by in (ANN, BO)]


def _runs(story: Story, executors: Sequence[ActionExecutor], ids: Sequence[int]) -> list[Act]:
    def run(proposal_id: int, executor: ActionExecutor) -> Act:
        async def act() -> None:
            for _ in range(5):
                await story.dawdle()
                task = asyncio.create_task(executor.execute_proposal(proposal_id))
                if story.chance.random() < 0.4:
                    await story.dawdle(20)
                    task.cancel()
                (outcome,) = await asyncio.gather(task, return_exceptions=True)
                assert isinstance(outcome, ActionProposal | OperatorError | asyncio.CancelledError), repr(outcome)

        return act

    return [run(proposal_id, executor) for proposal_id in ids for executor in executors]


def _kill(rig: Rig, story: Story) -> Act:
    async def act() -> None:
        await story.dawdle(60)
        stopped = await rig.safety.kill_switch(by=BO, reason="stop")
        story.lines.append(("killed", [proposal.id for proposal in stopped.in_flight]))

    return act


def _go_on(rig: Rig, story: Story) -> Act:
    async def act() -> None:
        await story.dawdle(90)
        await rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="go on")

    return act


def _tidy(rig: Rig, story: Story) -> Act:
    async def act() -> None:
        for _ in range(3):
            await story.dawdle()
            await rig.sweeper.sweep()
            await rig.reconciler.reconcile()

    return act


@pytest.mark.parametrize("seed", range(40))
async def test_in_memory(seed: int) -> None:
    await one_round(MemoryStore(), seed)


@pytest.mark.parametrize("seed", range(3))
async def test_over_sqlite(sql_store: SqlStore, seed: int) -> None:
    await one_round(sql_store, 1_000 + seed)
