"""`operator policy check`: what is wrong with the rules, and why somebody may or may not."""

import json
from datetime import timedelta
from typing import Any

import pytest

from actions.models import SafetyMode
from bot.cli.caller import login
from bot.system import SystemClock
from tests.bot.cli.home import Home
from tests.bot.cli.small_slack import slack
from tests.rig import ANN, BO, Rig

MORE = """
[people.cy]
slack = ["T1/UCY"]
[groups.dba]
slack = "S1DBA"
[[grants]]
who = ["group:dba"]
may = ["approve", "cancel"]
[[denials]]
who = ["cy"]
may_not = ["approve"]
subject = "rack"
[[quorums]]
subject = "rack"
approvals = 2
needs = ["dba"]
"""


def answers(home: Home, *arguments: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = json.loads(home.run("policy", "check", "--json", *arguments).out)
    return answer


async def crush(rig: Rig) -> int:
    proposal_id = await rig.propose("a", action="crush")
    await rig.executor.approve_proposal(proposal_id, by=ANN)
    return proposal_id


def test_rules_that_are_right_are_said_to_be(home: Home) -> None:
    said = home.run("policy", "check")

    assert (said.code, said.out) == (0, "Nothing is wrong with who may do what and when.\n")


def test_every_fault_is_a_line_with_its_place_and_the_doctor_says_the_same(home: Home) -> None:
    home.configure(home.config + "[people.di]\n[groups.none]\n")

    said, as_json = home.run("policy", "check"), home.run("policy", "check", "--json")

    assert (said.code, as_json.code) == (1, 1)
    assert [row.split("  ")[0] for row in said.out.splitlines()] == ["[people.di]", "[groups.none]"]
    listed = [f"{one['where']} {one['said']}" for one in json.loads(as_json.out)["findings"]]
    examined = json.loads(home.run("doctor", "--json").out)
    assert [check["said"] for check in examined if check["check"] == "approvers"] == listed


def test_a_subject_that_cannot_be_built_keeps_the_doctor_from_nothing_else(home: Home) -> None:
    home.configure(home.config.replace('url = "http://127.0.0.1:9"', 'uri = "x"'))

    said = home.run("doctor")

    assert "cannot be checked" in said.out
    assert "slack" in said.out
    assert home.run("policy", "check").code == 2


WINDOWS = """
[[freezes]]
name = "stop"
from = "2020-01-01 00:00"
risk = ["high"]
[[maintenance]]
name = "leap"
cron = "0 0 * * *"
duration = "24h"
timezone = "Europe/Berlin"
action = "processes.stop_*"
[[freezes]]
name = "late"
from = "2020-01-01 00:00"
until = "{until}"
action = "processes.start_*"
"""


def test_when_an_action_could_run_is_said(home: Home) -> None:
    until = (SystemClock().now() + timedelta(days=3)).replace(second=0, microsecond=0)
    home.configure(home.config + WINDOWS.format(until=f"{until:%Y-%m-%d %H:%M}"))
    asked = ["--person", "ann", "--action"]

    stop, start = (answers(home, *asked, f"processes.{name}_process")[0]["runs"] for name in ("stop", "start"))
    restart = home.run("policy", "check", *asked, "processes.restart_process").out

    assert stop == {"at": None, "why": "not within a year: freeze `stop` lasts longer"}
    assert start == {"at": until.isoformat(), "why": f"freeze `late` until {until:%a %Y-%m-%d %H:%M} UTC"}
    assert "Runs      at once when approved\n" in restart
    assert "never: not within a year" in home.run("policy", "check", *asked, "processes.stop_process").out
    assert "because of: freeze `late`" in home.run("policy", "check", *asked, "processes.start_process").out


def test_a_window_that_never_opens_is_a_fault(home: Home) -> None:
    home.configure(home.config + WINDOWS.format(until="2030-01-01 00:00"))

    said = home.run("policy", "check")

    assert said.code == 1
    assert said.out.startswith("[[maintenance]] leap  never opens for processes.stop_process, because it lies within")


def test_a_group_that_is_not_known_here_is_named(home: Home) -> None:
    home.configure(home.config + MORE.replace('"rack"', '"processes"'))

    said = home.run("policy", "check")

    assert "Who is in S1DBA is not known here: SLACK_BOT_TOKEN is not set" in said.out


def test_a_person_is_told_by_which_rule_they_may_or_may_not(home: Home) -> None:
    home.configure(home.config + MORE.replace('"rack"', '"processes"'))
    asked = ["policy", "check", "--action", "processes.stop_process", "--person"]

    ann, cy, me = (home.run(*asked, name) for name in ("ann", "slack:T1/UCY", "me"))

    assert (ann.code, cy.code, me.code) == (0, 1, 1)
    assert "rule     [approvers]" in ann.out
    assert "Needs     2 people, among them somebody in dba" in ann.out
    assert "You may not approve this: [[denials]] 1 says so." in cy.out
    assert "rule     [approval.high] cli" in me.out
    assert f"cli:{login()}@" in me.out


def test_a_group_can_be_supposed(home: Home) -> None:
    home.configure(home.config + MORE.replace('"rack"', '"processes"'))
    asked = ["--person", "slack:T1/UNEW", "--action", "processes.start_process"]

    unknown, supposed = answers(home, *asked)[0], answers(home, *asked, "--in-group", "dba")[0]

    assert "could not be found out" in unknown["ways"][0]["reason"]
    assert (unknown["allowed"], supposed["allowed"]) == (False, True)
    assert (supposed["ways"][0]["rule"], supposed["ways"][0]["groups"]) == ("[[grants]] 1", ["dba"])
    assert supposed["who_may"] == ["ann", "bo", "everyone in dba", "me"]


def test_with_a_token_slack_says_who_is_in_a_group_and_who_somebody_is(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.configure(home.config + MORE.replace('"rack"', '"processes"') + '[groups.none]\nslack = "S2NONE"\n')
    with slack() as url:
        monkeypatch.setenv("SLACK_API_URL", url)
        monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
        asked = ["--action", "processes.start_process", "--person"]
        member, guest, other = (answers(home, *asked, f"slack:T1/{user}")[0] for user in ("UNEW", "UGUEST", "UX"))
        lint = home.run("policy", "check")
        monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-revoked")
        refused = home.run("policy", "check")

    assert [one["allowed"] for one in (member, guest, other)] == [True, False, False]
    assert "you are a guest" in guest["ways"][0]["reason"]
    assert other["ways"][0]["reason"] == "You may not approve this. Those who may: ann, bo, everyone in dba, me."
    assert (lint.code, "not known" in lint.out) == (0, False)
    assert refused.code == 2
    assert "token_revoked" in refused.err


def test_without_an_action_all_that_are_offered_are_answered(home: Home) -> None:
    everything = answers(home, "--person", "ann")
    high = answers(home, "--person", "ann", "--risk", "high")
    thought_of = answers(
        home, "--person", "bo", "--subject", "shelf", "--action", "shelf.dust", "--risk", "high", "--verb", "cancel"
    )

    assert len(everything) == 3
    assert [one["about"] for one in high] == ["processes.stop_process of processes, high risk"]
    assert thought_of[0]["allowed"]
    assert "REFUSED" in home.run("policy", "check", "--person", "cli:nobody@db-1").out


def test_whoever_may_stop_everything_is_told_so(home: Home) -> None:
    home.configure(home.config.replace('approve = ["me", "ann", "bo"]', 'approve = ["me", "ann", "bo"]\nkill = ["bo"]'))

    codes = {
        person: home.run("policy", "check", "--person", person, "--verb", "kill").code for person in ("ann", "bo", "me")
    }

    assert codes == {"ann": 1, "bo": 0, "me": 0}
    assert home.run("policy", "check", "--person", "ann", "--verb", "set_mode", "--subject", "processes").code == 0


def test_what_a_stored_action_still_needs_is_said_and_what_is_in_the_way(home: Home) -> None:
    number = str(home.act(crush))

    waiting = answers(home, number, "--person", "bo")[0]
    again = answers(home, number, "--person", "ann")[0]
    late = answers(home, number, "--person", "bo", "--verb", "resolve")[0]
    text = home.run("policy", "check", number, "--person", "bo").out

    assert (waiting["missing"], waiting["approved_by"]) == ({"people": 1, "needs": []}, ["ann"])
    assert waiting["in_the_way"] == ["its time is over"]
    assert "counts once" in again["in_the_way"][-1]
    assert late["in_the_way"] == ["it is validated"]
    assert waiting["ways"][0]["allowed"]
    assert not waiting["allowed"]
    assert "Given by  ann\nMissing   1 more approval\n" in text


@pytest.mark.parametrize(
    ("verb", "in_the_way"),
    [
        ("edit", ["its time is over"]),
        ("break_glass", ["its time is over"]),
        ("propose", ["it is validated"]),
        ("abort", ["it is validated"]),
        ("review", ["nobody broke the glass for it"]),
    ],
)
def test_every_verb_has_its_own_obstacles(home: Home, verb: str, in_the_way: list[str]) -> None:
    number = str(home.act(crush))

    assert answers(home, number, "--person", "bo", "--verb", verb)[0]["in_the_way"] == in_the_way


@pytest.mark.parametrize(("ended", "so"), [(True, []), (False, ["it is approved, and has not ended"])])
def test_whoever_broke_the_glass_is_told_that_someone_else_closes_the_review(
    home: Home, ended: bool, so: list[str]
) -> None:
    async def broken(rig: Rig) -> int:
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.break_glass(proposal_id, by=ANN, reason="the site is down")
        if ended:
            await rig.executor.execute_proposal(proposal_id)
        return proposal_id

    number = str(home.act(broken))

    ann, bo = (answers(home, number, "--person", name, "--verb", "review")[0] for name in ("ann", "bo"))

    assert ann["in_the_way"] == [*so, "this person broke the glass, and someone else has to close the review"]
    assert (bo["in_the_way"], bo["allowed"]) == (so, ended)


def test_a_stop_is_in_the_way(home: Home) -> None:
    async def stopped(rig: Rig) -> int:
        proposal_id = await crush(rig)
        await rig.safety.kill_switch(by=BO, reason="stop", scope="shelf")
        await rig.safety.set_mode(SafetyMode.OBSERVE, by=BO, reason="stop")
        return proposal_id

    number = str(home.act(stopped))
    home.state.joinpath("kill-1").touch()

    assert answers(home, number, "--person", "bo")[0]["in_the_way"] == ["it is cancelled"]
    assert home.run("policy", "check", number, "--person", "bo", "--verb", "cancel").code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--person", "anm"], 'Did you mean "ann"?'),
        (["--person", "agent:rules"], "neither in [people] nor an identity"),
        (["--person", "ann", "--verb", "shout"], "there is no verb"),
        (["--person", "ann", "--risk", "huge"], "there is no risk"),
        (["--person", "ann", "--verb", "kill", "--risk", "low"], "give at most --subject"),
        (["7", "--person", "ann", "--risk", "low"], "leave --subject"),
        (["7"], "only with --person"),
        (["--person", "ann", "--action", "processes.stop"], "--action and --risk"),
        (["--person", "ann", "--in-group", "dba"], "there is no [groups.dba]"),
    ],
)
def test_a_question_that_cannot_be_answered_is_wrong_usage(home: Home, arguments: list[str], said: str) -> None:
    answer = home.run("policy", "check", *arguments)

    assert answer.code == 2
    assert said in " ".join(answer.err.split())


def test_an_action_that_does_not_exist_is_refused(home: Home) -> None:
    home.act(lambda rig: rig.safety.control())

    assert home.run("policy", "check", "7", "--person", "ann").code == 1
