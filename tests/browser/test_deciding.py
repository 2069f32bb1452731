"""Everything that can be pressed, filled in and read while people decide, as they see it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from actions.models import ActionStatus
from bot.demo.config import APP
from bot.ids import Button
from tests.bot.painting import painting
from tests.bot.running import Bot, built_bot, local_workspace, running, settings_for

from .conftest import Shots

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
SOON: Final = 10_000
APPROVERS: Final = {"approve": ["ann", "bo"], "break_glass": ["ann"]}


@pytest_asyncio.fixture(loop_scope="module")
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with local_workspace(app=APP) as workspace:
        settings = settings_for(workspace, tmp_path, approvers=APPROVERS)
        async with built_bot(workspace, settings, more=painting) as built, running(built):
            yield built


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, bot: Bot) -> AsyncIterator[Page]:
    """What Ann sees of #ops; nothing may fail on it."""
    opened = await browser.new_page(viewport={"width": 1100, "height": 1500})
    opened.set_default_timeout(SOON)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    await opened.goto(f"{bot.workspace.page_url}#as=ann&in=C0OPS")
    yield opened
    await opened.close()
    assert problems == []


def card(page: Page, number: int) -> Locator:
    return page.locator("article:not(.reply):not(.ephemeral)", has_text=f"Action {number}:")


def button(on: Locator, says: str) -> Locator:
    return on.get_by_role("button", name=re.compile(rf"^{says}"))


async def whole(page: Page) -> Locator:
    """Return the dialog, with room for all of it in a picture."""
    await page.set_viewport_size({"width": 1100, "height": 2_400})
    return page.locator("#modal")


async def test_a_waiting_card_offers_all_that_helps_to_decide(bot: Bot, page: Page, shots: Shots) -> None:
    await bot.offered("a", action="paint")

    for label in ("Approve action 1", "Cancel action 1", "Read the target", "Propose action 1 with", "Details of"):
        await expect(button(card(page, 1), label)).to_be_visible(timeout=SOON)
    await shots.take("deciding-card", card(page, 1))


async def test_other_parameters_are_entered_refused_and_proposed(bot: Bot, page: Page, shots: Shots) -> None:
    await bot.offered("a", action="paint")
    await button(card(page, 1), "Propose action 1 with other parameters").click()
    dialog = await whole(page)
    await dialog.get_by_label("Item").fill("A 7")
    await dialog.get_by_role("button", name="Propose this").click()
    await expect(dialog).to_contain_text("that matches ^[a-z]+$")
    await shots.take("deciding-edit", dialog)

    await dialog.get_by_label("Item").fill("a")
    await dialog.get_by_label("Coats").fill("3")
    await dialog.get_by_role("button", name="Propose this").click()

    await expect(dialog).to_contain_text("Action 2 is proposed in the place of action 1.")
    await shots.take("deciding-edited", dialog)
    await page.keyboard.press("Escape")
    await expect(card(page, 1)).to_contain_text("replaced by action 2", timeout=SOON)
    await expect(card(page, 2)).to_contain_text("coats", timeout=SOON)
    await shots.take("deciding-replaced", page.locator("main"))


async def test_high_risk_is_typed_counted_down_and_aborted(bot: Bot, page: Page, shots: Shots) -> None:
    _, shown = await bot.offered("item 7", action="crush")
    await bot.approve(shown, by="bo")
    await expect(card(page, 1)).to_contain_text("1 of 2", timeout=SOON)
    await button(card(page, 1), "Approve action 1; asks for the target's name").click()
    dialog = await whole(page)
    await dialog.get_by_label("Type the target's name: item 7").fill("item 8")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_contain_text("This is not the target's name.")
    await shots.take("deciding-confirm", dialog)

    await dialog.get_by_label("Type the target's name: item 7").fill("item 7")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).not_to_be_visible()
    abort = button(card(page, 1), "Abort action 1")
    await expect(abort).to_be_visible(timeout=SOON)
    await shots.take("deciding-abort", card(page, 1))
    await abort.click()

    await expect(card(page, 1)).to_contain_text("Aborted by ann", timeout=SOON)
    await shots.take("deciding-aborted", card(page, 1))
    assert bot.target.ledger["item 7"] == 0


async def test_the_glass_is_broken_and_a_second_person_reviews_it(bot: Bot, page: Page, shots: Shots) -> None:
    await bot.offered("item 7", action="crush")
    await button(card(page, 1), "Run action 1 now, past everybody else").click()
    dialog = await whole(page)
    await expect(dialog).to_contain_text("Break-glass is for when waiting does more harm")
    await dialog.get_by_label("Type the target's name: item 7").fill("item 7")
    await dialog.get_by_label("Why can it not wait").fill("Writes fail, and nobody else is awake.")
    await shots.take("deciding-break-glass", dialog)
    await dialog.get_by_role("button", name="Run it now").click()

    await expect(card(page, 1)).to_contain_text("done and confirmed", timeout=SOON)
    await expect(page.locator("article", has_text="nobody else is awake").last).to_be_visible(timeout=SOON)
    await shots.take("deciding-broken", page.locator("main"))
    await page.locator("#user").select_option("U0BO")
    await button(card(page, 1), "Close the review of action 1").click()
    await dialog.get_by_label("What did you find?").fill("It was right; the on-call list had a hole.")
    await shots.take("deciding-review", dialog)
    await dialog.get_by_role("button", name="Close the review").click()
    await expect(card(page, 1)).to_contain_text("the on-call list had a hole", timeout=SOON)


