"""Control rows, proposals, approvals and records: what the ports promise, of every store."""

from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from actions.errors import StorageError
from actions.lifecycle import PENDING
from actions.models import (
    EVERYTHING,
    ActionProposal,
    ActionRecord,
    ActionStatus,
    Approval,
    Control,
    Fact,
    FailureOutcome,
    ReasonCode,
    SafetyMode,
    Step,
    Via,
)
from actions.ports import MessageRef, OutboxKind, Store, Transaction
from storage.proposals import FIXED
from tests.factories import START, FixedClock, a_proposal
from tests.storage.scripts import Script, must

PROPOSED, VALIDATED, APPROVED = ActionStatus.PROPOSED, ActionStatus.VALIDATED, ActionStatus.APPROVED
EXECUTING, UNKNOWN, CANCELLED = ActionStatus.EXECUTING, ActionStatus.UNKNOWN, ActionStatus.CANCELLED


async def insert(store: Store, **over: object) -> ActionProposal:
    return must(await store.write(lambda tx: tx.insert_proposal(a_proposal(**over))))


async def move(store: Store, proposal: ActionProposal, to: ActionStatus, **changes: object) -> ActionProposal | None:
    return await store.write(lambda tx: tx.move(proposal, to, changes))


async def set_control(store: Store, control: Control) -> None:
    def work(tx: Transaction) -> None:
        tx.lock_control(control.scope)
        tx.set_control(control)

    await store.write(work)


async def save_record(store: Store, record: ActionRecord) -> None:
    await store.write(lambda tx: tx.save_record(record))


def an_approval(proposal_id: int, person: str = "ann", seconds: int = 0) -> Approval:
    return Approval(
        proposal_id=proposal_id,
        person=person,
        actor=f"slack:T1/U{person}",
        via=Via.SLACK,
        params_hash="0" * 64,
        at=START + timedelta(seconds=seconds),
        groups=("dba", "sre"),
    )


def a_record(proposal_id: int, **over: Any) -> ActionRecord:
    record = ActionRecord(proposal_id=proposal_id, token="t", owner="host/1", fence=1, started_at=START)
    return replace(record, **over)


async def test_a_fresh_store_observes(store: Store) -> None:
    control = await store.read(lambda reader: reader.control(EVERYTHING))

    assert control == Control(scope=EVERYTHING, mode=SafetyMode.OBSERVE, epoch=1, changed_by="system:migration")


async def test_a_subject_without_a_row_observes_in_epoch_0(store: Store) -> None:
    assert await store.write(lambda tx: tx.lock_control("etcd")) == Control(scope="etcd")
    assert await store.read(lambda reader: reader.control("etcd")) == Control(scope="etcd")


async def test_control_rows_are_stored_and_listed_with_everything_first(store: Store) -> None:
    rows = [
        Control(
            scope=scope,
            mode=SafetyMode.EXECUTE,
            epoch=7,
            changed_by="cli:ann@host",
            changed_at=START,
            reason="repaired",
            stopped_as=ReasonCode.KILL_SWITCH,
        )
        for scope in (EVERYTHING, "!odd", "etcd")
    ]
    for row in reversed(rows):
        await set_control(store, row)

    assert await store.read(lambda reader: reader.controls()) == rows
    assert await store.read(lambda reader: reader.control("etcd")) == rows[2]


async def test_a_control_row_is_not_set_without_its_lock(store: Store) -> None:
    with pytest.raises(RuntimeError, match="not locked"):
        await store.write(lambda tx: tx.set_control(Control(scope="etcd", mode=SafetyMode.EXECUTE)))
    await store.write(lambda tx: tx.lock_control("etcd"))
    with pytest.raises(RuntimeError, match="not locked"):
        await store.write(lambda tx: tx.set_control(Control(scope="etcd", mode=SafetyMode.EXECUTE)))

    assert await store.read(lambda reader: reader.control("etcd")) == Control(scope="etcd")


async def test_a_proposal_is_read_as_it_was_stored(store: Store) -> None:
    retried = await insert(store)
    stored = await insert(
        store,
        source_key="test:2",
        parameters={"list": [1, 2.5, None, True], "nested": {"b": "ä", "a": "\u202e"}},
        impact=(Fact(label="keys", value="12"), Fact(label="size", value="3 MB")),
        pins={"leader": "etcd-1", "terms": [1, 2]},
        before={"members": 3},
        channel="C1",
        retry_of=retried.id,
        not_before=START + timedelta(microseconds=1),
        outcome=FailureOutcome.PARTIAL,
        reason_code=ReasonCode.STALE,
        detail="line one\nline two",
    )

    assert stored.id != retried.id
    assert await store.read(lambda reader: reader.proposal(stored.id)) == stored
    assert await store.read(lambda reader: reader.proposal_by_source("test:2")) == stored
    assert stored == a_proposal(**{f: getattr(stored, f) for f in stored.__slots__})
    again = must(await store.read(lambda reader: reader.proposal(stored.id)))
    assert again.row_digest() == stored.row_digest()


