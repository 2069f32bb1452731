"""Ways around people, and ways to get stuck, that a reader of the core found."""

from dataclasses import replace
from typing import Any

import pytest

from actions.errors import ConflictError, LimitError, NotReadyError
from actions.limits import Limits
from actions.models import Review
from actions.ports import Store
from actions.registry import Preview
from tests.actions.parts import redefine, require_sound, status
from tests.factories import FixedClock
from tests.rig import ANN, BO, MemoryKillFiles, Rig, Touch


class TestBreakGlass:
    async def test_without_its_review_it_needs_the_people_it_always_needed(self, memory_rig: Rig) -> None:
        rig = memory_rig
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.break_glass(proposal_id, by=ANN, reason="down")
        tables: Any = rig.store
        del tables._tables.reviews[proposal_id]

        with pytest.raises(NotReadyError, match="it still needs 1 more approval"):
            await rig.executor.execute_proposal(proposal_id)

        assert rig.target.ledger == {}

    async def test_an_open_review_of_somebody_who_never_approved_it_is_worth_nothing(self, memory_rig: Rig) -> None:
        rig = memory_rig
        proposal_id = await rig.propose("a", action="crush")
        await rig.executor.break_glass(proposal_id, by=ANN, reason="down")
        review = await rig.store.read(lambda reader: reader.review(proposal_id))
        assert isinstance(review, Review)
        await rig.store.write(lambda tx: tx.save_review(replace(review, person="bo", opened_by=str(BO.actor))))

        with pytest.raises(NotReadyError, match="it still needs 1 more approval"):
            await rig.executor.execute_proposal(proposal_id)

    async def test_it_does_not_go_past_what_must_not_be_done_now(self, rig: Rig) -> None:
        proposal_id = await rig.propose("a")
        redefine(rig, "rack.touch", preview=refusing)
        await rig.executor.preview_proposal(proposal_id)

        with pytest.raises(ConflictError, match="must not be done now: the rack would lose quorum"):
            await rig.executor.break_glass(proposal_id, by=ANN, reason="down")

        assert await status(rig.store, proposal_id) == "validated"
        assert await rig.store.read(lambda reader: reader.review(proposal_id)) is None
        await require_sound(rig)


class TestLimits:
    async def test_what_was_approved_makes_no_room_for_another_card(self, store: Store, clock: FixedClock) -> None:
        rig = await Rig(store, MemoryKillFiles(), clock, limits=Limits(open_cards=1)).start()
        await rig.approved("a")

        with pytest.raises(LimitError, match="1 action on rack waits"):
            await rig.propose("a", mark="more")


async def refusing(params: Touch) -> Preview:  # noqa: ARG001 - the registry's signature
    return Preview(impact=(), pins={"generation": 0}, refusal="the rack would lose quorum")
