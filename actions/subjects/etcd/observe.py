"""What an etcd cluster looks like at one moment: every member asked for itself, at the same time."""

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict

from actions.errors import TargetUnavailableError
from actions.ports import Clock
from actions.printable import printable
from actions.subject import Observation
from actions.subjects.etcd.client import Alarm, EtcdClient, ListedMember, Status
from actions.subjects.etcd.config import EtcdConfig
from actions.subjects.process import Process, ProcessSource
from actions.subjects.transport import UnreachableError, Why

CLUSTER: Final = "cluster"
"""The target of whatever concerns all members."""
NO_SPACE: Final = "NOSPACE"
CORRUPT: Final = "CORRUPT"
QUOTA_FRESH: Final = timedelta(minutes=10)
_ALARM: Final = re.compile(r"memberID:(\d+)\s+alarm:(\w+)")
_SILENT: Final = frozenset({Why.TIMEOUT, Why.UNRESOLVED, Why.NO_ROUTE})
"""Failures that may be this side's own: nothing was heard from the member's host."""


class MemberReading(BaseModel):
    """One member: what it said, or why it said nothing. Sizes are in bytes; None is "not known", never zero."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    url: str
    reachable: bool
    why: Why | None = None
    """Why it is not reachable."""
    detail: str = ""
    id: str | None = None
    cluster_id: str | None = None
    leader: str | None = None
    """The id of the leader it knows; None if it knows none, or did not answer."""
    is_learner: bool = False
    errors: tuple[str, ...] = ()
    version: str = ""
    db_size: int | None = None
    db_in_use: int | None = None
    quota: int | None = None
    revision: int | None = None
    term: int | None = None
    applied_index: int | None = None
    process_name: str | None = None
    process: Process | None = None
    """Its process, if the supervisor was asked and knows it."""

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms that this member knows of, whoever raised them."""
        found = (_ALARM.search(error) for error in self.errors)
        return tuple(Alarm(member_id=match.group(1), alarm=match.group(2)) for match in found if match)

    @property
    def reclaimable(self) -> int | None:
        """Bytes that defragmenting alone would give back, at least: what was freed last is not counted yet."""
        if self.db_size is None or self.db_in_use is None:
            return None
        return max(0, self.db_size - self.db_in_use)

    @property
    def fill(self) -> float | None:
        """The share of the quota that the database takes."""
        return None if self.db_size is None or not self.quota else self.db_size / self.quota


class EtcdObservation(Observation):
    """A cluster at one moment."""

    members: tuple[MemberReading, ...]
    listed: tuple[ListedMember, ...] | None = None
    """The cluster's own list of its members; None if nobody gave it."""
    supervisor: str | None = None
    """The subject whose actions start and restart the members' processes."""
    processes_problem: str = ""
    """Why the supervisor could not be asked; empty if it was, or there is none."""

    @property
    def reachable(self) -> tuple[MemberReading, ...]:
        """The members that answered."""
        return tuple(member for member in self.members if member.reachable)

    @property
    def voters(self) -> int:
        """How many members vote, as the cluster says, or as configured while it does not."""
        return len([m for m in self.listed if not m.is_learner]) if self.listed else len(self.members)

    @property
    def quorum(self) -> int:
        """How many voters must work together."""
        return self.voters // 2 + 1

    @property
    def reachable_voters(self) -> tuple[MemberReading, ...]:
        """The voters that answered."""
        return tuple(member for member in self.reachable if not member.is_learner)

    @property
    def leaders(self) -> frozenset[str]:
        """The ids of the leaders that the reachable members know; more than one when they disagree."""
        return frozenset(member.leader for member in self.reachable if member.leader)

    @property
    def leader(self) -> MemberReading | None:
        """The leader, if all who know one agree on it and it answered."""
        return self.by_id(next(iter(self.leaders))) if len(self.leaders) == 1 else None

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Every alarm that any member knows of, in order."""
        known = {(alarm.alarm, alarm.member_id): alarm for member in self.reachable for alarm in member.alarms}
        return tuple(known[key] for key in sorted(known))

    def alarmed(self, alarm: str) -> bool:
        """Return whether any member has raised this alarm."""
        return any(found.alarm == alarm for found in self.alarms)

    def by_name(self, name: str) -> MemberReading | None:
        """Return the member of this name, or None if it is not configured."""
        return next((member for member in self.members if member.name == name), None)

    def by_id(self, member_id: str) -> MemberReading | None:
        """Return the member that said it has this id, or None."""
        return next((member for member in self.members if member.id == member_id), None)

    def name_of(self, member_id: str) -> str:
        """Return the member's name, or its id if the name is not known."""
        listed = {member.id: printable(member.name, 63) for member in self.listed or () if member.name}
        said = {member.id: member.name for member in self.members if member.id}
        return said.get(member_id) or listed.get(member_id) or f"member {printable(member_id, 40)}"


