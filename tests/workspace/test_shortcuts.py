import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.payloads import MessageShortcut
from bot.workspace.app import App, Shortcut
from bot.workspace.errors import RefusedError
from bot.workspace.records import Channel
from bot.workspace.server import Workspace, running_workspace

from .doubles import Clock, Json, bolt_app, connected, modal, web_client

RECORDED: Final = Path(__file__).parents[1] / "data" / "slack" / "message_action_in_thread.json"
EXPLAIN: Final = Shortcut(name="What is this?", callback_id="message.explain")


@pytest.fixture
async def workspace(clock: Clock) -> AsyncIterator[Workspace]:
    async with running_workspace(clock=clock, ack_seconds=0.3, app=App(shortcuts=(EXPLAIN,))) as running:
        yield running


def explaining(workspace: Workspace, bodies: list[Json], *, deaf: Callable[[], bool] = lambda: False) -> AsyncApp:
    app = bolt_app(workspace)

    @app.message_shortcut("message.explain")
    async def explain(ack: AsyncAck, body: Json) -> None:
        bodies.append(body)
        if not deaf():
            await ack()

    return app


async def test_a_shortcut_is_sent_as_slack_was_recorded_to_send_it(workspace: Workspace) -> None:
    recorded = json.loads(RECORDED.read_text())
    question = workspace.say(user="bo", channel="ops", text="is n2 down?")
    reply = workspace.say(user="bo", channel="ops", text="did anybody restart it?", thread_ts=question.ts)
    bodies: list[Json] = []
    async with connected(workspace, explaining(workspace, bodies)):
        outcome = await workspace.shortcut(user="ann", callback_id="message.explain", channel="ops", ts=reply.ts)
    (body,) = bodies
    assert outcome.acked
    assert body.keys() == recorded.keys()
    for part in ("team", "user", "channel"):
        assert body[part].keys() == recorded[part].keys(), part
    assert (body["type"], body["callback_id"], body["message_ts"]) == ("message_action", "message.explain", reply.ts)
    assert body["user"] == {"id": "U0ANN", "username": "ann", "name": "ann", "team_id": "T0LOCAL"}
    assert body["channel"] == {"id": "C0OPS", "name": "ops"}
    assert float(body["action_ts"]) > float(reply.ts)
    assert {key: body["message"][key] for key in ("user", "text", "ts", "thread_ts")} == {
        "user": "U0BO",
        "text": "did anybody restart it?",
        "ts": reply.ts,
        "thread_ts": question.ts,
    }
    read = MessageShortcut.parse(body)
    assert (read.channel, read.message_ts, read.thread) == ("C0OPS", reply.ts, question.ts)


async def test_a_message_with_replies_says_so(workspace: Workspace) -> None:
    question = workspace.say(user="bo", channel="ops", text="is n2 down?")
    reply = workspace.say(user="ann", channel="ops", text="yes", thread_ts=question.ts)
    bodies: list[Json] = []
    async with connected(workspace, explaining(workspace, bodies)):
        await workspace.shortcut(user="ann", callback_id="message.explain", channel="ops", ts=question.ts)
    message = bodies[0]["message"]
    assert (message["thread_ts"], message["reply_count"], message["latest_reply"]) == (question.ts, 1, reply.ts)


async def test_any_message_has_shortcuts_in_every_conversation(workspace: Workspace, client: AsyncWebClient) -> None:
    own = await client.chat_postMessage(channel="C0OPS", text="by the app")
    direct = await client.chat_postMessage(channel="U0ANN", text="to ann alone")
    private = workspace.state.put_channel(Channel(id="G0WAR", name="war", kind="group", members=frozenset({"U0ANN"})))
    places = [
        ("C0OPS", "ops", str(own["ts"])),
        (str(direct["channel"]), "directmessage", str(direct["ts"])),
        ("C0ELSEWHERE", "elsewhere", workspace.say(user="bo", channel="elsewhere", text="no app here").ts),
        (private.id, "privategroup", workspace.say(user="ann", channel=private.id, text="no app here either").ts),
    ]
    bodies: list[Json] = []
    async with connected(workspace, explaining(workspace, bodies)):
        for channel, _, ts in places:
            assert (await workspace.shortcut(user="ann", callback_id="message.explain", channel=channel, ts=ts)).acked
    assert [(body["channel"]["id"], body["channel"]["name"], body["message"]["ts"]) for body in bodies] == places
    assert [MessageShortcut.parse(body).thread for body in bodies] == [None] * 4


