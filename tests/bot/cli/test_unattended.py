"""What a rule of the policy approved, as the command line shows it."""

import asyncio
import json
from typing import Any

from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from tests.bot.cli.home import Home
from tests.rig import AGENT

RULE = """
[[unattended]]
name = "touch-it"
subject = "*"
action = "rack.touch"
[limits]
actions_per_hour = 1
"""


def proposed(home: Home, *items: str) -> list[int]:
    """Propose to touch each item, one after the other, and run what a rule approves."""
    home.configure(home.config + RULE)

    async def inside() -> list[int]:
        async with home.bench() as bench:
            executor, found = bench.parts.executor, []
            for item in items:
                recommendation = ActionRecommendation(
                    action_name="rack.touch", parameters={"item": item}, reason="because", expected_outcome="touched"
                )
                made = await executor.propose_action(
                    Proposition(recommendation=recommendation, source_key=item, by=AGENT)
                )
                found.append(made.id)
                if (await executor.validate_proposal(made.id)).status.value == "approved":
                    await executor.execute_proposal(made.id)
            return found

    return asyncio.run(inside())


def shown(home: Home, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(home.run("actions", "show", str(number), "--json").out)
    return found


def test_show_and_its_json_name_the_rule_that_approved_and_who_recommended(home: Home) -> None:
    (number,) = proposed(home, "a")

    text, as_json = home.run("actions", "show", str(number)).out, shown(home, number)

    assert "UTC by policy rule touch-it; nobody was asked\n" in text
    assert "UTC by agent:rules\n" in text
    assert "policy:touch-it via system" in text
    assert (as_json["status"], as_json["required_approvals"], as_json["proposed_by"]) == ("completed", 0, "agent:rules")
    (approval,) = as_json["approvals"]
    assert (approval["person"], approval["actor"], approval["via"]) == ("policy:touch-it", "policy:touch-it", "system")
    (line,) = [event for event in as_json["audit"] if event["event"] == "approved"]
    assert (line["actor"], line["data"]["rule"]) == ("policy:touch-it", "touch-it")


def test_what_the_rule_left_to_people_says_why_and_needs_one(home: Home) -> None:
    _, number = proposed(home, "a", "b")

    text = home.run("actions", "show", str(number)).out

    assert "Left      to people by policy rule touch-it: That is the limit: 1 action on rack began" in text
    assert "Needs     1 more approval (0 given)\n" in text
    assert shown(home, number)["approvals"] == []


def test_the_log_of_what_a_rule_approved_verifies(home: Home) -> None:
    proposed(home, "a", "b")

    assert home.run("audit", "verify").code == 0


def test_policy_check_names_the_rule_and_what_else_is_in_the_way(home: Home) -> None:
    ran, waiting = proposed(home, "a", "b")
    home.configure(home.config + RULE.replace("rack.touch", "processes.start_process"))

    text = home.run("policy", "check", "--person", "ann", "--action", "processes.start_process").out
    (as_json,) = json.loads(
        home.run("policy", "check", "--json", "--person", "ann", "--action", "processes.start_process").out
    )

    assert "Needs     nobody: [[unattended]] touch-it approves it\n" in text
    assert as_json["quorum"] == {"people": 0, "needs": [], "rule": "touch-it"}
    home.configure(home.config + RULE)
    assert (
        "Given by  policy:touch-it\nMissing   nothing\n" in home.run("policy", "check", str(ran), "--person", "ann").out
    )
    assert (
        "Needs     1 person\nGiven by  nobody yet\nMissing   1 more approval\n"
        in home.run("policy", "check", str(waiting), "--person", "ann").out
    )
