"""What is stopped can no longer be decided, on any card or reminder, new or old; what is not stopped goes on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from actions.errors import TargetUnavailableError
from actions.models import ActionStatus
from actions.registry import Preview
from bot.ids import Button
from bot.workspace.delivery import Kind
from bot.workspace.records import Json
from tests.bot.running import (
    ANN,
    BO,
    Bot,
    built_bot,
    buttons,
    click_payload,
    local_workspace,
    running,
    settings_for,
)
from tests.rig import Touch

NAMES: Final = ("rack", "shelf")
HARMLESS: Final = {Button.DETAILS.value}


@asynccontextmanager
async def bot_of_two(folder: Path) -> AsyncIterator[Bot]:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, folder)
        async with built_bot(workspace, settings, subjects=NAMES) as bot, running(bot):
            yield bot


async def at_every_step(bot: Bot, subject: str) -> Mapping[str, Json]:
    """Offer an action at each status in which something can be decided; return the cards by status."""
    validated, _ = await bot.offered("validated", subject=subject)
    approved = await bot.propose("approved", subject=subject, action="crush")
    for by in (ANN, BO):  # and then everybody has ten seconds to abort it
        await bot.parts.executor.approve_proposal(approved, by=by)
    await bot.becomes(approved, ActionStatus.APPROVED)
    await bot.until(lambda: Button.CANCEL.value in buttons(bot._card(approved, "")))
    _make_unreadable(bot, subject)
    proposed = await _proposed(bot, subject)
    await bot.until(lambda: Button.CANCEL.value in buttons(bot._card(proposed, "")))
    ids = {"proposed": proposed, "validated": validated, "approved": approved}
    return {status: await bot.card_of(proposal_id) for status, proposal_id in ids.items()}


def _make_unreadable(bot: Bot, subject: str) -> None:
    async def preview(_: Touch) -> Preview:
        raise TargetUnavailableError("it does not answer")

    registry = bot.parts.registry
    name = f"{subject}.touch"
    registry._definitions[name] = replace(registry.get(name), preview=preview)


async def _proposed(bot: Bot, subject: str) -> int:
    with pytest.raises(TargetUnavailableError):
        await bot.propose("proposed", subject=subject)
    (found,) = await bot.read(lambda reader: reader.proposals(statuses=[ActionStatus.PROPOSED], subject=subject))
    return found.id


def _number(card: Json) -> int:
    return int(card["metadata"]["event_payload"]["ref"])


def _now(bot: Bot, card: Json) -> Json:
    (now,) = [one for one in bot.workspace.messages("ops") if one["ts"] == card["ts"]]
    return now


@pytest.mark.parametrize(
    ("typed", "stopped"), [("kill-switch because", NAMES), ("kill-switch --subject rack because", ("rack",))]
)
async def test_a_stop_takes_the_buttons_off_the_cards_of_what_it_stops_and_of_nothing_else(
    tmp_path: Path, typed: str, stopped: tuple[str, ...]
) -> None:
    async with bot_of_two(tmp_path) as bot:
        cards = {subject: await at_every_step(bot, subject) for subject in NAMES}

        await bot.type(typed, by="ann")

        for subject in stopped:
            for status, card in cards[subject].items():
                await bot.card_of(_number(card), saying="stopped by the kill switch")
                assert set(buttons(_now(bot, card))) <= HARMLESS, status
        await bot.settled()
        for subject in set(NAMES) - set(stopped):
            for status, card in cards[subject].items():
                assert Button.CANCEL.value in buttons(_now(bot, card)), status
            outcome = await bot.press(cards[subject]["validated"], Button.CANCEL, by="ann")
            assert outcome.acked


@pytest.mark.parametrize("typed", ["kill-switch because", "kill-switch --subject rack because"])
async def test_a_button_that_was_on_the_screen_before_a_stop_decides_nothing(tmp_path: Path, typed: str) -> None:
    async with bot_of_two(tmp_path) as bot:
        proposal_id, card = await bot.offered("a")
        approve, cancel = (
            click_payload(bot.workspace, user="bo", card=card, button=one) for one in (Button.APPROVE, Button.CANCEL)
        )
        await bot.type(typed, by="ann")

        for payload in (approve, cancel):
            assert (await bot.workspace.deliver(Kind.INTERACTIVE, payload)).acked
        await bot.told("bo", saying="Action 1 is already cancelled")

        assert (await bot.proposal(proposal_id)).status is ActionStatus.CANCELLED
        assert bot.target.ledger.total() == 0


async def test_a_reminder_loses_its_buttons_and_those_that_were_seen_decide_nothing(tmp_path: Path) -> None:
    async with bot_of_two(tmp_path) as bot:
        _, card = await bot.offered("a")
        bot.clock.advance(601)
        await bot.until(lambda: bool(_replies(bot, card)))
        (reminder,) = _replies(bot, card)
        late = {
            button: click_payload(bot.workspace, user="bo", card=reminder, button=Button(button))
            for button in set(buttons(reminder)) - HARMLESS
        }
        assert Button.SNOOZE.value in late

        await bot.type("kill-switch because", by="ann")

        await bot.until(lambda: set(buttons(_replies(bot, card)[0])) <= HARMLESS)
        for payload in late.values():
            assert (await bot.workspace.deliver(Kind.INTERACTIVE, payload)).acked
        await bot.told("bo", saying="Action 1 is cancelled, and cannot be snoozed.")
        assert await bot.audit("snoozed", "approved", "approval") == []


def _replies(bot: Bot, card: Json) -> list[Json]:
    return [one for one in bot.workspace.messages("ops") if one.get("thread_ts") == card["ts"] != one["ts"]]


async def test_what_runs_on_the_other_subject_goes_on(tmp_path: Path) -> None:
    async with bot_of_two(tmp_path) as bot:
        for subject in NAMES:
            bot.target.hold[subject] = asyncio.Event()
            proposal_id, card = await bot.offered(subject, subject=subject)
            await bot.press(card, Button.APPROVE, by="ann")
            await bot.becomes(proposal_id, ActionStatus.EXECUTING)

        _, said = await bot.type("kill-switch --subject rack because", by="bo")

        assert "rack.touch" in said
        assert "shelf.touch" not in said
        for held in bot.target.hold.values():
            held.set()
        await bot.becomes(2, ActionStatus.COMPLETED)
        offered, card = await bot.offered("again", subject="shelf")
        await bot.press(card, Button.APPROVE, by="ann")
        await bot.becomes(offered, ActionStatus.COMPLETED)
