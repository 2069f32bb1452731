"""A process that does a bit of everything, several things at once, until it is killed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from actions.errors import OperatorError
from actions.lifecycle import APPROVED, PENDING, UNKNOWN, VALIDATED
from actions.models import ActionProposal, ActionStatus, SafetyMode
from actions.ports import Reader
from tests.prove.crash_parts.scripts import seen
from tests.prove.crash_parts.target import BLIND, key_of
from tests.prove.crash_parts.world import World
from tests.rig import ANN, BO

ITEMS: Final = "abcdefgh"
TOUCHED: Final = ("m", "m", "m", "lost", "apply-then-lost", "refuse", BLIND, "blind-lost", "blind-apply-then-lost")
PAIRED: Final = ("m", "second-lost", "second-refuse", "second-apply-then-lost")
Act = Callable[[], Awaitable[None]]


class Worker:
    """Uses a world as people, the agent, the dispatcher and the sweeper would, at random."""

    def __init__(self, world: World, rng: random.Random, number: int) -> None:
        self._world = world
        self._rng = rng
        self._number = number
        self._count = 0
        self._acts: dict[Act, float] = {
            self._go_all_the_way: 5,
            self._propose: 1,
            self._approve: 3,
            self._approve_by_click: 1,
            self._cancel: 1,
            self._execute: 3,
            self._world.recover: 0.5,
            self._resolve: 1,
            self._kill: 0.3,
            self._observe: 0.1,
            self._checkpoint: 0.3,
        }

    async def work(self) -> None:
        """Recover what others left, then go on for ever."""
        await self._world.recover()
        while True:
            if await self._world.is_held_back():
                await self._set_mode(SafetyMode.EXECUTE)
            acts = self._rng.choices(list(self._acts), list(self._acts.values()), k=self._rng.randint(2, 6))
            await asyncio.gather(*(self._do(act) for act in acts))

    async def _do(self, act: Act) -> None:
        try:
            await act()
        except OperatorError:
            return  # a refusal; what was promised before it stands in the journal

    async def _go_all_the_way(self) -> None:
        proposal_id = await self._proposed()
        for by in (ANN, BO):
            await self._world.told(self._world.rig.executor.approve_proposal(proposal_id, by=by))
        await self._world.told(self._world.rig.executor.execute_proposal(proposal_id))

    async def _propose(self) -> None:
        await self._proposed()

    async def _proposed(self) -> int:
        action = self._rng.choice(("touch", "touch", "crush", "pair"))
        self._count += 1
        fault = self._rng.choice(PAIRED if action == "pair" else TOUCHED)
        mark = f"{fault}.{self._number}-{self._count}"
        return await self._world.propose(self._rng.choice(ITEMS), mark, action=action)

    async def _approve(self) -> None:
        proposal = await self._any(VALIDATED)
        await self._world.told(self._world.rig.executor.approve_proposal(proposal.id, by=self._rng.choice((ANN, BO))))

    async def _approve_by_click(self) -> None:
        proposal = await self._any(VALIDATED)
        by = replace(self._rng.choice((ANN, BO)), key=f"click-{proposal.id}-{self._rng.randint(1, 2)}")
        shown = await seen(self._world, proposal.id)
        for _ in range(2):
            await self._world.told(self._world.rig.executor.approve_proposal(proposal.id, by=by, seen=shown))

    async def _cancel(self) -> None:
        proposal = await self._any(*PENDING)
        await self._world.told(self._world.rig.executor.cancel_proposal(proposal.id, by=BO, reason="no"))

    async def _execute(self) -> None:
        proposal = await self._any(APPROVED)
        await self._world.told(self._world.rig.executor.execute_proposal(proposal.id))

    async def _resolve(self) -> None:
        await resolve_blind(self._world)

    async def _kill(self) -> None:
        await self._world.told(self._world.rig.safety.kill_switch(by=ANN, reason="stop"))

    async def _observe(self) -> None:
        await self._set_mode(SafetyMode.OBSERVE)

    async def _set_mode(self, mode: SafetyMode) -> None:
        await self._world.told(self._world.rig.safety.set_mode(mode, by=ANN, reason="as it must be"))

    async def _checkpoint(self) -> None:
        await self._world.told(self._world.auditor.checkpoint())

    async def _any(self, *statuses: ActionStatus) -> ActionProposal:
        def query(reader: Reader) -> list[ActionProposal]:
            return reader.proposals(statuses=statuses, limit=20)

        found = await self._world.store.read(query)
        return self._rng.choice(found) if found else await self._a_new_one()

    async def _a_new_one(self) -> ActionProposal:
        proposal_id = await self._proposed()
        found = await self._world.store.read(lambda reader: reader.proposal(proposal_id))
        assert found is not None
        return found


async def resolve_blind(world: World) -> None:
    """Say of everything unknown that cannot be looked at what became of it."""
    for proposal in await world.store.read(lambda reader: reader.proposals(statuses=[UNKNOWN], limit=1_000)):
        if key_of(proposal).startswith(BLIND):
            happened = bool(world.place.ledger.effects()[key_of(proposal), 0])
            await world.told(
                world.rig.executor.resolve_proposal(proposal.id, happened=happened, by=ANN, reason="I looked")
            )
