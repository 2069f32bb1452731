import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.app import App, app_from_manifest
from bot.workspace.records import Channel
from bot.workspace.server import Workspace, running_workspace
from bot.workspace.web_api import METHODS

from .doubles import Clock, Json, button, buttons, code, modal, mrkdwn, plain, web_client


async def test_the_client_learns_who_it_is(workspace: Workspace, client: AsyncWebClient) -> None:
    said = await client.auth_test()
    assert (said["team_id"], said["user_id"], said["bot_id"]) == ("T0LOCAL", "U0BOT", "B0LOCAL")
    assert said["url"] == workspace.page_url


async def test_a_posted_message_is_read_back_with_ids_filled_in(client: AsyncWebClient) -> None:
    nameless = {"type": "button", "text": plain("Go")}
    posted = await client.chat_postMessage(
        channel="#ops",
        text="hello",
        blocks=[{"type": "actions", "elements": [nameless]}],
        metadata={"event_type": "recommendation", "event_payload": {"id": 42}},
    )
    (read,) = (await client.conversations_history(channel="C0OPS", include_all_metadata=True))["messages"]
    assert read["ts"] == posted["ts"]
    assert read["metadata"]["event_payload"] == {"id": 42}
    (block,) = read["blocks"]
    assert block["block_id"]
    assert block["elements"][0]["action_id"]
    (without,) = (await client.conversations_history(channel="C0OPS"))["messages"]
    assert "metadata" not in without


async def test_an_update_takes_away_blocks_that_are_not_sent_again_and_keeps_metadata(client: AsyncWebClient) -> None:
    metadata = {"event_type": "x", "event_payload": {"id": 1}}
    posted = await client.chat_postMessage(channel="C0OPS", text="a", blocks=[buttons()], metadata=metadata)
    updated = await client.chat_update(channel="C0OPS", ts=posted["ts"], text="b")
    assert "blocks" not in updated["message"]
    assert updated["message"]["metadata"] == metadata
    assert updated["message"]["edited"]["user"] == "U0BOT"
    emptied = await client.chat_update(channel="C0OPS", ts=posted["ts"], text="b", metadata={})
    assert "metadata" not in emptied["message"]


async def test_history_pages_backwards_and_respects_bounds(client: AsyncWebClient) -> None:
    sent = [str((await client.chat_postMessage(channel="C0OPS", text=str(number)))["ts"]) for number in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while cursor != "":
        page = await client.conversations_history(channel="C0OPS", limit=2, cursor=cursor)
        seen += [message["ts"] for message in page["messages"]]
        assert page["has_more"] is bool(page["response_metadata"]["next_cursor"])
        cursor = page["response_metadata"]["next_cursor"]
    assert seen == sent[::-1]
    between = await client.conversations_history(channel="C0OPS", oldest=sent[1], latest=sent[3])
    assert [message["ts"] for message in between["messages"]] == [sent[2]]
    including = await client.conversations_history(channel="C0OPS", oldest=sent[1], latest=sent[3], inclusive=True)
    assert [message["ts"] for message in including["messages"]] == sent[3:0:-1]


async def test_replies_stay_in_their_thread(client: AsyncWebClient) -> None:
    first = await client.chat_postMessage(channel="C0OPS", text="question")
    await client.chat_postMessage(channel="C0OPS", text="answer", thread_ts=first["ts"])
    await client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="psst", thread_ts=first["ts"])
    (shown,) = (await client.conversations_history(channel="C0OPS"))["messages"]
    assert shown["reply_count"] == 1
    thread = await client.conversations_replies(channel="C0OPS", ts=first["ts"])
    assert [message["text"] for message in thread["messages"]] == ["question", "answer"]


async def test_an_ephemeral_message_is_seen_by_one_and_kept_from_history(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    posted = await client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="psst")
    assert [message["text"] for message in workspace.ephemerals("ops", user="ann")] == ["psst"]
    assert workspace.messages("ops", seen_by="bo") == []
    assert (await client.conversations_history(channel="C0OPS"))["messages"] == []
    with pytest.raises(SlackApiError) as refused:
        await client.chat_update(channel="C0OPS", ts=posted["message_ts"], text="changed")
    assert code(refused.value) == "message_not_found"


async def test_the_same_call_works_as_form_as_json_and_as_query(workspace: Workspace) -> None:
    url = f"{workspace.base_url}chat.postMessage"
    bearer = {"Authorization": f"Bearer {workspace.bot_token}"}
    blocks = '[{"type":"divider"}]'
    async with aiohttp.ClientSession() as session:
        as_form = {"token": workspace.bot_token, "channel": "C0OPS", "text": "form", "blocks": blocks}
        answers = [
            await (await session.post(url, data=as_form)).json(),
            await (await session.post(url, json={"channel": "C0OPS", "text": "json"}, headers=bearer)).json(),
            await (await session.get(url, params={"channel": "C0OPS", "text": "query"}, headers=bearer)).json(),
        ]
    assert [answer["ok"] for answer in answers] == [True, True, True]
    assert [message["text"] for message in workspace.messages("ops")] == ["form", "json", "query"]