async def test_what_was_never_proposed_is_not_found(store: Store) -> None:
    assert await store.read(lambda reader: reader.proposal(1)) is None
    assert await store.read(lambda reader: reader.proposal_by_source("test:1")) is None
    assert await store.read(lambda reader: reader.dossier(1)) is None
    assert await store.read(lambda reader: reader.record(1)) is None
    assert await store.read(lambda reader: reader.approvals(1)) == []


async def test_the_same_source_is_one_proposal(store: Store) -> None:
    first = await insert(store)

    assert await store.write(lambda tx: tx.insert_proposal(a_proposal(reason="another"))) is None
    assert await store.read(lambda reader: reader.proposals()) == [first]


async def test_two_proposals_cannot_share_a_token(store: Store) -> None:
    first = await insert(store)

    with pytest.raises(StorageError):
        await insert(store, source_key="test:2", token=first.token)


@pytest.mark.parametrize("reference", ["diagnosis_id", "retry_of"])
async def test_a_proposal_cannot_refer_to_what_is_not_there(store: Store, reference: str) -> None:
    with pytest.raises(StorageError):
        await insert(store, **{reference: 99})

    assert await store.read(lambda reader: reader.proposals()) == []


@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=1))])
async def test_only_times_in_utc_are_stored(store: Store, zone: timezone | None) -> None:
    proposal = await insert(store)

    with pytest.raises(ValueError, match="UTC"):
        await move(store, proposal, VALIDATED, approved_at=START.replace(tzinfo=zone))

    assert await store.read(lambda reader: reader.proposal(proposal.id)) == proposal


async def test_a_move_changes_what_it_says_and_nothing_else(store: Store) -> None:
    proposal = await insert(store)

    moved = await move(store, proposal, VALIDATED, pins={"leader": "etcd-1"}, approved_at=START)

    assert moved == replace(proposal, status=VALIDATED, version=2, pins={"leader": "etcd-1"}, approved_at=START)
    assert await store.read(lambda reader: reader.proposal(proposal.id)) == moved


@pytest.mark.parametrize("stale", [{"status": VALIDATED}, {"version": 2}, {"fence": 1}, {"id": 99}])
async def test_a_move_from_a_stale_view_changes_nothing(store: Store, stale: dict[str, Any]) -> None:
    proposal = await insert(store)

    assert await move(store, replace(proposal, **stale), CANCELLED) is None
    assert await store.read(lambda reader: reader.proposal(proposal.id)) == proposal


async def test_of_two_moves_from_the_same_view_one_wins(store: Store) -> None:
    proposal = await insert(store)

    assert await move(store, proposal, VALIDATED) is not None
    assert await move(store, proposal, CANCELLED) is None


@pytest.mark.parametrize(
    "field",
    sorted(FIXED | {"status", "version", "nonsense"}),
)
async def test_a_move_cannot_touch_what_was_proposed(store: Store, field: str) -> None:
    proposal = await insert(store)

    with pytest.raises(ValueError, match=field):
        await move(store, proposal, VALIDATED, **{field: "x"})

    assert await store.read(lambda reader: reader.proposal(proposal.id)) == proposal


@pytest.mark.parametrize("occupant", [EXECUTING, UNKNOWN])
async def test_a_target_carries_one_action_at_a_time(store: Store, occupant: ActionStatus) -> None:
    first, second = await insert(store), await insert(store, source_key="test:2")
    elsewhere = await insert(store, source_key="test:3", target="etcd-1")
    busy = must(await move(store, first, occupant))

    assert await move(store, second, EXECUTING) is None
    assert await store.read(lambda reader: reader.proposal(second.id)) == second
    assert await store.read(lambda reader: reader.in_flight_on("etcd", "etcd-3")) == busy
    assert await move(store, elsewhere, EXECUTING) is not None
    assert await move(store, busy, ActionStatus.COMPLETED) is not None
    assert await store.read(lambda reader: reader.in_flight_on("etcd", "etcd-3")) is None
    assert await move(store, second, EXECUTING) is not None


async def test_an_action_in_flight_may_become_unknown(store: Store) -> None:
    executing = must(await move(store, await insert(store), EXECUTING))

    assert must(await move(store, executing, UNKNOWN)).status is UNKNOWN


