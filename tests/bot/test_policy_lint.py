"""What is found in rules that cannot be right, and that nothing is found in rules that are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from actions.models import Risk
from bot.policy_lint import Case, Rosters, lint, lint_windows
from bot.reach import build_calendar
from bot.settings import Settings

OFFERED: Final = tuple(
    Case(subject="rack", action_name=f"rack.{name}", risk=risk)
    for name, risk in (("touch", Risk.LOW), ("move", Risk.MEDIUM), ("crush", Risk.HIGH))
)
SOUND: Final[dict[str, Any]] = {
    "people": {"ann": {"slack": ["T1/UANN"], "cli": ["ann"]}, "bo": {"slack": ["T1/UBO"]}, "cy": {"cli": ["cy"]}},
    "approvers": {"approve": ["ann", "bo"]},
}


def found(*, rosters: Rosters | None = None, offered: Sequence[Case] = OFFERED, **over: Any) -> list[str]:
    settings = Settings(**(SOUND | over))
    findings = lint(
        settings.allowed(),
        subjects={"rack"},
        offered=offered,
        rosters=rosters or {},
        lift_people=settings.limits.lift_people,
    )
    return [f"{one.where} {one.said}" for one in findings]


def group(*members: str, slack: str | None = None) -> dict[str, Any]:
    return {"dba": {"members": list(members), "slack": slack}}


def needs(*names: str, **scope: Any) -> list[dict[str, Any]]:
    return [{"needs": list(names), **scope}]


def rule(action: str) -> dict[str, Any]:
    return {
        "subjects": {"rack": {"kind": "supervisor"}},
        "unattended": [{"name": "touch-it", "subject": "rack", "action": action}],
    }


FAULTS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "nobody approves": ({"approvers": {"approve": []}}, "[approvers] nobody may approve anything"),
    "too few for high risk": (
        {"approvers": {"approve": ["ann"], "set_mode": ["ann"]}},
        "only 1 may approve it (ann); name more people, or ask for fewer. It can never run: rack.crush",
    ),
    "too few to lift a stop": (
        {"limits": {"lift_people": 3}},
        "[limits] lift_people 3 people must ask for mode execute, and only 2 may (ann, bo): what is stopped stays so",
    ),
    "high risk is not approved from the command line": (
        {"approvers": {"approve": ["cy", "ann"]}},
        "high risk needs 2 people, and only 1 may approve it (ann)",
    ),
    "a quorum too large for one action": (
        {"quorums": [{"action": "rack.touch", "approvals": 3}]},
        "low risk needs 3 people, and only 2 may approve it (ann, bo)",
    ),
    "those who could are denied": (
        {"denials": [{"who": ["ann"], "may_not": ["approve"], "action": "rack.crush"}]},
        "high risk needs 2 people, and only 1 may approve it (bo)",
    ),
    "the needed group may not approve": (
        {"groups": group("cy"), "quorums": needs("dba", action="rack.crush")},
        "high risk needs somebody in dba, and nobody in there may approve it",
    ),
    "a needed group without anybody": (
        {"groups": group(slack="S1DBA"), "quorums": needs("dba"), "rosters": {"S1DBA": frozenset()}},
        "[groups.dba] is needed by a quorum, and nobody is in S1DBA",
    ),
    "a group of nothing": ({"groups": group()}, "[groups.dba] has neither members"),
    "a person without identities": ({"people": SOUND["people"] | {"di": {}}}, "[people.di] has no identity"),
    "a grant for a subject that is not there": (
        {"grants": [{"who": ["cy"], "may": ["approve"], "subject": "rakc"}]},
        "[[grants]] 1 fits no action: subject rakc, action *, risk low, medium, high. There are: rack.crush (high)",
    ),
    "a denial for an action that is not there": (
        {"denials": [{"who": ["cy"], "may_not": ["approve"], "action": "rack.toch"}]},
        "[[denials]] 1 fits no action",
    ),
    "a quorum for a risk that no action has": (
        {"quorums": [{"action": "rack.touch", "risk": ["high"]}]},
        "[[quorums]] 1 fits no action",
    ),
    "a right to stop a subject that is not there": (
        {"grants": [{"who": ["cy"], "may": ["kill"], "subject": "shelf"}]},
        "[[grants]] 1 fits no action: subject shelf",
    ),
    "a right to stop some of a subject": (
        {"grants": [{"who": ["cy"], "may": ["kill"], "risk": ["low"]}]},
        "[[grants]] 1 kill is about a whole subject and not about some of its actions or risks, so it grants nothing",
    ),
    "a denial to stop some of a subject": (
        {"denials": [{"who": ["cy"], "may_not": ["set_mode"], "action": "rack.touch"}]},
        "so it denies that for all of the subject",
    ),
    "a denial to propose what is not there": (
        {"denials": [{"who": ["cy"], "may_not": ["propose"], "action": "rack.toch"}]},
        "[[denials]] 1 fits no action",
    ),
    "a rule for an action that is not there": (
        rule("rack.toch"),
        "[[unattended]] touch-it fits no action: subject rack, action rack.toch, risk low. There are: rack.crush",
    ),
    "a rule for an action that is not of low risk": (
        rule("rack.move"),
        "[[unattended]] touch-it approves low risk alone, so people still have to approve: rack.move (medium). Name",
    ),
    "a rule for actions of several risks": (
        rule("rack.*"),
        "so people still have to approve: rack.crush (high), rack.move (medium). Name only actions of low risk",
    ),
    "a rule below a quorum": (
        rule("rack.touch") | {"quorums": [{"risk": ["low"]}]},
        "[[unattended]] touch-it approves nothing: for all that it fits, a [[quorums]] asks people; remove one",
    ),
    "nobody stops from Slack": (
        {"approvers": {"approve": ["ann", "bo"], "kill": ["cy"]}},
        "nobody may throw the kill switch from Slack; list somebody in kill",
    ),
    "nobody starts from Slack": (
        {"approvers": {"approve": ["ann", "bo"], "set_mode": ["cy"]}},
        "nobody may switch to execute from Slack",
    ),
    "an approver who may not cancel": (
        {"approvers": {"approve": ["ann", "bo"], "cancel": ["bo"]}},
        "[approvers] ann may approve but not cancel",
    ),
    "a group that may approve and not cancel": (
        {"groups": group(slack="S1DBA"), "grants": [{"who": ["group:dba"], "may": ["approve"], "risk": ["low"]}]},
        "everyone in dba may approve but not cancel; whoever lets something begin should be able to stop it. Add",
    ),
}


@pytest.mark.parametrize(("over", "said"), FAULTS.values(), ids=FAULTS)
def test_a_rule_that_cannot_be_right_is_found(over: dict[str, Any], said: str) -> None:
    assert [line for line in found(**over) if said in line] != []


SOUND_ONES: Final[dict[str, dict[str, Any]]] = {
    "the simplest": {},
    "from the command line alone": {
        "people": {"ann": {"cli": ["ann"]}, "bo": {"cli": ["bo"]}},
        "approval": {"high": {"cli": True}},
    },
    "a rule for an action of low risk": rule("rack.t*"),
    "a rule beside a quorum for others": rule("rack.touch") | {"quorums": [{"risk": ["high"], "approvals": 2}]},
    "everything that can be done to an action": {
        "grants": [
            {"who": ["cy"], "may": ["propose", "edit", "break_glass", "review", "resolve"], "action": "rack.touch"}
        ]
    },
    "a needed group of listed people": {"groups": group("bo"), "quorums": needs("dba")},
    "a needed group that Slack knows": {"groups": group(slack="S1DBA"), "quorums": needs("dba")},
    "a needed group that is granted": {
        "groups": group(slack="S1DBA"),
        "grants": [{"who": ["group:dba"], "may": ["approve", "cancel"]}],
        "quorums": [{"needs": ["dba"], "approvals": 5}],
    },
    "a needed group with people in it": {
        "groups": group(slack="S1DBA"),
        "quorums": needs("dba"),
        "rosters": {"S1DBA": frozenset({"T1/UANN"})},
    },
    "members of a group who stand on no other list": {
        "groups": group(slack="S1DBA"),
        "approvers": {"approve": ["ann"]},
        "grants": [{"who": ["group:dba"], "may": ["approve", "cancel"], "subject": "rack"}],
        "rosters": {"S1DBA": frozenset({"T1/UNEW"})},
    },
}


@pytest.mark.parametrize("over", SOUND_ONES.values(), ids=SOUND_ONES)
def test_nothing_is_found_in_rules_that_are_right(over: dict[str, Any]) -> None:
    assert found(**over) == []


def test_what_slack_says_of_a_group_decides_whether_a_quorum_can_be_reached() -> None:
    over: dict[str, Any] = {
        "groups": group(slack="S1DBA"),
        "approvers": {"approve": ["ann"]},
        "grants": [{"who": ["group:dba"], "may": ["approve", "cancel"]}],
    }

    assert found(**over) == []
    assert found(rosters={"S1DBA": frozenset({"T1/UBO"})}, **over) == []
    (stuck,) = found(rosters={"S1DBA": frozenset({"T1/UANN"})}, **over)
    assert "only 1 may approve it (ann)" in stuck


AT: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
NIGHTS: Final = {"name": "nights", "cron": "0 22 * * *", "duration": "8h"}


def found_in_windows(**over: Any) -> list[str]:
    findings = lint_windows(build_calendar(Settings(**over)), offered=OFFERED, at=AT)
    return [f"{one.where} {one.said}" for one in findings]


WINDOW_FAULTS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "a freeze for a subject that is not there": (
        {"freezes": [NIGHTS | {"subject": "rakc"}]},
        "[[freezes]] nights fits no action: subject rakc, action *, risk low, medium, high. There are: rack.crush",
    ),
    "a maintenance window for a risk that no action has": (
        {"maintenance": [NIGHTS | {"action": "rack.touch", "risk": ["high"]}]},
        "[[maintenance]] nights fits no action",
    ),
    "a maintenance window that is over": (
        {"maintenance": [{"name": "past", "until": "2026-03-01 12:00"}]},
        "[[maintenance]] past does not open within a year; correct its time, or remove it",
    ),
    "a maintenance window that is years away": (
        {"maintenance": [NIGHTS | {"cron": "0 0 29 2 *"}]},
        "[[maintenance]] nights does not open within a year",
    ),
    "a maintenance window within a freeze that comes again": (
        {"maintenance": [NIGHTS], "freezes": [{"name": "dark", "cron": "0 21 * * *", "duration": "9h"}]},
        "[[maintenance]] nights never opens for rack.crush, rack.move, rack.touch, because it lies within a freeze",
    ),
    "a maintenance window that a freeze for good shuts for some": (
        {"maintenance": [NIGHTS], "freezes": [{"name": "stop", "from": "2020-01-01 00:00", "risk": ["high"]}]},
        "[[maintenance]] nights never opens for rack.crush, because it lies within a freeze (not within a year: freeze",
    ),
}


@pytest.mark.parametrize(("over", "said"), WINDOW_FAULTS.values(), ids=WINDOW_FAULTS)
def test_a_window_that_cannot_be_right_is_found(over: dict[str, Any], said: str) -> None:
    (line,) = found_in_windows(**over)

    assert line.startswith(said)


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"maintenance": [NIGHTS]},
        {"freezes": [{"name": "stop", "from": "2020-01-01 00:00"}]},
        {"maintenance": [NIGHTS], "freezes": [{"name": "dark", "cron": "0 21 * * *", "duration": "8h"}]},
        {
            "maintenance": [NIGHTS],
            "freezes": [{"name": "june", "from": "2026-06-01 00:00", "until": "2026-07-01 00:00"}],
        },
    ],
)
def test_nothing_is_found_in_windows_that_open(over: dict[str, Any]) -> None:
    assert found_in_windows(**over) == []
