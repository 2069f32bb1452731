from typing import Any, Final

import pytest
from slack_bolt.async_app import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.errors import RefusedError
from bot.workspace.server import Workspace

from .doubles import Json, bolt_app, button, buttons, connected, modal, plain, text_input

REQUIRED: Final = "Please complete this required field."


def option(value: str) -> Json:
    return {"text": plain(value.title()), "value": value}


CHOICE: Final[Json] = {"options": [option("one"), option("two")]}
WHOLE: Final[Json] = {"is_decimal_allowed": False, "min_value": "-3", "max_value": "10"}
DECIMAL: Final[Json] = {"is_decimal_allowed": True, "min_value": "0.5"}


def asking(kind: str, *, optional: bool = False, **element: Any) -> Json:
    return {
        "type": "input",
        "block_id": "field",
        "label": plain("Field"),
        "optional": optional,
        "element": {"type": kind, "action_id": "value", **element},
    }


async def submitted(workspace: Workspace, block: Json, value: Any) -> tuple[dict[str, str], Json | None]:
    """Return what Slack objects to, and what the app gets if it objects to nothing."""
    got: list[Json] = []
    app = bolt_app(workspace)

    @app.view("why")
    async def why(ack: AsyncAck, view: Json) -> None:
        got.append(view["state"]["values"]["field"]["value"])
        await ack()

    opened = workspace.state.views.open("U0ANN", modal(block))
    async with connected(workspace, app):
        outcome = await workspace.submit(user="ann", view_id=opened.id, values={"field": {"value": value}})
    return dict(outcome.errors), got[0] if got else None


@pytest.mark.parametrize(
    ("block", "value", "problem"),
    [
        (asking("number_input", **WHOLE), "", REQUIRED),
        (asking("number_input", **WHOLE), "ten", "Please enter a whole number."),
        (asking("number_input", **WHOLE), "1.5", "Please enter a whole number."),
        (asking("number_input", **WHOLE), "1e1", "Please enter a whole number."),
        (asking("number_input", **WHOLE), " 1", "Please enter a whole number."),
        (asking("number_input", **WHOLE), "\u0661", "Please enter a whole number."),
        (asking("number_input", **WHOLE), "-4", "Please enter a number that is -3 or more."),
        (asking("number_input", **WHOLE), "11", "Please enter a number that is 10 or less."),
        (asking("number_input", **DECIMAL), "half", "Please enter a number."),
        (asking("number_input", **DECIMAL), "0.49", "Please enter a number that is 0.5 or more."),
        (asking("plain_text_input", min_length=3), "ab", "Please enter at least 3 characters."),
        (asking("plain_text_input", max_length=3), "abcd", "Please enter at most 3 characters."),
        (asking("plain_text_input", multiline=True), "", REQUIRED),
        (asking("static_select", **CHOICE), "", REQUIRED),
        (asking("radio_buttons", **CHOICE), None, REQUIRED),
        (asking("checkboxes", **CHOICE), [], REQUIRED),
    ],
)
async def test_slack_sends_no_form_with_a_wrong_entry(
    workspace: Workspace, block: Json, value: Any, problem: str
) -> None:
    assert await submitted(workspace, block, value) == ({"field": problem}, None)


@pytest.mark.parametrize(
    ("block", "value", "entry"),
    [
        (asking("number_input", **WHOLE), "-3", {"type": "number_input", "value": "-3"}),
        (asking("number_input", **WHOLE), "007", {"type": "number_input", "value": "007"}),
        (asking("number_input", **DECIMAL), "0.50", {"type": "number_input", "value": "0.50"}),
        (asking("number_input", optional=True, **WHOLE), "", {"type": "number_input", "value": None}),
        (asking("plain_text_input", multiline=True), "a\nb", {"type": "plain_text_input", "value": "a\nb"}),
        (asking("plain_text_input", optional=True), None, {"type": "plain_text_input", "value": None}),
        (
            asking("plain_text_input", optional=True, initial_value="as before"),
            {"type": "plain_text_input", "value": None},
            {"type": "plain_text_input", "value": None},
        ),
        (asking("static_select", **CHOICE), "two", {"type": "static_select", "selected_option": option("two")}),
        (
            asking("radio_buttons", **CHOICE),
            {"selected_option": option("one")},
            {"type": "radio_buttons", "selected_option": option("one")},
        ),
        (
            asking("radio_buttons", optional=True, **CHOICE),
            None,
            {"type": "radio_buttons", "selected_option": None},
        ),
        (
            asking("checkboxes", **CHOICE),
            ["two", "one"],
            {"type": "checkboxes", "selected_options": [option("two"), option("one")]},
        ),
        (asking("checkboxes", **CHOICE), "two", {"type": "checkboxes", "selected_options": [option("two")]}),
        (asking("checkboxes", optional=True, **CHOICE), None, {"type": "checkboxes", "selected_options": []}),
    ],
)
async def test_every_entry_arrives_in_slacks_form(workspace: Workspace, block: Json, value: Any, entry: Json) -> None:
    assert await submitted(workspace, block, value) == ({}, entry)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("static_select", "three"),
        ("radio_buttons", {"selected_option": option("three")}),
        ("checkboxes", ["one", "three"]),
        ("checkboxes", {"selected_options": [option("one") | {"text": plain("Forged")}]}),
    ],
)
async def test_nobody_chooses_what_is_not_offered(workspace: Workspace, kind: str, value: Any) -> None:
    opened = workspace.state.views.open("U0ANN", modal(asking(kind, **CHOICE)))
    with pytest.raises(RefusedError) as refused:
        await workspace.submit(user="ann", view_id=opened.id, values={"field": {"value": value}})
    assert refused.value.code == "option_not_found"