async def test_the_blocking_client_works_too(workspace: Workspace) -> None:
    client = WebClient(token=workspace.bot_token, base_url=workspace.base_url)
    await asyncio.to_thread(client.chat_postMessage, channel="C0OPS", text="hi", blocks=[buttons()])
    history = await asyncio.to_thread(client.conversations_history, channel="C0OPS")
    assert history["messages"][0]["text"] == "hi"


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "C0ELSEWHERE", "text": "x"}, "not_in_channel"),
        ("chat.postMessage", {"channel": "C0OPS"}, "no_text"),
        ("chat.postMessage", {"channel": "C0OPS", "text": "x" * 40_001}, "msg_too_long"),
        ("chat.postMessage", {"channel": "C0OPS", "blocks": "[{"}, "invalid_blocks_format"),
        ("chat.postMessage", {"channel": "C0OPS", "blocks": [{"type": "blink"}]}, "invalid_blocks"),
        (
            "chat.postMessage",
            {"channel": "C0OPS", "blocks": [{"type": "section", "text": mrkdwn("x" * 2700)}] * 5},
            "msg_blocks_too_long",
        ),
        ("chat.postMessage", {"channel": "C0OPS", "text": "x", "thread_ts": "1.0"}, "thread_not_found"),
        ("chat.postMessage", {"channel": "C0OPS", "text": "x", "metadata": "{"}, "invalid_metadata_format"),
        ("chat.postMessage", {"channel": "U0BOT", "text": "x"}, "cannot_dm_bot"),
        ("chat.postEphemeral", {"channel": "C0OPS", "user": "U0NOBODY", "text": "x"}, "user_not_found"),
        ("chat.update", {"channel": "C0OPS", "ts": "1.0", "text": "x"}, "message_not_found"),
        ("chat.delete", {"channel": "C0OPS", "ts": "1.0"}, "message_not_found"),
        ("chat.getPermalink", {"channel": "C0OPS", "message_ts": "1.0"}, "message_not_found"),
        ("conversations.history", {"channel": "C0ELSEWHERE"}, "not_in_channel"),
        ("conversations.history", {"channel": "C0OPS", "limit": "5000"}, "invalid_limit"),
        ("conversations.history", {"channel": "C0OPS", "cursor": "later"}, "invalid_cursor"),
        ("conversations.replies", {"channel": "C0OPS", "ts": "1.0"}, "thread_not_found"),
        ("conversations.list", {"types": "public_channel,secret"}, "invalid_types"),
        ("conversations.open", {"users": "U0GONE"}, "user_disabled"),
        ("conversations.open", {}, "users_list_not_supplied"),
        ("users.info", {"user": "ann"}, "user_not_found"),
        ("usergroups.users.list", {"usergroup": "S0"}, "no_such_subteam"),
        ("views.open", {"trigger_id": "1.2.3", "view": modal()}, "invalid_trigger_id"),
        ("views.open", {"trigger_id": "1.2.3", "view": {"type": "modal"}}, "invalid_arguments"),
        ("views.update", {"view_id": "V1", "view": modal()}, "not_found"),
        ("views.publish", {"user_id": "U0ANN", "view": modal()}, "invalid_arguments"),
        ("reactions.add", {"channel": "C0OPS", "timestamp": "1.0", "name": "eyes"}, "message_not_found"),
        ("files.completeUploadExternal", {"files": [{"id": "F1"}]}, "file_not_found"),
        ("api.test", {"error": "on_request"}, "on_request"),
        ("chat.shout", {}, "unknown_method"),
        ("apps.connections.open", {}, "not_allowed_token_type"),
    ],
)
async def test_a_call_is_refused_with_slacks_code(
    client: AsyncWebClient, method: str, arguments: dict[str, Any], error: str
) -> None:
    with pytest.raises(SlackApiError) as refused:
        await client.api_call(method, json=arguments)
    assert code(refused.value) == error


async def test_refused_blocks_are_explained(client: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel="C0OPS", text="x", blocks=[{"type": "header", "text": plain("x" * 151)}])
    expected = "must be less than 151 characters [json-pointer:/blocks/0/text/text]"
    assert refused.value.response["errors"] == [expected]
    assert refused.value.response["response_metadata"]["messages"] == [f"[ERROR] {expected}"]


