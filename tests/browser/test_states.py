import re

import pytest
from playwright.async_api import Locator, Page, expect

from .conftest import Scene, Shots
from .stubborn import PROCESS, Mood

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
SOON = 10_000
"""Milliseconds within which Slack shows what the bot knows: it is told at most once a second."""


def card(page: Page, number: int) -> Locator:
    return page.locator("article:not(.reply):not(.ephemeral)", has_text=f"Action {number}:")


def button(on: Locator, label: str, number: int) -> Locator:
    return on.get_by_role("button", name=re.compile(rf"^{label}( of)? action {number}\b"))


def offered(on: Locator) -> Locator:
    """The buttons that the bot put there; the menu beside them is Slack's."""
    return on.locator(".blocks").get_by_role("button")


async def test_in_observe_mode_a_diagnosis_has_no_buttons(scene: Scene, page: Page, shots: Shots) -> None:
    await scene.type("mode observe")
    receipt = await scene.recommend("supervisor.restart_process", name="etcd-n1")
    assert receipt["proposals"] == []
    message = page.locator("article", has_text="observing only, nothing to approve")
    await expect(message).to_contain_text("etcd-n1 holds more memory than it should.", timeout=SOON)
    await expect(message).to_contain_text('Would have proposed:supervisor.restart_process with {"name": "etcd-n1"}')
    await expect(message).to_contain_text("/operator mode execute <reason>")
    await expect(offered(message)).to_have_count(0)
    await shots.take("observe", message)


async def test_a_pending_card_shows_what_would_run_and_who_may_decide(scene: Scene, page: Page, shots: Shots) -> None:
    await scene.type("mode execute test")
    number = await scene.propose("supervisor.restart_process", name="etcd-n2")
    pending = card(page, number)
    await expect(pending).to_contain_text("needs approval", timeout=SOON)
    await expect(pending).to_contain_text("What would run: supervisor.restart_process on supervisor / etcd-n2")
    await expect(pending).to_contain_text('name = "etcd-n2"')
    await expect(pending).to_contain_text("Risk tier: medium")
    await expect(pending).to_contain_text("One person must approve: ann, bo")
    for label in ("Approve", "Cancel", "Details"):
        await expect(button(pending, label, number)).to_be_visible()
    await shots.take("pending", pending)
    await button(pending, "Details", number).click()
    await expect(page.locator("#modal")).to_contain_text("memory grew for six hours")
    await shots.take("details", page.locator("#modal"))
    await page.keyboard.press("Escape")
    await expect(page.locator("#modal")).not_to_be_visible()


async def test_high_risk_takes_two_people_and_says_who_was_first(scene: Scene, page: Page, shots: Shots) -> None:
    await scene.type("mode execute test")
    number = await scene.propose("supervisor.stop_process", name="etcd-n3")
    half = card(page, number)
    await expect(half).to_contain_text("needs 2 approvals", timeout=SOON)
    await button(half, "Approve", number).click()
    dialog = page.locator("#modal")
    await expect(dialog).to_contain_text("Risk: high. It runs once one more person approved it.")
    await dialog.get_by_label("Type the target's name: etcd-n3").fill("etcd-n3")
    await shots.take("question", dialog)
    await dialog.get_by_role("button", name="Approve").click()
    await expect(half).to_contain_text("1 of 2 approvals", timeout=SOON)
    await expect(half).to_contain_text("Approval 1 of 2: ann")
    await expect(half).to_contain_text(re.compile("more.* must approve: bo"))
    await shots.take("half-approved", half)
    await button(half, "Approve", number).click()
    await dialog.get_by_label("Type the target's name: etcd-n3").fill("etcd-n3")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(dialog).to_contain_text(f"You have approved action {number} already", timeout=SOON)
    assert (await scene.cluster.processes())["n3"].state == "RUNNING"


