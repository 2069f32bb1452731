"""The lines of the audit log, as the modal with everything about an action shows them."""

from typing import Any

import pytest

from actions.models import Via
from bot.views.audit_lines import audit_line
from bot.views.room import VIEW_ROOMS
from tests.bot.views.samples import an_event

ROOM = VIEW_ROOMS[0]


@pytest.mark.parametrize(
    ("event", "data", "says"),
    [
        ("proposed", {"action": "etcd.free_space", "row": "ff", "version": 1}, '{"action": "etcd.free_space"}'),
        (
            "break_glass",
            {"break_glass": "the shop is down", "review": "ff"},
            "run past everybody else, because: the shop",
        ),
        ("reviewed", {"comment": "right", "review": "ff"}, "the review is closed: right"),
        ("explained", {"code": "too_risky", "reason": "at noon"}, "Too risky now. at noon"),
        ("explained", {"code": "", "reason": ""}, "without a reason"),
        ("snoozed", {"after": 1, "until": "2026-03-01T02:30:00+00:00"}, "no reminder before 2026-03-01 02:30:00 UTC"),
        ("limited", {"verb": "approve", "why": "20 actions began."}, "held back: 20 actions began."),
        ("cancelled", {"reason_code": "superseded", "superseded_by": 13}, "action 13 took its place"),
        (
            "lift_requested",
            {"scope": "etcd", "reason": "fixed", "people": ["ann"], "need": 2},
            "wants the stop of etcd lifted, 1 of 2: fixed",
        ),
    ],
)
def test_what_was_written_down_reads_as_a_sentence(event: str, data: dict[str, Any], says: str) -> None:
    said = audit_line(an_event(7, event, "slack:T1/UANN", via=Via.SLACK, data=data), ROOM)

    assert said.startswith(f"2026-03-01 02:10:12 UTC · {event} · slack:T1/UANN (slack) · line 7 · {says}")


def test_a_line_that_keeps_only_what_verifies_it_says_nothing_more() -> None:
    said = audit_line(an_event(7, "validated", data={"status": "validated", "version": 2, "row": "ff"}), ROOM)

    assert said.endswith("validated · agent:rules (agent) · line 7")
