"""One proposal in the place of another: one waits at a time, and nobody's yes goes over to the next."""

import pytest

from actions.errors import AlreadyDecidedError, StaleError
from actions.ports import Store
from tests.actions.parts import require_sound, status, stored
from tests.factories import FixedClock
from tests.rig import ANN, AT_ONCE, BO, MemoryKillFiles, Rig


@pytest.fixture
async def rig(store: Store, clock: FixedClock) -> Rig:
    return await Rig(store, MemoryKillFiles(), clock, timing=AT_ONCE).start()


async def replaced_by(rig: Rig, proposal_id: int) -> int:
    found = await rig.store.read(lambda reader: reader.replaced_by(proposal_id))
    assert found is not None
    return found


async def test_of_one_action_on_one_target_only_the_newest_waits(rig: Rig) -> None:
    older = await rig.propose("a", mark="first")

    newer = await rig.propose("a", mark="second")

    assert await status(rig.store, older) == "cancelled(superseded)"
    assert (await stored(rig.store, newer)).supersedes == older
    with pytest.raises(AlreadyDecidedError):
        await rig.executor.approve_proposal(older, by=ANN)
    await require_sound(rig)


async def test_another_action_or_another_target_is_left_alone(rig: Rig) -> None:
    kept = [await rig.propose("a"), await rig.propose("a", action="crush"), await rig.propose("b")]

    assert [await status(rig.store, one) for one in kept] == ["validated"] * 3


async def test_what_was_approved_stays_so(rig: Rig) -> None:
    approved = await rig.approved("a")

    waiting = await rig.propose("a", mark="second")

    assert (await status(rig.store, approved), await status(rig.store, waiting)) == ("approved", "validated")
    await require_sound(rig)


async def test_what_is_renewed_takes_the_place_of_what_was_proposed_meanwhile(rig: Rig) -> None:
    approved = await rig.approved("a")
    meanwhile = await rig.propose("a", mark="second")
    rig.target.pins["a"] = 1

    with pytest.raises(StaleError) as refused:
        await rig.executor.execute_proposal(approved)

    renewed = await replaced_by(rig, approved)
    assert refused.value.successor == renewed
    assert await status(rig.store, approved) == "cancelled(stale)"
    assert await status(rig.store, meanwhile) == "cancelled(superseded)"
    assert await status(rig.store, renewed) == "proposed"
    await require_sound(rig)


async def test_one_of_two_approvals_does_not_go_over_to_what_is_renewed(rig: Rig) -> None:
    old = await rig.propose("a", action="crush")
    await rig.executor.approve_proposal(old, by=ANN)
    rig.target.pins["a"] = 1
    await rig.executor.preview_proposal(old)
    with pytest.raises(StaleError):
        await rig.executor.approve_proposal(old, by=BO)
    new = await replaced_by(rig, old)
    await rig.executor.validate_proposal(new)

    await rig.executor.approve_proposal(new, by=BO)

    assert await status(rig.store, new) == "validated"
    assert [one.person for one in await rig.store.read(lambda reader: reader.approvals(new))] == ["bo"]
    assert not rig.target.ledger
    await require_sound(rig)
