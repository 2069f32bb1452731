"""Making room in a whole cluster: history dropped, every file rewritten, alarms disarmed, in the order that works."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from actions.canonical import Json
from actions.errors import ActionFailedError, TargetUnavailableError
from actions.models import Fact, FailureOutcome
from actions.printable import sentence
from actions.registry import Done, Parameters, Preview, Steps, Verdict
from actions.subjects.etcd.client import Alarm
from actions.subjects.etcd.cluster import (
    METRICS_WITHIN,
    WORTH_FREEING,
    Cluster,
    answering,
    database_fact,
    has_holes,
    leader_last,
    refusal_to_pause,
    refusal_unless_whole,
)
from actions.subjects.etcd.figures import percent, size
from actions.subjects.etcd.observe import NO_SPACE, EtcdObservation, MemberReading
from actions.subjects.etcd.space_rules import NEARLY_FULL
from actions.subjects.transport import OutcomeUnknownError, RefusedError, before_sending
from actions.subjects.verdicts import told

COMPACTION_SPREADS: Final = 2.0
"""Seconds to wait for a member that has not yet dropped what another one has."""
TRIES_MORE: Final = 2
ABOUT_AS_LARGE: Final = 1.5
"""How much larger one member's file may be than another's of the same content."""
DISARM_ROUNDS: Final = 3
"""Members raise their alarms one after the other, so the list is read again after each round."""


class ReclaimSpaceParameters(Parameters):
    """How far it goes."""

    compact: Annotated[
        bool, Field(description="Drop the history first; not needed where the files are mostly holes")
    ] = True


class ReclaimSpace:
    """The action, over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def preview(self, parameters: ReclaimSpaceParameters) -> Preview:
        """Pins the members and whether NOSPACE is armed at all.

        Who raised it is not pinned: the members do so one after the other, without anything else having changed.
        """
        seen = await self._cluster.observe()
        refusal = _refusal(seen)
        return Preview(
            impact=_impact(seen, parameters),
            pins={"members": sorted(member.id or "" for member in seen.members), "no_space": seen.alarmed(NO_SPACE)},
            before={
                "revision": _revision(seen),
                "no_space": seen.alarmed(NO_SPACE),
                "members": {} if refusal else await self._defragmentations(seen),
            },
            refusal=refusal,
        )

    async def reclaim_space(self, parameters: ReclaimSpaceParameters, steps: Steps) -> Done:
        """Make room: drop the history, defragment each member, disarm NOSPACE.

        The leader is defragmented last, and an alarm is disarmed only when every database is below its quota. Each
        member answers nothing while its database is rewritten.
        """
        with before_sending():
            seen = await self._cluster.observe()
        refusal = _refusal(seen)
        if refusal is not None:
            raise ActionFailedError(refusal)
        run = _Run(self._cluster, steps)
        try:
            await run.to_the_end(compact=parameters.compact)
        except (ActionFailedError, TargetUnavailableError) as error:
            raise run.ended_by(error) from error
        return Done(detail=sentence(f"{', '.join(run.done)}."))

    async def verify(self, parameters: ReclaimSpaceParameters, before: Mapping[str, Json]) -> Verdict:
        """Yes if all of it is seen: alarms gone, files rewritten and below the quota, history dropped."""
        rewritten = await self._have_defragmented(before.get("members"))
        seen = await self._cluster.observe()
        armed = [alarm for alarm in await self._cluster.client.alarms(answering(seen)) if alarm.alarm == NO_SPACE]
        await self._cluster.client.confirm_quorum(answering(seen))
        evidence = (
            Fact(label="NOSPACE", value=", ".join(seen.name_of(alarm.member_id) for alarm in armed) or "not armed"),
            *(database_fact(member) for member in seen.members),
        )
        if armed or not all(_has_room(member) for member in seen.members) or False in rewritten:
            return told(False, *evidence)
        if None in rewritten:
            return told(None, *evidence, Fact(label="Process", value="a member was restarted since"))
        if parameters.compact and not await self._is_compacted(seen, before):
            return told(False, *evidence, Fact(label="History", value="not dropped"))
        return await self._with_probe(seen, evidence)

    async def _defragmentations(self, seen: EtcdObservation) -> Mapping[str, Json]:
        names = [member.name for member in seen.reachable_voters]
        counts = await asyncio.gather(*(self._cluster.defragmentations(name) for name in names))
        return dict(zip(names, counts, strict=True))

    async def _have_defragmented(self, before: Json) -> list[bool | None]:
        known = before if isinstance(before, Mapping) else {}
        return [await self._cluster.has_defragmented(name, count) for name, count in known.items()]

    async def _is_compacted(self, seen: EtcdObservation, before: Mapping[str, Json]) -> bool:
        revision = before.get("revision")
        if not isinstance(revision, int) or revision < 2:
            return True
        return await self._cluster.client.is_compacted(revision, answering(seen))

    async def _with_probe(self, seen: EtcdObservation, evidence: tuple[Fact, ...]) -> Verdict:
        key = self._cluster.probe_key
        if key is None:
            return told(True, *evidence, Fact(label="Test read", value="answered"))
        try:
            await self._cluster.client.put(
                answering(seen)[0], key, f"written by {seen.subject} to see whether it can be"
            )
        except RefusedError as error:
            return told(False, *evidence, Fact(label="Test write", value=error.words))
        except (ActionFailedError, OutcomeUnknownError) as error:
            return told(None, *evidence, Fact(label="Test write", value=str(error)))
        return told(True, *evidence, Fact(label="Test write", value="taken"))


