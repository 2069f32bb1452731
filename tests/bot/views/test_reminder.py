"""What people are told in the thread of a card, and what they can press there."""

from datetime import timedelta
from typing import Any

import pytest

from actions.models import ActionStatus, Actor
from actions.policy import missing
from actions.ports import Quorum
from actions.reminder_schedule import About
from bot.ids import Button
from bot.payloads import ButtonValue, SnoozeValue
from bot.views.people import Audience
from bot.views.reminder import ReminderView, Snooze, reminder
from tests.bot.views.samples import NOW, TOKEN, a_dossier, an_approval
from tests.bot.views.walking import button, buttons, message_faults, nodes

LINK = "https://team.slack.example/archives/C1/p1"
WHO = Audience(users=("U0ANN", "U0BO"), groups=("S0DBA",), names=("cy",))


def a_reminder(about: About | None = About.UNDECIDED, **changes: Any) -> ReminderView:
    own = {name: changes.pop(name) for name in ("audience", "unread", "snooze", "card") if name in changes}
    needs = changes.pop("needs", ())
    dossier = a_dossier(**changes)
    given: dict[str, Any] = {"audience": WHO, "card": LINK} | own
    return ReminderView(
        dossier=dossier,
        number=2,
        about=about,
        lacking=missing(
            dossier.proposal,
            Quorum(people=dossier.proposal.required_approvals, needs=frozenset(needs)),
            dossier.approvals,
        ),
        now=NOW,
        button_token=TOKEN,
        **given,
    )


def starting(**changes: Any) -> ReminderView:
    later = {"status": ActionStatus.APPROVED, "not_before": NOW + timedelta(seconds=299)}
    return a_reminder(About.STARTING, **later | changes)


def pinged(view: ReminderView) -> list[str]:
    found = [node for node in nodes(list(reminder(view).blocks)) if node.get("type") in {"user", "usergroup"}]
    return [node.get("user_id") or node["usergroup_id"] for node in found]


def test_a_reminder_says_what_waits_how_long_and_for_whom() -> None:
    message = reminder(a_reminder())

    assert message.text.splitlines() == [
        "Action 12 still waits: needs approval.",
        "What would run: etcd.free_space on etcd / cluster · Critical · risk: medium",
        "Decide by: 02:25:05 UTC (13 min from 02:12:05 UTC); then nothing runs",
        "Who can approve: S0DBA, U0ANN, U0BO, cy",
        "Open the card to decide.",
    ]
    assert buttons(message.blocks) == ["Snooze 15 min", "Snooze 1 hour", "Details"]
    assert message_faults(message, users=("U0ANN", "U0BO", "S0DBA"), links=(LINK,)) == []
    assert message.metadata == {"event_type": "operator_reminder", "event_payload": {"ref": "12/2"}}


def test_those_who_can_decide_are_mentioned() -> None:
    assert pinged(a_reminder()) == ["S0DBA", "U0ANN", "U0BO"]


def test_many_are_mentioned_up_to_eight() -> None:
    everybody = Audience(users=tuple(f"U0{number:03}" for number in range(20)))

    assert len(pinged(a_reminder(audience=everybody))) == 8
    assert "and 12 more" in reminder(a_reminder(audience=everybody)).text


def test_that_nobody_is_left_who_may_is_said() -> None:
    assert "Who can approve: nobody else that is configured" in reminder(a_reminder(audience=Audience())).text


def test_half_approved_says_what_is_still_needed() -> None:
    text = reminder(a_reminder(required_approvals=2, approvals=(an_approval(),), needs=("dba",))).text

    assert "Action 12 still waits: 1 of 2 approvals." in text
    assert "Still needed: an approval by somebody in dba" in text


def test_the_last_reminder_says_that_it_is_and_cannot_be_snoozed() -> None:
    message = reminder(a_reminder(About.EXPIRING))

    assert message.text.startswith("Last reminder: action 12 expires at 02:25:05 UTC: needs approval.")
    assert buttons(message.blocks) == ["Details"]


@pytest.mark.parametrize(("until", "said"), [(5, "no reminder before 02:17:05 UTC"), (13, "no further reminder")])
def test_who_snoozed_is_named_and_the_buttons_are_gone(until: int, said: str) -> None:
    snooze = Snooze(actor=Actor.slack("T1", "U0BO"), until=NOW + timedelta(minutes=until))
    message = reminder(a_reminder(snooze=snooze))

    assert f"Snoozed by: U0BO, {said}" in message.text
    assert buttons(message.blocks) == ["Details"]


def test_a_snooze_button_carries_which_proposal_and_for_how_long() -> None:
    shown = reminder(a_reminder()).blocks
    short, long = button(shown, "Snooze 15 min"), button(shown, "Snooze 1 hour")

    assert (short["action_id"], long["action_id"]) == (Button.SNOOZE.value, Button.SNOOZE_LONGER.value)
    assert short["value"] == SnoozeValue(p=12, m=15).compact()
    assert long["value"] == SnoozeValue(p=12, m=60).compact()
    assert short["accessibility_label"] == "Snooze 15 min: no reminders of action 12 until then"


def test_what_starts_soon_is_announced_with_a_way_to_stop_it() -> None:
    message = reminder(starting(audience=Audience(users=("U0ANN",))))

    assert message.text.splitlines()[0] == (
        "Action 12 runs in 5 minutes, at 2026-03-01 02:17:04 UTC. Until it has begun, it can be cancelled."
    )
    assert "Target: read again; what the approval rests on has not changed" in message.text
    assert "Approved by: U0ANN" in message.text
    assert buttons(message.blocks) == ["Cancel", "Details"]
    assert (
        button(message.blocks, "Cancel")["value"]
        == ButtonValue(p=12, t=TOKEN, h=a_dossier().proposal.params_hash).compact()
    )
    assert message_faults(message, users=("U0ANN",), links=(LINK,)) == []


@pytest.mark.parametrize(("seconds", "said"), [(301, "in 6 minutes"), (60, "in 1 minute"), (0, "now")])
def test_how_soon_is_never_said_too_short(seconds: int, said: str) -> None:
    assert f"runs {said}, at" in reminder(starting(not_before=NOW + timedelta(seconds=seconds))).text


def test_a_target_that_could_not_be_read_is_said_so() -> None:
    text = reminder(starting(unread="n1 does not answer\n<!channel>")).text

    assert "Target: could not be read now (n1 does not answer &lt;!channel&gt;). It is read again at the start" in text


@pytest.mark.parametrize("status", ActionStatus)
def test_what_is_over_cannot_be_pressed_and_says_where_things_stand(status: ActionStatus) -> None:
    message = reminder(a_reminder(None, status=status))

    assert buttons(message.blocks) == []
    assert pinged(a_reminder(None, status=status)) == []
    assert "This reminder of action 12 is over" in message.text
    assert message_faults(message, links=(LINK,)) == []
