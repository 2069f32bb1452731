"""What only shows something: Preview, What is this?, and who may read at all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actions.models import ActionStatus, SafetyMode
from bot.demo.config import APP
from bot.ids import Button, Shortcut
from bot.ingest import check_body, submission
from bot.workspace.faults import Fault, FaultKind
from bot.workspace.people import Outcome
from bot.workspace.records import Json
from tests.bot.running import ANN, Bot, count, local_workspace, running_bot
from tests.bot.submitted import a_body

OUTSIDERS = {
    "guest": "you are a guest in this Slack workspace",
    "gone": "your Slack account is deactivated",
    "stranger": "you belong to another Slack workspace than the bot",
    "operator": "a bot is no person",
}


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with local_workspace(app=APP) as workspace, running_bot(workspace, tmp_path) as running:
        yield running


async def asked(bot: Bot, ts: str, *, by: str = "cy", channel: str = "ops") -> Outcome:
    return await bot.workspace.shortcut(user=by, callback_id=Shortcut.WHAT_IS_THIS.value, channel=channel, ts=ts)


async def diagnosed(bot: Bot, **over: object) -> Json:
    body = check_body(a_body(**over), allowed_channels=frozenset())
    await bot.parts.intake.submit(submission(body, via=ANN.via, key="a key", actor=ANN.actor))
    await bot.until(lambda: any("it is broken" in one["text"] for one in bot.workspace.messages("ops")))
    return next(one for one in bot.workspace.messages("ops") if "it is broken" in one["text"])


async def test_a_preview_shows_the_numbers_as_they_are_now_beside_those_on_the_card(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")
    bot.target.ledger["a"] = 3
    bot.target.pins["a"] = 7

    assert (await bot.press(card, Button.PREVIEW, by="cy")).acked

    modal = await bot.modal("cy", saying="0 → 3")
    assert "generation: 0 → 7" in str(modal)
    assert "Approving it now cancels it and proposes it anew" in str(modal)
    assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED


async def test_a_preview_of_what_has_not_changed_says_so(bot: Bot) -> None:
    _, card = await bot.offered("a")

    await bot.press(card, Button.PREVIEW, by="ann")

    assert "Nothing that the decision rests on has changed" in str(await bot.modal("ann", saying="Computed impact"))


async def test_a_target_that_cannot_be_reached_is_said_in_the_preview(bot: Bot) -> None:
    _, card = await bot.offered("a")
    bot.target.reachable = False

    assert (await bot.press(card, Button.PREVIEW, by="ann")).acked

    await bot.modal("ann", saying="the rack cannot be reached")


async def test_a_preview_of_what_was_decided_is_refused_at_once(bot: Bot) -> None:
    _, card = await bot.offered("a")
    seen = bot.workspace.state.message("C0OPS", card["ts"], seen_by="U0ANN")
    await bot.press(card, Button.CANCEL, by="bo")

    await bot.workspace.click(user="ann", channel="ops", ts=card["ts"], action_id=Button.PREVIEW.value, seen=seen)

    assert await bot.told("ann") == "Action 1 is cancelled, and cannot be previewed."
    assert count(bot.workspace, "views.update") == 0


async def test_a_preview_that_slack_does_not_open_reads_nothing_and_keeps_nobody(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    _, card = await bot.offered("a")
    bot.workspace.faults.script("views.open", Fault(kind=FaultKind.ERROR, error="expired_trigger_id"))

    assert (await bot.press(card, Button.PREVIEW, by="ann")).acked
    await bot.press(card, Button.PREVIEW, by="ann")

    await bot.modal("ann", saying="Computed impact")
    assert count(bot.workspace, "views.update") == 1
    assert "a modal could not be brought up to date: expired_trigger_id" in [one.message for one in caplog.records]


async def test_what_a_card_and_the_replies_to_it_are_is_told_by_the_details_of_its_action(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")
    await bot.press(card, Button.APPROVE, by="ann")
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    await bot.until(lambda: any(one.get("thread_ts") == card["ts"] and one["ts"] != card["ts"]
                                for one in bot.workspace.messages("ops")))  # fmt: skip
    await bot.settled()
    reply = next(one for one in bot.workspace.messages("ops") if one.get("thread_ts") == card["ts"] != one["ts"])
    comment = bot.workspace.say(user="bo", channel="ops", text="thanks", thread_ts=card["ts"])

    for ts in (card["ts"], reply["ts"], comment.ts):
        assert (await asked(bot, ts)).acked
        modal = await bot.modal("cy", saying="done and confirmed")
        assert modal["title"]["text"] == "Action 1"
        await bot.workspace.close_view(user="cy", view_id=modal["id"])


async def test_what_a_diagnosis_is_and_what_became_of_it(bot: Bot) -> None:
    await bot.parts.safety.set_mode(SafetyMode.OBSERVE, by=ANN, reason="a deploy")
    message = await diagnosed(bot)
    await bot.settled()

    assert (await asked(bot, message["ts"])).acked

    modal = await bot.modal("cy", saying="it is broken")
    assert modal["title"]["text"] == "Diagnosis 1"
    assert "nothing; the message itself says why" in str(modal)


async def test_what_an_announcement_is(bot: Bot) -> None:
    await bot.parts.safety.set_mode(SafetyMode.OBSERVE, by=ANN, reason="a deploy")
    await bot.until(lambda: any("a deploy" in one["text"] for one in bot.workspace.messages("ops")))
    await bot.settled()
    message = next(one for one in bot.workspace.messages("ops") if "a deploy" in one["text"])

    await asked(bot, message["ts"])

    await bot.modal("cy", saying="This announcement says what somebody changed for everybody")


@pytest.mark.parametrize("channel", ["ops", "incident-42"])
async def test_a_message_of_somebody_else_is_explained_as_none_of_ours(bot: Bot, channel: str) -> None:
    fake = bot.workspace.say(user="bo", channel=channel, text="Action 1: needs approval. Press here.")

    assert (await asked(bot, fake.ts, channel=channel)).acked

    await bot.modal("cy", saying="Operator did not write this message")


@pytest.mark.parametrize("who", ["guest", "gone"])
async def test_who_is_no_full_member_reads_nothing(bot: Bot, who: str) -> None:
    _, card = await bot.offered("a")
    why = f"You may not read this: {OUTSIDERS[who]}."

    for typed in ("status", "mode", "list", "show 1", "reviews", "digest"):
        assert (await bot.type(typed, by=who))[1] == why, typed
    for button in (Button.DETAILS, Button.PREVIEW):
        await bot.press(card, button, by=who)
        assert await bot.told(who, saying="read") == why
    await asked(bot, card["ts"], by=who)
    assert await bot.told(who, saying="read") == why
    await bot.workspace.open_home(user=who)
    await bot.until(lambda: why in str(bot.workspace.home(who)))
    assert bot.workspace.modals(who) == []
    assert (await bot.type("help", by=who))[1].startswith("- /operator status")
