"""The card while people decide: what it replaces, what speaks against it, and what can be pressed."""

from datetime import timedelta
from typing import Any, Final

import pytest

from actions.calendar import Opening
from actions.lifecycle import TERMINAL
from actions.models import ActionStatus, FailureOutcome, ReasonCode, Risk, SuccessOutcome, Via
from bot.ids import Button
from bot.payloads import ButtonValue, ProposalRef
from bot.views.card import card
from bot.views.card_view import FollowUp, FollowUps
from bot.views.confirm_modal import confirm_modal
from bot.views.succession import differences
from tests.bot.views.attacks import REF
from tests.bot.views.hostile import LINK
from tests.bot.views.samples import (
    NOW,
    SHOWN,
    TOKEN,
    a_card,
    a_proposal,
    a_reading,
    a_record,
    a_review,
    an_approval,
    an_event,
)
from tests.bot.views.walking import button, buttons, message_faults, nodes

USERS: Final = ("UANN", "UBO")
ALL: Final[dict[str, Any]] = {"editable": True, "breakable": True}
SOON: Final = NOW + timedelta(seconds=7.2)
APPROVED: Final[dict[str, Any]] = {"status": ActionStatus.APPROVED, "approvals": (an_approval(),)}
DONE: Final[dict[str, Any]] = {
    "status": ActionStatus.COMPLETED,
    "outcome": SuccessOutcome.CONFIRMED,
    "record": a_record(),
    "undo_hint": "etcd.move_leader(to=n2)",
    "undoable_until": NOW + timedelta(hours=1),
}
UNDONE_NOT: Final[dict[str, Any]] = {"status": ActionStatus.FAILED, "outcome": FailureOutcome.NO_EFFECT}
BROKEN: Final[dict[str, Any]] = {"break_glass": "the shop is down", "review": a_review()}


def rows(blocks: Any) -> list[list[str]]:
    return [[one["text"]["text"] for one in block["elements"]] for block in blocks if block["type"] == "actions"]


def test_what_decides_comes_first_and_what_passes_everybody_else_comes_last() -> None:
    shown = card(a_card(**ALL))

    assert rows(shown.blocks) == [["Approve", "Cancel"], ["Preview", "Change parameters", "Details", "Break glass"]]
    assert (button(shown.blocks, "Approve")["style"], button(shown.blocks, "Break glass")["style"]) == (
        "primary",
        "danger",
    )
    assert message_faults(shown) == []


def test_only_buttons_that_decide_carry_the_secret_of_the_card() -> None:
    aborting = a_card(risk=Risk.HIGH, not_before=SOON, **APPROVED, **ALL)
    found = [node for view in (a_card(**ALL), aborting) for node in nodes(card(view).blocks)]
    values = {node["action_id"]: node["value"] for node in found if node.get("type") == "button"}
    secret = ButtonValue(p=12, t=TOKEN, h=a_proposal().params_hash).compact()

    assert {name for name, value in values.items() if value == secret} == {
        Button.APPROVE, Button.CANCEL, Button.BREAK_GLASS, Button.ABORT
    }  # fmt: skip
    assert {name for name, value in values.items() if value == ProposalRef(p=12).compact()} == {
        Button.PREVIEW, Button.EDIT, Button.DETAILS
    }  # fmt: skip


@pytest.mark.parametrize("risk", Risk)
def test_every_button_says_what_it_does_to_those_who_hear_it(risk: Risk) -> None:
    views = [a_card(risk=risk, **ALL), a_card(risk=risk, not_before=SOON, **APPROVED, **ALL), a_card(**DONE, **BROKEN)]
    said = [node["accessibility_label"] for view in views for node in nodes(card(view).blocks) if "action_id" in node]

    assert all("action 12" in one and len(one) <= 75 for one in said)
    assert len(said) >= 11


def test_who_may_not_is_offered_neither_a_form_nor_the_glass() -> None:
    assert buttons(card(a_card()).blocks) == ["Approve", "Cancel", "Preview", "Details"]


