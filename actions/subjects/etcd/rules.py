"""What can be wrong with an etcd cluster, in the order in which it is told.

What concerns all comes first: without a quorum, or with differing data, the state of a single member is a detail.
"""

from collections.abc import Sequence
from typing import Final

from actions.diagnosis.models import ActionRecommendation, Alternative, DiagnosisOutput, Severity
from actions.subject import Finding, Rule
from actions.subjects.etcd.observe import CLUSTER, CORRUPT, EtcdObservation, MemberReading
from actions.subjects.etcd.space_rules import SPACE_RULES, somebody_answered
from actions.subjects.etcd.story import (
    evidence_of,
    process_evidence,
    quorum_sentence,
    readings,
    restart,
    start,
    status_command,
    supervisorctl,
    timeline,
)
from actions.subjects.process import ProcessState
from actions.subjects.transport import Why

DOWN: Final = frozenset({ProcessState.EXITED, ProcessState.FATAL, ProcessState.STOPPED})
ELECTION_TAKES: Final = 3.0
"""Seconds within which a new leader is found or the old one's name has gone round."""
GLITCH: Final = 2.0
"""Seconds that silence must last before anybody is restarted for it: one missed answer may be this side's own delay."""
LOST_AFTER: Final = 600.0
"""Seconds after which a member that nobody can account for is taken for lost."""
BLINK: Final = 5.0
"""Seconds that an unexplained silence may last before it is worth a message."""


def accounted_for(seen: EtcdObservation, target: str) -> bool:
    """Return whether the member answered, or somebody said what its process does."""
    member = seen.by_name(target)
    return member is None or member.reachable or member.process is not None


def quorum_lost(seen: EtcdObservation) -> Finding | None:
    """Too few members answer, and those that do know no leader."""
    if len(seen.reachable_voters) >= seen.quorum or seen.leaders:
        return None
    silent = [member for member in seen.members if not member.reachable]
    repairs = [repair for member in silent if (repair := _repair(seen, member))]
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=tuple(member.name for member in silent),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"{seen.subject} has lost its quorum: {quorum_sentence(seen)} Nothing can be written, and reads that must "
            "be current fail, until enough members are back. The data of the silent members is not known to be lost."
        ),
        confidence=f"certain: {len(silent)} members do not answer, and no member that does knows a leader",
        supporting_evidence=evidence_of(seen),
        alternatives_considered=(
            Alternative(
                hypothesis="An election is running and passes by itself.",
                supporting="No member knows a leader at this moment.",
                contradicting=f"An election needs {seen.quorum} voters, and {len(seen.reachable_voters)} answer.",
                conclusion="Ruled out: without the silent members no leader can be elected.",
            ),
            Alternative(
                hypothesis="Only this side cannot reach the silent members.",
                supporting="They were all asked from one place.",
                contradicting="The members that answer know no leader, so they do not reach the others either."
                if seen.reachable
                else "No member answers, so nobody else was heard on it.",
                conclusion="Unlikely." if seen.reachable else "Possible: try from a member's own host.",
            ),
        ),
        recommended_action=(
            "Bring the silent members back, one after the other; one may be enough. Do not remove a member from the "
            "cluster: that needs a quorum too, and gives up its data."
        ),
        action_commands=(*_repair_commands(silent), status_command(seen)),
        severity=Severity.CRITICAL,
        risks=("Removing members or forcing a new cluster now can lose writes that were acknowledged.",),
        recommended_actions=tuple(repairs),
    )
    return Finding(target=CLUSTER, output=output)


