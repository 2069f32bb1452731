"""What is wrong with who may do what and when: decisions that nobody can take, clauses that say nothing. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from actions.calendar import LOOKED_AHEAD, first_opening
from actions.models import Actor, ActorKind, Risk, Verb, Via
from actions.policy import Clause, ConfiguredPolicy, Grants, Missing, Scope, UnattendedRule
from actions.ports import Decidable, Quorum, Standing
from bot.windows import ConfiguredCalendar, ScopedWindow, fitting

Rosters = Mapping[str, frozenset[str]]
"""Per Slack user group its members, as `T…/U…`; a group that is left out is not known here."""

_ANYBODY: Final = "T0/U0"
"""Stands for somebody in a Slack user group whose members are not known here."""
_SUBJECT_WIDE: Final = frozenset({Verb.KILL, Verb.SET_MODE})
_ABOUT_ACTIONS: Final = frozenset(Verb) - _SUBJECT_WIDE
_APPROVERS: Final = "[approvers]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    where: str
    """The place in the configuration."""
    said: str
    """What it is, what follows, and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An action that is only thought of; see `actions.ports.Decidable`."""

    subject: str
    action_name: str
    risk: Risk
    proposed_by: str = "agent:rules"


def lint(
    grants: Grants,
    *,
    subjects: Collection[str],
    offered: Sequence[Decidable],
    rosters: Rosters,
    lift_people: int = 1,
) -> list[Finding]:
    """Return everything that is wrong.

    Args:
        grants: what the configuration allows.
        subjects: the names of the configured subjects.
        offered: every action that they offer.
        rosters: who is in which Slack user group, as far as it is known.
        lift_people: how many people must ask before a stop of everything is lifted.
    """
    electorate = _Electorate(grants, rosters)
    return [
        *_people(grants),
        *_groups(grants, rosters),
        *(finding for clause in grants.granted for finding in _clause(clause, subjects, offered, grant=True)),
        *(finding for clause in grants.denied for finding in _clause(clause, subjects, offered, grant=False)),
        *_quorums(grants, offered),
        *(finding for rule in grants.unattended for finding in _unattended(rule, electorate, offered)),
        *_decisions(electorate, offered),
        *_stops(electorate),
        *_lifts(electorate, lift_people),
        *_ways_back(electorate, offered),
    ]


def lint_windows(calendar: ConfiguredCalendar, *, offered: Sequence[Decidable], at: datetime) -> list[Finding]:
    """Return the freezes and maintenance windows that fit no action, and those that, seen from *at*, never open."""
    named = [
        *((f"[[freezes]] {one.name}", one) for one in calendar.freezes),
        *((f"[[maintenance]] {one.name}", one) for one in calendar.maintenance),
    ]
    return [
        *(_fits_nothing(where, one.scope, offered) for where, one in named if not _fits(one.scope, offered)),
        *(finding for one in calendar.maintenance for finding in _shut(one, calendar.freezes, offered, at)),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Voter:
    actor: Actor
    via: Via
    standing: Standing
    many: bool = False
    """Stands for any number of people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Votes:
    people: frozenset[str]
    groups: frozenset[str]
    any_number: bool
    from_slack: bool


class _Electorate:
    """Everybody who may come to decide, asked through the policy itself."""

    def __init__(self, grants: Grants, rosters: Rosters) -> None:
        self.grants = grants
        self._policy = ConfiguredPolicy(grants)
        self._voters = tuple(_voters(grants, rosters))
        self._unknown = {group.name for group in grants.groups if group.slack not in {None, *rosters}}

    @property
    def uses_slack(self) -> bool:
        return any(voter.via is Via.SLACK for voter in self._voters)

    def quorum(self, case: Decidable) -> Quorum:
        return self._policy.quorum(subject=case.subject, action_name=case.action_name, risk=case.risk)

    def those_who_may(self, verb: Verb, case: Decidable | None, *, via: Collection[Via] = frozenset(Via)) -> _Votes:
        asked = (
            (voter, self._policy.authorize(voter.actor, verb, case, voter.standing, via=voter.via))
            for voter in self._voters
            if voter.via in via
        )
        yes = [(voter, decision) for voter, decision in asked if decision.allowed]
        return _Votes(
            people=frozenset(
                f"everyone in {'/'.join(sorted(one.groups))}" if voter.many else one.person for voter, one in yes
            ),
            groups=frozenset().union(*(one.groups for _, one in yes)),
            any_number=any(voter.many for voter, _ in yes),
            from_slack=any(voter.via is Via.SLACK for voter, _ in yes),
        )

    def lacking(self, case: Decidable) -> Missing:
        """Return what is surely still missing when everybody who may has approved."""
        votes, quorum = self.those_who_may(Verb.APPROVE, case), self.quorum(case)
        # Whoever may approve from Slack can be in a group that is not known here.
        represented = votes.groups | (self._unknown if votes.from_slack else set())
        return Missing(
            people=0 if votes.any_number else max(0, quorum.people - len(votes.people)),
            groups=tuple(sorted(quorum.needs - represented)),
        )


