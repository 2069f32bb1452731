import json
import os
import pty
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from actions.errors import AlreadyDecidedError, KilledError, NotAuthorizedError, TargetUnavailableError
from actions.models import ActionStatus, SafetyMode
from bot.cli.approve import PATIENCE, approve_in
from bot.cli.caller import caller
from bot.housekeeping import RUN_LEASE
from tests.bot.cli.home import Bench, Home
from tests.rig import ANN


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
    text = (home.path / "operator.toml").read_text(encoding="utf-8")
    home.configure(f"{text}\n[approval.high]\ncli = true\n")
    async with home.bench() as bench:
        proposal_id = await bench.rig.propose("a", action="crush")

        code = await approve(bench, proposal_id)

        assert code == 0
        assert await status(bench, proposal_id) is ActionStatus.VALIDATED
        assert bench.rig.target.ledger == {}
    assert "1 of 2 approvals" in capsys.readouterr().out


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
def test_a_person_at_a_terminal_is_asked_from_medium_risk_up_and_no_is_the_default(home: Home, answer: bytes) -> None:
    proposal_id = home.act(lambda rig: rig.propose("a", action="crush"))
    ours, its = pty.openpty()
    question = f"Approve action {proposal_id}, high risk? [y/N]:"

    with home.start("actions", "approve", str(proposal_id), stdin=its) as asking:
        os.close(its)
        os.write(ours, answer)
        _, err = asking.communicate(timeout=30)
    os.close(ours)

    assert err == f"{question}operator: not approved; action {proposal_id} is as it was\n"
    assert asking.returncode == 1
    assert json.loads(home.run("actions", "show", str(proposal_id), "--json").out)["status"] == "validated"
