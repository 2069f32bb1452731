"""What delivery is given to show: the newest state, in the right channel."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from actions.agent.intake import Submission
from actions.canonical import Json
from actions.diagnosis.models import ActionRecommendation, Severity
from actions.models import Actor, ActorKind, Caller, Checkpoint, SafetyMode, Via
from actions.ports import MessageRef, OutboxItem, OutboxKind
from actions.registry import ActionRegistry
from bot.digest_data import DigestOrder
from bot.ids import Button
from bot.presenter import CardPresenter
from bot.shown import NotYetError, Shown
from bot.views.message import Message
from tests.bot.running import ANN, BO, PEOPLE, Bot, built_bot, buttons, local_workspace, settings_for
from tests.bot.views.samples import an_output
from tests.rig import ANN_CLI, Touch

ROUTES = [{"severity": "Critical", "channel": "#incident-42"}]
HTTP = Caller(actor=Actor(ActorKind.HTTP, "monitor"), via=Via.HTTP)


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with local_workspace() as workspace:
        settings = settings_for(
            workspace,
            tmp_path,
            routes=ROUTES,
            incident_channels=["C0INCIDENT42"],
            approvers={"approve": list(PEOPLE), "break_glass": ["ann"]},
        )
        async with built_bot(workspace, settings) as bot:
            await bot.parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="test")
            yield bot


@pytest.fixture
def presenter(bot: Bot) -> CardPresenter:
    return bot.service._presenter


def about(bot: Bot, kind: OutboxKind, ref: object, payload: Mapping[str, Json] | None = None) -> OutboxItem:
    now = bot.clock.now()
    return OutboxItem(
        id=1, kind=kind, ref=str(ref), version=1, payload=payload or {}, attempts=0, due_at=now, created_at=now
    )


async def shown(bot: Bot, kind: OutboxKind, ref: object, payload: Mapping[str, Json] | None = None) -> Shown:
    found = await bot.service._presenter.present(about(bot, kind, ref, payload))
    assert found is not None
    return found


async def diagnosed(bot: Bot, *, severity: Severity = Severity.WARNING, **over: Any) -> tuple[int, list[int]]:
    """Hand in a diagnosis that recommends to touch an item; return its id and its proposals'."""
    recommended = (
        ActionRecommendation(
            action_name="rack.touch", parameters={"item": "a"}, reason="because", expected_outcome="touched"
        ),
    )
    given: dict[str, Any] = {"subject": "rack", "target": "rack", "source": "monitor", "source_key": "k", "by": HTTP}
    output = an_output(severity=severity, recommended_actions=over.pop("recommended", recommended))
    receipt = await bot.parts.intake.submit(Submission(output=output, **(given | over)))
    return receipt.diagnosis.id, [proposal.id for proposal in receipt.proposals]


async def posted(bot: Bot, proposal_id: int, channel_id: str = "C0INCIDENT42") -> MessageRef:
    ref = MessageRef(kind=OutboxKind.CARD, ref=str(proposal_id), team_id="T0LOCAL", channel_id=channel_id, ts="1.2")
    return await bot.parts.store.write(lambda tx: tx.record_message(ref))


async def test_a_card_shows_the_state_of_this_moment_and_says_which(bot: Bot) -> None:
    proposal_id = await bot.propose("a", action="crush")
    before = await shown(bot, OutboxKind.CARD, proposal_id)

    await bot.parts.executor.approve_proposal(proposal_id, by=ANN)
    after = await shown(bot, OutboxKind.CARD, proposal_id)

    assert "needs 2 approvals" in before.message.text
    assert "1 of 2 approvals" in after.message.text
    assert after.version == (await bot.proposal(proposal_id)).version == before.version + 1
    assert after.payload()["metadata"] == {
        "event_type": "operator_card",
        "event_payload": {"ref": str(proposal_id), "version": after.version},
    }


async def test_the_buttons_carry_the_secret_that_the_proposal_was_stored_with(bot: Bot) -> None:
    proposal_id = await bot.propose("a")
    proposal = await bot.proposal(proposal_id)

    card = (await shown(bot, OutboxKind.CARD, proposal_id)).payload()

    values = {name: button["value"] for name, button in buttons(card).items()}
    assert bot.parts.buttons.token_for(proposal.token) in values["proposal.approve"]
    assert proposal.token not in str(card)


async def test_a_card_goes_to_the_default_channel(bot: Bot) -> None:
    found = await shown(bot, OutboxKind.CARD, await bot.propose("a"))

    assert (found.channel, found.fallback) == ("#ops", "#ops")


async def test_a_route_decides_before_the_default_channel_does(bot: Bot) -> None:
    _, (critical,) = await diagnosed(bot, severity=Severity.CRITICAL)
    _, (warning,) = await diagnosed(bot, source_key="other")

    assert (await shown(bot, OutboxKind.CARD, critical)).channel == "#incident-42"
    assert (await shown(bot, OutboxKind.CARD, warning)).channel == "#ops"


