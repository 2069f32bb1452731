"""The four ways in which the demo can break its cluster, and the repair that each of them calls for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import httpx

from actions.canonical import Json
from bot.demo.cluster import ClusterError, DemoCluster
from bot.demo.probes import MemberLook, look

START: Final = "supervisor.start_process"
RESTART: Final = "supervisor.restart_process"
RECLAIM: Final = "etcd.reclaim_space"


class Fault(StrEnum):
    """What can be broken."""

    KILL_MEMBER = "kill-member"
    HANG_MEMBER = "hang-member"
    FILL_QUOTA = "fill-quota"
    KILL_LEADER = "kill-leader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What was done to the cluster."""

    said: str
    """One sentence for people."""
    repair: str
    """The action that mends it."""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """With which parameters."""


async def inject(fault: Fault, cluster: DemoCluster) -> Broken:
    """Break the cluster. Raises `ClusterError` with the reason, in a sentence, if that cannot be done now."""
    members = await look(cluster.endpoints)
    try:
        match fault:
            case Fault.KILL_MEMBER:
                return await _kill(_expendable(members), members, cluster)
            case Fault.HANG_MEMBER:
                return await _hang(_expendable(members), members, cluster)
            case Fault.FILL_QUOTA:
                return await _fill(members, cluster)
            case Fault.KILL_LEADER:
                return await _kill(_leader(members), members, cluster)
    except httpx.HTTPError as error:
        raise ClusterError(f"The cluster could not be reached for that ({type(error).__name__}).") from error


async def _kill(member: MemberLook, members: Sequence[MemberLook], cluster: DemoCluster) -> Broken:
    pid = await cluster.kill_member(member.name)
    role = "the leader" if member.leads else "a follower"
    return Broken(
        said=f"{member.name}, {role}, was killed: kill -9 {pid}.{_without_one(members)}",
        repair=START,
        parameters={"name": cluster.process_names[member.name]},
    )


async def _hang(member: MemberLook, members: Sequence[MemberLook], cluster: DemoCluster) -> Broken:
    pid = await cluster.hang_member(member.name)
    return Broken(
        said=f"{member.name} hangs: kill -STOP {pid}.{_without_one(members)}",
        repair=RESTART,
        parameters={"name": cluster.process_names[member.name]},
    )


async def _fill(members: Sequence[MemberLook], cluster: DemoCluster) -> Broken:
    silent = [member.name for member in members if not member.answers]
    if silent:
        raise ClusterError(f"Filling the quota takes the whole cluster, and {', '.join(silent)} cannot be asked.")
    if any(member.full for member in members):
        raise ClusterError("The quota is reached already: etcd takes no writes.")
    writes = await cluster.fill_quota()
    return Broken(
        said=f"A few keys were overwritten {writes} times. The quota is reached, and etcd takes no writes any more.",
        repair=RECLAIM,
        parameters={"compact": True},
    )


def _without_one(members: Sequence[MemberLook]) -> str:
    left = sum(member.answers for member in members) - 1
    return "" if 2 * left > len(members) else f" {left} of {len(members)} left: no majority, so no writes."


def _expendable(members: Sequence[MemberLook]) -> MemberLook:
    """A follower if one is left: losing the leader is a fault of its own."""
    answering = [member for member in members if member.answers]
    if not answering:
        raise ClusterError("Every member is down or hangs already.")
    return next((member for member in answering if not member.leads), answering[0])


def _leader(members: Sequence[MemberLook]) -> MemberLook:
    leader = next((member for member in members if member.leads), None)
    if leader is None:
        raise ClusterError("No member leads at this moment, so there is no leader to kill.")
    return leader
