import asyncio
import json
import os
import pty
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from actions.errors import (
    AlreadyApprovedError,
    AlreadyDecidedError,
    KilledError,
    NotAuthorizedError,
    TargetUnavailableError,
)
from actions.models import ActionStatus, Actor, Caller, Risk, SafetyMode, Via
from actions.policy import ConfiguredPolicy
from actions.ports import Transaction
from actions.transitions import bear
from bot.cli.approve import approve_in, break_glass_in
from bot.cli.caller import caller
from bot.cli.outcome import PATIENCE
from bot.housekeeping import RUN_LEASE
from bot.settings import load
from tests.bot.cli.home import Bench, Home
from tests.factories import START, a_proposal
from tests.rig import AGENT, ANN, CY, Rig

HIGH: Final = "\n[approval.high]\ncli = true\n"
GLASS: Final = '\n[[grants]]\nwho = ["me"]\nmay = ["break_glass"]\n'
FREEZE: Final = '\n[[freezes]]\nname = "release"\nfrom = "2026-03-01 00:00"\nuntil = "2026-03-01 13:00"\n'


@pytest.fixture
async def bench(home: Home) -> AsyncIterator[Bench]:
    async with home.bench() as bench:
        yield bench


async def approve(bench: Bench, proposal_id: int, *, as_json: bool = False) -> int:
    return await approve_in(bench.parts, proposal_id, as_json=as_json)


async def somebody_runs(bench: Bench, seconds: float = 3_600) -> None:
    now = bench.clock.now()
    await bench.rig.store.write(
        lambda tx: tx.hold_lease(RUN_LEASE, "elsewhere/1/x", now=now, until=now + timedelta(seconds=seconds))
    )


async def status(bench: Bench, proposal_id: int) -> ActionStatus:
    proposal = await bench.rig.store.read(lambda reader: reader.proposal(proposal_id))
    assert proposal is not None
    return proposal.status


