import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from actions.ports import OutboxKind
from bot.demo.bot_process import BotProcess
from bot.demo.cards import cards
from bot.demo.cluster import DemoCluster
from bot.demo.config import APP
from bot.demo.progress import Progress
from bot.demo.round import Round, RoundFailedError
from bot.demo.stage import Stage
from bot.ids import Button
from bot.views import blocks
from bot.views.message import Message, metadata
from bot.views.parameters import render_parameters
from bot.workspace.server import Workspace, running_workspace
from tests.workspace.doubles import bolt_app, connected


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with running_workspace(app=APP, ack_seconds=0.2) as running:
        yield running


def a_round(workspace: Workspace, directory: Path) -> Round:
    stage = Stage(
        cluster=DemoCluster(),
        workspace=workspace,
        bot=BotProcess(directory, {}),
        directory=directory,
        environment={},
    )
    return Round(stage, Progress(io.StringIO(), lambda: 0.0))


def answering(workspace: Workspace, text: str) -> AsyncApp:
    app = bolt_app(workspace)

    @app.command("/operator")
    async def operator(ack: AsyncAck) -> None:
        await ack(text)

    return app


async def post_card(workspace: Workspace, *, shown: Mapping[str, Any]) -> None:
    value = blocks.button(Button.APPROVE.value, "Approve", says="Approve action 7", value="v")
    action = blocks.rich_text(blocks.section(blocks.text("supervisor.start_process", code=True)))
    message = Message(
        text="a card",
        blocks=(
            blocks.header("Critical · Action 7: needs approval"),
            action,
            *render_parameters(shown),
            blocks.actions(value),
        ),
        metadata=metadata(OutboxKind.CARD, "7"),
    )
    client = AsyncWebClient(token=workspace.bot_token, base_url=workspace.base_url)
    await client.chat_postMessage(channel="C0OPS", **message.payload())


async def test_a_bot_that_is_not_there_fails_the_round(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(RoundFailedError, match="expected: /operator status is acknowledged\nseen:     dispatch_failed"):
        await a_round(workspace, tmp_path).switch_to_execute()


async def test_a_bot_that_does_not_begin_in_observe_mode_fails_the_round(workspace: Workspace, tmp_path: Path) -> None:
    async with connected(workspace, answering(workspace, "execute for everything")):
        with pytest.raises(RoundFailedError, match="seen:     execute for everything"):
            await a_round(workspace, tmp_path).switch_to_execute()


async def test_a_card_names_what_would_run_only_if_it_shows_every_parameter(workspace: Workspace) -> None:
    wanted = {"name": "etcd-n2"}
    await post_card(workspace, shown=wanted)
    await post_card(workspace, shown={"name": "etcd-n1"})
    await post_card(workspace, shown={"name": "etcd-n2", "force": True})
    right, other, more = cards(workspace, "ops")
    assert (right.number, right.headline, right.can_be_approved) == (7, "Critical · Action 7: needs approval", True)
    assert right.names("supervisor.start_process", wanted)
    assert not right.names("supervisor.stop_process", wanted)
    assert not other.names("supervisor.start_process", wanted)
    assert not more.names("supervisor.start_process", wanted)
