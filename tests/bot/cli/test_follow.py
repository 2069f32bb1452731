import json
from collections.abc import AsyncIterator

import pytest

from actions.errors import BadParametersError, BadRequestError, ConflictError, NotAuthorizedError
from actions.models import ActionStatus
from bot.cli.approve import approve_in
from bot.cli.follow import edit_in, retry_in, undo_in
from tests.bot.cli.home import Bench, Home
from tests.rig import ANN


@pytest.fixture
async def bench(home: Home) -> AsyncIterator[Bench]:
    async with home.bench() as bench:
        yield bench


async def statuses(bench: Bench) -> list[ActionStatus]:
    found = await bench.rig.store.read(lambda reader: reader.proposals())
    return [proposal.status for proposal in reversed(found)]


async def failed(bench: Bench) -> int:
    bench.rig.target.faults["a"] = "refuse"
    proposal_id = await bench.propose("a")
    assert await approve_in(bench.parts, proposal_id, as_json=False) == 1
    del bench.rig.target.faults["a"]
    return proposal_id


async def test_what_is_edited_takes_the_place_and_somebody_else_has_to_approve_it(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await bench.propose("a")

    assert await edit_in(bench.parts, proposal_id, written={"mark": "other"}, as_json=False) == 0

    said = capsys.readouterr().out
    assert said.startswith(f"Action {proposal_id + 1} takes the place of action {proposal_id}.\n")
    assert 'Changed   mark: "" → "other"\n' in said
    assert said.endswith(
        "It needs 1 more approval; it is your proposal, so not by you (ann, bo): "
        f"operator actions approve {proposal_id + 1}\n"
    )
    assert await statuses(bench) == [ActionStatus.CANCELLED, ActionStatus.VALIDATED]
    with pytest.raises(NotAuthorizedError, match="You proposed this"):
        await approve_in(bench.parts, proposal_id + 1, as_json=False)


async def test_an_edit_as_json_is_the_new_proposal(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    proposal_id = await bench.propose("a")

    await edit_in(bench.parts, proposal_id, written={"mark": "other"}, as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["status"], told["supersedes"]) == (proposal_id + 1, "validated", proposal_id)
    assert told["changes"][0] == {"aspect": "parameter", "name": "mark", "old": "", "new": "other"}
    assert told["missing"] == {"people": 1, "groups": []}


async def test_an_edit_that_does_not_fit_or_changes_nothing_changes_nothing(bench: Bench) -> None:
    proposal_id = await bench.propose("a")

    with pytest.raises(BadParametersError, match="colour is unknown"):
        await edit_in(bench.parts, proposal_id, written={"mark": "x", "colour": "red"}, as_json=False)
    with pytest.raises(BadRequestError, match="the parameters that it has already"):
        await edit_in(bench.parts, proposal_id, written={"item": "a"}, as_json=False)

    assert await statuses(bench) == [ActionStatus.VALIDATED]


@pytest.mark.parametrize("given", [[], ["--set", "mark"], ["--set", "=x"], ["--set", "mark=x", "--set", "mark=y"]])
def test_an_edit_needs_names_and_values(home: Home, given: list[str]) -> None:
    proposal_id = home.act(lambda rig: rig.propose("a"))

    said = home.run("actions", "edit", str(proposal_id), *given)

    assert said.code == 2
    assert "--set" in said.err


async def test_a_target_that_does_not_answer_leaves_the_new_one_proposed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await bench.propose("a")
    bench.rig.target.reachable = False

    assert await edit_in(bench.parts, proposal_id, written={"mark": "other"}, as_json=False) == 3

    said = capsys.readouterr()
    assert f"Action {proposal_id + 1} stays proposed" in said.err
    assert "It can be approved once its target was read." in said.out
    assert await statuses(bench) == [ActionStatus.CANCELLED, ActionStatus.PROPOSED]


async def test_what_failed_without_effect_is_tried_again_by_whoever_asks(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await failed(bench)
    capsys.readouterr()

    assert await retry_in(bench.parts, proposal_id, written={}, as_json=False) == 0

    said = capsys.readouterr().out
    assert f"Repeats   action {proposal_id}, which failed\n" in said
    assert said.endswith(f"It needs 1 more approval: operator actions approve {proposal_id + 1}\n")
    assert await approve_in(bench.parts, proposal_id + 1, as_json=False) == 0
    assert bench.rig.target.ledger == {"a": 1}


async def test_tried_again_with_other_parameters_it_is_the_idea_of_whoever_asks(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await failed(bench)

    assert await retry_in(bench.parts, proposal_id, written={"mark": "other"}, as_json=False) == 0

    assert "so not by you (ann, bo)" in capsys.readouterr().out
    with pytest.raises(NotAuthorizedError, match="You proposed this"):
        await approve_in(bench.parts, proposal_id + 1, as_json=False)


async def test_what_was_tried_again_before_is_shown_and_not_proposed_twice(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await failed(bench)
    await retry_in(bench.parts, proposal_id, written={}, as_json=False)
    capsys.readouterr()

    assert await retry_in(bench.parts, proposal_id, written={}, as_json=False) == 0

    assert f"this is what came of it, action {proposal_id + 1}" in capsys.readouterr().err
    with pytest.raises(
        ConflictError, match=f"Action {proposal_id + 1} follows on action {proposal_id} already, with other parameters"
    ):
        await retry_in(bench.parts, proposal_id, written={"mark": "other"}, as_json=False)
    assert len(await statuses(bench)) == 2


async def test_what_did_not_fail_is_not_tried_again(bench: Bench) -> None:
    proposal_id = await bench.propose("a")

    with pytest.raises(ConflictError, match="only what failed without any effect"):
        await retry_in(bench.parts, proposal_id, written={}, as_json=False)


async def test_what_was_done_is_taken_back_by_an_action_of_its_own(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await bench.propose("a")
    await approve_in(bench.parts, proposal_id, as_json=False)
    capsys.readouterr()

    assert await undo_in(bench.parts, proposal_id, as_json=False) == 0

    said = capsys.readouterr().out
    assert f"Undoes    action {proposal_id}\n" in said
    assert said.endswith(f"It needs 1 more approval: operator actions approve {proposal_id + 1}\n")
    assert await approve_in(bench.parts, proposal_id + 1, as_json=False) == 0
    assert bench.rig.target.ledger == {"a": 1, "a as before": 1}


async def test_what_was_not_done_is_not_taken_back(bench: Bench) -> None:
    proposal_id = await bench.rig.approved("a")

    with pytest.raises(ConflictError, match="cannot be undone: it is approved,"):
        await undo_in(bench.parts, proposal_id, as_json=False)


async def test_who_is_nobody_proposes_nothing(home: Home) -> None:
    home.configure(
        home.config.replace("[people.me]", "[people.other]")
        .replace('"me"', '"other"')
        .replace('cli = ["', 'cli = ["not-')
    )
    async with home.bench() as bench:
        proposal_id = await bench.propose("a")
        with pytest.raises(NotAuthorizedError, match="You may not change the parameters of this"):
            await edit_in(bench.parts, proposal_id, written={"mark": "other"}, as_json=False)
        await bench.rig.executor.approve_proposal(proposal_id, by=ANN)
        await bench.rig.executor.execute_proposal(proposal_id)
        with pytest.raises(NotAuthorizedError, match="You may not propose actions"):
            await undo_in(bench.parts, proposal_id, as_json=False)
