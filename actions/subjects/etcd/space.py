"""The single steps of making room: drop history, give back holes, disarm an alarm."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from actions.canonical import Json
from actions.errors import ActionFailedError
from actions.models import Fact
from actions.registry import Done, Parameters, Preview, Steps, Verdict
from actions.subjects.etcd.client import Alarm
from actions.subjects.etcd.cluster import (
    Cluster,
    answering,
    database_fact,
    refusal_to_pause,
    refusal_unless_whole,
)
from actions.subjects.etcd.config import MemberName
from actions.subjects.etcd.figures import percent, size
from actions.subjects.etcd.observe import CORRUPT, EtcdObservation, MemberReading
from actions.subjects.etcd.space_rules import NEARLY_FULL
from actions.subjects.transport import before_sending
from actions.subjects.verdicts import told


class DefragmentParameters(Parameters):
    """Which one."""

    member: Annotated[MemberName, Field(description="Name of the member whose database is rewritten")]


class Defragment:
    """The action, over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def preview(self, parameters: DefragmentParameters) -> Preview:
        """Pins which member it is, and whether it leads."""
        seen = await self._cluster.observe()
        member = seen.by_name(parameters.member)
        leads = member is not None and member is seen.leader
        refusal = _refusal_to_defragment(seen, parameters.member)
        return Preview(
            impact=() if member is None else _defragment_impact(member, leads=leads),
            pins={"member": member.id if member else None, "leads": leads},
            before={} if refusal else await self._cluster.defragmentations(parameters.member),
            refusal=refusal,
        )

    async def defragment(self, parameters: DefragmentParameters, steps: Steps) -> Done:  # noqa: ARG002 - one call
        """Rewrite one member's database without its holes.

        The member answers nothing meanwhile: well under a second for small databases. Only what was compacted or
        deleted before is given back.
        """
        with before_sending():
            refusal = _refusal_to_defragment(await self._cluster.observe(), parameters.member)
        if refusal is not None:
            raise ActionFailedError(refusal)
        await self._cluster.client.defragment(parameters.member)
        return Done(detail=f"{parameters.member} rewrote its database.")

    async def verify(self, parameters: DefragmentParameters, before: Mapping[str, Json]) -> Verdict:
        """Yes if the member counts one more; no only while it answers reads, so that none is under way."""
        happened = await self._cluster.has_defragmented(parameters.member, before)
        member = (await self._cluster.observe()).by_name(parameters.member)
        return told(happened, *(() if member is None else (database_fact(member),)))


class CompactParameters(Parameters):
    """How much history goes."""

    revision: Annotated[int, Field(ge=2, le=2**53, description="History before this revision is dropped")]
    keep: Annotated[int, Field(ge=0, le=2**53, description="Revisions before it that are kept all the same")] = 0

    @property
    def up_to(self) -> int:
        """The oldest revision that can be read afterwards."""
        return self.revision - self.keep


