"""The app's own tab, as those who may decide and those who may not see it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actions.models import ActionStatus, SafetyMode
from bot.ids import Button, Field
from bot.workspace import payloads
from bot.workspace.delivery import Kind
from bot.workspace.faults import Fault, FaultKind
from bot.workspace.records import Json
from tests.bot.running import ANN, Bot, built_bot, buttons, local_workspace, locked, running, running_bot, settings_for


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path) as running:
        yield running


async def opened(bot: Bot, user: str) -> Json:
    before = bot.workspace.home(user)
    assert (await bot.workspace.open_home(user=user)).acked
    await bot.until(lambda: bot.workspace.home(user) != before)
    home = bot.workspace.home(user)
    assert home is not None
    return home


async def test_an_approver_sees_what_waits_and_the_kill_switch(bot: Bot) -> None:
    await bot.offered("a")
    done, card = await bot.offered("b")
    await bot.press(card, Button.APPROVE, by="ann")
    await bot.becomes(done, ActionStatus.COMPLETED)

    home = await opened(bot, "ann")

    assert Button.KILL.value in buttons(home)
    shown = str(home["blocks"])
    assert "execute for everything" in shown
    assert "needs approval" in shown or "waits for approval" in shown
    assert "done and confirmed" in shown


async def test_what_somebody_has_approved_already_does_not_wait_for_them(bot: Bot) -> None:
    _, card = await bot.offered("a", action="crush")
    assert "rack.crush" in str(await opened(bot, "ann"))

    await bot.approve(card, by="ann")

    assert "rack.crush" not in str(await opened(bot, "ann"))
    assert "rack.crush" in str(await opened(bot, "bo"))


async def test_what_waits_for_somebody_is_found_behind_much_that_does_not(tmp_path: Path) -> None:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, tmp_path, limits={"open_cards": 100, "proposals_per_hour": 100})
        async with built_bot(workspace, settings) as bot, running(bot):
            await bot.propose("theirs", action="crush")
            for number in range(25):
                await bot.propose(f"by ann {number}", by=ANN)

            home = str((await opened(bot, "ann"))["blocks"])

    assert "theirs" in home
    assert "by ann" not in home


@pytest.mark.parametrize("who", ["cy", "guest", "stranger", "gone"])
async def test_who_may_nothing_sees_no_kill_switch_and_nothing_that_waits(bot: Bot, who: str) -> None:
    await bot.offered("a")

    home = await opened(bot, who)

    assert Button.KILL.value not in buttons(home)
    assert "rack.touch" not in str(home["blocks"])


async def asked_why(bot: Bot, user: str, label: str) -> Json:
    """Press one of the buttons that stop, and return the modal that asks why."""
    home = await opened(bot, user)
    row = next(block for block in home["blocks"] if label in str(block))
    assert (await bot.workspace.click_in_view(user=user, view_id=home["id"], block_id=row["block_id"])).acked
    await bot.until(lambda: bool(bot.workspace.modals(user)))
    return bot.workspace.modals(user)[-1]


def because(reason: str) -> Json:
    return {Field.REASON.value: {Field.REASON.value: reason}}


async def test_the_kill_switch_in_the_tab_stops_everything_and_says_what_it_did(bot: Bot) -> None:
    proposal_id, _ = await bot.offered("a")
    modal = await asked_why(bot, "ann", "Stop everything")
    assert (await bot.parts.safety.control()).mode is SafetyMode.EXECUTE

    outcome = await bot.workspace.submit(user="ann", view_id=modal["id"], values=because("it got worse"))

    assert outcome.acked
    stopped = await bot.parts.safety.control()
    assert (stopped.mode, stopped.reason) == (SafetyMode.OBSERVE, "it got worse")
    assert (await bot.proposal(proposal_id)).status is ActionStatus.CANCELLED
    (answer,) = bot.workspace.modals("ann")
    assert "1 pending action cancelled" in str(answer)
    await bot.until(lambda: "observe for everything" in str(bot.workspace.home("ann")))
    await bot.until(lambda: any("Kill switch thrown" in one["text"] for one in bot.workspace.messages("ops")))


async def test_each_subject_has_a_switch_of_its_own(bot: Bot) -> None:
    modal = await asked_why(bot, "ann", "Stop rack")

    assert (await bot.workspace.submit(user="ann", view_id=modal["id"], values=because("wrong disk"))).acked

    assert (await bot.parts.safety.control()).mode is SafetyMode.EXECUTE
    assert (await bot.parts.safety.control("rack")).mode is SafetyMode.OBSERVE
    assert "other subjects go on" in str(bot.workspace.modals("ann"))


async def test_it_stops_without_a_reason_as_well(bot: Bot) -> None:
    modal = await asked_why(bot, "ann", "Stop everything")

    assert (await bot.workspace.submit(user="ann", view_id=modal["id"], values={})).acked

    assert (await bot.parts.safety.control()).mode is SafetyMode.OBSERVE
    await bot.until(lambda: any("no reason was given yet" in one["text"] for one in bot.workspace.messages("ops")))


async def test_closing_the_question_stops_nothing(bot: Bot) -> None:
    modal = await asked_why(bot, "ann", "Stop everything")

    await bot.workspace.close_view(user="ann", view_id=modal["id"])

    assert (await bot.parts.safety.control()).mode is SafetyMode.EXECUTE


async def test_whoever_may_stop_one_subject_sees_the_switch_of_that_one_alone(tmp_path: Path) -> None:
    grant = {"who": ["bo"], "may": ["kill"], "subject": "rack"}
    approvers = {"approve": ["ann"], "kill": ["ann"]}
    async with (
        local_workspace() as workspace,
        running_bot(workspace, tmp_path, approvers=approvers, grants=[grant]) as bot,
    ):
        shown = str(await opened(bot, "bo"))

        assert "Stop rack" in shown
        assert "Stop everything" not in shown


async def test_a_forged_press_of_the_kill_switch_stops_nothing(bot: Bot) -> None:
    home = await opened(bot, "ann")
    assert (await bot.workspace.deliver(*_press_by(bot, "cy", home))).acked
    await bot.until(lambda: bool(bot.workspace.modals("cy")))
    (modal,) = bot.workspace.modals("cy")

    outcome = await bot.workspace.submit(user="cy", view_id=modal["id"], values=because("because"))

    assert "You may not use the kill switch" in outcome.errors[Field.REASON.value]
    assert (await bot.parts.safety.control()).mode is SafetyMode.EXECUTE
    assert len(await bot.audit("denied")) == 1


async def test_with_the_database_locked_the_tab_says_what_the_kill_switch_could_do(tmp_path: Path) -> None:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, tmp_path)
        async with built_bot(workspace, settings, busy_timeout=0.1) as bot, running(bot):
            modal = await asked_why(bot, "ann", "Stop everything")
            with locked(tmp_path):
                outcome = await workspace.submit(user="ann", view_id=modal["id"], values=because("because"))
            assert outcome.acked
            assert "locked" in str(workspace.modals("ann"))
            assert len(bot.parts.kill_files.present()) == 1


async def test_details_open_from_the_tab(bot: Bot) -> None:
    await bot.offered("a")
    home = await opened(bot, "ann")
    row = next(block for block in home["blocks"] if Button.DETAILS.value in str(block))

    outcome = await bot.workspace.click_in_view(user="ann", view_id=home["id"], block_id=row["block_id"])

    assert outcome.acked
    await bot.until(lambda: bool(bot.workspace.modals("ann")))
    assert bot.workspace.modals("ann")[0]["title"]["text"] == "Action 1"


async def test_a_tab_that_slack_does_not_take_is_logged_and_the_next_one_is_drawn(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    bot.workspace.faults.script("views.publish", Fault(kind=FaultKind.STATUS, status=500))

    assert (await bot.workspace.open_home(user="ann")).acked
    await opened(bot, "ann")

    assert "an App Home could not be drawn: http_500" in [record.message for record in caplog.records]


def _press_by(bot: Bot, user: str, home: Json) -> tuple[Kind, Json]:
    state = bot.workspace.state
    shared = payloads.envelope_fields(team=state.team, app=state.app, user=state.user(user))
    view = state.views.get(home["id"])
    button = buttons(home)[Button.KILL.value]
    action = payloads.action_of("row", button, at=state.next_ts())
    trigger = {"trigger_id": state.triggers.issue(state.user(user).id)}
    return Kind.INTERACTIVE, payloads.view_click(shared | trigger, view=view, action=action)