def data_differs(seen: EtcdObservation) -> Finding | None:
    """The alarm is armed that etcd raises when data differs between members."""
    if not seen.alarmed(CORRUPT):
        return None
    names = tuple(seen.name_of(alarm.member_id) for alarm in seen.alarms if alarm.alarm == CORRUPT)
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=names,
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"etcd raised CORRUPT for {', '.join(names)}: the data there differed from that of the other members when "
            "etcd compared it. It takes no writes while the alarm is armed."
        ),
        confidence="certain that the alarm is armed; which copy is right is unknown",
        supporting_evidence=evidence_of(seen),
        alternatives_considered=(
            Alternative(
                hypothesis="The alarm was armed by hand, or is left over from a member that was replaced since.",
                supporting="An alarm stays armed until somebody disarms it.",
                contradicting="Nothing seen here says so.",
                conclusion="Open: compare the hashes of all members at one revision.",
            ),
            Alternative(
                hypothesis="The cluster refuses writes because its space is used up.",
                supporting="That alarm refuses writes as well.",
                contradicting="The alarm that is armed is CORRUPT.",
                conclusion="Ruled out as the cause of this alarm.",
            ),
        ),
        recommended_action=(
            "Take a snapshot of every member before anything else. Compare the hashes; if one member stands alone, "
            "replace that member from the others. This needs a person: nothing is proposed."
        ),
        action_commands=(
            *(f"etcdctl --endpoints={member.url} snapshot save {member.name}.db" for member in seen.members),
            f"etcdctl --endpoints={','.join(member.url for member in seen.members)} endpoint hashkv -w table",
        ),
        severity=Severity.CRITICAL,
        risks=(
            "Disarming the alarm while the data differs lets clients read different answers from different members.",
        ),
    )
    return Finding(target=CLUSTER, output=output)


def member_process_exited(seen: EtcdObservation) -> Finding | None:
    """A member refuses connections, and the supervisor says that its process does not run."""
    member = next((member for member in seen.members if _is_down(member)), None)
    if member is None or member.process is None:
        return None
    state = member.process.state
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=(member.name, member.process.name),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"The etcd process of {member.name} is not running: {member.name} refuses connections, and supervisord "
            f"reports {member.process.name} as {state.value}{_ending(member)}. {quorum_sentence(seen)}"
        ),
        confidence="certain: two sources that do not know of each other agree",
        supporting_evidence=(*process_evidence(member), *evidence_of(seen)),
        alternatives_considered=(
            Alternative(
                hypothesis=f"The network between here and {member.name} is broken.",
                supporting=f"{member.name} cannot be reached.",
                contradicting="A broken network lets connections time out; these were refused.",
                conclusion="Ruled out.",
            ),
            Alternative(
                hypothesis=f"{member.name} runs but hangs.",
                supporting=f"{member.name} gives no answer.",
                contradicting=f"A hanging process still accepts connections, and is not {state.value}.",
                conclusion="Ruled out.",
            ),
            Alternative(
                hypothesis=f"{member.name} cannot start, for example because its disk is full or its data damaged.",
                supporting=_supports_crashing(member),
                contradicting="Nothing else points to it; its log was not read.",
                conclusion="Shows itself if it stops again after a start: then read its log before another try.",
            ),
        ),
        recommended_action=_start_advice(seen, member),
        action_commands=(
            *_repair_commands([member]),
            f"{supervisorctl('tail', member.process.name)} stderr",
            status_command(seen),
        ),
        severity=Severity.WARNING if member.is_learner else Severity.CRITICAL,
        risks=_one_more_would_stop(seen),
        recommended_actions=_only(start(seen, member)),
    )
    return Finding(target=member.name, output=output)


