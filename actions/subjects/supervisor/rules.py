"""What can be wrong with a supervised process that no other subject looks after."""

from collections.abc import Callable
from datetime import UTC, datetime
from shlex import quote
from typing import Final

from actions.diagnosis.models import ActionRecommendation, Alternative, DiagnosisOutput, Severity
from actions.models import Urgency
from actions.subject import Finding, Rule
from actions.subjects.process import Process, ProcessState
from actions.subjects.supervisor.observe import SupervisorObservation

KILLED: Final = frozenset({-1, 137})
"""Exit statuses of a process that a signal ended; a shell in between makes 137 of SIGKILL."""
LINE: Final = 1_000
RETRIES_TAKE: Final = 3.0
"""Seconds after which a process that keeps failing to start is worth a message."""


def process_killed(seen: SupervisorObservation) -> Finding | None:
    """A process was ended by a signal and not started again."""
    process = _first(seen, lambda p: p.state is ProcessState.EXITED and p.exit_status in KILLED)
    if process is None:
        return None
    return _finding(
        seen,
        process,
        diagnosis=f"{process.name} was ended by a signal ({_stopped(process)}) and was not started again.",
        confidence="certain that a signal ended it; who sent it is unknown",
        alternatives=(
            Alternative(
                hypothesis="The kernel killed it because memory ran out.",
                supporting="That, too, is a SIGKILL.",
                contradicting="The kernel's log was not read.",
                conclusion="Look for it there: then it will happen again.",
            ),
            Alternative(
                hypothesis="Somebody stopped it on purpose.",
                supporting="A signal was sent.",
                contradicting="Stopped through supervisord it would be STOPPED, not EXITED.",
                conclusion="Unlikely.",
            ),
        ),
        advice=f"Start {process.name} again, and look for whatever killed it.",
        actions=(_start(seen, process, Urgency.IMMEDIATE),),
    )


def process_exited(seen: SupervisorObservation) -> Finding | None:
    """A process ended by itself with a failing exit code."""
    process = _first(seen, lambda p: p.state is ProcessState.EXITED and p.exit_status not in KILLED | {0})
    if process is None:
        return None
    return _finding(
        seen,
        process,
        diagnosis=f"{process.name} ended by itself with exit code {process.exit_status} ({_stopped(process)}).",
        confidence="certain that it ended; why is not known beyond what its log says",
        alternatives=(
            Alternative(
                hypothesis="It had finished its work.",
                supporting="It ended by itself.",
                contradicting=f"Exit code {process.exit_status} says that it failed.",
                conclusion="Unlikely, unless this program uses that code for success.",
            ),
            Alternative(
                hypothesis="Something that it needs is missing.",
                supporting=_tail(seen, process) or "Its error log says nothing.",
                contradicting="It had been running before.",
                conclusion="Open: the log decides.",
            ),
        ),
        advice=f"Read the end of its log, then start {process.name} again.",
        actions=(_start(seen, process, Urgency.SOON),),
    )


def crash_loop(seen: SupervisorObservation) -> Finding | None:
    """A process ended at every start, and supervisord gave up on it."""
    process = _first(seen, lambda p: p.state is ProcessState.FATAL)
    if process is None:
        return None
    return _finding(
        seen,
        process,
        diagnosis=(
            f"{process.name} cannot be started: it ended at every start, and supervisord gave up"
            f"{f' ({process.spawn_error})' if process.spawn_error else ''}."
        ),
        confidence="certain that it does not stay up; the reason stands in its log, if anywhere",
        alternatives=(
            Alternative(
                hypothesis="What it needs was not there yet, and is now.",
                supporting="supervisord tried a few times in a row, then never again.",
                contradicting="Nothing seen here says what it needs.",
                conclusion="Then one more start is enough.",
            ),
            Alternative(
                hypothesis="Its configuration, data or program is broken.",
                supporting=_tail(seen, process) or process.spawn_error or "It failed every time.",
                contradicting="Nothing seen here.",
                conclusion="Then a start fails again; mend the cause first.",
            ),
        ),
        advice=f"Read the end of its error log and mend the cause; then start {process.name}.",
        actions=(_start(seen, process, Urgency.WHEN_CONVENIENT),),
    )


