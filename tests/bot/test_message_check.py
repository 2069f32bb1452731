"""Cards in Slack are compared with the database, and what differs is mended by delivery."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slack_sdk.errors import SlackApiError

from actions.errors import StorageError
from actions.models import ActionStatus, SafetyMode
from actions.ports import OutboxKind
from bot.ids import Button
from bot.message_check import AT_ONCE, MessageCheck
from bot.workspace.faults import Fault, FaultKind
from bot.workspace.records import Json
from tests.bot.running import (
    ANN,
    Bot,
    built_bot,
    count,
    local_workspace,
    pressable,
    running,
    settings_for,
)
from tests.rig import ANN_CLI


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    """A bot whose delivery the test drives by hand, with as many cards as anybody likes."""
    async with (
        local_workspace() as workspace,
        built_bot(workspace, settings_for(workspace, tmp_path, limits={"open_cards": 0})) as bot,
    ):
        await bot.parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="test")
        yield bot


@pytest.fixture
def check(bot: Bot) -> MessageCheck:
    parts = bot.parts
    return MessageCheck(client=bot.client, store=parts.store, clock=parts.clock, publisher=parts.publisher)


async def deliver(bot: Bot) -> None:
    for _ in range(50):
        bot.clock.advance(2)
        await bot.service._delivery.deliver_due()
        if not await bot.read(lambda reader: reader.outbox_due(bot.clock.now(), 10)):
            return


async def lose_the_next_update(bot: Bot, proposal_id: int) -> None:
    """Have delivery believe that it has shown the newest state."""
    due = await bot.read(lambda reader: reader.outbox_due(bot.clock.now(), 100))
    for item in due:
        if (item.kind, item.ref) == (OutboxKind.CARD, str(proposal_id)):
            await bot.parts.store.write(lambda tx, item=item: tx.outbox_delivered(item))  # type: ignore[misc]


def card_of(bot: Bot, proposal_id: int) -> Json:
    (card,) = [
        one
        for one in bot.workspace.messages("ops")
        if (one.get("metadata") or {}).get("event_payload", {}).get("ref") == str(proposal_id)
        and one["metadata"]["event_type"] == "operator_card"
    ]
    return card


async def test_when_everything_is_as_it_should_be_nothing_is_written(bot: Bot, check: MessageCheck) -> None:
    for item in "abc":
        await bot.propose(item)
    await deliver(bot)
    sent = len(bot.workspace.calls)

    assert await check.compare() == 0

    assert await bot.read(lambda reader: reader.outbox_due(bot.clock.now(), 10)) == []
    assert {name for name, _ in list(bot.workspace.calls)[sent:]} == {"conversations.history"}
    assert len(bot.workspace.calls) - sent == 3


async def test_a_card_whose_update_was_lost_is_mended(bot: Bot, check: MessageCheck) -> None:
    proposal_id = await bot.propose("a", action="crush")
    await deliver(bot)
    await bot.parts.executor.approve_proposal(proposal_id, by=ANN)
    await lose_the_next_update(bot, proposal_id)
    await deliver(bot)
    assert "1 of 2 approvals" not in card_of(bot, proposal_id)["text"]

    assert await check.compare() == 1
    await deliver(bot)

    assert "1 of 2 approvals" in card_of(bot, proposal_id)["text"]
    assert await check.compare() == 0


async def test_the_last_update_of_a_card_is_mended_as_well_and_then_left_alone(bot: Bot, check: MessageCheck) -> None:
    proposal_id = await bot.propose("a")
    await deliver(bot)
    await bot.parts.executor.cancel_proposal(proposal_id, by=ANN)
    await lose_the_next_update(bot, proposal_id)
    assert pressable(card_of(bot, proposal_id))

    assert await check.compare() == 1
    await deliver(bot)
    assert "cancelled" in card_of(bot, proposal_id)["text"]
    assert await check.compare() == 0

    asked = count(bot.workspace, "conversations.history")
    assert await check.compare() == 0
    assert count(bot.workspace, "conversations.history") == asked


async def test_a_card_that_was_never_posted_is_posted(bot: Bot, check: MessageCheck) -> None:
    proposal_id = await bot.propose("a")
    await lose_the_next_update(bot, proposal_id)
    await deliver(bot)
    assert bot.workspace.messages("ops")[1:] == []

    assert await check.compare() == 1
    await deliver(bot)

    assert pressable(card_of(bot, proposal_id))


async def test_what_is_still_on_its_way_is_left_to_delivery(bot: Bot, check: MessageCheck) -> None:
    await bot.propose("a")
    due = await bot.read(lambda reader: reader.outbox_due(bot.clock.now(), 10))

    assert await check.compare() == 0

    assert await bot.read(lambda reader: reader.outbox_due(bot.clock.now(), 10)) == due


async def test_a_card_that_somebody_deleted_comes_back_with_buttons_that_work(tmp_path: Path) -> None:
    async with local_workspace() as workspace, built_bot(workspace, settings_for(workspace, tmp_path)) as bot:
        parts = bot.parts
        check = MessageCheck(client=bot.client, store=parts.store, clock=parts.clock, publisher=parts.publisher)
        async with running(bot):
            proposal_id, card = await bot.offered("a")
            await bot.settled()
            state = workspace.state
            state.delete(state.message("C0OPS", card["ts"], seen_by="U0BOT"))

            assert await check.compare() == 1

            await bot.until(lambda: any(pressable(one) for one in workspace.messages("ops")))
            again = await bot.card_of(proposal_id)
            assert again["ts"] != card["ts"]
            assert (await bot.press(again, Button.APPROVE, by="ann")).acked
            await bot.becomes(proposal_id, ActionStatus.COMPLETED)
            assert await bot.card_of(proposal_id, saying="done and confirmed")


async def test_a_finished_card_that_somebody_deleted_stays_away(bot: Bot, check: MessageCheck) -> None:
    proposal_id = await bot.propose("a")
    await bot.parts.executor.cancel_proposal(proposal_id, by=ANN)
    await deliver(bot)
    state = bot.workspace.state
    state.delete(state.message("C0OPS", card_of(bot, proposal_id)["ts"], seen_by="U0BOT"))

    assert await check.compare() == 0
    await deliver(bot)

    assert "rack.touch" not in str(bot.workspace.messages("ops"))


async def test_every_open_card_has_its_turn_however_many_there_are(bot: Bot, check: MessageCheck) -> None:
    ids = [await bot.propose(f"item {number}") for number in range(2 * AT_ONCE + 5)]
    for proposal_id in ids:
        await lose_the_next_update(bot, proposal_id)

    mended = [await check.compare() for _ in range(4)]

    assert mended == [AT_ONCE, AT_ONCE, 5, 0]
    due = await bot.read(lambda reader: reader.outbox_due(bot.clock.now(), 1_000))
    assert {item.ref for item in due if item.kind is OutboxKind.CARD} == {str(one) for one in ids}


async def test_one_card_that_cannot_be_compared_keeps_no_other_from_being_mended(
    bot: Bot, check: MessageCheck, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = await bot.propose("a", action="crush"), await bot.propose("b", action="crush")
    await deliver(bot)
    for proposal_id in (first, second):
        await bot.parts.executor.approve_proposal(proposal_id, by=ANN)
        await lose_the_next_update(bot, proposal_id)
    bot.workspace.faults.script("conversations.history", Fault(kind=FaultKind.ERROR, error="channel_not_found"))

    assert await check.compare() == 1

    assert f"the card of action {second} cannot be compared: channel_not_found" in caplog.messages


@pytest.mark.parametrize(
    "fault", [Fault(kind=FaultKind.RATE_LIMITED), Fault(kind=FaultKind.ERROR, error="invalid_auth")]
)
async def test_a_slack_that_cannot_answer_is_not_asked_about_every_card(
    bot: Bot, check: MessageCheck, fault: Fault
) -> None:
    for item in "abcd":
        await bot.propose(item)
    await deliver(bot)
    asked = count(bot.workspace, "conversations.history")
    bot.workspace.faults.script("conversations.history", fault, times=None)

    with pytest.raises(SlackApiError):
        await check.compare()

    assert count(bot.workspace, "conversations.history") == asked + 1


async def test_a_database_that_is_gone_is_said(bot: Bot, check: MessageCheck) -> None:
    await bot.parts.store.close()  # type: ignore[attr-defined]

    with pytest.raises(StorageError):
        await check.compare()
