"""Edit, Try again and Undo: a form, or one press, that leads to a proposal of its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from actions.models import ActionProposal, ActionStatus, ReasonCode
from bot.ids import PARAMETER, Button
from tests.bot.painting import painting
from tests.bot.running import Bot, built_bot, local_workspace, running, settings_for

APPROVERS: Final = {"approve": ["ann", "bo"]}
FIELDS: Final = {"item": "parameter.text", "mark": "parameter.text", "coats": "parameter.number"}


@asynccontextmanager
async def painted(folder: Path, **over: Any) -> AsyncIterator[Bot]:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, folder, **{"approvers": APPROVERS, **over})
        async with built_bot(workspace, settings, more=painting) as bot, running(bot):
            yield bot


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with painted(tmp_path) as running_one:
        yield running_one


async def send(bot: Bot, modal: Any, *, by: str, **entered: str) -> Any:
    values = {f"{PARAMETER}{name}": {FIELDS[name]: value} for name, value in entered.items()}
    return await bot.workspace.submit(user=by, view_id=modal["id"], values=values)


async def newest(bot: Bot) -> ActionProposal:
    return (await bot.read(lambda reader: reader.proposals(limit=1)))[0]


async def failed(bot: Bot) -> tuple[int, Any]:
    bot.target.faults["a"] = "refuse"
    proposal_id, card = await bot.offered("a", action="paint")
    await bot.press(card, Button.APPROVE, by="ann")
    await bot.becomes(proposal_id, ActionStatus.FAILED)
    del bot.target.faults["a"]
    return proposal_id, await bot.card_of(proposal_id, saying="failed")


async def completed(bot: Bot) -> tuple[int, Any]:
    proposal_id, card = await bot.offered("a", action="paint")
    await bot.press(card, Button.APPROVE, by="ann")
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    return proposal_id, await bot.card_of(proposal_id, saying="done and confirmed")


async def test_other_parameters_are_a_new_proposal_that_somebody_else_approves(bot: Bot) -> None:
    old_id, card = await bot.offered("a", action="paint")
    assert (await bot.press(card, Button.EDIT, by="ann")).acked

    outcome = await send(bot, await bot.modal("ann"), by="ann", item="a", mark="", coats="2")

    assert (outcome.acked, outcome.errors) == (True, {})
    assert "Action 2 is proposed in the place of action 1" in str(bot.workspace.modals("ann"))
    proposed = await newest(bot)
    assert (proposed.parameters["coats"], proposed.supersedes) == (2, old_id)
    assert (await bot.proposal(old_id)).reason_code is ReasonCode.SUPERSEDED
    await bot.becomes(proposed.id, ActionStatus.VALIDATED)
    new_card = await bot.card_of(proposed.id, saying="needs approval")
    await bot.press(new_card, Button.APPROVE, by="ann")
    assert await bot.told("ann") == "You proposed this; someone else has to approve it."
    await bot.press(new_card, Button.APPROVE, by="bo")
    await bot.becomes(proposed.id, ActionStatus.COMPLETED)


async def test_what_does_not_fit_is_said_at_its_field_and_the_form_stays(bot: Bot) -> None:
    _, card = await bot.offered("a", action="paint")
    await bot.press(card, Button.EDIT, by="ann")
    modal = await bot.modal("ann")
    assert [block["block_id"] for block in modal["blocks"] if block["type"] == "input"] == [
        f"{PARAMETER}{name}" for name in FIELDS
    ]

    odd = await send(bot, modal, by="ann", item="A 7", mark="", coats="2")
    same = await send(bot, modal, by="ann", item="a", mark="", coats="1")

    assert list(odd.errors) == [f"{PARAMETER}item"]
    assert "matches ^[a-z]+$" in odd.errors[f"{PARAMETER}item"]
    assert same.errors == {f"{PARAMETER}item": "These are the parameters that it has already; nothing was changed."}
    assert len(await bot.audit("proposed")) == 1


@pytest.mark.parametrize("button", [Button.EDIT])
async def test_who_may_not_edit_is_told_before_a_form_opens(bot: Bot, button: Button) -> None:
    _, card = await bot.offered("a", action="paint")

    await bot.press(card, button, by="cy")

    assert "You may not change the parameters of this" in await bot.told("cy")
    assert bot.workspace.modals("cy") == []


async def test_an_edit_of_what_was_decided_meanwhile_is_refused_in_the_form(bot: Bot) -> None:
    _, card = await bot.offered("a", action="paint")
    await bot.press(card, Button.EDIT, by="ann")
    modal = await bot.modal("ann")
    await bot.press(card, Button.CANCEL, by="bo")

    refused = await send(bot, modal, by="ann", item="a", mark="", coats="3")

    assert "already cancelled" in refused.errors[f"{PARAMETER}item"]
    assert len(await bot.audit("proposed")) == 1


async def test_an_action_that_is_not_offered_any_more_is_not_edited(bot: Bot) -> None:
    _, card = await bot.offered("a", action="paint")
    await bot.press(card, Button.EDIT, by="ann")
    modal = await bot.modal("ann")
    del bot.parts.registry._definitions["rack.paint"]

    await bot.press(card, Button.EDIT, by="bo")
    refused = await send(bot, modal, by="ann", item="a", mark="", coats="3")

    assert "rack.paint is not configured any more. Nothing was changed." in await bot.told("bo")
    assert "not configured any more" in refused.errors[f"{PARAMETER}item"]


async def test_what_failed_without_effect_is_tried_again_with_an_approval_of_its_own(bot: Bot) -> None:
    failed_id, card = await failed(bot)
    assert (await bot.press(card, Button.RETRY, by="ann")).acked

    outcome = await send(bot, await bot.modal("ann"), by="ann", item="a", mark="", coats="1")

    assert outcome.errors == {}
    proposed = await newest(bot)
    assert (proposed.retry_of, proposed.proposed_by) == (failed_id, "agent:rules")
    assert bot.target.ledger["a"] == 0
    await bot.becomes(proposed.id, ActionStatus.VALIDATED)
    await bot.press(await bot.card_of(proposed.id, saying="needs approval"), Button.APPROVE, by="ann")
    await bot.becomes(proposed.id, ActionStatus.COMPLETED)


async def test_trying_again_with_other_parameters_is_the_idea_of_whoever_enters_them(bot: Bot) -> None:
    failed_id, card = await failed(bot)
    await bot.press(card, Button.RETRY, by="ann")

    assert (await send(bot, await bot.modal("ann"), by="ann", item="a", mark="", coats="3")).errors == {}

    proposed = await newest(bot)
    assert (proposed.retry_of, proposed.proposed_by) == (failed_id, "slack:T0LOCAL/U0ANN")


async def test_who_stands_on_no_list_tries_nothing_again(bot: Bot) -> None:
    _, card = await failed(bot)

    await bot.press(card, Button.RETRY, by="cy")

    assert "You may not propose actions" in await bot.told("cy")
    assert bot.workspace.modals("cy") == []


async def test_undo_proposes_what_takes_it_back_and_runs_nothing(bot: Bot) -> None:
    done_id, card = await completed(bot)

    assert (await bot.press(card, Button.UNDO, by="ann")).acked

    assert "Action 2 is proposed to take back action 1" in str(await bot.modal("ann"))
    proposed = await newest(bot)
    assert (proposed.action_name, proposed.undo_of) == ("rack.scrub", done_id)
    assert bot.target.ledger["scrubbed"] == 0
    await bot.becomes(proposed.id, ActionStatus.VALIDATED)
    await bot.press(await bot.card_of(proposed.id, saying="needs approval"), Button.APPROVE, by="ann")
    await bot.becomes(proposed.id, ActionStatus.COMPLETED)
    assert bot.target.ledger["scrubbed"] == 1


async def test_undo_pressed_twice_is_one_proposal(bot: Bot) -> None:
    _, card = await completed(bot)

    await bot.press(card, Button.UNDO, by="ann")
    await bot.workspace.click(
        user="bo", channel="ops", ts=card["ts"], block_id=_row_of(card, Button.UNDO), action_id=Button.UNDO.value,
        seen=bot.workspace.state.message("C0OPS", card["ts"], seen_by="U0BO"),
    )  # fmt: skip

    assert len(await bot.audit("proposed")) == 2


async def test_who_stands_on_no_list_undoes_nothing(bot: Bot) -> None:
    _, card = await completed(bot)

    await bot.press(card, Button.UNDO, by="cy")

    assert "You may not propose actions" in await bot.told("cy")
    assert len(await bot.audit("proposed")) == 1


def _row_of(card: Any, button: Button) -> str:
    return next(str(block["block_id"]) for block in card["blocks"] if button.value in json.dumps(block))