class EtcdObserver:
    """Reads a cluster, and remembers the quotas, which only change when a member restarts."""

    def __init__(
        self,
        name: str,
        config: EtcdConfig,
        client: EtcdClient,
        clock: Clock,
        processes: ProcessSource | None = None,
    ) -> None:
        self._name = name
        self._config = config
        self._client = client
        self._clock = clock
        self._processes = processes
        self._quotas: dict[str, tuple[datetime, int | None]] = {}

    async def observe(self) -> EtcdObservation:
        """Read the cluster.

        Raises:
            TargetUnavailableError: not one member and no supervisor could be heard, so it may be this side's fault.
        """
        at = self._clock.now()
        (processes, problem), members = await asyncio.gather(
            self._read_processes(), asyncio.gather(*(self._member(name, at) for name in self._config.members))
        )
        readings = tuple(self._with_process(member, processes) for member in members)
        if all(member.why in _SILENT for member in readings) and not any(member.process for member in readings):
            raise TargetUnavailableError(f"No member of {self._name} was heard: {readings[0].detail}.")
        return EtcdObservation(
            subject=self._name,
            observed_at=at,
            members=readings,
            listed=await self._listed(readings),
            supervisor=self._config.supervisor,
            processes_problem=problem,
        )

    async def _read_processes(self) -> tuple[Mapping[str, Process], str]:
        if self._processes is None:
            return {}, ""
        try:
            return await self._processes.processes(), ""
        except TargetUnavailableError as error:
            return {}, printable(str(error))

    async def _member(self, name: str, at: datetime) -> MemberReading:
        url = self._client.members[name]
        try:
            status = await self._client.status(name, within=self._config.probe_within)
        except UnreachableError as error:
            self._quotas.pop(name, None)
            return MemberReading(name=name, url=url, reachable=False, why=error.why, detail=error.detail)
        except TargetUnavailableError as error:
            return MemberReading(name=name, url=url, reachable=False, why=Why.UNUSABLE, detail=printable(str(error)))
        return _reading(name, url, status, await self._quota(name, at))

    async def _quota(self, name: str, at: datetime) -> int | None:
        read_at, quota = self._quotas.get(name, (None, None))
        if read_at is not None and at - read_at < QUOTA_FRESH:
            return quota
        try:
            quota = (await self._client.metrics(name, within=self._config.probe_within)).quota
        except TargetUnavailableError:
            return None  # not known, which every rule and action treats as such; asked again next time
        self._quotas[name] = (at, quota)
        return quota

    def _with_process(self, member: MemberReading, processes: Mapping[str, Process]) -> MemberReading:
        process_name = self._config.processes.get(member.name)
        if process_name is None:
            return member
        return member.model_copy(update={"process_name": process_name, "process": processes.get(process_name)})

    async def _listed(self, members: tuple[MemberReading, ...]) -> tuple[ListedMember, ...] | None:
        answering = [member.name for member in members if member.reachable and not member.is_learner]
        if not answering:
            return None
        try:
            return await self._client.listed_members(answering[:2], within=self._config.probe_within)
        except TargetUnavailableError:
            return None  # not known: the configured members are then counted


def _reading(name: str, url: str, status: Status, quota: int | None) -> MemberReading:
    return MemberReading(
        name=name,
        url=url,
        reachable=True,
        id=status.header.member_id,
        cluster_id=status.header.cluster_id,
        leader=status.leader or None,
        is_learner=status.is_learner,
        errors=tuple(printable(error) for error in status.errors[:20]),
        version=printable(status.version, 40),
        db_size=status.db_size,
        db_in_use=status.db_in_use,
        quota=quota,
        revision=status.header.revision,
        term=status.raft_term,
        applied_index=status.applied_index,
    )
