import asyncio
import json
from dataclasses import replace
from typing import Any, Final

import pytest

from actions.models import Actor, Caller, Via
from actions.ports import Transaction
from actions.transitions import bear
from bot.cli.caller import caller
from tests.bot.cli.home import Home
from tests.bot.promised import FIELDS
from tests.factories import a_proposal
from tests.rig import ANN, BO, Rig

FREEZE: Final = '\n[[freezes]]\nname = "release"\nfrom = "2026-03-01 00:00"\nuntil = "2026-03-01 13:00"\n'
HOSTILE = "\x1b[31mred\x1b[0m\r\nFORGED \u202etxt"


async def three(rig: Rig) -> list[int]:
    return [await rig.propose(item) for item in ("a", "b", "c")]


async def done(rig: Rig) -> int:
    proposal_id = await rig.approved("a")
    await rig.executor.execute_proposal(proposal_id)
    return proposal_id


async def hostile(rig: Rig) -> int:
    by = Caller(actor=Actor.system("test"), via=Via.SYSTEM)
    proposal = replace(
        a_proposal(parameters={"item": HOSTILE}, reason=HOSTILE, expected_outcome=HOSTILE, risks=(HOSTILE,)),
        target=HOSTILE,
        detail=HOSTILE,
    )

    def work(tx: Transaction) -> int:
        born = bear(tx, proposal, by=by, at=proposal.proposed_at)
        assert born is not None
        return born.id

    return await rig.store.write(work)


def test_actions_are_listed_newest_first(home: Home) -> None:
    ids = home.act(three)

    said = home.run("actions", "list")

    rows = said.out.splitlines()
    assert said.code == 0
    assert rows[0].split()[:3] == ["ID", "STATUS", "PROPOSED"]
    assert [int(row.split()[0]) for row in rows[1:]] == ids[::-1]
    assert "2026-03-01 12:00:00Z" in rows[1]
    assert len({row.index("2026") for row in rows[1:]}) == 1


def test_a_full_page_says_how_to_see_older_ones_and_they_follow(home: Home) -> None:
    first, second, third = home.act(three)

    page = home.run("actions", "list", "--limit", "2")
    following = home.run("actions", "list", "--limit", "2", "--before", str(second))

    assert f"--before {second}" in page.err
    assert [row.split()[0] for row in page.out.splitlines()[1:]] == [str(third), str(second)]
    assert [row.split()[0] for row in following.out.splitlines()[1:]] == [str(first)]
    assert following.err == ""


def test_actions_are_filtered_by_status_and_subject(home: Home) -> None:
    async def cancelled(rig: Rig) -> list[int]:
        ids = await three(rig)
        await rig.executor.cancel_proposal(ids[0], by=ANN)
        return ids

    ids = home.act(cancelled)

    def listed(*filters: str) -> list[int]:
        return [action["id"] for action in json.loads(home.run("actions", "list", "--json", *filters).out)]

    assert listed("--status", "cancelled") == ids[:1]
    assert listed("--status", "cancelled", "--status", "validated") == ids[::-1]
    assert listed("--subject", "rack") == ids[::-1]
    assert listed("--subject", "other") == []


def test_an_unknown_status_is_wrong_usage_and_the_right_ones_are_named(home: Home) -> None:
    said = home.run("actions", "list", "--status", "done")

    assert said.code == 2
    assert "completed" in said.err


def test_nothing_found_is_said_beside_the_answer(home: Home) -> None:
    home.act(lambda rig: rig.safety.control())

    said, as_json = home.run("actions", "list"), home.run("actions", "list", "--json")

    assert (said.code, said.out, said.err) == (0, "", "operator: nothing found\n")
    assert json.loads(as_json.out) == []


def test_an_action_is_shown_with_everything_about_it(home: Home) -> None:
    proposal_id = home.act(done)

    said = home.run("actions", "show", str(proposal_id))

    assert said.code == 0
    for expected in (
        f"Action {proposal_id}: rack.touch on rack:a",
        "done and confirmed",
        'item = "a"',
        "touched before: 0",
        "Reason    because",
        "by agent:rules",
        "by ann (slack:T1/UANN)",
        "step touch done",
        "seen: touched = 1",
        "completed",
    ):
        assert expected in said.out


def test_an_action_as_json_has_exactly_the_promised_fields(home: Home) -> None:
    proposal_id = home.act(done)

    shown: dict[str, Any] = json.loads(home.run("actions", "show", str(proposal_id), "--json").out)
    listed: list[dict[str, Any]] = json.loads(home.run("actions", "list", "--json").out)

    assert listed == [shown]
    assert set(shown) == FIELDS