async def test_a_long_text_may_be_posted_but_not_put_into_an_update(client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C0OPS", text="x" * 4001)
    with pytest.raises(SlackApiError) as refused:
        await client.chat_update(channel="C0OPS", ts=posted["ts"], text="x" * 4001)
    assert code(refused.value) == "msg_too_long"


@pytest.mark.parametrize(
    ("token", "error"), [(None, "not_authed"), ("xoxb-guessed", "invalid_auth"), ("app", "not_allowed_token_type")]
)
async def test_a_wrong_token_is_refused(workspace: Workspace, token: str | None, error: str) -> None:
    client = AsyncWebClient(token=workspace.app_token if token == "app" else token, base_url=workspace.base_url)
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel="C0OPS", text="x")
    assert code(refused.value) == error
    assert workspace.messages("ops") == []


async def test_other_peoples_messages_are_left_alone(workspace: Workspace, client: AsyncWebClient) -> None:
    said = workspace.say(user="ann", channel="ops", text="mine")
    for method, error in (("chat.update", "cant_update_message"), ("chat.delete", "cant_delete_message")):
        with pytest.raises(SlackApiError) as refused:
            await client.api_call(method, json={"channel": "C0OPS", "ts": said.ts, "text": "yours"})
        assert code(refused.value) == error
    assert [message["text"] for message in workspace.messages("ops")] == ["mine"]


