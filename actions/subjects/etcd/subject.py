"""An etcd cluster as a subject."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from actions.ports import Clock
from actions.registry import ActionDefinition
from actions.subject import Rule
from actions.subjects.etcd.actions import etcd_actions
from actions.subjects.etcd.client import EtcdClient
from actions.subjects.etcd.cluster import Cluster
from actions.subjects.etcd.config import EtcdConfig
from actions.subjects.etcd.observe import EtcdObservation, EtcdObserver
from actions.subjects.etcd.rules import ETCD_RULES
from actions.subjects.process import ProcessSource
from actions.subjects.transport import Transport


class EtcdSubject:
    """A configured cluster. Also a `Dependent` of whoever runs its members' processes."""

    def __init__(
        self,
        name: str,
        config: EtcdConfig,
        *,
        clock: Clock,
        environ: Mapping[str, str],
        processes: ProcessSource | None = None,
        over: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Build it; *processes* is the client of the supervisor that the configuration names.

        Raises:
            ConfigurationError: the password is not in *environ*, or a certificate cannot be used.
        """
        self.name = name
        self.kind = config.kind
        self._members = {process: member for member, process in config.processes.items()}
        client = EtcdClient(config.members, Transport(tls=config.tls, over=over), config.credentials(environ))
        observer = EtcdObserver(name, config, client, clock, processes)
        self._cluster = Cluster(name=name, client=client, observer=observer, clock=clock, probe_key=config.probe_key)
        self._actions = etcd_actions(self._cluster)

    @property
    def rules(self) -> Sequence[Rule[Any]]:
        """See `Subject.rules`."""
        return ETCD_RULES

    @property
    def actions(self) -> Sequence[ActionDefinition[Any]]:
        """See `Subject.actions`."""
        return self._actions

    @property
    def watched_processes(self) -> frozenset[str]:
        """The processes that this subject's own rules look after."""
        return frozenset(self._members)

    async def observe(self) -> EtcdObservation:
        """See `Subject.observe`."""
        return await self._cluster.observe()

    async def refusal_to_stop(self, process: str) -> str | None:
        """See `Dependent.refusal_to_stop`.

        A member that does not answer may be stopped, unless the quorum stands although too few others answer: then
        it is needed, and only not reached from here.
        """
        name = self._members.get(process)
        if name is None:
            return None
        seen = await self._cluster.observe()
        left = [member.name for member in seen.reachable_voters if member.name != name]
        if len(left) >= seen.quorum:
            return None
        if not await self._cluster.has_quorum(seen):
            return None
        return (
            f"{process} runs {name} of {self.name}; without it {len(left)} of {seen.voters} voters would be left, and "
            f"{seen.quorum} are needed to take writes."
        )

    async def healthy(self, process: str) -> bool | None:
        """See `Dependent.healthy`: the member answers and knows a leader."""
        name = self._members.get(process)
        if name is None:
            return None
        member = (await self._cluster.observe()).by_name(name)
        return member is not None and member.reachable and member.leader is not None

    async def close(self) -> None:
        """See `Subject.close`."""
        await self._cluster.client.close()
