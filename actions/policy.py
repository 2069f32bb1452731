"""Who may do what: one `authorize` for Slack, command line, HTTP and timetable. Deny is the default."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from actions.models import ActionProposal, Actor, ActorKind, Approval, Risk, Verb, Via
from actions.ports import Decidable, Decision, Quorum, Standing

DEFAULT_APPROVALS: Final[Mapping[Risk, int]] = {Risk.LOW: 1, Risk.MEDIUM: 1, Risk.HIGH: 2}
GROUP: Final = "group:"
"""What stands before a group's name where people and groups are listed."""
HTTP_ADMIN: Final = Actor(ActorKind.HTTP, "admin")
"""Whoever holds the admin token of the HTTP interface."""
_LOCAL_STOPS: Final = frozenset({Verb.KILL, Verb.CANCEL})
_DENIED_BY: Final[Mapping[Verb, frozenset[Verb]]] = {Verb.BREAK_GLASS: frozenset({Verb.BREAK_GLASS, Verb.APPROVE})}
"""Whoever is denied to approve something must not run it alone either."""
_IN_WORDS: Final[Mapping[Verb, str]] = {
    Verb.APPROVE: "approve this",
    Verb.CANCEL: "cancel this",
    Verb.KILL: "use the kill switch",
    Verb.SET_MODE: "switch to execute",
    Verb.RESOLVE: "say what became of this",
    Verb.PROPOSE: "propose actions",
    Verb.EDIT: "change the parameters of this",
    Verb.BREAK_GLASS: "break the glass",
    Verb.REVIEW: "close this review",
    Verb.ABORT: "abort this",
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
class Group:
    """People who are allowed, denied or needed together."""

    name: str
    members: frozenset[str] = frozenset()
    """Names of people."""
    slack: str | None = None
    """The id of a Slack user group whose members belong to it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which actions are meant; `*` and `?` stand for any text and any letter."""

    subject: str = "*"
    action: str = "*"
    risks: frozenset[Risk] = frozenset(Risk)

    def covers(self, subject: str, action_name: str, risk: Risk) -> bool:
        """Return whether such an action is meant."""
        return fnmatchcase(subject, self.subject) and fnmatchcase(action_name, self.action) and risk in self.risks

    def covers_subject(self, subject: str | None) -> bool:
        """Return whether all of *subject* is meant, or everything there is where that is None."""
        if self.action != "*" or self.risks != frozenset(Risk):
            return False
        return self.subject == "*" if subject is None else fnmatchcase(subject, self.subject)

    def touches_subject(self, subject: str | None) -> bool:
        """Return whether anything of *subject* is meant, or anything at all where that is None."""
        return subject is None or fnmatchcase(subject, self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """Some people, and what is said of them: that they may, or that they may not."""

    name: str
    """Where it stands in the configuration, for messages."""
    who: frozenset[str]
    """Names of people, and `group:NAME`."""
    verbs: frozenset[Verb]
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumClause:
    """How many must approve some actions, and from which groups. Where several fit, the strictest counts."""

    people: int = 1
    needs: frozenset[str] = frozenset()
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnattendedRule:
    """Which actions of low risk the policy approves in the place of people."""

    name: str
    subject: str
    action: str

    @property
    def scope(self) -> Scope:
        """What it fits: never anything above low risk."""
        return Scope(subject=self.subject, action=self.action, risks=frozenset({Risk.LOW}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What the configuration allows. Nothing is allowed that is not granted; what is denied is not granted."""

    people: tuple[Person, ...] = ()
    verbs: Mapping[Verb, frozenset[str]]
    """Per verb, who may for everything: names of people, and `group:NAME`."""
    approvals: Mapping[Risk, int]
    high_risk_from_cli: bool = False
    groups: tuple[Group, ...] = ()
    granted: tuple[Clause, ...] = ()
    denied: tuple[Clause, ...] = ()
    quorums: tuple[QuorumClause, ...] = ()
    unattended: tuple[UnattendedRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What an action still needs before it runs."""

    people: int
    groups: tuple[str, ...]
    """Groups of which nobody has approved yet."""

    def __bool__(self) -> bool:
        return self.people > 0 or bool(self.groups)

    def in_words(self) -> str:
        """Return it as it reads in a sentence: `1 more approval, and one by somebody in dba`."""
        more = f"{self.people} more approval{'s' if self.people > 1 else ''}"
        from_groups = " and ".join(f"one by somebody in {name}" for name in self.groups)
        if not self.groups:
            return more
        return (
            f"{more}, among them {from_groups}" if self.people > 1 else f"an approval{from_groups.removeprefix('one')}"
        )


NOTHING_MISSING: Final = Missing(people=0, groups=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """Those who can give what an action still lacks, as far as the configuration alone says it."""

    people: tuple[Person, ...]
    groups: tuple[Group, ...]
    """Slack user groups: whose members these are, Slack knows."""


@dataclass(frozen=True, slots=True)
class _Ruling:
    """Whether, by which rule, and why not."""

    rule: str
    refusal: str | None = None
    unsure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asker:
    actor: Actor
    person: str
    groups: frozenset[str]
    unknown: frozenset[str] = field(default_factory=frozenset)
    """Groups of which nobody could say whether the person is in them."""

    def is_among(self, who: Collection[str]) -> bool:
        return self.person in who or any(f"{GROUP}{name}" in who for name in self.groups)

    def may_be_among(self, who: Collection[str]) -> bool:
        return self.is_among(who) or any(f"{GROUP}{name}" in who for name in self.unknown)


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

    def quorum(self, *, subject: str, action_name: str, risk: Risk) -> Quorum:
        """See `Policy.quorum`. At least one person, unless a rule approves it and no `[[quorums]]` fits."""
        fitting = [clause for clause in self._grants.quorums if clause.scope.covers(subject, action_name, risk)]
        rules = (one for one in self._grants.unattended if one.scope.covers(subject, action_name, risk))
        if not fitting and (rule := next(rules, None)) is not None:
            return Quorum(people=0, rule=rule.name)
        return Quorum(
            people=max(1, self._grants.approvals[risk], *(clause.people for clause in fitting)),
            needs=frozenset().union(*(clause.needs for clause in fitting)),
        )

    def who_may(self, verb: Verb, proposal: Decidable | None = None, *, subject: str | None = None) -> tuple[str, ...]:
        """Return the names of those who may, groups as `everyone in NAME`, sorted."""
        return tuple(sorted(_in_words(name) for name in _named(self._granting(verb, proposal, subject))))

    def awaited(self, proposal: Decidable, lacking: Missing, approved: Collection[str]) -> Awaited:
        """Return whose approval counts: not theirs who have *approved*, proposed it, or may not."""
        # Where as many groups as people are missing, nobody else can give what is.
        needed = frozenset(lacking.groups) if lacking.people <= len(lacking.groups) else frozenset[str]()
        names = {f"{GROUP}{name}" for name in needed} or _named(self._granting(Verb.APPROVE, proposal, None))
        denied = _named(self._denying(Verb.APPROVE, proposal, None))
        return Awaited(
            people=tuple(
                person
                for person in self._grants.people
                if person.name not in approved and self._counts(person, proposal, needed)
            ),
            groups=tuple(
                group
                for group in self._grants.groups
                if group.slack is not None and f"{GROUP}{group.name}" in names - denied
            ),
        )

    def authorize(
        self,
        actor: Actor,
        verb: Verb,
        proposal: Decidable | None,
        standing: Standing,
        *,
        via: Via,
        subject: str | None = None,
    ) -> Decision:
        """See `Policy.authorize`."""
        asker = self._asker(actor, standing)
        ruling = self._ruling(asker, verb, proposal, standing, via, subject)
        return Decision(
            allowed=ruling.refusal is None,
            reason=ruling.refusal or "allowed",
            person=asker.person,
            groups=asker.groups,
            rule=ruling.rule,
            unsure=ruling.unsure,
        )

    def _counts(self, person: Person, proposal: Decidable, needed: frozenset[str]) -> bool:
        via = Via.SLACK if person.slack else Via.CLI
        identities = [Actor(ActorKind.SLACK, name) for name in person.slack] or [
            Actor.cli(name, "") for name in person.cli
        ]
        if not identities:
            return False
        member = Standing(active=True, full_member=True, groups=frozenset())
        decision = self.authorize(identities[0], Verb.APPROVE, proposal, member, via=via)
        return decision.allowed and (not needed or not needed.isdisjoint(decision.groups))

    def _asker(self, actor: Actor, standing: Standing) -> _Asker:
        person = self.person(str(actor))
        found = {group.name for group in self._grants.groups if person in group.members}
        unknown: set[str] = set()
        for group in self._grants.groups:
            if group.slack is not None and group.name not in found:
                if standing.groups is None:
                    unknown.add(group.name)
                elif group.slack in standing.groups:
                    found.add(group.name)
        return _Asker(actor=actor, person=person, groups=frozenset(found), unknown=frozenset(unknown))

    def _ruling(
        self,
        asker: _Asker,
        verb: Verb,
        proposal: Decidable | None,
        standing: Standing,
        via: Via,
        subject: str | None,
    ) -> _Ruling:
        if (asker.actor, verb, via) == (HTTP_ADMIN, Verb.KILL, Via.HTTP):
            return _Ruling("the admin token stops, and does nothing else")
        if asker.actor.kind not in {ActorKind.SLACK, ActorKind.CLI}:
            return _Ruling("only people decide", f"Only a person may {_IN_WORDS[verb]}.")
        if not (standing.active and standing.full_member):
            problem = standing.problem or "your account could not be checked"
            return _Ruling("only active full members decide", f"You may not {_IN_WORDS[verb]}: {problem}.")
        if asker.actor.kind is ActorKind.CLI and verb in _LOCAL_STOPS:
            # Whoever can be the bot's user can stop it anyway; the way out must never be barred.
            return _Ruling("whoever can be the bot's user may always cancel and stop")
        if verb is Verb.ABORT:
            return _Ruling("everybody in the workspace may abort")
        granted = self._denied(asker, verb, proposal, subject) or self._granted(asker, verb, proposal, subject)
        return granted if granted.refusal else self._barred(asker.person, verb, proposal, via) or granted

    def _denied(self, asker: _Asker, verb: Verb, proposal: Decidable | None, subject: str | None) -> _Ruling | None:
        for clause in self._denying(verb, proposal, subject):
            if asker.is_among(clause.who):
                return _Ruling(clause.name, f"You may not {_IN_WORDS[verb]}: {clause.name} says so.")
            if asker.may_be_among(clause.who):
                return _Ruling(
                    clause.name,
                    f"You may not {_IN_WORDS[verb]}: {clause.name} denies it to a Slack user group, and whether you "
                    "are in it could not be found out. Try again from Slack, or in a minute.",
                    unsure=True,
                )
        return None

    def _granted(self, asker: _Asker, verb: Verb, proposal: Decidable | None, subject: str | None) -> _Ruling:
        clauses = list(self._granting(verb, proposal, subject))
        for clause in clauses:
            if asker.is_among(clause.who):
                return _Ruling(clause.name)
        names = ", ".join(sorted({_in_words(name) for clause in clauses for name in clause.who}))
        reason = f"You may not {_IN_WORDS[verb]}. Those who may: {names or 'nobody: the list in [approvers] is empty'}."
        unsure = any(asker.may_be_among(clause.who) for clause in clauses)
        if unsure:
            reason = f"{reason} Whether you are in that group could not be found out. Try from Slack, or in a minute."
        return _Ruling("nothing grants it", reason, unsure=unsure)

    def _denying(self, verb: Verb, proposal: Decidable | None, subject: str | None) -> Iterable[Clause]:
        return (
            clause
            for clause in self._grants.denied
            if not clause.verbs.isdisjoint(_DENIED_BY.get(verb, {verb})) and _touches(clause.scope, proposal, subject)
        )

    def _granting(self, verb: Verb, proposal: Decidable | None, subject: str | None) -> Iterable[Clause]:
        everywhere = self._grants.verbs.get(verb, frozenset())
        if everywhere:
            yield Clause(name="[approvers]", who=everywhere, verbs=frozenset({verb}))
        for clause in self._grants.granted:
            if verb in clause.verbs and _covers(clause.scope, proposal, subject):
                yield clause

    def _barred(self, person: str, verb: Verb, proposal: Decidable | None, via: Via) -> _Ruling | None:
        if verb is not Verb.APPROVE or proposal is None:
            return None
        if self.person(proposal.proposed_by) == person:
            return _Ruling("nobody approves their own", "You proposed this; someone else has to approve it.")
        if via is Via.CLI and proposal.risk is Risk.HIGH and not self._grants.high_risk_from_cli:
            return _Ruling(
                "[approval.high] cli",
                "High risk is approved in Slack, not from the command line ([approval.high] cli = true allows it).",
            )
        return None


def missing(proposal: ActionProposal, quorum: Quorum, approvals: Iterable[Approval]) -> Missing:
    """Return what is still missing: each person counts once, and only for exactly these parameters.

    What no rule has approved by itself needs somebody, even if it needed nobody.
    """
    counted = [approval for approval in approvals if approval.params_hash == proposal.params_hash]
    people = {approval.person for approval in counted}
    groups = {name for approval in counted for name in approval.groups}
    needed = max(proposal.required_approvals, quorum.people, 1 if proposal.approved_at is None else 0)
    return Missing(
        people=max(0, needed - len(people)),
        groups=tuple(sorted(quorum.needs - groups)),
    )


def _covers(scope: Scope, proposal: Decidable | None, subject: str | None) -> bool:
    if proposal is None:
        return scope.covers_subject(subject)
    return scope.covers(proposal.subject, proposal.action_name, proposal.risk)


def _touches(scope: Scope, proposal: Decidable | None, subject: str | None) -> bool:
    if proposal is None:
        return scope.touches_subject(subject)
    return scope.covers(proposal.subject, proposal.action_name, proposal.risk)


def _named(clauses: Iterable[Clause]) -> frozenset[str]:
    return frozenset().union(*(clause.who for clause in clauses))


def _in_words(name: str) -> str:
    return f"everyone in {name.removeprefix(GROUP)}" if name.startswith(GROUP) else name
