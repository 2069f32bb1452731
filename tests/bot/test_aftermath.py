"""What people say afterwards: why not, what became of it, and whether breaking the glass was right."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from actions.models import ActionStatus, FailureOutcome, SuccessOutcome
from bot.ids import Button, Field
from bot.workspace.records import Json
from tests.bot.running import Bot, buttons, local_workspace, running_bot

APPROVERS: Final = {"approve": ["ann", "bo"], "break_glass": ["ann"]}


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path, approvers=APPROVERS) as running:
        yield running


async def lost(bot: Bot) -> tuple[int, Json]:
    bot.target.faults["a"] = "apply-then-lost"
    bot.target.blind.add("a")
    proposal_id, card = await bot.offered("a")
    await bot.press(card, Button.APPROVE, by="ann")
    await bot.becomes(proposal_id, ActionStatus.UNKNOWN)
    return proposal_id, await bot.card_of(proposal_id, saying="outcome unknown")


async def broken(bot: Bot) -> tuple[int, Json]:
    proposal_id, card = await bot.offered("a")
    await bot.press(card, Button.BREAK_GLASS, by="ann")
    await bot.fill_in(await bot.modal("ann"), by="ann", target="a", reason="everybody else sleeps")
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    return proposal_id, await bot.card_of(proposal_id, saying="done and confirmed")


async def opened_home(bot: Bot, user: str) -> Json:
    before = bot.workspace.home(user)
    assert (await bot.workspace.open_home(user=user)).acked
    await bot.until(lambda: bot.workspace.home(user) != before)
    home = bot.workspace.home(user)
    assert home is not None
    return home


@pytest.mark.parametrize(
    ("happened", "status", "outcome"),
    [
        ("yes", ActionStatus.COMPLETED, SuccessOutcome.CONFIRMED),
        ("no", ActionStatus.FAILED, FailureOutcome.NO_EFFECT),
    ],
)
async def test_a_person_settles_what_is_unknown_from_its_card(
    bot: Bot, happened: str, status: ActionStatus, outcome: object
) -> None:
    proposal_id, card = await lost(bot)
    assert (await bot.press(card, Button.RESOLVE, by="bo")).acked
    modal = await bot.modal("bo", saying="Look at the target yourself first")

    sent = await bot.fill_in(
        modal, by="bo", happened=happened, evidence="ls a: one mark", reason="only this action leaves such a mark"
    )

    assert (sent.acked, sent.errors) == (True, {})
    settled = await bot.proposal(proposal_id)
    assert (settled.status, settled.outcome) == (status, outcome)
    (line,) = [one for one in await bot.audit(status.value) if one.data.get("attested")]
    assert (line.actor, line.data["evidence"]) == ("slack:T0LOCAL/U0BO", "ls a: one mark")


async def test_who_may_not_settle_is_told_before_a_form_opens(bot: Bot) -> None:
    proposal_id, card = await lost(bot)

    await bot.press(card, Button.RESOLVE, by="cy")

    assert "You may not say what became of this" in await bot.told("cy")
    assert bot.workspace.modals("cy") == []
    assert (await bot.proposal(proposal_id)).status is ActionStatus.UNKNOWN


async def test_a_form_that_says_neither_yes_nor_no_settles_nothing(bot: Bot) -> None:
    proposal_id, card = await lost(bot)
    await bot.press(card, Button.RESOLVE, by="bo")

    unsaid = await bot.fill_in(await bot.modal("bo"), by="bo", evidence="ls", reason="so")

    assert Field.HAPPENED.value in unsaid.errors
    assert (await bot.proposal(proposal_id)).status is ActionStatus.UNKNOWN


async def test_what_is_unknown_is_settled_from_the_app_home_which_then_shows_it_no_more(bot: Bot) -> None:
    proposal_id, _ = await lost(bot)
    home = await opened_home(bot, "bo")

    pressed = await bot.workspace.click_in_view(user="bo", view_id=home["id"], action_id=Button.RESOLVE.value)
    assert pressed.acked
    modal = await bot.modal("bo")
    await bot.fill_in(modal, by="bo", happened="yes", evidence="ls a", reason="seen")

    assert (await bot.proposal(proposal_id)).status is ActionStatus.COMPLETED
    await bot.until(lambda: Button.RESOLVE.value not in buttons(bot.workspace.home("bo")))


async def test_a_second_person_closes_the_review_of_break_glass(bot: Bot) -> None:
    proposal_id, card = await broken(bot)
    assert (await bot.press(card, Button.REVIEW, by="bo")).acked
    modal = await bot.modal("bo", saying="everybody else sleeps")

    sent = await bot.fill_in(modal, by="bo", comment="it was right")

    assert (sent.acked, sent.errors) == (True, {})
    review = await bot.read(lambda reader: reader.review(proposal_id))
    assert review is not None
    assert (review.closed_by, review.comment) == ("slack:T0LOCAL/U0BO", "it was right")


async def test_who_broke_the_glass_is_told_that_someone_else_has_to_review_it(bot: Bot) -> None:
    proposal_id, card = await broken(bot)

    await bot.press(card, Button.REVIEW, by="ann")

    assert await bot.told("ann") == "You broke the glass yourself; someone else has to close this review."
    assert bot.workspace.modals("ann") == []
    assert [line.data["verb"] for line in await bot.audit("denied")] == ["review"]
    review = await bot.read(lambda reader: reader.review(proposal_id))
    assert review is not None
    assert review.closed_at is None


async def test_a_review_that_somebody_closed_meanwhile_opens_nothing(bot: Bot) -> None:
    _, card = await broken(bot)
    seen = bot.workspace.state.message("C0OPS", card["ts"], seen_by="U0BO")
    await bot.press(card, Button.REVIEW, by="bo")
    await bot.fill_in(await bot.modal("bo"), by="bo", comment="it was right")

    await bot.workspace.click(user="bo", channel="ops", ts=card["ts"], action_id=Button.REVIEW.value, seen=seen)

    assert await bot.told("bo") == "No review of action 1 is open; nothing was changed."


async def test_open_reviews_stand_in_the_home_and_in_the_answer_and_only_others_can_close_them(bot: Bot) -> None:
    await broken(bot)

    theirs, own = await opened_home(bot, "bo"), await opened_home(bot, "ann")
    _, listed = await bot.type("reviews", by="bo")

    assert Button.REVIEW.value in buttons(theirs)
    assert Button.REVIEW.value not in buttons(own)
    assert "Someone else has to close this review." in str(own)
    assert "everybody else sleeps" in listed
    await bot.workspace.click_in_view(user="bo", view_id=theirs["id"], action_id=Button.REVIEW.value)
    await bot.fill_in(await bot.modal("bo"), by="bo", comment="it was right")
    await bot.until(lambda: Button.REVIEW.value not in buttons(bot.workspace.home("bo")))
    assert (await bot.type("reviews", by="bo"))[1].startswith("No review is open")


@pytest.mark.parametrize(
    ("entered", "written"),
    [
        ({"reason_code": "wrong_target"}, ("", "wrong_target")),
        ({"reason": "n2 is the leader"}, ("n2 is the leader", None)),
        ({"reason_code": "too_risky", "reason": "not at noon"}, ("not at noon", "too_risky")),
    ],
)
async def test_why_not_is_a_code_or_words_or_both(
    bot: Bot, entered: dict[str, str], written: tuple[str, str | None]
) -> None:
    _, card = await bot.offered("a")
    await bot.press(card, Button.CANCEL, by="bo")

    sent = await bot.fill_in(await bot.modal("bo"), by="bo", **entered)

    assert (sent.acked, sent.errors) == (True, {})
    (line,) = await bot.audit("explained")
    assert (line.data["reason"], line.data.get("code")) == written