@pytest.mark.parametrize(("named", "used"), [("C0INCIDENT42", "C0INCIDENT42"), ("C0SECRET", "#ops"), ("#ops", "#ops")])
async def test_a_diagnosis_may_name_an_allowed_channel_and_no_other(bot: Bot, named: str, used: str) -> None:
    diagnosis_id, (proposal_id,) = await diagnosed(bot, channel=named)

    assert (await shown(bot, OutboxKind.CARD, proposal_id)).channel == used
    assert (await shown(bot, OutboxKind.DIAGNOSIS, diagnosis_id)).channel == used


async def test_a_card_that_was_posted_stays_where_it_is(bot: Bot) -> None:
    proposal_id = await bot.propose("a")
    await posted(bot, proposal_id)

    assert (await shown(bot, OutboxKind.CARD, proposal_id)).channel == "C0INCIDENT42"


async def test_a_result_waits_for_the_card_and_goes_into_its_thread(bot: Bot, presenter: CardPresenter) -> None:
    proposal_id = await bot.propose("a")
    await bot.parts.executor.approve_proposal(proposal_id, by=ANN)
    await bot.parts.executor.execute_proposal(proposal_id)
    with pytest.raises(NotYetError):
        await presenter.present(about(bot, OutboxKind.RESULT, proposal_id))

    ref = await posted(bot, proposal_id)
    found = await shown(bot, OutboxKind.RESULT, proposal_id)

    assert (found.thread, found.destination) == (ref, "C0INCIDENT42")
    assert "done and confirmed" in found.message.text


@pytest.mark.parametrize("kind", [OutboxKind.CARD, OutboxKind.RESULT, OutboxKind.DIAGNOSIS, OutboxKind.ANNOUNCEMENT])
async def test_of_what_is_not_there_nothing_is_shown(bot: Bot, presenter: CardPresenter, kind: OutboxKind) -> None:
    assert await presenter.present(about(bot, kind, 999)) is None


async def test_a_diagnosis_says_why_a_recommendation_became_no_proposal(bot: Bot) -> None:
    bad = ActionRecommendation(
        action_name="rack.touch", parameters={"itm": "a"}, reason="because", expected_outcome="touched"
    )
    diagnosis_id, proposals = await diagnosed(bot, recommended=(bad,))

    text = (await shown(bot, OutboxKind.DIAGNOSIS, diagnosis_id)).message.text

    assert proposals == []
    assert "rack.touch" in text
    assert "itm" in text


async def test_a_diagnosis_says_which_limit_kept_it_from_being_proposed_and_until_when(tmp_path: Path) -> None:
    async with local_workspace() as workspace:
        settings = settings_for(workspace, tmp_path, limits={"open_cards": 1})
        async with built_bot(workspace, settings) as bot:
            await bot.parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="test")
            await bot.propose("b")

            diagnosis_id, proposals = await diagnosed(bot)

            assert proposals == []
            items = await bot.parts.store.read(lambda reader: reader.outbox_due(bot.clock.now(), 100))
            (item,) = (one for one in items if one.kind is OutboxKind.DIAGNOSIS)
            assert item.ref == str(diagnosis_id)
            first = await bot.service._presenter.present(item)
            redrawn = await shown(bot, OutboxKind.DIAGNOSIS, diagnosis_id)
            assert first is not None
            assert "not proposed" in first.message.text
            assert "Not proposed, because" in first.message.text
            assert "rack.touch: That is the limit: 1 action on rack waits to be decided" in first.message.text
            assert "Nothing could be proposed at that time; the audit log says why." in redrawn.message.text


async def test_in_observe_mode_a_diagnosis_is_shown_without_buttons(bot: Bot) -> None:
    await bot.parts.safety.set_mode(SafetyMode.OBSERVE, by=ANN)
    diagnosis_id, proposals = await diagnosed(bot)

    message = (await shown(bot, OutboxKind.DIAGNOSIS, diagnosis_id)).message

    assert proposals == []
    assert "rack.touch" in message.text
    assert buttons({"blocks": list(message.blocks)}) == {}


async def test_the_kill_switch_is_announced_with_what_may_still_take_effect(bot: Bot) -> None:
    await bot.parts.safety.kill_switch(by=BO, reason="it got worse")
    (line,) = await bot.audit("kill_switch")

    found = await shown(bot, OutboxKind.ANNOUNCEMENT, line.seq)

    assert found.channel == "#ops"
    assert "Kill switch thrown" in found.message.text
    assert "it got worse" in found.message.text


