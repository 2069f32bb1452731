"""A card in a workspace that refuses what Slack refuses: posted, pressed, looked into, and redrawn."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from slack_bolt.async_app import AsyncAck, AsyncApp

from actions.models import ActionStatus, Actor, SuccessOutcome
from bot.ids import Button, Event, Field, Modal, SlashCommand
from bot.payloads import ButtonPress, CommandCall, HomeOpened, HomePress, ProposalPress, ViewSubmission
from bot.views.card import card
from bot.views.command_answers import help_answer
from bot.views.details import DetailsView, details
from bot.views.home import HomeItem, home
from bot.views.parameters import read_parameters
from bot.views.refusal_modal import refusal_modal
from bot.workspace.app import app_from_manifest
from bot.workspace.server import Workspace, running_workspace
from tests.bot.test_manifest import MANIFEST
from tests.bot.views.homes import a_home
from tests.bot.views.samples import NOW, SHOWN, TITLE, TOKEN, a_card, a_dossier, a_proposal
from tests.bot.views.walking import buttons
from tests.workspace.doubles import bolt_app, connected, web_client

OPS: Final = "C0OPS"
HOME: Final = a_home(waiting=(HomeItem(proposal=a_proposal()),))
Read = list[Any]


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with running_workspace(app=app_from_manifest(MANIFEST)) as running:
        yield running


@pytest.fixture
async def read(workspace: Workspace) -> AsyncIterator[Read]:
    """What our payload models made of everything that people did, in order."""
    heard: Read = []
    app = bolt_app(workspace)
    _listen(app, heard)
    async with connected(workspace, app):
        yield heard


def _listen(app: AsyncApp, heard: Read) -> None:
    @app.action(Button.APPROVE.value)
    async def approve(ack: AsyncAck, body: dict[str, Any]) -> None:
        heard.append(ButtonPress.parse(body))
        await ack()

    @app.action(Button.CANCEL.value)
    async def cancel(ack: AsyncAck, body: dict[str, Any]) -> None:
        heard.append(press := ButtonPress.parse(body))
        await app.client.views_open(trigger_id=press.trigger_id, view=refusal_modal(press.proposal_id))
        await ack()

    @app.action(Button.DETAILS.value)
    async def look(ack: AsyncAck, body: dict[str, Any]) -> None:
        heard.append(press := ProposalPress.parse(body))
        view = details(DetailsView(dossier=a_dossier(), title=TITLE, undo_hint=None, now=NOW))
        await app.client.views_open(trigger_id=press.trigger_id, view=view)
        await ack()

    @app.action(Button.KILL.value)
    async def kill(ack: AsyncAck, body: dict[str, Any]) -> None:
        heard.append(HomePress.parse(body))
        await ack()

    @app.view(Modal.CANCEL_REASON.value)
    async def reason(ack: AsyncAck, body: dict[str, Any]) -> None:
        heard.append(ViewSubmission.parse(body))
        await ack()

    @app.command(SlashCommand.OPERATOR.value)
    async def operator(ack: AsyncAck, body: dict[str, Any]) -> None:
        heard.append(CommandCall.parse(body))
        await ack(text=help_answer().text, blocks=list(help_answer().blocks))

    @app.event(Event.HOME_OPENED.value)
    async def opened(ack: AsyncAck, body: dict[str, Any]) -> None:
        heard.append(seen := HomeOpened.parse(body))
        await app.client.views_publish(user_id=seen.user_id, view=home(HOME))
        await ack()


async def posted(workspace: Workspace, **changes: Any) -> str:
    answer = await web_client(workspace).chat_postMessage(channel=OPS, **card(a_card(**changes)).payload())
    return str(answer["ts"])


async def test_approve_brings_back_exactly_what_the_card_showed(workspace: Workspace, read: Read) -> None:
    ts = await posted(workspace)
    outcome = await workspace.click(user="bo", channel=OPS, ts=ts, action_id=Button.APPROVE.value)
    (press,) = read
    (shown,) = workspace.messages(OPS)

    assert outcome.acked
    assert press.actor == Actor.slack("T0LOCAL", "U0BO")
    assert (press.proposal_id, press.seen.button_token) == (12, TOKEN)
    assert press.seen.params_hash == a_proposal().params_hash
    assert (press.seen.team_id, press.seen.channel_id, press.seen.message_ts) == ("T0LOCAL", OPS, ts)
    assert read_parameters(shown["blocks"]) == SHOWN


async def test_a_stranger_is_known_by_his_own_workspace(workspace: Workspace, read: Read) -> None:
    ts = await posted(workspace)
    await workspace.click(user="stranger", channel=OPS, ts=ts, action_id=Button.APPROVE.value)

    assert read[0].is_foreign
    assert read[0].actor == Actor.slack("T0OTHER", "U0STRANGER")


async def test_a_cancellation_is_explained_afterwards(workspace: Workspace, read: Read) -> None:
    ts = await posted(workspace)
    await workspace.click(user="ann", channel=OPS, ts=ts, action_id=Button.CANCEL.value)
    (modal,) = workspace.modals("ann")
    values = {Field.REASON.value: {Field.REASON.value: "n2 is being replaced"}}
    outcome = await workspace.submit(user="ann", view_id=modal["id"], values=values)

    assert outcome.acked
    assert (read[1].proposal_id, read[1].entered(Field.REASON)) == (12, "n2 is being replaced")


async def test_details_open_from_the_card_and_from_the_home_tab(workspace: Workspace, read: Read) -> None:
    ts = await posted(workspace)
    await workspace.click(user="ann", channel=OPS, ts=ts, action_id=Button.DETAILS.value)
    await workspace.open_home(user="bo")
    tab = workspace.home("bo")
    assert tab is not None
    await workspace.click_in_view(user="bo", view_id=tab["id"], action_id=Button.DETAILS.value)
    await workspace.click_in_view(user="bo", view_id=tab["id"], action_id=Button.KILL.value)

    assert [type(one).__name__ for one in read] == ["ProposalPress", "HomeOpened", "ProposalPress", "HomePress"]
    assert [len(workspace.modals(person)) for person in ("ann", "bo")] == [1, 1]


async def test_a_command_is_read_and_answered_to_one_person(workspace: Workspace, read: Read) -> None:
    outcome = await workspace.command(user="ann", channel=OPS, command="/operator", text="kill-switch wrong cluster")

    assert outcome.acked
    assert (read[0].verb, read[0].rest) == ("kill-switch", "wrong cluster")
    assert [one["text"] for one in workspace.ephemerals(OPS, user="ann")] == [help_answer().text]
    assert workspace.messages(OPS) == []


async def test_a_finished_card_replaces_the_open_one_and_has_nothing_to_press(workspace: Workspace) -> None:
    ts = await posted(workspace)
    done = card(a_card(status=ActionStatus.COMPLETED, outcome=SuccessOutcome.CONFIRMED))
    await web_client(workspace).chat_update(channel=OPS, ts=ts, **done.payload())
    (shown,) = workspace.messages(OPS)

    assert buttons(shown["blocks"]) == []
    assert "done and confirmed" in shown["text"]
