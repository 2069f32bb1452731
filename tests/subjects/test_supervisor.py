from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from xmlrpc import client as xmlrpc

import httpx
import pytest
from pydantic import ValidationError

from actions.canonical import Json
from actions.diagnosis.models import Severity
from actions.errors import ActionFailedError, BadParametersError, TargetUnavailableError
from actions.models import FailureOutcome, Risk
from actions.registry import ActionDefinition, ActionRegistry, Happened
from actions.subjects.process import Dependent, Process, ProcessState
from actions.subjects.supervisor.client import FaultError, SupervisorClient, connect
from actions.subjects.supervisor.config import SupervisorConfig
from actions.subjects.supervisor.subject import SupervisorSubject
from actions.subjects.transport import OutcomeUnknownError, RefusedError, Transport
from actions.validation import validate_action_params
from tests.factories import FixedClock
from tests.subjects.fake_supervisord import URL, FakeSupervisord
from tests.subjects.recorded import response
from tests.subjects.steps import RecordedSteps

STARTED = 1_700_000_000


def a_process(state: ProcessState = ProcessState.RUNNING, **over: Any) -> Process:
    alive = state in {ProcessState.RUNNING, ProcessState.STARTING, ProcessState.STOPPING}
    return Process(
        **{"name": "web", "state": state, "pid": 100 if alive else 0, "started_at": STARTED, "stopped_at": 0, **over}
    )


def fake(*processes: Process, **over: Any) -> FakeSupervisord:
    return FakeSupervisord({process.name: process for process in processes}, **over)


def subject_over(supervisord: FakeSupervisord, *dependents: Dependent, **over: Any) -> SupervisorSubject:
    config = SupervisorConfig(url=URL)
    return SupervisorSubject(
        "supervisor", config, client=supervisord.client(), clock=FixedClock(), dependents=dependents, **over
    )


def action(subject: SupervisorSubject, name: str) -> ActionDefinition[Any]:
    return ActionRegistry(subject.actions).get(f"supervisor.{name}")


def model(definition: ActionDefinition[Any], name: str = "web") -> Any:
    return validate_action_params(definition, {"name": name})


class FakeDependent:
    """Says what it is told to."""

    def __init__(self, refusal: str | None = None, *, well: bool | None = None) -> None:
        self.refusal = refusal
        self.well = well

    async def refusal_to_stop(self, process: str) -> str | None:
        return self.refusal if process == "web" else None

    async def healthy(self, process: str) -> bool | None:
        return self.well if process == "web" else None


def answering(status: int, body: bytes | str) -> SupervisorClient:
    return SupervisorClient(URL, Transport(over=httpx.MockTransport(lambda _request: response(status, body))))


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<methodResponse><params><param><value><string>&b;</string></value></param></params></methodResponse>"
)
GARBAGE = [
    "",
    "<html>",
    "not xml",
    BOMB,
    BOMB.encode("utf-16").decode("latin-1"),
    "<methodResponse></methodResponse>",
    "<methodResponse><params></params></methodResponse>",
    "<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
    f"<methodResponse><params><param><value><int>{'9' * 5000}</int></value></param></params></methodResponse>",
    "<methodResponse><params><param><value><struct><member></member></struct></value></param></params></methodResponse>",
]


@pytest.mark.parametrize("body", GARBAGE)
async def test_garbage_in_a_read_is_a_read_that_failed(body: str) -> None:
    with pytest.raises(TargetUnavailableError):
        await answering(200, body).processes()


@pytest.mark.parametrize("body", [body for body in GARBAGE if "<html>" not in body])
async def test_garbage_after_a_write_says_nothing(body: str) -> None:
    with pytest.raises(OutcomeUnknownError):
        await answering(200, body).start("web")


@pytest.mark.parametrize("listed", [5, "x", ["x"], [{"name": "web"}], [{"name": "web", "group": "web", "pid": "x"}]])
async def test_a_list_of_processes_in_another_form_is_a_read_that_failed(listed: Any) -> None:
    body = xmlrpc.dumps((listed,), methodresponse=True)

    with pytest.raises(TargetUnavailableError, match="unknown form"):
        await answering(200, body).processes()


async def test_processes_of_a_group_are_named_with_it() -> None:
    supervisord = fake(a_process(), a_process(name="workers:one"))

    assert set(await supervisord.client().processes()) == {"web", "workers:one"}


