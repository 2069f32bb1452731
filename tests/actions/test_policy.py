"""Who may do what, held against a table written by hand."""

from dataclasses import replace
from itertools import product

import pytest

from actions.models import Actor, ActorKind, Risk, Verb, Via
from actions.policy import DEFAULT_APPROVALS, ConfiguredPolicy, Grants, Person
from actions.ports import Standing
from tests.factories import a_proposal

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
    proposal = a_proposal(risk=risk, proposed_by=proposer)
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
    }
    actors = (SLACK_ANN, Actor.slack("T1", "UCY"), CLI_ANN, Actor.cli("cy", "db-1"))

    assert table == {verb: tuple(may(POLICY, actor, verb) for actor in actors) for verb in Verb}


@pytest.mark.parametrize("policy", [EMPTY, NOBODY], ids=["no list", "empty list"])
@pytest.mark.parametrize("verb", Verb)
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

    assert [policy.required_approvals(risk) for risk in Risk] == [1, 1, 3]
    assert [POLICY.required_approvals(risk) for risk in Risk] == [1, 1, 2]
