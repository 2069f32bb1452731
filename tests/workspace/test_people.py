from typing import Any

import pytest
from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.app import App, Command, Shortcut
from bot.workspace.errors import RefusedError
from bot.workspace.server import Workspace, running_workspace

from .doubles import (
    Clock,
    Json,
    bolt_app,
    button,
    buttons,
    code,
    connected,
    modal,
    mrkdwn,
    plain,
    text_input,
    web_client,
)


async def posted_button(client: AsyncWebClient, *elements: Json) -> str:
    said = await client.chat_postMessage(channel="C0OPS", text="42", blocks=[buttons(*elements)])
    return str(said["ts"])


async def test_a_click_reaches_the_app_with_all_that_slack_sends(workspace: Workspace, client: AsyncWebClient) -> None:
    bodies: list[Json] = []
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck, body: Json) -> None:
        bodies.append(body)
        await ack()
        await client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text="done")

    async with connected(workspace, app):
        ts = await posted_button(client)
        outcome = await workspace.click(user="ann", channel="ops", ts=ts, action_id="go")
    assert outcome.acked
    assert outcome.error is None
    assert [message["text"] for message in workspace.messages("ops")] == ["done"]
    (body,) = bodies
    assert body["type"] == "block_actions"
    assert body["user"] == {"id": "U0ANN", "username": "ann", "name": "ann", "team_id": "T0LOCAL"}
    assert body["team"]["id"] == "T0LOCAL"
    assert body["api_app_id"] == "A0LOCAL"
    assert body["container"] == {"type": "message", "message_ts": ts, "channel_id": "C0OPS", "is_ephemeral": False}
    assert body["channel"] == {"id": "C0OPS", "name": "ops"}
    (action,) = body["actions"]
    assert (action["action_id"], action["block_id"], action["value"]) == ("go", "decide", "42")
    assert float(action["action_ts"]) > float(ts)
    assert body["response_url"].startswith(workspace.page_url)


async def test_a_stranger_acts_under_the_id_of_his_own_team(workspace: Workspace, client: AsyncWebClient) -> None:
    teams: list[tuple[str, str]] = []
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck, body: Json) -> None:
        teams.append((body["user"]["team_id"], body["team"]["id"]))
        await ack()

    async with connected(workspace, app):
        await workspace.click(user="stranger", channel="ops", ts=await posted_button(client), action_id="go")
    assert teams == [("T0OTHER", "T0LOCAL")]


@pytest.mark.parametrize(
    ("which", "error"),
    [
        ({"user": "nobody"}, "user_not_found"),
        ({"channel": "nowhere"}, "channel_not_found"),
        ({"channel": "elsewhere"}, "message_not_found"),
        ({"ts": "1.0"}, "message_not_found"),
        ({"action_id": "stop"}, "element_not_found"),
        ({"action_id": None}, "element_ambiguous"),
    ],
)
async def test_nobody_clicks_what_is_not_on_his_screen(
    workspace: Workspace, client: AsyncWebClient, which: Json, error: str
) -> None:
    ts = await posted_button(client, button("go"), button("more"))
    with pytest.raises(RefusedError) as refused:
        await workspace.click(**({"user": "ann", "channel": "ops", "ts": ts, "action_id": "go"} | which))
    assert refused.value.code == error


async def test_a_press_counts_if_the_message_was_drawn_anew_with_the_same_button(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    blocks: list[str] = []
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck, body: Json) -> None:
        blocks.append(body["actions"][0]["block_id"])
        await ack()

    async with connected(workspace, app):
        ts = await posted_button(client)
        (before,) = workspace.messages("ops")[-1]["blocks"]
        await client.chat_update(channel="C0OPS", ts=ts, text="again", blocks=[buttons(button("go"), block_id="anew")])
        (now,) = workspace.messages("ops")[-1]["blocks"]
        await workspace.click(user="ann", channel="ops", ts=ts, action_id="go", block_id=before["block_id"])

    assert (before["block_id"], now["block_id"]) == ("decide", "anew")
    assert blocks == ["anew"]


async def test_a_person_outside_the_channel_cannot_click_in_it(workspace: Workspace, client: AsyncWebClient) -> None:
    ts = await posted_button(client)
    workspace.state.leave(workspace.state.channel("ops"), "U0ANN")
    with pytest.raises(RefusedError) as refused:
        await workspace.click(user="ann", channel="ops", ts=ts, action_id="go")
    assert refused.value.code == "not_in_channel"


