"""Successors, reviews, reminders and wishes to lift a stop: what the ports promise, of every store."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from actions.diagnosis.models import Refused, Ticket, TicketStatus
from actions.errors import StorageError
from actions.models import ActionProposal, ActionStatus, Lift, Reminder, Review
from actions.ports import MessageRef, OutboxKind, Store, Transaction
from tests.factories import START, a_proposal
from tests.storage.scripts import must

LATER = START + timedelta(minutes=5)


async def insert(store: Store, source_key: str, **over: object) -> ActionProposal:
    return must(await store.write(lambda tx: tx.insert_proposal(a_proposal(source_key=source_key, **over))))


async def test_what_is_pending_on_a_target_is_found_oldest_first(store: Store) -> None:
    first = await insert(store, "a")
    second = await insert(store, "b", status=ActionStatus.APPROVED)
    await insert(store, "c", status=ActionStatus.CANCELLED)
    await insert(store, "d", target="etcd-1")
    await insert(store, "e", subject="other")
    assert await store.read(lambda reader: reader.pending_on("etcd", "etcd-3")) == [first, second]


async def test_the_newest_successor_of_a_proposal_is_found(store: Store) -> None:
    first = await insert(store, "a")
    assert await store.read(lambda reader: reader.replaced_by(first.id)) is None
    await insert(store, "b", supersedes=first.id)
    newest = await insert(store, "c", supersedes=first.id, undo_of=first.id, break_glass="the site is down")
    assert await store.read(lambda reader: reader.replaced_by(first.id)) == newest.id
    dossier = must(await store.read(lambda reader: reader.dossier(newest.id)))
    assert dossier.proposal == newest
    assert (dossier.replaces, dossier.replaced_by) == (first, None)
    assert must(await store.read(lambda reader: reader.dossier(first.id))).replaced_by == newest.id


async def test_a_successor_of_nothing_is_refused(store: Store) -> None:
    with pytest.raises(StorageError):
        await insert(store, "a", supersedes=99)


async def test_what_an_actor_proposed_since_a_time_is_counted(store: Store) -> None:
    for number, at in enumerate((START, LATER, LATER)):
        await insert(store, f"a{number}", proposed_at=at)
    await insert(store, "b", proposed_at=LATER, proposed_by="http:grafana")
    assert await store.read(lambda reader: reader.proposed_since("agent:rules", START)) == 3
    assert await store.read(lambda reader: reader.proposed_since("agent:rules", LATER)) == 2
    assert await store.read(lambda reader: reader.proposed_since("http:grafana", START)) == 1
    assert await store.read(lambda reader: reader.proposed_since("http:nobody", START)) == 0


async def test_a_review_stays_open_until_it_is_closed(store: Store) -> None:
    first, second = await insert(store, "a", break_glass="down"), await insert(store, "b", break_glass="down")
    reviews = [
        Review(proposal_id=one.id, opened_at=START, opened_by="slack:T1/U1", person="ann", reason="the site is down")
        for one in (first, second)
    ]
    await store.write(lambda tx: tx.save_review(reviews[0]))
    await store.write(lambda tx: tx.save_review(reviews[1]))
    assert await store.read(lambda reader: reader.open_reviews(10)) == reviews
    assert await store.read(lambda reader: reader.open_reviews(1)) == reviews[:1]
    closed = replace(reviews[0], closed_at=LATER, closed_by="slack:T1/U2", comment="it was right")
    await store.write(lambda tx: tx.save_review(closed))
    assert await store.read(lambda reader: reader.open_reviews(10)) == reviews[1:]
    assert await store.read(lambda reader: reader.review(first.id)) == closed
    assert must(await store.read(lambda reader: reader.dossier(first.id))).review == closed
    assert await store.read(lambda reader: reader.review(99)) is None


async def test_a_person_counts_once_for_the_lifting_of_one_stop_as_last_asked(store: Store) -> None:
    lift = Lift(scope="*", epoch=3, person="ann", actor="slack:T1/U1", at=START, reason="all is well")
    again = replace(lift, actor="cli:ann@host", at=LATER, reason="again")
    other = replace(lift, person="bo", actor="cli:bo@host", at=LATER)
    for wish in (lift, other, again, replace(lift, epoch=4)):
        await store.write(partial(_save_lift, wish))
    assert await store.read(lambda reader: reader.lifts("*", 3)) == [again, other]
    assert await store.read(lambda reader: reader.lifts("etcd", 3)) == []


async def test_reminders_are_due_in_order_until_they_are_dropped(store: Store) -> None:
    first, second = await insert(store, "a"), await insert(store, "b")
    await store.write(lambda tx: tx.save_reminder(Reminder(proposal_id=first.id, due_at=LATER)))
    await store.write(lambda tx: tx.save_reminder(Reminder(proposal_id=second.id, due_at=START)))
    assert [one.proposal_id for one in await store.read(lambda reader: reader.reminders_due(LATER, 10))] == [
        second.id,
        first.id,
    ]
    assert [one.proposal_id for one in await store.read(lambda reader: reader.reminders_due(START, 10))] == [second.id]
    moved = Reminder(proposal_id=second.id, due_at=LATER + timedelta(seconds=1), sent=1)
    await store.write(lambda tx: tx.save_reminder(moved))
    assert await store.read(lambda reader: reader.reminder(second.id)) == moved
    assert [one.proposal_id for one in await store.read(lambda reader: reader.reminders_due(LATER, 10))] == [first.id]
    await store.write(lambda tx: tx.drop_reminder(first.id))
    assert await store.read(lambda reader: reader.reminder(first.id)) is None
    await store.write(lambda tx: tx.drop_reminder(first.id))


async def test_a_message_of_ours_is_found_by_its_place(store: Store) -> None:
    ref = MessageRef(kind=OutboxKind.CARD, ref="7", team_id="T1", channel_id="C1", ts="1.000001")
    await store.write(lambda tx: tx.record_message(ref))
    assert await store.read(lambda reader: reader.message_at("C1", "1.000001")) == ref
    assert await store.read(lambda reader: reader.message_at("C2", "1.000001")) is None
    assert await store.read(lambda reader: reader.message_at("C1", "1.000002")) is None


async def test_a_ticket_keeps_what_people_refused(store: Store) -> None:
    refused = Refused(at=START.isoformat(), by="ann", action_name="etcd.defragment", code="wrong_cause", reason="no")
    ticket = Ticket(
        key="etcd:nospace:etcd-1",
        subject="etcd",
        rule="nospace",
        target="etcd-1",
        status=TicketStatus.OPEN,
        opened_at=START,
        last_seen_at=START,
        refused=(refused,),
    )
    await store.write(lambda tx: tx.save_ticket(ticket))
    assert await store.read(lambda reader: reader.ticket(ticket.key)) == ticket


def _save_lift(wish: Lift, tx: Transaction) -> None:
    tx.save_lift(wish)