async def test_a_killed_member_is_found_approved_and_started(scene: Scene, page: Page, shots: Shots) -> None:
    await scene.type("mode execute test")
    await page.get_by_role("button", name="Kill a member").click()
    await expect(page.locator(".panel .said").first).to_contain_text("was killed: kill -9")
    found = page.locator("article:not(.ephemeral)", has_text="The etcd process of").last
    await expect(found).to_contain_text("What would run: supervisor.start_process", timeout=SOON)
    await shots.take("card", found)
    await shots.take("page", page.locator("body"))
    await page.locator("#user").select_option("U0BO")
    await page.get_by_role("button", name=re.compile("^Approve action")).last.click()
    done = page.locator("article:not(.reply)", has_text="done and confirmed").last
    await expect(done).to_contain_text("The effect was seen on the target.", timeout=SOON)
    await expect(done).to_contain_text("Approval 1 of 1: bo")
    await expect(done).to_contain_text("State: RUNNING")
    await expect(offered(done)).to_have_text(["Undo"])
    await shots.take("completed", done)


async def test_what_the_target_refused_is_failed_and_nothing_was_changed(
    scene: Scene, page: Page, shots: Shots
) -> None:
    scene.stubborn.start_afresh()
    await scene.type("mode execute test")
    number = await scene.propose("stubborn.start_process", name=PROCESS)
    failed = card(page, number)
    await button(failed, "Approve", number).click(timeout=SOON)
    await expect(failed).to_contain_text("failed, nothing was changed", timeout=SOON)
    await expect(failed).to_contain_text(f"NO_FILE: /opt/{PROCESS}")
    await expect(offered(failed)).to_have_text(["Try again"])
    await shots.take("failed", failed)


async def test_what_may_have_happened_is_unknown_until_it_was_seen(scene: Scene, page: Page, shots: Shots) -> None:
    scene.stubborn.start_afresh()
    scene.stubborn.mood = Mood.BREAKS_OFF
    told_before = scene.stubborn.started
    await scene.type("mode execute test")
    number = await scene.propose("stubborn.start_process", name=PROCESS)
    unknown = card(page, number)
    await button(unknown, "Approve", number).click(timeout=SOON)
    await expect(unknown).to_contain_text("outcome unknown", timeout=SOON)
    await expect(unknown).to_contain_text("It may or may not have happened.")
    await expect(unknown).to_contain_text(f"operator actions resolve {number}")
    await expect(offered(unknown)).to_have_text(["Say what happened", "Details"])
    await shots.take("unknown", unknown)
    scene.stubborn.turn_out_to_run()
    await expect(unknown).to_contain_text("looking twice showed that it happened", timeout=2 * SOON)
    assert scene.stubborn.started == told_before + 1


async def test_a_cancelled_card_says_who_and_the_log_says_why(scene: Scene, page: Page, shots: Shots) -> None:
    await scene.type("mode execute test")
    number = await scene.propose("supervisor.restart_process", name="etcd-n1")
    cancelled = card(page, number)
    await button(cancelled, "Cancel", number).click(timeout=SOON)
    await expect(page.locator("#modal")).to_be_visible(timeout=SOON)
    await shots.take("why", page.locator("#modal"))
    await page.locator("#modal").get_by_role("textbox").fill("the review was wrong")
    await page.locator("#modal").get_by_role("button", name="Save").click()
    await expect(cancelled).to_contain_text("Nothing ran. A person cancelled it.", timeout=SOON)
    await expect(cancelled).to_contain_text("Cancelled by: @Ann")
    await expect(offered(cancelled)).to_have_count(0)
    await shots.take("cancelled", cancelled)
    audit = (await scene.api.get(f"/api/v1/actions/{number}")).json()["audit"]
    assert any("the review was wrong" in event["data"].values() for event in audit), audit


async def test_the_kill_switch_ends_what_is_pending(scene: Scene, page: Page, shots: Shots) -> None:
    await scene.type("mode execute test")
    number = await scene.propose("supervisor.restart_process", name="etcd-n1")
    killed = card(page, number)
    await expect(button(killed, "Approve", number)).to_be_visible(timeout=SOON)
    await page.locator("#composer-text").fill("/operator kill-switch the alert was false")
    await page.locator("#composer-text").press("Enter")
    await expect(killed).to_contain_text("stopped by the kill switch", timeout=SOON)
    await expect(offered(killed)).to_have_count(0)
    await shots.take("killed", killed)
    told = page.locator("article", has_text="Kill switch thrown for everything")
    await expect(told).to_contain_text("the alert was false", timeout=SOON)
    await shots.take("kill-announced", told)