def starting_failing(seen: SupervisorObservation) -> Finding | None:
    """A process fails to start, and supervisord goes on trying."""
    process = _first(seen, lambda p: p.state is ProcessState.BACKOFF)
    if process is None:
        return None
    return _finding(
        seen,
        process,
        diagnosis=f"{process.name} ends soon after every start; supervisord is still trying.",
        confidence="likely that it will be given up; it may also come up with the next try",
        alternatives=(
            Alternative(
                hypothesis="It waits for something that is about to come up.",
                supporting="supervisord waits longer before each further try, for this reason.",
                contradicting="It has been failing for some seconds.",
                conclusion="Open until supervisord gives up or it runs.",
            ),
            Alternative(
                hypothesis="Its configuration, data or program is broken.",
                supporting=_tail(seen, process) or process.spawn_error or "It ends after every start.",
                contradicting="supervisord has not given up yet.",
                conclusion="Likely if the log says so.",
            ),
        ),
        advice="Wait for supervisord, and read the end of the error log meanwhile. Nothing is proposed.",
        actions=(),
    )


SUPERVISOR_RULES: Final[tuple[Rule[SupervisorObservation], ...]] = (
    Rule(id="process_killed", check=process_killed, disproved_by="The process runs, or somebody stopped it knowingly."),
    Rule(id="process_exited", check=process_exited, disproved_by="The exit code means success for this program."),
    Rule(id="crash_loop", check=crash_loop, disproved_by="The process stays up after one more start."),
    Rule(
        id="starting_failing",
        check=starting_failing,
        disproved_by="The process reaches RUNNING by itself.",
        hold=RETRIES_TAKE,
    ),
)
"""All rules, in order."""


def _first(seen: SupervisorObservation, matches: Callable[[Process], bool]) -> Process | None:
    return next((process for process in seen.own if matches(process)), None)


def _stopped(process: Process) -> str:
    if not process.stopped_at:
        return "when it ended is not known"
    return f"it ended at {datetime.fromtimestamp(process.stopped_at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _tail(seen: SupervisorObservation, process: Process) -> str:
    return seen.stderr.get(process.name, "")


def _start(seen: SupervisorObservation, process: Process, urgency: Urgency) -> ActionRecommendation:
    return ActionRecommendation(
        action_name=f"{seen.subject}.start_process",
        parameters={"name": process.name},
        reason=f"{process.name} is {process.state.value}, and nothing starts it by itself.",
        urgency=urgency,
        expected_outcome=f"{process.name} is RUNNING and stays so.",
        risks=("If it ends right after the start, whatever ended it is still there.",),
    )


def _finding(
    seen: SupervisorObservation,
    process: Process,
    *,
    diagnosis: str,
    confidence: str,
    alternatives: tuple[Alternative, ...],
    advice: str,
    actions: tuple[ActionRecommendation, ...],
) -> Finding:
    log, state = _tail(seen, process), process.state.value
    output = DiagnosisOutput(
        timeline=f"{seen.observed_at:%Y-%m-%d %H:%M:%S} UTC: {process.name} is {state}; {_stopped(process)}.",
        affected_components=(process.name,),
        metric_readings={
            "State": state,
            "Exit status": str(process.exit_status),
            "Processes": f"{sum(p.state is ProcessState.RUNNING for p in seen.processes)} of {len(seen.processes)} run",
        },
        primary_diagnosis=diagnosis,
        confidence=confidence,
        supporting_evidence=(
            f"supervisor.getAllProcessInfo: {process.name} is {state}, exit status {process.exit_status}",
            *(f"stderr: {line}"[:LINE] for line in log.splitlines()[-20:]),
        ),
        alternatives_considered=alternatives,
        recommended_action=advice,
        action_commands=(
            f"supervisorctl tail {quote(process.name)} stderr",
            f"supervisorctl start {quote(process.name)}",
        ),
        severity=Severity.CRITICAL if process.state is not ProcessState.BACKOFF else Severity.WARNING,
        risks=("Whatever the process serves is not served until it runs again.",),
        recommended_actions=actions,
    )
    return Finding(target=process.name, output=output)