async def test_a_stop_is_announced_anew_with_the_reason_that_followed(bot: Bot, presenter: CardPresenter) -> None:
    stopped = await bot.parts.safety.kill_switch(by=BO)
    assert stopped.seq is not None
    assert "no reason was given yet" in (await shown(bot, OutboxKind.ANNOUNCEMENT, stopped.seq)).message.text

    await bot.parts.safety.explain_stop(stopped.seq, by=ANN, reason="it got worse")

    (line,) = await bot.audit("explained")
    found = await presenter.present(about(bot, OutboxKind.ANNOUNCEMENT, str(stopped.seq), {"explained": line.seq}))
    assert found is not None
    assert "Why: it got worse (said afterwards by U0ANN)" in found.message.text


async def test_a_digest_goes_where_it_was_ordered_to(bot: Bot, presenter: CardPresenter) -> None:
    order = DigestOrder(
        name="morning",
        fire_at=bot.clock.now(),
        covers=timedelta(days=1),
        checkpoint=Checkpoint(seq=0, head="0" * 64, count=0, at=bot.clock.now()),
    )
    for channel, used in ((None, "#ops"), ("C0INCIDENT42", "C0INCIDENT42")):
        one = replace(order, channel=channel)
        found = await presenter.present(about(bot, OutboxKind.DIGEST, one.ref, one.payload()))
        assert found is not None
        assert found.channel == used
        assert "Digest until" in found.message.text


async def test_a_notice_is_nothing_to_draw(bot: Bot, presenter: CardPresenter) -> None:
    assert await presenter.present(about(bot, OutboxKind.NOTICE, "x")) is None


async def test_an_action_that_is_not_configured_any_more_is_shown_all_the_same(
    bot: Bot, presenter: CardPresenter
) -> None:
    proposal_id = await bot.propose("a")
    presenter._registry = ActionRegistry()

    text = (await shown(bot, OutboxKind.CARD, proposal_id)).message.text

    assert "An action that is not configured any more" in text
    assert "rack.touch" in text


def _undo(params: Touch, before: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]] | None:
    return ("untouch", {"item": params.item, "times": before["touched"]}) if params.item != "b" else None


async def test_how_it_could_be_taken_back_is_said_as_long_as_the_action_is_the_same(
    bot: Bot, presenter: CardPresenter
) -> None:
    first, second = await bot.proposal(await bot.propose("a")), await bot.proposal(await bot.propose("b"))
    assert presenter.undo_hint(first) is None

    with_undo = replace(bot.parts.registry.get("rack.touch"), undo=_undo)
    presenter._registry = ActionRegistry([with_undo])

    assert presenter.undo_hint(replace(first, definition_hash=with_undo.definition_hash)) == (
        "rack.untouch(item=a, times=0)"
    )
    assert presenter.undo_hint(replace(second, definition_hash=with_undo.definition_hash)) is None
    assert presenter.undo_hint(replace(first, definition_hash="0" * 64, parameters={"other": 1})) is None


async def reminded(bot: Bot, proposal_id: int) -> Shown:
    """Have people reminded of what was posted, and return how that looks."""
    bot.clock.advance(10 * 60)
    await bot.parts.reminders.remind()
    return await shown(bot, OutboxKind.REMINDER, f"{proposal_id}/1", {"about": "undecided"})


async def test_a_reminder_waits_for_the_card_and_goes_into_its_thread(bot: Bot, presenter: CardPresenter) -> None:
    proposal_id = await bot.propose("a")
    with pytest.raises(NotYetError):
        await reminded(bot, proposal_id)

    ref = await posted(bot, proposal_id)
    found = await shown(bot, OutboxKind.REMINDER, f"{proposal_id}/1", {"about": "undecided"})

    assert (found.thread, found.destination) == (ref, "C0INCIDENT42")
    assert "Action 1 still waits" in found.message.text
    plain = found.text_alone(about(bot, OutboxKind.REMINDER, "1/1"), "invalid_blocks")["text"]
    assert plain.endswith("Buttons are missing. Look at it with /operator show 1.)")
    for gone in ("1/2", "999/1"):
        assert await presenter.present(about(bot, OutboxKind.REMINDER, gone, {"about": "undecided"})) is None


async def test_a_reminder_that_was_decided_before_it_was_posted_is_not_posted(
    bot: Bot, presenter: CardPresenter
) -> None:
    proposal_id = await bot.propose("a")
    await posted(bot, proposal_id)
    await reminded(bot, proposal_id)

    await bot.parts.executor.cancel_proposal(proposal_id, by=ANN)

    assert await presenter.present(about(bot, OutboxKind.REMINDER, "1/1", {"about": "undecided"})) is None


