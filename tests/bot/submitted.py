"""Diagnoses as somebody hands them in over HTTP."""

from typing import Any


def a_body(**over: Any) -> dict[str, Any]:
    return {
        "subject": "rack",
        "target": "rack",
        "source": "monitor",
        "timeline": "12:00 it broke",
        "affected_components": ["one"],
        "metric_readings": {"load": "9"},
        "primary_diagnosis": "it is broken",
        "confidence": "certain",
        "supporting_evidence": ["it says so"],
        "alternatives_considered": [],
        "recommended_action": "touch it",
        "action_commands": [],
        "severity": "Warning",
        "risks": [],
        "recommended_actions": [recommending("a")],
    } | over


def recommending(item: str, action: str = "rack.touch", **parameters: Any) -> dict[str, Any]:
    return {
        "action_name": action,
        "parameters": {"item": item} | parameters,
        "reason": "because",
        "expected_outcome": "touched",
    }
