import json
import socket

import pytest

from actions.models import AuditEvent, Via
from bot.cli.caller import login
from bot.cli.decide import abort_in
from tests.bot.cli.home import Home
from tests.rig import ANN, BO, Rig

ME = f"cli:{login()}@{socket.gethostname()}"


async def waiting(rig: Rig) -> int:
    return await rig.propose("a")


async def two_waiting(rig: Rig) -> tuple[int, int]:
    return await rig.propose("a"), await rig.propose("b")


async def lost(rig: Rig) -> int:
    rig.target.faults["a"] = "apply-then-lost"
    proposal_id = await rig.approved("a")
    await rig.executor.execute_proposal(proposal_id)
    return proposal_id


def last_event(home: Home, proposal_id: int) -> AuditEvent:
    async def read(rig: Rig) -> AuditEvent:
        return (await rig.auditor.events(proposal_id=proposal_id))[-1]

    return home.act(read)


def test_what_waits_is_cancelled_by_the_person_who_is_logged_in(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("SUDO_USER", "carla")
    proposal_id = home.act(waiting)

    said = home.run("actions", "cancel", str(proposal_id), "it", "healed", "itself")

    assert (said.code, said.out) == (0, f"Action {proposal_id} is cancelled. Nothing ran.\n")
    event = last_event(home, proposal_id)
    assert (event.event, event.actor, event.via) == ("cancelled", ME, Via.CLI)
    assert event.data["reason"] == "it healed itself"
    assert event.data["claimed"] == "carla"


@pytest.mark.parametrize("claim", ["", "two words", "x" * 101, "esc\x1b"])
def test_a_claim_that_is_no_login_is_not_recorded(home: Home, monkeypatch: pytest.MonkeyPatch, claim: str) -> None:
    monkeypatch.setenv("SUDO_USER", claim)
    proposal_id = home.act(waiting)

    home.run("actions", "cancel", str(proposal_id))

    assert "claimed" not in last_event(home, proposal_id).data


def test_what_is_decided_already_is_refused(home: Home) -> None:
    proposal_id = home.act(waiting)
    home.run("actions", "cancel", str(proposal_id))

    said = home.run("actions", "cancel", str(proposal_id), "--json")

    assert (said.code, said.out) == (1, "")
    assert "already cancelled" in said.err


def test_a_cancelled_action_can_be_read_as_json(home: Home) -> None:
    proposal_id = home.act(waiting)

    said = home.run("actions", "cancel", str(proposal_id), "--reason", "why", "--json")

    assert json.loads(said.out)["reason_code"] == "user"


@pytest.mark.parametrize(("word", "status"), [("--happened", "completed"), ("--did-not-happen", "failed")])
def test_an_unknown_outcome_is_settled_by_a_persons_word(home: Home, word: str, status: str) -> None:
    proposal_id = home.act(lost)

    said = home.run("actions", "resolve", str(proposal_id), word, "--reason", "I looked", "--json")

    assert said.code == 0
    assert json.loads(said.out)["status"] == status
    event = last_event(home, proposal_id)
    assert (event.actor, event.data["attested"], event.data["reason"]) == (ME, True, "I looked")


def test_an_outcome_is_not_settled_without_saying_what_and_why(home: Home) -> None:
    proposal_id = str(home.act(lost))

    assert home.run("actions", "resolve", proposal_id, "--reason", "I looked").code == 2
    assert home.run("actions", "resolve", proposal_id, "--happened").code == 2
    assert home.run("actions", "resolve", proposal_id, "--happened", "--reason", " ").code == 1


def test_who_is_not_on_the_list_may_not_settle_anything(home: Home) -> None:
    home.configure('[people.ann]\ncli = ["ann"]\n[approvers]\napprove = ["ann"]\n')
    proposal_id = home.act(lost)

    said = home.run("actions", "resolve", str(proposal_id), "--happened", "--reason", "I looked")

    assert said.code == 1
    assert "Those who may: ann." in said.err


def test_reminders_are_put_off_by_the_person_who_is_logged_in(home: Home) -> None:
    proposal_id = home.act(waiting)

    said = home.run("actions", "snooze", str(proposal_id), "--for", "1h")

    # As far as its warning, ten minutes before it expires.
    assert (said.code, said.out) == (
        0,
        f"Nobody is reminded of action {proposal_id} before 2026-03-01 12:50:00 UTC.\n",
    )
    event = last_event(home, proposal_id)
    assert (event.event, event.actor, event.via) == ("snoozed", ME, Via.CLI)


@pytest.mark.parametrize(("span", "why"), [("soon", "not a length of time such as"), ("-5min", "not a length of time")])
def test_a_snooze_needs_a_length_of_time(home: Home, span: str, why: str) -> None:
    proposal_id = home.act(waiting)

    said = home.run("actions", "snooze", str(proposal_id), "--for", span)

    assert said.code == 2
    assert why in said.err


def test_what_is_decided_has_nothing_to_snooze(home: Home) -> None:
    proposal_id = home.act(waiting)
    home.run("actions", "cancel", str(proposal_id))

    said = home.run("actions", "snooze", str(proposal_id), "--for", "15min", "--json")

    assert (said.code, said.out) == (1, "")
    assert "cannot be snoozed." in said.err


def test_what_was_wrong_can_be_said_with_the_cancellation_or_afterwards(home: Home) -> None:
    first, second = home.act(two_waiting)

    at_once = home.run("actions", "cancel", str(first), "--code", "wrong-cause", "the", "disk", "is", "full")
    home.run("actions", "cancel", str(second))
    later = home.run("actions", "explain", str(second), "--code", "too_risky")

    assert (at_once.code, at_once.out) == (0, f"Action {first} is cancelled. Nothing ran.\n")
    said = last_event(home, first)
    assert (said.event, said.data["code"], said.data["reason"]) == ("explained", "wrong_cause", "the disk is full")
    assert later.code == 0
    assert last_event(home, second).data["code"] == "too_risky"
    assert "Because   wrong cause: the disk is full (cli:" in home.run("actions", "show", str(first)).out


def test_a_reason_that_is_none_is_wrong_usage_and_cancels_nothing(home: Home) -> None:
    proposal_id = str(home.act(waiting))

    wrong = home.run("actions", "cancel", proposal_id, "--code", "bored")
    nothing = home.run("actions", "explain", proposal_id)

    assert (wrong.code, nothing.code) == (2, 2)
    assert "already_done" in wrong.err
    assert json.loads(home.run("actions", "show", proposal_id, "--json").out)["status"] == "validated"


def test_what_was_not_cancelled_by_a_person_needs_no_explanation(home: Home) -> None:
    proposal_id = str(home.act(waiting))

    assert home.run("actions", "explain", proposal_id, "--reason", "why").code == 1


def test_what_was_looked_at_stands_in_the_audit_log(home: Home) -> None:
    proposal_id = home.act(lost)

    said = home.run(
        "actions", "resolve", str(proposal_id), "--happened", "--reason", "it is there", "--evidence", "ls: a"
    )

    assert said.code == 0
    assert last_event(home, proposal_id).data["evidence"] == "ls: a"


def test_only_what_is_of_high_risk_and_about_to_begin_is_aborted(home: Home) -> None:
    proposal_id = home.act(waiting)

    said = home.run("actions", "abort", str(proposal_id))

    assert said.code == 1
    assert "last seconds" in said.err


async def test_everybody_at_the_command_line_may_abort(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.configure(home.config.replace(f'cli = ["{login()}"]', 'cli = ["somebody-else"]'))
    async with home.bench() as bench:
        proposal_id = await bench.propose("a", action="crush")
        await bench.rig.executor.approve_proposal(proposal_id, by=ANN)
        await bench.rig.executor.approve_proposal(proposal_id, by=BO)

        assert await abort_in(bench.parts, proposal_id, as_json=False) == 0
    assert capsys.readouterr().out == f"Action {proposal_id} is aborted. Nothing ran.\n"
