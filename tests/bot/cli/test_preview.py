import json
from collections.abc import AsyncIterator

import pytest

from actions.errors import NotReadyError, TargetUnavailableError
from bot.cli.preview import preview_in
from tests.bot.cli.home import Bench, Home
from tests.rig import ANN


@pytest.fixture
async def bench(home: Home) -> AsyncIterator[Bench]:
    async with home.bench() as bench:
        yield bench


async def test_what_is_as_it_was_is_said_with_the_numbers_side_by_side(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = await bench.propose("a")

    assert await preview_in(bench.parts, proposal_id, as_json=False) == 0

    said = capsys.readouterr().out
    assert "IMPACT          ON THE CARD  NOW\ntouched before  0            0\n" in said
    assert said.endswith(f"Nothing that the decision rests on has changed: operator actions approve {proposal_id}\n")


async def test_what_has_changed_is_named(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    proposal_id = await bench.propose("a")
    bench.rig.target.ledger["a"] = 7
    bench.rig.target.pins["a"] = 2

    assert await preview_in(bench.parts, proposal_id, as_json=False) == 1
    text = capsys.readouterr().out
    assert await preview_in(bench.parts, proposal_id, as_json=True) == 1

    assert "touched before  0            7\n" in text
    assert "Changed since it was put up for decision: generation: 0 → 2\n" in text
    told = json.loads(capsys.readouterr().out)
    assert told["impact"] == [{"label": "touched before", "card": "0", "now": "7"}]
    assert (told["drift"], told["refusal"]) == ("generation: 0 → 2", None)


async def test_a_target_that_does_not_answer_cannot_be_previewed(bench: Bench) -> None:
    proposal_id = await bench.propose("a")
    bench.rig.target.reachable = False

    with pytest.raises(TargetUnavailableError):
        await preview_in(bench.parts, proposal_id, as_json=False)


async def test_what_is_decided_has_nothing_to_preview(bench: Bench) -> None:
    proposal_id = await bench.propose("a")
    await bench.rig.executor.cancel_proposal(proposal_id, by=ANN)

    with pytest.raises(NotReadyError):
        await preview_in(bench.parts, proposal_id, as_json=False)
