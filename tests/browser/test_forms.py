from typing import Any

import pytest
from playwright.async_api import Page, expect
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.server import Workspace
from tests.workspace.doubles import Json, bolt_app, button, buttons, connected, modal, plain, text_input, web_client

from .conftest import Shots

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


def option(value: str) -> Json:
    return {"text": plain(value.title()), "value": value, "description": plain(f"that is {value}")}


def asking(label: str, kind: str, *, hint: str = "", optional: bool = False, **element: Any) -> Json:
    return {
        "type": "input",
        "block_id": label.lower(),
        "label": plain(label),
        "optional": optional,
        "element": {"type": kind, "action_id": "value", **element},
        **({"hint": plain(hint)} if hint else {}),
    }


FORM = (
    asking("Members", "number_input", is_decimal_allowed=False, min_value="1", max_value="5", hint="Between 1 and 5."),
    asking("Pause", "number_input", is_decimal_allowed=True, initial_value="0.5"),
    asking("Target", "static_select", options=[option("one"), option("two")]),
    asking("Mode", "radio_buttons", options=[option("fast"), option("slow")]),
    asking("Checks", "checkboxes", options=[option("before"), option("after")], optional=True),
    asking("Reason", "plain_text_input", multiline=True, min_length=5, max_length=50),
    buttons(button("preview", text=plain("Preview")), button("deaf", text=plain("Ask again")), block_id="more"),
)


