import json
from typing import Final

import pytest

from bot.cli.caller import login
from tests.bot.cli.home import Home
from tests.rig import ANN, Rig

COMMENT: Final = ("--comment", "it was right")


async def broken_by_ann(rig: Rig) -> int:
    proposal_id = await rig.propose("a", action="crush")
    await rig.executor.break_glass(proposal_id, by=ANN, reason="writes \x1b[31mstopped")
    await rig.executor.execute_proposal(proposal_id)
    return proposal_id


def open_reviews(home: Home) -> list[int]:
    return [review["id"] for review in json.loads(home.run("reviews", "list", "--json").out)]


def test_what_somebody_ran_by_breaking_the_glass_is_listed_until_somebody_else_closes_it(home: Home) -> None:
    proposal_id = home.act(broken_by_ann)

    listed = home.run("reviews", "list").out
    closed = home.run("reviews", "close", str(proposal_id), *COMMENT)

    row = listed.splitlines()[1].split()
    assert (row[0], row[1]) == (str(proposal_id), "2026-03-01")
    assert "ann" in row
    assert "completed" in row
    assert "\x1b" not in listed
    assert (closed.code, closed.out) == (
        0,
        f"The review of action {proposal_id} is closed. Your comment stands in the audit log beside your name.\n",
    )
    assert open_reviews(home) == []
    assert home.run("reviews", "list").err == "operator: no review is open\n"
    shown = home.run("actions", "show", str(proposal_id)).out
    assert "          it was right\n" in shown


def test_whoever_broke_the_glass_in_slack_cannot_close_it_from_the_command_line(home: Home) -> None:
    text = home.config.replace(f'[people.me]\ncli = ["{login()}"]\n', "").replace('"me", ', "")
    home.configure(text.replace("[people.ann]\n", f'[people.ann]\ncli = ["{login()}"]\n'))
    proposal_id = home.act(broken_by_ann)

    said = home.run("reviews", "close", str(proposal_id), *COMMENT)

    assert (said.code, said.err) == (
        1,
        "operator: You broke the glass yourself; someone else has to close this review.\n",
    )
    assert open_reviews(home) == [proposal_id]


def test_a_review_is_closed_once_and_with_a_comment(home: Home) -> None:
    proposal_id = str(home.act(broken_by_ann))

    assert home.run("reviews", "close", proposal_id).code == 2
    assert home.run("reviews", "close", proposal_id, "--comment", " ").code == 1
    told = json.loads(home.run("reviews", "close", proposal_id, *COMMENT, "--json").out)
    again = home.run("reviews", "close", proposal_id, *COMMENT)

    assert (told["id"], told["person"], told["comment"]) == (int(proposal_id), "ann", "it was right")
    assert (again.code, "was closed by me" in again.err) == (1, True)


@pytest.mark.parametrize("arguments", [["7"], ["1"]])
def test_what_has_no_review_cannot_be_closed(home: Home, arguments: list[str]) -> None:
    home.act(lambda rig: rig.propose("a"))

    assert home.run("reviews", "close", *arguments, *COMMENT).code == 1
