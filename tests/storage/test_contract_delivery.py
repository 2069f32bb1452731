"""Outbox and messages: what the ports promise, of every store."""

from dataclasses import replace
from datetime import datetime, timedelta

from actions.ports import MessageRef, OutboxItem, OutboxKind, Store
from tests.factories import START

LATE = START + timedelta(days=1)
CARD, RESULT = OutboxKind.CARD, OutboxKind.RESULT
MESSAGE = MessageRef(kind=CARD, ref="1", team_id="T1", channel_id="C1", ts="1.2")


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def enqueue(store: Store, kind: OutboxKind = CARD, ref: str = "1", seconds: float = 0) -> None:
    await store.write(lambda tx: tx.enqueue(kind, ref, at=after(seconds)))


async def take_inbox(store: Store, key: str, seconds: float) -> None:
    await store.write(lambda tx: tx.take_inbox(key, body_hash="h", reply="", at=after(seconds)))


async def due(store: Store, at: datetime = LATE) -> list[OutboxItem]:
    return await store.read(lambda reader: reader.outbox_due(at, 100))


async def the_item(store: Store) -> OutboxItem:
    (item,) = await due(store)
    return item


async def test_what_is_enqueued_is_due_in_the_order_of_time(store: Store) -> None:
    await enqueue(store, CARD, "1", 5)
    await enqueue(store, CARD, "2", 3)
    await enqueue(store, RESULT, "2", 3)

    assert [(item.kind, item.ref) for item in await due(store)] == [(CARD, "2"), (RESULT, "2"), (CARD, "1")]
    assert [item.ref for item in await due(store, after(3))] == ["2", "2"]
    assert await due(store, after(2.999999)) == []
    assert len(await store.read(lambda reader: reader.outbox_due(LATE, 2))) == 2


async def test_an_item_is_read_as_it_was_enqueued(store: Store) -> None:
    payload = {"to": "U1", "lines": ["ä", None]}
    await store.write(lambda tx: tx.enqueue(OutboxKind.NOTICE, "n", at=START, payload=payload))

    item = await the_item(store)

    assert item == OutboxItem(
        id=item.id,
        kind=OutboxKind.NOTICE,
        ref="n",
        version=1,
        payload=payload,
        attempts=0,
        due_at=START,
        created_at=START,
    )


async def test_the_same_thing_twice_is_one_item_with_a_higher_version(store: Store) -> None:
    await store.write(lambda tx: tx.enqueue(CARD, "1", at=START, payload={"old": 1}))
    first = await the_item(store)
    await store.write(lambda tx: tx.enqueue(CARD, "1", at=after(9), payload={"new": 1}))

    assert await the_item(store) == replace(first, version=2, payload={"new": 1})
    await enqueue(store, seconds=-5)
    assert await the_item(store) == replace(first, version=3, payload={}, due_at=after(-5))


async def test_what_was_delivered_is_not_due_and_comes_back_as_a_new_item(store: Store) -> None:
    await enqueue(store)
    item = await the_item(store)
    await store.write(lambda tx: tx.outbox_delivered(item))

    assert await due(store) == []
    await enqueue(store)
    again = await the_item(store)
    assert again.id != item.id
    assert again.version == 1


async def test_what_changed_while_it_was_delivered_stays_due(store: Store) -> None:
    await enqueue(store)
    sent = await the_item(store)
    await enqueue(store)
    await store.write(lambda tx: tx.outbox_delivered(sent))
    await store.write(lambda tx: tx.outbox_give_up(sent, error="gone"))

    item = await the_item(store)
    assert item == replace(sent, version=2)
    await store.write(lambda tx: tx.outbox_delivered(item))
    assert await due(store) == []


async def test_a_retry_waits_counts_and_tells_why(store: Store) -> None:
    await enqueue(store)
    item = await the_item(store)
    await store.write(lambda tx: tx.outbox_retry(item, due_at=after(30), error="429"))

    assert await due(store, after(29)) == []
    assert await the_item(store) == replace(item, attempts=1, due_at=after(30), error="429")