async def test_an_update_keeps_what_was_entered_where_it_still_has_a_place(
    workspace: Workspace, client: AsyncWebClient
) -> None:
    choice = asking("static_select", **CHOICE)
    opened = workspace.state.views.open("U0ANN", modal(text_input(), choice, buttons()))
    typed = {"reason": {"text": "too slow"}, "field": {"value": "two"}}
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck) -> None:
        await ack()

    async def entered_after(*blocks: Json) -> Json:
        updated = await client.views_update(view_id=opened.id, view=modal(*blocks))
        assert isinstance(updated["view"], dict)
        values: Json = updated["view"]["state"]["values"]
        return values

    async with connected(workspace, app):
        await workspace.click_in_view(user="ann", view_id=opened.id, action_id="go", values=typed)
    assert await entered_after(text_input(), choice) == {
        "reason": {"text": {"type": "plain_text_input", "value": "too slow"}},
        "field": {"value": {"type": "static_select", "selected_option": option("two")}},
    }
    assert (await entered_after(text_input(), asking("static_select", options=[option("one")]))).keys() == {"reason"}
    number = text_input(element={"type": "number_input", "action_id": "text", "is_decimal_allowed": True})
    assert await entered_after(number) == {}


@pytest.mark.parametrize("surface", ["modal", "home"])
async def test_a_button_in_a_view_says_in_which_and_brings_what_was_entered(workspace: Workspace, surface: str) -> None:
    bodies: list[Json] = []
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck, body: Json) -> None:
        bodies.append(body)
        await ack()

    blocks = [text_input(), buttons(button("go", value="42"))]
    views = workspace.state.views
    if surface == "modal":
        view = views.open("U0ANN", modal(*blocks))
    else:
        view = views.publish("U0ANN", {"type": "home", "blocks": blocks})
    async with connected(workspace, app):
        outcome = await workspace.click_in_view(
            user="ann", view_id=view.id, action_id="go", values={"reason": {"text": "because"}}
        )
    (body,) = bodies
    assert outcome.acked
    assert body["container"] == {"type": "view", "view_id": view.id}
    assert (body["view"]["type"], body["view"]["hash"]) == (surface, view.hash)
    assert body["view"]["state"]["values"]["reason"]["text"]["value"] == "because"
    assert body["actions"][0]["value"] == "42"
    assert not {"channel", "message", "response_url"} & body.keys()


@pytest.mark.parametrize("private", [False, True])
async def test_a_button_in_a_reply_says_in_which_thread(
    workspace: Workspace, client: AsyncWebClient, private: bool
) -> None:
    containers: list[Json] = []
    app = bolt_app(workspace)

    @app.action("go")
    async def go(ack: AsyncAck, body: Json) -> None:
        containers.append(body["container"])
        await ack()

    thread = str((await client.chat_postMessage(channel="C0OPS", text="an incident"))["ts"])
    reply: Json = {"channel": "C0OPS", "text": "go?", "blocks": [buttons()], "thread_ts": thread}
    if private:
        ts = str((await client.chat_postEphemeral(user="U0ANN", **reply))["message_ts"])
    else:
        ts = str((await client.chat_postMessage(**reply))["ts"])
    async with connected(workspace, app):
        assert (await workspace.click(user="ann", channel="ops", ts=ts, action_id="go")).acked
    assert containers == [
        {"type": "message", "message_ts": ts, "channel_id": "C0OPS", "is_ephemeral": private, "thread_ts": thread}
    ]


async def test_only_the_button_that_nobody_answered_is_marked(workspace: Workspace, client: AsyncWebClient) -> None:
    rows = [buttons(button("go"), block_id=f"row-{number}") for number in range(2)]
    ts = str((await client.chat_postMessage(channel="C0OPS", text="two", blocks=rows))["ts"])
    await workspace.click(user="ann", channel="ops", ts=ts, block_id="row-1")
    (failure,) = workspace.state.failures
    assert (failure.block_id, failure.action_id) == ("row-1", "go")