async def test_an_own_message_can_be_deleted(workspace: Workspace, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C0OPS", text="x")
    await client.chat_delete(channel="C0OPS", ts=posted["ts"])
    assert workspace.messages("ops") == []


async def test_a_public_channel_can_be_joined_and_then_posted_to(client: AsyncWebClient) -> None:
    assert (await client.conversations_info(channel="C0ELSEWHERE"))["channel"]["is_member"] is False
    await client.conversations_join(channel="C0ELSEWHERE")
    await client.chat_postMessage(channel="C0ELSEWHERE", text="hello")
    assert "U0BOT" in (await client.conversations_members(channel="C0ELSEWHERE"))["members"]
    assert (await client.conversations_join(channel="C0ELSEWHERE"))["warning"] == "already_in_channel"


async def test_an_archived_channel_takes_nothing(workspace: Workspace, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C0OPS", text="x")
    ops = workspace.state.channel("ops")
    workspace.state.put_channel(Channel(id=ops.id, name=ops.name, members=ops.members, archived=True))
    for method in ("chat.postMessage", "chat.postEphemeral", "chat.update", "conversations.join"):
        arguments = {"channel": "C0OPS", "text": "y", "user": "U0ANN", "ts": posted["ts"]}
        with pytest.raises(SlackApiError) as refused:
            await client.api_call(method, json=arguments)
        assert code(refused.value) == "is_archived"


async def test_a_private_channel_without_the_app_does_not_exist_for_it(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    workspace.state.put_channel(Channel(id="G0SECRET", name="secret", kind="group", members=frozenset({"U0ANN"})))
    with pytest.raises(SlackApiError) as refused:
        await client.conversations_info(channel="G0SECRET")
    assert code(refused.value) == "channel_not_found"
    listed = await client.conversations_list(types="public_channel,private_channel")
    assert [channel["name"] for channel in listed["channels"]] == ["ops", "incident-42", "elsewhere"]


async def test_a_person_can_be_written_to_directly(workspace: Workspace, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="U0ANN", text="hello")
    opened = await client.conversations_open(users="U0ANN")
    assert posted["channel"] == opened["channel"]["id"]
    assert [message["text"] for message in workspace.messages(posted["channel"])] == ["hello"]


async def test_users_show_what_an_approver_check_needs(client: AsyncWebClient) -> None:
    users = {
        user: (await client.users_info(user=user))["user"] for user in ("U0ANN", "U0GUEST", "U0GONE", "U0STRANGER")
    }
    assert users["U0ANN"]["is_restricted"] is False
    assert users["U0GUEST"]["is_restricted"] is True
    assert users["U0GONE"]["deleted"] is True
    assert "is_restricted" not in users["U0GONE"]
    assert (users["U0STRANGER"]["team_id"], users["U0STRANGER"]["is_stranger"]) == ("T0OTHER", True)
    listed = await client.users_list(limit=4)
    rest = await client.users_list(cursor=listed["response_metadata"]["next_cursor"])
    assert len(listed["members"]) + len(rest["members"]) == 6


async def test_a_user_group_lists_its_people(client: AsyncWebClient) -> None:
    (group,) = (await client.usergroups_list(include_users=True))["usergroups"]
    members = await client.usergroups_users_list(usergroup=group["id"])
    assert members["users"] == group["users"] == ["U0ANN", "U0BO"]


async def test_reactions_gather_under_a_message(workspace: Workspace, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C0OPS", text="x")
    await client.reactions_add(channel="C0OPS", timestamp=posted["ts"], name="eyes")
    assert workspace.messages("ops")[0]["reactions"] == [{"name": "eyes", "users": ["U0BOT"], "count": 1}]
    with pytest.raises(SlackApiError) as refused:
        await client.reactions_add(channel="C0OPS", timestamp=posted["ts"], name="eyes")
    assert code(refused.value) == "already_reacted"


async def test_a_file_is_uploaded_and_shared(workspace: Workspace, client: AsyncWebClient) -> None:
    await client.files_upload_v2(channel="C0OPS", filename="audit.txt", content="all of it", initial_comment="Here")
    (message,) = workspace.messages("ops")
    (file,) = message["files"]
    assert (message["text"], file["name"], file["size"]) == ("Here", "audit.txt", 9)
    async with aiohttp.ClientSession() as session, session.get(file["url_private"]) as answer:
        assert await answer.read() == b"all of it"
        assert answer.headers["Content-Disposition"] == "attachment"


async def test_a_permalink_leads_to_the_message(workspace: Workspace, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel="C0OPS", text="x")
    permalink = (await client.chat_getPermalink(channel="C0OPS", message_ts=posted["ts"]))["permalink"]
    assert permalink == f"{workspace.page_url}archives/C0OPS/p{str(posted['ts']).replace('.', '')}"


async def test_a_scope_that_was_not_granted_is_missed(clock: Clock) -> None:
    async with running_workspace(clock=clock, app=App(scopes=frozenset({"chat:write"}))) as workspace:
        client = web_client(workspace)
        await client.chat_postMessage(channel="C0OPS", text="x")
        with pytest.raises(SlackApiError) as refused:
            await client.users_info(user="U0ANN")
        assert code(refused.value) == "missing_scope"
        assert refused.value.response["needed"] == "users:read"
        with pytest.raises(SlackApiError) as unread:
            await client.conversations_history(channel="C0OPS")
        assert unread.value.response["needed"] == "channels:history"


async def test_with_the_public_scope_the_app_posts_where_it_is_not(clock: Clock) -> None:
    app = App(scopes=frozenset({"chat:write", "chat:write.public"}))
    async with running_workspace(clock=clock, app=app) as workspace:
        await web_client(workspace).chat_postMessage(channel="C0ELSEWHERE", text="x")
        assert [message["text"] for message in workspace.messages("elsewhere")] == ["x"]


async def test_a_manifest_decides_what_the_app_may_do(clock: Clock) -> None:
    manifest: Json = {
        "display_information": {"name": "Repairs"},
        "features": {
            "app_home": {"home_tab_enabled": True},
            "slash_commands": [{"command": "/fix", "description": "Fix it", "usage_hint": "[what]"}],
            "shortcuts": [{"name": "Explain", "type": "message", "callback_id": "explain"}],
        },
        "oauth_config": {"scopes": {"bot": ["chat:write", "commands"]}},
        "settings": {"event_subscriptions": {"bot_events": ["app_home_opened"]}},
    }
    app = app_from_manifest(manifest)
    assert (app.name, app.scopes, app.home_tab) == ("Repairs", frozenset({"chat:write", "commands"}), True)
    assert [command.name for command in app.commands] == ["/fix"]
    async with running_workspace(clock=clock, app=app) as workspace:
        said = await web_client(workspace).auth_test()
        assert said["user"] == "repairs"


async def test_every_call_is_remembered_without_its_token(workspace: Workspace, client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel="C0OPS", text="x")
    method, arguments = workspace.calls[-1]
    assert (method, arguments["text"]) == ("chat.postMessage", "x")
    assert workspace.bot_token not in str(workspace.calls)


async def test_timestamps_never_repeat_though_the_clock_stands_still(client: AsyncWebClient) -> None:
    sent = [str((await client.chat_postMessage(channel="C0OPS", text="x"))["ts"]) for _ in range(3)]
    assert sent == ["1790000000.000000", "1790000000.000001", "1790000000.000002"]


async def test_buttons_survive_a_round_trip_unchanged(workspace: Workspace, client: AsyncWebClient) -> None:
    block = buttons(button("approve", style="primary", accessibility_label="Approve it"))
    await client.chat_postMessage(channel="C0OPS", text="x", blocks=[block])
    assert workspace.messages("ops")[0]["blocks"] == [block]


def test_the_methods_that_an_approval_bot_calls_are_there() -> None:
    assert METHODS.keys() >= {
        "api.test",
        "apps.connections.open",
        "auth.test",
        "chat.delete",
        "chat.getPermalink",
        "chat.postEphemeral",
        "chat.postMessage",
        "chat.update",
        "conversations.history",
        "conversations.info",
        "conversations.join",
        "conversations.list",
        "conversations.members",
        "conversations.open",
        "conversations.replies",
        "files.completeUploadExternal",
        "files.getUploadURLExternal",
        "reactions.add",
        "team.info",
        "usergroups.list",
        "usergroups.users.list",
        "users.info",
        "users.list",
        "views.open",
        "views.publish",
        "views.push",
        "views.update",
    }