async def test_a_message_can_be_clicked_as_it_was_seen_before_it_changed(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    values: list[str] = []
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck, body: Json) -> None:
        values.append(body["actions"][0]["value"])
        await ack()

    ts = await posted_button(client)
    seen = workspace.state.message("C0OPS", ts, seen_by="U0ANN")
    await client.chat_update(channel="C0OPS", ts=ts, text="decided", blocks=[])
    async with connected(workspace, app):
        outcome = await workspace.click(user="ann", channel="ops", ts=ts, action_id="go", seen=seen)
    assert outcome.acked
    assert values == ["42"]


async def test_the_text_of_a_commands_ack_is_seen_by_its_user_alone(workspace: Workspace) -> None:
    bodies: list[Json] = []
    app = bolt_app(workspace)

    @app.command("/operator")
    async def operator(ack: AsyncAck, body: Json) -> None:
        bodies.append(body)
        await ack("observing")

    async with connected(workspace, app):
        outcome = await workspace.command(user="bo", channel="#ops", command="/operator", text="status")
    assert outcome.acked
    assert [message["text"] for message in workspace.ephemerals("ops", user="bo")] == ["observing"]
    assert workspace.messages("ops") == []
    assert (bodies[0]["command"], bodies[0]["text"], bodies[0]["user_id"]) == ("/operator", "status", "U0BO")
    assert (bodies[0]["channel_name"], bodies[0]["team_id"]) == ("ops", "T0LOCAL")


async def test_an_ack_may_speak_to_the_whole_channel(workspace: Workspace) -> None:
    app = bolt_app(workspace)

    @app.command("/operator")
    async def operator(ack: AsyncAck) -> None:
        await ack(response_type="in_channel", text="killed", blocks=[{"type": "divider"}])

    async with connected(workspace, app):
        await workspace.command(user="bo", channel="ops", command="/operator")
    assert [message["text"] for message in workspace.messages("ops")] == ["killed"]


async def test_an_ack_that_slack_would_not_show_fails_before_the_users_eyes(workspace: Workspace) -> None:
    app = bolt_app(workspace)

    @app.command("/operator")
    async def operator(ack: AsyncAck) -> None:
        await ack(text="x", blocks=[{"type": "header", "text": plain("x" * 151)}])

    async with connected(workspace, app):
        outcome = await workspace.command(user="bo", channel="ops", command="/operator")
    assert outcome.error == "invalid_blocks"
    assert workspace.ephemerals("ops", user="bo") == []
    (failure,) = workspace.state.failures
    assert failure.text == '/operator failed with the error "invalid_blocks".'


async def test_a_command_that_the_app_does_not_have_is_refused(clock: Clock) -> None:
    async with running_workspace(clock=clock, app=App(commands=(Command(name="/operator"),))) as workspace:
        with pytest.raises(RefusedError) as refused:
            await workspace.command(user="ann", channel="ops", command="/opreator")
    assert refused.value.code == "invalid_command"


async def test_without_a_connection_the_user_is_told_at_once(workspace: Workspace, client: AsyncWebClient) -> None:
    ts = await posted_button(client)
    outcome = await workspace.click(user="ann", channel="ops", ts=ts, action_id="go")
    assert (outcome.acked, outcome.error) == (False, "dispatch_failed")
    (failure,) = workspace.state.failures
    assert (failure.user_id, failure.message_ts, failure.action_id) == ("U0ANN", ts, "go")