async def test_what_is_done_can_be_proposed_to_be_undone(bot: Bot, page: Page, shots: Shots) -> None:
    proposal_id, shown = await bot.offered("a", action="paint")
    await bot.press(shown, Button.APPROVE, by="ann")
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    await button(card(page, 1), "Propose what takes action 1 back").click()
    await expect(page.locator("#modal")).to_contain_text("Action 2 is proposed to take back action 1.")
    await page.keyboard.press("Escape")

    await expect(card(page, 2)).to_contain_text("rack.scrub", timeout=SOON)
    await expect(button(card(page, 2), "Approve action 2")).to_be_visible(timeout=SOON)
    await shots.take("deciding-undo", page.locator("main"))


async def test_what_failed_without_effect_is_tried_again(bot: Bot, page: Page, shots: Shots) -> None:
    bot.target.faults["a"] = "refuse"
    proposal_id, shown = await bot.offered("a", action="paint")
    await bot.press(shown, Button.APPROVE, by="ann")
    await bot.becomes(proposal_id, ActionStatus.FAILED)
    await button(card(page, 1), "Propose action 1 once more").click()
    dialog = await whole(page)
    await expect(dialog).to_contain_text("action 1 stays as it ended")
    await shots.take("deciding-retry", dialog)
    await dialog.get_by_role("button", name="Propose again").click()

    await expect(dialog).to_contain_text("Action 2 is proposed to try again action 1.")


async def test_what_is_unknown_is_settled_by_a_person(bot: Bot, page: Page, shots: Shots) -> None:
    bot.target.faults["a"] = "apply-then-lost"
    bot.target.blind.add("a")
    proposal_id, shown = await bot.offered("a")
    await bot.press(shown, Button.APPROVE, by="ann")
    await bot.becomes(proposal_id, ActionStatus.UNKNOWN)
    await button(card(page, 1), "Say what became of action 1").click()
    dialog = await whole(page)
    await dialog.get_by_label("It happened: all of it is there").check()
    await dialog.get_by_label("What did you look at?").fill("ls a: one mark")
    await dialog.get_by_label("Why does that settle it?").fill("Only this action leaves such a mark.")
    await shots.take("deciding-resolve", dialog)
    await dialog.get_by_role("button", name="Settle it").click()

    await expect(card(page, 1)).to_contain_text("ann says that it happened", timeout=SOON)
    await shots.take("deciding-resolved", card(page, 1))


async def test_a_preview_is_filled_in_beside_the_numbers_of_the_card(bot: Bot, page: Page, shots: Shots) -> None:
    await bot.offered("a")
    bot.target.ledger["a"] = 3
    bot.target.pins["a"] = 7
    await button(card(page, 1), "Read the target of action 1 again").click()
    dialog = page.locator("#modal")

    await expect(dialog).to_contain_text("touched before: 0 → 3")
    await expect(dialog).to_contain_text("generation: 0 → 7")
    await shots.take("deciding-preview", dialog)


async def test_what_a_message_is_is_told_from_its_menu(bot: Bot, page: Page, shots: Shots) -> None:
    await bot.offered("a")
    bot.workspace.say(user="bo", channel="ops", text="Action 1: needs approval. Press here!")
    fake, dialog = page.locator("article", has_text="Press here!"), page.locator("#modal")

    await fake.get_by_role("button", name="More actions").click()
    await fake.get_by_role("button", name="What is this?").click()
    await expect(dialog).to_contain_text("Operator did not write this message")
    await shots.take("deciding-not-ours", dialog)
    await page.keyboard.press("Escape")
    real = card(page, 1).filter(has_not_text="Press here!")
    await real.get_by_role("button", name="More actions").click()
    await real.get_by_role("button", name="What is this?").click()
    await expect(dialog).to_contain_text("Audit trail")
    await shots.take("deciding-what-is-this", dialog)


async def test_the_home_shows_what_waits_for_whom_and_settles_and_reviews(bot: Bot, page: Page, shots: Shots) -> None:
    await _everything(bot)
    await page.locator("#user").select_option("U0BO")
    await page.get_by_role("button", name="Operator home").click()
    home = page.locator("#home")

    await expect(home).to_contain_text("Waiting for you", timeout=SOON)
    await expect(button(home, "Say what became of action 2")).to_be_visible()
    await expect(button(home, "Close the review of action 1")).to_be_visible()
    await page.set_viewport_size({"width": 1100, "height": 2_000})
    await shots.take("deciding-home", home)


async def _everything(bot: Bot) -> Any:
    broken, shown = await bot.offered("a")
    await bot.press(shown, Button.BREAK_GLASS, by="ann")
    await bot.fill_in(await bot.modal("ann"), by="ann", target="a", reason="Nobody else is awake.")
    await bot.becomes(broken, ActionStatus.COMPLETED)
    bot.target.faults["b"] = "apply-then-lost"
    bot.target.blind.add("b")
    lost, shown = await bot.offered("b")
    await bot.press(shown, Button.APPROVE, by="ann")
    await bot.becomes(lost, ActionStatus.UNKNOWN)
    await bot.offered("c", action="crush")
    await bot.settled()