async def test_a_change_does_not_cut_a_retry_short(store: Store) -> None:
    await enqueue(store)
    item = await the_item(store)
    await store.write(lambda tx: tx.outbox_retry(item, due_at=after(30), error="429"))
    await enqueue(store, seconds=1)

    assert await the_item(store) == replace(item, version=2, attempts=1, due_at=after(30), error="429")


async def test_what_was_given_up_is_tried_again_only_when_it_changes(store: Store) -> None:
    await enqueue(store)
    item = await the_item(store)
    await store.write(lambda tx: tx.outbox_retry(item, due_at=after(30), error="429"))
    await store.write(lambda tx: tx.outbox_give_up(item, error="channel_not_found"))
    await store.write(lambda tx: tx.outbox_retry(item, due_at=after(60), error="late"))

    assert await due(store) == []
    await enqueue(store, seconds=40)
    assert await the_item(store) == replace(item, version=2, due_at=after(40))


async def test_settling_what_is_not_there_changes_nothing(store: Store) -> None:
    await enqueue(store)
    item = await the_item(store)
    stranger = replace(item, id=item.id + 1)
    await store.write(lambda tx: tx.outbox_delivered(stranger))
    await store.write(lambda tx: tx.outbox_retry(stranger, due_at=LATE, error="x"))
    await store.write(lambda tx: tx.outbox_give_up(stranger, error="x"))

    assert await the_item(store) == item


async def test_the_first_message_recorded_stays(store: Store) -> None:
    copied = replace(MESSAGE, channel_id="C2", ts="9.9")

    assert await store.write(lambda tx: tx.record_message(MESSAGE)) == MESSAGE
    assert await store.write(lambda tx: tx.record_message(copied)) == MESSAGE
    assert await store.read(lambda reader: reader.message(CARD, "1")) == MESSAGE
    assert await store.read(lambda reader: reader.message(RESULT, "1")) is None
    assert await store.read(lambda reader: reader.message(CARD, "2")) is None


async def test_a_message_that_is_gone_can_be_posted_anew(store: Store) -> None:
    moved = replace(MESSAGE, ts="9.9")
    other = replace(MESSAGE, ref="2")
    await store.write(lambda tx: (tx.record_message(MESSAGE), tx.record_message(other)))
    await store.write(lambda tx: tx.forget_message(CARD, "1"))
    await store.write(lambda tx: tx.forget_message(CARD, "never posted"))

    assert await store.read(lambda reader: reader.message(CARD, "1")) is None
    assert await store.read(lambda reader: reader.message(CARD, "2")) == other
    assert await store.write(lambda tx: tx.record_message(moved)) == moved


async def test_pruning_takes_what_is_old_and_done_and_nothing_else(store: Store) -> None:
    for ref in ("delivered", "given up", "due", "young"):
        await enqueue(store, ref=ref, seconds=100 if ref == "young" else 0)
    items = {item.ref: item for item in await due(store)}
    await store.write(lambda tx: tx.outbox_delivered(items["delivered"]))
    await store.write(lambda tx: tx.outbox_delivered(items["young"]))
    await store.write(lambda tx: tx.outbox_give_up(items["given up"], error="x"))
    for key, seconds in (("old", 0), ("older", -1), ("new", 100)):
        await take_inbox(store, key, seconds)

    assert await store.write(lambda tx: tx.prune(before=after(50), limit=2)) == 2
    assert await store.write(lambda tx: tx.prune(before=after(50), limit=2)) == 1
    assert await store.write(lambda tx: tx.prune(before=after(50), limit=2)) == 0
    assert [item.ref for item in await due(store)] == ["due"]
    assert await store.read(lambda reader: [reader.inbox(key) for key in ("old", "older")]) == [None, None]
    assert await store.read(lambda reader: reader.inbox("new")) is not None
    await enqueue(store, ref="given up", seconds=60)
    assert [item.version for item in await due(store) if item.ref == "given up"] == [2]
