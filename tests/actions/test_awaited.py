"""Whose approval an action still waits for."""

from dataclasses import replace
from typing import Any

from actions.models import Risk, Verb
from actions.policy import DEFAULT_APPROVALS, Awaited, Clause, ConfiguredPolicy, Grants, Group, Missing, Person, Scope
from tests.factories import a_proposal

ANN = Person(name="ann", slack=frozenset({"T1/UANN", "E1/WANN"}))
BO = Person(name="bo", slack=frozenset({"T1/UBO"}))
CY = Person(name="cy", cli=frozenset({"cy"}))
DEE = Person(name="dee", slack=frozenset({"T1/UDEE"}))
NOBODY = Person(name="nobody")
DBA = Group(name="dba", members=frozenset({"bo"}))
SRE = Group(name="sre", slack="S012SRE")
ONE = Missing(people=1, groups=())


def awaited(*approved: str, lacking: Missing = ONE, proposer: str = "agent:rules", **over: Any) -> Awaited:
    grants = Grants(
        people=(ANN, BO, CY, DEE, NOBODY),
        verbs={Verb.APPROVE: frozenset({"ann", "bo", "cy", "nobody", "group:sre"})},
        approvals=DEFAULT_APPROVALS,
        groups=(DBA, SRE),
    )
    proposal = a_proposal(risk=Risk.LOW, proposed_by=proposer)
    return ConfiguredPolicy(replace(grants, **over)).awaited(proposal, lacking, approved)


def clause(*who: str, **scope: Any) -> Clause:
    return Clause(name="it", who=frozenset(who), verbs=frozenset({Verb.APPROVE}), scope=Scope(**scope))


def test_everybody_who_may_and_the_groups_that_slack_knows() -> None:
    assert awaited() == Awaited(people=(ANN, BO, CY), groups=(SRE,))


def test_who_has_approved_is_not_waited_for() -> None:
    assert awaited("ann", "cy").people == (BO,)


def test_who_proposed_it_is_not_waited_for() -> None:
    assert awaited(proposer="slack:E1/WANN").people == (BO, CY)


def test_to_whom_it_is_denied_is_not_waited_for() -> None:
    assert awaited(denied=(clause("ann", "group:dba", "group:sre"),)) == Awaited(people=(CY,), groups=())
    assert awaited(denied=(clause("ann", subject="another"),)).people == (ANN, BO, CY)


def test_who_was_granted_it_for_this_action_is_waited_for_too() -> None:
    assert awaited(granted=(clause("dee", subject="etcd"),)).people == (ANN, BO, CY, DEE)
    assert awaited(granted=(clause("dee", subject="another"),)).people == (ANN, BO, CY)


def test_where_only_a_group_can_give_what_is_missing_nobody_else_is_waited_for() -> None:
    assert awaited(lacking=Missing(people=1, groups=("dba",))) == Awaited(people=(BO,), groups=())
    assert awaited(lacking=Missing(people=0, groups=("sre",))) == Awaited(people=(), groups=(SRE,))
    assert awaited(lacking=Missing(people=2, groups=("dba",))) == awaited()


def test_high_risk_is_not_expected_of_those_who_have_the_command_line_alone() -> None:
    grants = Grants(people=(CY,), verbs={Verb.APPROVE: frozenset({"cy"})}, approvals=DEFAULT_APPROVALS)

    assert ConfiguredPolicy(grants).awaited(a_proposal(risk=Risk.HIGH), ONE, ()).people == ()