async def test_nothing_is_attempted_twice(store: Store) -> None:
    proposal = await insert(store)

    with pytest.raises(StorageError):
        await move(store, proposal, EXECUTING, attempts=2)

    assert await store.read(lambda reader: reader.proposal(proposal.id)) == proposal


async def test_a_lease_is_renewed_only_while_it_runs_under_its_fence(store: Store) -> None:
    until = START + timedelta(minutes=1)
    proposal = await insert(store)
    assert not await store.write(lambda tx: tx.renew_lease(proposal.id, fence=0, until=until))
    running = must(await move(store, proposal, EXECUTING, fence=1, lease_until=START))

    assert not await store.write(lambda tx: tx.renew_lease(running.id, fence=0, until=until))
    assert await store.write(lambda tx: tx.renew_lease(running.id, fence=1, until=until))
    renewed = must(await store.read(lambda reader: reader.proposal(running.id)))
    assert renewed == replace(running, lease_until=until)
    assert renewed.row_digest() == running.row_digest()
    await move(store, renewed, UNKNOWN, fence=2)
    assert not await store.write(lambda tx: tx.renew_lease(running.id, fence=1, until=until))
    assert not await store.write(lambda tx: tx.renew_lease(running.id, fence=2, until=until))


async def test_proposals_are_listed_newest_first_in_pages(store: Store) -> None:
    made = [await insert(store, source_key=f"test:{n}") for n in range(7)]

    first = await store.read(lambda reader: reader.proposals(limit=3))
    second = await store.read(lambda reader: reader.proposals(limit=3, before_id=first[-1].id))
    third = await store.read(lambda reader: reader.proposals(limit=3, before_id=second[-1].id))

    assert [*first, *second, *third] == made[::-1]


async def test_proposals_are_listed_by_status_subject_and_diagnosis(store: Store) -> None:
    one = await insert(store, source_key="1")
    two = must(await move(store, await insert(store, source_key="2", subject="tikv"), VALIDATED))
    three = must(await move(store, await insert(store, source_key="3"), CANCELLED))
    four = must(await move(store, await insert(store, source_key="4"), VALIDATED))

    async def listed(**filters: Any) -> list[ActionProposal]:
        return await store.read(lambda reader: reader.proposals(**filters))

    assert await listed(statuses={VALIDATED}) == [four, two]
    assert await listed(statuses=PENDING) == [four, two, one]
    assert await listed(statuses=PENDING, limit=2) == [four, two]
    assert await listed(statuses=PENDING, before_id=four.id, limit=1) == [two]
    assert await listed(statuses=[VALIDATED, VALIDATED]) == [four, two]
    assert await listed(subject="tikv") == [two]
    assert await listed(subject="etcd", statuses={CANCELLED, VALIDATED}) == [four, three]
    assert await listed(diagnosis_id=1) == []


async def test_pending_proposals_of_earlier_epochs_are_found_oldest_first(store: Store, script: Script) -> None:
    await script.set_mode(SafetyMode.EXECUTE)
    await script.set_mode(SafetyMode.EXECUTE, "etcd")
    current = await insert(store, source_key="1", epoch=2, subject_epoch=1)
    stopped = await insert(store, source_key="2", epoch=1, subject_epoch=1)
    stopped_here = must(await move(store, await insert(store, source_key="3", epoch=2, subject_epoch=0), APPROVED))
    homeless = await insert(store, source_key="4", epoch=2, subject_epoch=1, subject="tikv")
    await move(store, await insert(store, source_key="5", epoch=1, target="x"), EXECUTING)
    await move(store, await insert(store, source_key="6", epoch=1), CANCELLED)

    found = await store.read(lambda reader: reader.pending_of_earlier_epochs(10))

    assert found == [stopped, stopped_here, homeless]
    assert current not in found
    assert await store.read(lambda reader: reader.pending_of_earlier_epochs(2)) == found[:2]
    assert await store.write(lambda tx: tx.pending_of_earlier_epochs(1)) == found[:1]


async def test_overdue_proposals_are_found_oldest_first(store: Store) -> None:
    soon, later = START + timedelta(minutes=1), START + timedelta(hours=1)
    one = await insert(store, source_key="1", expires_at=soon)
    await insert(store, source_key="2", expires_at=later)
    three = must(await move(store, await insert(store, source_key="3"), APPROVED, approval_expires_at=soon))
    await move(store, await insert(store, source_key="4"), APPROVED, approval_expires_at=later)
    await move(store, await insert(store, source_key="5", expires_at=soon), CANCELLED)
    await move(store, await insert(store, source_key="6", expires_at=soon, target="x"), EXECUTING)

    just_before = soon - timedelta(microseconds=1)
    assert await store.read(lambda reader: reader.overdue(just_before, 10)) == []
    assert await store.read(lambda reader: reader.overdue(soon, 10)) == [one, three]
    assert await store.read(lambda reader: reader.overdue(soon, 1)) == [one]


