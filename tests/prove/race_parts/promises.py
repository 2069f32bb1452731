"""What must hold of a round whatever anybody was told: over the audit log and the ledger of effects."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from actions.models import ActionStatus
from tests.prove.race_parts.answers import OK, Answer
from tests.prove.race_parts.history import History, Moment, Turn
from tests.prove.race_parts.ledger import Effect

_GOING_ON: Final = frozenset({"proposed", "validated", "approval", "approved", "executing"})


def broken(history: History) -> Iterator[str]:
    """Yield what was broken, where an action has one effect."""
    yield from _doubled(history)
    yield from begun_wrongly(history)
    yield from _epochs(history)
    yield from _gone_on(history)
    yield from _miscounted(history)


def begun_wrongly(history: History) -> Iterator[str]:
    """Yield the effects that nobody had claimed, or that began after a kill which does not list them."""
    yield from _without_a_claim(history)
    yield from _unlisted(history)


def begun_after_kills(history: History) -> Iterator[tuple[Effect, Answer]]:
    """Yield each effect that began after a kill had returned, with that kill; its proposal was there before."""
    kills = [(turn, history.by_reason.get(turn.reason)) for turn in history.turns if turn.stops]
    for turn, kill in kills:
        if kill is None or kill.verb != "kill" or kill.said != OK or not kill.recorded:
            continue
        for effect in history.effects:
            known = history.lives[effect.proposal_id][0].seq < turn.seq
            if effect.began > kill.ended and known and turn.concerns(history.subjects[effect.proposal_id]):
                yield effect, kill


def _doubled(history: History) -> Iterator[str]:
    for proposal_id, times in Counter(effect.proposal_id for effect in history.effects).items():
        if times > 1:
            yield f"the effect of proposal {proposal_id} happened {times} times"


def _without_a_claim(history: History) -> Iterator[str]:
    for effect in history.effects:
        owners = {moment.owner for moment in history.lives[effect.proposal_id] if moment.event == "executing"}
        if not effect.rightful or effect.owner not in owners:
            yield f"an effect of proposal {effect.proposal_id} by {effect.owner} began before its claim was committed"


def _unlisted(history: History) -> Iterator[str]:
    for effect, kill in begun_after_kills(history):
        if effect.proposal_id not in kill.in_flight:
            yield f"the effect of proposal {effect.proposal_id} began after kill {kill.reason}, which does not list it"


def _epochs(history: History) -> Iterator[str]:
    epochs: dict[str, int] = {}
    for turn in history.turns:
        before = epochs.get(turn.scope, turn.epoch - 1)
        if turn.epoch != before + 1:
            yield f"line {turn.seq} switched {turn.scope} from epoch {before} to epoch {turn.epoch}"
        epochs[turn.scope] = turn.epoch


def _gone_on(history: History) -> Iterator[str]:
    for proposal_id, life in history.lives.items():
        concerning = [turn for turn in history.turns if turn.concerns(history.subjects[proposal_id])]
        for moment in life:
            if moment.event not in _GOING_ON:
                continue
            decisive = _in_force(concerning, moment.seq)
            if any(turn.stops for turn in decisive):
                yield f"proposal {proposal_id}: {moment.event} at line {moment.seq}, in observe mode"
            elif any(life[0].seq < turn.seq for turn in decisive):
                yield f"proposal {proposal_id}: {moment.event} at line {moment.seq}, after the stop that ended it"


def _in_force(turns: Sequence[Turn], seq: int) -> Collection[Turn]:
    return {turn.scope: turn for turn in turns if turn.seq < seq}.values()


def _miscounted(history: History) -> Iterator[str]:
    required = {proposal.id: proposal.required_approvals for proposal in history.remains.proposals}
    for proposal_id, life in history.lives.items():
        people = [moment.person for moment in life if moment.event in {"approval", "approved"}]
        if len(people) != len(set(people)):
            yield f"proposal {proposal_id} counts a person twice: {people}"
        if _was(life, ActionStatus.APPROVED) and len(set(people)) < required[proposal_id]:
            yield f"proposal {proposal_id} was approved by {people}, and needs {required[proposal_id]}"


def _was(life: Sequence[Moment], status: ActionStatus) -> bool:
    return any(moment.status is status for moment in life)