def _voters(grants: Grants, rosters: Rosters) -> Iterator[_Voter]:
    named = frozenset().union(*(person.slack for person in grants.people), *rosters.values())
    for identity in sorted(named):
        yield _from_slack(identity, {group for group, members in rosters.items() if identity in members})
    for login in sorted(frozenset().union(*(person.cli for person in grants.people))):
        yield _Voter(actor=Actor.cli(login, "host"), via=Via.CLI, standing=Standing(active=True, full_member=True))
    for group in grants.groups:
        if group.slack is not None and group.slack not in rosters:
            yield _from_slack(_ANYBODY, {group.slack}, many=True)


def _from_slack(identity: str, groups: Iterable[str], *, many: bool = False) -> _Voter:
    standing = Standing(active=True, full_member=True, groups=frozenset(groups))
    return _Voter(actor=Actor(ActorKind.SLACK, identity), via=Via.SLACK, standing=standing, many=many)


def _people(grants: Grants) -> Iterator[Finding]:
    for person in grants.people:
        if not person.slack and not person.cli:
            yield Finding(
                where=f"[people.{person.name}]",
                said='has no identity, so nobody can act under this name; add slack = ["T…/U…"] or cli = ["login"]',
            )


def _groups(grants: Grants, rosters: Rosters) -> Iterator[Finding]:
    needed = frozenset().union(*(clause.needs for clause in grants.quorums))
    for group in grants.groups:
        where = f"[groups.{group.name}]"
        if group.slack is None and not group.members:
            yield Finding(where=where, said='has neither members = ["…"] nor slack = "S…", so nobody is in it')
        elif group.name in needed and not group.members and group.slack and rosters.get(group.slack) == frozenset():
            yield Finding(
                where=where, said=f"is needed by a quorum, and nobody is in {group.slack}; add people to it in Slack"
            )


def _clause(
    clause: Clause, subjects: Collection[str], offered: Sequence[Decidable], *, grant: bool
) -> Iterator[Finding]:
    wide = clause.verbs & _SUBJECT_WIDE
    if not _reaches_anything(clause, subjects, offered):
        yield _fits_nothing(clause.name, clause.scope, offered)
    elif wide and not clause.scope.covers_subject(clause.scope.subject):
        yield _too_narrow(clause, wide, grant=grant)


def _reaches_anything(clause: Clause, subjects: Collection[str], offered: Sequence[Decidable]) -> bool:
    if clause.verbs & _ABOUT_ACTIONS:
        return _fits(clause.scope, offered)
    return any(clause.scope.touches_subject(subject) for subject in subjects)


def _quorums(grants: Grants, offered: Sequence[Decidable]) -> Iterator[Finding]:
    for number, quorum in enumerate(grants.quorums, start=1):
        if not _fits(quorum.scope, offered):
            yield _fits_nothing(f"[[quorums]] {number}", quorum.scope, offered)


def _unattended(rule: UnattendedRule, electorate: _Electorate, offered: Sequence[Decidable]) -> Iterator[Finding]:
    where = f"[[unattended]] {rule.name}"
    low = [one for one in offered if rule.scope.covers(one.subject, one.action_name, one.risk)]
    above = [one for one in offered if rule.scope.covers(one.subject, one.action_name, Risk.LOW) and one not in low]
    if above:
        names = ", ".join(sorted(f"{one.action_name} ({one.risk.value})" for one in above))
        said = "approves low risk alone, so people still have to approve"
        yield Finding(where=where, said=f"{said}: {names}. Name only actions of low risk")
    elif not low:
        yield _fits_nothing(where, rule.scope, offered)
    elif all(electorate.quorum(one).people for one in low):
        yield Finding(where=where, said="approves nothing: for all that it fits, a [[quorums]] asks people; remove one")


def _fits(scope: Scope, offered: Sequence[Decidable]) -> bool:
    return any(scope.covers(action.subject, action.action_name, action.risk) for action in offered)


def _fits_nothing(where: str, scope: Scope, offered: Sequence[Decidable]) -> Finding:
    risks = ", ".join(risk.value for risk in Risk if risk in scope.risks)
    known = ", ".join(sorted(f"{action.action_name} ({action.risk.value})" for action in offered)) or "none"
    return Finding(
        where=where,
        said=f"fits no action: subject {scope.subject}, action {scope.action}, risk {risks}. There are: {known}",
    )