def member_hung(seen: EtcdObservation) -> Finding | None:
    """A member accepts connections and never answers, while the supervisor says that its process runs."""
    member = next((member for member in seen.members if _hangs(member)), None)
    if member is None or member.process is None:
        return None
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=(member.name, member.process.name),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"{member.name} hangs: its process {member.process.name} runs (pid {member.process.pid}), but it did not "
            f"answer in time. It may be paused, or stuck on its disk. {quorum_sentence(seen)}"
        ),
        confidence="likely: it is silent while its process runs, but why it is silent was not seen",
        supporting_evidence=(*process_evidence(member), *evidence_of(seen)),
        alternatives_considered=(
            Alternative(
                hypothesis=f"Packets to {member.name} are dropped on the way.",
                supporting="That, too, looks like silence.",
                contradicting="The supervisor was reached, and the other members answered at the same time.",
                conclusion=f"Possible if {member.name} is on another host than they are: try from there first.",
            ),
            Alternative(
                hypothesis=f"{member.name} is defragmenting, and answers when it is done.",
                supporting="A member that defragments answers nothing.",
                contradicting="That takes seconds for databases of common size.",
                conclusion="Ruled out if nobody started one and the silence lasts.",
            ),
            Alternative(
                hypothesis="The process has ended.",
                supporting=f"{member.name} gives no answer.",
                contradicting=f"supervisord sees it run as pid {member.process.pid}; an ended one refuses connections.",
                conclusion="Ruled out.",
            ),
        ),
        recommended_action=(
            f"Restart {member.process.name}. A paused process does not hear a request to end; supervisord kills it "
            "when its waiting time is over. The member catches up from the others."
        ),
        action_commands=(
            f"ps -o pid,stat,wchan:20,etime -p {member.process.pid}",
            supervisorctl("restart", member.process.name),
            status_command(seen),
        ),
        severity=Severity.WARNING if member.is_learner else Severity.CRITICAL,
        risks=("What the process holds in memory only, such as a trace of why it hangs, is lost.",),
        recommended_actions=_only(restart(seen, member)),
    )
    return Finding(target=member.name, output=output)


def member_lost(seen: EtcdObservation) -> Finding | None:
    """A member has been refusing connections for long, and nobody knows of its process."""
    member = next((m for m in seen.members if m.why is Why.REFUSED and m.process is None), None)
    if member is None:
        return None
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=(member.name,),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"{member.name} has refused connections for more than {LOST_AFTER / 60:.0f} minutes, and no supervisor "
            f"that is asked here knows its process. It may be lost with its host. {quorum_sentence(seen)}"
        ),
        confidence="likely that it does not run; unknown whether its data still exists",
        supporting_evidence=evidence_of(seen),
        alternatives_considered=(
            Alternative(
                hypothesis="Its process was stopped and can simply be started.",
                supporting="Its host answers: it refuses connections rather than letting them time out.",
                contradicting="Nothing here can see the process.",
                conclusion="Look on its host first; starting it is far cheaper than replacing it.",
            ),
            Alternative(
                hypothesis="It listens at another address now.",
                supporting="Only the configured address was tried.",
                contradicting="The members' own list would show another client URL."
                if seen.listed
                else "The members' own list could not be read.",
                conclusion="Compare the configured URL with the list.",
            ),
        ),
        recommended_action=(
            "If the process can be started on its host, start it. If host or data are gone, replace the member: "
            "remove it, add it as a learner, start it with an empty data directory, and promote it once it is in step."
        ),
        action_commands=_replacement(seen, member),
        severity=Severity.CRITICAL,
        risks=(
            "A removed member cannot come back with its old data directory.",
            *_one_more_would_stop(seen),
        ),
    )
    return Finding(target=member.name, output=output)


def election_in_progress(seen: EtcdObservation) -> Finding | None:
    """Enough members answer, and none knows a leader."""
    if len(seen.reachable_voters) < seen.quorum or seen.leaders:
        return None
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=(CLUSTER,),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"{seen.subject} has been without a leader for more than {ELECTION_TAKES:.0f} seconds although enough "
            "members answer. Nothing can be written meanwhile. An election normally takes about one second."
        ),
        confidence="certain that there is no leader; why none is elected is unknown",
        supporting_evidence=evidence_of(seen),
        alternatives_considered=(
            Alternative(
                hypothesis="The members do not reach each other, although they are reached from here.",
                supporting="They answer here and still elect nobody.",
                contradicting="Nothing measured here shows the links between them.",
                conclusion="The first thing to look at: the peer port of each member, from the others.",
            ),
            Alternative(
                hypothesis="Slow disks or processors let heartbeats come too late, and elections follow each other.",
                supporting=f"The terms are {', '.join(f'{m.name}: {m.term}' for m in seen.reachable)}.",
                contradicting="One look does not show whether the term keeps rising.",
                conclusion="If the term rises from look to look, look at disk latency and load.",
            ),
        ),
        recommended_action="Look at the links between the members and at their disks. Nothing is proposed.",
        action_commands=(
            status_command(seen),
            *(
                f"curl -s {member.url}/metrics | grep -E 'leader_changes|fsync|peer_round' | head"
                for member in seen.reachable
            ),
        ),
        severity=Severity.CRITICAL,
        risks=("Restarting members now prolongs the search for a leader.",),
    )
    return Finding(target=CLUSTER, output=output)


