"""Units of work: all or nothing, and nobody else's trouble; what the ports promise, of every store."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from actions.models import EVERYTHING, ActionStatus, Control, SafetyMode
from actions.ports import OutboxKind, Store, Transaction
from tests.factories import START, a_proposal
from tests.storage.scripts import must
from tests.storage.test_contract_audit import an_entry


class Refusal(Exception):  # noqa: N818 - it stands for any error
    pass


def everything_at_once(tx: Transaction) -> int:
    control = tx.lock_control(EVERYTHING)
    tx.set_control(Control(scope=EVERYTHING, mode=SafetyMode.EXECUTE, epoch=control.epoch + 1))
    proposal = must(tx.insert_proposal(a_proposal()))
    moved = must(tx.move(proposal, ActionStatus.VALIDATED, {}))
    tx.append_audit(an_entry(proposal_id=moved.id))
    tx.enqueue(OutboxKind.CARD, str(moved.id), at=START)
    tx.take_inbox("k", body_hash="h", reply="", at=START)
    tx.hold_lease("l", "me", now=START, until=START)
    tx.claim_run("digest", START, START)
    return moved.id


async def traces(store: Store) -> list[object]:
    found = await store.read(
        lambda reader: [
            reader.control(EVERYTHING).epoch - 1,
            reader.proposals(),
            reader.audit(),
            reader.outbox_due(START, 10),
            reader.inbox("k"),
        ]
    )
    return [one for one in found if one]


async def test_a_unit_of_work_sees_its_own_writes_and_returns_a_value(store: Store) -> None:
    def work(tx: Transaction) -> list[ActionStatus]:
        proposal_id = everything_at_once(tx)
        return [must(tx.proposal(proposal_id)).status, *(one.status for one in tx.proposals())]

    assert await store.write(work) == [ActionStatus.VALIDATED, ActionStatus.VALIDATED]
    assert len(await traces(store)) == 5


async def test_a_changed_control_row_is_seen_at_once(store: Store) -> None:
    def work(tx: Transaction) -> list[Control]:
        before = tx.lock_control(EVERYTHING)
        tx.set_control(replace(before, epoch=before.epoch + 1))
        return [tx.control(EVERYTHING), tx.lock_control(EVERYTHING), *tx.controls()]

    assert [control.epoch for control in await store.write(work)] == [2, 2, 2]


@pytest.mark.parametrize("error", [Refusal, ValueError, asyncio.CancelledError, SystemExit])
async def test_a_unit_of_work_that_raises_leaves_no_trace(store: Store, error: type[BaseException]) -> None:
    def work(tx: Transaction) -> None:
        everything_at_once(tx)
        raise error

    with pytest.raises(error):
        await store.write(work)

    assert await traces(store) == []
    assert await store.write(lambda tx: tx.claim_run("digest", START, START))


async def test_a_refused_unit_of_work_spoils_no_other(store: Store) -> None:
    def numbered(number: int) -> Callable[[Transaction], int]:
        def work(tx: Transaction) -> int:
            must(tx.insert_proposal(a_proposal(source_key=f"test:{number}")))
            tx.append_audit(an_entry(number=number))
            if number % 3 == 0:
                raise Refusal(number)
            return number

        return work

    answers = await asyncio.gather(*(store.write(numbered(n)) for n in range(100)), return_exceptions=True)

    assert [isinstance(answer, Refusal) for answer in answers] == [n % 3 == 0 for n in range(100)]
    assert [answer for n, answer in enumerate(answers) if n % 3] == [n for n in range(100) if n % 3]
    assert [answer.args for answer in answers if isinstance(answer, Refusal)] == [(n,) for n in range(0, 100, 3)]
    stored = await store.read(lambda reader: reader.proposals(limit=200))
    assert {one.source_key for one in stored} == {f"test:{n}" for n in range(100) if n % 3}
    assert [line.data["number"] for line in await store.read(lambda reader: reader.audit())] == [
        n for n in range(100) if n % 3
    ]


async def test_units_of_work_run_in_the_order_they_came(store: Store) -> None:
    order: list[int] = []

    def numbered(number: int) -> Callable[[Transaction], None]:
        return lambda _: order.append(number)

    await asyncio.gather(*(store.write(numbered(n)) for n in range(300)))

    assert order == list(range(300))


async def test_a_reader_sees_one_moment(store: Store) -> None:
    await store.write(lambda tx: tx.insert_proposal(a_proposal()))

    both = await store.read(lambda reader: (reader.proposals(), reader.proposals()))

    assert both[0] == both[1]
    assert len(both[0]) == 1


async def test_an_error_in_a_query_reaches_whoever_asked(store: Store) -> None:
    def query(_: object) -> None:
        raise Refusal

    with pytest.raises(Refusal):
        await store.read(query)
    assert await store.read(lambda reader: reader.proposals()) == []