def _too_narrow(clause: Clause, verbs: Collection[Verb], *, grant: bool) -> Finding:
    words = " and ".join(sorted(verb.value for verb in verbs))
    follows = "so it grants nothing of that" if grant else "so it denies that for all of the subject"
    return Finding(
        where=clause.name,
        said=f"{words} is about a whole subject and not about some of its actions or risks, {follows}; "
        "name the subject alone, in a clause of its own",
    )


def _decisions(electorate: _Electorate, offered: Sequence[Decidable]) -> Iterator[Finding]:
    grants = electorate.grants
    if not grants.verbs.get(Verb.APPROVE) and all(Verb.APPROVE not in clause.verbs for clause in grants.granted):
        yield Finding(where=_APPROVERS, said='nobody may approve anything; set [approvers] approve = ["…"]')
        return
    stuck: dict[str, list[str]] = {}
    for case in offered:
        for why in _why_stuck(electorate, case):
            stuck.setdefault(why, []).append(case.action_name)
    for why, names in stuck.items():
        yield Finding(where=_APPROVERS, said=f"{why}. It can never run: {', '.join(sorted(names))}")


def _why_stuck(electorate: _Electorate, case: Decidable) -> Iterator[str]:
    lacking, risk = electorate.lacking(case), case.risk.value
    if lacking.people:
        may = sorted(electorate.those_who_may(Verb.APPROVE, case).people)
        needed = electorate.quorum(case).people
        people = "1 person" if needed == 1 else f"{needed} people"
        who = f"only {len(may)} may approve it ({', '.join(may)})" if may else "nobody may approve it"
        yield f"{risk} risk needs {people}, and {who}; name more people, or ask for fewer"
    if lacking.groups:
        groups = " and ".join(lacking.groups)
        yield f"{risk} risk needs somebody in {groups}, and nobody in there may approve it; grant it to the group"


def _stops(electorate: _Electorate) -> Iterator[Finding]:
    if not electorate.uses_slack:
        return
    for verb, what in ((Verb.KILL, "throw the kill switch"), (Verb.SET_MODE, "switch to execute")):
        if not electorate.those_who_may(verb, None, via={Via.SLACK}).people:
            yield Finding(where=_APPROVERS, said=f"nobody may {what} from Slack; list somebody in {verb.value}")


def _lifts(electorate: _Electorate, need: int) -> Iterator[Finding]:
    able = electorate.those_who_may(Verb.SET_MODE, None)
    if 0 < len(able.people) < need and not able.any_number:
        names = ", ".join(sorted(able.people))
        said = f"{need} people must ask for mode execute, and only {len(able.people)} may ({names})"
        yield Finding(
            where="[limits] lift_people",
            said=f"{said}: what is stopped stays so. Name more people in [approvers] set_mode, or ask for fewer",
        )


def _ways_back(electorate: _Electorate, offered: Sequence[Decidable]) -> Iterator[Finding]:
    bound: dict[str, list[str]] = {}
    for case in offered:
        may_approve = electorate.those_who_may(Verb.APPROVE, case, via={Via.SLACK}).people
        for name in may_approve - electorate.those_who_may(Verb.CANCEL, case, via={Via.SLACK}).people:
            bound.setdefault(name, []).append(case.action_name)
    for name, actions in sorted(bound.items()):
        said = f"{name} may approve but not cancel; whoever lets something begin should be able to stop it"
        yield Finding(where=_APPROVERS, said=f"{said}. Add cancel for: {', '.join(sorted(actions))}")


def _shut(
    window: ScopedWindow, freezes: tuple[ScopedWindow, ...], offered: Sequence[Decidable], at: datetime
) -> Iterator[Finding]:
    where = f"[[maintenance]] {window.name}"
    following = next(window.periods(at), None)
    if following is None or following.starts > at + LOOKED_AHEAD:
        yield Finding(where=where, said="does not open within a year; correct its time, or remove it")
        return
    shut: dict[str, list[str]] = {}
    for case in offered:
        if fitting((window,), case):
            opening = first_opening(at, freezes=fitting(freezes, case), maintenance=(window,))
            if opening.starts is None:
                shut.setdefault(opening.why, []).append(case.action_name)
    for why, names in shut.items():
        said = f"never opens for {', '.join(sorted(names))}, because it lies within a freeze ({why})"
        yield Finding(where=where, said=f"{said}; move it, or make the freeze shorter")
