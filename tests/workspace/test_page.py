import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace.app import App, Command
from bot.workspace.panels import Panel, PanelButton
from bot.workspace.server import Workspace, running_workspace

from .doubles import Json, bolt_app, button, buttons, connected, modal, mrkdwn, plain, web_client

pytestmark = pytest.mark.real

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> <!channel> *b* <@U0ANN>"
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page on which no script may fail and nothing may be refused by the content policy; 409 is a polite refusal."""
    opened = await browser.new_page(viewport={"width": 1280, "height": 900})
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "console", lambda said: problems.append(said.text) if said.type == "error" and "409" not in said.text else None
    )
    yield opened
    assert problems == []


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async def stop_a_member() -> str:
        return "Member 2 was stopped."

    panel = Panel(
        id="break",
        title="Break something",
        buttons=(PanelButton(id="stop", label="Stop a member", press=stop_a_member),),
    )
    app = App(commands=(Command(name="/operator", description="Ask the operator", usage_hint="status | list"),))
    async with running_workspace(ack_seconds=1.0, app=app, extra_panels=[panel]) as running:
        yield running


def approving_app(workspace: Workspace) -> AsyncApp:
    app = bolt_app(workspace)

    @app.action("approve")
    async def approve(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.chat_update(
            channel=body["channel"]["id"],
            ts=body["message"]["ts"],
            text="approved",
            blocks=[{"type": "context", "elements": [mrkdwn(f"Approved by <@{body['user']['id']}>")]}],
        )

    @app.action("cancel")
    async def cancel(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=modal())

    @app.view("why")
    async def why(ack: AsyncAck, view: Json) -> None:
        said = view["state"]["values"]["reason"]["text"]["value"]
        if said == "because":
            await ack(response_action="errors", errors={"reason": "Please say why."})
        else:
            await ack()

    @app.command("/operator")
    async def operator(ack: AsyncAck, command: Json) -> None:
        await ack(f"you asked for {command['text']}")

    @app.event("app_home_opened")
    async def home(event: Json, client: AsyncWebClient) -> None:
        await client.views_publish(
            user_id=event["user"], view={"type": "home", "blocks": [{"type": "header", "text": plain("Observing")}]}
        )

    return app


async def post_card(workspace: Workspace, **approve: Any) -> None:
    await web_client(workspace).chat_postMessage(
        channel="C0OPS",
        text="Restart member 2?",
        blocks=[
            {"type": "header", "text": plain("Restart member 2?")},
            buttons(
                button("approve", text=plain("Approve"), style="primary", **approve),
                button("cancel", text=plain("Cancel"), style="danger"),
                button("deaf", text=plain("Details")),
            ),
        ],
    )


async def test_a_click_with_its_question_changes_the_message_before_ones_eyes(workspace: Workspace, page: Page) -> None:
    question = {
        "title": plain("Restart member 2?"),
        "text": mrkdwn("It *loses* its connections."),
        "confirm": plain("Restart"),
        "deny": plain("Back"),
        "style": "danger",
    }
    async with connected(workspace, approving_app(workspace)):
        await page.goto(workspace.page_url)
        await expect(page.locator("#connection")).to_have_text("Operator is connected (1 connection)")
        await post_card(workspace, confirm=question)
        approve = page.get_by_role("button", name="Approve")
        await approve.click()
        await expect(page.locator("#confirm-text strong")).to_have_text("loses")
        await page.get_by_role("button", name="Back").click()
        await expect(page.locator("#confirm")).not_to_be_visible()
        assert "edited" not in workspace.messages("ops")[0]
        await approve.click()
        await page.get_by_role("button", name="Restart", exact=True).click()
        await expect(page.locator("article")).to_contain_text("Approved by @Ann")
        await expect(page.locator("article .edited")).to_have_text("(edited)")
        await expect(approve).to_have_count(0)


async def test_a_press_is_not_lost_because_the_message_changes_meanwhile(workspace: Workspace, page: Page) -> None:
    async with connected(workspace, approving_app(workspace)):
        await page.goto(workspace.page_url)
        await post_card(workspace)
        approve = page.get_by_role("button", name="Approve")
        box = await approve.bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + 5, box["y"] + 5)
        await page.mouse.down()
        (card,) = workspace.messages("ops")
        async with page.expect_response("**/control/state*"):
            await web_client(workspace).chat_update(
                channel="C0OPS", ts=card["ts"], text="Restart it? Read just now.", blocks=card["blocks"]
            )

        await page.mouse.up()

        await expect(page.locator("article")).to_contain_text("Approved by @Ann")


async def test_hostile_text_stays_text(workspace: Workspace, page: Page) -> None:
    client = web_client(workspace)
    rich = {"type": "rich_text_section", "elements": [{"type": "text", "text": HOSTILE}]}
    await client.chat_postMessage(
        channel="C0OPS",
        text=HOSTILE,
        blocks=[
            {"type": "section", "text": plain(HOSTILE), "accessory": button("x", text=plain(HOSTILE[:75]))},
            {"type": "header", "text": plain(HOSTILE)},
            {"type": "rich_text", "elements": [rich, {"type": "rich_text_preformatted", "elements": rich["elements"]}]},
            {"type": "image", "image_url": "https://example.org/x.png", "alt_text": HOSTILE},
        ],
    )
    await client.chat_postMessage(
        channel="C0OPS", text="<javascript:alert(1)|press> <data:text/html,x> <img src=x onerror=y>"
    )
    await page.goto(workspace.page_url)
    card, mrkdwn_message = page.locator("article").nth(0), page.locator("article").nth(1)
    for place in (".section-text", ".block-header", ".rich", "figure", "button"):
        await expect(card.locator(place).first).to_contain_text("<img src=x onerror=")
    await expect(card.locator(".rich")).to_contain_text("<!channel> *b* <@U0ANN>")
    assert await page.locator("img, script:not([src]), .mention, article strong strong, article a").count() == 0
    await expect(mrkdwn_message.locator(".text")).to_have_text(
        "<javascript:alert(1)|press> <data:text/html,x> <img src=x onerror=y>"
    )
    assert (await page.title()).startswith("# ops")


MRKDWN = [
    ("*bold* _it_ ~gone~ `code`", "<strong>bold</strong> <em>it</em> <s>gone</s> <code>code</code>"),
    ("*bold _both_*", "<strong>bold <em>both</em></strong>"),
    ("snake_case_name 2*3*4", "snake_case_name 2*3*4"),
    ("* not bold*", "* not bold*"),
    ("a &lt;b&gt; &amp;amp;", "a &lt;b&gt; &amp;amp;"),
    ("`*raw* &lt;`", "<code>*raw* &lt;</code>"),
    ("```a\n*b*```after", "<pre>a\n*b*</pre>after"),
    ("&gt; said\n&gt; more\nmine", "<blockquote>said<br>more</blockquote>mine"),
    ("<@U0ANN> <#C0OPS> <!here>", None),
    ("one\ntwo", "one<br>two"),
    ("<https://example.org/a?b=1&amp;c=2|go>", None),
    ("<!date^1790000000^{date_num}^https://example.org/|then>", None),
    ("<!date^soon^{date}|then>", "then"),
    (":no_such_emoji: :x:", ":no_such_emoji: ❌"),
]


async def test_markup_is_rendered_by_slacks_rules(workspace: Workspace, page: Page) -> None:
    await page.goto(workspace.page_url)
    render = """async (text) => {
        const { mrkdwn } = await import("/static/mrkdwn.js");
        const one = (known, name) => (id) => (id === known ? name : undefined);
        const names = { user: one("U0ANN", "Ann"), channel: one("C0OPS", "ops"), group: one("S0", "oncall") };
        const node = document.createElement("div");
        node.append(mrkdwn(text, names));
        return node.innerHTML;
    }"""
    drawn = {text: await page.evaluate(render, text) for text, _ in MRKDWN}
    assert {text: drawn[text] for text, expected in MRKDWN if expected is not None} == {
        text: expected for text, expected in MRKDWN if expected is not None
    }
    mentions = drawn["<@U0ANN> <#C0OPS> <!here>"]
    assert [part in mentions for part in (">@Ann<", ">#ops<", 'broadcast">@here<')] == [True, True, True]
    link = drawn["<https://example.org/a?b=1&amp;c=2|go>"]
    assert 'href="https://example.org/a?b=1&amp;c=2"' in link
    assert 'rel="noopener noreferrer"' in link
    assert link.endswith(">go</a>")
    assert 'href="https://example.org/"' in drawn["<!date^1790000000^{date_num}^https://example.org/|then>"]


async def test_a_modal_insists_on_what_is_required_and_shows_the_apps_objection(
    workspace: Workspace, page: Page
) -> None:
    async with connected(workspace, approving_app(workspace)):
        await post_card(workspace)
        await page.goto(workspace.page_url)
        await page.get_by_role("button", name="Cancel").click()
        box = page.get_by_role("textbox", name="Reason")
        save = page.get_by_role("button", name="Save")
        await save.click()
        await expect(page.locator("#modal .problem")).to_have_text("Please complete this required field.")
        await expect(box).to_be_focused()
        await box.fill("because")
        await save.click()
        await expect(page.locator("#modal .problem")).to_have_text("Please say why.")
        await expect(box).to_have_value("because")
        await box.fill("too risky")
        await save.click()
        await expect(page.locator("#modal")).not_to_be_visible()
        assert workspace.modals("ann") == []
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.locator("#modal")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#modal")).not_to_be_visible()
        assert workspace.modals("ann") == []


async def test_a_command_is_answered_for_ones_own_eyes_only(workspace: Workspace, page: Page) -> None:
    async with connected(workspace, approving_app(workspace)):
        await page.goto(workspace.page_url)
        box = page.locator("#composer-text")
        await expect(page.locator("#place-name")).to_have_text("# ops")
        await box.fill("/op")
        await expect(page.locator("#composer-hint")).to_contain_text("/operator status | list")
        await box.fill("/operator status")
        await box.press("Enter")
        await expect(page.locator("article.ephemeral")).to_contain_text("Only visible to you")
        await expect(page.locator("article.ephemeral .text")).to_have_text("you asked for status")
        await page.get_by_label("You are").select_option(label="Bo")
        await expect(page.locator("article")).to_have_count(0)
        await box.fill("/opreator status")
        await box.press("Enter")
        await expect(page.locator("#notice")).to_have_text("That is not a valid command here.")
        await expect(box).to_have_value("/opreator status")
        await box.fill("a <b> & c")
        await box.press("Enter")
        await expect(page.locator("article .text")).to_have_text("a <b> & c")
    assert workspace.messages("ops")[-1]["text"] == "a &lt;b&gt; &amp; c"


async def test_a_button_that_nobody_answers_says_so(workspace: Workspace, page: Page) -> None:
    async with connected(workspace, approving_app(workspace)):
        await post_card(workspace)
        await page.goto(workspace.page_url)
        await page.get_by_role("button", name="Details").click()
        await expect(page.locator("article .failed .problem")).to_have_text(
            "⚠ Operation timed out. Apps need to respond within 3 seconds."
        )
    await expect(page.locator("#connection")).to_have_text(
        "Operator is not connected: buttons and commands reach nobody"
    )


async def test_the_keyboard_alone_suffices_and_keeps_its_place(workspace: Workspace, page: Page) -> None:
    async with connected(workspace, approving_app(workspace)):
        await post_card(workspace, accessibility_label="Approve: restart member 2")
        await page.goto(workspace.page_url)
        approve = page.get_by_role("button", name="Approve: restart member 2")
        await approve.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("article")).to_contain_text("Approved by @Ann")
        await expect(page.locator("article")).to_be_focused()
    assert await page.locator("#log").get_attribute("aria-live") == "polite"


async def test_a_button_that_went_away_during_the_question_says_so(workspace: Workspace, page: Page) -> None:
    question = {"title": plain("Sure?"), "text": plain("x"), "confirm": plain("Yes"), "deny": plain("No")}
    async with connected(workspace, approving_app(workspace)):
        await post_card(workspace, confirm=question)
        await page.goto(workspace.page_url)
        await page.get_by_role("button", name="Approve").click()
        (message,) = workspace.messages("ops")
        await web_client(workspace).chat_update(channel="C0OPS", ts=message["ts"], text="decided by somebody else")
        await expect(page.locator("article .text")).to_have_text("decided by somebody else")
        await page.get_by_role("button", name="Yes").click()
        await expect(page.locator("#notice")).to_contain_text("the message changed before you clicked")
        await page.locator("#composer-text").fill("never mind")
        await page.keyboard.press("Enter")
        await expect(page.locator("#notice")).to_be_empty()


async def test_the_home_is_asked_for_and_shown(workspace: Workspace, page: Page) -> None:
    async with connected(workspace, approving_app(workspace)):
        await page.goto(workspace.page_url)
        await page.get_by_role("button", name="Operator home").click()
        await expect(page.locator("#home .block-header")).to_have_text("Observing")
        await page.get_by_role("button", name="# ops").click()
        await expect(page.locator("#home")).not_to_be_visible()


async def test_panels_and_trouble_stand_at_the_side(workspace: Workspace, page: Page) -> None:
    await page.goto(workspace.page_url)
    await page.get_by_role("button", name="Stop a member").click()
    await expect(page.locator("#side section .said")).to_have_text("Member 2 was stopped.")
    await page.get_by_text("Make Slack misbehave").click()
    await page.get_by_role("button", name="Lose the next click or command").click()
    await expect(page.locator("#side details .said")).to_have_text("Done: lose the next click or command.")
    assert workspace.faults.deliveries() == 0


async def test_a_permalink_opens_its_channel_at_its_message(workspace: Workspace, page: Page) -> None:
    client = web_client(workspace)
    sent = [await client.chat_postMessage(channel="C0INCIDENT42", text=f"line {number}") for number in range(60)]
    permalink = (await client.chat_getPermalink(channel="C0INCIDENT42", message_ts=sent[3]["ts"]))["permalink"]
    await page.goto(str(permalink))
    await expect(page.locator("#place-name")).to_have_text("# incident-42")
    linked = page.locator("article").nth(3)
    await expect(linked).to_be_in_viewport()
    await expect(linked).to_be_focused()


async def test_replies_stand_below_what_they_answer(workspace: Workspace, page: Page) -> None:
    client = web_client(workspace)
    first = await client.chat_postMessage(channel="C0OPS", text="question")
    await client.chat_postMessage(channel="C0OPS", text="something else")
    await client.chat_postMessage(channel="C0OPS", text="answer", thread_ts=first["ts"])
    await page.goto(workspace.page_url)
    await expect(page.locator("article .text")).to_have_text(["question", "answer", "something else"])
    await expect(page.locator("article.reply")).to_have_count(1)


@pytest.mark.parametrize("width", [1280, 800, 400])
async def test_nothing_is_cut_off_on_a_narrow_screen(workspace: Workspace, page: Page, width: int) -> None:
    await post_card(workspace)
    await web_client(workspace).chat_postMessage(channel="C0OPS", text=f"`{'x' * 300}` {'y' * 300}")
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto(workspace.page_url)
    await expect(page.locator("article")).to_have_count(2)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    cut = "(node) => node.scrollWidth > node.clientWidth + 1"
    assert await page.locator("#log").evaluate(cut) is False
