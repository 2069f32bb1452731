"""High risk, break-glass and Abort: what is typed, who may, and what closes without deciding anything."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from actions.models import ActionStatus, SafetyMode
from bot.ids import Button, Field
from bot.payloads import ButtonValue
from bot.views.target_input import NOT_THE_TARGET
from bot.workspace.delivery import Kind
from bot.workspace.faults import Fault, FaultKind
from bot.workspace.records import Json
from tests.bot.running import ANN, Bot, buttons, click_payload, local_workspace, running_bot

APPROVERS: Final = {"approve": ["ann", "bo"], "break_glass": ["ann"]}
TARGET: Final = Field.TARGET.value
ABORT_WINDOW: Final = 11


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path, approvers=APPROVERS) as running:
        yield running


async def confirming(bot: Bot, card: Json, *, by: str) -> Json:
    assert (await bot.press(card, Button.CONFIRM, by=by)).acked
    return await bot.modal(by, saying="Type the target's name")


async def breaking(bot: Bot, card: Json, *, by: str = "ann") -> Json:
    assert (await bot.press(card, Button.BREAK_GLASS, by=by)).acked
    return await bot.modal(by, saying="Break-glass is for")


async def doubly_approved(bot: Bot, item: str) -> tuple[int, Json]:
    proposal_id, card = await bot.offered(item, action="crush")
    await bot.approve(card, by="ann")
    await bot.approve(card, by="bo")
    await bot.becomes(proposal_id, ActionStatus.APPROVED)
    return proposal_id, await bot.card_of(proposal_id, saying="approved")


async def test_high_risk_runs_once_two_people_have_typed_the_name_of_its_target(bot: Bot) -> None:
    proposal_id, card = await bot.offered("item 7", action="crush")
    assert Button.APPROVE.value not in buttons(card)

    for person in ("ann", "bo"):
        outcome = await bot.fill_in(await confirming(bot, card, by=person), by=person, target="item 7")
        assert (outcome.acked, outcome.errors) == (True, {})
    bot.clock.advance(ABORT_WINDOW)

    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert bot.target.ledger["item 7"] == 1


@pytest.mark.parametrize("typed", ["item 8", "Item 7", "item", "item 7 item 7"])
async def test_another_name_approves_nothing_and_is_said_at_the_field(bot: Bot, typed: str) -> None:
    proposal_id, card = await bot.offered("item 7", action="crush")
    modal = await confirming(bot, card, by="ann")

    refused = await bot.fill_in(modal, by="ann", target=typed)

    assert refused.errors == {TARGET: NOT_THE_TARGET}
    assert await bot.read(lambda reader: reader.approvals(proposal_id)) == []
    assert (await bot.fill_in(modal, by="ann", target="item 7")).errors == {}
    assert len(await bot.read(lambda reader: reader.approvals(proposal_id))) == 1


async def test_a_form_that_is_delivered_twice_counts_once(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")
    modal = await confirming(bot, card, by="ann")
    bot.workspace.faults.duplicate_envelopes(1)

    assert (await bot.fill_in(modal, by="ann", target="a")).acked

    await bot.approve(card, by="bo")
    bot.clock.advance(ABORT_WINDOW)
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert len(await bot.audit("approval")) == 1
    assert bot.target.ledger["a"] == 1


async def test_breaking_the_glass_is_delivered_twice_and_runs_once(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")
    modal = await breaking(bot, card)
    bot.workspace.faults.duplicate_envelopes(1)

    await bot.fill_in(modal, by="ann", target="a", reason="it burns")

    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert bot.target.ledger["a"] == 1
    assert len(await bot.audit("break_glass")) == 1


async def test_closing_the_question_approves_nothing(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")
    modal = await confirming(bot, card, by="ann")

    assert (await bot.workspace.close_view(user="ann", view_id=modal["id"])).acked

    assert await bot.read(lambda reader: reader.approvals(proposal_id)) == []


async def test_a_plain_approval_of_high_risk_is_refused_whoever_sends_it(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")
    payload = click_payload(bot.workspace, user="ann", card=card, button=Button.CONFIRM)
    action = payload["actions"][0] | {"action_id": Button.APPROVE.value}

    assert (await bot.workspace.deliver(Kind.INTERACTIVE, payload | {"actions": [action]})).acked

    assert "of high risk: whoever approves it types the name of its target" in await bot.told("ann")
    assert await bot.read(lambda reader: reader.approvals(proposal_id)) == []


async def test_high_risk_is_approved_by_number_only_with_the_name_of_its_target(bot: Bot) -> None:
    proposal_id, _ = await bot.offered("item 7", action="crush")

    _, without = await bot.type(f"approve {proposal_id}", by="ann")
    _, wrong = await bot.type(f"approve {proposal_id} item 8", by="ann")
    assert without.endswith(f"/operator approve {proposal_id} TARGET. Nothing was approved.")
    assert wrong == NOT_THE_TARGET
    assert await bot.read(lambda reader: reader.approvals(proposal_id)) == []

    _, said = await bot.type(f"approve {proposal_id} item 7", by="ann")
    assert said.startswith("Your approval of action 1 counts")


async def test_who_may_not_approve_is_told_before_anything_opens_and_it_is_written_down(bot: Bot) -> None:
    _, card = await bot.offered("a", action="crush")

    assert (await bot.press(card, Button.CONFIRM, by="cy")).acked

    assert await bot.told("cy") == "You may not approve this. Those who may: ann, bo."
    assert bot.workspace.modals("cy") == []
    assert [(line.actor, line.data["verb"]) for line in await bot.audit("denied")] == [
        ("slack:T0LOCAL/U0CY", "approve")
    ]


async def test_the_proposer_is_told_before_anything_opens(bot: Bot) -> None:
    proposal_id = await bot.propose("a", action="crush", by=ANN)
    await bot.until(lambda: any(Button.CONFIRM.value in buttons(one) for one in bot.workspace.messages("ops")))

    await bot.press(await bot.card_of(proposal_id), Button.CONFIRM, by="ann")

    assert await bot.told("ann") == "You proposed this; someone else has to approve it."


async def test_what_was_decided_meanwhile_opens_nothing(bot: Bot) -> None:
    _, card = await bot.offered("a", action="crush")
    payload = click_payload(bot.workspace, user="ann", card=card, button=Button.CONFIRM)
    await bot.press(card, Button.CANCEL, by="bo")

    await bot.workspace.deliver(Kind.INTERACTIVE, payload)

    assert await bot.told("ann") == "Action 1 is cancelled, and cannot be approved."


async def test_what_changed_while_the_question_was_open_is_refused_in_it(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")
    modal = await confirming(bot, card, by="ann")
    await bot.parts.executor.cancel_proposal(proposal_id, by=ANN)

    refused = await bot.fill_in(modal, by="ann", target="a")

    assert "already cancelled" in refused.errors[TARGET]


async def test_a_question_about_other_parameters_or_another_card_approves_nothing(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")
    payload = click_payload(bot.workspace, user="ann", card=card, button=Button.CONFIRM)
    value = ButtonValue.model_validate_json(payload["actions"][0]["value"]).model_copy(update={"h": "0" * 64})
    forged = payload | {"actions": [payload["actions"][0] | {"value": value.compact()}]}
    assert (await bot.workspace.deliver(Kind.INTERACTIVE, forged)).acked

    refused = await bot.fill_in(await bot.modal("ann"), by="ann", target="a")

    assert "the card shows other parameters" in refused.errors[TARGET]
    assert await bot.read(lambda reader: reader.approvals(proposal_id)) == []


async def test_everybody_may_abort_what_is_of_high_risk_before_it_begins(bot: Bot) -> None:
    proposal_id, card = await doubly_approved(bot, "a")

    assert (await bot.press(card, Button.ABORT, by="cy")).acked

    ended = await bot.becomes(proposal_id, ActionStatus.CANCELLED)
    bot.clock.advance(ABORT_WINDOW)
    assert ended.detail == "Aborted by slack:T0LOCAL/U0CY"
    assert bot.target.ledger["a"] == 0


async def test_a_guest_aborts_nothing(bot: Bot) -> None:
    proposal_id, card = await doubly_approved(bot, "a")

    assert (await bot.press(card, Button.ABORT, by="guest")).acked

    assert await bot.told("guest") == "You may not abort this: you are a guest in this Slack workspace."
    assert (await bot.proposal(proposal_id)).status is ActionStatus.APPROVED


async def test_one_person_breaks_the_glass_with_the_target_and_a_reason_in_front_of_all(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")
    modal = await breaking(bot, card)

    wrong = await bot.fill_in(modal, by="ann", target="b", reason="writes fail and everybody else sleeps")
    assert wrong.errors == {TARGET: NOT_THE_TARGET}
    right = await bot.fill_in(modal, by="ann", target="a", reason="writes fail and everybody else sleeps")

    assert (right.acked, right.errors) == (True, {})
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert bot.target.ledger["a"] == 1
    await bot.until(lambda: any("everybody else sleeps" in one["text"] for one in bot.workspace.messages("ops")))
    assert await bot.read(lambda reader: reader.review(proposal_id)) is not None


async def test_who_may_not_break_the_glass_is_told_at_once(bot: Bot) -> None:
    _, card = await bot.offered("a", action="crush")

    await bot.press(card, Button.BREAK_GLASS, by="bo")

    assert await bot.told("bo") == "You may not break the glass. Those who may: ann."
    assert bot.workspace.modals("bo") == []


async def test_breaking_the_glass_does_not_pass_observe_mode(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")
    modal = await breaking(bot, card)
    await bot.parts.safety.set_mode(SafetyMode.OBSERVE, by=ANN, reason="a deploy")

    refused = await bot.fill_in(modal, by="ann", target="a", reason="it burns")

    assert TARGET in refused.errors
    assert (await bot.proposal(proposal_id)).status is ActionStatus.CANCELLED
    assert bot.target.ledger["a"] == 0


async def test_a_slack_that_hangs_keeps_no_press_waiting(bot: Bot) -> None:
    _, card = await bot.offered("a", action="crush")
    with bot.workspace.faults.lasting("views.open", Fault(kind=FaultKind.HANG)):
        for button in (Button.CONFIRM, Button.BREAK_GLASS, Button.EDIT, Button.PREVIEW, Button.DETAILS):
            outcome = await bot.press(card, button, by="ann")
            assert (outcome.acked, outcome.ms < 1_000) == (True, True), button
    bot.workspace.faults.clear()