@pytest.mark.parametrize(
    ("code", "raised", "outcome"),
    [
        (10, FaultError, FailureOutcome.NO_EFFECT),
        (11, FaultError, FailureOutcome.NO_EFFECT),
        (6, FaultError, FailureOutcome.NO_EFFECT),
        (40, ActionFailedError, FailureOutcome.PARTIAL),
        (50, ActionFailedError, FailureOutcome.PARTIAL),
        (30, OutcomeUnknownError, None),
        (999, OutcomeUnknownError, None),
    ],
)
async def test_a_fault_says_what_was_done(code: int, raised: type[Exception], outcome: FailureOutcome | None) -> None:
    body = xmlrpc.dumps(xmlrpc.Fault(code, "because\x07"), methodresponse=True)

    with pytest.raises(raised) as caught:
        await answering(200, body.replace("\x07", "&#xA;")).start("web")

    assert getattr(caught.value, "outcome", None) is outcome
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 502, 301])
async def test_a_server_in_trouble_leaves_the_outcome_open(status: int) -> None:
    with pytest.raises(OutcomeUnknownError):
        await answering(status, "oops").stop("web")


async def test_a_denied_write_has_no_effect() -> None:
    with pytest.raises(RefusedError) as caught:
        await answering(401, "no").kill("web")

    assert caught.value.outcome is FailureOutcome.NO_EFFECT


@pytest.mark.parametrize("name", ["", "*", "group:*", "a b", "../x", "a:b:c", "x" * 201])
def test_a_name_that_could_mean_several_processes_is_no_parameter(name: str) -> None:
    definition = action(subject_over(fake()), "stop_process")

    with pytest.raises(BadParametersError):
        validate_action_params(definition, {"name": name})


async def test_a_supervisord_without_a_password_is_asked_without_one() -> None:
    client = connect(
        SupervisorConfig(url=URL), {}, httpx.MockTransport(lambda request: response(200, _auth_of(request)))
    )

    with pytest.raises(TargetUnavailableError, match="unknown form"):
        await client.processes()


def _auth_of(request: httpx.Request) -> str:
    assert "Authorization" not in request.headers
    return xmlrpc.dumps((True,), methodresponse=True)


def test_an_action_keeps_others_off_its_process() -> None:
    for definition in subject_over(fake()).actions:
        assert definition.target(model(definition)) == "web"


def test_the_risks_grow_with_what_is_taken_away() -> None:
    risks = {definition.name: definition.risk for definition in subject_over(fake()).actions}

    assert risks == {
        "supervisor.start_process": Risk.LOW,
        "supervisor.restart_process": Risk.MEDIUM,
        "supervisor.stop_process": Risk.HIGH,
    }


async def test_a_deaf_process_is_killed_when_its_time_is_over() -> None:
    supervisord = fake(a_process(), deaf=frozenset({"web"}))
    restart = action(subject_over(supervisord), "restart_process")
    steps = RecordedSteps()

    await restart.execute(model(restart), steps)

    assert steps.done == ["stop web", "kill web", "start web"]
    assert supervisord.processes["web"].pid == 101


async def test_a_process_that_survives_even_that_is_a_failure_in_part() -> None:
    supervisord = fake(a_process(), immortal=frozenset({"web"}))
    restart = action(subject_over(supervisord), "restart_process")

    with pytest.raises(ActionFailedError, match="still there") as caught:
        await restart.execute(model(restart), RecordedSteps())

    assert caught.value.outcome is FailureOutcome.PARTIAL
    assert not [call for call in supervisord.calls if call.startswith("startProcess")]


async def test_a_process_that_ended_meanwhile_is_only_started() -> None:
    supervisord = fake(a_process(ProcessState.EXITED))
    restart = action(subject_over(supervisord), "restart_process")
    steps = RecordedSteps()

    await restart.execute(model(restart), steps)

    assert steps.done == ["start web"]


async def test_what_is_so_already_is_done() -> None:
    start = action(subject_over(fake(a_process())), "start_process")
    stop = action(subject_over(fake(a_process(ProcessState.STOPPED))), "stop_process")

    started, stopped = (
        await start.execute(model(start), RecordedSteps()),
        await stop.execute(model(stop), RecordedSteps()),
    )

    assert (started.detail, stopped.detail) == ("web had been started already.", "web was not running.")


async def test_a_process_that_vanishes_while_it_is_stopped_leaves_the_outcome_open() -> None:
    supervisord = fake(a_process(), deaf=frozenset({"web"}))
    stop = action(subject_over(supervisord), "stop_process")

    class Vanishing(RecordedSteps):
        @asynccontextmanager
        async def __call__(self, name: str) -> AsyncIterator[None]:
            yield
            del supervisord.processes[name.rsplit(maxsplit=1)[-1]]

    with pytest.raises(TargetUnavailableError, match="no process web"):
        await stop.execute(model(stop), Vanishing())


