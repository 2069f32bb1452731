"""The leader of a real cluster is moved behind the back of a proposal: no call is made, and people decide anew."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actions.errors import StaleError
from actions.models import ActionProposal, ActionStatus, ReasonCode
from bot.demo.cluster import DemoCluster
from bot.ids import Button
from tests.bot.running import ANN, pressable, running
from tests.subjects.etcd_bot import TRANSFER, EtcdBot, etcd_bot

pytestmark = pytest.mark.real


@pytest.fixture
async def idle(cluster: DemoCluster, tmp_path: Path) -> AsyncIterator[EtcdBot]:
    async with etcd_bot(cluster, tmp_path) as bot:
        yield bot


async def renewed(one: EtcdBot, old: ActionProposal) -> ActionProposal:
    """Return the proposal in the place of the old one, validated, having looked at everything that makes it that."""
    stored = await one.bot.proposal(old.id)
    new_id = await one.bot.read(lambda reader: reader.replaced_by(old.id))
    assert (stored.status, stored.reason_code) == (ActionStatus.CANCELLED, ReasonCode.STALE)
    assert new_id is not None
    new = await one.validated(new_id)
    assert (new.status, new.supersedes, new.parameters) == (ActionStatus.VALIDATED, old.id, old.parameters)
    assert new.token != old.token
    assert await one.bot.read(lambda reader: reader.approvals(new_id)) == []
    assert new.pins != old.pins
    assert new.pins["term"] == (await one.outsider.raft()).term
    return new


def said(new: ActionProposal, old: ActionProposal) -> str:
    return f"term: {old.pins['term']} → {new.pins['term']}"


class TestBeforeTheClick:
    async def test_a_click_on_what_has_moved_asks_nothing_of_etcd_and_leads_to_a_new_card(self, idle: EtcdBot) -> None:
        to, elsewhere = await idle.followers()
        old = await idle.proposed(to)
        await idle.outsider.move_leader(elsewhere)
        reading = await idle.bot.parts.executor.preview_proposal(old.id)
        asked, raft = len(idle.calls.paths), await idle.outsider.raft()

        with pytest.raises(StaleError) as refused:
            await idle.bot.parts.executor.approve_proposal(old.id, by=ANN)

        assert len(idle.calls.paths) == asked
        assert await idle.outsider.raft() == raft
        new = await renewed(idle, old)
        assert refused.value.successor == new.id
        assert said(new, old) in reading.drift
        card = await idle.card_text(new.id)
        assert f"Replaces action {old.id}" in card
        assert said(new, old) in card
        assert TRANSFER not in idle.calls.paths

    async def test_the_new_one_is_approved_and_run_as_it_is(self, idle: EtcdBot) -> None:
        to, elsewhere = await idle.followers()
        old = await idle.proposed(to)
        await idle.outsider.move_leader(elsewhere)
        await idle.bot.parts.executor.preview_proposal(old.id)
        with pytest.raises(StaleError):
            await idle.bot.parts.executor.approve_proposal(old.id, by=ANN)
        new = await renewed(idle, old)

        await idle.bot.parts.executor.approve_proposal(new.id, by=ANN)
        ended = await idle.bot.parts.executor.execute_proposal(new.id)

        assert ended.status is ActionStatus.COMPLETED
        assert idle.calls.paths.count(TRANSFER) == 1
        assert (await idle.outsider.raft()).leader == to


class TestBetweenClickAndClaim:
    async def test_what_moves_after_the_approval_is_not_moved_back(self, idle: EtcdBot) -> None:
        to, elsewhere = await idle.followers()
        old = await idle.proposed(to)
        await idle.bot.parts.executor.approve_proposal(old.id, by=ANN)
        await idle.outsider.move_leader(elsewhere)
        raft = await idle.outsider.raft()

        with pytest.raises(StaleError) as refused:
            await idle.bot.parts.executor.execute_proposal(old.id)

        assert TRANSFER not in idle.calls.paths
        assert await idle.outsider.raft() == raft
        new = await renewed(idle, old)
        assert refused.value.successor == new.id
        assert said(new, old) in await idle.card_text(new.id)


class TestInARunningBot:
    async def test_a_click_on_what_has_moved_is_answered_with_a_new_card(self, idle: EtcdBot) -> None:
        to, elsewhere = await idle.followers()
        async with running(idle.bot, execute=False) as bot:
            old = await idle.proposed(to)
            card = await bot.card_of(old.id)
            await idle.outsider.move_leader(elsewhere)
            await bot.parts.executor.preview_proposal(old.id)
            raft = await idle.outsider.raft()

            await bot.press(card, Button.APPROVE, by="ann")

            await bot.becomes(old.id, ActionStatus.CANCELLED)
            new = await self.has_come(idle, old)
            assert TRANSFER not in idle.calls.paths
            assert await idle.outsider.raft() == raft
            assert said(new, old) in str(await bot.card_of(new.id))
            assert not pressable(await bot.card_of(old.id))

    async def test_what_moves_while_it_is_claimed_comes_back_as_a_new_card(self, idle: EtcdBot) -> None:
        to, elsewhere = await idle.followers()
        async with running(idle.bot, execute=False) as bot:
            old = await idle.proposed(to)
            card = await bot.card_of(old.id)
            idle.calls.meanwhile = lambda: idle.outsider.move_leader(elsewhere)

            await bot.press(card, Button.APPROVE, by="ann")

            await bot.becomes(old.id, ActionStatus.CANCELLED)
            new = await self.has_come(idle, old)
            assert [line.actor for line in await bot.audit("approved")] == [str(ANN.actor)]
            assert TRANSFER not in idle.calls.paths
            assert (await idle.outsider.raft()).leader == elsewhere
            assert said(new, old) in str(await bot.card_of(new.id))

    async def has_come(self, one: EtcdBot, old: ActionProposal) -> ActionProposal:
        new_id = await one.bot.read(lambda reader: reader.replaced_by(old.id))
        assert new_id is not None
        await one.bot.becomes(new_id, ActionStatus.VALIDATED)
        return await renewed(one, old)
