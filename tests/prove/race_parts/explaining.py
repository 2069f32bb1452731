"""Is each answer explained by what was the case at some moment between question and answer?"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from actions.lifecycle import IN_FLIGHT
from actions.models import AuditEvent
from tests.prove.race_parts.answers import OK, Answer
from tests.prove.race_parts.history import History, Moment
from tests.rig import POLICY

Count: TypeAlias = tuple[str, int, str]
"""What, of which proposal, by whom."""
_DECISIONS: Final = {"approve": frozenset({"approval", "approved"}), "cancel": frozenset({"cancelled"})}
_BEFORE_A_STOP: Final = "Stopped: it was proposed before the last stop"
_HELD_BACK: Final = "Stopped: this host is held back"


def unexplained(history: History) -> Iterator[str]:
    """Yield each answer that does not fit what happened, and each count that does not add up."""
    for answer in history.answers:
        if not _EXPLAINED.get(answer.said, _never)(history, answer):
            life = [(m.event, m.version, m.actor) for m in history.lives.get(answer.proposal_id, ())]
            yield f"unexplained: {answer}; the life of that proposal: {life}"
    yield from _uncounted(history)
    yield from _answered_differently(history)


def _ok(history: History, answer: Answer) -> bool:
    match answer.verb:
        case "approve" | "cancel":
            return any(_decided_so(moment, answer) for moment in history.lives[answer.proposal_id])
        case "validate":
            return any(
                m.version == answer.version and m.event == "validated" for m in history.lives[answer.proposal_id]
            )
        case "propose":
            return answer.number in history.lives
        case "run":
            return any(m.owner == answer.owner for m in history.lives[answer.proposal_id])
        case "kill" | "observe" | "execute":
            return _turned(history, answer) or (answer.verb == "execute" and _executing_already(history, answer))
        case _:
            return True


def _turned(history: History, answer: Answer) -> bool:
    return any(turn.reason == answer.reason and turn.in_flight == answer.in_flight for turn in history.turns)


def _executing_already(history: History, answer: Answer) -> bool:
    return any(
        turn.scope == answer.scope and not turn.stops and turn.since <= answer.ended and turn.until >= answer.began
        for turn in history.turns
    )


def _decided_so(moment: Moment, answer: Answer) -> bool:
    mine = moment.event in _DECISIONS[answer.verb] and moment.actor == answer.by
    # The same click again is answered with how the proposal is by then.
    return mine and (moment.version <= answer.version if answer.repeatable else moment.version == answer.version)


def _already_approved(history: History, answer: Answer) -> bool:
    person = POLICY.person(answer.by)
    return any(m.person == person and m.since <= answer.ended for m in history.lives[answer.proposal_id])


def _already_decided(history: History, answer: Answer) -> bool:
    return any(
        m.overlaps(answer)
        and m.status is answer.status
        and (answer.verb not in _DECISIONS or m.decided_by == answer.decided_by)
        for m in history.lives[answer.proposal_id]
    )


def _met_in_status(history: History, answer: Answer) -> bool:
    return any(m.overlaps(answer) and m.status is answer.status for m in history.lives[answer.proposal_id])


def _expired(history: History, answer: Answer) -> bool:
    return any(m.event == "expired" and m.overlaps(answer) for m in history.lives[answer.proposal_id])


def _killed(history: History, answer: Answer) -> bool:
    if answer.text.startswith(_HELD_BACK):
        return _beside_a_kill(history, answer)
    born = history.lives[answer.proposal_id][0].seq
    later = any(turn.seq > born and turn.since <= answer.ended for turn in history.turns)
    return answer.text.startswith(_BEFORE_A_STOP) and later


def _observing(history: History, answer: Answer) -> bool:
    met = any(turn.stops and turn.since <= answer.ended and turn.until >= answer.began for turn in history.turns)
    return met or (answer.verb == "propose" and _beside_a_kill(history, answer))


def _beside_a_kill(history: History, answer: Answer) -> bool:
    kills = (other for other in history.answers if other.verb == "kill")
    return any(kill.began <= answer.ended and kill.ended >= answer.began for kill in kills)


def _busy(history: History, answer: Answer) -> bool:
    return any(m.status in IN_FLIGHT and m.overlaps(answer) for m in history.lives.get(answer.other_id, ()))


def _refused_as_the_first_time(history: History, answer: Answer) -> bool:
    return answer.repeatable and any(
        (other.verb, other.by, other.proposal_id, other.text)
        == (answer.verb, answer.by, answer.proposal_id, answer.text)
        and other.repeatable
        and other.said != answer.said
        for other in history.answers
    )


def _not_authorized(history: History, answer: Answer) -> bool:
    return answer.proposal_id in history.lives  # and counted below


def _never(history: History, answer: Answer) -> bool:  # noqa: ARG001 - one of several of this shape
    return False


_EXPLAINED: Final[Mapping[str, Callable[[History, Answer], bool]]] = {
    OK: _ok,
    "AlreadyApprovedError": _already_approved,
    "AlreadyDecidedError": _already_decided,
    "NotReadyError": _met_in_status,
    "ExpiredError": _expired,
    "KilledError": _killed,
    "ObserveOnlyError": _observing,
    "TargetBusyError": _busy,
    "ConflictError": _refused_as_the_first_time,
    "NotAuthorizedError": _not_authorized,
}
"""By the name of the error. What is not here is never explained."""


def _uncounted(history: History) -> Iterator[str]:
    written = Counter(key for event in history.remains.audit if (key := _written(event)) is not None)
    said = Counter(key for answer in history.answers if (key := _said(answer)) is not None)
    for key in sorted(written.keys() | said.keys()):
        if written[key] != said[key]:
            what, proposal_id, who = key
            lines = f"proposal {proposal_id}, {who}: {written[key]} times in the audit log"
            yield f"{lines} ({what}), and told to {said[key]}"


def _written(event: AuditEvent) -> Count | None:
    by_person = event.actor.startswith(("slack:", "cli:"))
    match event.event:
        case "approval" | "approved" | "cancelled" | "duplicate" if by_person:
            return "decided", event.proposal_id or 0, event.actor
        case "denied":
            return "denied", event.proposal_id or 0, event.actor
        case "executing":
            return "ran", event.proposal_id or 0, str(event.data["owner"])
        case _:
            return None


def _said(answer: Answer) -> Count | None:
    match answer.verb, answer.said:
        case "approve" | "cancel", "ok" | "ConflictError":
            return "decided", answer.proposal_id, answer.by
        case _, "NotAuthorizedError":
            return "denied", answer.proposal_id, answer.by
        case "run", "ok":
            return "ran", answer.proposal_id, answer.owner
        case _:
            return None


def _answered_differently(history: History) -> Iterator[str]:
    clicks: dict[Count, list[Answer]] = defaultdict(list)
    for answer in history.answers:
        if answer.repeatable and answer.said != "NotAuthorizedError":  # whoever may not is told so each time
            clicks[answer.verb, answer.proposal_id, answer.by].append(answer)
    for (verb, proposal_id, by), answers in clicks.items():
        said = Counter(answer.said for answer in answers)
        first = said.keys() - {"ConflictError"}  # as which a refusal is repeated
        if len(first) != 1 or (first != {OK} and said.total() - said["ConflictError"] != 1):
            yield f"one click of {by} ({verb} {proposal_id}), delivered {said.total()} times, was told {dict(said)}"
