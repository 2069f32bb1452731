"""The rules on a database that is full, or soon will be."""

from typing import Final

from actions.diagnosis.models import ActionRecommendation, Alternative, DiagnosisOutput, Severity
from actions.models import Urgency
from actions.subject import Finding, Rule
from actions.subjects.etcd.figures import percent, size
from actions.subjects.etcd.observe import CLUSTER, NO_SPACE, EtcdObservation, MemberReading
from actions.subjects.etcd.story import evidence_of, readings, status_command, timeline

NEARLY_FULL: Final = 0.8
"""The share of the quota from which a database is in danger."""


def somebody_answered(seen: EtcdObservation, _target: str) -> bool:
    """Return whether any member answered: what one knows of the cluster, all know."""
    return bool(seen.reachable)


def everybody_answered(seen: EtcdObservation, _target: str) -> bool:
    """Return whether every member told the size of its database."""
    return all(member.reachable for member in seen.members)


def quota_full(seen: EtcdObservation) -> Finding | None:
    """No space is left, and most of what is there is in use or history."""
    if not seen.alarmed(NO_SPACE) or _defragmenting_is_enough(seen):
        return None
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=_alarmed_members(seen),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"{seen.subject} takes no writes: its database has reached the quota ({_fullest(seen)}), and the NOSPACE "
            "alarm is armed. Most of the file is in use, so history has to be dropped before space can be given back."
        ),
        confidence="certain: etcd itself reports the alarm, and the sizes agree with it",
        supporting_evidence=(*_space_evidence(seen), *evidence_of(seen)),
        alternatives_considered=(
            Alternative(
                hypothesis="The space is taken by current keys, not by history.",
                supporting="The size in use counts both and does not tell them apart.",
                contradicting="Every past version of a key is kept until it is compacted away.",
                conclusion="Seen after compaction: if too little is freed, keys must go or the quota must grow.",
            ),
            _left_over_alarm(seen, "Ruled out: the database is at its quota now."),
            Alternative(
                hypothesis="The disk is full.",
                supporting="etcd cannot grow its file then either.",
                contradicting="NOSPACE is raised on etcd's own quota, and the sizes are at that quota.",
                conclusion="Ruled out as the cause of this alarm.",
            ),
        ),
        recommended_action=(
            "Drop the history, defragment each member (the leader last), then disarm the alarm, in this order: it "
            "returns with the next write if it is disarmed first, and compaction alone makes no file smaller."
        ),
        action_commands=_commands(seen, compact=True),
        severity=Severity.CRITICAL,
        risks=_RISKS,
        recommended_actions=(_reclaim(seen, compact=True, urgency=Urgency.IMMEDIATE),),
    )
    return Finding(target=CLUSTER, output=output)


def fragmented(seen: EtcdObservation) -> Finding | None:
    """No space is left, but the file is full of holes."""
    if not seen.alarmed(NO_SPACE) or not _defragmenting_is_enough(seen):
        return None
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=_alarmed_members(seen),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"{seen.subject} takes no writes: the NOSPACE alarm is armed, although little of the file is in use "
            f"({_fullest(seen)}). The rest are holes that defragmenting gives back; no history has to be dropped."
        ),
        confidence="certain: etcd itself reports the alarm, and the sizes in use are far below the quota",
        supporting_evidence=(*_space_evidence(seen), *evidence_of(seen)),
        alternatives_considered=(
            Alternative(
                hypothesis="The database is full of data or history.",
                supporting="The alarm is the same.",
                contradicting="In use are only "
                + ", ".join(f"{size(m.db_in_use)} on {m.name}" for m in seen.reachable),
                conclusion="Ruled out.",
            ),
            _left_over_alarm(seen, "Possible if all files are below the quota: then disarming alone is enough."),
        ),
        recommended_action="Defragment each member, the leader last, then disarm the alarm.",
        action_commands=_commands(seen, compact=False),
        severity=Severity.CRITICAL,
        risks=_RISKS[:1],
        recommended_actions=(_reclaim(seen, compact=False, urgency=Urgency.IMMEDIATE),),
    )
    return Finding(target=CLUSTER, output=output)


