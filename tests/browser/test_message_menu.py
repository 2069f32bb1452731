import re

import pytest
from playwright.async_api import Locator, Page, expect
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.ids import Shortcut
from bot.workspace.server import Workspace
from tests.workspace.doubles import Json, bolt_app, connected, modal, plain, web_client

from .conftest import Shots

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


def menu(message: Locator) -> Locator:
    return message.get_by_role("button", name="More actions")


def what_is_this(message: Locator) -> Locator:
    return message.get_by_role("button", name="What is this?")


def message(page: Page, text: str) -> Locator:
    return page.locator("article", has_text=text)


def explaining(workspace: Workspace) -> AsyncApp:
    app = bolt_app(workspace)

    @app.message_shortcut(Shortcut.WHAT_IS_THIS.value)
    async def explain(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await ack()
        said = {"type": "section", "text": plain(f"You asked about: {body['message']['text']}")}
        await client.views_open(trigger_id=body["trigger_id"], view=modal(said))

    return app


async def test_the_menu_of_a_message_is_used_with_the_keyboard_alone(
    quiet: Workspace, quiet_page: Page, shots: Shots
) -> None:
    first = quiet.say(user="bo", channel="ops", text="Is n2 down?")
    quiet.say(user="bo", channel="ops", text="Did anybody restart it?", thread_ts=first.ts)
    reply = message(quiet_page, "Did anybody")
    async with connected(quiet, explaining(quiet)):
        await expect(menu(reply)).to_have_attribute("aria-expanded", "false")
        await menu(reply).focus()
        await quiet_page.keyboard.press("Enter")
        await expect(menu(reply)).to_have_attribute("aria-expanded", "true")
        await expect(what_is_this(reply)).to_be_visible()
        await expect(what_is_this(message(quiet_page, "Is n2"))).not_to_be_visible()
        await shots.take("message-menu", quiet_page.locator("main"))
        await quiet_page.keyboard.press("Escape")
        await expect(what_is_this(reply)).not_to_be_visible()
        await expect(menu(reply)).to_be_focused()
        await quiet_page.keyboard.press("Space")
        await quiet_page.keyboard.press("Tab")
        await expect(what_is_this(reply)).to_be_focused()
        await quiet_page.keyboard.press("Enter")
        await expect(quiet_page.locator("#modal")).to_contain_text("You asked about: Did anybody restart it?")
        await quiet_page.keyboard.press("Escape")
        await expect(quiet_page.locator("#modal")).not_to_be_visible()
        await expect(menu(reply)).to_be_focused()


async def test_every_message_has_the_menu_but_those_for_ones_own_eyes(quiet: Workspace, quiet_page: Page) -> None:
    client = web_client(quiet)
    quiet.say(user="bo", channel="ops", text="By a person")
    await client.chat_postMessage(channel="C0OPS", text="By the app")
    await client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="For Ann")
    await client.chat_postMessage(channel="U0ANN", text="To Ann directly")
    async with connected(quiet, explaining(quiet)):
        for text in ("By a person", "By the app"):
            await expect(menu(message(quiet_page, text))).to_be_visible()
        await expect(message(quiet_page, "For Ann")).to_be_visible()
        await expect(menu(message(quiet_page, "For Ann"))).to_have_count(0)
        await quiet_page.locator("#places").get_by_role("button", name=re.compile("^Operator(?! home)")).click()
        direct = message(quiet_page, "To Ann directly")
        await menu(direct).click()
        await what_is_this(direct).click()
        await expect(quiet_page.locator("#modal")).to_contain_text("You asked about: To Ann directly")


async def test_a_choice_that_nobody_acknowledges_is_told_beside_the_message(
    quiet: Workspace, quiet_page: Page, shots: Shots
) -> None:
    quiet.say(user="bo", channel="ops", text="Is n2 down?")
    quiet.say(user="bo", channel="ops", text="Is n3 down?")
    asked = message(quiet_page, "Is n2")
    async with connected(quiet, bolt_app(quiet)):
        await menu(asked).click()
        await what_is_this(asked).click()
        await expect(asked.get_by_role("alert")).to_have_text(
            "⚠ Operation timed out. Apps need to respond within 3 seconds."
        )
        await expect(message(quiet_page, "Is n3").get_by_role("alert")).to_have_count(0)
        await expect(menu(asked)).to_be_focused()
        await shots.take("message-menu-unanswered", asked)
