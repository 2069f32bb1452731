import json
from itertools import pairwise

import pytest

from actions.models import SafetyMode
from tests.bot.cli.home import Home
from tests.rig import ANN, Rig


async def some_history(rig: Rig) -> list[int]:
    ids = [await rig.approved(item) for item in ("a", "b")]
    for proposal_id in ids:
        await rig.executor.execute_proposal(proposal_id)
    return ids


def events(home: Home, *arguments: str) -> list[str]:
    return [line["event"] for line in json.loads(home.run("audit", "list", "--json", *arguments).out)]


def test_the_newest_lines_come_first_and_can_be_limited(home: Home) -> None:
    home.act(some_history)

    everything = json.loads(home.run("audit", "list", "--json").out)
    text = home.run("audit", "list", "--limit", "3")

    assert [line["seq"] for line in everything] == list(range(len(everything), 0, -1))
    assert [int(row.split()[0]) for row in text.out.splitlines()[1:]] == [line["seq"] for line in everything[:3]]


def test_lines_of_one_action_and_of_one_time_can_be_picked(home: Home) -> None:
    first, _ = home.act(some_history)

    assert events(home, "--proposal", str(first)) == ["completed", "executing", "approved", "validated", "proposed"]
    assert events(home, "--proposal", str(first), "--limit", "2") == ["completed", "executing"]
    assert events(home, "--since", "2026-03-01", "--until", "2026-03-01T12:00") == []
    assert "completed" in events(home, "--since", "2026-03-01T13:00+01:00", "--until", "2026-03-02")
    assert events(home, "--since", "24h") == []


@pytest.mark.parametrize("word", ["yesterday", "-1h", "2026-13-01"])
def test_another_time_is_wrong_usage(home: Home, word: str) -> None:
    assert home.run("audit", "list", "--since", word).code == 2


def test_an_untouched_log_is_found_so_and_its_witness_named(home: Home) -> None:
    home.act(some_history)
    without = home.run("audit", "verify")
    home.run("actions", "kill-switch")

    witnessed = home.run("audit", "verify")

    assert without.code == 0
    assert "No witness" in without.out
    assert witnessed.code == 0
    assert f"covered by the witness {home.state / 'witness.log'}" in witnessed.out


def test_lines_after_the_last_checkpoint_are_said_not_to_be_covered(home: Home) -> None:
    home.act(some_history)
    home.run("actions", "kill-switch")
    home.run("actions", "mode", "execute", "on")

    document = json.loads(home.run("audit", "verify", "--json").out)

    assert document["ok"]
    assert document["uncovered"] == document["rows"] - document["covered_up_to"] > 0


def test_a_changed_log_is_found_and_every_finding_told(home: Home) -> None:
    home.act(some_history)
    with home.sql() as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE audit SET actor = 'slack:T1/UMALLORY' WHERE event = 'approved'")

    said, document = home.run("audit", "verify"), json.loads(home.run("audit", "verify", "--json").out)

    assert said.code == 1
    assert "WRONG: " in said.out
    assert document["ok"] is False
    assert document["problems"]


def test_a_log_that_was_cut_is_found_against_a_witness_from_elsewhere(home: Home) -> None:
    home.act(some_history)
    home.run("actions", "kill-switch")
    elsewhere = home.path / "channel.txt"
    line = home.state.joinpath("witness.log").read_text(encoding="utf-8")
    elsewhere.write_text(f"ann: here it is\n{line}", encoding="utf-8")
    for file in home.path.glob("operator.db*"):
        file.unlink()
    home.act(lambda rig: rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason="rewritten"))

    said = home.run("audit", "verify", "--against", str(elsewhere))

    assert said.code == 1
    assert "WRONG: " in said.out
    assert "is no checkpoint" in said.err


def test_a_witness_that_is_not_there_cannot_be_asked(home: Home) -> None:
    home.act(some_history)

    said = home.run("audit", "verify", "--against", "nowhere.log")

    assert said.code == 3
    assert "nowhere.log cannot be read" in said.err


def test_the_whole_log_is_exported_oldest_first_one_document_a_line(home: Home) -> None:
    home.act(some_history)

    lines = [json.loads(line) for line in home.run("audit", "export").out.splitlines()]

    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert all(after["prev"] == before["hash"] for before, after in pairwise(lines))
