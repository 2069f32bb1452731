from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from actions.diagnosis.markdown import format_diagnosis_markdown
from actions.diagnosis.models import ActionRecommendation, Alternative, DiagnosisOutput, Severity
from actions.models import Urgency

TITLES = [
    "Timeline",
    "Affected components",
    "Metric readings",
    "Primary diagnosis",
    "Supporting evidence",
    "Alternatives considered",
    "Recommended action",
    "Commands for doing it by hand",
    "Risks",
    "Proposed actions",
]
HARMLESS = {"text", "softbreak", "code_inline"}
HOSTILE = [
    "<script>alert(1)</script>",
    "<!-- -->",
    "[click](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "<http://evil.example>",
    "https://evil.example and www.evil.example",
    "# not a heading",
    "title\n=====",
    "title\n---",
    "- item\n+ item\n* item\n1. item\n2) item",
    "> quote",
    "```\nfence\n```",
    "~~~\nfence",
    "`code`",
    "``` ` ``` ````````",
    "    indented code",
    "| a | b |\n|---|---|\n| c | d |",
    "**bold** __bold__ ~~gone~~",
    "&lt;b&gt; &#60;b&#62;",
    "a\\",
    "\x1b[2J\u202egnp.exe\u200b",
    "[ref]: http://evil.example",
    "line\r\nline\rline",
    "@channel <!channel>",
    "",
    " ",
]


def an_output(text: str = "n2 is down", **over: Any) -> DiagnosisOutput:
    fields: dict[str, Any] = {
        "timeline": text,
        "affected_components": (text,),
        "metric_readings": {text: text},
        "primary_diagnosis": text,
        "confidence": text,
        "supporting_evidence": (text, text),
        "alternatives_considered": (
            Alternative(hypothesis=text, supporting=text, contradicting=text, conclusion=text),
        ),
        "recommended_action": text,
        "action_commands": (text or "true",),
        "severity": Severity.CRITICAL,
        "risks": (text,),
        "recommended_actions": (
            ActionRecommendation(
                action_name="supervisor.start_process",
                parameters={"name": text, "times": 3, "quick": True, "more": {"list": [text]}},
                reason=text,
                urgency=Urgency.IMMEDIATE,
                expected_outcome=text,
                risks=(text,),
            ),
        ),
    }
    return DiagnosisOutput(**{**fields, **over})


def tokens_of(markdown: str) -> Iterator[Token]:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for token in parser.parse(markdown):
        yield token
        yield from token.children or ()


def headings_of(markdown: str) -> list[str]:
    parsed = MarkdownIt("commonmark").parse(markdown)
    return [parsed[place + 1].content for place, token in enumerate(parsed) if token.type == "heading_open"]


@pytest.mark.parametrize(
    ("severity", "banner"),
    [
        (Severity.CRITICAL, "CRITICAL: act now"),
        (Severity.WARNING, "WARNING: needs attention"),
        (Severity.INFO, "INFO: nothing to do now"),
    ],
)
def test_the_severity_stands_first_and_in_words(severity: Severity, banner: str) -> None:
    assert format_diagnosis_markdown(an_output(severity=severity)).startswith(f"# {banner}\n")


def test_everything_is_told_in_its_order() -> None:
    assert headings_of(format_diagnosis_markdown(an_output()))[1:] == TITLES


def test_what_is_empty_has_no_heading() -> None:
    said = format_diagnosis_markdown(
        an_output(
            affected_components=(),
            metric_readings={},
            supporting_evidence=(),
            alternatives_considered=(),
            action_commands=(),
            risks=(),
            recommended_actions=(),
        )
    )

    assert headings_of(said)[1:] == ["Timeline", "Primary diagnosis", "Recommended action"]


def test_every_parameter_of_a_proposed_action_is_shown() -> None:
    said = format_diagnosis_markdown(an_output())

    assert "1. `supervisor.start_process`, immediately" in said
    assert '   - Parameter `name`: `"n2 is down"`' in said
    assert "   - Parameter `times`: `3`" in said
    assert "   - Parameter `quick`: `true`" in said
    assert '   - Parameter `more`: `{"list": ["n2 is down"]}`' in said


def test_an_action_without_parameters_says_so() -> None:
    bare = ActionRecommendation(action_name="etcd.reclaim_space", parameters={}, reason="full", expected_outcome="room")

    said = format_diagnosis_markdown(an_output(recommended_actions=(bare,)))

    assert "   - Parameters: none" in said
    assert "`etcd.reclaim_space`, soon" in said


def test_lines_of_a_passage_stay_apart() -> None:
    said = format_diagnosis_markdown(an_output(timeline="first\n\nsecond"))

    assert "## Timeline\n\nfirst\n\nsecond\n" in said


def test_a_command_cannot_leave_its_fence() -> None:
    commands = ("etcdctl endpoint status", "```\n# escaped\n````")

    said = format_diagnosis_markdown(an_output(action_commands=commands))
    (fence,) = [token for token in tokens_of(said) if token.type == "fence"]

    assert fence.content == "etcdctl endpoint status\n```\n# escaped\n````\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    require_inert(text)


@given(st.text(alphabet=st.characters() | st.sampled_from("`*_[]()<>#|~&!\\-+=.1 \n:/@w"), max_size=60))
def test_no_text_becomes_markup(text: str) -> None:
    require_inert(text)


def require_inert(text: str) -> None:
    said = format_diagnosis_markdown(an_output(text))
    tokens = list(tokens_of(said))
    inline = {child.type for token in tokens if token.type == "inline" for child in token.children or ()}

    assert headings_of(said)[1:] == TITLES
    assert inline <= HARMLESS
    assert [token.type for token in tokens].count("fence") == 1
    assert not {"html_block", "code_block", "blockquote_open", "table_open", "hr"} & {token.type for token in tokens}
    assert [token.type for token in tokens].count("bullet_list_open") == 6
    assert [token.type for token in tokens].count("ordered_list_open") == 2
    assert all(character.isprintable() or character == "\n" for character in said)
    assert not [line for line in _prose(said) if "://" in line]


def _prose(said: str) -> list[str]:
    code = said[said.index("## Commands") : said.index("## Risks")]
    return [line for line in said.replace(code, "").splitlines() if "   - Parameter " not in line]