async def test_a_process_that_cannot_be_killed_leaves_a_stop_done_in_part() -> None:
    stop = action(subject_over(fake(a_process(), immortal=frozenset({"web"}))), "stop_process")

    with pytest.raises(ActionFailedError, match="still there") as caught:
        await stop.execute(model(stop), RecordedSteps())

    assert caught.value.outcome is FailureOutcome.PARTIAL


async def test_a_start_that_fails_after_the_stop_is_a_failure_in_part() -> None:
    supervisord = fake(a_process(), start_fault=10)
    restart = action(subject_over(supervisord), "restart_process")

    with pytest.raises(ActionFailedError, match="Before that it was asked to end, ended") as caught:
        await restart.execute(model(restart), RecordedSteps())

    assert caught.value.outcome is FailureOutcome.PARTIAL


@pytest.mark.parametrize("name", ["restart_process", "stop_process"])
async def test_a_dependent_that_cannot_do_without_it_keeps_it_running(name: str) -> None:
    supervisord = fake(a_process())
    definition = action(subject_over(supervisord, FakeDependent("The site needs it.")), name)

    preview = await definition.preview(model(definition))
    with pytest.raises(ActionFailedError, match="The site needs it") as caught:
        await definition.execute(model(definition), RecordedSteps())

    assert preview.refusal == "The site needs it."
    assert caught.value.outcome is FailureOutcome.NO_EFFECT
    assert set(supervisord.calls) == {"getAllProcessInfo"}


@pytest.mark.parametrize(
    ("well", "happened"), [(True, Happened.YES), (None, Happened.YES), (False, Happened.CANNOT_TELL)]
)
async def test_a_process_counts_as_started_when_what_depends_on_it_is_well(
    well: bool | None, happened: Happened
) -> None:
    subject = subject_over(fake(a_process(pid=7)), FakeDependent(well=well))
    start = action(subject, "start_process")

    verdict = await start.verify(model(start), {"state": "EXITED", "pid": 0, "started_at": STARTED})

    assert verdict.happened is happened


@pytest.mark.parametrize(
    ("now", "happened"),
    [
        (a_process(ProcessState.EXITED), Happened.PARTLY),
        (a_process(ProcessState.FATAL), Happened.PARTLY),
        (a_process(ProcessState.STARTING), Happened.CANNOT_TELL),
        (a_process(ProcessState.BACKOFF), Happened.CANNOT_TELL),
        (a_process(ProcessState.UNKNOWN), Happened.CANNOT_TELL),
        (a_process(ProcessState.RUNNING, pid=100), Happened.NO),
        (a_process(ProcessState.RUNNING, pid=100, started_at=STARTED + 1), Happened.YES),
        (a_process(ProcessState.RUNNING, pid=101), Happened.YES),
        (a_process(name="other"), Happened.CANNOT_TELL),
    ],
)
async def test_a_restart_is_judged_by_the_process_that_runs_now(now: Process, happened: Happened) -> None:
    restart = action(subject_over(fake(now)), "restart_process")
    before: Mapping[str, Json] = {"state": "RUNNING", "pid": 100, "started_at": STARTED}

    assert (await restart.verify(model(restart), before)).happened is happened


@pytest.mark.parametrize(
    ("now", "happened"),
    [
        (a_process(ProcessState.STOPPED), Happened.YES),
        (a_process(ProcessState.EXITED), Happened.YES),
        (a_process(ProcessState.STOPPING), Happened.CANNOT_TELL),
        (a_process(ProcessState.RUNNING, pid=100), Happened.NO),
        (a_process(ProcessState.RUNNING, pid=101), Happened.CANNOT_TELL),
        (a_process(name="other"), Happened.CANNOT_TELL),
    ],
)
async def test_a_stop_is_judged_by_whether_that_process_is_gone(now: Process, happened: Happened) -> None:
    stop = action(subject_over(fake(now)), "stop_process")
    before: Mapping[str, Json] = {"state": "RUNNING", "pid": 100, "started_at": STARTED}

    assert (await stop.verify(model(stop), before)).happened is happened


async def test_a_supervisord_that_does_not_answer_says_neither_yes_nor_no() -> None:
    subject = SupervisorSubject(
        "supervisor", SupervisorConfig(url=URL), client=answering(503, "busy"), clock=FixedClock()
    )
    start = action(subject, "start_process")

    verdict = await start.verify(model(start), {})

    assert verdict.happened is Happened.CANNOT_TELL
    assert "503" in verdict.evidence[0].value