def partition(seen: EtcdObservation) -> Finding | None:
    """Members that answer follow different leaders."""
    if len(seen.leaders) < 2:
        return None
    camps = tuple(
        f"{', '.join(member.name for member in seen.reachable if member.leader == leader)}: {seen.name_of(leader)}"
        for leader in sorted(seen.leaders)
    )
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=tuple(member.name for member in seen.reachable),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"The members of {seen.subject} follow different leaders ({'; '.join(camps)}). The network between them is "
            "probably split: the side that holds the older term cannot take writes and may answer with old data."
        ),
        confidence="likely: it lasted longer than the news of an election takes",
        supporting_evidence=(*camps, *evidence_of(seen)),
        alternatives_considered=(
            Alternative(
                hypothesis="A new leader was elected just now, and not everyone has heard.",
                supporting="This looks the same for a moment after every election.",
                contradicting=f"It was seen for more than {ELECTION_TAKES:.0f} seconds.",
                conclusion="Ruled out if it is still there at the next look.",
            ),
            Alternative(
                hypothesis="The configuration mixes members of two clusters.",
                supporting="That would give two leaders for good.",
                contradicting=_cluster_sentence(seen),
                conclusion="Open." if len({m.cluster_id for m in seen.reachable}) > 1 else "Ruled out.",
            ),
        ),
        recommended_action="Mend the network between the members; they agree again by themselves. Nothing is proposed.",
        action_commands=(status_command(seen),),
        severity=Severity.CRITICAL,
        risks=("Restarting or removing members of one side can take the quorum from the side that still works.",),
    )
    return Finding(target=CLUSTER, output=output)


def member_unreachable(seen: EtcdObservation) -> Finding | None:
    """A member gives no usable answer, for a reason that no other rule knows."""
    member = next((m for m in seen.members if not m.reachable and not _is_down(m) and not _hangs(m)), None)
    if member is None:
        return None
    state = member.process.state.value if member.process else "not known"
    output = DiagnosisOutput(
        timeline=timeline(seen),
        affected_components=(member.name,),
        metric_readings=readings(seen),
        primary_diagnosis=(
            f"{member.name} cannot be read ({member.detail or 'no reason was given'}); its process is {state}. Why is "
            f"unknown. {quorum_sentence(seen)}"
        ),
        confidence="unknown: what was seen fits several causes",
        supporting_evidence=(*process_evidence(member), *evidence_of(seen)),
        alternatives_considered=(
            Alternative(
                hypothesis=f"{member.name} is starting, or its supervisor is retrying.",
                supporting=f"Its process is {state}.",
                contradicting="It did not come up within the last seconds.",
                conclusion="Wait, if the state is STARTING or BACKOFF; read its log if it lasts.",
            ),
            Alternative(
                hypothesis="The way from here to the member is broken: network, name or certificate.",
                supporting=member.detail or "It could not be read.",
                contradicting="The other members were reached." if seen.reachable else "No member was reached.",
                conclusion="Try the same call from another host.",
            ),
        ),
        recommended_action=f"Find out by hand what {member.name} says. Nothing is proposed: the cause is not known.",
        action_commands=(f"curl -sS -m 3 -X POST {member.url}/v3/maintenance/status -d '{{}}'", status_command(seen)),
        severity=Severity.WARNING,
        risks=_one_more_would_stop(seen),
    )
    return Finding(target=member.name, output=output)


def _is_down(member: MemberReading) -> bool:
    return member.why is Why.REFUSED and member.process is not None and member.process.state in DOWN


def _hangs(member: MemberReading) -> bool:
    return member.why is Why.TIMEOUT and member.process is not None and member.process.state is ProcessState.RUNNING


