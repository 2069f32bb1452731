"""Whatever anybody writes into an alert, a diagnosis, a target or a parameter, Slack shows it as text and takes it.

OPERATOR_PROVE multiplies the number of examples (`tests.bot.prove`): 16.7 makes 5,010 of each property.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actions.diagnosis.models import Ticket, TicketStatus
from actions.models import Actor, Checkpoint, Control, SafetyMode
from actions.safety import Stopped
from bot.views.announcement import AnnouncementView, announcement
from bot.views.cancel_reason import cancel_reason
from bot.views.card import card
from bot.views.command_answers import StatusView, help_answer, kill_answer, list_answer, show_answer, status_answer
from bot.views.details import DetailsView, details
from bot.views.diagnosis_message import DiagnosisView, LaterProposal, diagnosis_message
from bot.views.digest import DigestData, Tally, digest
from bot.views.home import HomeItem, HomeView, home
from bot.views.notice import notice
from bot.views.parameters import read_parameters, render_parameters, shows, spelled
from bot.views.plain import exact, fallback, line, passage
from bot.views.result import result
from tests.bot.prove import cases
from tests.bot.views.hostile import Attacker, parameters, texts, values
from tests.bot.views.samples import NOW, a_proposal, an_event
from tests.bot.views.walking import buttons, message_faults, view_faults

LINK = "https://team.slack.example/archives/C1/p1"
USERS = ("UANN", "UBO", "U012ABCDEF")
seeds = st.integers(0, 2**32)
many = settings(max_examples=cases(300))


@many
@given(seeds)
def test_no_card_can_be_turned_against_its_reader_and_approve_stands_only_under_exact_parameters(seed: int) -> None:
    view = Attacker(seed).card()
    shown = card(view)

    assert message_faults(shown, users=USERS) == []
    if "Approve" in buttons(shown.blocks):
        assert spelled(read_parameters(shown.blocks)) == spelled(view.dossier.proposal.parameters)


@many
@given(parameters)
def test_parameters_are_read_back_exactly_or_not_at_all(stored: Any) -> None:
    shown = render_parameters(stored)

    try:
        read = read_parameters(shown)
    except ValueError:
        assert not shows(shown, stored)
    else:
        assert spelled(read) == spelled(stored)
        assert read == stored


@many
@given(values, values)
def test_different_values_never_look_the_same(one: Any, other: Any) -> None:
    if spelled(one) != spelled(other):
        assert render_parameters({"value": one}) != render_parameters({"value": other})


@many
@given(texts, texts, st.sampled_from([60, 500, 200_000]))
def test_identifiers_that_differ_never_look_the_same_unless_cut(one: str, other: str, most: int) -> None:
    shown, also = exact(one, most), exact(other, most)

    assert shown.replace("…", "").isascii()
    assert (shown == also) <= (one == other or shown.endswith("(cut)"))


@many
@given(texts, st.sampled_from([40, 300, 5_000]))
def test_nothing_is_longer_than_its_room_or_hidden_in_it(text: str, most: int) -> None:
    for shown in (line(text, most), passage(text, most), exact(text, most), fallback(line(text, 9_000), most)):
        assert 0 < len(shown) <= most
        assert all(char.isprintable() or char == "\n" for char in shown)


@many
@given(seeds)
def test_no_answer_about_one_action_can_be_turned_against_its_reader(seed: int) -> None:
    attacker = Attacker(seed)
    shown = show_answer(attacker.card(), attacker.choose([LINK, None]))

    assert message_faults(shown, users=USERS, links=(LINK,)) == []
    assert buttons(shown.blocks) == ["Details"]


@many
@given(seeds)
def test_no_details_can_be_turned_against_their_reader(seed: int) -> None:
    attacker = Attacker(seed)
    view = DetailsView(dossier=attacker.dossier(), title=attacker.text(), undo_hint=attacker.text(), now=NOW)

    assert view_faults(details(view), users=USERS) == []


@many
@given(seeds)
def test_no_result_can_be_turned_against_its_reader(seed: int) -> None:
    assert message_faults(result(Attacker(seed).dossier(), NOW), users=USERS) == []


@many
@given(seeds)
def test_no_diagnosis_can_be_turned_against_its_reader(seed: int) -> None:
    attacker = Attacker(seed)
    view = DiagnosisView(
        diagnosis=attacker.diagnosis(),
        now=NOW,
        since=attacker.many((LaterProposal(proposal=a_proposal(**attacker.proposal()), link=LINK),)),
        refused=attacker.many((attacker.text(),)),
    )

    assert message_faults(diagnosis_message(view), links=(LINK,)) == []


@many
@given(seeds)
def test_no_announcement_can_be_turned_against_its_reader(seed: int) -> None:
    attacker = Attacker(seed)
    data = {"scope": attacker.text(), "mode": attacker.text(), "reason": attacker.text()}
    view = AnnouncementView(
        event=an_event(9, attacker.choose(["kill_switch", "mode_change"]), str(Actor.slack("T1", "UANN")), data=data),
        in_flight=attacker.many((a_proposal(**attacker.proposal()),)),
        cancelled=attacker.choose([None, 0, 3]),
    )

    assert message_faults(announcement(view), users=USERS) == []


@many
@given(seeds)
def test_no_digest_can_be_turned_against_its_reader(seed: int) -> None:
    data = _digest(Attacker(seed))
    shown = digest(data)

    assert message_faults(shown) == []
    assert data.checkpoint.line() in shown.text
    assert data.checkpoint.line() in _boxes(shown.blocks)


@many
@given(seeds)
def test_no_answer_to_a_command_can_be_turned_against_its_reader(seed: int) -> None:
    attacker = Attacker(seed)
    proposals = tuple(a_proposal(**attacker.proposal()) for _ in range(2)) * attacker.choose([1, 1, 1, 10])
    status = StatusView(
        controls=_controls(attacker),
        waiting=proposals,
        in_flight=proposals,
        open_tickets=3,
        kill_files=attacker.choose([(), ("kill.1",)]),
        now=NOW,
    )
    stopped = Stopped(recorded=True, cancelled=2, in_flight=proposals, problem=attacker.text())
    answers = (
        status_answer(status),
        list_answer(proposals, NOW),
        kill_answer(stopped),
        notice(attacker.text()),
    )

    assert [message_faults(answer, users=USERS) for answer in answers] == [[]] * 4


@many
@given(seeds)
def test_no_home_can_be_turned_against_its_reader(seed: int) -> None:
    attacker = Attacker(seed)
    items = tuple(HomeItem(proposal=a_proposal(**attacker.proposal()), link=LINK) for _ in range(2)) * attacker.choose(
        [0, 1, 1, 12]
    )
    view = HomeView(controls=_controls(attacker), waiting=items, in_flight=items, recent=items, may_kill=True, now=NOW)

    assert view_faults(home(view), users=USERS, links=(LINK,)) == []


def test_the_fixed_texts_are_in_order() -> None:
    assert message_faults(help_answer()) == []
    assert view_faults(cancel_reason(12)) == []


def _controls(attacker: Attacker) -> tuple[Control, ...]:
    own = tuple(_control(attacker.text(), attacker.text()) for _ in range(2)) * attacker.choose([0, 1, 1, 1, 21])
    return (_control("*", attacker.text()), *own)


def _control(scope: str, reason: str) -> Control:
    return Control(
        scope=scope, mode=SafetyMode.EXECUTE, epoch=2, changed_by="slack:T1/UANN", changed_at=NOW, reason=reason
    )


def _digest(attacker: Attacker) -> DigestData:
    text = attacker.text()
    tally = Tally(count=400, newest=attacker.many((a_proposal(**attacker.proposal()),)))
    ticket = Ticket(
        key=text, subject=text, rule=text, target=text, status=TicketStatus.OPEN, opened_at=NOW, last_seen_at=NOW
    )
    data = {"scope": text, "mode": text, "reason": attacker.text()}
    return DigestData(
        ref="2026-03-01T02:00:00+00:00",
        since=NOW,
        until=NOW,
        checkpoint=Checkpoint(seq=9, head="f" * 64, count=9, at=NOW),
        open_tickets=attacker.many((ticket,)),
        pending=tally,
        unknown=tally,
        done=tally,
        failed=tally,
        mode_changes=attacker.many((an_event(9, "mode_change", f"http:{text}", data=data),)),
        approvals=7,
        median_decision_seconds=attacker.choose([None, 41.0]),
    )


def _boxes(blocks: Any) -> list[str]:
    parts = [part for block in blocks if block["type"] == "rich_text" for part in block["elements"]]
    return [part["elements"][0]["text"] for part in parts if part["type"] == "rich_text_preformatted"]
