"""The table of the lifecycle: what can follow what, and what never can."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.lifecycle import IN_FLIGHT, PENDING, STATUS_EVENTS, TERMINAL, TRANSITIONS, is_final, may_become, replay
from actions.models import ActionStatus

S = ActionStatus
REACHABLE = {
    S.PROPOSED: {S.VALIDATED, S.CANCELLED, S.EXPIRED},
    S.VALIDATED: {S.VALIDATED, S.APPROVED, S.CANCELLED, S.EXPIRED},
    S.APPROVED: {S.APPROVED, S.EXECUTING, S.CANCELLED, S.EXPIRED},
    S.EXECUTING: {S.COMPLETED, S.FAILED, S.UNKNOWN},
    S.UNKNOWN: {S.COMPLETED, S.FAILED},
    S.COMPLETED: set(),
    S.FAILED: set(),
    S.CANCELLED: set(),
    S.EXPIRED: set(),
}


@pytest.mark.parametrize(("source", "to"), list(product(S, S)), ids=str)
def test_what_may_follow_what(source: ActionStatus, to: ActionStatus) -> None:
    assert may_become(source, to) == (to in REACHABLE[source])


def test_every_status_is_pending_in_flight_or_final() -> None:
    assert set(S) == PENDING | IN_FLIGHT | TERMINAL
    assert len(PENDING) + len(IN_FLIGHT) + len(TERMINAL) == len(S)
    assert {status for status in S if is_final(status)} == TERMINAL
    assert all(not REACHABLE[status] for status in TERMINAL)


def test_what_starts_an_effect_needs_a_live_mode_and_what_ends_one_a_fence() -> None:
    assert {row.id for row in TRANSITIONS if row.live} == {"T4", "T5", "T11"}
    assert all(row.fenced == bool(row.sources & IN_FLIGHT) for row in TRANSITIONS)


def test_a_whole_life_is_replayed() -> None:
    status = None
    for event in ("proposed", "validated", "approval", "denied", "approved", "executing", "unknown", "completed"):
        status = replay(status, event)

    assert status is S.COMPLETED


@pytest.mark.parametrize(
    ("status", "event", "why"),
    [
        (None, "validated", "validated before proposed"),
        (S.PROPOSED, "proposed", "proposed twice"),
        (S.VALIDATED, "executing", "executing from validated"),
        (S.EXECUTING, "cancelled", "cancelled from executing"),
        (S.UNKNOWN, "executing", "executing from unknown"),
        (S.CANCELLED, "approved", "approved from cancelled"),
        (S.APPROVED, "approval", "approval from approved"),
    ],
)
def test_an_impossible_step_is_not_replayed(status: ActionStatus | None, event: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replay(status, event)


@given(st.lists(st.sampled_from(sorted(STATUS_EVENTS | {"denied", "duplicate"})), max_size=12))
def test_a_replay_takes_only_steps_of_the_table(events: list[str]) -> None:
    status: ActionStatus | None = None
    for event in events:
        before = status
        try:
            status = replay(status, event)
        except ValueError:
            break
        if event not in STATUS_EVENTS:
            assert status is before
        elif before is None:
            assert status is S.PROPOSED
        else:
            assert status in REACHABLE[before]