def test_what_must_not_be_done_now_can_only_be_cancelled_or_looked_at() -> None:
    shown = card(a_card(reading=a_reading(refusal="n2 is down, and a second loss would end the quorum."), **ALL))

    assert buttons(shown.blocks) == ["Cancel", "Preview", "Change parameters", "Details"]
    assert "It must not be done now: n2 is down, and a second loss would end the quorum. Preview looks" in shown.text
    assert message_faults(shown) == []


def test_a_target_that_has_changed_is_told_with_what_approve_does_then() -> None:
    shown = card(a_card(reading=a_reading(drift="leader: n1 → n2"), **ALL))
    question = button(shown.blocks, "Approve")["confirm"]["text"]["text"]

    assert "The target has changed since it was read: leader: n1 → n2. Whoever presses Approve gets" in shown.text
    assert "The target has changed: a new card is made to decide on, and nothing runs." in question
    assert "It runs" not in question


@pytest.mark.parametrize("status", [ActionStatus.EXECUTING, ActionStatus.COMPLETED])
def test_what_was_read_before_says_nothing_about_what_has_begun(status: ActionStatus) -> None:
    shown = card(a_card(status=status, reading=a_reading(refusal="n2 is down", drift="leader: n1 → n2")))

    assert "n2" not in shown.text.partition("Critical:")[0]


def test_an_approval_in_a_freeze_says_when_it_would_run_and_why_then() -> None:
    opening = Opening(starts=NOW + timedelta(hours=20), why="freeze `release` until Sun 2026-03-01 22:12 UTC")
    shown = card(a_card(opening=opening))
    when = "at 2026-03-01 22:12:05 UTC (freeze `release` until Sun 2026-03-01 22:12 UTC)"

    assert f"If approved now: it runs {when}" in shown.text
    assert f"It runs {when}, and once only." in button(shown.blocks, "Approve")["confirm"]["text"]["text"]


def test_what_could_never_run_cannot_be_approved_but_past_the_calendar() -> None:
    shown = card(a_card(opening=Opening(starts=None, why="freeze `year` lasts longer"), **ALL))

    assert "It cannot run: freeze `year` lasts longer." in shown.text
    assert buttons(shown.blocks) == ["Cancel", "Preview", "Change parameters", "Details", "Break glass"]


def test_what_is_approved_for_later_says_why_and_can_be_cancelled_or_hurried() -> None:
    detail = "freeze `release` until Mon 2026-03-02 22:00 UTC"
    later = NOW + timedelta(hours=20)
    shown = card(a_card(not_before=later, expires_at=later + timedelta(hours=1), detail=detail, **APPROVED, **ALL))

    assert "approved, runs at 22:12:05 UTC" in shown.text
    assert f"Why not now: {detail}" in shown.text
    assert buttons(shown.blocks) == ["Cancel", "Preview", "Details", "Break glass"]
    tomorrow = card(a_card(not_before=NOW + timedelta(days=1), **APPROVED | {"expires_at": NOW + timedelta(days=2)}))
    assert "approved, runs at 2026-03-02 02:12:05 UTC" in tomorrow.text


def test_everybody_can_abort_high_risk_in_its_last_seconds() -> None:
    shown = card(a_card(risk=Risk.HIGH, not_before=SOON, **APPROVED, **ALL))

    assert "Action 12: approved, runs in 8 s unless somebody presses Abort" in shown.text
    assert rows(shown.blocks) == [["Abort", "Cancel", "Details"]]
    assert button(shown.blocks, "Abort")["style"] == "danger"
    begun = card(a_card(risk=Risk.HIGH, not_before=NOW, **APPROVED))
    assert "approved, about to run unless somebody presses Abort" in begun.text
    assert "Abort" in buttons(begun.blocks)


def test_high_risk_far_from_its_time_is_scheduled_like_anything_else() -> None:
    later = a_card(not_before=NOW + timedelta(minutes=8), risk=Risk.HIGH, **APPROVED)

    assert buttons(card(later).blocks) == ["Cancel", "Preview", "Details"]


def test_the_form_for_high_risk_says_how_long_everybody_can_stop_it() -> None:
    view = a_card(risk=Risk.HIGH)
    said = str(confirm_modal(view, REF)["blocks"])

    assert "It runs 10 s later unless somebody presses Abort, and once only." in said


