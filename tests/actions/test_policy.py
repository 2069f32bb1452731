"""Who may do what, held against a table written by hand."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from actions.models import Actor, ActorKind, Approval, Risk, Verb, Via
from actions.policy import (
    DEFAULT_APPROVALS,
    HTTP_ADMIN,
    Clause,
    ConfiguredPolicy,
    Grants,
    Group,
    Person,
    QuorumClause,
    Scope,
    UnattendedRule,
    missing,
)
from actions.ports import Quorum, Standing
from tests.factories import START, a_proposal

ANN = Person(name="ann", slack=frozenset({"T1/UANN", "E1/WANN"}), cli=frozenset({"ann", "ann-admin"}))
BO = Person(name="bo", slack=frozenset({"T1/UBO"}), cli=frozenset({"bo"}))
CY = Person(name="cy", slack=frozenset({"T1/UCY"}), cli=frozenset({"cy"}))
"""Known, and allowed nothing."""
GRANTS = Grants(people=(ANN, BO, CY), verbs=dict.fromkeys(Verb, frozenset({"ann", "bo"})), approvals=DEFAULT_APPROVALS)
POLICY = ConfiguredPolicy(GRANTS)
EMPTY = ConfiguredPolicy(replace(GRANTS, verbs={}))
NOBODY = ConfiguredPolicy(replace(GRANTS, verbs=dict.fromkeys(Verb, frozenset[str]())))

WELL = Standing(active=True, full_member=True)
GUEST = Standing(active=True, full_member=False, problem="you are a guest in this workspace")
GONE = Standing(active=False, full_member=False, problem="your account is deactivated")
UNKNOWN = Standing(active=False, full_member=False)

SLACK_ANN = Actor.slack("T1", "UANN")
CLI_ANN = Actor.cli("ann", "db-1")
MACHINES = (
    Actor(ActorKind.AGENT, "rules"),
    Actor(ActorKind.HTTP, "grafana"),
    Actor(ActorKind.POLICY, "auto"),
    Actor.system("sweeper"),
)
VIA = {ActorKind.SLACK: Via.SLACK, ActorKind.CLI: Via.CLI}


def may(
    policy: ConfiguredPolicy,
    actor: Actor,
    verb: Verb,
    *,
    standing: Standing = WELL,
    risk: Risk = Risk.LOW,
    proposer: str = "agent:rules",
    via: Via | None = None,
) -> bool:
    proposal = a_proposal(risk=risk, proposed_by=proposer, subject="rack", action_name="rack.touch")
    by = via or VIA.get(actor.kind, Via.SYSTEM)
    return policy.authorize(actor, verb, proposal, standing, via=by).allowed


def test_the_table_for_those_who_are_listed_and_those_who_are_not() -> None:
    # (listed in Slack, unlisted in Slack, listed on the command line, unlisted on the command line)
    table = {
        Verb.APPROVE: (True, False, True, False),
        Verb.CANCEL: (True, False, True, True),
        Verb.KILL: (True, False, True, True),
        Verb.SET_MODE: (True, False, True, False),
        Verb.RESOLVE: (True, False, True, False),
        Verb.PROPOSE: (True, False, True, False),
        Verb.EDIT: (True, False, True, False),
        Verb.BREAK_GLASS: (True, False, True, False),
        Verb.REVIEW: (True, False, True, False),
        Verb.ABORT: (True, True, True, True),
    }
    actors = (SLACK_ANN, Actor.slack("T1", "UCY"), CLI_ANN, Actor.cli("cy", "db-1"))

    assert table == {verb: tuple(may(POLICY, actor, verb) for actor in actors) for verb in Verb}


@pytest.mark.parametrize("policy", [EMPTY, NOBODY], ids=["no list", "empty list"])
@pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.ABORT])
def test_an_empty_list_means_nobody(policy: ConfiguredPolicy, verb: Verb) -> None:
    assert not may(policy, SLACK_ANN, verb)
    assert may(policy, CLI_ANN, verb) == (verb in {Verb.KILL, Verb.CANCEL})
    decision = policy.authorize(SLACK_ANN, verb, a_proposal(), WELL, via=Via.SLACK)
    assert "nobody: the list in [approvers] is empty" in decision.reason


@pytest.mark.parametrize(("actor", "verb", "via"), list(product(MACHINES, Verb, Via)), ids=str)
def test_no_machine_decides_anything(actor: Actor, verb: Verb, via: Via) -> None:
    named = replace(GRANTS, verbs=dict.fromkeys(Verb, frozenset({"ann", str(actor), actor.name})))

    assert not may(POLICY, actor, verb, via=via)
    assert not may(ConfiguredPolicy(named), actor, verb, via=via)


@pytest.mark.parametrize(("verb", "via"), list(product(Verb, Via)), ids=str)
@pytest.mark.parametrize("policy", [POLICY, EMPTY], ids=["lists", "no list"])
def test_whoever_holds_the_admin_token_stops_over_http_and_does_nothing_else(
    policy: ConfiguredPolicy, verb: Verb, via: Via
) -> None:
    for subject in (None, "rack"):
        decision = policy.authorize(HTTP_ADMIN, verb, None, GONE, via=via, subject=subject)
        assert decision.allowed is ((verb, via) == (Verb.KILL, Via.HTTP))


@pytest.mark.parametrize("actor", [Actor(ActorKind.HTTP, "Admin"), Actor(ActorKind.AGENT, "admin")], ids=str)
def test_nothing_else_passes_for_whoever_holds_the_admin_token(actor: Actor) -> None:
    assert not may(POLICY, actor, Verb.KILL, via=Via.HTTP)


@pytest.mark.parametrize("standing", [GUEST, GONE, UNKNOWN], ids=["guest", "gone", "unknown"])
@pytest.mark.parametrize(("actor", "verb"), list(product((SLACK_ANN, CLI_ANN), Verb)), ids=str)
def test_only_active_full_members_may_anything(actor: Actor, verb: Verb, standing: Standing) -> None:
    decision = POLICY.authorize(actor, verb, a_proposal(), standing, via=VIA[actor.kind])

    assert not decision.allowed
    assert (standing.problem or "could not be checked") in decision.reason


@pytest.mark.parametrize(
    "actor",
    [
        Actor.slack("T2", "UANN"),
        Actor.slack("T1", "uann"),
        Actor.slack("T1", "UANNX"),
        Actor.slack("", "T1/UANN"),
        Actor(ActorKind.SLACK, "UANN"),
        Actor(ActorKind.SLACK, "ann"),
        Actor(ActorKind.CLI, "Ann@db-1"),
        Actor(ActorKind.CLI, "T1/UANN@db-1"),
        Actor(ActorKind.CLI, "@ann"),
    ],
    ids=str,
)
def test_nobody_becomes_someone_else_by_a_similar_name(actor: Actor) -> None:
    assert POLICY.person(str(actor)) == str(actor)
    assert not may(POLICY, actor, Verb.APPROVE)


def test_the_identities_of_one_person_are_one_person() -> None:
    identities = (SLACK_ANN, Actor.slack("E1", "WANN"), CLI_ANN, Actor.cli("ann-admin", "db-2"))

    assert {POLICY.person(str(actor)) for actor in identities} == {"ann"}
    decisions = [POLICY.authorize(a, Verb.APPROVE, a_proposal(), WELL, via=VIA[a.kind]) for a in identities]
    assert {(decision.allowed, decision.person) for decision in decisions} == {(True, "ann")}


@pytest.mark.parametrize("proposer", ["slack:T1/UANN", "slack:E1/WANN", "cli:ann@db-9"])
def test_nobody_approves_their_own_proposal_by_any_identity(proposer: str) -> None:
    for actor in (SLACK_ANN, CLI_ANN):
        assert not may(POLICY, actor, Verb.APPROVE, proposer=proposer)
        assert all(may(POLICY, actor, verb, proposer=proposer) for verb in Verb if verb is not Verb.APPROVE)
    assert may(POLICY, Actor.slack("T1", "UBO"), Verb.APPROVE, proposer=proposer)


@pytest.mark.parametrize("risk", Risk)
@pytest.mark.parametrize("allowed", [False, True])
def test_high_risk_is_not_approved_from_the_command_line_unless_configured(risk: Risk, allowed: bool) -> None:
    policy = ConfiguredPolicy(replace(GRANTS, high_risk_from_cli=allowed))

    assert may(policy, SLACK_ANN, Verb.APPROVE, risk=risk)
    assert may(policy, CLI_ANN, Verb.APPROVE, risk=risk) == (allowed or risk is not Risk.HIGH)
    assert all(may(policy, CLI_ANN, verb, risk=risk) for verb in Verb if verb is not Verb.APPROVE)


def test_a_refusal_names_those_who_may() -> None:
    decision = POLICY.authorize(Actor.slack("T1", "UCY"), Verb.SET_MODE, None, WELL, via=Via.SLACK)

    assert (decision.allowed, decision.person) == (False, "cy")
    assert decision.reason == "You may not switch to execute. Those who may: ann, bo."
    assert POLICY.who_may(Verb.SET_MODE) == ("ann", "bo")


def test_nothing_needs_fewer_than_one_approval() -> None:
    policy = ConfiguredPolicy(replace(GRANTS, approvals={Risk.LOW: 0, Risk.MEDIUM: -1, Risk.HIGH: 3}))

    assert [quorum(policy, risk).people for risk in Risk] == [1, 1, 3]
    assert [quorum(POLICY, risk).people for risk in Risk] == [1, 1, 2]


DBA = Group(name="dba", members=frozenset({"cy"}), slack="S1DBA")
SRE = Group(name="sre", slack="S2SRE")
IN_SRE = replace(WELL, groups=frozenset({"S2SRE"}))
IN_BOTH = replace(WELL, groups=frozenset({"S1DBA", "S2SRE"}))
IN_NONE = replace(WELL, groups=frozenset[str]())
STRANGER = Actor.slack("T1", "UNEW")
"""In no list of people."""


def quorum(policy: ConfiguredPolicy, risk: Risk, *, action: str = "rack.touch") -> Quorum:
    return policy.quorum(subject="rack", action_name=action, risk=risk)


def clause(*who: str, verbs: frozenset[Verb] = frozenset({Verb.APPROVE}), **scope: Any) -> Clause:
    return Clause(name="[[denials]] 1", who=frozenset(who), verbs=verbs, scope=Scope(**scope))


def with_groups(**over: Any) -> ConfiguredPolicy:
    return ConfiguredPolicy(replace(GRANTS, groups=(DBA, SRE), **over))


class TestGroups:
    @pytest.mark.parametrize(
        ("actor", "standing", "allowed"),
        [
            (STRANGER, IN_SRE, True),
            (STRANGER, IN_NONE, False),
            (STRANGER, WELL, False),
            (SLACK_ANN, IN_NONE, True),
            (Actor.slack("T1", "UCY"), IN_NONE, False),
        ],
    )
    def test_members_of_a_slack_group_may_what_the_group_may(
        self, actor: Actor, standing: Standing, allowed: bool
    ) -> None:
        policy = with_groups(granted=(clause("group:sre"),))

        assert may(policy, actor, Verb.APPROVE, standing=standing) == allowed
        assert not may(policy, actor, Verb.RESOLVE, standing=standing) or actor == SLACK_ANN

    def test_a_group_that_cannot_be_looked_up_lets_nobody_in_and_says_so(self) -> None:
        decision = with_groups(granted=(clause("group:sre"),)).authorize(
            STRANGER, Verb.APPROVE, a_proposal(), WELL, via=Via.SLACK
        )

        assert "Those who may: ann, bo, everyone in sre." in decision.reason
        assert "could not be found out" in decision.reason

    def test_people_listed_in_a_group_need_no_slack(self) -> None:
        policy = with_groups(granted=(clause("group:dba"),))

        assert may(policy, Actor.cli("cy", "db-1"), Verb.APPROVE, standing=WELL)

    def test_whoever_is_denied_by_a_group_does_not_get_by_where_it_cannot_be_looked_up(self) -> None:
        policy = with_groups(denied=(clause("group:sre"),))

        assert not may(policy, SLACK_ANN, Verb.APPROVE, standing=IN_SRE)
        assert may(policy, SLACK_ANN, Verb.APPROVE, standing=IN_NONE)
        assert not may(policy, CLI_ANN, Verb.APPROVE, standing=WELL)

    def test_nobody_is_kept_from_stopping_by_a_denial_on_this_machine(self) -> None:
        everything = frozenset(Verb)
        policy = with_groups(denied=(clause("ann", "group:sre", verbs=everything),))

        assert {verb for verb in Verb if may(policy, CLI_ANN, verb)} == {Verb.CANCEL, Verb.KILL, Verb.ABORT}
        assert {verb for verb in Verb if may(policy, SLACK_ANN, verb, standing=IN_NONE)} == {Verb.ABORT}


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "allowed"),
        [
            ({}, True),
            ({"subject": "rack"}, True),
            ({"subject": "ra*"}, True),
            ({"subject": "shelf"}, False),
            ({"action": "rack.*"}, True),
            ({"action": "rack.t?uch"}, True),
            ({"action": "rack.t"}, False),
            ({"action": "touch"}, False),
            ({"risks": frozenset({Risk.LOW})}, True),
            ({"risks": frozenset({Risk.HIGH})}, False),
        ],
        ids=str,
    )
    def test_a_grant_and_a_denial_reach_as_far_as_they_say(self, scope: dict[str, Any], allowed: bool) -> None:
        cy, granted, denied = Actor.slack("T1", "UCY"), clause("cy", **scope), clause("ann", **scope)

        assert may(with_groups(granted=(granted,)), cy, Verb.APPROVE) == allowed
        assert may(with_groups(denied=(denied,)), SLACK_ANN, Verb.APPROVE) != allowed

    def test_a_denial_stands_above_every_grant(self) -> None:
        policy = with_groups(granted=(clause("ann"),), denied=(clause("ann"),))
        decision = policy.authorize(SLACK_ANN, Verb.APPROVE, a_proposal(), IN_NONE, via=Via.SLACK)

        assert decision.reason == "You may not approve this: [[denials]] 1 says so."

    def test_whoever_may_stop_one_subject_may_not_stop_everything(self) -> None:
        policy = with_groups(granted=(clause("cy", verbs=frozenset({Verb.KILL}), subject="rack"),), verbs={})
        cy = Actor.slack("T1", "UCY")

        def may_kill(subject: str | None) -> bool:
            return policy.authorize(cy, Verb.KILL, None, IN_NONE, via=Via.SLACK, subject=subject).allowed

        assert (may_kill("rack"), may_kill("shelf"), may_kill(None)) == (True, False, False)

    def test_whoever_is_denied_one_subject_cannot_start_everything(self) -> None:
        policy = with_groups(denied=(clause("ann", verbs=frozenset({Verb.SET_MODE}), subject="rack"),))

        def may_start(subject: str | None) -> bool:
            return policy.authorize(SLACK_ANN, Verb.SET_MODE, None, IN_NONE, via=Via.SLACK, subject=subject).allowed

        assert (may_start("shelf"), may_start("rack"), may_start(None)) == (True, False, False)


class TestQuorum:
    def test_of_several_clauses_the_strictest_counts(self) -> None:
        policy = with_groups(
            quorums=(
                QuorumClause(people=2, scope=Scope(subject="rack")),
                QuorumClause(people=3, scope=Scope(action="rack.crush")),
                QuorumClause(needs=frozenset({"dba"}), scope=Scope(risks=frozenset({Risk.LOW}))),
            )
        )

        assert quorum(policy, Risk.LOW) == Quorum(people=2, needs=frozenset({"dba"}))
        assert quorum(policy, Risk.MEDIUM, action="rack.crush") == Quorum(people=3)
        assert policy.quorum(subject="shelf", action_name="shelf.dust", risk=Risk.HIGH) == Quorum(people=2)

    @pytest.mark.parametrize(
        ("given", "lacking"),
        [
            ([], "2 more approvals, among them one by somebody in dba and one by somebody in sre"),
            ([("ann", ("dba", "sre"))], "1 more approval"),
            ([("ann", ()), ("bo", ())], "an approval by somebody in dba and one by somebody in sre"),
            ([("ann", ("dba",)), ("bo", ())], "an approval by somebody in sre"),
            ([("ann", ("dba",))], "an approval by somebody in sre"),
        ],
        ids=str,
    )
    def test_one_person_in_two_groups_speaks_for_both_and_counts_once(
        self, given: list[tuple[str, tuple[str, ...]]], lacking: str
    ) -> None:
        proposal = a_proposal(required_approvals=2)
        approvals = [
            Approval(
                proposal_id=proposal.id,
                person=person,
                actor=f"slack:T1/U{person}",
                via=Via.SLACK,
                params_hash=proposal.params_hash,
                at=START,
                groups=groups,
            )
            for person, groups in given
        ]

        found = missing(proposal, Quorum(people=2, needs=frozenset({"dba", "sre"})), approvals)

        assert found
        assert found.in_words() == lacking

    def test_approvals_of_other_parameters_count_for_nothing(self) -> None:
        proposal = a_proposal(required_approvals=1)
        approval = Approval(
            proposal_id=1, person="ann", actor="a", via=Via.SLACK, params_hash="other", at=START, groups=("dba",)
        )

        found = missing(proposal, Quorum(people=1, needs=frozenset({"dba"})), [approval])

        assert (found.people, found.groups) == (1, ("dba",))


class TestUnattended:
    RULE = UnattendedRule(name="touch-it", subject="rack", action="rack.t*")

    def test_a_rule_approves_what_it_fits_and_nothing_above_low_risk(self) -> None:
        policy = with_groups(unattended=(self.RULE,))

        assert quorum(policy, Risk.LOW) == Quorum(people=0, rule="touch-it")
        assert [quorum(policy, risk) for risk in (Risk.MEDIUM, Risk.HIGH)] == [Quorum(people=1), Quorum(people=2)]
        assert quorum(policy, Risk.LOW, action="rack.crush") == Quorum(people=1)
        assert policy.quorum(subject="shelf", action_name="rack.touch", risk=Risk.LOW) == Quorum(people=1)

    def test_even_a_rule_for_everything_leaves_medium_and_high_risk_to_people(self) -> None:
        policy = with_groups(unattended=(UnattendedRule(name="all", subject="*", action="*"),))

        assert [quorum(policy, risk).people for risk in Risk] == [0, 1, 2]

    @pytest.mark.parametrize(
        "clause",
        [QuorumClause(people=1), QuorumClause(people=2), QuorumClause(needs=frozenset({"dba"}))],
        ids=["one person", "two people", "somebody of a group"],
    )
    def test_a_quorum_that_fits_stands_above_every_rule(self, clause: QuorumClause) -> None:
        policy = with_groups(unattended=(self.RULE,), quorums=(clause,))

        assert quorum(policy, Risk.LOW) == Quorum(people=max(1, clause.people), needs=clause.needs)

    def test_a_quorum_for_something_else_does_not_stand_in_the_way(self) -> None:
        other = QuorumClause(people=2, scope=Scope(subject="shelf"))

        assert quorum(with_groups(unattended=(self.RULE,), quorums=(other,)), Risk.LOW).rule == "touch-it"

    def test_the_rule_approves_and_nobody_else_by_its_name(self) -> None:
        policy = with_groups(unattended=(self.RULE,))

        assert not may(policy, Actor(ActorKind.POLICY, "touch-it"), Verb.APPROVE)
        assert not may(policy, Actor(ActorKind.AGENT, "rules"), Verb.APPROVE)

    def test_what_needed_a_person_when_it_was_proposed_still_does(self) -> None:
        rule = Quorum(people=0, rule="touch-it")

        assert missing(a_proposal(required_approvals=1, approved_at=START), rule, []).people == 1
        assert not missing(a_proposal(required_approvals=0, approved_at=START), rule, [])

    def test_without_its_rule_a_person_is_needed_again(self) -> None:
        proposal = a_proposal(required_approvals=0, approved_at=START)

        assert missing(proposal, Quorum(people=1), []).people == 1

    def test_what_the_rule_did_not_approve_needs_somebody(self) -> None:
        proposal = a_proposal(required_approvals=0)
        approval = Approval(
            proposal_id=1, person="ann", actor="a", via=Via.SLACK, params_hash=proposal.params_hash, at=START
        )

        rule = Quorum(people=0, rule="touch-it")
        assert missing(proposal, rule, []).people == 1
        assert not missing(proposal, rule, [approval])
