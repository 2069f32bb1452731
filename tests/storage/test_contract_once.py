"""What happens once: requests, firings of jobs, leases, diagnoses, tickets; what the ports promise, of every store."""

from dataclasses import replace
from datetime import timedelta

from actions.diagnosis.models import (
    ActionRecommendation,
    Alternative,
    Diagnosis,
    DiagnosisOutput,
    Severity,
    Ticket,
    TicketStatus,
)
from actions.ports import InboxEntry, Store
from tests.factories import START, a_proposal
from tests.storage.scripts import must

LATER = START + timedelta(seconds=10)
OUTPUT = DiagnosisOutput(
    timeline="12:00 it began",
    affected_components=("etcd-3",),
    metric_readings={"db_size": "3.1 GB", "a": "ä"},
    primary_diagnosis="etcd-3 is slow",
    confidence="high",
    supporting_evidence=("fsync 900 ms",),
    alternatives_considered=(
        Alternative(hypothesis="network", supporting="-", contradicting="ping 0.2 ms", conclusion="ruled out"),
    ),
    recommended_action="move the leader",
    action_commands=("etcdctl move-leader",),
    severity=Severity.CRITICAL,
    risks=(),
    recommended_actions=(
        ActionRecommendation(
            action_name="etcd.move_leader", parameters={"to": "etcd-1", "n": 1}, reason="r", expected_outcome="e"
        ),
    ),
)
TICKET = Ticket(
    key="etcd:slow:etcd-3",
    subject="etcd",
    rule="slow",
    target="etcd-3",
    status=TicketStatus.OPEN,
    opened_at=START,
    last_seen_at=START,
)


async def insert_diagnosis(store: Store, source_key: str = "s:1") -> Diagnosis | None:
    return await store.write(
        lambda tx: tx.insert_diagnosis(
            OUTPUT,
            source_key=source_key,
            subject="etcd",
            target="etcd-3",
            source="rule:slow",
            made_at=START,
            observed_only=True,
            channel="C1",
            ticket_key=TICKET.key,
        )
    )


async def save_ticket(store: Store, ticket: Ticket) -> None:
    await store.write(lambda tx: tx.save_ticket(ticket))


async def test_a_key_is_taken_once_and_keeps_its_first_answer(store: Store) -> None:
    async def take(body: str, reply: str) -> InboxEntry | None:
        return await store.write(lambda tx: tx.take_inbox("k", body_hash=body, reply=reply, at=START))

    first = InboxEntry(key="k", body_hash="one", reply="done", at=START)
    assert await store.read(lambda reader: reader.inbox("k")) is None
    assert await take("one", "done") is None
    assert await take("two", "other") == first
    assert await store.read(lambda reader: reader.inbox("k")) == first


async def test_a_firing_is_claimed_once(store: Store) -> None:
    async def claim(job: str, seconds: int) -> bool:
        return await store.write(lambda tx: tx.claim_run(job, START + timedelta(seconds=seconds), START))

    assert await claim("digest", 0)
    assert not await claim("digest", 0)
    assert await claim("digest", 1)
    assert await claim("other", 0)


async def test_a_lease_has_one_holder_until_it_runs_out(store: Store) -> None:
    async def hold(owner: str, now: int, until: int) -> bool:
        at, end = START + timedelta(seconds=now), START + timedelta(seconds=until)
        return await store.write(lambda tx: tx.hold_lease("run", owner, now=at, until=end))

    async def holder(now: int) -> str | None:
        return await store.read(lambda reader: reader.lease_holder("run", START + timedelta(seconds=now)))

    assert await holder(0) is None
    assert await hold("a", 0, 10)
    assert not await hold("b", 9, 20)
    assert await holder(9) == "a"
    assert await hold("a", 9, 20)
    assert await holder(19) == "a"
    assert await holder(20) is None
    assert await hold("b", 20, 30)
    assert not await hold("a", 21, 40)
    assert await holder(21) == "b"


async def test_only_its_holder_drops_a_lease(store: Store) -> None:
    await store.write(lambda tx: tx.hold_lease("run", "a", now=START, until=LATER))
    await store.write(lambda tx: tx.drop_lease("run", "b"))
    assert await store.read(lambda reader: reader.lease_holder("run", START)) == "a"

    await store.write(lambda tx: tx.drop_lease("run", "a"))
    await store.write(lambda tx: tx.drop_lease("run", "a"))
    assert await store.read(lambda reader: reader.lease_holder("run", START)) is None


async def test_a_diagnosis_is_read_as_it_was_stored(store: Store) -> None:
    stored = must(await insert_diagnosis(store))

    assert stored.output == OUTPUT
    assert (stored.source, stored.observed_only, stored.channel) == ("rule:slow", True, "C1")
    assert await store.read(lambda reader: reader.diagnosis(stored.id)) == stored
    assert await store.read(lambda reader: reader.diagnosis_by_source("s:1")) == stored
    assert await store.read(lambda reader: reader.diagnosis(99)) is None
    assert await store.read(lambda reader: reader.diagnosis_by_source("s:2")) is None


async def test_the_same_source_is_one_diagnosis(store: Store) -> None:
    first = must(await insert_diagnosis(store))

    assert await insert_diagnosis(store) is None
    assert must(await insert_diagnosis(store, "s:2")).id > first.id


async def test_a_dossier_holds_the_diagnosis_behind_a_proposal(store: Store) -> None:
    diagnosis = must(await insert_diagnosis(store))
    proposal = must(await store.write(lambda tx: tx.insert_proposal(a_proposal(diagnosis_id=diagnosis.id))))

    dossier = must(await store.read(lambda reader: reader.dossier(proposal.id)))

    assert dossier.diagnosis == diagnosis
    assert await store.read(lambda reader: reader.proposals(diagnosis_id=diagnosis.id)) == [proposal]


async def test_a_ticket_is_stored_under_its_key(store: Store) -> None:
    diagnosis = must(await insert_diagnosis(store))
    seen_again = replace(TICKET, occurrences=2, last_seen_at=LATER, diagnosis_id=diagnosis.id, epoch=3, reopened=1)
    await store.write(lambda tx: tx.save_ticket(TICKET))
    assert await store.read(lambda reader: reader.ticket(TICKET.key)) == TICKET
    await store.write(lambda tx: tx.save_ticket(seen_again))

    assert await store.read(lambda reader: reader.ticket(TICKET.key)) == seen_again
    assert await store.read(lambda reader: reader.ticket("other")) is None


async def test_tickets_are_listed_oldest_first(store: Store) -> None:
    younger = replace(TICKET, key="b", opened_at=LATER)
    elsewhere = replace(TICKET, key="c", subject="tikv")
    resolved = replace(TICKET, key="a", status=TicketStatus.RESOLVED, resolved_at=LATER)
    for ticket in (younger, elsewhere, resolved, TICKET):
        await save_ticket(store, ticket)

    assert await store.read(lambda reader: reader.tickets()) == [elsewhere, TICKET, younger]
    assert await store.read(lambda reader: reader.tickets(subject="etcd")) == [TICKET, younger]
    everything = await store.read(lambda reader: reader.tickets(open_only=False))
    assert everything == [resolved, elsewhere, TICKET, younger]
    assert await store.read(lambda reader: reader.tickets(subject="etcd", open_only=False)) == [
        resolved,
        TICKET,
        younger,
    ]