class Compact:
    """The action, over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def preview(self, parameters: CompactParameters) -> Preview:
        """Pins the cluster; that history goes on being written changes nothing."""
        seen = await self._cluster.observe()
        current = max((member.revision or 0 for member in seen.reachable), default=0)
        return Preview(
            impact=(
                Fact(label="Current revision", value=str(current)),
                Fact(label="Lost for good", value=f"every past version before revision {parameters.up_to}"),
                Fact(label="Kept", value=f"{max(0, current - parameters.up_to)} revisions and all current keys"),
            ),
            pins={"cluster": next((member.cluster_id for member in seen.reachable), None)},
            refusal=await self._refusal(seen, current, parameters),
        )

    async def compact(self, parameters: CompactParameters, steps: Steps) -> Done:  # noqa: ARG002 - one call
        """Drop the history before a revision.

        The current keys stay. Past versions are gone for good, and clients that watch from an older revision get an
        error. No file becomes smaller by it: that takes defragmenting.
        """
        with before_sending():
            via = answering(await self._cluster.observe())
        if await self._cluster.client.compact(via[0], parameters.up_to):
            return Done(detail=f"The history before revision {parameters.up_to} was dropped.")
        return Done(detail=f"The history before revision {parameters.up_to} was gone already.")

    async def verify(self, parameters: CompactParameters, before: Mapping[str, Json]) -> Verdict:  # noqa: ARG002 - the history tells
        """Yes if the revision before can no longer be read."""
        via = answering(await self._cluster.observe())
        gone = await self._cluster.client.is_compacted(parameters.up_to, via)
        value = "gone" if gone else "can still be read"
        return told(gone, Fact(label=f"Revision {parameters.up_to - 1}", value=value))

    async def _refusal(self, seen: EtcdObservation, current: int, parameters: CompactParameters) -> str | None:
        via = answering(seen)
        if len(via) < seen.quorum:
            return f"{len(via)} of {seen.voters} voters answer; a compaction needs {seen.quorum}."
        if parameters.up_to < 2:
            return f"With {parameters.keep} revisions kept, nothing before revision {parameters.revision} would go."
        if parameters.up_to > current:
            return f"Revision {parameters.up_to} does not exist yet; the cluster is at {current}."
        if await self._cluster.client.is_compacted(parameters.up_to, via):
            return f"The history before revision {parameters.up_to} is gone already; there is nothing to do."
        return None


class DisarmAlarmParameters(Parameters):
    """Which alarm of whom."""

    member_id: Annotated[
        str, Field(pattern=r"^[1-9][0-9]{0,19}$", description="Id of the member that raised it, as a decimal number")
    ]
    alarm: Annotated[Literal["NOSPACE", "CORRUPT"], Field(description="The alarm")]


class DisarmAlarm:
    """The action, over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def preview(self, parameters: DisarmAlarmParameters) -> Preview:
        """Pins that this alarm is armed."""
        seen = await self._cluster.observe()
        armed = await self._is_armed(seen, parameters)
        refusal = None if armed else f"{parameters.alarm} is not armed for {seen.name_of(parameters.member_id)}."
        return Preview(
            impact=(
                Fact(label="Raised by", value=seen.name_of(parameters.member_id)),
                *(database_fact(member) for member in seen.reachable),
            ),
            pins={"armed": armed},
            refusal=refusal or await self._refusal(seen, parameters),
        )

    async def disarm_alarm(self, parameters: DisarmAlarmParameters, steps: Steps) -> Done:  # noqa: ARG002 - one call
        """Disarm one alarm of one member, so that writes are taken again.

        It arms itself again with the next write if its cause is still there.
        """
        with before_sending():
            seen = await self._cluster.observe()
            refusal, via = await self._refusal(seen, parameters), answering(seen)
        if refusal is not None:
            raise ActionFailedError(refusal)
        if await self._cluster.client.disarm(via[0], _alarm(parameters)):
            return Done(detail=f"{parameters.alarm} of {seen.name_of(parameters.member_id)} was disarmed.")
        return Done(detail=f"{parameters.alarm} of {seen.name_of(parameters.member_id)} was not armed any more.")

    async def verify(self, parameters: DisarmAlarmParameters, before: Mapping[str, Json]) -> Verdict:  # noqa: ARG002 - the list tells
        """Yes if the list of alarms, agreed by the quorum, does not have it."""
        seen = await self._cluster.observe()
        armed = await self._is_armed(seen, parameters)
        value = "armed" if armed else "not armed"
        return told(not armed, Fact(label=f"{parameters.alarm} of {seen.name_of(parameters.member_id)}", value=value))

    async def _is_armed(self, seen: EtcdObservation, parameters: DisarmAlarmParameters) -> bool:
        return _alarm(parameters) in await self._cluster.client.alarms(answering(seen))

    async def _refusal(self, seen: EtcdObservation, parameters: DisarmAlarmParameters) -> str | None:
        if parameters.alarm == CORRUPT:
            return refusal_unless_whole(seen) or await self._refusal_while_data_differs(seen)
        return refusal_while_full(seen)

    async def _refusal_while_data_differs(self, seen: EtcdObservation) -> str | None:
        revision = min(member.revision or 0 for member in seen.members)
        hashes = await asyncio.gather(
            *(self._cluster.client.content_hash(member.name, revision) for member in seen.members)
        )
        if len(set(hashes)) == 1:
            return None
        return f"The members' data differs at revision {revision}; find out which copy is right before disarming."


def refusal_while_full(seen: EtcdObservation) -> str | None:
    """Return why NOSPACE would arm itself again at once, as a sentence."""
    unread = [member.name for member in seen.members if member.fill is None]
    if unread:
        return f"The database size and quota of {', '.join(unread)} could not be read, so there may be no space yet."
    full = [member for member in seen.members if (member.fill or 0.0) >= NEARLY_FULL]
    if not full:
        return None
    shares = ", ".join(f"{member.name}: {percent(member.fill or 0.0)}" for member in full)
    return f"There is no space yet ({shares} of the quota); reclaim space first, or the alarm arms itself again."


def _defragment_impact(member: MemberReading, *, leads: bool) -> tuple[Fact, ...]:
    role = "leads: defragment the others first" if leads else "follows"
    return (
        database_fact(member),
        Fact(label="Given back at least", value=size(member.reclaimable)),
        Fact(label=f"{member.name} now", value=role),
    )


def _refusal_to_defragment(seen: EtcdObservation, name: str) -> str | None:
    member = seen.by_name(name)
    if member is None:
        return f"{seen.subject} has no member {name}; there are {', '.join(m.name for m in seen.members)}."
    if not member.reachable:
        return f"{member.name} cannot be read ({member.detail})."
    if member.is_learner:
        return f"{member.name} only learns; etcd lets it be defragmented once it votes."
    return refusal_to_pause(seen, member)


def _alarm(parameters: DisarmAlarmParameters) -> Alarm:
    return Alarm(member_id=parameters.member_id, alarm=parameters.alarm)