OLD: Final = a_proposal(
    id=9,
    status=ActionStatus.CANCELLED,
    reason_code=ReasonCode.STALE,
    detail="What it rested on has changed: leader: n1 → n2",
    parameters={**SHOWN, "revision": 121, "note": "3"},
    pins={"leader": "n1", "raft term": 4},
)
NEW: Final[dict[str, Any]] = {"pins": {"leader": "n2", "raft term": 4}, "supersedes": 9, "replaces": OLD}


def test_a_new_card_shows_what_it_replaces_and_what_differs() -> None:
    shown = card(a_card(source_key="renewed:9", **NEW))

    assert 'needs approval\nReplaces action 9:\n- note: "3" → (not set)\n- revision: 121 → 122\n- leader' in shown.text
    assert "- leader: n1 → n2\n" in shown.text
    assert "raft term" not in shown.text
    assert message_faults(shown) == []


def test_what_a_person_changed_is_told_with_who_it_was() -> None:
    shown = card(a_card(source_key="edited:9", proposed_by="slack:T1/UANN", **NEW))

    assert "Replaces action 9. UANN changed:\n- note" in shown.text
    assert "- revision: 121 → 122\nThe target has changed too:\n- leader: n1 → n2" in shown.text
    assert message_faults(shown, users=USERS) == []


def test_before_its_target_was_read_a_renewed_card_says_why_it_was_renewed() -> None:
    shown = card(a_card(status=ActionStatus.PROPOSED, source_key="renewed:9", supersedes=9, replaces=OLD))

    assert "Replaces action 9: What it rested on has changed: leader: n1 → n2" in shown.text


def test_a_card_that_replaces_the_same_again_says_so() -> None:
    same = a_proposal(id=9, status=ActionStatus.CANCELLED, reason_code=ReasonCode.SUPERSEDED)

    assert "Replaces action 9: the parameters are the same" in card(a_card(replaces=same)).text


def test_many_differences_are_counted() -> None:
    old = a_proposal(id=9, parameters={f"p{number}": number for number in range(20)})

    assert "and 14 more" in card(a_card(source_key="renewed:9", replaces=old, parameters={})).text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("etcd-1", "etcd-2", "v: etcd-1 → etcd-2"),
        (3, 5, "v: 3 → 5"),
        ("3", 3, 'v: "3" → 3'),
        ("true", True, 'v: "true" → true'),
        ("a → b; w: 1", "a", 'v: "a \\u2192 b; w: 1" → a'),
        ("n1\u202e", "n1", 'v: "n1\\u202e" → n1'),
        ("x" * 100 + "a", "x" * 100 + "b", "v: changed; too long to be shown here"),
        ({"a": [1]}, None, 'v: {"a": [1]} → null'),
    ],
)
def test_values_that_differ_never_look_the_same(old: Any, new: Any, said: str) -> None:
    assert list(differences({"v": old}, {"v": new}, 60)) == [said]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (ReasonCode.SUPERSEDED, "Action 12: replaced by action 13\n"),
        (ReasonCode.STALE, "Action 12: the target has changed, replaced by action 13\n"),
    ],
)
def test_a_card_that_was_replaced_leads_to_the_new_one(code: ReasonCode, says: str) -> None:
    follow_ups = FollowUps(replaced_by=FollowUp(id=13, link=LINK))
    view = a_card(status=ActionStatus.CANCELLED, reason_code=code, replaced_by=13, follow_ups=follow_ups, **ALL)
    shown = card(view)

    assert says in shown.text
    assert "Replaced by action 13. Open its card" in shown.text
    assert [node["url"] for node in nodes(shown.blocks) if node.get("type") == "link"] == [LINK]
    assert buttons(shown.blocks) == []


def test_what_was_done_can_be_undone_for_a_while() -> None:
    shown = card(a_card(**DONE))

    assert "Undo would propose: etcd.move_leader(to=n2) until 2026-03-01 03:12:05 UTC; somebody has" in shown.text
    assert buttons(shown.blocks) == ["Undo"]
    assert button(shown.blocks, "Undo")["value"] == '{"p":12}'


