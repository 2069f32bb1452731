"""Presses of the buttons of a card, through Socket Mode: who may, what counts, how often, and what is said."""

import asyncio
import logging
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from actions.models import ActionStatus, Actor, ReasonCode
from actions.ports import Standing
from bot.ids import Button, Field
from bot.listeners.errors import UNKNOWN
from bot.payloads import ButtonValue
from bot.views.notice import APOLOGY
from bot.workspace.delivery import Kind
from bot.workspace.faults import Fault, FaultKind
from bot.workspace.records import Json
from tests.bot.running import (
    ANN,
    Bot,
    built_bot,
    buttons,
    click_payload,
    count,
    local_workspace,
    locked,
    pressable,
    running,
    running_bot,
    settings_for,
)
from tests.invariants import check

APPROVE, CANCEL, DETAILS = Button.APPROVE, Button.CANCEL, Button.DETAILS


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path) as running:
        yield running


async def test_an_approved_action_runs_once_and_its_card_says_so(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")

    assert (await bot.press(card, APPROVE, by="ann")).acked

    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    done = await bot.card_of(proposal_id, saying="done and confirmed")
    assert done["ts"] == card["ts"]
    assert not pressable(done)
    assert bot.target.ledger["a"] == 1


async def test_a_click_is_durable_before_it_is_acknowledged(bot: Bot, tmp_path: Path) -> None:
    proposal_id, card = await bot.offered("a", action="crush")

    assert (await bot.approve(card, by="ann")).acked

    with sqlite3.connect(tmp_path / "operator.db") as other:
        stored = other.execute("SELECT person FROM approvals WHERE proposal_id = ?", [proposal_id]).fetchall()
    other.close()
    assert stored == [("ann",)]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("cy", "You may not approve this. Those who may: ann, bo, gone, guest, stranger."),
        ("guest", "You may not approve this: you are a guest in this Slack workspace."),
        ("gone", "You may not approve this: your Slack account is deactivated."),
        ("stranger", "You may not approve this: you belong to another Slack workspace than the bot."),
        ("operator", "You may not approve this: a bot is no person."),
    ],
)
async def test_who_may_not_approve_is_told_why_and_nobody_else_is(bot: Bot, who: str, why: str) -> None:
    proposal_id, card = await bot.offered("a")

    outcome = await bot.press(card, APPROVE, by=who)

    assert outcome.acked
    assert await bot.told(who) == why
    assert len(bot.workspace.ephemerals("ops", user=who)) == 1
    assert bot.workspace.ephemerals("ops", user="bo") == []
    assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED
    assert [line.data["why"] for line in await bot.audit("denied")] == [why]
    assert pressable(await bot.card_of(proposal_id))


async def test_a_person_of_another_workspace_in_ours_is_refused_although_the_id_is_on_the_list(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")
    payload = click_payload(bot.workspace, user="ann", card=card, button=APPROVE)
    payload["user"]["team_id"] = "T0OTHER"

    assert (await bot.workspace.deliver(Kind.INTERACTIVE, payload)).acked

    assert "another Slack workspace" in await bot.told("ann")
    assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED


async def test_the_proposer_cannot_approve_and_somebody_else_can(bot: Bot) -> None:
    proposal_id = await bot.propose("a", by=ANN)
    await bot.until(lambda: any(pressable(one) for one in bot.workspace.messages("ops")))
    card = await bot.card_of(proposal_id)

    await bot.press(card, APPROVE, by="ann")
    assert await bot.told("ann") == "You proposed this; someone else has to approve it."
    assert bot.target.ledger["a"] == 0

    await bot.press(card, APPROVE, by="bo")
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)


