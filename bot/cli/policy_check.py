"""`operator policy check`: whether the rules make sense, why somebody may or may not, and when it could run."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import typer

from actions.calendar import Calendar, Opening
from actions.lifecycle import APPROVED, COMPLETED, FAILED, PENDING, PROPOSED, TERMINAL, UNKNOWN, VALIDATED
from actions.limits import Limits
from actions.models import ActionProposal, ActionStatus, Actor, ActorKind, Review, Risk, SafetyMode, Verb, Via
from actions.policy import ConfiguredPolicy, Missing, missing
from actions.ports import Decidable, Decision, Dossier, KillFiles, Quorum, Reader, Standing
from actions.safety import effective, is_of_earlier_epoch, is_overdue
from bot.cli.look import dossier_of
from bot.cli.output import clean, literal, print_json, print_table, say
from bot.cli.policy_facts import People, offered, people
from bot.local_directory import MEMBER
from bot.policy_lint import Case, Finding, Rosters, lint, lint_windows
from bot.reach import build_calendar, build_kill_files, build_limits, build_policy, reading
from bot.settings import Settings, load
from bot.settings_problems import did_you_mean
from bot.system import SystemClock
from bot.unattended import approval_by_rule
from bot.views.times import moment

_ABOUT_A_SUBJECT: Final = frozenset({Verb.KILL, Verb.SET_MODE})
_STATUSES: Final[Mapping[Verb, Collection[ActionStatus]]] = {
    Verb.APPROVE: {VALIDATED},
    Verb.CANCEL: PENDING,
    Verb.RESOLVE: {UNKNOWN},
    Verb.PROPOSE: {COMPLETED, FAILED},
    Verb.EDIT: {PROPOSED, VALIDATED},
    Verb.BREAK_GLASS: {VALIDATED, APPROVED},
    Verb.ABORT: {APPROVED},
}
"""Where something has to stand for it; proposing is trying again, or taking back what was done."""
_NEED_LIVE: Final = frozenset({Verb.APPROVE, Verb.EDIT, Verb.BREAK_GLASS})
_VIA: Final = {ActorKind.SLACK: Via.SLACK, ActorKind.CLI: Via.CLI}
_NOT_ASKED: Final = "not known here: SLACK_BOT_TOKEN is not set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: whether a person may do something."""

    person: str
    verb: Verb
    proposal_id: int | None = None
    subject: str | None = None
    action: str | None = None
    risk: Risk | None = None
    supposed: frozenset[str] = frozenset()
    """Names of groups of which it is supposed that the person is in their Slack user group."""

    @classmethod
    def asked(
        cls,
        *,
        person: str,
        verb: str,
        proposal_id: int | None,
        subject: str | None,
        action: str | None,
        risk: str | None,
        supposed: Collection[str],
    ) -> Self:
        """Read what was typed, or raise `typer.BadParameter`."""
        made = cls(
            person=person,
            verb=_one_of(verb, list(Verb), "verb"),
            proposal_id=proposal_id,
            subject=subject,
            action=action,
            risk=None if risk is None else _one_of(risk, list(Risk), "risk"),
            supposed=frozenset(supposed),
        )
        if proposal_id is not None and (subject or action or risk or made.verb in _ABOUT_A_SUBJECT):
            raise typer.BadParameter(
                "an action's number says everything about it: leave --subject, --action and "
                "--risk out, and do not ask for kill or set_mode"
            )
        if made.verb in _ABOUT_A_SUBJECT and (action or risk):
            raise typer.BadParameter(f"{made.verb.value} is about a subject or everything: give at most --subject")
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One identity of a person, and what the policy says to it."""

    actor: Actor
    decision: Decision
    account: str
    """What is known of the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the policy says of one action, or of a subject."""

    about: str
    ways: tuple[Way, ...]
    who_may: tuple[str, ...]
    quorum: Quorum | None = None
    lacking: Missing | None = None
    """What a stored proposal still needs."""
    opening: Opening | None = None
    """When it could run, were it approved now."""
    approved_by: tuple[str, ...] = ()
    in_the_way: tuple[str, ...] = ()
    """What else keeps it from being done now."""

    @property
    def allowed(self) -> bool:
        """Whether the person may, by at least one of their identities, and now."""
        return not self.in_the_way and any(way.decision.allowed for way in self.ways)


async def check_everything(*, as_json: bool) -> int:
    """Print everything that is wrong with the policy."""
    settings = load()
    async with people(settings) as known:
        findings = await findings_in(settings, known.rosters)
    unknown = sorted(settings.slack_groups - known.rosters.keys())
    if as_json:
        listed = [{"where": one.where, "said": one.said} for one in findings]
        print_json({"findings": listed, "slack_groups_not_known": unknown})
    else:
        _tell_findings(findings, unknown)
    return 1 if findings else 0


async def findings_in(settings: Settings, rosters: Rosters) -> list[Finding]:
    """Return what is wrong with the policy of these settings. Raises `ConfigurationError`."""
    there = await offered(settings)
    return [
        *lint(
            settings.allowed(),
            subjects=settings.subjects,
            offered=there,
            rosters=rosters,
            lift_people=settings.limits.lift_people,
        ),
        *lint_windows(build_calendar(settings), offered=there, at=SystemClock().now()),
    ]


async def explain(question: Question, *, as_json: bool) -> int:
    """Print what the policy says of a person, by which rule, and what is in the way."""
    settings = load()
    identities = _identities(settings, question.person)
    supposed = _supposed(settings, question.supposed)
    async with people(settings) as known:
        asked = [(actor, *await _standing(known, actor, supposed)) for actor in identities]
    court = _Court(
        policy=build_policy(settings),
        calendar=build_calendar(settings),
        verb=question.verb,
        identities=tuple(asked),
    )
    answers = [
        *([await _about_stored(settings, court, question.proposal_id)] if question.proposal_id else ()),
        *(() if question.proposal_id else await _about_thought_of(settings, court, question)),
    ]
    if as_json:
        print_json([_answer_json(question, answer) for answer in answers])
    elif len(answers) == 1:
        _tell(question, answers[0])
    else:
        print_table(("", "ABOUT", "BY"), [_row(answer) for answer in answers])
    return 0 if all(answer.allowed for answer in answers) else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Court:
    policy: ConfiguredPolicy
    calendar: Calendar
    verb: Verb
    identities: tuple[tuple[Actor, Standing, str], ...]

    def ways(self, case: Decidable | None, subject: str | None = None) -> tuple[Way, ...]:
        return tuple(
            Way(
                actor=actor,
                decision=self.policy.authorize(actor, self.verb, case, standing, via=_VIA[actor.kind], subject=subject),
                account=account,
            )
            for actor, standing, account in self.identities
        )

    def quorum(self, case: Decidable) -> Quorum | None:
        if self.verb is not Verb.APPROVE:
            return None
        return self.policy.quorum(subject=case.subject, action_name=case.action_name, risk=case.risk)

    def opening(self, case: Decidable) -> Opening | None:
        return self.calendar.opening(case, SystemClock().now()) if self.verb is Verb.APPROVE else None


async def _about_stored(settings: Settings, court: _Court, proposal_id: int) -> Answer:
    kill_files, limits = build_kill_files(settings), build_limits(settings)
    async with reading(settings) as store:
        dossier = await dossier_of(store, proposal_id)
        in_the_way = await store.read(lambda reader: list(_in_the_way(reader, court.verb, dossier, kill_files, limits)))
    proposal = dossier.proposal
    ways, quorum = court.ways(proposal), court.quorum(proposal)
    in_the_way.extend(_done_before(court.verb, dossier, {way.decision.person for way in ways}))
    return Answer(
        about=f"action {proposal.id}, {proposal.action_name} on {proposal.target_key}, {proposal.risk.value} risk",
        ways=ways,
        who_may=court.policy.who_may(court.verb, proposal),
        quorum=quorum,
        lacking=None if quorum is None else missing(proposal, quorum, dossier.approvals),
        opening=court.opening(proposal),
        approved_by=tuple(_approvers(dossier)),
        in_the_way=tuple(in_the_way),
    )


async def _about_thought_of(settings: Settings, court: _Court, question: Question) -> list[Answer]:
    if question.verb in _ABOUT_A_SUBJECT:
        return [
            Answer(
                about=f"subject {question.subject}" if question.subject else "everything",
                ways=court.ways(None, question.subject),
                who_may=court.policy.who_may(court.verb, subject=question.subject),
            )
        ]
    return [
        Answer(
            about=f"{case.action_name} of {case.subject}, {case.risk.value} risk",
            ways=court.ways(case),
            who_may=court.policy.who_may(court.verb, case),
            quorum=court.quorum(case),
            opening=court.opening(case),
        )
        for case in _meant(await offered(settings), question)
    ]


def _meant(offered: Sequence[Case], question: Question) -> list[Case]:
    found = [
        case
        for case in offered
        if question.subject in {None, case.subject}
        and question.action in {None, case.action_name}
        and question.risk in {None, case.risk}
    ]
    if found:
        return found
    if question.subject and question.action and question.risk:
        return [Case(subject=question.subject, action_name=question.action, risk=question.risk)]
    known = did_you_mean(question.action or "", {case.action_name for case in offered})
    raise typer.BadParameter(
        f"no action is offered that fits. {known} For one that is not offered, give --subject, --action and --risk."
    )


def _in_the_way(reader: Reader, verb: Verb, dossier: Dossier, kill_files: KillFiles, limits: Limits) -> Iterator[str]:
    proposal = dossier.proposal
    if verb is Verb.REVIEW:
        yield from _no_review(dossier.review, proposal)
    elif proposal.status not in _STATUSES[verb]:
        yield f"it is {proposal.status.value}"
    elif verb in _NEED_LIVE:
        yield from _not_live(reader, proposal, kill_files)
        limit = limits.refuse_run(reader, proposal, SystemClock().now()) if verb is Verb.APPROVE else None
        yield from () if limit is None else (str(limit),)


def _no_review(review: Review | None, proposal: ActionProposal) -> Iterator[str]:
    if review is None:
        yield "nobody broke the glass for it"
    elif review.closed_at is not None:
        yield f"its review was closed by {review.closed_by}"
    elif proposal.status not in TERMINAL:
        yield f"it is {proposal.status.value}, and has not ended"


def _not_live(reader: Reader, proposal: ActionProposal, kill_files: KillFiles) -> Iterator[str]:
    deciding = effective(reader, proposal.subject)
    if deciding.mode is not SafetyMode.EXECUTE:
        yield f"the mode is observe, set by {deciding.changed_by}"
    elif is_of_earlier_epoch(proposal, reader.control("*"), reader.control(proposal.subject)):
        yield "it was proposed before the last stop"
    yield from (f"this host is held back by {held}" for held in kill_files.present(proposal.subject))
    if is_overdue(proposal, SystemClock().now()):
        yield "its time is over"


def _done_before(verb: Verb, dossier: Dossier, people: Collection[str]) -> Iterator[str]:
    if verb is Verb.APPROVE and any(approval.person in people for approval in dossier.approvals):
        yield "this person has approved it already, and counts once"
    if verb is Verb.REVIEW and dossier.review is not None and dossier.review.person in people:
        yield "this person broke the glass, and someone else has to close the review"


def _approvers(dossier: Dossier) -> Iterator[str]:
    by_rule = approval_by_rule(dossier)
    yield from () if by_rule is None else (by_rule.actor,)
    yield from (one.person for one in dossier.approvals if one.params_hash == dossier.proposal.params_hash)


def _identities(settings: Settings, person: str) -> list[Actor]:
    known = settings.people.get(person)
    if known is not None:
        return [
            *(Actor(ActorKind.SLACK, identity) for identity in known.slack),
            *(Actor.cli(login, "this-host") for login in known.cli),
        ]
    try:
        actor = Actor.parse(person)
    except ValueError:
        actor = None
    if actor is None or actor.kind not in _VIA:
        raise typer.BadParameter(
            f"{person!r} is neither in [people] nor an identity such as slack:T0123/U0456 or cli:ann@db-1. "
            f"{did_you_mean(person, settings.people)}"
        )
    return [actor]


def _supposed(settings: Settings, names: Collection[str]) -> frozenset[str]:
    found = set()
    for name in sorted(names):
        group = settings.groups.get(name)
        if group is None or group.slack is None:
            raise typer.BadParameter(
                f"--in-group {name}: there is no [groups.{name}] with a Slack user group; people in members need no "
                f"supposing. {did_you_mean(name, [one for one, at in settings.groups.items() if at.slack])}"
            )
        found.add(group.slack)
    return frozenset(found)


async def _standing(known: People, actor: Actor, supposed: frozenset[str]) -> tuple[Standing, str]:
    if actor.kind is ActorKind.CLI:
        return MEMBER, "whoever can be the bot's user on this host"
    if known.directory is None:
        standing = replace(MEMBER, groups=supposed or None)
        return standing, f"supposed to be an active full member ({_NOT_ASKED})"
    standing = await known.directory.standing(actor)
    if supposed:
        standing = replace(standing, groups=supposed)
    return standing, standing.problem or "an active full member, as Slack says"


def _one_of(word: str, known: Sequence[Any], what: str) -> Any:
    try:
        return next(one for one in known if one.value == word.lower())
    except StopIteration:
        there = ", ".join(one.value for one in known)
        raise typer.BadParameter(f"there is no {what} {word!r}; there are: {there}") from None


def _tell_findings(findings: Sequence[Finding], unknown: Sequence[str]) -> None:
    for finding in findings:
        say(f"{clean(finding.where)}  {clean(finding.said)}")
    if not findings:
        say("Nothing is wrong with who may do what and when.")
    if unknown:
        say(f"Who is in {', '.join(unknown)} is {_NOT_ASKED}, or Slack did not say.")


def _tell(question: Question, answer: Answer) -> None:
    may = "may" if answer.allowed else "may not"
    say(f"{literal(question.person)} {may} {question.verb.value}: {clean(answer.about)}")
    for way in answer.ways:
        said = "allowed" if way.decision.allowed else clean(way.decision.reason)
        say(f"  as {literal(str(way.actor))}: {said}")
        say(f"    rule     {clean(way.decision.rule)}")
        say(f"    account  {clean(way.account)}")
        say(f"    groups   {', '.join(sorted(way.decision.groups)) or 'none that is known'}")
    if not answer.ways:
        say("  No identity is listed under this name, so nobody can act under it.")
    for obstacle in answer.in_the_way:
        say(f"  In the way: {clean(obstacle)}")
    say(f"Who may   {', '.join(answer.who_may) or 'nobody'}, unless a denial or their account says otherwise")
    for row in _quorum_rows(answer):
        say(row)


def _quorum_rows(answer: Answer) -> Iterator[str]:
    if answer.quorum is not None:
        yield f"Needs     {_needed(answer.quorum, left_to_people=bool(answer.lacking))}"
    if answer.lacking is not None:
        yield f"Given by  {', '.join(map(literal, answer.approved_by)) or 'nobody yet'}"
        yield f"Missing   {answer.lacking.in_words() if answer.lacking else 'nothing'}"
    if answer.opening is not None:
        yield f"Runs      {_opening_in_words(answer.opening)}"


def _needed(quorum: Quorum, *, left_to_people: bool) -> str:
    if quorum.rule and not left_to_people:
        return f"nobody: [[unattended]] {literal(quorum.rule)} approves it"
    needed = max(1, quorum.people)
    among = f", among them somebody in {' and in '.join(sorted(quorum.needs))}" if quorum.needs else ""
    return f"{needed} {'person' if needed == 1 else 'people'}{among}"


def _opening_in_words(opening: Opening) -> str:
    if opening.starts is None:
        return f"never: {opening.why}"
    return f"{moment(opening.starts)}, because of: {opening.why}" if opening.why else "at once when approved"


def _row(answer: Answer) -> tuple[str, str, str]:
    deciding = next((way for way in answer.ways if way.decision.allowed), next(iter(answer.ways), None))
    by = "no identity" if deciding is None else f"{deciding.decision.rule} ({deciding.actor})"
    return ("allowed" if answer.allowed else "REFUSED", clean(answer.about), clean(by))


def _answer_json(question: Question, answer: Answer) -> Mapping[str, Any]:
    return {
        "person": question.person,
        "verb": question.verb.value,
        "about": answer.about,
        "allowed": answer.allowed,
        "ways": [
            {
                "actor": str(way.actor),
                "allowed": way.decision.allowed,
                "reason": way.decision.reason,
                "rule": way.decision.rule,
                "account": way.account,
                "groups": sorted(way.decision.groups),
            }
            for way in answer.ways
        ],
        "who_may": answer.who_may,
        "quorum": answer.quorum
        and {"people": answer.quorum.people, "needs": sorted(answer.quorum.needs), "rule": answer.quorum.rule or None},
        "missing": None
        if answer.lacking is None
        else {"people": answer.lacking.people, "needs": answer.lacking.groups},
        "runs": answer.opening and {"at": answer.opening.starts, "why": answer.opening.why},
        "approved_by": answer.approved_by,
        "in_the_way": answer.in_the_way,
    }
