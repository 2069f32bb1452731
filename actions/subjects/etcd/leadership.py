"""Handing the leadership of a cluster to another member."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from actions.canonical import Json
from actions.errors import ActionFailedError
from actions.models import Fact
from actions.registry import Done, Parameters, Preview, Steps, Verdict
from actions.subjects.etcd.cluster import Cluster, role_fact
from actions.subjects.etcd.config import MemberName
from actions.subjects.etcd.observe import EtcdObservation, MemberReading
from actions.subjects.transport import before_sending
from actions.subjects.verdicts import told

TOO_FAR_BEHIND: Final = 1_000
"""Entries of the log that a new leader may be behind."""


class MoveLeaderParameters(Parameters):
    """Where to."""

    target_member: Annotated[MemberName, Field(description="Name of the member that is to lead")]


class MoveLeader:
    """The action, over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def preview(self, parameters: MoveLeaderParameters) -> Preview:
        """Pins who leads, in which term, and who is to lead."""
        seen = await self._cluster.observe()
        leader, target = seen.leader, seen.by_name(parameters.target_member)
        return Preview(
            impact=(
                Fact(label="Leader now", value=leader.name if leader else "none that all agree on"),
                Fact(label="Behind the leader", value=_lag_in_words(leader, target)),
                Fact(label="Members answering", value=f"{len(seen.reachable)} of {len(seen.members)}"),
                Fact(label="Writes", value="wait for about a tenth of a second"),
            ),
            pins={
                "leader": _identity(leader),
                "term": leader.term if leader else None,
                "target": _identity(target),
            },
            before={"leader": leader.id, "leader_name": leader.name, "term": leader.term} if leader else {},
            refusal=_refusal(seen, parameters.target_member),
        )

    async def move_leader(self, parameters: MoveLeaderParameters, steps: Steps) -> Done:  # noqa: ARG002 - one call
        """Hand the leadership to another member.

        Writes wait for about a tenth of a second; no data moves. Repeating it is harmless.
        """
        with before_sending():
            seen = await self._cluster.observe()
        leader, target = seen.leader, seen.by_name(parameters.target_member)
        if leader is None or target is None or target.id is None:
            raise ActionFailedError(_refusal(seen, parameters.target_member) or "The members agree on no leader.")
        if leader is target:
            return Done(detail=f"{target.name} leads already.")
        await self._cluster.client.move_leader(leader.name, target.id)
        return Done(detail=f"{leader.name} handed the leadership to {target.name}.")

    async def verify(self, parameters: MoveLeaderParameters, before: Mapping[str, Json]) -> Verdict:
        """Yes if all that answer, and enough of them, follow the target; no if all still follow the old leader."""
        seen = await self._cluster.observe()
        return told(_moved(seen, parameters.target_member, before), *(role_fact(seen, m) for m in seen.members))

    def undo(
        self, parameters: MoveLeaderParameters, before: Mapping[str, Json]
    ) -> tuple[str, Mapping[str, Json]] | None:
        """Move it back to whoever led."""
        former = before.get("leader_name")
        return (
            None if former is None or former == parameters.target_member else ("move_leader", {"target_member": former})
        )


def _identity(member: MemberReading | None) -> str | None:
    """Return which member it is: its id, which a member that was made anew does not share, and its name for people."""
    return f"{member.name} ({member.id})" if member is not None and member.id is not None else None


def _moved(seen: EtcdObservation, target_name: str, before: Mapping[str, Json]) -> bool | None:
    leaders = {member.leader for member in seen.reachable_voters}
    target = seen.by_name(target_name)
    if target is None or len(leaders) != 1 or len(seen.reachable_voters) < seen.quorum:
        return None
    leader = leaders.pop()
    if leader is not None and leader == target.id:
        return True
    # In a later term the target may have led and lost it again.
    unchanged = leader == before.get("leader") and all(m.term == before.get("term") for m in seen.reachable_voters)
    return False if unchanged else None


def _refusal(seen: EtcdObservation, target_name: str) -> str | None:
    leader, target = seen.leader, seen.by_name(target_name)
    if target is None:
        return f"{seen.subject} has no member {target_name}; there are {', '.join(m.name for m in seen.members)}."
    if leader is None:
        return "The members agree on no leader, so nobody can hand over."
    if leader is target:
        return f"{target.name} leads already; there is nothing to do."
    return _unfitness(leader, target)


def _unfitness(leader: MemberReading, target: MemberReading) -> str | None:
    if not target.reachable:
        return f"{target.name} does not answer ({target.detail}), so it cannot lead."
    if target.is_learner:
        return f"{target.name} only learns; it has to be promoted before it can lead."
    lag = _lag(leader, target)
    return (
        f"{target.name} is {lag} entries behind {leader.name}; wait until it has caught up."
        if lag >= TOO_FAR_BEHIND
        else None
    )


def _lag(leader: MemberReading, target: MemberReading) -> int:
    return max(0, (leader.applied_index or 0) - (target.applied_index or 0))


def _lag_in_words(leader: MemberReading | None, target: MemberReading | None) -> str:
    if leader is None or target is None or not target.reachable:
        return "not known"
    return f"{_lag(leader, target)} entries"