async def test_without_an_ack_a_warning_stands_beside_the_button_until_a_click_succeeds(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    app = bolt_app(workspace)
    deaf = True

    @app.action("go")
    async def go(ack: AsyncAck) -> None:
        if not deaf:
            await ack()

    ts = await posted_button(client)
    async with connected(workspace, app):
        outcome = await workspace.click(user="ann", channel="ops", ts=ts, action_id="go")
        assert (outcome.acked, outcome.error) == (False, "operation_timeout")
        assert outcome.ms >= 290
        assert [failure.text for failure in workspace.state.failures] == [
            "Operation timed out. Apps need to respond within 3 seconds."
        ]
        deaf = False
        assert (await workspace.click(user="ann", channel="ops", ts=ts, action_id="go")).acked
    assert workspace.state.failures == []


async def test_a_modal_is_opened_filled_in_and_submitted(workspace: Workspace) -> None:
    entered: list[Json] = []
    app = bolt_app(workspace)

    @app.command("/operator")
    async def operator(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=modal(private_metadata="42"))

    @app.view("why")
    async def why(ack: AsyncAck, view: Json, body: Json) -> None:
        entered.append(view)
        assert body["user"]["id"] == "U0ANN"
        await ack()

    async with connected(workspace, app):
        await workspace.command(user="ann", channel="ops", command="/operator")
        (view,) = workspace.modals("ann")
        missing = await workspace.submit(user="ann", view_id=view["id"])
        assert missing.errors == {"reason": "Please complete this required field."}
        assert entered == []
        done = await workspace.submit(user="ann", view_id=view["id"], values={"reason": {"text": "too risky"}})
    assert done.acked
    assert done.errors == {}
    assert workspace.modals("ann") == []
    assert entered[0]["state"]["values"]["reason"]["text"] == {"type": "plain_text_input", "value": "too risky"}
    assert entered[0]["private_metadata"] == "42"


@pytest.mark.parametrize(
    ("answer", "titles", "errors"),
    [
        ({"response_action": "errors", "errors": {"reason": "Be kinder."}}, ["Why?"], {"reason": "Be kinder."}),
        ({"response_action": "update", "view": modal(title=plain("Sure?"))}, ["Sure?"], {}),
        ({"response_action": "push", "view": modal(title=plain("More"))}, ["Why?", "More"], {}),
        ({"response_action": "clear"}, [], {}),
    ],
)
async def test_a_submission_is_answered_in_its_ack(
    workspace: Workspace, answer: Json, titles: list[str], errors: Json
) -> None:
    app = bolt_app(workspace)

    @app.view("why")
    async def why(ack: AsyncAck) -> None:
        await ack(**answer)

    opened = workspace.state.views.open("U0ANN", modal())
    async with connected(workspace, app):
        outcome = await workspace.submit(user="ann", view_id=opened.id, values={"reason": {"text": "x"}})
    assert outcome.acked
    assert outcome.errors == errors
    assert [view["title"]["text"] for view in workspace.modals("ann")] == titles


@pytest.mark.parametrize(
    "answer",
    [
        {"response_action": "errors", "errors": {"nothing": "No such block."}},
        {"response_action": "errors", "errors": {"note": "A block that nobody fills in."}},
        {"response_action": "errors", "errors": {"reason": ""}},
        {"response_action": "errors", "errors": {"reason": ["Too", "long"]}},
        {"response_action": "close"},
        {"response_action": "update", "view": {"type": "modal", "title": plain("x" * 25), "blocks": []}},
    ],
)
async def test_an_answer_that_slack_would_not_show_leaves_the_modal_open(workspace: Workspace, answer: Json) -> None:
    app = bolt_app(workspace)

    @app.view("why")
    async def why(ack: AsyncAck) -> None:
        await ack(**answer)

    note = {"type": "section", "block_id": "note", "text": plain("Think twice.")}
    opened = workspace.state.views.open("U0ANN", modal(note, text_input()))
    async with connected(workspace, app):
        outcome = await workspace.submit(user="ann", view_id=opened.id, values={"reason": {"text": "x"}})
    assert outcome.error is not None
    assert len(workspace.modals("ann")) == 1
    assert workspace.state.failures[0].text == "We had some trouble connecting. Try again?"


async def test_a_trigger_opens_one_view_within_three_seconds(
    workspace: Workspace, client: AsyncWebClient, clock: Clock
) -> None:
    used = workspace.state.triggers.issue("U0ANN")
    late = workspace.state.triggers.issue("U0ANN")
    await client.views_open(trigger_id=used, view=modal())
    with pytest.raises(SlackApiError) as again:
        await client.views_open(trigger_id=used, view=modal())
    clock.now += 3.1
    with pytest.raises(SlackApiError) as expired:
        await client.views_open(trigger_id=late, view=modal())
    assert (code(again.value), code(expired.value)) == ("exchanged_trigger_id", "expired_trigger_id")


async def test_three_views_stack_and_no_more(workspace: Workspace, client: AsyncWebClient) -> None:
    def trigger() -> str:
        return workspace.state.triggers.issue("U0ANN", view_id=workspace.modals("ann")[-1]["id"])

    await client.views_open(trigger_id=workspace.state.triggers.issue("U0ANN"), view=modal())
    for _ in range(2):
        await client.views_push(trigger_id=trigger(), view=modal())
    with pytest.raises(SlackApiError) as refused:
        await client.views_push(trigger_id=trigger(), view=modal())
    assert code(refused.value) == "push_limit_reached"
    first, second, third = workspace.modals("ann")
    assert (third["previous_view_id"], third["root_view_id"]) == (second["id"], first["id"])


async def test_a_view_is_pushed_from_within_an_open_modal_only(workspace: Workspace, client: AsyncWebClient) -> None:
    view = workspace.state.views.open("U0ANN", modal())
    closed = workspace.state.triggers.issue("U0ANN", view_id="V000000000")
    for trigger in (workspace.state.triggers.issue("U0ANN"), closed):
        with pytest.raises(SlackApiError) as refused:
            await client.views_push(trigger_id=trigger, view=modal())
        assert code(refused.value) == "not_found"
    await client.views_push(trigger_id=workspace.state.triggers.issue("U0ANN", view_id=view.id), view=modal())
    assert len(workspace.modals("ann")) == 2


async def test_two_open_views_never_have_the_same_external_id(workspace: Workspace, client: AsyncWebClient) -> None:
    opened = await client.views_open(
        trigger_id=workspace.state.triggers.issue("U0ANN"), view=modal(external_id="edit-42")
    )
    with pytest.raises(SlackApiError) as refused:
        await client.views_open(trigger_id=workspace.state.triggers.issue("U0BO"), view=modal(external_id="edit-42"))
    assert code(refused.value) == "duplicate_external_id"
    await client.views_update(external_id="edit-42", view=modal(external_id="edit-42", title=plain("Again")))
    assert [view["title"]["text"] for view in workspace.modals("ann")] == ["Again"]
    assert isinstance(opened["view"], dict)


async def test_an_open_view_is_updated_unless_somebody_was_faster(workspace: Workspace, client: AsyncWebClient) -> None:
    opened = (await client.views_open(trigger_id=workspace.state.triggers.issue("U0ANN"), view=modal()))["view"]
    assert isinstance(opened, dict)
    await client.views_update(view_id=opened["id"], hash=opened["hash"], view=modal(title=plain("New")))
    with pytest.raises(SlackApiError) as refused:
        await client.views_update(view_id=opened["id"], hash=opened["hash"], view=modal())
    assert code(refused.value) == "hash_conflict"
    assert workspace.modals("ann")[0]["title"]["text"] == "New"


async def test_an_app_hears_of_a_closed_modal_if_it_asked_to(workspace: Workspace) -> None:
    closed: list[tuple[str, bool]] = []
    app = bolt_app(workspace)

    @app.view_closed("why")
    async def why(ack: AsyncAck, body: Json) -> None:
        closed.append((body["view"]["callback_id"], body["is_cleared"]))
        assert "trigger_id" not in body
        await ack()

    async with connected(workspace, app):
        for definition in (modal(), modal(notify_on_close=True)):
            view = workspace.state.views.open("U0ANN", definition)
            assert (await workspace.close_view(user="ann", view_id=view.id)).acked
    assert closed == [("why", False)]
    assert workspace.modals("ann") == []


async def test_nobody_submits_somebody_elses_modal(workspace: Workspace) -> None:
    view = workspace.state.views.open("U0ANN", modal())
    with pytest.raises(RefusedError) as refused:
        await workspace.submit(user="bo", view_id=view.id, values={"reason": {"text": "x"}})
    assert refused.value.code == "not_found"


async def test_the_home_is_published_when_somebody_looks(workspace: Workspace) -> None:
    app = bolt_app(workspace)
    opened: list[Json] = []

    @app.event("app_home_opened")
    async def home(event: Json, client: AsyncWebClient) -> None:
        opened.append(event)
        await client.views_publish(
            user_id=event["user"], view={"type": "home", "blocks": [{"type": "section", "text": mrkdwn("observe")}]}
        )

    async with connected(workspace, app):
        assert (await workspace.open_home(user="ann")).acked
        await workspace.open_home(user="ann")
    shown = workspace.home("ann")
    assert shown is not None
    assert shown["blocks"][0]["text"]["text"] == "observe"
    assert workspace.home("bo") is None
    assert "view" not in opened[0]
    assert opened[1]["view"]["type"] == "home"


async def test_a_button_in_the_home_acts_like_any_other(workspace: Workspace, client: AsyncWebClient) -> None:
    bodies: list[Json] = []
    app = bolt_app(workspace)

    @app.action("kill")
    async def kill(ack: AsyncAck, body: Json) -> None:
        bodies.append(body)
        await ack()

    await client.views_publish(user_id="U0ANN", view={"type": "home", "blocks": [buttons(button("kill"))]})
    shown = workspace.home("ann")
    assert shown is not None
    async with connected(workspace, app):
        assert (await workspace.click_in_view(user="ann", view_id=shown["id"], action_id="kill")).acked
    assert bodies[0]["container"] == {"type": "view", "view_id": shown["id"]}
    assert "message" not in bodies[0]
    assert "response_url" not in bodies[0]


async def test_a_choice_in_a_message_carries_what_was_chosen(workspace: Workspace, client: AsyncWebClient) -> None:
    chosen: list[Any] = []
    app = bolt_app(workspace)
    options = [{"text": plain(text), "value": text} for text in ("one", "two")]

    @app.action("pick")
    async def pick(ack: AsyncAck, action: Json) -> None:
        chosen.append(action["selected_option"]["value"])
        await ack()

    ts = await posted_button(client, {"type": "static_select", "action_id": "pick", "options": options})
    async with connected(workspace, app):
        await workspace.click(
            user="ann", channel="ops", ts=ts, action_id="pick", chosen={"selected_option": options[1]}
        )
    assert chosen == ["two"]


async def test_shortcuts_start_from_a_message_or_from_nothing(clock: Clock) -> None:
    shortcuts = (
        Shortcut(name="Explain", callback_id="explain"),
        Shortcut(name="Status", callback_id="status", kind="global"),
    )
    async with running_workspace(clock=clock, app=App(shortcuts=shortcuts)) as workspace:
        app = bolt_app(workspace)
        used: list[str] = []

        @app.message_shortcut("explain")
        async def explain(ack: AsyncAck, body: Json) -> None:
            used.append(body["message"]["text"])
            await ack()

        @app.global_shortcut("status")
        async def status(ack: AsyncAck, body: Json) -> None:
            used.append(body["callback_id"])
            await ack()

        said = workspace.say(user="bo", channel="ops", text="what is this?")
        async with connected(workspace, app):
            assert (await workspace.shortcut(user="ann", callback_id="explain", channel="ops", ts=said.ts)).acked
            assert (await workspace.shortcut(user="ann", callback_id="status")).acked
        with pytest.raises(RefusedError):
            await workspace.shortcut(user="ann", callback_id="explain")
    assert used == ["what is this?", "status"]


async def test_a_response_url_answers_replaces_and_deletes(workspace: Workspace, client: AsyncWebClient) -> None:
    statuses: list[int] = []
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck, respond: AsyncRespond) -> None:
        await ack()
        answers = [
            await respond("only you"),
            await respond(text="all of you", response_type="in_channel"),
            await respond(text="done", replace_original=True),
            await respond(blocks=[{"type": "blink"}], text="x"),
            await respond(text="", delete_original=True),
            await respond("too much"),
        ]
        statuses.extend(answer.status_code for answer in answers)

    ts = await posted_button(client)
    async with connected(workspace, app):
        await workspace.click(user="ann", channel="ops", ts=ts, action_id="go")
    assert statuses == [200, 200, 200, 400, 200, 404]
    assert [message["text"] for message in workspace.messages("ops", seen_by="ann")] == ["only you", "all of you"]
    assert [message["text"] for message in workspace.messages("ops")] == ["all of you"]