async def test_attempts_whose_lease_ran_out_are_found(store: Store) -> None:
    past, now = START, START + timedelta(seconds=1)
    lost = must(await move(store, await insert(store, source_key="1"), EXECUTING, lease_until=past))
    await move(store, await insert(store, source_key="2", target="b"), EXECUTING, lease_until=now)
    await move(store, await insert(store, source_key="3", target="c"), UNKNOWN, lease_until=past)
    await insert(store, source_key="4", lease_until=past)

    assert await store.read(lambda reader: reader.leases_run_out(now, 10)) == [lost]
    assert await store.read(lambda reader: reader.leases_run_out(now, 0)) == []


async def test_a_person_approves_once(store: Store) -> None:
    proposal = await insert(store)
    first, second = an_approval(proposal.id), an_approval(proposal.id, "bo", 5)

    assert await store.write(lambda tx: tx.insert_approval(first))
    assert await store.write(lambda tx: tx.insert_approval(second))
    assert not await store.write(lambda tx: tx.insert_approval(replace(first, actor="cli:ann@host")))
    assert await store.read(lambda reader: reader.approvals(proposal.id)) == [first, second]


async def test_nothing_is_kept_about_a_proposal_that_does_not_exist(store: Store) -> None:
    with pytest.raises(StorageError):
        await store.write(lambda tx: tx.insert_approval(an_approval(99)))
    with pytest.raises(StorageError):
        await store.write(lambda tx: tx.save_record(a_record(99)))


async def test_a_record_is_replaced_only_under_its_own_or_a_later_fence(store: Store) -> None:
    proposal = await insert(store)
    steps = (Step(name="move", state="done", detail="202"), Step(name="look", state="unknown"))
    evidence = (Fact(label="leader", value="etcd-1"),)
    began = a_record(proposal.id, fence=2)
    ended = replace(began, finished_at=START, steps=steps, evidence=evidence, result="moved")
    for record in (began, ended, a_record(proposal.id, fence=1, result="too late")):
        await save_record(store, record)

    assert await store.read(lambda reader: reader.record(proposal.id)) == ended
    taken_over = replace(ended, fence=3, owner="host/2")
    await store.write(lambda tx: tx.save_record(taken_over))
    stored = must(await store.read(lambda reader: reader.record(proposal.id)))
    assert stored == taken_over
    assert stored.row_digest() == taken_over.row_digest()


async def test_the_attempts_on_a_subject_are_found_last_started_first(store: Store) -> None:
    started = {"a": 30, "b": 20, "c": 30, "d": 10, "e": 60}
    subjects = {"e": "other"}
    numbers = {}
    for source, seconds in started.items():
        proposal = await insert(
            store,
            source_key=source,
            subject=subjects.get(source, "etcd"),
            target=source,
            status=EXECUTING if source == "b" else ActionStatus.FAILED,
        )
        numbers[source] = proposal.id
        await save_record(store, a_record(proposal.id, started_at=START + timedelta(seconds=seconds)))

    async def found(*, limit: int = 10, since: int = 0, ended: bool = False) -> list[int]:
        at = START + timedelta(seconds=since)
        records = await store.read(lambda reader: reader.attempts("etcd", since=at, ended=ended, limit=limit))
        return [record.proposal_id for record in records]

    assert await found() == [numbers[one] for one in "cabd"]
    assert await found(limit=2) == [numbers[one] for one in "ca"]
    assert await found(since=20) == [numbers[one] for one in "cab"]
    assert await found(since=31) == []
    assert await found(ended=True) == [numbers[one] for one in "cad"]


async def test_a_dossier_holds_everything_about_one_proposal(store: Store, script: Script, clock: FixedClock) -> None:
    await script.whole_life("other")
    message = MessageRef(kind=OutboxKind.CARD, ref="2", team_id="T1", channel_id="C1", ts="1.2")
    proposal = await script.whole_life("mine")
    await store.write(lambda tx: tx.record_message(message))

    dossier = must(await store.read(lambda reader: reader.dossier(proposal.id)))

    assert dossier.proposal == proposal
    assert [approval.proposal_id for approval in dossier.approvals] == [proposal.id]
    assert must(dossier.record).finished_at == clock.now()
    assert [event.event for event in dossier.audit] == ["proposed", "validated", "approved", "executing", "completed"]
    assert dossier.message == message
    assert dossier.diagnosis is None