async def test_every_choice_opens_a_modal_of_its_own(workspace: Workspace) -> None:
    app = bolt_app(workspace)
    triggers: list[str] = []

    @app.message_shortcut("message.explain")
    async def explain(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await ack()
        triggers.append(body["trigger_id"])
        await client.views_open(trigger_id=body["trigger_id"], view=modal())

    said = workspace.say(user="bo", channel="ops", text="?")
    async with connected(workspace, app):
        for user in ("ann", "bo", "ann"):
            await workspace.shortcut(user=user, callback_id="message.explain", channel="ops", ts=said.ts)
    assert len(set(triggers)) == 3
    assert [len(workspace.modals(user)) for user in ("ann", "bo")] == [1, 1]


async def test_the_answer_of_a_shortcut_can_be_for_one_person_alone(workspace: Workspace) -> None:
    bodies: list[Json] = []
    said = workspace.say(user="bo", channel="ops", text="?")
    async with connected(workspace, explaining(workspace, bodies)):
        await workspace.shortcut(user="ann", callback_id="message.explain", channel="ops", ts=said.ts)
    async with aiohttp.ClientSession() as session:
        await session.post(bodies[0]["response_url"], json={"text": "not one of mine", "response_type": "ephemeral"})
    assert [message["text"] for message in workspace.ephemerals("ops", user="ann")] == ["not one of mine"]
    assert workspace.ephemerals("ops", user="bo") == []


async def test_a_choice_that_nobody_acknowledges_is_told_beside_the_message(workspace: Workspace) -> None:
    bodies: list[Json] = []
    deaf = [True, False]
    said = workspace.say(user="bo", channel="ops", text="?")
    async with connected(workspace, explaining(workspace, bodies, deaf=lambda: deaf.pop(0))):
        outcome = await workspace.shortcut(user="ann", callback_id="message.explain", channel="ops", ts=said.ts)
        assert (outcome.acked, outcome.error) == (False, "operation_timeout")
        (failure,) = workspace.state.failures
        assert (failure.user_id, failure.message_ts, failure.action_id) == ("U0ANN", said.ts, None)
        assert failure.text == "Operation timed out. Apps need to respond within 3 seconds."
        assert (await workspace.shortcut(user="ann", callback_id="message.explain", channel="ops", ts=said.ts)).acked
    assert workspace.state.failures == []


@pytest.mark.parametrize(
    ("which", "error"),
    [
        ({"callback_id": "message.forget"}, "shortcut_not_found"),
        ({"ts": "1.0"}, "message_not_found"),
        ({"channel": "nowhere"}, "channel_not_found"),
        ({"user": "nobody"}, "user_not_found"),
        ({"user": "outsider"}, "not_in_channel"),
    ],
)
async def test_nobody_chooses_what_is_not_on_his_screen(workspace: Workspace, which: Json, error: str) -> None:
    outsider = workspace.state.change_user("guest", name="outsider")
    workspace.state.leave(workspace.state.channel("ops"), outsider.id)
    said = workspace.say(user="bo", channel="ops", text="?")
    chosen = {"user": "ann", "callback_id": "message.explain", "channel": "ops", "ts": said.ts}
    with pytest.raises(RefusedError) as refused:
        await workspace.shortcut(**(chosen | which))
    assert refused.value.code == error


async def test_what_only_one_person_sees_has_no_shortcuts(workspace: Workspace) -> None:
    posted = await web_client(workspace).chat_postEphemeral(channel="C0OPS", user="U0ANN", text="psst")
    with pytest.raises(RefusedError) as refused:
        await workspace.shortcut(user="ann", callback_id="message.explain", channel="ops", ts=str(posted["message_ts"]))
    assert refused.value.code == "shortcut_not_found"


async def test_a_shortcut_is_chosen_over_the_control_api(workspace: Workspace) -> None:
    said = workspace.say(user="bo", channel="ops", text="?")
    bodies: list[Json] = []
    async with connected(workspace, explaining(workspace, bodies)), aiohttp.ClientSession() as session:
        chosen = {"user": "bo", "callback_id": "message.explain", "channel": "ops", "ts": said.ts}
        async with session.post(f"{workspace.page_url}control/shortcut", json=chosen) as answer:
            outcome = await answer.json()
    assert (outcome["ok"], outcome["acked"]) == (True, True)
    assert [(body["user"]["id"], body["message"]["text"]) for body in bodies] == [("U0BO", "?")]
