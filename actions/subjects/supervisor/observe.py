"""What a supervisord says of its processes at one moment."""

import asyncio
from typing import Final

from pydantic import Field

from actions.ports import Clock
from actions.subject import Observation
from actions.subjects.process import Process, ProcessState
from actions.subjects.supervisor.client import SupervisorClient

WELL: Final = frozenset({ProcessState.RUNNING, ProcessState.STARTING, ProcessState.STOPPED, ProcessState.STOPPING})
TAILS: Final = 5
"""How many error logs are read in one look."""


class SupervisorObservation(Observation):
    """All processes at one moment."""

    processes: tuple[Process, ...]
    watched_elsewhere: frozenset[str] = frozenset()
    """Processes that the rules of another subject look after."""
    stderr: dict[str, str] = Field(default_factory=dict)
    """The end of the error log of processes in trouble, by name."""

    @property
    def own(self) -> tuple[Process, ...]:
        """The processes that nobody else looks after."""
        return tuple(process for process in self.processes if process.name not in self.watched_elsewhere)


class SupervisorObserver:
    """Reads one supervisord."""

    def __init__(
        self, name: str, client: SupervisorClient, clock: Clock, watched_elsewhere: frozenset[str] = frozenset()
    ) -> None:
        self._name = name
        self._client = client
        self._clock = clock
        self._watched_elsewhere = watched_elsewhere

    async def observe(self) -> SupervisorObservation:
        """Read all processes. Raises `TargetUnavailableError`."""
        at = self._clock.now()
        processes = tuple((await self._client.processes()).values())
        seen = SupervisorObservation(
            subject=self._name, observed_at=at, processes=processes, watched_elsewhere=self._watched_elsewhere
        )
        troubled = [process.name for process in seen.own if process.state not in WELL][:TAILS]
        tails = await asyncio.gather(*(self._client.stderr_tail(name) for name in troubled))
        return seen.model_copy(update={"stderr": dict(zip(troubled, tails, strict=True))})
