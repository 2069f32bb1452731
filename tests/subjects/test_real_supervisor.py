"""A real supervisord: its faults, its names, and actions that are cut off in the middle."""

import asyncio

import pytest

from actions.errors import ActionFailedError, ConfigurationError, TargetUnavailableError
from actions.models import FailureOutcome
from actions.registry import Happened
from actions.subjects.process import ProcessState
from actions.subjects.supervisor.client import FaultError, connect
from actions.subjects.supervisor.config import SupervisorConfig
from bot.demo.cluster import DemoCluster
from tests.subjects.steps import RecordedSteps
from tests.subjects.test_real_cluster import follower
from tests.subjects.wired import PASSWORD_ENV, Wired, until

pytestmark = pytest.mark.real


async def is_in(both: Wired, name: str, state: ProcessState) -> bool:
    return (await both.client.processes())[name].state is state


async def test_starting_what_runs_and_stopping_what_does_not_is_done_already(both: Wired) -> None:
    name = f"etcd-{await follower(both)}"

    assert await both.client.start(name) is False
    await both.execute("supervisor.stop_process", name=name)
    assert await both.client.stop(name) is False
    assert await both.client.kill(name) is False
    await both.execute("supervisor.start_process", name=name)


async def test_a_name_that_it_does_not_know_is_a_refusal(both: Wired) -> None:
    with pytest.raises(FaultError, match="BAD_NAME") as caught:
        await both.client.start("etcd-n9")

    assert caught.value.code == 10
    assert caught.value.outcome is FailureOutcome.NO_EFFECT


@pytest.mark.parametrize("action", ["start_process", "restart_process", "stop_process"])
async def test_only_processes_that_are_listed_can_be_named(both: Wired, action: str) -> None:
    preview = await both.preview(f"supervisor.{action}", name="etcd-n9")

    assert preview.refusal == "supervisord has no process etcd-n9."
    with pytest.raises(ActionFailedError, match="no process etcd-n9") as caught:
        await both.execute(f"supervisor.{action}", name="etcd-n9")
    assert caught.value.outcome is FailureOutcome.NO_EFFECT


async def test_a_wrong_password_is_told_as_such(cluster: DemoCluster) -> None:
    config = SupervisorConfig(
        url=cluster.supervisor_url, username=cluster.supervisor_username, password_env=PASSWORD_ENV
    )
    client = connect(config, {PASSWORD_ENV: "wrong"})

    with pytest.raises(TargetUnavailableError, match="user or password are not accepted"):
        await client.processes()
    with pytest.raises(ActionFailedError):
        await client.start("etcd-n1")
    with pytest.raises(ConfigurationError, match=PASSWORD_ENV):
        connect(config, {})


async def test_a_process_is_stopped_stays_stopped_and_is_started_by_undoing(both: Wired) -> None:
    name = f"etcd-{await follower(both)}"
    preview = await both.preview("supervisor.stop_process", name=name)
    untouched = await both.verify("supervisor.stop_process", preview.before, name=name)

    await both.execute("supervisor.stop_process", name=name)
    verdict = await both.verified("supervisor.stop_process", preview.before, name=name)
    definition = both.action("supervisor.stop_process")
    assert definition.undo is not None
    undo, parameters = definition.undo(definition.parameters(name=name), preview.before) or ("", {})
    started = await both.preview(f"supervisor.{undo}", **parameters)
    await both.execute(f"supervisor.{undo}", **parameters)
    running = await both.verified(f"supervisor.{undo}", started.before, **parameters)
    stopped_then = await both.verify("supervisor.stop_process", preview.before, name=name)

    assert preview.refusal is None
    assert (untouched.happened, verdict.happened, running.happened) == (Happened.NO, Happened.YES, Happened.YES)
    assert stopped_then.happened is Happened.CANNOT_TELL
    assert preview.pins != started.pins


async def test_a_start_that_was_cut_off_is_found_to_have_happened(both: Wired) -> None:
    member = await follower(both)
    name = f"etcd-{member}"
    await both.cluster.kill_member(member)
    await both.until("member_process_exited")
    preview = await both.preview("supervisor.start_process", name=name)

    attempt = asyncio.create_task(both.execute("supervisor.start_process", name=name))
    await until(lambda: is_in(both, name, ProcessState.STARTING))
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    halfway = await both.verify("supervisor.start_process", preview.before, name=name)
    verdict = await both.verified("supervisor.start_process", preview.before, name=name)

    assert halfway.happened is not Happened.NO
    assert verdict.happened is Happened.YES


async def test_a_restart_that_was_cut_off_after_the_stop_is_found_to_have_happened_in_part(both: Wired) -> None:
    name = f"etcd-{await follower(both)}"
    preview = await both.preview("supervisor.restart_process", name=name)

    with pytest.raises(asyncio.CancelledError):
        await both.execute("supervisor.restart_process", RecordedSteps(die_after="stop"), name=name)
    await until(lambda: is_in(both, name, ProcessState.STOPPED))
    verdict = await both.verify("supervisor.restart_process", preview.before, name=name)
    await both.execute("supervisor.start_process", name=name)
    finished = await both.verified("supervisor.restart_process", preview.before, name=name)

    assert verdict.happened is Happened.PARTLY
    assert ("State", "STOPPED") in [(fact.label, fact.value) for fact in verdict.evidence]
    assert finished.happened is Happened.YES


async def test_a_restart_that_was_stopped_after_the_stop_is_a_failure_in_part(both: Wired) -> None:
    name = f"etcd-{await follower(both)}"

    with pytest.raises(ActionFailedError, match="Before that it was asked to end, ended") as caught:
        await both.execute("supervisor.restart_process", RecordedSteps(stop_before="start"), name=name)
    await both.execute("supervisor.start_process", name=name)

    assert caught.value.outcome is FailureOutcome.PARTIAL


async def test_processes_that_etcd_looks_after_are_left_to_it(both: Wired) -> None:
    await both.cluster.kill_member(await follower(both))
    finding = await both.until("member_process_exited")
    seen = await both.supervisor.observe()

    assert [rule.id for rule in both.supervisor.rules if rule.check(seen)] == []
    assert seen.own == ()
    (action,) = finding.output.recommended_actions
    await both.execute(action.action_name, **action.parameters)
