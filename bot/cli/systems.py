"""`operator subjects list` and `observe`."""

from collections.abc import Iterator, Mapping
from typing import Any

from actions.errors import UnknownSubjectError
from actions.registry import ActionDefinition, ParamDef
from actions.subject import Finding, Subject
from bot.cli.output import clean, literal, note, print_json, say
from bot.settings import load
from bot.views.parameters import spelled
from bot.wiring import opened


async def list_subjects(*, as_json: bool) -> int:
    """Print every configured system and what it offers."""
    async with opened(load()) as parts:
        subjects = list(parts.subjects.values())
    if as_json:
        print_json([_subject_json(subject) for subject in subjects])
        return 0
    if not subjects:
        note("no subjects are configured; add a [subjects.NAME] section to operator.toml")
    for subject in subjects:
        say(f"{literal(subject.name)} ({literal(subject.kind)})")
        for action in subject.actions:
            say(f"  {literal(action.name)}  {action.risk.value} risk  {clean(action.title)}")
            for one in action.params:
                say(f"    {_parameter(one)}")
    return 0


async def observe(name: str, *, as_json: bool) -> int:
    """Print what a system looks like now, and what its rules find."""
    async with opened(load()) as parts:
        subject = parts.subjects.get(name)
        if subject is None:
            raise UnknownSubjectError(name, sorted(parts.subjects))
        observation = await subject.observe()
        found = [(rule.id, finding) for rule in subject.rules if (finding := rule.check(observation)) is not None]
    document = observation.model_dump(mode="json")
    if as_json:
        print_json({"observation": document, "findings": [_finding_json(rule, finding) for rule, finding in found]})
        return 0
    for row in _lines(document):
        say(row)
    say()
    say(f"Findings: {len(found) or 'none'}")
    for rule, finding in found:
        say(f"  {finding.output.severity.value}  {literal(rule)}  {literal(finding.target)}")
        say(f"    {clean(finding.output.primary_diagnosis)}")
    return 0


def _parameter(one: ParamDef) -> str:
    need = "required" if one.required else f"default {spelled(one.default)}"
    return f"{literal(one.name)}: {clean(one.type)}, {need}. {clean(one.description)}"


def _subject_json(subject: Subject) -> Mapping[str, Any]:
    return {"name": subject.name, "kind": subject.kind, "actions": [_action_json(action) for action in subject.actions]}


def _action_json(action: ActionDefinition[Any]) -> Mapping[str, Any]:
    return {
        "name": action.name,
        "title": action.title,
        "risk": action.risk.value,
        "parameters": [
            {
                "name": one.name,
                "type": one.type,
                "description": one.description,
                "required": one.required,
                "default": one.default,
            }
            for one in action.params
        ],
    }


def _finding_json(rule: str, finding: Finding) -> Mapping[str, Any]:
    return {"rule": rule, "target": finding.target, "diagnosis": finding.output.model_dump(mode="json")}


def _lines(value: Any, depth: int = 0) -> Iterator[str]:
    indent = "  " * depth
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value, start=1)
    for key, item in pairs:
        if isinstance(item, Mapping | list) and item:
            yield f"{indent}{literal(str(key))}:"
            yield from _lines(item, depth + 1)
        else:
            yield f"{indent}{literal(str(key))}: {spelled(item)}"
