"""One broken thing has one ticket, and is told once for as long as nobody did anything about it."""

from datetime import datetime, timedelta

import pytest

from actions.agent.tickets import FLAPPING_WINDOW, MAX_DIAGNOSES, link, next_diagnosis, ticket_key, update
from actions.diagnosis.models import Diagnosis, Ticket, TicketStatus
from actions.ports import MessageRef, OutboxKind, Store
from actions.subject import Finding
from tests.agent.rack import diagnosis
from tests.factories import START, FixedClock
from tests.rig import AGENT

KEY = "rack:worn:a"
FOUND = {KEY: ("worn", Finding(target="a", output=diagnosis()))}


async def seen(store: Store, clock: FixedClock, *, broken: bool) -> Ticket | None:
    """One observation, and the ticket after it."""
    await store.write(
        lambda tx: update(tx, "rack", FOUND if broken else {}, is_gone=lambda _: True, by=AGENT, at=clock.now())
    )
    return await store.read(lambda reader: reader.ticket(KEY))


async def must(store: Store, clock: FixedClock, *, broken: bool) -> Ticket:
    ticket = await seen(store, clock, broken=broken)
    assert ticket is not None
    return ticket


async def told(store: Store, source_key: str) -> Diagnosis:
    stored = await store.write(
        lambda tx: tx.insert_diagnosis(
            diagnosis(),
            source_key=source_key,
            subject="rack",
            target="a",
            source="rule:worn",
            made_at=START,
            observed_only=False,
        )
    )
    assert stored is not None
    return stored


def test_a_ticket_is_named_for_what_is_violated_and_where() -> None:
    assert ticket_key("rack", "worn", "a") == KEY


async def test_what_is_broken_has_one_open_ticket_that_counts(store: Store, clock: FixedClock) -> None:
    first = await must(store, clock, broken=True)
    clock.advance(15)
    again = await must(store, clock, broken=True)

    assert (first.status, first.opened_at, first.occurrences) == (TicketStatus.OPEN, START, 1)
    assert (again.opened_at, again.occurrences) == (START, 2)
    assert again.last_seen_at == START + timedelta(seconds=15)
    assert len(await store.read(lambda reader: reader.tickets())) == 1


async def test_what_is_well_again_is_resolved(store: Store, clock: FixedClock) -> None:
    await must(store, clock, broken=True)
    clock.advance(15)
    ticket = await must(store, clock, broken=False)

    assert (ticket.status, ticket.resolved_at) == (TicketStatus.RESOLVED, START + timedelta(seconds=15))
    assert await store.read(lambda reader: reader.tickets()) == []


async def test_what_was_never_broken_has_no_ticket(store: Store, clock: FixedClock) -> None:
    assert await seen(store, clock, broken=False) is None


async def test_what_an_observation_could_not_see_stays_open(store: Store, clock: FixedClock) -> None:
    await must(store, clock, broken=True)
    await store.write(lambda tx: update(tx, "rack", {}, is_gone=lambda _: False, by=AGENT, at=clock.now()))

    still = await store.read(lambda reader: reader.ticket(KEY))
    assert still is not None
    assert still.status is TicketStatus.OPEN


async def test_the_tickets_of_other_subjects_are_left_alone(store: Store, clock: FixedClock) -> None:
    await must(store, clock, broken=True)
    await store.write(lambda tx: update(tx, "shelf", {}, is_gone=lambda _: True, by=AGENT, at=clock.now()))

    assert [ticket.key for ticket in await store.read(lambda reader: reader.tickets())] == [KEY]


async def test_what_comes_back_opens_anew(store: Store, clock: FixedClock) -> None:
    ticket = await must(store, clock, broken=True)
    stored = await told(store, "k")
    await store.write(lambda tx: link(tx, ticket, stored, epoch=1, at=clock.now()))
    await must(store, clock, broken=False)
    clock.advance(60)

    back = await must(store, clock, broken=True)

    assert (back.status, back.opened_at, back.occurrences) == (TicketStatus.OPEN, clock.now(), 1)
    assert (back.diagnosis_id, back.epoch, back.resolved_at) == (None, None, None)