async def test_an_approved_action_is_run_at_once_if_nobody_else_runs(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await bench.rig.propose("a")

    code = await approve(bench, proposal_id)

    assert code == 0
    assert bench.rig.target.ledger == {"a": 1}
    assert "done and confirmed" in capsys.readouterr().out


async def test_the_result_can_be_read_as_json_alone(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    proposal_id = await bench.rig.propose("a")

    await approve(bench, proposal_id, as_json=True)

    assert json.loads(capsys.readouterr().out)["status"] == "completed"


@pytest.mark.parametrize(
    ("fault", "code", "ended"),
    [("refuse", 1, ActionStatus.FAILED), ("apply-then-lost", 3, ActionStatus.UNKNOWN)],
)
async def test_what_did_not_work_or_is_not_known_has_its_own_exit_code(
    bench: Bench, capsys: pytest.CaptureFixture[str], fault: str, code: int, ended: ActionStatus
) -> None:
    bench.rig.target.faults["a"] = fault
    proposal_id = await bench.rig.propose("a")

    assert await approve(bench, proposal_id) == code
    assert await status(bench, proposal_id) is ended
    assert ("do not repeat it" in capsys.readouterr().err) is (code == 3)


async def test_if_somebody_runs_the_command_waits_and_prints_what_came_of_it(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await bench.rig.propose("a")
    await somebody_runs(bench)

    bench.clock.meanwhile = lambda: bench.parts.executor.execute_proposal(proposal_id)

    code = await approve(bench, proposal_id)

    assert code == 0
    assert bench.rig.target.ledger == {"a": 1}
    assert "done and confirmed" in capsys.readouterr().out


async def test_it_waits_a_minute_and_then_says_where_it_stands(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await bench.rig.propose("a")
    await somebody_runs(bench)
    started = bench.clock.now()

    code = await approve(bench, proposal_id)

    said = capsys.readouterr()
    assert code == 3
    assert (bench.clock.now() - started).total_seconds() == pytest.approx(PATIENCE, abs=1)
    assert "is still approved" in said.err
    assert "waiting for its end" in said.err
    assert bench.rig.target.ledger == {}


async def test_a_lease_that_ran_out_counts_as_nobody(bench: Bench) -> None:
    proposal_id = await bench.rig.propose("a")
    await somebody_runs(bench, seconds=1)
    bench.clock.advance(2)

    assert await approve(bench, proposal_id) == 0
    assert bench.rig.target.ledger == {"a": 1}


async def test_an_approval_that_was_left_behind_is_taken_up(bench: Bench) -> None:
    proposal_id = await bench.rig.propose("a")
    await bench.parts.executor.approve_proposal(proposal_id, by=caller({}))

    assert await approve(bench, proposal_id) == 0
    assert bench.rig.target.ledger == {"a": 1}


async def test_an_approval_that_came_from_slack_is_left_to_whoever_can_check_it(bench: Bench) -> None:
    proposal_id = await bench.rig.propose("a")
    await bench.rig.executor.approve_proposal(proposal_id, by=ANN)

    with pytest.raises(TargetUnavailableError, match="came from Slack"):
        await approve(bench, proposal_id)

    assert await status(bench, proposal_id) is ActionStatus.APPROVED
    assert bench.rig.target.ledger == {}


async def test_what_runs_or_ran_already_is_not_approved_again(bench: Bench) -> None:
    proposal_id = await bench.rig.propose("a")
    await approve(bench, proposal_id)

    with pytest.raises(AlreadyDecidedError):
        await approve(bench, proposal_id)

    assert bench.rig.target.ledger == {"a": 1}


async def test_high_risk_is_not_approved_from_here_unless_configured(bench: Bench) -> None:
    proposal_id = await bench.rig.propose("a", action="crush")

    with pytest.raises(NotAuthorizedError, match="High risk is approved in Slack"):
        await approve(bench, proposal_id)


async def test_where_high_risk_may_be_approved_from_here_one_of_two_counts_and_nothing_runs(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.configure(home.config + HIGH)
    async with home.bench() as bench:
        proposal_id = await bench.rig.propose("a", action="crush")

        code = await approve(bench, proposal_id)

        assert code == 0
        assert await status(bench, proposal_id) is ActionStatus.VALIDATED
        assert bench.rig.target.ledger == {}
    assert "1 of 2 approvals" in capsys.readouterr().out


async def test_who_approved_in_slack_does_not_count_again_from_here(home: Home) -> None:
    home.configure((home.config + HIGH).replace("[people.me]", '[people.me]\nslack = ["T1/UCY"]'))
    async with home.bench() as bench:
        proposal_id = await bench.propose("a", action="crush")
        by_the_bot = ConfiguredPolicy(load().allowed())
        bot = Rig(bench.rig.store, bench.rig.kill_files, bench.clock, policy=by_the_bot)
        await bot.executor.approve_proposal(proposal_id, by=CY)

        with pytest.raises(AlreadyApprovedError, match="each person counts once"):
            await approve(bench, proposal_id)


async def test_nobody_approves_what_he_proposed(bench: Bench) -> None:
    proposal_id = await bench.rig.propose("a", by=caller({}))

    with pytest.raises(NotAuthorizedError, match="You proposed this"):
        await approve(bench, proposal_id)


async def test_in_observe_mode_nothing_is_approved(bench: Bench) -> None:
    proposal_id = await bench.rig.propose("a")
    await bench.rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)

    with pytest.raises(AlreadyDecidedError, match="cancelled"):
        await approve(bench, proposal_id)

    assert bench.rig.target.ledger == {}


async def test_with_a_kill_file_nothing_is_approved(bench: Bench) -> None:
    proposal_id = await bench.rig.propose("a")
    bench.rig.kill_files.drop()

    with pytest.raises(KilledError):
        await approve(bench, proposal_id)

    assert bench.rig.target.ledger == {}


def test_before_anything_is_approved_it_is_shown_what_would_be_done(home: Home) -> None:
    proposal_id = home.act(lambda rig: rig.propose("a"))

    said = home.run("actions", "approve", str(proposal_id))

    assert 'item = "a"' in said.out
    assert "Reason    because" in said.out


@pytest.mark.parametrize("answer", [b"n\n", b"\n"])
def test_a_person_at_a_terminal_is_asked_at_medium_risk_and_no_is_the_default(home: Home, answer: bytes) -> None:
    proposal_id = home.act(of_medium_risk)

    code, err = answered(home, answer, "actions", "approve", str(proposal_id))

    assert err == (
        f"Approve action {proposal_id}, medium risk? [y/N]:operator: not approved; action {proposal_id} is as it was\n"
    )
    assert (code, shown(home, proposal_id)["status"]) == (1, "validated")


def test_at_high_risk_a_person_types_the_name_of_the_target_and_another_name_approves_nothing(home: Home) -> None:
    home.configure(home.config + HIGH)
    proposal_id = home.act(lambda rig: rig.propose("a", action="crush"))

    code, err = answered(home, b"A\n", "actions", "approve", str(proposal_id))

    assert err == (
        f"To approve action {proposal_id}, type its target, a:operator: that is not the name of the target, which is "
        f"a; action {proposal_id} is as it was\n"
    )
    assert (code, shown(home, proposal_id)["status"]) == (1, "validated")


@pytest.mark.parametrize("extra", [[], ["--yes"], ["--json"]])
def test_where_nobody_can_be_asked_the_name_has_to_be_given(home: Home, extra: list[str]) -> None:
    home.configure(home.config + HIGH)
    proposal_id = home.act(lambda rig: rig.propose("a", action="crush"))

    said = home.run("actions", "approve", str(proposal_id), *extra)

    assert said.code == 2
    assert "--confirm a." in said.err
    assert shown(home, proposal_id)["status"] == "validated"


@pytest.mark.parametrize("action", ["crush", "touch"])
def test_another_name_given_approves_nothing_at_any_risk(home: Home, action: str) -> None:
    home.configure(home.config + HIGH)
    proposal_id = home.act(lambda rig: rig.propose("a", action=action))

    said = home.run("actions", "approve", str(proposal_id), "--confirm", "b", "--json")

    assert (said.code, said.out) == (1, "")
    assert "that is not the name of the target, which is a;" in said.err
    assert shown(home, proposal_id)["status"] == "validated"


def test_nobody_is_asked_for_a_name_who_may_not_approve_and_the_refusal_is_written_down(home: Home) -> None:
    proposal_id = home.act(lambda rig: rig.propose("a", action="crush"))

    said = home.run("actions", "approve", str(proposal_id), "--yes")

    assert (said.code, "High risk is approved in Slack" in said.err) == (1, True)
    assert shown(home, proposal_id)["audit"][-1]["event"] == "denied"


def of_high_risk(home: Home) -> str:
    return f"{home.config}{HIGH}required = 1\n"


async def test_what_is_of_high_risk_runs_after_ten_seconds_in_which_it_can_be_stopped(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.configure(of_high_risk(home))
    async with home.bench() as bench:
        proposal_id = await bench.propose("a", action="crush")
        began = bench.clock.now()

        code = await approve(bench, proposal_id)

        record = await bench.rig.store.read(lambda reader: reader.record(proposal_id))
        assert record is not None
        assert (code, (record.started_at - began).total_seconds()) == (0, 10.0)
    assert f"action {proposal_id} runs in 10 s; Ctrl-C stops it" in capsys.readouterr().err


async def test_ctrl_c_while_it_counts_down_stops_the_action(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.configure(of_high_risk(home))
    async with home.bench() as bench:
        proposal_id = await bench.propose("a", action="crush")
        approving = asyncio.create_task(approve(bench, proposal_id))
        bench.clock.meanwhile = interrupting(approving)

        assert await approving == 1

        assert await status(bench, proposal_id) is ActionStatus.CANCELLED
        assert bench.rig.target.ledger == {}
    assert "Aborted by me" in capsys.readouterr().out


async def test_what_somebody_else_aborts_meanwhile_does_not_run(home: Home) -> None:
    home.configure(of_high_risk(home))
    async with home.bench() as bench:
        proposal_id = await bench.propose("a", action="crush")
        bench.clock.meanwhile = lambda: bench.rig.executor.abort_proposal(proposal_id, by=CY)

        assert await approve(bench, proposal_id) == 1

        assert bench.rig.target.ledger == {}


async def test_ctrl_c_that_comes_too_late_does_not_stop_it_and_says_so(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.configure(of_high_risk(home))
    async with home.bench() as bench:
        proposal_id = await bench.propose("a", action="crush")
        approving = asyncio.create_task(approve(bench, proposal_id))

        async def runs_and_is_interrupted() -> None:
            bench.clock.advance(10)
            await bench.parts.executor.execute_proposal(proposal_id)
            approving.cancel()
            await asyncio.sleep(0)  # here it arrives

        bench.clock.meanwhile = runs_and_is_interrupted

        assert await approving == 0
    assert "too late to stop it" in capsys.readouterr().err


async def test_what_starts_later_is_not_waited_for(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.configure(home.config + FREEZE)
    async with home.bench() as bench:
        proposal_id = await bench.rig.propose("a")

        assert await approve(bench, proposal_id) == 0

        assert await status(bench, proposal_id) is ActionStatus.APPROVED
        assert bench.clock.now() == START
    said = capsys.readouterr()
    assert (
        f"Action {proposal_id}: approved, runs at 2026-03-01 13:00:00 UTC because: freeze `release` until" in said.out
    )
    assert "no `operator run` is alive" in said.err


async def test_what_has_changed_is_proposed_anew_and_it_is_said_how_to_approve_that(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await bench.rig.propose("a")
    bench.rig.target.pins["a"] = 1

    assert await approve(bench, proposal_id) == 1

    said = capsys.readouterr()
    assert await status(bench, proposal_id + 1) is ActionStatus.VALIDATED
    assert "Now       generation: 0 → 1" in said.out
    assert f"It needs 1 more approval: operator actions approve {proposal_id + 1}" in said.out
    assert await approve(bench, proposal_id + 1) == 0
    assert bench.rig.target.ledger == {"a": 1}


async def test_what_has_changed_as_json_names_what_took_its_place(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await bench.rig.propose("a")
    bench.rig.target.pins["a"] = 1

    await approve(bench, proposal_id, as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["reason_code"], told["replaced_by"]) == (proposal_id, "stale", proposal_id + 1)


async def test_with_the_glass_broken_one_person_runs_it_at_once_through_a_freeze(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.configure(home.config + GLASS + FREEZE)
    async with home.bench() as bench:
        proposal_id = await bench.rig.propose("a", action="crush")

        assert await break_glass_in(bench.parts, proposal_id, reason="writes stopped", as_json=False) == 0

        assert bench.rig.target.ledger == {"a": 1}
        assert bench.clock.now() - START < timedelta(seconds=5)
    assert f"a review is open: somebody else looks at it, and runs operator reviews close {proposal_id}" in (
        capsys.readouterr().err
    )


async def test_who_approved_in_slack_before_keeps_nobody_from_breaking_the_glass(home: Home) -> None:
    home.configure(home.config + GLASS)
    async with home.bench() as bench:
        proposal_id = await bench.rig.propose("a", action="crush")
        await bench.rig.executor.approve_proposal(proposal_id, by=ANN)

        assert await break_glass_in(bench.parts, proposal_id, reason="writes stopped", as_json=False) == 0

        assert bench.rig.target.ledger == {"a": 1}


async def test_nor_does_the_same_person_who_did(home: Home) -> None:
    home.configure((home.config + GLASS).replace("[people.ann]", 'slack = ["T1/UME"]\n[people.ann]'))
    async with home.bench() as bench:
        proposal_id = await bench.rig.propose("a", action="crush")
        # As `operator run` records it, which knows everybody in Slack.
        me = Caller(actor=Actor.slack("T1", "UME"), via=Via.SLACK)
        by_the_bot = ConfiguredPolicy(load().allowed())
        rig = Rig(bench.rig.store, bench.rig.kill_files, bench.clock, policy=by_the_bot)
        await rig.executor.approve_proposal(proposal_id, by=me)

        assert await break_glass_in(bench.parts, proposal_id, reason="writes stopped", as_json=False) == 0

        assert bench.rig.target.ledger == {"a": 1}


async def test_who_may_not_break_the_glass_is_refused(bench: Bench) -> None:
    proposal_id = await bench.rig.propose("a", action="crush")

    with pytest.raises(NotAuthorizedError, match="You may not break the glass"):
        await break_glass_in(bench.parts, proposal_id, reason="writes stopped", as_json=False)


def test_to_break_the_glass_the_name_of_the_target_is_always_needed(home: Home) -> None:
    home.configure(home.config + GLASS)
    proposal_id = home.act(lambda rig: rig.propose("a"))
    command = ["actions", "break-glass", str(proposal_id), "--reason", "writes stopped"]

    nobody_asked = home.run(*command)
    wrong = home.run(*command, "--confirm", "b")
    code, err = answered(home, b"\n", *command)

    assert (nobody_asked.code, wrong.code, code) == (2, 1, 1)
    assert "on your word alone" in wrong.err
    assert f"To break the glass for action {proposal_id}, type its target, a:" in err
    assert shown(home, proposal_id)["break_glass"] is None


def answered(home: Home, answer: bytes, *arguments: str) -> tuple[int, str]:
    """Run a command at a terminal, at which somebody types this."""
    ours, its = pty.openpty()
    with home.start(*arguments, stdin=its) as asking:
        os.close(its)
        os.write(ours, answer)
        _, err = asking.communicate(timeout=30)
    os.close(ours)
    return asking.returncode, err


def shown(home: Home, proposal_id: int) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(home.run("actions", "show", str(proposal_id), "--json").out)
    return told


def interrupting(task: "asyncio.Task[int]") -> Callable[[], Awaitable[None]]:
    async def interrupt() -> None:
        task.cancel()

    return interrupt


async def of_medium_risk(rig: Rig) -> int:
    waiting = a_proposal(risk=Risk.MEDIUM, status=ActionStatus.VALIDATED)

    def work(tx: Transaction) -> int:
        born = bear(tx, waiting, by=AGENT, at=waiting.proposed_at)
        assert born is not None
        return born.id

    return await rig.store.write(work)
