"""An executor that is never idle on a real cluster: proposes, approves and runs one real action after the other."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from actions.canonical import Json
from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.errors import (
    ConflictError,
    KilledError,
    ObserveOnlyError,
    OperatorError,
    StorageError,
    TargetBusyError,
    TargetUnavailableError,
)
from actions.executor import ActionExecutor
from actions.models import ActionStatus
from actions.subjects.etcd.observe import EtcdObservation
from actions.subjects.etcd.subject import EtcdSubject
from actions.subjects.process import ProcessState
from actions.subjects.supervisor.client import SupervisorClient
from tests.prove.cluster_parts.evidence import Evidence
from tests.rig import AGENT, ANN

BREATH: Final = 0.005
"""Seconds before whoever was refused tries again."""
STOPPED: Final = 0.03
"""Seconds before whoever was told of observe mode proposes again."""
_WANTED: Final = {"move": 6, "defragment": 6, "reclaim": 8, "compact": 10, "restart": 1}
Wish = tuple[str, Mapping[str, Json]]


class Load:
    """Acts through one of the subjects that look after the cluster, and through its supervisord."""

    def __init__(
        self,
        *,
        executor: ActionExecutor,
        etcd: EtcdSubject,
        processes: SupervisorClient,
        evidence: Evidence,
        chance: random.Random,
        over: Callable[[], bool],
    ) -> None:
        self._executor = executor
        self._etcd = etcd
        self._processes = processes
        self._evidence = evidence
        self._chance = chance
        self._over = over
        self._wishes: Mapping[str, Callable[[EtcdObservation], Wish]] = {
            "move": lambda seen: ("move_leader", {"target_member": self._follower(seen)}),
            "defragment": lambda seen: ("defragment", {"member": self._member(seen)}),
            "reclaim": lambda _: ("reclaim_space", {}),
            "compact": lambda seen: ("compact", {"revision": max(m.revision or 0 for m in seen.members), "keep": 5}),
        }

    async def run(self) -> None:
        """Go on until it is over."""
        while not self._over():
            try:
                await self._one_action()
            except ObserveOnlyError:
                await asyncio.sleep(STOPPED)
            except OperatorError:
                await asyncio.sleep(BREATH)

    async def _one_action(self) -> None:
        action_name, parameters = await self._wish()
        recommendation = ActionRecommendation(
            action_name=action_name, parameters=dict(parameters), reason="because", expected_outcome="done"
        )
        key = f"{action_name}:{self._evidence.proposal_id}:{time.monotonic_ns()}"
        proposal = await self._executor.propose_action(
            Proposition(recommendation=recommendation, source_key=key, by=AGENT)
        )
        validated = await self._executor.validate_proposal(proposal.id)
        if validated.status is ActionStatus.VALIDATED:
            await self._executor.approve_proposal(proposal.id, by=ANN)
            self._evidence.proposal_id = proposal.id
            await self._until_decided(lambda: self._executor.execute_proposal(proposal.id))

    async def _until_decided(self, run: Callable[[], Awaitable[object]]) -> None:
        # Tries again after each refusal that passes: what a kill has ended must stay so when the mode is execute again.
        while not self._over():
            try:
                await run()
            except (ObserveOnlyError, KilledError, TargetBusyError, TargetUnavailableError, StorageError):
                await asyncio.sleep(BREATH)
            except ConflictError:
                return
            else:
                return

    async def _wish(self) -> Wish:
        down = await self._down()
        if down and self._chance.random() < 0.5:
            return "supervisor.start_process", {"name": self._chance.choice(down)}
        (kind,) = self._chance.choices(tuple(_WANTED), tuple(_WANTED.values()))
        if kind == "restart":
            return "supervisor.restart_process", {"name": self._chance.choice(sorted(self._etcd.watched_processes))}
        name, parameters = self._wishes[kind](await self._etcd.observe())
        return f"{self._etcd.name}.{name}", parameters

    async def _down(self) -> list[str]:
        processes = await self._processes.processes()
        return [name for name, process in processes.items() if process.state is not ProcessState.RUNNING]

    def _member(self, seen: EtcdObservation) -> str:
        return self._chance.choice([member.name for member in seen.members])

    def _follower(self, seen: EtcdObservation) -> str:
        return self._chance.choice([member.name for member in seen.members if member is not seen.leader])