def editing(workspace: Workspace, submitted: list[Json]) -> AsyncApp:
    app = bolt_app(workspace)

    @app.view("why")
    async def why(ack: AsyncAck, view: Json) -> None:
        values = view["state"]["values"]
        if values["members"]["value"]["value"] == "5":
            await ack(response_action="errors", errors={"members": "Only 3 are there.", "mode": "Not now."})
            return
        submitted.append(values)
        await ack(response_action="clear")

    @app.action("preview")
    async def preview(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await ack()
        seen = {"type": "section", "text": plain("It would take 3 s.")}
        view = body["view"]
        await client.views_update(view_id=view["id"], hash=view["hash"], view=modal(seen, *FORM))

    @app.action("push")
    async def push(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_push(trigger_id=body["trigger_id"], view=modal(text_input(), title=plain("Behind it")))

    return app


async def test_a_form_shows_what_is_wrong_beside_its_field_and_sends_what_is_right(
    quiet: Workspace, quiet_page: Page, shots: Shots
) -> None:
    submitted: list[Json] = []
    dialog = quiet_page.locator("#modal")
    members, reason = dialog.get_by_label("Members"), dialog.get_by_label("Reason")
    save = dialog.get_by_role("button", name="Save")
    async with connected(quiet, editing(quiet, submitted)):
        quiet.state.views.open("U0ANN", modal(*FORM))
        await members.fill("1.5")
        await reason.fill("no")
        await dialog.get_by_label("Pause").fill("")
        await save.click()
        await expect(members).to_be_focused()
        await expect(members).to_have_attribute("aria-invalid", "true")
        await expect(members).to_have_accessible_description("Between 1 and 5. Please enter a whole number.")
        await expect(reason).to_have_accessible_description("Please enter at least 5 characters.")
        await expect(dialog.get_by_label("Pause")).to_have_value("")
        await expect(dialog.get_by_role("radiogroup", name="Mode")).to_have_accessible_description(
            "Please complete this required field."
        )
        await expect(dialog.get_by_role("group", name="Checks")).to_have_accessible_description("")
        await shots.take("form-wrong", dialog)
        await members.fill("5")
        await dialog.get_by_label("Pause").fill("0.25")
        await dialog.get_by_label("Target").select_option("two")
        await dialog.get_by_label("Slow").check()
        await dialog.get_by_label("After").check()
        await reason.fill("memory\ngrows")
        await save.click()
        await expect(members).to_have_accessible_description("Between 1 and 5. Only 3 are there.")
        await expect(dialog.get_by_role("radiogroup", name="Mode")).to_have_accessible_description("Not now.")
        await members.fill("3")
        await save.click()
        await expect(dialog).not_to_be_visible()
    (values,) = submitted
    assert {block: next(iter(entry.values())) for block, entry in values.items()} == {
        "members": {"type": "number_input", "value": "3"},
        "pause": {"type": "number_input", "value": "0.25"},
        "target": {"type": "static_select", "selected_option": option("two")},
        "mode": {"type": "radio_buttons", "selected_option": option("slow")},
        "checks": {"type": "checkboxes", "selected_options": [option("after")]},
        "reason": {"type": "plain_text_input", "value": "memory\ngrows"},
    }


async def test_an_update_by_a_button_keeps_what_was_typed_and_where_one_was(quiet: Workspace, quiet_page: Page) -> None:
    dialog = quiet_page.locator("#modal")
    async with connected(quiet, editing(quiet, [])):
        quiet.state.views.open("U0ANN", modal(*FORM))
        await dialog.get_by_label("Members").fill("4")
        await dialog.get_by_label("Slow").check()
        await dialog.get_by_role("button", name="Preview").click()
        await expect(dialog).to_contain_text("It would take 3 s.")
        await expect(dialog.get_by_label("Members")).to_have_value("4")
        await expect(dialog.get_by_label("Slow")).to_be_checked()
        await expect(dialog.get_by_role("button", name="Preview")).to_be_focused()


async def test_a_button_in_a_modal_that_nobody_answers_says_so_and_loses_nothing(
    quiet: Workspace, quiet_page: Page, shots: Shots
) -> None:
    dialog = quiet_page.locator("#modal")
    async with connected(quiet, editing(quiet, [])):
        quiet.state.views.open("U0ANN", modal(*FORM))
        await dialog.get_by_role("button", name="Save").click()
        await dialog.get_by_label("Reason").fill("memory grows")
        await dialog.get_by_role("button", name="Ask again").click()
        await expect(dialog.get_by_role("alert")).to_have_text(
            "⚠ Operation timed out. Apps need to respond within 3 seconds."
        )
        await expect(dialog.get_by_label("Reason")).to_have_value("memory grows")
        await expect(dialog.get_by_label("Members")).to_have_attribute("aria-invalid", "true")
        await expect(dialog.get_by_role("button", name="Ask again")).to_be_focused()
        await shots.take("form-unanswered", dialog)


async def test_closing_what_was_pushed_leads_back_to_what_was_typed(quiet: Workspace, quiet_page: Page) -> None:
    dialog = quiet_page.locator("#modal")
    async with connected(quiet, editing(quiet, [])):
        quiet.state.views.open("U0ANN", modal(text_input(), buttons(button("push", text=plain("Behind")))))
        await dialog.get_by_label("Reason").fill("memory grows")
        await dialog.get_by_role("button", name="Behind").click()
        await expect(dialog.get_by_role("heading", name="Behind it")).to_be_focused()
        await expect(dialog.get_by_label("Reason")).to_have_value("")
        await quiet_page.keyboard.press("Escape")
        await expect(dialog.get_by_role("heading", name="Why?")).to_be_visible()
        await expect(dialog.get_by_label("Reason")).to_have_value("memory grows")


async def test_of_equal_buttons_in_the_home_tab_only_the_unanswered_one_is_marked(
    quiet: Workspace, quiet_page: Page
) -> None:
    rows = [buttons(button("deaf", text=plain(f"Row {number}")), block_id=f"row-{number}") for number in range(3)]
    await web_client(quiet).views_publish(user_id="U0ANN", view={"type": "home", "blocks": rows})
    async with connected(quiet, bolt_app(quiet)):
        await quiet_page.get_by_role("button", name="Operator home").click()
        await quiet_page.get_by_role("button", name="Row 1").click()
        await expect(quiet_page.locator("#home .failed")).to_have_count(1)
        await expect(quiet_page.locator("#home .failed")).to_contain_text("Row 1⚠ Operation timed out.")
        await expect(quiet_page.get_by_role("button", name="Row 1")).to_be_focused()


async def test_a_group_is_named_and_a_private_message_can_be_answered(quiet: Workspace, quiet_page: Page) -> None:
    client = web_client(quiet)
    app = bolt_app(quiet)

    @app.action("go")
    async def go(ack: AsyncAck, body: Json, respond: Any) -> None:
        await ack()
        await respond(text=f"{body['container']['is_ephemeral']}: seen", replace_original=True)

    group = {"type": "usergroup", "usergroup_id": "S0ONCALL", "style": {"bold": True}}
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": "Still needed: "}, group]}
    rich = {"type": "rich_text", "elements": [section]}
    async with connected(quiet, app):
        await client.chat_postMessage(channel="C0OPS", text="x", blocks=[rich])
        await client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="y", blocks=[buttons()])
        await expect(quiet_page.locator("article").first.locator(".rich")).to_have_text("Still needed: @oncall")
        private = quiet_page.locator("article.ephemeral")
        await private.get_by_role("button", name="Go").click()
        await expect(private).to_contain_text("True: seen")
