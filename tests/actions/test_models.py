"""Who acts is written one way and read back; a changed record has another digest."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.models import (
    ActionProposal,
    ActionRecord,
    ActionStatus,
    Actor,
    ActorKind,
    Checkpoint,
    Fact,
    FailureOutcome,
    ReasonCode,
    Risk,
    Step,
    Urgency,
)
from tests.factories import START, a_proposal


@given(st.sampled_from(ActorKind), st.text(min_size=1))
def test_an_actor_is_read_back_as_it_was_written(kind: ActorKind, name: str) -> None:
    assert Actor.parse(str(Actor(kind, name))) == Actor(kind, name)


@pytest.mark.parametrize("text", ["", "slack", "slack:", "nobody:T1/U1", ":U1", "SLACK:T1/U1"])
def test_what_is_no_actor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an actor|is not a valid ActorKind"):
        Actor.parse(text)


def test_actors_say_where_they_come_from() -> None:
    assert str(Actor.slack("T1", "U1")) == "slack:T1/U1"
    assert str(Actor.cli("ann", "db-1")) == "cli:ann@db-1"
    assert str(Actor.system("sweeper")) == "system:sweeper"


def test_records_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        a_proposal().status = ActionStatus.APPROVED  # type: ignore[misc]  # this is what is tested


def different(name: str, value: Any) -> Any:
    if name in {"diagnosis_id", "retry_of", "supersedes", "undo_of"}:
        return 7
    if name in {"approved_at", "approval_expires_at", "not_before", "lease_until"}:
        return START
    if name in {"parameters", "pins", "before"}:
        return {**value, "more": 1}
    known: dict[str, Any] = {
        "impact": (Fact(label="keys", value="12"),),
        "risks": ("another",),
        "channel": "C2",
        "owner": "host/2",
        "outcome": FailureOutcome.NO_EFFECT,
        "reason_code": ReasonCode.STALE,
        "risk": Risk.HIGH,
        "urgency": Urgency.IMMEDIATE,
        "status": ActionStatus.EXPIRED,
    }
    return known[name] if name in known else _another(value)


def _another(value: Any) -> Any:
    match value:
        case datetime():
            return value + timedelta(microseconds=1)
        case Enum():
            raise AssertionError(f"say what {value!r} becomes")
        case int():
            return value + 1
        case str():
            return value + "x"
        case _:
            raise AssertionError(f"say what {value!r} becomes")


DIGESTED = [field.name for field in fields(ActionProposal) if field.name != "lease_until"]


@pytest.mark.parametrize("name", DIGESTED)
def test_every_change_of_a_proposal_changes_its_digest(name: str) -> None:
    before = a_proposal()
    changed = replace(before, **{name: different(name, getattr(before, name))})

    assert changed != before
    assert changed.row_digest() != before.row_digest()


def test_a_renewed_lease_leaves_the_digest_alone() -> None:
    assert replace(a_proposal(), lease_until=START).row_digest() == a_proposal().row_digest()


RECORD = ActionRecord(proposal_id=1, token="t", owner="host/1", fence=1, started_at=START)
CHANGES: list[Callable[[ActionRecord], ActionRecord]] = [
    lambda record: replace(record, proposal_id=2),
    lambda record: replace(record, token="u"),
    lambda record: replace(record, owner="host/2"),
    lambda record: replace(record, fence=2),
    lambda record: replace(record, started_at=START + timedelta(seconds=1)),
    lambda record: replace(record, finished_at=START),
    lambda record: replace(record, steps=(Step(name="move", state="done"),)),
    lambda record: replace(record, steps=(Step(name="move", state="unknown"),)),
    lambda record: replace(record, steps=(Step(name="move", state="done", detail="202"),)),
    lambda record: replace(record, result="said yes"),
    lambda record: replace(record, evidence=(Fact(label="leader", value="etcd-1"),)),
]


def test_every_change_of_an_attempt_changes_its_digest() -> None:
    digests = [RECORD.row_digest(), *(change(RECORD).row_digest() for change in CHANGES)]

    assert len(set(digests)) == len(digests)
    assert {field.name for field in fields(ActionRecord)} == {
        field.name
        for field in fields(ActionRecord)
        for change in CHANGES
        if getattr(change(RECORD), field.name) != getattr(RECORD, field.name)
    }


def test_a_checkpoint_is_one_line() -> None:
    line = Checkpoint(seq=12, head="ab" * 32, count=12, at=START).line()

    assert line == f"audit checkpoint seq=12 count=12 head={'ab' * 32} at=2026-03-01T12:00:00+00:00"


def test_a_target_is_known_by_its_subject_and_its_name() -> None:
    assert a_proposal(subject="etcd", target="etcd-3").target_key == "etcd:etcd-3"