@pytest.mark.parametrize(
    ("name", "state", "refusal"),
    [
        ("start_process", ProcessState.RUNNING, "nothing to start"),
        ("start_process", ProcessState.BACKOFF, "starting web already"),
        ("start_process", ProcessState.STOPPING, "nothing to start"),
        ("start_process", ProcessState.EXITED, None),
        ("start_process", ProcessState.FATAL, None),
        ("restart_process", ProcessState.EXITED, "nothing to stop"),
        ("restart_process", ProcessState.RUNNING, None),
        ("restart_process", ProcessState.BACKOFF, None),
        ("stop_process", ProcessState.STOPPED, "nothing to stop"),
        ("stop_process", ProcessState.STARTING, None),
    ],
)
async def test_what_would_change_nothing_is_refused(name: str, state: ProcessState, refusal: str | None) -> None:
    definition = action(subject_over(fake(a_process(state))), name)

    said = (await definition.preview(model(definition))).refusal

    assert said is None if refusal is None else refusal in (said or "")


async def test_a_process_that_fails_to_start_again_and_again_does_not_void_a_decision() -> None:
    first = action(subject_over(fake(a_process(ProcessState.BACKOFF))), "stop_process")
    later = action(
        subject_over(fake(a_process(ProcessState.STARTING, pid=555, started_at=STARTED + 9))), "stop_process"
    )

    assert (await first.preview(model(first))).pins == (await later.preview(model(later))).pins


async def observed(supervisord: FakeSupervisord, **over: Any) -> dict[str, Any]:
    subject = subject_over(supervisord, **over)
    seen = await subject.observe()
    return {rule.id: finding for rule in subject.rules if (finding := rule.check(seen)) is not None}


@pytest.mark.parametrize(
    ("process", "rule", "actions", "severity"),
    [
        (a_process(ProcessState.EXITED, exit_status=-1), "process_killed", 1, Severity.CRITICAL),
        (a_process(ProcessState.EXITED, exit_status=137), "process_killed", 1, Severity.CRITICAL),
        (a_process(ProcessState.EXITED, exit_status=3), "process_exited", 1, Severity.CRITICAL),
        (a_process(ProcessState.FATAL, spawn_error="Exited too quickly"), "crash_loop", 1, Severity.CRITICAL),
        (a_process(ProcessState.BACKOFF), "starting_failing", 0, Severity.WARNING),
    ],
)
async def test_a_process_in_trouble_is_recognised(
    process: Process, rule: str, actions: int, severity: Severity
) -> None:
    found = await observed(fake(process, a_process(name="other"), logs={"web": "first line\nout of memory\x1b[0m"}))

    ((rule_id, finding),) = found.items()
    assert rule_id == rule
    assert finding.target == "web"
    assert finding.output.severity is severity
    assert len(finding.output.recommended_actions) == actions
    assert "stderr: out of memory?[0m" in finding.output.supporting_evidence
    assert finding.output.metric_readings["Processes"] == "1 of 2 run"
    for recommendation in finding.output.recommended_actions:
        assert (recommendation.action_name, recommendation.parameters) == ("supervisor.start_process", {"name": "web"})


@pytest.mark.parametrize(
    "process",
    [
        a_process(),
        a_process(ProcessState.STOPPED),
        a_process(ProcessState.STARTING),
        a_process(ProcessState.EXITED, exit_status=0),
    ],
)
async def test_a_process_that_works_rests_or_has_finished_is_no_fault(process: Process) -> None:
    assert await observed(fake(process)) == {}


async def test_a_process_that_another_subject_watches_is_left_to_it() -> None:
    supervisord = fake(a_process(ProcessState.FATAL), logs={"web": "boom"})

    assert await observed(supervisord, watched_elsewhere=frozenset({"web"})) == {}
    assert supervisord.calls == ["getAllProcessInfo"]


async def test_a_log_that_cannot_be_read_leaves_the_diagnosis_standing() -> None:
    found = await observed(fake(a_process(ProcessState.FATAL)))

    assert set(found) == {"crash_loop"}


async def test_undoing_a_start_is_a_stop_and_undoing_a_stop_a_start() -> None:
    subject = subject_over(fake())
    undone = {}
    for definition in subject.actions:
        undone[definition.name] = definition.undo and definition.undo(model(definition), {})

    assert undone == {
        "supervisor.start_process": ("stop_process", {"name": "web"}),
        "supervisor.restart_process": None,
        "supervisor.stop_process": ("start_process", {"name": "web"}),
    }


@pytest.mark.parametrize(
    "section",
    [
        {"url": "unix:///run/supervisor.sock"},
        {"url": URL, "username": "op"},
        {"url": URL, "password": "secret"},
        {"url": URL, "stop_within": 0},
    ],
)
def test_a_section_that_cannot_work_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SupervisorConfig.model_validate(section)
