from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actions.models import ActionStatus
from bot.ids import Button
from tests.bot.running import Bot, local_workspace, running_bot


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path) as running:
        yield running


async def test_an_approved_action_runs_once_and_its_card_says_so(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")

    outcome = await bot.press(card, Button.APPROVE, by="ann")

    assert outcome.acked
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    done = await bot.card_of(proposal_id, saying="done and confirmed")
    assert done["ts"] == card["ts"]
    assert bot.target.ledger["a"] == 1
