"""One etcd cluster as its actions need it: read anew before every step, and judged whether it can spare a member."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from actions.canonical import Json
from actions.errors import TargetUnavailableError
from actions.models import Fact
from actions.ports import Clock
from actions.subjects.etcd.client import EtcdClient
from actions.subjects.etcd.figures import size
from actions.subjects.etcd.observe import EtcdObservation, EtcdObserver, MemberReading

METRICS_WITHIN: Final = 2.0
WORTH_FREEING: Final = 64 * 1024
"""Bytes below which holes in a database are not worth a pause."""
HOLES: Final = 0.1
"""The share of a database below which holes are its normal slack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The parts that every action of a cluster works with."""

    name: str
    client: EtcdClient
    observer: EtcdObserver
    clock: Clock
    probe_key: str | None = None
    """A key that may be overwritten to see whether writes are taken."""

    async def observe(self) -> EtcdObservation:
        """Read the cluster. Raises `TargetUnavailableError` if nothing could be read."""
        return await self.observer.observe()

    async def defragmentations(self, member: str) -> Mapping[str, Json]:
        """Return how often *member* has defragmented, as `has_defragmented` compares it."""
        metrics = await self.client.metrics(member, within=METRICS_WITHIN)
        return {"defragmentations": metrics.defragmentations, "started": metrics.started}

    async def has_defragmented(self, member: str, before: Json) -> bool | None:
        """Return whether *member* has defragmented since; None if its process is another one than before.

        Raises:
            TargetUnavailableError: it does not answer reads, as while it defragments.
        """
        await self.client.read_locally(member)
        now = await self.defragmentations(member)
        if not isinstance(before, Mapping) or before.get("started") != now["started"]:
            return None
        return now["defragmentations"] != before.get("defragmentations")

    async def has_quorum(self, seen: EtcdObservation) -> bool:
        """Return whether a read that needs the quorum is answered through one of the members that answered."""
        try:
            await self.client.confirm_quorum(answering(seen))
        except TargetUnavailableError:
            return False
        return True


def answering(seen: EtcdObservation) -> list[str]:
    """Return the names of the voters that answered, the leader first, as the order in which to ask them.

    Raises:
        TargetUnavailableError: there is none.
    """
    if not seen.reachable_voters:
        raise TargetUnavailableError(f"No voter of {seen.subject} answers.")
    leader = seen.leader
    return [m.name for m in sorted(seen.reachable_voters, key=lambda member: member is not leader)]


def leader_last(seen: EtcdObservation) -> list[MemberReading]:
    """Return the members in the order in which they may be paused one after the other."""
    leader = seen.leader
    return sorted(seen.members, key=lambda member: member is leader)


def refusal_unless_whole(seen: EtcdObservation) -> str | None:
    """Return why work on all members must wait, as a sentence."""
    silent = [member.name for member in seen.members if not member.reachable]
    if silent:
        return f"{', '.join(silent)} cannot be read; bring every member back first."
    configured = {member.id for member in seen.members}
    strangers = [seen.name_of(listed.id) for listed in seen.listed or () if listed.id not in configured]
    if strangers:
        return (
            f"The cluster also has {', '.join(strangers)}, which the configuration does not name; add it there first."
        )
    if seen.leader is None:
        return "The members agree on no leader; wait until they do."
    return None


def refusal_to_pause(seen: EtcdObservation, member: MemberReading) -> str | None:
    """Return why *member* must not be made silent for a while, as a sentence."""
    left = [other for other in seen.reachable_voters if other is not member]
    if len(left) >= seen.quorum:
        return None
    return (
        f"{member.name} answers nothing while it is worked on, and {len(left)} of {seen.voters} voters would be left; "
        f"{seen.quorum} are needed."
    )


def has_holes(member: MemberReading) -> bool:
    """Return whether a database is known to have holes worth a pause.

    What a compaction freed last counts as in use until etcd writes again, so there may be more.
    """
    if member.reclaimable is None or not member.db_size:
        return False
    return member.reclaimable >= WORTH_FREEING and member.reclaimable / member.db_size >= HOLES


def database_fact(member: MemberReading) -> Fact:
    """Return the size of a member's database as a line of a card."""
    limit = f" of {size(member.quota)}" if member.quota else ""
    return Fact(
        label=f"{member.name}: database",
        value=f"{size(member.db_size)}{limit}, {size(member.db_in_use)} in use",
    )


def role_fact(seen: EtcdObservation, member: MemberReading) -> Fact:
    """Return whom a member follows as a line of a card."""
    if not member.reachable:
        value = f"no answer ({member.why.value if member.why else 'no reason given'})"
    elif member.leader is None:
        value = "knows no leader"
    elif member.leader == member.id:
        value = "leads"
    else:
        value = f"follows {seen.name_of(member.leader)}"
    return Fact(label=member.name, value=value)
