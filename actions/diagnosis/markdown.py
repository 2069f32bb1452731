"""A diagnosis as Markdown, for a terminal, a ticket or a file. What others wrote cannot become markup."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from actions.diagnosis.models import ActionRecommendation, Alternative, DiagnosisOutput, Severity
from actions.models import Urgency
from actions.printable import printable_lines

_BANNER: Final = {
    Severity.CRITICAL: "CRITICAL: act now",
    Severity.WARNING: "WARNING: needs attention",
    Severity.INFO: "INFO: nothing to do now",
}
_URGENCY: Final = {
    Urgency.IMMEDIATE: "immediately",
    Urgency.SOON: "soon",
    Urgency.WHEN_CONVENIENT: "when convenient",
}
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~&!@$])")
"""Characters that mean something inside a line, in Markdown or in what is commonly added to it."""
_LINK: Final = re.compile(r"(?<=:)(//)|(?i:(?<=www)(\.))")
"""What turns bare text into a link where links are guessed."""
_BLOCK: Final = re.compile(r"^([-+=](?=\s|$|[-=])|\d+(?=[.)](?:\s|$)))")
"""What begins a list, a rule or a heading at the start of a line."""
_TICKS: Final = re.compile(r"`+")


def format_diagnosis_markdown(output: DiagnosisOutput) -> str:
    """Return the diagnosis in the order in which an engineer would tell it, every recommended parameter included."""
    sections = (
        [f"# {_BANNER[output.severity]}"],
        _section("Timeline", _passage(output.timeline)),
        _section("Affected components", _bullets(output.affected_components)),
        _section("Metric readings", _bullets_of_pairs(output.metric_readings.items())),
        _section(
            "Primary diagnosis", [*_passage(output.primary_diagnosis), "", f"Confidence: {_line(output.confidence)}"]
        ),
        _section("Supporting evidence", _bullets(output.supporting_evidence)),
        _section("Alternatives considered", _alternatives(output.alternatives_considered)),
        _section("Recommended action", _passage(output.recommended_action)),
        _section("Commands for doing it by hand", _fenced(output.action_commands)),
        _section("Risks", _bullets(output.risks)),
        _section("Proposed actions", _recommendations(output.recommended_actions)),
    )
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = list(lines)
    return [f"## {title}", "", *body] if body else []


def _alternatives(alternatives: Iterable[Alternative]) -> Iterator[str]:
    for number, alternative in enumerate(alternatives, start=1):
        yield f"{number}. {_line(alternative.hypothesis)}"
        yield f"   - For: {_line(alternative.supporting)}"
        yield f"   - Against: {_line(alternative.contradicting)}"
        yield f"   - Conclusion: {_line(alternative.conclusion)}"


def _recommendations(recommendations: Iterable[ActionRecommendation]) -> Iterator[str]:
    for number, recommended in enumerate(recommendations, start=1):
        yield f"{number}. {_code(recommended.action_name)}, {_URGENCY[recommended.urgency]}"
        if not recommended.parameters:
            yield "   - Parameters: none"
        for name, value in recommended.parameters.items():
            yield f"   - Parameter {_code(name)}: {_code(json.dumps(value, sort_keys=True))}"
        yield f"   - Reason: {_line(recommended.reason)}"
        yield f"   - Expected: {_line(recommended.expected_outcome)}"
        yield from (f"   - Risk: {_line(risk)}" for risk in recommended.risks)


def _bullets(texts: Iterable[str]) -> list[str]:
    return [f"- {_line(text)}" for text in texts]


def _bullets_of_pairs(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"- {_line(label)}: {_line(value)}" for label, value in pairs]


def _passage(text: str) -> list[str]:
    return [_inert(line.strip()) for line in printable_lines(text)]


def _line(text: str) -> str:
    return _inert(" ".join(line.strip() for line in printable_lines(text)).strip())


def _inert(line: str) -> str:
    escaped = _LINK.sub(lambda found: f"\\{found.group(0)}", _MARKUP.sub(r"\\\1", line))
    return _BLOCK.sub(_without_block, escaped)


def _without_block(found: re.Match[str]) -> str:
    mark = found.group(1)
    return f"{mark}\\" if mark.isdigit() else f"\\{mark}"


def _code(text: str) -> str:
    shown = " ".join(printable_lines(text))
    ticks = _longer_than_any(shown, 0)
    pad = " " if shown[:1] == "`" or shown[-1:] == "`" or not shown.strip() else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def _fenced(commands: Iterable[str]) -> list[str]:
    lines = [line for command in commands for line in printable_lines(command)]
    if not lines:
        return []
    fence = _longer_than_any("\n".join(lines), 2)
    return [f"{fence}text", *lines, fence]


def _longer_than_any(text: str, at_least: int) -> str:
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    return "`" * (max(longest, at_least) + 1)
