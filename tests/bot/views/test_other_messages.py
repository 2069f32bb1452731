"""What every other message, answer, modal and tab says."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from actions.diagnosis.models import Ticket, TicketStatus
from actions.models import (
    ActionStatus,
    Checkpoint,
    Control,
    Fact,
    FailureOutcome,
    ReasonCode,
    RefusalCode,
    Risk,
    SafetyMode,
    SuccessOutcome,
)
from actions.safety import Stopped, Switched
from bot.ids import Button, Field, Modal, SlashCommand, Subcommand
from bot.payloads import ProposalRef
from bot.views.announcement import AnnouncementView, announcement
from bot.views.broken_glass import BrokenGlassView, broken_glass
from bot.views.card import card
from bot.views.command_answers import (
    USAGE,
    StatusView,
    help_answer,
    kill_answer,
    list_answer,
    mode_answer,
    show_answer,
    status_answer,
)
from bot.views.details import MOST_EVENTS, DetailsView, details
from bot.views.diagnosis_message import DiagnosisView, LaterProposal, diagnosis_message
from bot.views.digest import DigestData, Tally, digest
from bot.views.home import HomeItem, home
from bot.views.notice import notice
from bot.views.refusal_modal import refusal_modal
from bot.views.result import result
from bot.views.room import spoken
from bot.views.stop_modal import stop_modal
from bot.views.stop_reason_modal import stop_reason_modal
from tests.bot.views.homes import a_home
from tests.bot.views.samples import (
    NOW,
    TITLE,
    a_card,
    a_diagnosis,
    a_dossier,
    a_proposal,
    a_record,
    an_approval,
    an_event,
    an_output,
)
from tests.bot.views.walking import button, buttons, message_faults, view_faults

LINK = "https://team.slack.example/archives/C1/p1"
KILLED = an_event(
    41,
    "kill_switch",
    "slack:T1/UANN",
    data={"scope": "*", "mode": "observe", "reason": "wrong cluster", "in_flight": [12]},
)
CONTROLS = (
    Control(
        scope="*", mode=SafetyMode.EXECUTE, epoch=3, changed_by="slack:T1/UANN", changed_at=NOW, reason="incident 7"
    ),
    Control(scope="etcd", mode=SafetyMode.OBSERVE, epoch=2, changed_by="cli:bo@host", changed_at=NOW),
)


def heard(view: dict[str, Any]) -> str:
    return "\n".join(spoken(view["blocks"]))


def test_a_result_says_what_came_of_it_and_who_approved() -> None:
    ended = a_dossier(
        status=ActionStatus.COMPLETED,
        outcome=SuccessOutcome.CONFIRMED,
        approvals=(an_approval(),),
        record=a_record(),
        detail="Freed 4.0 MiB.",
    )
    shown = result(ended, NOW)

    for part in ("Action 12: done and confirmed. The effect was seen", "What ran: etcd.free_space on etcd / cluster",
                 "Freed 4.0 MiB.", "db size: 417792", "Approval 1 of 1: ann"):  # fmt: skip
        assert part in shown.text
    assert shown.metadata == {"event_type": "operator_result", "event_payload": {"ref": "12"}}
    assert (buttons(shown.blocks), message_faults(shown)) == ([], [])


def test_an_observed_diagnosis_says_what_it_would_have_proposed_and_how_to_get_buttons() -> None:
    shown = diagnosis_message(DiagnosisView(diagnosis=a_diagnosis(observed_only=True), now=NOW))

    for part in ("Critical · observing only, nothing to approve", "alarm NOSPACE", "Would have proposed:",
                 'etcd.free_space with {"members": ["n1", "n2", "n3"], "revision": 122}',
                 "/operator mode execute &lt;reason&gt;"):  # fmt: skip
        assert part in shown.text
    assert shown.metadata == {"event_type": "operator_diagnosis", "event_payload": {"ref": "7"}}
    assert (buttons(shown.blocks), message_faults(shown)) == ([], [])


def test_a_diagnosis_links_to_what_was_proposed_since() -> None:
    since = (LaterProposal(proposal=a_proposal(), link=LINK), LaterProposal(proposal=a_proposal(id=13)))
    shown = diagnosis_message(DiagnosisView(diagnosis=a_diagnosis(observed_only=True), now=NOW, since=since))

    assert "Critical · proposed since" in shown.text
    assert "Proposed since as action 12, 13" in shown.text
    assert "mode execute" not in shown.text
    assert message_faults(shown, links=(LINK,)) == []


def test_a_diagnosis_without_recommendation_sends_a_person() -> None:
    shown = diagnosis_message(DiagnosisView(diagnosis=a_diagnosis(output=an_output(recommended_actions=())), now=NOW))

    assert "nothing to approve" in shown.text
    assert "There is nothing to approve here; a person has to look." in shown.text


def test_a_diagnosis_whose_recommendations_were_refused_says_why() -> None:
    view = DiagnosisView(diagnosis=a_diagnosis(), now=NOW, refused=("etcd.explode: no subject offers it",))
    shown = diagnosis_message(view)

    assert "Critical · not proposed" in shown.text
    assert "Not proposed, because:\n- etcd.explode: no subject offers it" in shown.text


def test_details_hold_all_that_the_card_left_out() -> None:
    dossier = a_dossier(
        status=ActionStatus.FAILED,
        outcome=FailureOutcome.PARTIAL,
        approvals=(an_approval(), an_approval("bo", "slack:T1/UBO")),
        required_approvals=2,
        record=a_record(),
        audit=(an_event(1, "proposed", data={"action": "etcd.free_space", "row": "ff", "version": 1}),),
    )
    view = details(DetailsView(dossier=dossier, title=TITLE, undo_hint=None, now=NOW))
    text = heard(view)

    for part in ("failed part-way", "Approval 2 of 2: bo", "revision = 122", "Timeline", "first write refused",
                 "Affected", "Readings", "quota: 4194304", "Alternative 1: The disk is full", "against it: The",
                 "Commands it suggests, which this bot never runs", "etcdctl defrag --cluster", "Audit trail",
                 'proposed · agent:rules (agent) · line 1 · {"action": "etcd.free_space"}'):  # fmt: skip
        assert part in text
    assert (view["callback_id"], view["private_metadata"]) == (Modal.DETAILS.value, ProposalRef(p=12).compact())
    assert "notify_on_close" not in view
    assert "submit" not in view
    assert view_faults(view) == []


def test_details_show_the_last_fifty_lines_of_the_audit_trail() -> None:
    events = tuple(an_event(seq, "approval") for seq in range(1, 81))
    text = heard(details(DetailsView(dossier=a_dossier(audit=events), title=TITLE, undo_hint=None, now=NOW)))

    assert text.count("approval · agent:rules") == MOST_EVENTS
    assert "the last 50 lines; 30 earlier" in text
    assert "line 80" in text
    assert "line 30 " not in text


def test_details_show_parameters_that_a_card_cannot() -> None:
    dossier = a_dossier(parameters={"note": "x" * 15_000, "end": 1})
    text = heard(details(DetailsView(dossier=dossier, title=TITLE, undo_hint=None, now=NOW)))

    assert text.replace("\n", "").count("x" * 2_000) >= 7
    assert "end = 1" in text


def test_a_kill_is_announced_with_who_why_and_what_may_still_happen() -> None:
    running = a_proposal(status=ActionStatus.EXECUTING)
    shown = announcement(AnnouncementView(event=KILLED, in_flight=(running,), cancelled=7))

    for part in ("Kill switch thrown for everything", "By: UANN at 2026-03-01", "Why: wrong cluster",
                 "Nothing new runs.", "7 pending actions cancelled.", "Sent before it, and may still take effect",
                 "12 running · etcd.free_space on etcd / cluster", "/operator mode execute"):  # fmt: skip
        assert part in shown.text
    assert shown.metadata == {"event_type": "operator_announcement", "event_payload": {"ref": "41"}}
    assert message_faults(shown, users=("UANN",)) == []


def test_a_kill_that_is_still_counting_says_so() -> None:
    shown = announcement(AnnouncementView(event=KILLED))

    assert "Everything that was pending is cancelled." in shown.text
    assert "Nothing was under way." in shown.text


@pytest.mark.parametrize(
    ("mode", "scope", "says"),
    [
        (
            "observe",
            "etcd",
            (
                "Mode observe for etcd",
                "Nothing new runs on etcd; other subjects go on.",
                "Why: no reason was given yet",
                "/operator mode execute --subject etcd &lt;reason&gt;",
            ),
        ),
        ("execute", "*", ("Mode execute for everything", "Actions can be proposed", "/operator kill-switch")),
        ("execute", "etcd", ("Mode execute for etcd", "/operator kill-switch --subject etcd")),
    ],
)
def test_a_change_of_mode_is_announced(mode: str, scope: str, says: tuple[str, ...]) -> None:
    event = an_event(42, "mode_change", "cli:ann@host", data={"scope": scope, "mode": mode, "reason": ""})
    text = announcement(AnnouncementView(event=event)).text

    assert [part for part in says if part not in text] == []


def test_a_reason_that_was_given_afterwards_is_announced_with_who_gave_it() -> None:
    event = replace(KILLED, data={**KILLED.data, "reason": ""})
    explained = an_event(44, "explained", "slack:T1/UBO", data={"of": 41, "reason": "wrong cluster"})

    shown = announcement(AnnouncementView(event=event, explanation=explained))

    assert "Why: wrong cluster (said afterwards by UBO)" in shown.text
    assert message_faults(shown, users=("UANN", "UBO")) == []


@pytest.mark.parametrize(
    ("people", "need", "scope", "says"),
    [
        (["ann"], 2, "*", "1 more person has to ask for it within 10 minutes: /operator mode execute &lt;reason&gt;"),
        (
            ["ann"],
            3,
            "etcd",
            "2 more people have to ask for it within 10 minutes: /operator mode execute --subject etcd",
        ),
    ],
)
def test_a_wish_to_go_on_is_announced_with_what_is_still_missing(
    people: list[str], need: int, scope: str, says: str
) -> None:
    data = {"scope": scope, "reason": "the disk is replaced", "people": people, "need": need}
    text = announcement(AnnouncementView(event=an_event(42, "lift_requested", "slack:T1/UANN", data=data))).text

    where = "for everything" if scope == "*" else "for etcd"
    for part in (
        f"Wanted: mode execute {where}",
        "By: UANN",
        "Why: the disk is replaced",
        "Nothing was switched yet",
        says,
    ):
        assert part in text


def test_those_who_lifted_a_stop_together_are_named() -> None:
    data = {"scope": "*", "mode": "execute", "reason": "all is well", "people": ["ann", "bo"]}
    text = announcement(AnnouncementView(event=an_event(42, "mode_change", "slack:T1/UBO", data=data))).text

    assert "Wanted by: ann, bo" in text


def test_a_notice_is_one_sentence_with_its_commands_set_off() -> None:
    shown = notice("Which action? `/operator list` shows the numbers.")

    assert shown.text == "Which action? /operator list shows the numbers."
    assert [one["text"] for one in shown.blocks[0]["elements"][0]["elements"] if one.get("style")] == ["/operator list"]
    assert shown.metadata is None


def test_a_digest_says_first_what_needs_somebody_and_carries_the_witness() -> None:
    checkpoint = Checkpoint(seq=99, head="ab" * 32, count=99, at=NOW)
    ticket = Ticket(
        key="etcd:nospace:cluster",
        subject="etcd",
        rule="nospace",
        target="cluster",
        status=TicketStatus.OPEN,
        opened_at=NOW - timedelta(hours=3),
        last_seen_at=NOW,
        reopened=3,
    )
    data = DigestData(
        ref="2026-03-01T02:00:00+00:00",
        since=NOW - timedelta(days=1),
        until=NOW,
        checkpoint=checkpoint,
        open_tickets=(ticket,),
        pending=Tally(count=1, newest=(a_proposal(),)),
        unknown=Tally(count=1, newest=(a_proposal(id=9, status=ActionStatus.UNKNOWN),)),
        done=Tally(
            count=30, newest=(a_proposal(id=8, status=ActionStatus.COMPLETED, outcome=SuccessOutcome.CONFIRMED),)
        ),
        failed=Tally(),
        mode_changes=(KILLED,),
        approvals=4,
        median_decision_seconds=95.0,
    )
    shown = digest(data)
    order = [
        shown.text.index(part)
        for part in ("Digest until 2026-03-01 02:12:05 UTC", "Outcome unknown, needs a look: 1", "9 outcome unknown",
                     "Waiting for a decision or to run: 1", "Faults that still hold: 1",
                     "etcd / cluster · nospace · 3 h 0 min old at 02:12:05 UTC · comes and goes",
                     "Done: 30", "and 29 more", "Failed: none", "Changes of mode: 1", "kill switch, observe",
                     "Approvals: 4 · median time to decide: 95 s", checkpoint.line())
    ]  # fmt: skip

    assert order == sorted(order)
    assert shown.metadata == {"event_type": "operator_digest", "event_payload": {"ref": "2026-03-01T02:00:00+00:00"}}
    assert message_faults(shown) == []


def test_a_quiet_day_makes_a_short_digest() -> None:
    checkpoint = Checkpoint(seq=0, head="0" * 64, count=0, at=NOW)
    text = digest(DigestData(ref="r", since=NOW, until=NOW, checkpoint=checkpoint)).text

    assert text.count("none") == 6
    assert "Approvals: 0" in text


def test_a_digest_that_was_missed_says_that_it_is_late() -> None:
    checkpoint = Checkpoint(seq=0, head="0" * 64, count=0, at=NOW)

    assert "posted late" in digest(DigestData(ref="r", since=NOW, until=NOW, checkpoint=checkpoint, late=True)).text


def test_status_says_the_mode_for_everything_and_for_each_subject() -> None:
    view = StatusView(
        controls=CONTROLS,
        waiting=(a_proposal(),),
        in_flight=(),
        open_tickets=2,
        kill_files=("kill.1",),
        now=NOW,
    )
    text = status_answer(view).text

    for part in ("execute for everything since 2026-03-01 02:12:05 UTC, by UANN: incident 7", "observe for etcd",
                 "by cli:bo@host", "1 kill file(s) on this host", "Waiting: 1", "12 waits for approval",
                 "Running or of unknown outcome: none", "Faults that still hold: 2"):  # fmt: skip
        assert part in text


def test_status_without_a_stored_mode_is_observe() -> None:
    view = StatusView(controls=(), waiting=(), in_flight=(), open_tickets=0, kill_files=(), now=NOW)

    assert "observe for everything" in status_answer(view).text


def test_lists_say_where_each_action_stands() -> None:
    proposals = [
        a_proposal(id=3, status=ActionStatus.CANCELLED, reason_code=ReasonCode.KILL_SWITCH),
        a_proposal(id=2, status=ActionStatus.EXPIRED),
        a_proposal(id=1, status=ActionStatus.APPROVED),
    ]
    text = list_answer(proposals, NOW).text

    assert [row.split(" ·")[0] for row in text.splitlines()] == [
        "Actions, the newest first:",
        "- 3 stopped by the kill switch",
        "- 2 expired",
        "- 1 approved",
    ]
    assert list_answer([], NOW, asked="failed").text == "Actions that are failed: none"


def test_show_is_the_card_without_the_power_to_decide() -> None:
    shown = show_answer(a_card(), LINK)

    assert buttons(shown.blocks) == ["Details"]
    assert shown.text.startswith(card(a_card()).text)
    assert shown.metadata is None
    assert message_faults(shown, links=(LINK,)) == []


def test_a_kill_answers_with_what_is_still_under_way() -> None:
    running = replace(a_proposal(status=ActionStatus.UNKNOWN), impact=(Fact(label="a", value="b"),))
    text = kill_answer(Stopped(recorded=True, cancelled=1, in_flight=(running,))).text

    assert "Stopped. Nothing new runs." in text
    assert "1 pending action cancelled." in text
    assert "12 outcome unknown" in text


def test_a_kill_that_could_not_be_recorded_says_what_that_means() -> None:
    text = kill_answer(Stopped(recorded=False, cancelled=0, in_flight=(), problem="The disk is full.")).text

    assert "Stopped on this host only" in text
    assert "is not listed" in text
    assert "The disk is full." in text


def test_a_kill_of_one_subject_says_that_the_others_go_on() -> None:
    text = kill_answer(Stopped(recorded=True, scope="etcd", cancelled=0, in_flight=())).text

    assert "Nothing new runs on etcd; other subjects go on." in text
    assert "/operator mode execute --subject etcd &lt;reason&gt;" in text


@pytest.mark.parametrize(
    ("switched", "says"),
    [
        (
            {"control": Control(scope="*"), "have": 1, "need": 2},
            ("nothing was switched yet", "1 more person has to ask", "/operator mode execute &lt;reason&gt;"),
        ),
        (
            {"control": Control(scope="etcd", mode=SafetyMode.EXECUTE)},
            ("The mode is execute for etcd, but everything is still stopped", "/operator mode execute &lt;reason&gt;"),
        ),
        (
            {
                "control": Control(scope="*", mode=SafetyMode.EXECUTE),
                "decides": Control(scope="*", mode=SafetyMode.EXECUTE),
            },
            ("The mode is execute for everything.", "observed anew"),
        ),
        (
            {"control": Control(scope="etcd"), "cancelled": 2},
            (
                "The mode is observe for etcd.",
                "2 pending actions cancelled. Nothing new runs on etcd",
                "Nothing was under way.",
            ),
        ),
        (
            {"control": Control(scope="*"), "in_flight": (a_proposal(status=ActionStatus.UNKNOWN),)},
            ("The mode is observe for everything.", "Sent before it, and may still take effect", "12"),
        ),
    ],
)
def test_a_change_of_mode_answers_with_what_holds_now(switched: dict[str, Any], says: tuple[str, ...]) -> None:
    shown = mode_answer(Switched(**{"decides": Control(scope="*"), **switched}))

    assert [part for part in says if part not in shown.text] == []
    assert message_faults(shown) == []


def test_why_something_was_stopped_may_be_left_out() -> None:
    for view, metadata in ((stop_modal("etcd"), '{"s":"etcd"}'), (stop_reason_modal(41), '{"e":41}')):
        (asked,) = [block for block in view["blocks"] if block["type"] == "input"]
        assert asked["optional"]
        assert view["private_metadata"] == metadata
        assert view_faults(view) == []


def test_help_names_every_subcommand() -> None:
    assert set(USAGE) == set(Subcommand)
    assert [
        row for row in help_answer().text.splitlines() if not row.startswith(f"- {SlashCommand.OPERATOR.value} ")
    ] == []
    assert all(usage.startswith(subcommand.value) for subcommand, (usage, _) in USAGE.items())


def test_home_shows_what_waits_and_the_kill_switch_to_those_who_may() -> None:
    waiting = (HomeItem(proposal=a_proposal(), link=LINK),)
    view = a_home(controls=CONTROLS, waiting=waiting, stoppable=("*", "etcd"))
    shown = home(view)

    for label, value in (("Stop everything …", '{"s":"*"}'), ("Stop etcd …", '{"s":"etcd"}')):
        kill = button(shown["blocks"], label)
        assert (kill["action_id"], kill["style"], kill["value"]) == (Button.KILL.value, "danger", value)
    assert "12 waits for approval" in heard(shown)
    assert "Nothing ran yet." in heard(shown)
    assert view_faults(shown, users=("UANN",), links=(LINK,)) == []
    assert buttons(home(replace(view, stoppable=()))["blocks"]) == ["Details"]


def test_home_with_more_subjects_than_fit_names_the_command() -> None:
    subjects = tuple(f"etcd-{number}" for number in range(40))
    items = (HomeItem(proposal=a_proposal(), link=LINK),) * 30
    view = a_home(
        controls=CONTROLS, waiting=items, running=items, unknown=items, recent=items, stoppable=("*", *subjects)
    )
    shown = home(view)

    assert "And 29 more: /operator kill-switch --subject NAME" in heard(shown)
    assert view_faults(shown, users=("UANN",), links=(LINK,)) == []


def test_the_reason_for_a_cancellation_is_asked_afterwards_and_may_be_left_out() -> None:
    view = refusal_modal(12)
    asked = [block for block in view["blocks"] if block["type"] == "input"]

    assert view["callback_id"] == Modal.CANCEL_REASON.value
    assert [block["block_id"] for block in asked] == [Field.REASON_CODE, Field.REASON]
    assert [block["element"]["action_id"] for block in asked] == [Field.REASON_CODE, Field.REASON]
    assert all(block["optional"] for block in asked)
    assert {option["value"] for option in asked[0]["element"]["options"]} == set(RefusalCode)
    assert "It is cancelled." in heard(view)
    assert "notify_on_close" not in view


def test_broken_glass_says_who_what_why_and_what_to_do() -> None:
    event = an_event(50, "break_glass", "slack:T1/UANN", data={"break_glass": "the site is down"})
    shown = broken_glass(
        BrokenGlassView(
            event=event, proposal=a_proposal(id=12, risk=Risk.HIGH), link="https://acme.slack.com/archives/C1/p1"
        )
    )

    for said in ("glass was broken for action 12", "the site is down", "Risk: high", "operator reviews close 12"):
        assert said in shown.text
    assert "/operator kill-switch" in shown.text
    assert shown.metadata == {"event_type": "operator_announcement", "event_payload": {"ref": "50"}}
