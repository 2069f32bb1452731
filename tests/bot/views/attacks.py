"""Every message, modal and tab, filled by an attacker: what is wrong with it, in words, and nothing if all is well."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from actions.canonical import canonical_json
from actions.diagnosis.models import Refused, Ticket, TicketStatus
from actions.models import Actor, Checkpoint, Control, SafetyMode
from actions.reminder_schedule import About
from actions.safety import Stopped
from actions.validation import MAX_PARAMETERS_BYTES
from bot.payloads import ConfirmRef
from bot.views import blocks
from bot.views.announcement import AnnouncementView, announcement
from bot.views.break_glass_modal import break_glass_modal
from bot.views.broken_glass import BrokenGlassView, broken_glass
from bot.views.card import card
from bot.views.command_answers import StatusView, kill_answer, list_answer, show_answer, status_answer
from bot.views.confirm_modal import confirm_modal
from bot.views.details import DetailsView, details
from bot.views.diagnosis_message import DiagnosisView, LaterProposal, diagnosis_message
from bot.views.digest import DigestData, Tally, digest
from bot.views.edit_modal import edit_modal, retry_modal
from bot.views.explanation import DiagnosisStory, of_diagnosis
from bot.views.home import HomeItem, closed_home, home
from bot.views.notice import notice
from bot.views.parameters import BLOCK_ID, read_parameters, render_parameters, shows, spelled
from bot.views.people import Audience
from bot.views.plain import exact, fallback, line, passage
from bot.views.preview_modal import preview_modal, reading_modal
from bot.views.reminder import ReminderView, Snooze, reminder
from bot.views.resolve_modal import resolve_modal
from bot.views.result import result
from bot.views.review_modal import review_modal
from bot.views.reviews import ReviewItem, reviews_answer
from tests.bot.views.forms import an_action, model
from tests.bot.views.homes import a_home
from tests.bot.views.hostile import LINK, Attacker
from tests.bot.views.samples import NOW, TOKEN, a_proposal, an_event
from tests.bot.views.walking import buttons, message_faults, view_faults

USERS: Final = ("UANN", "UBO", "U012ABCDEF")
REF: Final = ConfirmRef(p=12, t=TOKEN, h="4f" * 32, c="C1", m="1772331125.000400")
ROOMS: Final = (40, 300, 5_000)


def faults_of_card(attacker: Attacker) -> list[str]:
    view = attacker.card()
    shown = card(view)
    faults = message_faults(shown, users=USERS, links=(LINK,))
    for label in {"Approve", "Break glass"} & set(buttons(shown.blocks)):
        attacker.met[f"cards with {label}"] += 1
        exactly = shows(shown.blocks, view.dossier.proposal.parameters)
        faults += [] if exactly else [f"{label} stands under other parameters"]
        faults += [f"{label} stands where it must not be done"] if view.refusal else []
    return faults


def faults_of_answer(attacker: Attacker) -> list[str]:
    shown = show_answer(attacker.card(), attacker.choose([LINK, None]))
    faults = message_faults(shown, users=USERS, links=(LINK,))
    return faults + ([] if buttons(shown.blocks) == ["Details"] else ["other buttons than Details"])


def faults_of_details(attacker: Attacker) -> list[str]:
    view = DetailsView(
        dossier=attacker.dossier(),
        title=attacker.text(),
        undo_hint=attacker.text(),
        now=NOW,
        follow_ups=attacker.follow_ups(),
    )
    return view_faults(details(view), users=USERS, links=(LINK,))


def faults_of_result(attacker: Attacker) -> list[str]:
    return message_faults(result(attacker.dossier(), NOW), users=USERS)


def faults_of_reminder(attacker: Attacker) -> list[str]:
    card_view = attacker.card()
    view = ReminderView(
        dossier=card_view.dossier,
        number=3,
        about=attacker.choose([None, *About]),
        audience=Audience(
            users=("UANN", "UBO") * attacker.choose([0, 1, 9]),
            groups=attacker.choose([(), ("S012DBA",)]),
            names=attacker.many((attacker.text(),)),
        ),
        lacking=card_view.lacking,
        now=NOW,
        card=attacker.choose([LINK, None]),
        button_token=TOKEN,
        unread=attacker.choose(["", attacker.text()]),
        snooze=attacker.choose([None, Snooze(actor=Actor.slack("T1", "UBO"), until=NOW)]),
    )
    return message_faults(reminder(view), users=(*USERS, "S012DBA"), links=(LINK,))


def faults_of_diagnosis(attacker: Attacker) -> list[str]:
    view = DiagnosisView(
        diagnosis=attacker.diagnosis(),
        now=NOW,
        since=attacker.many((LaterProposal(proposal=a_proposal(**attacker.proposal()), link=LINK),)),
        refused=attacker.many((attacker.text(),)),
    )
    return message_faults(diagnosis_message(view), links=(LINK,))


def faults_of_announcement(attacker: Attacker) -> list[str]:
    reason = attacker.choose(["", attacker.text()])
    data = {"scope": attacker.text(), "mode": attacker.text(), "reason": reason, "need": 3}
    data["people"] = attacker.choose([None, [attacker.text(), attacker.text()], attacker.text()])
    actor = str(Actor.slack("T1", "UANN"))
    explained = an_event(10, "explained", actor, data={"reason": attacker.text()})
    view = AnnouncementView(
        event=an_event(9, attacker.choose(["kill_switch", "mode_change", "lift_requested"]), actor, data=data),
        explanation=attacker.choose([None, explained]),
        in_flight=attacker.many((a_proposal(**attacker.proposal()),)),
        cancelled=attacker.choose([None, 0, 3]),
    )
    return message_faults(announcement(view), users=USERS)


def faults_of_broken_glass(attacker: Attacker) -> list[str]:
    event = an_event(9, "break_glass", str(Actor.slack("T1", "UANN")), data={"break_glass": attacker.text()})
    view = BrokenGlassView(event=event, proposal=a_proposal(**attacker.proposal()), link=attacker.choose([None, LINK]))
    return message_faults(broken_glass(view), users=USERS, links=(LINK,))


def faults_of_digest(attacker: Attacker) -> list[str]:
    data = _digest(attacker)
    shown = digest(data)
    witnessed = data.checkpoint.line() in shown.text and data.checkpoint.line() in _boxes(shown.blocks)
    return message_faults(shown) + ([] if witnessed else ["the digest does not bear witness"])


def faults_of_answers_to_commands(attacker: Attacker) -> list[str]:
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
    return [fault for answer in answers for fault in message_faults(answer, users=USERS)]


def faults_of_home(attacker: Attacker) -> list[str]:
    items = tuple(HomeItem(proposal=a_proposal(**attacker.proposal()), link=LINK) for _ in range(2)) * attacker.choose(
        [0, 1, 1, 12]
    )
    scopes = ("*", *(f"subject-{number}" for number in range(attacker.choose([0, 1, 40]))))
    reviews = tuple(
        ReviewItem(review=attacker.review(), proposal=one.proposal, link=LINK, closable=attacker.choose([True, False]))
        for one in items
    )
    view = a_home(
        controls=_controls(attacker),
        waiting=items,
        running=items,
        unknown=items,
        may_settle=frozenset({12}),
        reviews=reviews,
        recent=items,
        stoppable=scopes,
    )
    shown = [home(view), closed_home(attacker.text())]
    answer = reviews_answer(reviews)
    return [fault for one in shown for fault in view_faults(one, users=USERS, links=(LINK,))] + message_faults(
        answer, users=USERS, links=(LINK,)
    )


def faults_of_explanations(attacker: Attacker) -> list[str]:
    refused = Refused(at="", by=attacker.text(), action_name=attacker.text(), code="other", reason=attacker.text())
    ticket = Ticket(
        key="k", subject="s", rule="r", target="t", status=attacker.choose(list(TicketStatus)), opened_at=NOW,
        last_seen_at=NOW, refused=(refused,) * attacker.choose([0, 1, 5]),
    )  # fmt: skip
    story = DiagnosisStory(
        diagnosis=attacker.diagnosis(),
        ticket=attacker.choose([None, ticket]),
        proposed=(HomeItem(proposal=a_proposal(**attacker.proposal()), link=LINK),),
        now=NOW,
    )
    return view_faults(of_diagnosis(story), users=USERS, links=(LINK,))


def faults_of_previews(attacker: Attacker) -> list[str]:
    proposal = a_proposal(**attacker.proposal())
    reading = attacker.reading()
    drawn = (reading_modal(proposal), preview_modal(proposal, reading))
    return [fault for modal in drawn for fault in view_faults(modal, users=USERS)]


def faults_of_modals_that_decide(attacker: Attacker) -> list[str]:
    view = attacker.card()
    stored = view.dossier.proposal.parameters
    drawn = (confirm_modal(view, REF), break_glass_modal(view, REF), resolve_modal(view.dossier))
    faults = [fault for modal in drawn for fault in view_faults(modal, users=USERS)]
    if _is_storable(stored):
        attacker.met["modals that must show every parameter"] += 1
        missing = [modal["callback_id"] for modal in drawn if not shows(_boxed(modal["blocks"]), stored)]
        faults += [f"{name} does not show every parameter" for name in missing]
    return faults


def _is_storable(parameters: Mapping[str, Any]) -> bool:
    try:
        return len(canonical_json(parameters)) <= MAX_PARAMETERS_BYTES
    except ValueError:
        return False


def _boxed(shown: Any) -> list[Any]:
    return [blocks.rich_text(blocks.preformatted("".join(_boxes(shown))), block_id=BLOCK_ID)]


def faults_of_review(attacker: Attacker) -> list[str]:
    return view_faults(review_modal(attacker.dossier(), attacker.review()), users=USERS)


def faults_of_parameter_forms(attacker: Attacker) -> list[str]:
    """Descriptions, choices and values, all of them hostile."""
    texts = {attacker.text()[:400].encode(errors="replace").decode() for _ in range(attacker.choose([1, 3, 12, 120]))}
    kinds = (int, str, list[str], Any, Literal[tuple(sorted(texts))])
    named = {f"name{number}": attacker.value() for number in range(len(kinds))}
    fields = {
        name: (Annotated[kind, Field(description=attacker.text())] | None, attacker.choose([..., None]))
        for name, kind in zip(named, kinds, strict=True)
    }
    proposal = a_proposal(**attacker.proposal() | {"parameters": named | attacker.parameters()})
    definition = an_action(model(**fields))
    drawn = (edit_modal(proposal, definition), retry_modal(proposal, definition))
    return [fault for modal in drawn for fault in view_faults(modal)]


def faults_of_parameters(attacker: Attacker) -> list[str]:
    stored = attacker.parameters()
    return faults_of_shown_parameters(render_parameters(stored), stored)


def faults_of_shown_parameters(shown: list[Any], stored: Any) -> list[str]:
    """Parameters are read back exactly or not at all."""
    try:
        read = read_parameters(shown)
    except ValueError:
        return ["what cannot be read is said to be shown"] if shows(shown, stored) else []
    return [] if spelled(read) == spelled(stored) and read == stored else ["other parameters are read back"]


def faults_of_texts(attacker: Attacker) -> list[str]:
    return [fault for most in ROOMS for fault in faults_of_text(attacker.text(), most)]


def faults_of_text(text: str, most: int) -> list[str]:
    """Nothing is longer than its room or hidden in it."""
    shown = (line(text, most), passage(text, most), exact(text, most), fallback(line(text, 9_000), most))
    faults = [f"{len(one)} characters in a room for {most}" for one in shown if not 0 < len(one) <= most]
    hidden = (char for one in shown for char in one if not char.isprintable() and char != "\n")
    return faults + [f"hides {char!r}" for char in hidden]


ATTACKS: Final[Mapping[str, Callable[[Attacker], list[str]]]] = {
    "card": faults_of_card,
    "answer about one action": faults_of_answer,
    "details": faults_of_details,
    "result": faults_of_result,
    "reminder": faults_of_reminder,
    "diagnosis": faults_of_diagnosis,
    "announcement": faults_of_announcement,
    "broken glass": faults_of_broken_glass,
    "digest": faults_of_digest,
    "answers to commands": faults_of_answers_to_commands,
    "home": faults_of_home,
    "explanations": faults_of_explanations,
    "previews": faults_of_previews,
    "modals that decide": faults_of_modals_that_decide,
    "review": faults_of_review,
    "forms for parameters": faults_of_parameter_forms,
    "parameters": faults_of_parameters,
    "texts": faults_of_texts,
}
"""By what is shown."""


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
