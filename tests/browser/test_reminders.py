"""The thread of a card with its reminders, as people see it."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.bot.running import local_workspace, running_bot

from .conftest import Shots

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
SOON = 10_000
MINUTE = 60


async def test_a_reminder_is_seen_snoozed_and_followed_by_the_last_one(
    browser: Browser, tmp_path: Path, shots: Shots
) -> None:
    approvers = {"approve": ["ann", "bo"]}
    async with local_workspace() as workspace, running_bot(workspace, tmp_path, approvers=approvers) as bot:
        page = await browser.new_page(viewport={"width": 1100, "height": 1400})
        await page.goto(f"{workspace.page_url}#as=bo&in=C0OPS")
        await bot.offered("a")
        bot.clock.advance(10 * MINUTE)

        replies = page.locator("article.reply")
        await expect(replies).to_contain_text("Action 1 still waits: needs approval.", timeout=SOON)
        await expect(replies).to_contain_text("Who can approve: @Ann, @Bo")
        await shots.take("reminder", page.locator("body"))
        await replies.get_by_role("button", name="Snooze 15 min: no reminders of action 1").click()
        await expect(replies).to_contain_text("Snoozed by: @Bo, no reminder before", timeout=SOON)
        await expect(replies.get_by_role("button", name="Snooze")).to_have_count(0)
        await shots.take("reminder-snoozed", replies)

        bot.clock.advance(41 * MINUTE)
        await expect(replies).to_have_count(2, timeout=SOON)
        await expect(replies.last).to_contain_text("Last reminder: action 1 expires at")
        await expect(replies.first).to_contain_text("This reminder of action 1 is over", timeout=SOON)
        await shots.take("reminder-last", page.locator("body"))
        await page.close()