class _Run:
    """One execution: what was done, and what comes next given what is there now."""

    def __init__(self, cluster: Cluster, steps: Steps) -> None:
        self._cluster = cluster
        self._steps = steps
        self.done: list[str] = []

    async def to_the_end(self, *, compact: bool) -> None:
        first = await self._compact() if compact else None
        # A member that only learns takes no such call; it gets its file rewritten once it votes.
        remaining = {member.name for member in (await self._cluster.observe()).reachable_voters}
        smallest: int | None = None
        while remaining:
            name = await self._next(remaining, first)
            size_now = await self._defragment(name, like=smallest if compact else None)
            smallest = size_now if smallest is None else min(smallest, size_now)
            remaining.discard(name)
        await self._require_room()
        await self._disarm()

    def ended_by(self, error: ActionFailedError | TargetUnavailableError) -> ActionFailedError:
        """Return the failure that tells what was done before *error*."""
        if self.done:
            return ActionFailedError(f"{error} Done before that: {', '.join(self.done)}.", FailureOutcome.PARTIAL)
        return error if isinstance(error, ActionFailedError) else ActionFailedError(f"Nothing was changed: {error}")

    async def _compact(self) -> str | None:
        seen = await self._cluster.observe()
        revision, via = _revision(seen), answering(seen)[-1]
        if revision < 2:
            return None
        async with self._steps(f"compact to revision {revision}"):
            dropped = await self._cluster.client.compact(via, revision)
        self.done.append(f"history before revision {revision} {'dropped' if dropped else 'gone already'}")
        return via

    async def _next(self, remaining: set[str], first: str | None) -> str:
        seen = await self._cluster.observe()
        # Whoever was asked to compact has surely finished, and shows how small the files can become.
        waiting = [member for member in leader_last(seen) if member.name in remaining]
        member = next((member for member in waiting if member.name == first), waiting[0])
        problem = refusal_unless_whole(seen) or refusal_to_pause(seen, member)
        if problem is not None:
            raise ActionFailedError(problem)
        return member.name

    async def _defragment(self, name: str, *, like: int | None) -> int:
        size_now = await self._defragment_once(name, f"defragment {name}")
        for _ in range(TRIES_MORE):
            if like is None or size_now <= ABOUT_AS_LARGE * like + WORTH_FREEING:
                break
            # Its share of the compaction was still running, so there are new holes.
            await self._cluster.clock.sleep(COMPACTION_SPREADS)
            size_now = await self._defragment_once(name, f"defragment {name} again")
        self.done.append(f"{name} defragmented")
        return size_now

    async def _defragment_once(self, name: str, step: str) -> int:
        async with self._steps(step):
            await self._cluster.client.defragment(name)
        return (await self._cluster.client.status(name, within=METRICS_WITHIN)).db_size

    async def _require_room(self) -> None:
        seen = await self._cluster.observe()
        full = [member for member in seen.members if not _has_room(member)]
        if full:
            sizes = ", ".join(f"{member.name}: {size(member.db_size)} of {size(member.quota)}" for member in full)
            raise ActionFailedError(
                f"The files are as small as they get and still at the quota ({sizes}). Delete keys or raise "
                "--quota-backend-bytes; the alarm was left armed."
            )

    async def _disarm(self) -> None:
        for _ in range(DISARM_ROUNDS):
            seen = await self._cluster.observe()
            via = answering(seen)
            armed = [alarm for alarm in await self._cluster.client.alarms(via) if alarm.alarm == NO_SPACE]
            if not armed:
                return
            for alarm in armed:
                await self._disarm_one(via[0], alarm, seen.name_of(alarm.member_id))
        raise ActionFailedError("NOSPACE arms itself again although there is room; something fills the database.")

    async def _disarm_one(self, via: str, alarm: Alarm, name: str) -> None:
        async with self._steps(f"disarm {alarm.alarm} of {name}"):
            await self._cluster.client.disarm(via, alarm)
        self.done.append(f"{alarm.alarm} of {name} disarmed")


def _revision(seen: EtcdObservation) -> int:
    return max((member.revision or 0 for member in seen.reachable), default=0)


def _has_room(member: MemberReading) -> bool:
    return member.db_size is not None and (member.quota is None or member.db_size < member.quota)


def _refusal(seen: EtcdObservation) -> str | None:
    problem = refusal_unless_whole(seen)
    if problem is not None:
        return problem
    pause = next((refusal for member in seen.members if (refusal := refusal_to_pause(seen, member))), None)
    if pause is not None:
        return pause
    if not seen.alarmed(NO_SPACE) and not any(_is_short(member) for member in seen.members):
        return "No alarm is armed, no database is nearly full and none has many holes; there is nothing to do."
    return None


def _is_short(member: MemberReading) -> bool:
    return (member.fill or 0.0) >= NEARLY_FULL or has_holes(member)


def _impact(seen: EtcdObservation, parameters: ReclaimSpaceParameters) -> tuple[Fact, ...]:
    history = f"every past version before revision {_revision(seen)}" if parameters.compact else "nothing"
    alarms = [seen.name_of(alarm.member_id) for alarm in seen.alarms if alarm.alarm == NO_SPACE]
    return (
        *(database_fact(member) for member in seen.members),
        Fact(label="Fullest", value=percent(max((member.fill or 0.0 for member in seen.members), default=0.0))),
        Fact(label="Lost for good", value=history),
        Fact(label="Order", value=", ".join(member.name for member in leader_last(seen))),
        Fact(label="NOSPACE raised by", value=", ".join(alarms) or "nobody"),
    )
