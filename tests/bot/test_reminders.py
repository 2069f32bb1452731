"""Reminders in Slack: in the thread of the card, for those who can decide, until somebody has."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from actions.models import ActionStatus, Actor, Caller, ReasonCode, Via
from actions.ports import OutboxKind
from bot.ids import Button
from bot.system import SystemClock
from bot.workspace.records import Json
from tests.bot.running import TEAM, Bot, buttons, local_workspace, running_bot

MINUTE = 60


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    approvers = {"approve": ["ann", "bo"]}
    async with local_workspace() as workspace, running_bot(workspace, tmp_path, approvers=approvers) as running:
        yield running


def replies(bot: Bot, card: Json) -> list[Json]:
    return [one for one in bot.workspace.messages("ops") if one.get("thread_ts") == card["ts"] != one["ts"]]


async def reply(bot: Bot, card: Json, saying: str, *, number: int = 1) -> Json:
    """Return the reply of that number once it says this."""

    def found() -> Json | None:
        there = replies(bot, card)
        return there[number - 1] if len(there) >= number and saying in there[number - 1]["text"] else None

    await bot.until(lambda: found() is not None)
    message = found()
    assert message is not None
    return message


def mentioned(message: Json) -> list[str]:
    parts = [part for block in message["blocks"] if block["type"] == "rich_text" for part in block["elements"]]
    return [element["user_id"] for part in parts for element in part["elements"] if element["type"] == "user"]


async def test_who_can_still_approve_is_reminded_in_the_thread_and_can_put_it_off(bot: Bot) -> None:
    _, card = await bot.offered("a", action="crush")
    await bot.approve(card, by="ann")
    await bot.card_of(1, saying="1 of 2 approvals")
    bot.clock.advance(10 * MINUTE)
    reminder = await reply(bot, card, "Action 1 still waits: 1 of 2 approvals.")

    assert mentioned(reminder) == ["U0BO"]
    outcome = await bot.workspace.click(
        user="bo", channel="ops", ts=reminder["ts"], action_id=Button.SNOOZE_LONGER.value
    )

    assert outcome.acked
    snoozed = await reply(bot, card, "Snoozed by")
    assert list(buttons(snoozed)) == [Button.DETAILS.value]
    (line,) = await bot.audit("snoozed")
    assert (line.actor, line.proposal_id, line.via) == (f"slack:{TEAM}/U0BO", 1, Via.SLACK)
    bot.clock.advance(39 * MINUTE)
    await bot.parts.reminders.remind()
    assert len(replies(bot, card)) == 1
    bot.clock.advance(2 * MINUTE)
    await reply(bot, card, "Last reminder: action 1 expires at", number=2)
    await reply(bot, card, "This reminder of action 1 is over")


async def test_with_the_decision_the_reminder_loses_its_buttons(bot: Bot) -> None:
    _, card = await bot.offered("a")
    bot.clock.advance(10 * MINUTE)
    assert Button.SNOOZE.value in buttons(await reply(bot, card, "still waits"))

    await bot.press(card, Button.APPROVE, by="ann")

    await bot.becomes(1, ActionStatus.COMPLETED)
    assert buttons(await reply(bot, card, "This reminder of action 1 is over")) == {}


async def test_who_may_not_cancel_is_told_so_and_reminders_go_on(bot: Bot) -> None:
    _, card = await bot.offered("a")
    bot.clock.advance(10 * MINUTE)
    reminder = await reply(bot, card, "still waits")

    await bot.workspace.click(user="cy", channel="ops", ts=reminder["ts"], action_id=Button.SNOOZE.value)

    assert "You may not cancel this" in await bot.told("cy")
    assert await bot.audit("snoozed") == []


async def test_a_reminder_whose_card_is_gone_comes_with_a_new_card(bot: Bot) -> None:
    _, card = await bot.offered("a")
    await bot.settled()
    bot.workspace.state.delete(bot.workspace.state.message("C0OPS", card["ts"], seen_by="U0ANN"))
    bot.clock.advance(10 * MINUTE)

    again = await bot.card_of(1)
    assert again["ts"] != card["ts"]
    await reply(bot, again, "still waits")


async def test_what_was_approved_for_later_is_announced_and_can_be_cancelled_there(tmp_path: Path) -> None:
    ends = SystemClock().now() + timedelta(minutes=30)
    freezes = [{"name": "release", "from": "2000-01-01 00:00", "until": f"{ends:%Y-%m-%d %H:%M:%S}"}]
    async with local_workspace() as workspace, running_bot(workspace, tmp_path, freezes=freezes) as bot:
        _, card = await bot.offered("a")
        await bot.press(card, Button.APPROVE, by="ann")
        await bot.card_of(1, saying="approved, runs at")
        bot.clock.advance(25.1 * MINUTE)
        told = await reply(bot, card, "Action 1 runs in 5 minutes, at")
        assert mentioned(told) == ["U0ANN"]

        assert (await bot.press(told, Button.CANCEL, by="bo")).acked

        cancelled = await bot.becomes(1, ActionStatus.CANCELLED)
        assert cancelled.reason_code is ReasonCode.USER
        assert buttons(await reply(bot, card, "This reminder of action 1 is over")) == {}
        bot.clock.advance(10 * MINUTE)
        await bot.parts.sweeper.sweep()
        assert bot.target.ledger["a"] == 0


async def test_the_same_policy_holds_on_the_command_line(bot: Bot) -> None:
    await bot.offered("a")
    caller = Caller(actor=Actor.cli("ann", "host"), via=Via.CLI)

    following = await bot.parts.reminders.snooze(1, by=caller, lasting=timedelta(hours=1))

    assert following.due_at < (await bot.proposal(1)).expires_at
    assert await bot.read(lambda reader: reader.message(OutboxKind.REMINDER, "1/1")) is None