async def test_people_are_mentioned_as_slack_knows_them(tmp_path: Path) -> None:
    people = {
        "ann": {"slack": ["T0LOCAL/U0ANN"]},
        "bo": {"slack": ["T0LOCAL/U0BO"], "cli": ["bo"]},
        "cy": {"cli": ["cy"]},
    }
    rules: dict[str, Any] = {
        "people": people,
        "groups": {"dba": {"slack": "S0DBA"}},
        "approvers": {"approve": ["ann", "bo", "cy"]},
        "grants": [{"who": ["group:dba"], "may": ["approve"]}],
    }
    async with local_workspace() as workspace, built_bot(workspace, settings_for(workspace, tmp_path, **rules)) as bot:
        await bot.parts.safety.set_mode(
            SafetyMode.EXECUTE, by=Caller(actor=Actor.cli("cy", "h"), via=Via.CLI), reason="x"
        )
        proposal_id = await bot.propose("a", by=BO)
        await posted(bot, proposal_id, "C0OPS")

        text = (await reminded(bot, proposal_id)).message.text

    assert "Who can approve: S0DBA, U0ANN, cy\n" in text


async def carded(bot: Bot, proposal_id: int) -> Message:
    return (await shown(bot, OutboxKind.CARD, proposal_id)).message


def offered(message: Message) -> set[str]:
    return set(buttons({"blocks": list(message.blocks)}))


async def test_what_the_target_looked_like_last_decides_what_is_offered(bot: Bot) -> None:
    proposal_id = await bot.propose("a")
    before = await carded(bot, proposal_id)
    bot.target.pins["a"] = 7
    await bot.parts.executor.preview_proposal(proposal_id)

    after = await carded(bot, proposal_id)

    assert "The target has changed" not in before.text
    assert "The target has changed since it was read: generation: 0 → 7." in after.text


async def test_a_card_and_the_one_that_replaced_it_lead_to_each_other(bot: Bot) -> None:
    old = await bot.propose("a")
    new = (await bot.parts.executor.edit_proposal(old, {"item": "a", "mark": "x"}, by=ANN)).id
    await posted(bot, new)

    earlier, later = await carded(bot, old), await carded(bot, new)

    assert f"Action {old}: replaced by action {new}\n" in earlier.text
    assert "/archives/C0INCIDENT42/p12" in str(earlier.blocks)
    assert offered(earlier) == set()
    assert f'Replaces action {old}. U0ANN changed:\n- mark: "" → x' in later.text
    assert "must approve: bo, gone, guest" in later.text


async def test_what_failed_can_be_tried_again_once(bot: Bot) -> None:
    bot.target.faults["a"] = "refuse"
    failed = await bot.propose("a")
    await bot.parts.executor.approve_proposal(failed, by=ANN)
    await bot.parts.executor.execute_proposal(failed)
    before = await carded(bot, failed)
    again = (await bot.parts.executor.retry_proposal(failed, by=ANN)).id

    after = await carded(bot, failed)

    assert offered(before) == {Button.RETRY.value}
    assert (offered(after), f"It is tried again as action {again}." in after.text) == (set(), True)
    assert f"Tries action {failed} again." in (await carded(bot, again)).text


async def test_what_was_done_can_be_undone_for_an_hour(bot: Bot) -> None:
    registry = bot.parts.registry
    registry._definitions["rack.touch"] = replace(registry.get("rack.touch"), undo=_undo)
    done = await bot.propose("a")
    await bot.parts.executor.approve_proposal(done, by=ANN)
    await bot.parts.executor.execute_proposal(done)

    first = await carded(bot, done)
    bot.clock.advance(3_601)
    late = await carded(bot, done)

    assert "Undo would propose: rack.untouch(item=a, times=0) until " in first.text
    assert (offered(first), offered(late)) == ({Button.UNDO.value}, set())


async def test_what_was_run_past_everybody_asks_for_a_review_until_it_is_closed(bot: Bot) -> None:
    proposal_id = await bot.propose("a", action="crush")
    assert Button.BREAK_GLASS.value in offered(await carded(bot, proposal_id))
    await bot.parts.executor.break_glass(proposal_id, by=ANN, reason="the shop is down")
    await bot.parts.executor.execute_proposal(proposal_id)
    before = await carded(bot, proposal_id)
    await bot.parts.executor.close_review(proposal_id, by=BO, comment="right")

    after = await carded(bot, proposal_id)

    assert "done and confirmed, run by breaking the glass" in before.text
    assert (offered(before), offered(after)) == ({Button.REVIEW.value}, set())
    assert "right" in after.text


async def test_what_is_of_high_risk_can_be_aborted_by_everybody_in_its_last_seconds(bot: Bot) -> None:
    proposal_id = await bot.propose("a", action="crush")
    assert Button.CONFIRM.value in offered(await carded(bot, proposal_id))
    for person in (ANN, BO):
        await bot.parts.executor.approve_proposal(proposal_id, by=person)

    message = await carded(bot, proposal_id)

    assert "unless somebody presses Abort" in message.text
    assert offered(message) == {Button.ABORT.value, Button.CANCEL.value, Button.DETAILS.value}