@pytest.mark.parametrize(("pause", "flaps"), [(FLAPPING_WINDOW, True), (FLAPPING_WINDOW + timedelta(seconds=1), False)])
async def test_what_keeps_coming_back_flaps(store: Store, clock: FixedClock, pause: timedelta, flaps: bool) -> None:
    ticket = await must(store, clock, broken=True)
    counted: list[int] = []
    for _ in range(3):
        await must(store, clock, broken=False)
        clock.advance(pause.total_seconds())
        ticket = await must(store, clock, broken=True)
        counted.append(ticket.reopened)

    assert counted == ([1, 2, 3] if flaps else [0, 0, 0])
    assert ticket.flapping is flaps


async def test_a_diagnosis_of_an_earlier_opening_is_not_linked(store: Store, clock: FixedClock) -> None:
    first = await must(store, clock, broken=True)
    stored = await told(store, "k")
    await must(store, clock, broken=False)
    clock.advance(60)
    await must(store, clock, broken=True)

    await store.write(lambda tx: link(tx, first, stored, epoch=1, at=clock.now()))

    now = await store.read(lambda reader: reader.ticket(KEY))
    assert now is not None
    assert now.diagnosis_id is None


async def test_a_message_without_buttons_is_redrawn_once_a_newer_one_stands_below_it(
    store: Store, clock: FixedClock
) -> None:
    ticket = await must(store, clock, broken=True)
    first, second = await told(store, "k1"), await told(store, "k2")
    await store.write(lambda tx: link(tx, ticket, first, epoch=1, at=clock.now()))
    assert await shown(store, clock.now()) == []
    await post(store, first)

    await store.write(lambda tx: link(tx, ticket, second, epoch=2, at=clock.now()))

    assert await shown(store, clock.now()) == [str(first.id)]


async def post(store: Store, stored: Diagnosis) -> None:
    message = MessageRef(kind=OutboxKind.DIAGNOSIS, ref=str(stored.id), team_id="T1", channel_id="C1", ts="1.1")
    await store.write(lambda tx: tx.record_message(message))


async def shown(store: Store, at: datetime) -> list[str]:
    due = await store.read(lambda reader: reader.outbox_due(at, 100))
    return [item.ref for item in due if item.kind is OutboxKind.DIAGNOSIS]


async def test_the_keys_of_diagnoses_are_counted_within_an_opening_and_an_epoch(
    store: Store, clock: FixedClock
) -> None:
    ticket = await must(store, clock, broken=True)
    keys = []
    for _ in range(MAX_DIAGNOSES):
        following = await store.write(lambda tx, of=ticket: next_diagnosis(tx, of, 1))  # type: ignore[misc]
        assert following is not None
        key, unfinished = following
        assert unfinished is None
        stored = await told(store, key)
        await store.write(lambda tx, of=ticket, one=stored: link(tx, of, one, epoch=1, at=clock.now()))  # type: ignore[misc]
        ticket = await must(store, clock, broken=True)
        keys.append(key)

    assert len(set(keys)) == MAX_DIAGNOSES
    assert await store.write(lambda tx: next_diagnosis(tx, ticket, 1)) is None
    other_epoch = await store.write(lambda tx: next_diagnosis(tx, ticket, 2))
    assert other_epoch is not None
    assert other_epoch[0] not in keys


async def test_a_diagnosis_that_was_stored_and_not_linked_comes_next_again(store: Store, clock: FixedClock) -> None:
    ticket = await must(store, clock, broken=True)
    following = await store.write(lambda tx: next_diagnosis(tx, ticket, 1))
    assert following is not None
    stored = await told(store, following[0])

    assert await store.write(lambda tx: next_diagnosis(tx, ticket, 1)) == (following[0], stored)
