"""`/operator …`, typed in Slack: every subcommand answers the one who asked, and nobody else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from actions.models import ActionStatus, SafetyMode
from bot.ids import Button, Field
from bot.workspace.delivery import Kind
from tests.bot.running import Bot, built_bot, local_workspace, locked, running, running_bot, settings_for
from tests.rig import ANN_CLI


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path) as running:
        yield running


async def announced(bot: Bot, text: str) -> str:
    def found() -> list[str]:
        return [str(one["text"]) for one in bot.workspace.messages("ops") if text in one["text"]]

    await bot.until(lambda: bool(found()))
    return found()[-1]


ANSWERS: Final = (
    ("", "/operator status the mode, what waits, what runs"),
    ("help", "/operator kill-switch [--subject NAME] [reason] stop everything, or one subject, at once"),
    ("HELP", "/operator list [status] the newest actions"),
    ("status", "execute for everything"),
    ("mode", "execute for everything"),
    ("mode sideways", "The mode is observe or execute: /operator mode execute &lt;reason&gt;."),
    ("mode execute", "mode execute needs a reason"),
    ("reviews", "No review is open"),
    ("approve 1 b", "This is not the target's name."),
    ("mode execute --subject rakc all is well", "There is no subject 'rakc'. Configured: rack. Nothing was changed"),
    ("mode observe --subject rakc", "There is no subject 'rakc'. Configured: rack. Nothing was stopped"),
    ("kill-switch --subject", "There is no subject ''. Configured: rack. Nothing was stopped; to stop everything"),
    ("kill-switch --subject a --subject b", "Name one subject at a time, not a and b; nothing was changed."),
    ("kill-switch wrong disk --subject=rakc", "There is no subject 'rakc'."),
    ("list", "rack.touch"),
    ("list validated", "rack.touch"),
    ("list completed", "Actions that are completed"),
    ("list broken", "There is no such status. There are: proposed, validated"),
    ("show 1", "rack.touch"),
    ("show #1", "rack.touch"),
    ("show", "Which action? /operator show 12; /operator list shows the numbers."),
    ("show one", "Which action?"),
    ("show -1", "Which action?"),
    ("show \u0661", "Which action?"),
    ("show 9999999999999999", "Which action?"),
    ("show 999", "There is no action 999."),
    ("approve", "Which action? /operator approve 12"),
    ("approve 999", "There is no action 999."),
    ("cancel x", "Which action? /operator cancel 12"),
    ("cancel 999", "There is no action 999."),
    ("digest", "Digest until"),
    ("explode", "There is no /operator explode. /operator help shows what there is."),
    ("`<!channel>` *x*", "There is no /operator"),
    ("\u202egnp", "There is no /operator"),
    ("x" * 3_000, "There is no /operator"),
)


async def test_every_subcommand_answers_whoever_asked_and_nobody_else(bot: Bot) -> None:
    await bot.offered("a")
    before = [one["ts"] for one in bot.workspace.messages("ops")]

    for typed, answer in ANSWERS:
        outcome, said = await bot.type(typed, by="bo")
        assert (outcome.acked, outcome.error) == (True, None), typed
        assert answer in said, typed

    assert bot.workspace.ephemerals("ops", user="ann") == []
    assert [one["ts"] for one in bot.workspace.messages("ops")] == before
    assert (await bot.proposal(1)).status is ActionStatus.VALIDATED


async def test_the_word_payload_in_a_command_is_a_word_like_any_other(bot: Bot) -> None:
    outcome, said = await bot.type("kill-switch a bad payload=x", by="ann")

    assert outcome.acked
    assert "stopped" in said.lower()


async def test_an_action_is_approved_by_its_number(bot: Bot) -> None:
    proposal_id, _ = await bot.offered("a")

    _, said = await bot.type(f"approve {proposal_id}", by="ann")

    assert said == "Action 1 is approved and runs now. Its card shows what comes of it."
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert bot.target.ledger["a"] == 1


async def test_the_first_of_two_approvals_says_that_more_are_needed(bot: Bot) -> None:
    proposal_id, _ = await bot.offered("a", action="crush")

    _, first = await bot.type(f"approve {proposal_id} a", by="ann")
    _, again = await bot.type(f"approve {proposal_id} a", by="ann")

    assert first == "Your approval of action 1 counts; more people are needed. See its card."
    assert again == "You have approved action 1 already, and each person counts once; it needs 1 more approval."
    assert bot.target.ledger["a"] == 0


async def test_an_action_is_cancelled_by_its_number_with_a_reason(bot: Bot) -> None:
    proposal_id, _ = await bot.offered("a")

    _, said = await bot.type(f"cancel {proposal_id} the wrong   member", by="bo")

    assert said == "Action 1 is cancelled. Nothing ran."
    assert (await bot.proposal(proposal_id)).detail == "the wrong member"
    await bot.card_of(proposal_id, saying="cancelled")


async def test_who_may_not_is_refused_by_every_command_that_changes_anything(bot: Bot) -> None:
    await bot.offered("a")
    mode = await bot.parts.safety.control()
    commands = ["approve 1", "cancel 1", "kill-switch", "mode observe", "mode execute because"]

    for typed in commands:
        outcome, said = await bot.type(typed, by="cy")
        assert outcome.acked, typed
        assert said.startswith("You may not "), typed

    assert await bot.parts.safety.control() == mode
    assert (await bot.proposal(1)).status is ActionStatus.VALIDATED
    assert [line.actor for line in await bot.audit("denied")] == ["slack:T0LOCAL/U0CY"] * len(commands)


async def test_a_command_delivered_twice_approves_once(bot: Bot) -> None:
    proposal_id, _ = await bot.offered("a", action="crush")
    bot.workspace.faults.duplicate_envelopes(1)

    await bot.type(f"approve {proposal_id} a", by="ann")
    _, said = await bot.type(f"approve {proposal_id} a", by="bo")
    assert "until then it can be cancelled" in said
    bot.clock.advance(11)

    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert len(await bot.audit("approval")) == 1
    assert len(await bot.audit("approved")) == 1


async def test_changes_of_mode_are_announced_in_the_channel_with_who_and_why(bot: Bot) -> None:
    await bot.offered("a")

    _, said = await bot.type("mode observe a deploy", by="bo")

    assert said == (
        "The mode is observe for everything.\n1 pending action cancelled. Nothing new runs.\nNothing was under way."
    )
    text = await announced(bot, "Mode observe for everything")
    assert "U0BO" in text
    assert "a deploy" in text
    await bot.card_of(1, saying="the mode is observe")

    _, said = await bot.type("mode execute the deploy is over", by="ann")
    assert said.startswith("The mode is execute for everything.")
    text = await announced(bot, "the deploy is over")
    assert text.startswith("Mode execute for everything\nBy: U0ANN")


async def test_the_kill_switch_stops_everything_and_the_channel_is_told(bot: Bot) -> None:
    bot.target.hold["running"] = asyncio.Event()
    running_id, card = await bot.offered("running")
    await bot.press(card, Button.APPROVE, by="ann")
    await bot.becomes(running_id, ActionStatus.EXECUTING)
    pending_id, _ = await bot.offered("pending")

    outcome, said = await bot.type("kill-switch it got worse", by="bo")

    assert outcome.acked
    assert "1 pending action cancelled" in said
    assert "rack.touch" in said
    text = await announced(bot, "Kill switch thrown for everything")
    assert "it got worse" in text
    assert "rack.touch" in text
    assert (await bot.proposal(pending_id)).status is ActionStatus.CANCELLED
    await bot.card_of(pending_id, saying="stopped by the kill switch")
    bot.target.hold["running"].set()
    assert (await bot.parts.safety.control()).mode is SafetyMode.OBSERVE


@pytest.mark.parametrize(
    "typed",
    [
        "kill-switch --subject rack wrong disk",
        "kill-switch wrong disk --subject rack",
        "kill-switch --subject=rack wrong disk",
        "kill-switch \u2014subject Rack  wrong\ndisk",
        "mode observe --subject rack wrong disk",
        "mode --subject rack observe wrong disk",
    ],
)
async def test_one_subject_is_stopped_and_started_by_its_name(bot: Bot, typed: str) -> None:
    proposal_id, _ = await bot.offered("a")

    _, said = await bot.type(typed, by="bo")

    assert "Nothing new runs on rack; other subjects go on." in said
    assert (await bot.parts.safety.control()).mode is SafetyMode.EXECUTE
    stopped = await bot.parts.safety.control("rack")
    assert (stopped.mode, stopped.reason) == (SafetyMode.OBSERVE, "wrong disk")
    await bot.card_of(proposal_id, saying="cancelled" if typed.startswith("mode") else "kill switch")
    assert "rack" in await announced(bot, "for rack")

    _, said = await bot.type("mode execute --subject rack the disk is replaced", by="ann")
    assert said.startswith("The mode is execute for rack.")
    assert (await bot.parts.safety.control("rack")).mode is SafetyMode.EXECUTE


async def test_lifting_one_subject_while_everything_is_stopped_says_that_it_is(bot: Bot) -> None:
    await bot.type("kill-switch it got worse", by="bo")
    await bot.type("mode observe --subject rack that too", by="bo")

    _, said = await bot.type("mode execute --subject rack all is well", by="ann")

    assert said.startswith("The mode is execute for rack, but everything is still stopped.")
    assert (await bot.parts.safety.control("rack")).mode is SafetyMode.OBSERVE


@pytest.mark.parametrize("typed", ["kill-switch", "kill-switch --subject rack", "mode observe"])
async def test_a_stop_without_a_reason_stops_at_once_and_asks_for_it_then(bot: Bot, typed: str) -> None:
    _, said = await bot.type(typed, by="bo")

    assert "Nothing new runs" in said
    assert (await bot.parts.safety.control("rack")).mode is SafetyMode.OBSERVE
    await announced(bot, "no reason was given yet")
    await bot.until(lambda: bool(bot.workspace.modals("bo")))
    (modal,) = bot.workspace.modals("bo")
    values = {Field.REASON.value: {Field.REASON.value: "it got worse"}}
    assert (await bot.workspace.submit(user="bo", view_id=modal["id"], values=values)).acked

    text = await announced(bot, "it got worse")
    assert "said afterwards by U0BO" in text
    assert len([one for one in bot.workspace.messages("ops") if "it got worse" in one["text"]]) == 1
    (line,) = await bot.audit("explained")
    assert line.actor == "slack:T0LOCAL/U0BO"
    assert (await bot.parts.safety.control("rack")).reason == "it got worse"


async def test_whoever_has_no_reason_leaves_it_at_that(bot: Bot) -> None:
    await bot.type("kill-switch", by="bo")
    await bot.until(lambda: bool(bot.workspace.modals("bo")))
    (modal,) = bot.workspace.modals("bo")

    assert (await bot.workspace.submit(user="bo", view_id=modal["id"], values={})).acked

    assert bot.workspace.modals("bo") == []
    assert await bot.audit("explained") == []


async def test_a_stop_with_a_reason_asks_nothing(bot: Bot) -> None:
    await bot.type("kill-switch it got worse", by="bo")
    await bot.type("mode observe it got worse", by="bo")
    await bot.type("mode execute all is well", by="bo")

    await bot.settled()
    assert bot.workspace.modals("bo") == []


async def test_two_people_lift_a_stop_where_that_is_configured(tmp_path: Path) -> None:
    async with (
        local_workspace() as workspace,
        running_bot(workspace, tmp_path, execute=False, limits={"lift_people": 2}) as bot,
    ):
        _, first = await bot.type("mode execute the disk is replaced", by="ann")
        assert first.startswith("Recorded; nothing was switched yet.")
        assert "1 more person has to ask for it within 10 minutes: /operator mode execute" in first
        text = await announced(bot, "Wanted: mode execute for everything")
        assert "the disk is replaced" in text
        assert "U0ANN" in text
        assert (await bot.parts.safety.control()).mode is SafetyMode.OBSERVE

        again = await bot.parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="from the command line")
        assert (again.have, again.need) == (1, 2)

        _, second = await bot.type("mode execute I looked too", by="bo")
        assert second.startswith("The mode is execute for everything.")
        assert "Wanted by: ann, bo" in await announced(bot, "Mode execute for everything")
        assert (await bot.parts.safety.control()).mode is SafetyMode.EXECUTE


async def test_a_stop_is_not_refused_for_the_length_of_its_reason(bot: Bot) -> None:
    _, killed = await bot.type(f"kill-switch {'because ' * 200}", by="ann")
    _, observed = await bot.type(f"mode observe {'because ' * 200}", by="ann")

    assert "Nothing new runs" in killed
    assert observed.startswith("The mode is observe for everything.")
    assert len((await bot.parts.safety.control()).reason) <= 500


async def test_with_the_database_locked_the_kill_switch_leaves_a_file_and_says_so(tmp_path: Path) -> None:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, tmp_path)
        async with built_bot(workspace, settings, busy_timeout=0.1) as bot, running(bot):
            proposal_id, card = await bot.offered("a")
            with locked(tmp_path):
                outcome, said = await bot.type("kill-switch", by="ann")
            assert outcome.acked
            assert "locked" in said
            assert len(bot.parts.kill_files.present()) == 1

            await bot.press(card, Button.APPROVE, by="ann")
            assert "held back by kill-" in await bot.told("ann", saying="held back")
            assert bot.target.ledger["a"] == 0
            assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED

            _, said = await bot.type("mode execute over", by="ann")
            assert said.startswith("The mode is execute for everything.")
            assert bot.parts.kill_files.present() == []


async def test_what_the_locked_database_cannot_take_is_answered_with_why(tmp_path: Path) -> None:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, tmp_path)
        async with built_bot(workspace, settings, busy_timeout=0.1) as bot, running(bot):
            await bot.offered("a")
            with locked(tmp_path):
                outcome, said = await bot.type("approve 1", by="ann")
            assert outcome.acked
            assert "nothing was recorded" in said
            assert (await bot.proposal(1)).status is ActionStatus.VALIDATED


async def test_an_execute_that_is_delivered_again_after_a_kill_does_not_lift_it(bot: Bot) -> None:
    body = a_command("mode execute because")
    assert (await bot.workspace.deliver(Kind.COMMAND, body)).acked
    await bot.type("kill-switch it got worse", by="bo")

    again = await bot.workspace.deliver(Kind.COMMAND, body)

    assert again.payload is not None
    assert "received before; nothing was changed" in again.payload["text"]
    assert (await bot.parts.safety.control()).mode is SafetyMode.OBSERVE
    assert (await bot.workspace.deliver(Kind.COMMAND, body | {"trigger_id": "4.5.6"})).acked
    assert (await bot.parts.safety.control()).mode is SafetyMode.EXECUTE


def a_command(text: str) -> dict[str, str]:
    return {
        "command": "/operator",
        "text": text,
        "team_id": "T0LOCAL",
        "user_id": "U0ANN",
        "channel_id": "C0OPS",
        "api_app_id": "A0LOCAL",
        "trigger_id": "1.2.3",
        "response_url": "http://127.0.0.1/x",
    }


MALFORMED: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "no user": lambda body: {key: value for key, value in body.items() if key != "user_id"},
    "odd user": lambda body: body | {"user_id": "<@U0ANN>"},
    "no trigger": lambda body: {key: value for key, value in body.items() if key != "trigger_id"},
    "odd channel": lambda body: body | {"channel_id": "#ops"},
}


async def test_a_malformed_command_is_answered_with_what_is_wrong(bot: Bot) -> None:
    body = a_command("kill-switch")
    for name, alter in MALFORMED.items():
        answered = await bot.workspace.deliver(Kind.COMMAND, alter(body))

        assert answered.acked, name
        assert answered.payload is not None, name
        assert answered.payload["response_type"] == "ephemeral", name
        assert "cannot be read (at " in answered.payload["text"], name
    assert (await bot.parts.safety.control()).mode is SafetyMode.EXECUTE