async def test_a_slack_that_does_not_say_who_somebody_is_refuses_the_click_within_two_seconds(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")
    bot.clock.advance(61)
    with bot.workspace.faults.lasting("users.info", Fault(kind=FaultKind.HANG)):
        outcome = await bot.press(card, APPROVE, by="bo")
        assert outcome.acked
        assert outcome.ms < 2_000
        assert "Slack did not say in time who you are" in await bot.told("bo")
    assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED
    bot.workspace.faults.clear()


async def test_what_somebody_approved_who_was_deactivated_before_it_ran_does_not_run(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")
    await bot.approve(card, by="ann")
    bot.workspace.state.change_user("ann", deleted=True)
    bot.clock.advance(61)

    await bot.approve(card, by="bo")
    bot.clock.advance(11)

    ended = await bot.becomes(proposal_id, ActionStatus.CANCELLED)
    assert ended.reason_code is ReasonCode.DENIED_BY_POLICY
    assert "ann may not approve it any more" in ended.detail
    assert bot.target.ledger["a"] == 0
    await bot.card_of(proposal_id, saying="denied by policy")


async def test_two_people_approve_high_risk_and_one_person_counts_once(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a", action="crush")

    await bot.approve(card, by="ann")
    again = await bot.approve(card, by="ann")
    twice = "You have approved action 1 already, and each person counts once; it needs 1 more approval."
    assert twice in again.errors[Field.TARGET.value]
    assert bot.target.ledger["a"] == 0
    await bot.approve(card, by="bo")
    bot.clock.advance(11)

    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert bot.target.ledger["a"] == 1


async def test_however_often_each_click_is_delivered_over_two_sockets_it_counts_once(bot: Bot) -> None:
    chance = random.Random(20261122)
    cards = [await bot.offered(f"item {number}") for number in range(6)]
    assert bot.workspace.sockets.open_sockets == 2
    deliveries = [
        click_payload(bot.workspace, user=chance.choice(["ann", "bo"]), card=card, button=APPROVE) for _, card in cards
    ]
    storm = [payload for payload in deliveries for _ in range(chance.randint(1, 5))]
    chance.shuffle(storm)

    outcomes = await asyncio.gather(*(bot.workspace.deliver(Kind.INTERACTIVE, payload) for payload in storm))

    assert all(outcome.acked for outcome in outcomes)
    for proposal_id, _ in cards:
        await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert len(await bot.audit("approved")) == len(cards)
    assert len(await bot.audit("duplicate")) == len(storm) - len(cards)
    assert set(bot.target.ledger.values()) == {1}
    await bot.read(lambda reader: check(reader, bot.target.ledger, {}))
    assert bot.workspace.ephemerals("ops", user="ann") == []


async def test_envelopes_that_arrive_twice_around_a_reconnect_count_once(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")
    bot.workspace.faults.duplicate_envelopes(1)

    assert (await bot.press(card, APPROVE, by="ann")).acked

    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert len(await bot.audit("approved")) == 1


async def test_of_two_clicks_at_once_one_decides_and_the_other_hears_of_it(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")

    both = await asyncio.gather(bot.press(card, APPROVE, by="ann"), bot.press(card, CANCEL, by="bo"))

    assert all(outcome.acked for outcome in both)
    said = [*bot.workspace.ephemerals("ops", user="ann"), *bot.workspace.ephemerals("ops", user="bo")]
    status = (await bot.proposal(proposal_id)).status
    if status is ActionStatus.CANCELLED:
        assert bot.target.ledger["a"] == 0
    else:
        await bot.becomes(proposal_id, ActionStatus.COMPLETED)
        await bot.told("bo", saying="already")
    assert len(said) <= 1


async def test_a_double_click_runs_it_once(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")

    await asyncio.gather(*(bot.press(card, APPROVE, by="ann") for _ in range(5)))

    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert bot.target.ledger["a"] == 1
    assert len(await bot.audit("approved")) == 1
    await bot.told("ann", saying="already")


async def test_a_copy_of_a_card_in_another_channel_cannot_be_approved(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")
    await bot.settled()  # until the bot remembers where its card is, the first one pressed is the card
    copy = bot.workspace.state.app_message("C0INCIDENT42", text=card["text"], blocks=tuple(card["blocks"]))

    outcome = await bot.workspace.click(user="ann", channel="incident-42", ts=copy.ts, action_id=Button.APPROVE.value)

    assert outcome.acked
    assert "pressed on a copy of the card" in await bot.told("ann", channel="incident-42")
    assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED
    assert len(await bot.audit("denied")) == 1


def _with_value(payload: Json, change: Callable[[dict[str, Any]], None]) -> Json:
    action = payload["actions"][0]
    value = ButtonValue.model_validate_json(action["value"]).model_dump()
    change(value)
    return payload | {"actions": [action | {"value": ButtonValue.model_validate(value).compact()}]}


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (lambda value: value.update(t="x" * 32), "the button does not belong to this action"),
        (lambda value: value.update(h="0" * 64), "the card shows other parameters"),
        (lambda value: value.update(p=value["p"] + 1), "the button does not belong to this action"),
    ],
    ids=["another token", "other parameters", "the token of another proposal"],
)
async def test_a_forged_button_is_refused_and_written_down(
    bot: Bot, forge: Callable[[dict[str, Any]], None], why: str
) -> None:
    (first, card), (second, _) = await bot.offered("a"), await bot.offered("b")
    payload = _with_value(click_payload(bot.workspace, user="ann", card=card, button=APPROVE), forge)

    assert (await bot.workspace.deliver(Kind.INTERACTIVE, payload)).acked

    assert why in await bot.told("ann")
    assert [(await bot.proposal(one)).status for one in (first, second)] == [ActionStatus.VALIDATED] * 2
    assert [line.data["why"] for line in await bot.audit("denied")] == [why]
    assert bot.target.ledger.total() == 0


MALFORMED: Final[dict[str, Callable[[Json], Json]]] = {
    "unknown button": lambda body: body | {"actions": [body["actions"][0] | {"action_id": "proposal.explode"}]},
    "no value": lambda body: body | {"actions": [{k: v for k, v in body["actions"][0].items() if k != "value"}]},
    "value is no JSON": lambda body: body | {"actions": [body["actions"][0] | {"value": "<script>"}]},
    "value is a list": lambda body: body | {"actions": [body["actions"][0] | {"value": "[]"}]},
    "huge value": lambda body: body | {"actions": [body["actions"][0] | {"value": "9" * 100_000}]},
    "two actions": lambda body: body | {"actions": body["actions"] * 2},
    "no team": lambda body: {k: v for k, v in body.items() if k != "team"},
    "team is text": lambda body: body | {"team": "T0LOCAL"},
    "user is text": lambda body: body | {"user": "U0ANN"},
    "user is null": lambda body: body | {"user": None},
    "container is text": lambda body: body | {"container": "message"},
    "container is a view": lambda body: body | {"container": {"type": "view", "view_id": "V1"}},
    "channel is text": lambda body: body | {"container": {}, "channel": "C0OPS"},
    "app is text of another kind": lambda body: body | {"api_app_id": "<@U1>"},
    "unknown type": lambda body: body | {"type": "block_explosion"},
    "nothing": lambda _: {},
}


async def test_what_slack_never_sends_is_acknowledged_and_changes_nothing(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    proposal_id, card = await bot.offered("a")
    payload = click_payload(bot.workspace, user="ann", card=card, button=APPROVE)

    for name, alter in MALFORMED.items():
        assert (await bot.workspace.deliver(Kind.INTERACTIVE, alter(payload))).acked, name
        assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED, name

    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert (await bot.workspace.deliver(Kind.INTERACTIVE, payload)).acked
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)


@pytest.mark.parametrize("actions", [[], None, {}, "text"])
async def test_what_bolt_itself_stumbles_over_ends_nothing_and_is_one_line_in_the_log(
    tmp_path: Path, actions: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with local_workspace(ack_seconds=0.1) as workspace, running_bot(workspace, tmp_path) as bot:
        proposal_id, card = await bot.offered("a")
        payload = click_payload(workspace, user="ann", card=card, button=APPROVE)

        await workspace.deliver(Kind.INTERACTIVE, payload | {"actions": actions})

        assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED
        assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) <= 1
        await workspace.deliver(Kind.INTERACTIVE, payload)
        await bot.becomes(proposal_id, ActionStatus.COMPLETED)


async def test_whoever_presses_a_button_of_another_version_is_told(bot: Bot) -> None:
    _, card = await bot.offered("a")
    payload = MALFORMED["unknown button"](click_payload(bot.workspace, user="ann", card=card, button=APPROVE))

    await bot.workspace.deliver(Kind.INTERACTIVE, payload)

    assert await bot.told("ann") == UNKNOWN.replace("`", "")


async def test_a_database_that_is_locked_leaves_the_click_unacknowledged_and_says_so(tmp_path: Path) -> None:
    async with local_workspace(ack_seconds=1.0) as workspace:
        settings = settings_for(workspace, tmp_path)
        async with built_bot(workspace, settings, busy_timeout=0.1) as bot, running(bot):
            proposal_id, card = await bot.offered("a")
            with locked(tmp_path):
                outcome = await bot.press(card, APPROVE, by="ann")
                said = await bot.told("ann")
            assert not outcome.acked
            assert "nothing was recorded" in said
            assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED

            assert (await bot.press(card, APPROVE, by="ann")).acked
            await bot.becomes(proposal_id, ActionStatus.COMPLETED)


async def test_a_refusal_that_cannot_be_queued_is_said_at_once(tmp_path: Path) -> None:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, tmp_path)
        async with built_bot(workspace, settings, busy_timeout=0.1) as bot, running(bot):
            _, card = await bot.offered("a")
            payload = MALFORMED["no value"](click_payload(workspace, user="ann", card=card, button=APPROVE))
            with locked(tmp_path):
                acknowledged = await workspace.deliver(Kind.INTERACTIVE, payload)
                said = await bot.told("ann")
            assert acknowledged.acked
            assert "cannot be read (at actions.0.value)" in said


class _Broken:
    """A directory with a bug."""

    async def standing(self, actor: Actor) -> Standing:
        if actor.name.endswith("/U0BO"):
            raise RuntimeError("a bug: xoxb-not-for-slack")
        return Standing(active=True, full_member=True)


async def test_a_bug_becomes_an_apology_and_a_log_and_never_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, tmp_path)
        async with built_bot(workspace, settings, directory=_Broken()) as bot, running(bot):
            proposal_id, card = await bot.offered("a")

            assert (await bot.press(card, APPROVE, by="bo")).acked
            assert await bot.told("bo") == APOLOGY.replace("`", "")
            _, answer = await bot.type(f"approve {proposal_id}", by="bo")
            assert answer == APOLOGY.replace("`", "")

            logged = [record for record in caplog.records if record.message == "an interaction failed"]
            assert len(logged) == 2
            assert all(record.exc_info and "a bug" in str(record.exc_info[1]) for record in logged)
            assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED
            assert (await bot.press(card, APPROVE, by="ann")).acked
            await bot.becomes(proposal_id, ActionStatus.COMPLETED)


async def test_who_presses_where_the_bot_cannot_write_is_told_in_private(bot: Bot) -> None:
    _, card = await bot.offered("a")
    state = bot.workspace.state
    state.leave(state.channel("ops"), state.app.bot_user_id)

    assert (await bot.press(card, APPROVE, by="cy")).acked

    await bot.until(lambda: any(channel.kind == "im" for channel in state.channels.values()))
    (private,) = [channel for channel in state.channels.values() if channel.kind == "im"]
    assert private.members == {"U0CY", state.app.bot_user_id}
    assert "Those who may" in bot.workspace.messages(private.id)[0]["text"]


async def test_cancelling_asks_for_the_reason_afterwards_and_keeps_it(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")

    assert (await bot.press(card, CANCEL, by="bo")).acked
    assert (await bot.proposal(proposal_id)).status is ActionStatus.CANCELLED
    await bot.until(lambda: bool(bot.workspace.modals("bo")))
    (modal,) = bot.workspace.modals("bo")
    submitted = await bot.workspace.submit(
        user="bo", view_id=modal["id"], values={"reason.enter": {"reason.enter": "the wrong member"}}
    )

    assert submitted.acked
    assert bot.workspace.modals("bo") == []
    (line,) = await bot.audit("explained")
    assert (line.actor, line.data["reason"]) == ("slack:T0LOCAL/U0BO", "the wrong member")
    assert len(await bot.audit("cancelled")) == 1


async def test_closing_the_question_or_leaving_it_empty_decides_nothing(bot: Bot) -> None:
    _, card = await bot.offered("a")
    await bot.press(card, CANCEL, by="bo")
    await bot.until(lambda: bool(bot.workspace.modals("bo")))
    before = await bot.read(lambda reader: reader.audit(limit=1_000))

    (modal,) = bot.workspace.modals("bo")
    assert (await bot.workspace.submit(user="bo", view_id=modal["id"])).acked
    _, other = await bot.offered("b")
    await bot.press(other, CANCEL, by="bo")
    await bot.until(lambda: bool(bot.workspace.modals("bo")))
    (modal,) = bot.workspace.modals("bo")
    assert (await bot.workspace.close_view(user="bo", view_id=modal["id"])).acked

    after = await bot.read(lambda reader: reader.audit(limit=1_000))
    assert [line.event for line in after[len(before) :]] == ["proposed", "validated", "cancelled"]


async def test_a_refused_reason_is_said_in_the_form_which_stays_open(bot: Bot) -> None:
    _, card = await bot.offered("a")
    await bot.press(card, CANCEL, by="bo")
    await bot.until(lambda: bool(bot.workspace.modals("bo")))
    (modal,) = bot.workspace.modals("bo")
    bot.workspace.state.change_user("bo", deleted=True)
    bot.clock.advance(61)

    outcome = await bot.workspace.submit(
        user="bo", view_id=modal["id"], values={"reason.enter": {"reason.enter": "too late"}}
    )

    assert "your Slack account is deactivated" in outcome.errors["reason.code"]
    assert bot.workspace.modals("bo") != []
    assert await bot.audit("explained") == []
    assert len(await bot.audit("denied")) == 1


async def test_who_may_not_cancel_does_not(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")

    await bot.press(card, CANCEL, by="cy")

    assert "You may not cancel this" in await bot.told("cy")
    assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED
    assert bot.workspace.modals("cy") == []


async def test_details_open_for_whoever_looks_and_decide_nothing(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")

    assert (await bot.press(card, DETAILS, by="cy")).acked

    await bot.until(lambda: bool(bot.workspace.modals("cy")))
    (modal,) = bot.workspace.modals("cy")
    assert modal["title"]["text"] == "Action 1"
    assert "rack.touch" in str(modal["blocks"])
    assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED


async def test_details_that_slack_does_not_open_in_time_keep_nobody(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    _, card = await bot.offered("a")
    bot.workspace.faults.script("views.open", Fault(kind=FaultKind.ERROR, error="expired_trigger_id"))

    assert (await bot.press(card, DETAILS, by="ann")).acked

    assert (await bot.press(card, DETAILS, by="ann")).acked
    await bot.until(lambda: bool(bot.workspace.modals("ann")))
    assert count(bot.workspace, "views.open") == 2
    assert "a modal could not be opened: expired_trigger_id" in [record.message for record in caplog.records]


async def test_a_finished_card_has_nothing_to_press_and_an_old_view_of_it_is_refused(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")
    seen = bot.workspace.state.message("C0OPS", card["ts"], seen_by="U0BO")
    await bot.press(card, APPROVE, by="ann")
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    done = await bot.card_of(proposal_id, saying="done and confirmed")
    assert buttons(done) == {}

    late = await bot.workspace.click(user="bo", channel="ops", ts=card["ts"], action_id=CANCEL.value, seen=seen)

    assert late.acked
    assert await bot.told("bo") == "Action 1 is already completed by slack:T0LOCAL/U0ANN; nothing was changed."