async def test_an_ephemeral_message_is_replaced_through_its_response_url(workspace: Workspace) -> None:
    bodies: list[Json] = []
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck, body: Json, respond: AsyncRespond) -> None:
        bodies.append(body)
        await ack()
        await respond(text="replaced", replace_original=True)

    client = web_client(workspace)
    posted = await client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="x", blocks=[buttons()])
    async with connected(workspace, app):
        await workspace.click(user="ann", channel="ops", ts=posted["message_ts"], action_id="go")
    assert [message["text"] for message in workspace.ephemerals("ops", user="ann")] == ["replaced"]
    assert bodies[0]["container"]["is_ephemeral"] is True
    assert "message" not in bodies[0]


async def test_a_response_url_ends_after_half_an_hour(workspace: Workspace, clock: Clock) -> None:
    secret = workspace.state.response_urls.issue(user_id="U0ANN", channel_id="C0OPS")
    clock.now += 30 * 60
    workspace.state.response_urls.use(secret)
    clock.now += 1
    with pytest.raises(RefusedError) as refused:
        workspace.state.response_urls.use(secret)
    assert refused.value.code == "expired_url"


async def test_inputs_in_messages_report_what_was_typed(workspace: Workspace, client: AsyncWebClient) -> None:
    states: list[Json] = []
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck, body: Json) -> None:
        states.append(body["state"]["values"])
        await ack()

    posted = await client.chat_postMessage(channel="C0OPS", text="x", blocks=[text_input(), buttons()])
    async with connected(workspace, app):
        await workspace.click(
            user="ann", channel="ops", ts=posted["ts"], action_id="go", values={"reason": {"text": "because"}}
        )
    assert states == [{"reason": {"text": {"type": "plain_text_input", "value": "because"}}}]