@pytest.mark.parametrize("changes", [{"undoable_until": NOW}, {"undo_hint": None}, {"undoable_until": None}])
def test_what_cannot_be_undone_any_more_is_not_offered(changes: dict[str, Any]) -> None:
    shown = card(a_card(**DONE | changes))

    assert buttons(shown.blocks) == []
    assert "Undo would propose" not in shown.text


def test_what_failed_without_effect_can_be_tried_again() -> None:
    assert buttons(card(a_card(**UNDONE_NOT)).blocks) == ["Try again"]
    assert buttons(card(a_card(**UNDONE_NOT | {"outcome": FailureOutcome.PARTIAL})).blocks) == []


def test_what_follows_is_told_in_place_of_the_button() -> None:
    undone = card(a_card(**DONE, follow_ups=FollowUps(undo=FollowUp(id=14, link=LINK))))
    again = card(a_card(**UNDONE_NOT, follow_ups=FollowUps(retry=FollowUp(id=15))))

    assert ("Undo is proposed as action 14. Open its card" in undone.text, buttons(undone.blocks)) == (True, [])
    assert ("It is tried again as action 15." in again.text, buttons(again.blocks)) == (True, [])


def test_the_card_of_what_follows_says_what_it_follows() -> None:
    assert "needs approval\nTakes back action 9." in card(a_card(undo_of=9)).text
    assert "needs approval\nTries action 9 again." in card(a_card(retry_of=9)).text


GLASS: Final = ("The glass was broken by: UANN at 02:11:35 UTC", "Why: the shop is down")


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (APPROVED, "the glass is broken, about to run"),
        ({"status": ActionStatus.EXECUTING}, "running, run by breaking the glass"),
        (DONE, "done and confirmed, run by breaking the glass"),
        (UNDONE_NOT, "failed, nothing was changed, run by breaking the glass"),
        ({"status": ActionStatus.CANCELLED, "reason_code": ReasonCode.USER}, "cancelled"),
    ],
)
def test_what_ran_past_everybody_says_so_and_asks_for_a_review(given: dict[str, Any], state: str) -> None:
    shown = card(a_card(**given, **BROKEN))

    assert f"Action 12: {state}\n" in shown.text.replace("Critical · ", "")
    assert [part for part in (*GLASS, "Review: open; somebody else") if part not in shown.text] == []
    review = ["Close the review"] if given["status"] in TERMINAL else []
    assert [one for one in buttons(shown.blocks) if one == "Close the review"] == review
    assert message_faults(shown, users=USERS) == []


def test_a_closed_review_says_by_whom_and_what_they_found() -> None:
    closed = a_review(closed_at=NOW, closed_by="slack:T1/UBO", comment="right, but page first")
    shown = card(a_card(**DONE, break_glass="the shop is down", review=closed))

    assert "Review closed by: UBO at 2026-03-01 02:12:05 UTC: right, but page first" in shown.text
    assert buttons(shown.blocks) == ["Undo"]


def test_why_somebody_refused_is_told_in_words() -> None:
    data = {"reason": "it is the disk", "code": "wrong_cause", "version": 4}
    explained = an_event(4, "explained", "slack:T1/UBO", via=Via.SLACK, data=data)
    shown = card(a_card(status=ActionStatus.CANCELLED, reason_code=ReasonCode.USER, audit=(explained,)))

    assert "Reason: Wrong cause: the diagnosis does not hold. it is the disk" in shown.text


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        ({"status": ActionStatus.COMPLETED, "outcome": SuccessOutcome.CONFIRMED}, "done, as a person says"),
        (UNDONE_NOT, "not done, as a person says"),
    ],
)
def test_what_a_person_says_became_of_it_is_not_told_as_what_the_bot_saw(ended: dict[str, Any], state: str) -> None:
    attested = an_event(9, "resolved", "slack:T1/UBO", data={"attested": True, "reason": "looked at n2"})
    shown = card(a_card(**ended, audit=(attested,)))

    assert f"{state}\nIts outcome was unknown until a named person looked; the bot did not see it itself." in shown.text
    assert "confirmed" not in shown.text
    assert "as a person says" not in card(a_card(**ended)).text
