"""What every diagnosis of an etcd cluster tells: who answered, what they said, and the calls that mend a process."""

from shlex import quote
from typing import Final

from actions.diagnosis.models import ActionRecommendation
from actions.models import Urgency
from actions.subjects.etcd.figures import percent, size
from actions.subjects.etcd.observe import EtcdObservation, MemberReading
from actions.subjects.process import ProcessState

LINE: Final = 1_000
"""Characters that one line of a diagnosis may have."""
STATUS_CALL: Final = "POST /v3/maintenance/status"


def timeline(seen: EtcdObservation) -> str:
    """Return what was seen, and when."""
    lines = [f"{member.name} {_condition(seen, member)}." for member in seen.members]
    if seen.processes_problem:
        lines.append(f"The supervisor could not be asked: {seen.processes_problem}")
    return f"{seen.observed_at:%Y-%m-%d %H:%M:%S} UTC: " + " ".join(lines)


def readings(seen: EtcdObservation) -> dict[str, str]:
    """Return the figures behind a diagnosis."""
    figures = {
        "Members answering": f"{len(seen.reachable)} of {len(seen.members)}",
        "Quorum": f"{seen.quorum} of {seen.voters} voters",
        "Leader": " and ".join(seen.name_of(leader) for leader in sorted(seen.leaders)) or "none",
    }
    for member in seen.reachable:
        figures[f"{member.name}: database"] = _database(member)
        figures[f"{member.name}: term, revision, applied"] = f"{member.term}, {member.revision}, {member.applied_index}"
    for alarm in seen.alarms:
        figures[f"{seen.name_of(alarm.member_id)}: alarm"] = alarm.alarm
    return figures


def evidence_of(seen: EtcdObservation) -> tuple[str, ...]:
    """Return one line for each source that was asked, answering or not."""
    lines = [f"{STATUS_CALL} on {member.name}: {_answer(seen, member)}" for member in seen.members]
    lines.append(f"reachable members: {len(seen.reachable)}/{len(seen.members)} (quorum needs {seen.quorum})")
    if seen.processes_problem:
        lines.append(f"supervisor: not readable: {seen.processes_problem}")
    return tuple(line[:LINE] for line in lines)


def process_evidence(member: MemberReading) -> tuple[str, ...]:
    """Return what the supervisor said of a member's process."""
    process = member.process
    if process is None:
        return (f"supervisor: nothing is known of the process of {member.name}",)
    said = f"supervisor: {process.name} is {process.state.value}"
    match process.state:
        case ProcessState.RUNNING:
            said += f" as pid {process.pid}"
        case ProcessState.EXITED:
            said += ", ended by a signal" if process.exit_status < 0 else f" with exit status {process.exit_status}"
        case _:
            said += f" ({process.spawn_error})" if process.spawn_error else ""
    return (said,)


def quorum_sentence(seen: EtcdObservation) -> str:
    """Return how many voters are left, in one sentence."""
    answering, quorum = len(seen.reachable_voters), seen.quorum
    if answering < quorum:
        return f"{answering} of {seen.voters} voters answer, and {quorum} are needed."
    spare = answering - quorum
    rest = "none may fail now" if spare == 0 else f"{spare} more may fail"
    return f"{answering} of {seen.voters} voters answer, {quorum} are needed: {rest}."


def start(seen: EtcdObservation, member: MemberReading) -> ActionRecommendation | None:
    """Recommend to start a member's process; None if nobody who could is configured."""
    if seen.supervisor is None or member.process is None:
        return None
    return ActionRecommendation(
        action_name=f"{seen.supervisor}.start_process",
        parameters={"name": member.process.name},
        reason=f"{member.name} cannot serve while its process is {member.process.state.value}.",
        urgency=Urgency.IMMEDIATE,
        expected_outcome=f"{member.name} answers within seconds and follows the leader.",
        risks=("If it ends right after the start, whatever ended it is still there.",),
    )


def restart(seen: EtcdObservation, member: MemberReading) -> ActionRecommendation | None:
    """Recommend to restart a member's process; None if nobody who could is configured."""
    if seen.supervisor is None or member.process is None:
        return None
    return ActionRecommendation(
        action_name=f"{seen.supervisor}.restart_process",
        parameters={"name": member.process.name},
        reason=f"{member.name} does not answer although its process runs; a new process answers again.",
        urgency=Urgency.IMMEDIATE,
        expected_outcome=f"{member.name} runs as a new process, answers within seconds and follows the leader.",
        risks=(
            f"{member.name} is away for the seconds this takes.",
            "Its process is killed if it does not end when asked; etcd is made to survive that.",
        ),
    )


def status_command(seen: EtcdObservation) -> str:
    """Return the line with which a person sees the state of all members."""
    return f"etcdctl --endpoints={','.join(member.url for member in seen.members)} endpoint status -w table"


def supervisorctl(verb: str, process: str) -> str:
    """Return the line with which a person does it by hand."""
    return f"supervisorctl {verb} {quote(process)}"


def _condition(seen: EtcdObservation, member: MemberReading) -> str:
    if member.reachable:
        return _role(seen, member)
    process = f", and its process is {member.process.state.value}" if member.process else ""
    return f"gave no usable answer ({member.why.value if member.why else 'no reason given'}){process}"


def _role(seen: EtcdObservation, member: MemberReading) -> str:
    if member.leader is None:
        return "answers and knows no leader"
    if member.leader == member.id:
        return "answers and leads"
    learning = "learns from" if member.is_learner else "follows"
    return f"answers and {learning} {seen.name_of(member.leader)}"


def _answer(seen: EtcdObservation, member: MemberReading) -> str:
    if not member.reachable:
        return member.detail or (member.why.value if member.why else "no answer")
    complaints = f"; it reports {'; '.join(member.errors)}" if member.errors else ""
    return f"{_role(seen, member)}{complaints}"


def _database(member: MemberReading) -> str:
    limit = f" of {size(member.quota)}" if member.quota else ", quota not known"
    share = f" ({percent(member.fill)})" if member.fill is not None else ""
    return f"{size(member.db_size)}{limit}{share}, {size(member.db_in_use)} in use"
