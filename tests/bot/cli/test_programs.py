import json
import os
import signal
import stat
import subprocess
from contextlib import suppress

import pytest

from bot.cli.main import Root
from bot.settings import load
from tests.bot.cli.home import Home
from tests.bot.cli.small_slack import slack
from tests.rig import Rig


def checks(home: Home) -> dict[str, tuple[bool, str]]:
    found = json.loads(home.run("doctor", "--json").out)
    return {check["check"]: (check["ok"], check["said"]) for check in found}


def test_the_doctor_says_for_everything_whether_it_is_well_or_what_to_do(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slack() as url:
        monkeypatch.setenv("SLACK_API_URL", url)
        monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
        monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1")
        found = checks(home)
        said = home.run("doctor")

    assert found["slack bot token"] == (True, "the bot is UBOT in workspace T1, https://x/")
    assert found["slack socket mode"] == (True, "can be opened")
    assert found["approvers"] == (True, "ann, bo, me")
    assert found["kill files"] == (True, "none")
    assert "mode observe" in found["database"][1]
    assert not found["subject processes"][0]
    assert said.code == 1
    assert [row for row in said.out.splitlines() if row.startswith("MEND")] != []


def test_a_revoked_token_is_named_with_where_to_get_another(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with slack() as url:
        monkeypatch.setenv("SLACK_API_URL", url)
        monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-revoked")
        monkeypatch.setenv("SLACK_SIGNING_SECRET", "s")
        ok, said = checks(home)["slack bot token"]

    assert not ok
    assert "token_revoked" in said
    assert "OAuth & Permissions" in said


def test_without_slack_the_doctor_lists_what_is_missing_and_checks_the_rest(home: Home) -> None:
    found = checks(home)

    assert not found["slack"][0]
    assert "SLACK_BOT_TOKEN" in found["slack"][1]
    assert "database" in found


def test_more_approvals_than_approvers_is_found(home: Home) -> None:
    home.configure(home.config.replace('["me", "ann", "bo"]', '["me"]'))

    assert "high risk needs 2 people" in home.run("doctor").out


def test_settings_that_cannot_be_used_end_the_examination(home: Home) -> None:
    home.configure("chanel = 1\n")

    said = home.run("doctor")

    assert (said.code, said.out) == (2, "")
    assert 'Did you mean "channel"?' in said.err


def test_init_makes_a_configuration_that_works_and_says_how_to_go_on(home: Home) -> None:
    (home.path / "operator.toml").unlink()

    said = home.run("init")

    settings = load()
    assert said.code == 0
    assert "SLACK_APP_TOKEN" in said.out
    assert stat.S_IMODE((home.path / "operator.toml").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.state.stat().st_mode) == 0o700
    assert len(settings.people) == len(settings.approvers.approve) == 1
    assert json.loads(home.run("actions", "list", "--json").out) == []
    assert json.loads(home.run("actions", "mode", "--json").out)["controls"][0]["mode"] == "observe"


def test_init_overwrites_nothing(home: Home) -> None:
    said = home.run("init")

    assert said.code == 1
    assert (home.path / "operator.toml").read_text(encoding="utf-8") == home.config


def test_every_key_of_the_starting_configuration_can_be_switched_on(home: Home) -> None:
    (home.path / "operator.toml").unlink()
    home.run("init")
    text = (home.path / "operator.toml").read_text(encoding="utf-8")
    switched_on = [
        row.removeprefix("# ") if " = " in row or row.startswith("# [") else row for row in text.splitlines()
    ]
    home.configure("\n".join(row for row in switched_on if not row.startswith("# ")))

    settings = load()

    assert settings.channel == "#incidents"
    assert [route.channel for route in settings.routes] == ["#fire"]
    assert [one.name for one in settings.digests] == ["morning"]
    assert list(settings.subjects) == ["etcd", "processes"]
    assert settings.approvers.kill == ()


def test_subjects_are_listed_with_what_they_offer(home: Home) -> None:
    said, document = home.run("subjects", "list"), json.loads(home.run("subjects", "list", "--json").out)

    assert said.out.startswith("processes (supervisor)\n")
    assert document[0]["actions"]
    assert document[0]["actions"][0]["name"] in said.out


def test_a_subject_that_does_not_answer_cannot_be_observed(home: Home) -> None:
    assert home.run("subjects", "observe", "processes").code == 3
    assert home.run("subjects", "observe", "nonsense").code == 1


def test_a_digest_is_previewed_and_sent(home: Home) -> None:
    home.act(lambda rig: rig.propose("a"))

    text = home.run("digest", "preview")
    document = json.loads(home.run("digest", "preview", "morning", "--json").out)
    sent = home.run("digest", "send")
    unknown = home.run("digest", "send", "evening")

    assert text.out.startswith("Digest until ")
    assert document["pending"]["newest"] == [1]
    assert "C0DEFAULT" in sent.out
    assert unknown.code == 1
    assert "Configured: morning" in unknown.err


def test_every_command_can_be_imported_and_explains_itself(home: Home) -> None:
    for name in Root.members:
        said = home.run(name, "--help")

        assert said.code == 0
        assert "Examples:\n    operator" in said.out or "Examples:\n    diagnose" in said.out
        assert "Exit codes:" in said.out


def test_the_console_script_keeps_answers_and_remarks_apart_and_shows_no_traceback(home: Home) -> None:
    refused = home.start("actions", "show", "7", "--json")
    out, err = refused.communicate()

    assert (refused.returncode, out) == (1, "")
    assert err.startswith("operator: There is no action 7.")
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_fault(home: Home) -> None:
    async def many(rig: Rig) -> None:
        for number in range(200):
            await rig.propose(str(number))

    home.act(many)
    with home.start("audit", "export") as exporting:
        assert exporting.stdout is not None
        assert exporting.stderr is not None
        exporting.stdout.readline()
        exporting.stdout.close()
        err = exporting.stderr.read()

    assert err == ""


def test_an_interrupted_command_ends_with_130_and_without_a_traceback(home: Home) -> None:
    fifo = home.path / "fifo"
    os.mkfifo(fifo)
    with home.start("propose", "--file", str(fifo)) as waiting, fifo.open("wb"):
        # Opening has succeeded, so the command is at the other end and waits for what never comes.
        # One that comes in the moment before it begins to read is heeded only with the next.
        while waiting.poll() is None:
            waiting.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                waiting.wait(timeout=5)
        _, err = waiting.communicate()

    assert (waiting.returncode, err) == (130, "")
