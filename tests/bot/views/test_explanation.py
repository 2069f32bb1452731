"""What a diagnosis was and what became of it, in the modal behind “What is this?”, and the preview of an action."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from actions.diagnosis.models import Refused, Ticket, TicketStatus
from actions.models import ActionStatus, Fact, RefusalCode, SuccessOutcome
from actions.ports import OutboxKind
from actions.readings import Reading
from actions.registry import Preview
from bot.views.explanation import DiagnosisStory, not_ours, of_diagnosis, of_kind
from bot.views.home import HomeItem
from bot.views.preview_modal import preview_modal, reading_modal
from tests.bot.views.samples import NOW, a_diagnosis, a_proposal
from tests.bot.views.test_modals import heard
from tests.bot.views.walking import buttons, view_faults

LINK: Final = "https://acme.slack.com/archives/C1/p1772331125000400"
TICKET: Final = Ticket(
    key="etcd:nospace:cluster",
    subject="etcd",
    rule="nospace",
    target="cluster",
    status=TicketStatus.OPEN,
    opened_at=NOW - timedelta(minutes=9),
    last_seen_at=NOW - timedelta(minutes=1),
)


def story(**changes: Any) -> DiagnosisStory:
    return replace(DiagnosisStory(diagnosis=a_diagnosis(), ticket=TICKET, proposed=(), now=NOW), **changes)


def a_reading(*impact: Fact, drift: str = "", refusal: str | None = None) -> Reading:
    return Reading(preview=Preview(impact=impact, pins={}, refusal=refusal), read_at=NOW, drift=drift)


@pytest.mark.parametrize(
    ("ticket", "said"),
    [
        (TICKET, "The fault: still there; last seen at 2026-03-01 02:11:05 UTC"),
        (replace(TICKET, status=TicketStatus.RESOLVED, resolved_at=NOW), "The fault: gone since 2026-03-01 02:12:05"),
        (None, "The fault: not known here: the diagnosis was handed in from outside"),
    ],
)
def test_whether_the_fault_still_holds_is_said(ticket: Ticket | None, said: str) -> None:
    assert said in heard(of_diagnosis(story(ticket=ticket)))


def test_what_was_proposed_for_it_stands_there_with_what_became_of_it() -> None:
    done = a_proposal(status=ActionStatus.COMPLETED, outcome=SuccessOutcome.CONFIRMED)
    shown = of_diagnosis(story(proposed=(HomeItem(proposal=done, link=LINK),)))

    assert "12 done and confirmed · etcd.free_space on etcd / cluster" in heard(shown)
    assert view_faults(shown, links=(LINK,)) == []
    assert "nothing; the message itself says why" in heard(of_diagnosis(story()))


def test_what_people_refused_is_repeated_with_their_reasons() -> None:
    refused = (
        Refused(at="", by="ann", action_name="etcd.compact", code=RefusalCode.WRONG_CAUSE.value, reason="a full disk"),
        Refused(at="", by="bo", action_name="etcd.compact", code="", reason=""),
    )
    shown = heard(of_diagnosis(story(ticket=replace(TICKET, refused=refused))))

    assert "ann, etcd.compact: Wrong cause: the diagnosis does not hold. a full disk" in shown
    assert "bo, etcd.compact: no reason given" in shown


@pytest.mark.parametrize("kind", [OutboxKind.ANNOUNCEMENT, OutboxKind.DIGEST])
def test_what_decides_nothing_says_so_and_where_to_look(kind: OutboxKind) -> None:
    shown = of_kind(kind)

    assert "decides nothing" in heard(shown)
    assert "/operator" in heard(shown)
    assert view_faults(shown) == []


def test_a_message_of_somebody_else_is_not_ours() -> None:
    assert "Operator did not write this message" in heard(not_ours())
    assert buttons(not_ours()["blocks"]) == []


def test_a_preview_puts_what_has_changed_beside_what_the_card_says() -> None:
    proposal = a_proposal(impact=(Fact(label="size", value="4 MiB"), Fact(label="members", value="3")))
    shown = heard(
        preview_modal(proposal, a_reading(Fact(label="size", value="5 MiB"), Fact(label="time", value="6 s")))
    )

    assert "- size: 4 MiB → 5 MiB" in shown
    assert "- time: (none) → 6 s" in shown
    assert "- members: 3 → (none)" in shown
    assert "Nothing that the decision rests on has changed" in shown


def test_a_preview_says_what_speaks_against_it_now() -> None:
    refused = heard(preview_modal(a_proposal(), a_reading(refusal="The cluster would lose quorum.", drift="x: 1 → 2")))
    drifted = heard(preview_modal(a_proposal(), a_reading(drift="leader: n1 → n2")))

    assert "It must not be done now: The cluster would lose quorum. It cannot be approved until" in refused
    assert "leader: n1 → n2. Approving it now cancels it and proposes it anew" in drifted
    assert "at most 10 s" in heard(reading_modal(a_proposal()))