def quota_low(seen: EtcdObservation) -> Finding | None:
    """Writes are still taken, but the quota is nearly reached."""
    fullest = _fullest_member(seen)
    if seen.alarmed(NO_SPACE) or fullest is None or (fullest.fill or 0.0) < NEARLY_FULL:
        return None
    compact = not _defragmenting_is_enough(seen)
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=tuple(m.name for m in seen.reachable if (m.fill or 0.0) >= NEARLY_FULL),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"The database of {seen.subject} is nearly full: {_fullest(seen)}. When the quota is reached, the whole "
            "cluster refuses writes."
        ),
        confidence="certain: size and quota were both read from the members",
        supporting_evidence=(*_space_evidence(seen), *evidence_of(seen)),
        alternatives_considered=(
            Alternative(
                hypothesis="It grows because nothing compacts the history.",
                supporting="Every past version of a key takes space until it is compacted away.",
                contradicting="Whether automatic compaction is on was not seen.",
                conclusion="Likely; check --auto-compaction-retention.",
            ),
            Alternative(
                hypothesis="A client writes more than usual, and it will fill up again soon.",
                supporting="One look shows the size, not how fast it grows.",
                contradicting="Nothing measured here.",
                conclusion="Open: watch the revision after space was reclaimed.",
            ),
        ),
        recommended_action="Reclaim space before the quota is reached; then find out what filled it.",
        action_commands=_commands(seen, compact=compact),
        severity=Severity.WARNING,
        risks=_RISKS if compact else _RISKS[:1],
        recommended_actions=(_reclaim(seen, compact=compact, urgency=Urgency.SOON),),
    )
    return Finding(target=CLUSTER, output=output)


_RISKS: Final = (
    "Each member answers nothing while it is defragmented: under a second for small databases, longer for large.",
    "Clients that read old revisions, or watch from one, get an error after the compaction.",
)


def _defragmenting_is_enough(seen: EtcdObservation) -> bool:
    return all(_fits_without_holes(member) for member in seen.reachable)


def _fits_without_holes(member: MemberReading) -> bool:
    if member.db_in_use is None or member.db_size is None:
        return False
    if member.quota:
        return member.db_in_use < NEARLY_FULL * member.quota
    return member.db_in_use < member.db_size / 2


def _fullest_member(seen: EtcdObservation) -> MemberReading | None:
    return max(seen.reachable, key=lambda member: member.fill or 0.0, default=None)


def _fullest(seen: EtcdObservation) -> str:
    member = _fullest_member(seen)
    if member is None or member.fill is None:
        return "the quota could not be read"
    return f"{member.name} holds {size(member.db_size)} of {size(member.quota)}, {percent(member.fill)}"


def _alarmed_members(seen: EtcdObservation) -> tuple[str, ...]:
    return tuple(seen.name_of(alarm.member_id) for alarm in seen.alarms if alarm.alarm == NO_SPACE)


def _space_evidence(seen: EtcdObservation) -> tuple[str, ...]:
    lines = [f"alarm: {alarm.alarm} on {seen.name_of(alarm.member_id)}" for alarm in seen.alarms]
    for member in seen.reachable:
        quota = size(member.quota) if member.quota else "a quota that could not be read"
        lines.append(
            f"{member.name}: database {size(member.db_size)} of {quota}; "
            f"defragmenting alone would free at least {size(member.reclaimable)}"
        )
    return tuple(lines)


def _left_over_alarm(seen: EtcdObservation, conclusion: str) -> Alternative:
    below = [m.name for m in seen.reachable if m.quota and m.db_size is not None and m.db_size < m.quota]
    return Alternative(
        hypothesis="The alarm is left over from an earlier time; there is space again.",
        supporting=f"Below the quota: {', '.join(below)}." if below else "Alarms stay armed until they are disarmed.",
        contradicting=_fullest(seen),
        conclusion=conclusion,
    )


def _reclaim(seen: EtcdObservation, *, compact: bool, urgency: Urgency) -> ActionRecommendation:
    history = "the history dropped, " if compact else ""
    return ActionRecommendation(
        action_name=f"{seen.subject}.reclaim_space",
        parameters={"compact": compact},
        reason=f"{_fullest(seen)}; writes are refused at the quota.",
        urgency=urgency,
        expected_outcome=f"With {history}every database below its quota and no alarm armed, writes are taken again.",
        risks=_RISKS if compact else _RISKS[:1],
    )


def _commands(seen: EtcdObservation, *, compact: bool) -> tuple[str, ...]:
    urls = ",".join(member.url for member in seen.reachable)
    leader = seen.leader
    members = sorted(seen.reachable, key=lambda member: member is leader)
    revision = max((member.revision or 0 for member in seen.reachable), default=0)
    compaction = (f"etcdctl --endpoints={urls} compact {revision} --physical",) if compact else ()
    return (
        *compaction,
        *(f"etcdctl --endpoints={member.url} defrag" for member in members),
        f"etcdctl --endpoints={urls} alarm disarm",
        status_command(seen),
    )


SPACE_RULES: Final[tuple[Rule[EtcdObservation], ...]] = (
    Rule(
        id="quota_full",
        check=quota_full,
        disproved_by="The alarm list is empty, or a write is taken.",
        can_tell=somebody_answered,
    ),
    Rule(
        id="fragmented",
        check=fragmented,
        disproved_by="The size in use is near the quota, or no alarm is armed.",
        can_tell=somebody_answered,
    ),
    Rule(
        id="quota_low",
        check=quota_low,
        disproved_by="Every database is below 80 % of its quota.",
        can_tell=everybody_answered,
    ),
)
"""The rules on space, in order."""
