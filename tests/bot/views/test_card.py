"""One card for every status, outcome and reason: what it says, and what can be pressed on it."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest

from actions.canonical import digest
from actions.lifecycle import is_final
from actions.models import ActionStatus, Approval, FailureOutcome, ReasonCode, Risk, Step, SuccessOutcome, Via
from bot.ids import Button
from bot.payloads import ButtonValue
from bot.views.card import card
from bot.views.message import Message
from tests.bot.views.samples import NOW, TOKEN, a_card, a_diagnosis, a_record, an_approval, an_event, an_output
from tests.bot.views.walking import button, buttons, message_faults

USERS: Final = ("UANN", "UBO", "U012ABCDEF")
APPROVED: Final = {"approvals": (an_approval(),)}
RAN: Final = APPROVED | {"record": a_record(), "detail": "Freed 4.0 MiB."}
LOST: Final = a_record(
    finished_at=None,
    result="",
    evidence=(),
    steps=(Step(name="compact", state="done"), Step(name="defragment n1", state="unknown", detail="no answer")),
)


@dataclass(frozen=True, kw_only=True)
class Stands:
    """How a proposal stands, the headline and sentences its card must show, and its buttons."""

    says: tuple[str, ...]
    buttons: tuple[str, ...] = ()
    given: dict[str, Any]


def cancelled(code: ReasonCode, *says: str) -> Stands:
    return Stands(given={"status": ActionStatus.CANCELLED, "reason_code": code}, says=(*says, "Nothing ran."))


CASES: Final = {
    "proposed": Stands(
        given={"status": ActionStatus.PROPOSED},
        says=("Critical · Action 12: being checked", "after that it can be approved"),
        buttons=("Cancel", "Details"),
    ),
    "validated": Stands(
        given={"status": ActionStatus.VALIDATED},
        says=("Critical · Action 12: needs approval\n", "One person must approve: ann, bo", "13 min from 02:12:05 UTC"),
        buttons=("Approve", "Cancel", "Preview", "Details"),
    ),
    "validated, two needed": Stands(
        given={"status": ActionStatus.VALIDATED, "required_approvals": 2},
        says=("needs 2 approvals", "2 people must approve: ann, bo"),
        buttons=("Approve", "Cancel", "Preview", "Details"),
    ),
    "half approved": Stands(
        given={"status": ActionStatus.VALIDATED, "required_approvals": 2, **APPROVED},
        says=("1 of 2 approvals", "Approval 1 of 2: ann at 02:11:35 UTC, in Slack", "One more person must approve: bo"),
        buttons=("Approve", "Cancel", "Preview", "Details"),
    ),
    "approved": Stands(
        given={"status": ActionStatus.APPROVED, "approval_expires_at": NOW + timedelta(minutes=5), **APPROVED},
        says=("approved, about to run", "only if nothing there has changed", "Starts before: 02:17:05 UTC (5 min from"),
        buttons=("Cancel", "Details"),
    ),
    "approved for later": Stands(
        given={"status": ActionStatus.APPROVED, "not_before": NOW + timedelta(minutes=8), **APPROVED},
        says=("approved, runs at 02:20:05 UTC", "at 2026-03-01 02:20:05 UTC"),
        buttons=("Cancel", "Preview", "Details"),
    ),
    "executing": Stands(
        given={"status": ActionStatus.EXECUTING, **APPROVED, "record": a_record(finished_at=None, result="")},
        says=(
            "Action 12: running",
            "can no longer be cancelled",
            "started 2026-03-01 02:11:45 UTC",
            "What is running:",
        ),
        buttons=("Details",),
    ),
    "unknown": Stands(
        given={"status": ActionStatus.UNKNOWN, **APPROVED, "record": LOST, "detail": "The connection was lost."},
        says=(
            "outcome unknown",
            "It may or may not have happened",
            "Do not repeat it by hand",
            "The connection was lost.",
            "defragment n1: outcome unknown. no answer",
            "press Say what happened, or operator actions resolve 12",
            "What was sent: etcd.free_space",
        ),
        buttons=("Say what happened", "Details"),
    ),
    "completed, confirmed": Stands(
        given={"status": ActionStatus.COMPLETED, "outcome": SuccessOutcome.CONFIRMED, **RAN},
        says=(
            "Action 12: done and confirmed",
            "The effect was seen on the target.",
            "Freed 4.0 MiB.",
            "alarms: none",
            "compact: done",
            "What ran: etcd.free_space on etcd / cluster",
            "Approval 1 of 1: ann",
        ),
    ),
    "completed, accepted": Stands(
        given={"status": ActionStatus.COMPLETED, "outcome": SuccessOutcome.ACCEPTED, **RAN},
        says=("done, effect not seen yet", "look whether the fault is gone"),
    ),
    "completed by a person's word": Stands(
        given={
            "status": ActionStatus.COMPLETED,
            "outcome": SuccessOutcome.CONFIRMED,
            "audit": (an_event(9, "completed", "cli:ann@host"),),
        },
        says=("Settled by: cli:ann@host",),
    ),
    "failed, no effect": Stands(
        given={"status": ActionStatus.FAILED, "outcome": FailureOutcome.NO_EFFECT, **RAN},
        says=("failed, nothing was changed", "Trying again is a new proposal", "What was tried:"),
        buttons=("Try again",),
    ),
    "failed, partial": Stands(
        given={"status": ActionStatus.FAILED, "outcome": FailureOutcome.PARTIAL, **RAN},
        says=("failed part-way", "look at the steps before you do anything else"),
    ),
    "cancelled by a person": Stands(
        given={
            "status": ActionStatus.CANCELLED,
            "reason_code": ReasonCode.USER,
            "detail": "n2 is being replaced",
            "audit": (an_event(3, "cancelled", "slack:T1/UBO", via=Via.SLACK),),
        },
        says=("Action 12: cancelled\n", "Cancelled by: UBO", "n2 is being replaced", "What would have run:"),
    ),
    "killed": cancelled(ReasonCode.KILL_SWITCH, "stopped by the kill switch", "proposed anew once the mode is execute"),
    "stood down": cancelled(ReasonCode.MODE_OBSERVE, "cancelled, the mode is observe"),
    "invalid": cancelled(ReasonCode.INVALID, "refused, not valid"),
    "stale": cancelled(ReasonCode.STALE, "cancelled, the target has changed"),
    "superseded": cancelled(ReasonCode.SUPERSEDED, "replaced by a newer proposal", "Decide on the newer card"),
    "denied": cancelled(ReasonCode.DENIED_BY_POLICY, "cancelled, denied by policy"),
    "expired": Stands(given={"status": ActionStatus.EXPIRED}, says=("Action 12: expired", "Nothing ran")),
}


@pytest.mark.parametrize("name", CASES)
def test_every_state_has_its_own_words_and_only_the_buttons_that_do_something(name: str) -> None:
    stands = CASES[name]
    shown = card(a_card(**stands.given))

    assert [sentence for sentence in stands.says if sentence not in shown.text] == []
    assert buttons(shown.blocks) == list(stands.buttons)
    assert message_faults(shown, users=USERS) == []


def test_every_status_outcome_and_reason_is_covered() -> None:
    given = [stands.given for stands in CASES.values()]

    assert {one["status"] for one in given} == set(ActionStatus)
    assert {one.get("reason_code") for one in given} - {None} == set(ReasonCode)
    assert {one.get("outcome") for one in given} - {None} == {*FailureOutcome, *SuccessOutcome}


BY_RULE: Final[dict[str, Any]] = {
    "required_approvals": 0,
    "audit": (an_event(3, "approved", "policy:restart-crashed-worker", via=Via.SYSTEM, at=NOW),),
}


@pytest.mark.parametrize("status", [ActionStatus.APPROVED, ActionStatus.COMPLETED])
def test_a_card_names_the_rule_that_approved_in_the_place_of_people(status: ActionStatus) -> None:
    shown = card(a_card(status=status, approved_at=NOW, outcome=None, **BY_RULE)).text

    assert "Approved by policy rule: restart-crashed-worker at 02:12:05 UTC; nobody was asked" in shown
    assert "Proposed by: agent:rules" in shown
    assert "Nobody approved it." not in shown


def test_what_a_rule_left_to_people_says_why_and_can_be_approved_by_one() -> None:
    left = an_event(3, "left_to_people", "policy:restart-crashed-worker", via=Via.SYSTEM, data={"why": "Too many."})

    message = card(a_card(required_approvals=0, audit=(left,)))

    assert "needs approval" in message.text
    assert "Left to people by policy rule: restart-crashed-worker" in message.text
    assert "Because: Too many." in message.text
    assert "One person must approve: ann, bo" in message.text
    assert "Approve" in buttons(message.blocks)


def test_no_two_states_share_a_headline() -> None:
    shown = [_headline(card(a_card(**stands.given))) for stands in CASES.values() if "by a person" not in str(stands)]

    assert len(set(shown)) == len(shown) - 1, "only the two completed and confirmed are alike"


@pytest.mark.parametrize("status", ActionStatus)
def test_a_finished_card_has_nothing_to_press(status: ActionStatus) -> None:
    assert bool(buttons(card(a_card(status=status, editable=True, breakable=True)).blocks)) is not is_final(status)


def test_the_order_is_what_is_wrong_then_what_would_run_then_why_then_who() -> None:
    text = card(a_card()).text
    places = [
        text.index(part)
        for part in ("Critical", "etcd / cluster", "Evidence", "What would run", "revision = 122", "Computed impact",
                     "Why", "Expected", "Risks", "Risk tier", "must approve", "Decide by")
    ]  # fmt: skip

    assert places == sorted(places)


def test_the_buttons_carry_what_was_shown_and_nothing_else() -> None:
    view = a_card()
    blocks = card(view).blocks
    proposal = view.dossier.proposal

    for label, action in (("Approve", Button.APPROVE), ("Cancel", Button.CANCEL)):
        found = button(blocks, label)
        assert found["action_id"] == action
        assert found["value"] == ButtonValue(p=12, t=TOKEN, h=proposal.params_hash).compact()
    assert button(blocks, "Details")["value"] == '{"p":12}'


def test_low_risk_is_approved_at_once_medium_after_a_question_and_high_with_the_name_of_the_target() -> None:
    low, medium, high = (button(card(a_card(risk=risk)).blocks, "Approve") for risk in Risk)

    assert "confirm" not in low
    question = medium["confirm"]
    assert question["title"]["text"] == "Approve etcd.free_space?"
    assert "Risk: medium. It runs at once, and once only. On etcd / cluster" in question["text"]["text"]
    assert '"revision": 122' in question["text"]["text"]
    assert (low["action_id"], medium["action_id"]) == (Button.APPROVE, Button.APPROVE)
    assert (high["action_id"], "confirm" in high) == (Button.CONFIRM, False)
    assert high["value"] == medium["value"]


def test_the_question_says_when_more_people_are_needed_or_it_runs_later() -> None:
    halved = button(card(a_card(required_approvals=2)).blocks, "Approve")
    later = button(card(a_card(not_before=NOW + timedelta(hours=1))).blocks, "Approve")

    assert "It runs once one more person approved it." in halved["confirm"]["text"]["text"]
    assert "It runs at 2026-03-01 03:12:05 UTC, and once only." in later["confirm"]["text"]["text"]


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ((), "2 more approvals, among them one by somebody in dba"),
        ((an_approval(),), "an approval by somebody in dba"),
        ((an_approval(), an_approval("bo", "slack:T1/UBO")), "an approval by somebody in dba"),
    ],
    ids=["none", "one", "two"],
)
def test_the_card_says_from_which_group_an_approval_is_still_needed(given: tuple[Approval, ...], needed: str) -> None:
    shown = card(a_card(required_approvals=2, needs=("dba",), approvals=given, approvers=("ann", "everyone in dba")))

    assert f"Still needed: {needed}" in shown.text
    assert "Who may approve: " in shown.text
    question = button(shown.blocks, "Approve")["confirm"]["text"]["text"]
    assert f"It still needs {needed}; it runs at once if yours is the last." in question
    assert message_faults(shown, users=USERS) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"note": "x" * 6_000}},
        {"parameters": {"members": ["n" * 90] * 40}},
        {"parameters": {"note": '"' * 2_000}},
        {"parameters": {"ratio": float("nan")}},
        {"action_name": "a" * 300},
        {"target": "\u202e" * 100},
        {"button_token": None},
    ],
)
def test_what_cannot_be_shown_whole_cannot_be_approved_here_and_the_card_says_how(changes: dict[str, Any]) -> None:
    shown = card(a_card(**changes))

    assert "Approve" not in buttons(shown.blocks)
    assert "It cannot be approved here" in shown.text
    assert "operator actions show 12" in shown.text
    assert "operator actions approve 12" in shown.text
    assert message_faults(shown, users=USERS) == []


def test_what_cannot_be_approved_here_can_still_be_cancelled_here() -> None:
    assert buttons(card(a_card(parameters={"note": "x" * 6_000}, breakable=True)).blocks) == [
        "Cancel",
        "Preview",
        "Details",
    ]


def test_a_card_whose_time_is_up_cannot_be_approved() -> None:
    shown = card(a_card(expires_at=NOW))

    assert "time is up" in shown.text
    assert buttons(shown.blocks) == ["Cancel", "Details"]


def test_hidden_characters_in_parameters_and_names_are_spelled_out() -> None:
    parameters = {"member": "n1\u202e", "note": "a\nb"}
    shown = card(a_card(parameters=parameters, params_hash=digest(parameters), target="n\u200b1"))

    assert 'member = "n1\\u202e"' in shown.text
    assert 'note = "a\\nb"' in shown.text
    assert "etcd / n\\u200b1" in shown.text
    assert "Approve" in buttons(shown.blocks)


def test_approvers_are_named_or_mentioned_and_nobody_is_not_hidden() -> None:
    mentioned = card(a_card(approvers=("ann", "slack:T1/UBO", "U012ABCDEF")))
    nobody = card(a_card(approvers=()))

    assert {"type": "user", "user_id": "UBO"} in _elements(mentioned)
    assert {"type": "user", "user_id": "U012ABCDEF"} in _elements(mentioned)
    assert "One person must approve: nobody may; no such approver is configured" in nobody.text


def test_a_person_who_is_named_in_capitals_is_not_taken_for_a_user_id() -> None:
    assert "must approve: UWE" in card(a_card(approvers=("UWE", "WILHELMINA"))).text
    assert not [one for one in _elements(card(a_card(approvers=("UWE", "WILHELMINA")))) if one["type"] == "user"]


def test_whoever_proposes_over_the_network_cannot_make_himself_a_mention() -> None:
    shown = card(a_card(proposed_by="slack:T1/U012ABCDEF", diagnosis=a_diagnosis(source="slack:T1/U012ABCDEF")))

    assert message_faults(shown) == []


def test_long_evidence_is_cut_visibly_and_says_where_the_whole_is() -> None:
    long = a_diagnosis(output=an_output(supporting_evidence=("word " * 199,) * 40))
    open_card = card(a_card(diagnosis=long)).text
    ended = card(a_card(diagnosis=long, status=ActionStatus.EXPIRED)).text

    assert "… (cut; whole in Details)" in open_card
    assert "and 34 more" in open_card
    assert "… (cut; /operator show 12)" in ended


def test_the_text_for_screen_readers_keeps_the_decision_when_the_rest_is_cut() -> None:
    flood = "evidence " * 100
    long = a_diagnosis(output=an_output(supporting_evidence=(flood,) * 40, primary_diagnosis=flood))
    shown = card(a_card(diagnosis=long, reason=flood * 10, expected_outcome=flood * 10, risks=(flood,) * 40))

    assert len(shown.text) <= 3_500
    for part in ("needs approval", "etcd.free_space on etcd / cluster", "revision = 122", "Risk tier", "ann, bo"):
        assert part in shown.text


def test_the_text_pings_nobody_and_links_nowhere() -> None:
    shown = card(a_card(reason="<!channel> see <http://evil.example|Approve> & https://evil.example"))

    assert "Why: &lt;!channel&gt; see &lt;http[:]//evil.example|Approve&gt; &amp; https[:]//evil.example" in shown.text


def test_our_own_message_is_found_by_ids_alone() -> None:
    assert card(a_card()).metadata == {"event_type": "operator_card", "event_payload": {"ref": "12"}}


def test_without_a_diagnosis_the_card_says_who_proposed_it() -> None:
    shown = card(a_card(diagnosis=None, proposed_by="cli:ann@host"))

    assert shown.text.startswith("Action 12: needs approval\nProposed by cli:ann@host at 2026-03-01 02:10:15 UTC")


def test_undo_and_repetition_are_said_before_the_decision() -> None:
    shown = card(a_card(undo_hint="etcd.move_leader(to=n2)", retry_of=9))

    assert "undo: etcd.move_leader(to=n2)" in shown.text
    assert "Tries action 9 again." in shown.text
    assert "undo: none" in card(a_card()).text


def test_the_same_view_is_drawn_the_same() -> None:
    view = a_card()

    assert card(view) == card(replace(view))


def _headline(message: Message) -> str:
    (found,) = [block["text"]["text"] for block in message.blocks if block["type"] == "header"]
    return str(found)


def _elements(message: Message) -> list[Any]:
    parts = [part for block in message.blocks if block["type"] == "rich_text" for part in block["elements"]]
    return [element for part in parts for element in part["elements"]]