def _repair(seen: EtcdObservation, member: MemberReading) -> ActionRecommendation | None:
    if _is_down(member):
        return start(seen, member)
    return restart(seen, member) if _hangs(member) else None


def _repair_commands(members: Sequence[MemberReading]) -> tuple[str, ...]:
    return tuple(
        supervisorctl("start" if _is_down(member) else "restart", member.process.name)
        for member in members
        if member.process is not None and (_is_down(member) or _hangs(member))
    )


def _only(recommendation: ActionRecommendation | None) -> tuple[ActionRecommendation, ...]:
    return () if recommendation is None else (recommendation,)


def _ending(member: MemberReading) -> str:
    if member.process is None or member.process.state is not ProcessState.EXITED:
        return ""
    code = member.process.exit_status
    return " after a signal" if code < 0 else f" with exit code {code}"


def _supports_crashing(member: MemberReading) -> str:
    if member.process is not None and member.process.state is ProcessState.FATAL:
        return "supervisord gave up on it (FATAL): it ended several times right after its start."
    return "Its process ended, and the reason was not seen."


def _start_advice(seen: EtcdObservation, member: MemberReading) -> str:
    process = member.process.name if member.process else member.name
    if member.process is not None and member.process.state is ProcessState.STOPPED:
        return f"{process} was stopped through supervisord; ask who did, then start it."
    known = " It rejoins with its own data." if seen.leaders else ""
    return f"Start {process} again.{known} If it ends once more, read its log before another try."


def _one_more_would_stop(seen: EtcdObservation) -> tuple[str, ...]:
    spare = len(seen.reachable_voters) - seen.quorum
    if spare > 0:
        return ()
    return ("Until it is back, the failure of one more member stops all writes.",)


def _cluster_sentence(seen: EtcdObservation) -> str:
    clusters = {member.cluster_id for member in seen.reachable}
    return "All members name the same cluster." if len(clusters) == 1 else "The members name different clusters."


def _replacement(seen: EtcdObservation, member: MemberReading) -> tuple[str, ...]:
    known = next((listed.id for listed in seen.listed or () if listed.name == member.name), None)
    via = f"etcdctl --endpoints={','.join(m.url for m in seen.reachable)}"
    member_id = f"{int(known):x}" if known else f"<id of {member.name}>"
    return (
        f"{via} member list -w table",
        f"{via} member remove {member_id}",
        f"{via} member add {member.name} --learner --peer-urls=<peer URL of {member.name}>",
        f"{via} member promote <new id>",
    )


ETCD_RULES: Final[tuple[Rule[EtcdObservation], ...]] = (
    Rule(
        id="quorum_lost",
        check=quorum_lost,
        disproved_by="A member that answers knows a leader, or a linearizable read succeeds.",
        hold=GLITCH,
    ),
    Rule(
        id="data_differs",
        check=data_differs,
        disproved_by="All members give the same hash at the same revision.",
        can_tell=somebody_answered,
    ),
    Rule(
        id="member_process_exited",
        check=member_process_exited,
        disproved_by="The member answers, or its supervisor reports the process as running.",
        can_tell=accounted_for,
    ),
    Rule(
        id="member_hung",
        check=member_hung,
        disproved_by="The member answers from its own host within a second.",
        hold=GLITCH,
        can_tell=accounted_for,
    ),
    Rule(
        id="member_lost",
        check=member_lost,
        disproved_by="The process is found on its host, or the member answers.",
        hold=LOST_AFTER,
    ),
    *SPACE_RULES,
    Rule(
        id="election_in_progress",
        check=election_in_progress,
        disproved_by="Any member knows a leader.",
        hold=ELECTION_TAKES,
        can_tell=somebody_answered,
    ),
    Rule(
        id="partition",
        check=partition,
        disproved_by="All members name the same leader.",
        hold=ELECTION_TAKES,
        can_tell=somebody_answered,
    ),
    Rule(
        id="member_unreachable",
        check=member_unreachable,
        disproved_by="The member answers.",
        hold=BLINK,
    ),
)
"""All rules, in order."""
