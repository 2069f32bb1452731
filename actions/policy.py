"""Who may do what: one `authorize` for Slack, command line, HTTP and timetable. Deny is the default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from actions.models import ActionProposal, Actor, ActorKind, Risk, Verb, Via
from actions.ports import Decision, Standing

DEFAULT_APPROVALS: Final[Mapping[Risk, int]] = {Risk.LOW: 1, Risk.MEDIUM: 1, Risk.HIGH: 2}
_LOCAL_STOPS: Final = frozenset({Verb.KILL, Verb.CANCEL})
_IN_WORDS: Final[Mapping[Verb, str]] = {
    Verb.APPROVE: "approve this",
    Verb.CANCEL: "cancel this",
    Verb.KILL: "stop everything",
    Verb.SET_MODE: "switch to execute",
    Verb.RESOLVE: "say what became of this",
    Verb.PROPOSE: "propose actions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One human and all their identities, so that nobody counts twice."""

    name: str
    slack: frozenset[str] = frozenset()
    """`T…/U…`"""
    cli: frozenset[str] = frozenset()
    """Operating-system logins, on whichever host the bot's database is reached from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What the configuration allows: per verb, the names of people. A verb without names is for nobody."""

    people: tuple[Person, ...] = ()
    verbs: Mapping[Verb, frozenset[str]]
    approvals: Mapping[Risk, int]
    high_risk_from_cli: bool = False


class ConfiguredPolicy:
    """`actions.ports.Policy` over the configuration file."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants
        self._slack = {identity: person.name for person in grants.people for identity in person.slack}
        self._cli = {login: person.name for person in grants.people for login in person.cli}

    def person(self, actor: str) -> str:
        """See `Policy.person`."""
        parsed = Actor.parse(actor)
        match parsed.kind:
            case ActorKind.SLACK:
                return self._slack.get(parsed.name, actor)
            case ActorKind.CLI:
                return self._cli.get(parsed.name.partition("@")[0], actor)
            case _:
                return actor

    def required_approvals(self, risk: str) -> int:
        """See `Policy.required_approvals`. At least one."""
        return max(1, self._grants.approvals[Risk(risk)])

    def who_may(self, verb: Verb) -> tuple[str, ...]:
        """Return the names of those who may, sorted."""
        return tuple(sorted(self._grants.verbs.get(verb, frozenset())))

    def authorize(
        self, actor: Actor, verb: Verb, proposal: ActionProposal | None, standing: Standing, *, via: Via
    ) -> Decision:
        """See `Policy.authorize`."""
        person = self.person(str(actor))
        reason = self._why_not(actor, person, verb, proposal, standing, via)
        return Decision(allowed=reason is None, reason=reason or "allowed", person=person)

    def _why_not(
        self, actor: Actor, person: str, verb: Verb, proposal: ActionProposal | None, standing: Standing, via: Via
    ) -> str | None:
        if actor.kind not in {ActorKind.SLACK, ActorKind.CLI}:
            return f"Only a person may {_IN_WORDS[verb]}."
        if not (standing.active and standing.full_member):
            return f"You may not {_IN_WORDS[verb]}: {standing.problem or 'your account could not be checked'}."
        if actor.kind is ActorKind.CLI and verb in _LOCAL_STOPS:
            return None  # whoever can be the bot's user can stop it anyway; the way out must never be barred
        if person not in self._grants.verbs.get(verb, frozenset()):
            names = ", ".join(self.who_may(verb)) or "nobody: the list in [approvers] is empty"
            return f"You may not {_IN_WORDS[verb]}. Those who may: {names}."
        if verb is Verb.APPROVE and proposal is not None:
            return self._why_not_this(person, proposal, via)
        return None

    def _why_not_this(self, person: str, proposal: ActionProposal, via: Via) -> str | None:
        if self.person(proposal.proposed_by) == person:
            return "You proposed this; someone else has to approve it."
        if via is Via.CLI and proposal.risk is Risk.HIGH and not self._grants.high_risk_from_cli:
            return "High risk is approved in Slack, not from the command line ([approval.high] cli = true allows it)."
        return None
