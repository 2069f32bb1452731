"""A supervisord as a subject."""

from collections.abc import Sequence
from typing import Any

from actions.ports import Clock
from actions.registry import ActionDefinition
from actions.subject import Rule
from actions.subjects.process import Dependent
from actions.subjects.supervisor.actions import ProcessActions, process_actions
from actions.subjects.supervisor.client import SupervisorClient
from actions.subjects.supervisor.config import SupervisorConfig
from actions.subjects.supervisor.observe import SupervisorObservation, SupervisorObserver
from actions.subjects.supervisor.rules import SUPERVISOR_RULES


class SupervisorSubject:
    """The processes of one supervisord."""

    def __init__(
        self,
        name: str,
        config: SupervisorConfig,
        *,
        client: SupervisorClient,
        clock: Clock,
        dependents: Sequence[Dependent] = (),
        watched_elsewhere: frozenset[str] = frozenset(),
    ) -> None:
        """Build it over *client*, which other subjects may share as the source of their processes.

        Args:
            name: as the configuration names it.
            config: its section.
            client: made by `connect`; closed with this subject.
            clock: for waiting until a process has ended.
            dependents: asked before a process is stopped, and whether all is well after a start.
            watched_elsewhere: processes that the rules of other subjects look after.
        """
        self.name = name
        self.kind = config.kind
        self._client = client
        self._observer = SupervisorObserver(name, client, clock, watched_elsewhere)
        actions = ProcessActions(client, clock, dependents, stop_within=config.stop_within)
        self._actions = process_actions(name, actions, config.stop_within)

    @property
    def rules(self) -> Sequence[Rule[Any]]:
        """See `Subject.rules`."""
        return SUPERVISOR_RULES

    @property
    def actions(self) -> Sequence[ActionDefinition[Any]]:
        """See `Subject.actions`."""
        return self._actions

    async def observe(self) -> SupervisorObservation:
        """See `Subject.observe`."""
        return await self._observer.observe()

    async def close(self) -> None:
        """See `Subject.close`."""
        await self._client.close()