@pytest.mark.parametrize("command", [["actions", "list"], ["actions", "show", "1"], ["audit", "list"]])
def test_text_from_outside_cannot_move_the_cursor_hide_itself_or_forge_a_line(home: Home, command: list[str]) -> None:
    home.act(hostile)

    said = home.run(*command)

    assert said.code == 0
    assert "\x1b" not in said.out
    assert "\r" not in said.out
    assert "\u202e" not in said.out
    assert not any(row.startswith("FORGED") for row in said.out.splitlines())


def test_what_is_not_there_is_one_sentence_on_the_error_stream(home: Home) -> None:
    home.act(three)

    said = home.run("actions", "show", "99", "--json")

    assert (said.code, said.out) == (1, "")
    assert said.err == "operator: There is no action 99. `operator actions list` shows what there is.\n"


@pytest.mark.parametrize("word", ["0", "-1", "x", "1.5"])
def test_what_is_no_number_is_wrong_usage(home: Home, word: str) -> None:
    assert home.run("actions", "show", word).code == 2


async def edited(rig: Rig) -> int:
    """Bo edits what Ann approves and breaks the glass for."""
    proposal_id = await rig.propose("a", action="crush")
    rig.target.pins["a"] = 1
    following = await rig.executor.edit_proposal(proposal_id, {"item": "a", "mark": "other"}, by=BO)
    await rig.executor.validate_proposal(following.id)
    return following.id


def test_what_took_the_place_of_another_says_what_changed_and_the_other_what_replaced_it(home: Home) -> None:
    proposal_id = home.act(edited)

    new = home.run("actions", "show", str(proposal_id)).out
    old = home.run("actions", "show", str(proposal_id - 1)).out
    listed = home.run("actions", "list").out

    assert (f'Replaces  action {proposal_id - 1}\nChanged   mark: "" → "other"\nNow       generation: 0 → 1\n') in new
    assert "Needs     2 more approvals (0 given)\n" in new
    assert f"Replaced  by action {proposal_id}\n" in old
    assert f"Next      operator actions show {proposal_id}\n" in old
    assert f"replaces {proposal_id - 1}; because" in listed


def test_the_groups_that_still_have_to_approve_are_named(home: Home) -> None:
    groups = '\n[groups.dba]\nmembers = ["bo"]\n[[quorums]]\nsubject = "rack"\nneeds = ["dba"]\n'
    home.configure(home.config + groups)

    async def one_given(rig: Rig) -> int:
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.approve_proposal(proposal_id, by=ANN)
        return proposal_id

    proposal_id = home.act(one_given)

    assert "Needs     an approval by somebody in dba (1 given)\n" in home.run("actions", "show", str(proposal_id)).out
    told = json.loads(home.run("actions", "show", str(proposal_id), "--json").out)
    assert told["missing"] == {"people": 1, "groups": ["dba"]}


def test_a_broken_glass_and_its_review_are_shown(home: Home) -> None:
    async def broken(rig: Rig) -> int:
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.break_glass(proposal_id, by=ANN, reason="writes stopped")
        await rig.executor.execute_proposal(proposal_id)
        return proposal_id

    proposal_id = home.act(broken)

    said = home.run("actions", "show", str(proposal_id)).out
    told = json.loads(home.run("actions", "show", str(proposal_id), "--json").out)

    assert "by ann (slack:T1/UANN)\n          writes stopped\nReview    open; somebody else than ann has to" in said
    assert f"operator reviews close {proposal_id} --comment" in said
    assert (told["break_glass"], told["review"]["person"], told["review"]["closed_at"]) == (
        "writes stopped",
        "ann",
        None,
    )
    assert "break-glass; " in home.run("actions", "list").out


def test_what_runs_later_says_when_and_why(home: Home) -> None:
    home.configure(home.config + FREEZE)

    async def inside() -> int:
        async with home.bench() as bench:
            proposal_id = await bench.propose("a")
            return (await bench.parts.executor.approve_proposal(proposal_id, by=caller({}))).id

    proposal_id = asyncio.run(inside())

    said = home.run("actions", "show", str(proposal_id)).out
    assert "freeze `release` until" in said
    assert "Starts    not before 2026-03-01 13:00:00 UTC\n" in said
    assert "runs at 2026-03-01 13:00:00Z; freeze" in home.run("actions", "list").out


def test_what_failed_says_how_to_try_again_and_that_it_was(home: Home) -> None:
    async def failed(rig: Rig) -> int:
        rig.target.faults["a"] = "refuse"
        proposal_id = await rig.approved("a")
        await rig.executor.execute_proposal(proposal_id)
        return (await rig.executor.retry_proposal(proposal_id, by=ANN)).id

    following = home.act(failed)

    assert f"operator actions retry {following - 1} " in home.run("actions", "show", str(following - 1)).out
    assert f"Repeats   action {following - 1}, which failed\n" in home.run("actions", "show", str(following)).out
