from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models import blocks as kit

from bot.workspace.validator import message_problems, mrkdwn_nodes, view_problems

from .doubles import Json, button, buttons, modal, mrkdwn, plain, text_input

Builder = Callable[[int], Any]


def section(**more: Any) -> Json:
    return {"type": "section", "text": mrkdwn("x"), **more}


def option(number: int = 1, **more: Any) -> Json:
    return {"text": plain(f"option {number}"), "value": str(number), **more}


def options(count: int) -> list[Json]:
    return [option(number) for number in range(count)]


def confirm(**more: Any) -> Json:
    return {"title": plain("t"), "text": plain("t"), "confirm": plain("y"), "deny": plain("n"), **more}


def rich(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


def row(width: int, text: str = "x") -> list[Json]:
    return [{"type": "raw_text", "text": text} for _ in range(width)]


def asking(kind: str, **more: Any) -> Json:
    return {"type": "input", "label": plain("x"), "element": {"type": kind, "action_id": "a", **more}}


def with_element(**element: Any) -> Json:
    return {"type": "actions", "elements": [element]}


BLOCKS: dict[str, tuple[int, Builder]] = {
    "section text": (3000, lambda n: section(text=mrkdwn("x" * n))),
    "section plain text": (3000, lambda n: section(text=plain("x" * n))),
    "section fields": (10, lambda n: section(fields=[mrkdwn("x")] * n)),
    "section field text": (2000, lambda n: section(fields=[mrkdwn("x" * n)])),
    "block_id": (255, lambda n: section(block_id="x" * n)),
    "header": (150, lambda n: {"type": "header", "text": plain("x" * n)}),
    "context elements": (10, lambda n: {"type": "context", "elements": [mrkdwn("x")] * n}),
    "context text": (3000, lambda n: {"type": "context", "elements": [mrkdwn("x" * n)]}),
    "actions elements": (25, lambda n: buttons(*(button(f"a{number}") for number in range(n)))),
    "action_id": (255, lambda n: buttons(button("x" * n))),
    "button text": (75, lambda n: buttons(button(text=plain("x" * n)))),
    "button value": (2000, lambda n: buttons(button(value="x" * n))),
    "button url": (3000, lambda n: buttons(button(url="https://example.org/".ljust(n, "x")))),
    "button accessibility_label": (75, lambda n: buttons(button(accessibility_label="x" * n))),
    "confirm title": (100, lambda n: buttons(button(confirm=confirm(title=plain("x" * n))))),
    "confirm text": (300, lambda n: buttons(button(confirm=confirm(text=mrkdwn("x" * n))))),
    "confirm confirm": (30, lambda n: buttons(button(confirm=confirm(confirm=plain("x" * n))))),
    "confirm deny": (30, lambda n: buttons(button(confirm=confirm(deny=plain("x" * n))))),
    "select options": (100, lambda n: with_element(type="static_select", options=options(n))),
    "option text": (75, lambda n: with_element(type="static_select", options=[option(text=plain("x" * n))])),
    "option value": (150, lambda n: with_element(type="static_select", options=[option(value="x" * n)])),
    "option description": (
        75,
        lambda n: with_element(type="static_select", options=[option(description=plain("x" * n))]),
    ),
    "overflow options": (5, lambda n: with_element(type="overflow", options=options(n))),
    "radio options": (10, lambda n: with_element(type="radio_buttons", options=options(n))),
    "checkbox options": (10, lambda n: with_element(type="checkboxes", options=options(n))),
    "placeholder": (150, lambda n: with_element(type="users_select", placeholder=plain("x" * n))),
    "input label": (2000, lambda n: text_input(label=plain("x" * n))),
    "input hint": (2000, lambda n: text_input(hint=plain("x" * n))),
    "input max_length": (
        3000,
        lambda n: text_input(element={"type": "plain_text_input", "action_id": "a", "max_length": n}),
    ),
    "image url": (
        3000,
        lambda n: {"type": "image", "alt_text": "x", "image_url": "https://example.org/".ljust(n, "x")},
    ),
    "image alt text": (2000, lambda n: {"type": "image", "alt_text": "x" * n, "image_url": "https://example.org/x"}),
    "markdown": (12_000, lambda n: {"type": "markdown", "text": "x" * n}),
    "table rows": (100, lambda n: {"type": "table", "rows": [row(1)] * n}),
    "table columns": (20, lambda n: {"type": "table", "rows": [row(n)]}),
    "table characters": (10_000, lambda n: {"type": "table", "rows": [row(1, "x" * n)]}),
    "data table rows": (101, lambda n: {"type": "data_table", "caption": "c", "rows": [row(1)] * n}),
    "data table columns": (20, lambda n: {"type": "data_table", "caption": "c", "rows": [row(n)] * 2}),
    "data table page": (100, lambda n: {"type": "data_table", "caption": "c", "rows": [row(1)] * 2, "page_size": n}),
    "card title": (150, lambda n: {"type": "card", "title": plain("x" * n)}),
    "card body": (200, lambda n: {"type": "card", "body": plain("x" * n)}),
    "card buttons": (3, lambda n: {"type": "card", "actions": [button(f"a{number}") for number in range(n)]}),
    "carousel cards": (10, lambda n: {"type": "carousel", "elements": [{"type": "card", "title": plain("x")}] * n}),
    "container children": (10, lambda n: {"type": "container", "title": plain("x"), "child_blocks": [section()] * n}),
    "rich text indent": (
        8,
        lambda n: {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_list",
                    "style": "bullet",
                    "indent": n,
                    "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "x"}]}],
                }
            ],
        },
    ),
}

MESSAGES: dict[str, tuple[int, Builder]] = {
    "blocks": (50, lambda n: {"blocks": [section() for _ in range(n)]}),
    "text": (40_000, lambda n: {"text": "x" * n}),
    "characters in all": (13_200, lambda n: {"blocks": blocks_of(n)}),
    "markdown in all": (
        12_000,
        lambda n: {
            "blocks": [{"type": "markdown", "text": "x" * 6000}, {"type": "markdown", "text": "x" * (n - 6000)}]
        },
    ),
    "tables": (1, lambda n: {"blocks": [{"type": "table", "rows": [row(1)]}] * n}),
}

VIEWS: dict[str, tuple[int, Builder]] = {
    "modal blocks": (100, lambda n: modal(*(section() for _ in range(n)))),
    "home blocks": (100, lambda n: {"type": "home", "blocks": [section() for _ in range(n)]}),
    "title": (24, lambda n: modal(title=plain("x" * n))),
    "submit": (24, lambda n: modal(submit=plain("x" * n))),
    "close": (24, lambda n: modal(close=plain("x" * n))),
    "private_metadata": (3000, lambda n: modal(private_metadata="x" * n)),
    "callback_id": (255, lambda n: modal(callback_id="x" * n)),
    "external_id": (255, lambda n: modal(external_id="x" * n)),
    "alert": (200, lambda n: modal({"type": "alert", "text": plain("x" * n)})),
}


def blocks_of(characters: int) -> list[Json]:
    """Blocks whose compact JSON is that long: four full sections and one that fills up."""
    frame = '{"type":"section","text":{"type":"mrkdwn","text":""}}'
    rest = characters - len("[]") - 4 * (len(frame) + 3000 + len(",")) - len(frame)
    return [section(text=mrkdwn("x" * 3000)) for _ in range(4)] + [section(text=mrkdwn("x" * rest))]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_accepted_at_its_limit_and_refused_beyond(name: str) -> None:
    limit, build = BLOCKS[name]
    assert message_problems({"blocks": [build(limit)]}) == []
    beyond = message_problems({"blocks": [build(limit + 1)]})
    assert beyond[0].startswith("invalid_blocks: ")
    assert "[json-pointer:/blocks" in beyond[0]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_accepted_at_its_limit_and_refused_beyond(name: str) -> None:
    limit, build = MESSAGES[name]
    assert message_problems(build(limit)) == []
    assert message_problems(build(limit + 1)) != []


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_accepted_at_its_limit_and_refused_beyond(name: str) -> None:
    limit, build = VIEWS[name]
    assert view_problems(build(limit)) == []
    assert view_problems(build(limit + 1)) != []


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"type": "header", "text": mrkdwn("x")}, "unsupported type: mrkdwn"),
        ({"type": "actions", "elements": []}, "no less than 1 items"),
        (buttons(button("a"), button("a")), "`action_id` `a` already exists"),
        (buttons(button(text=mrkdwn("x"))), "unsupported type: mrkdwn"),
        (buttons(button(style="green")), "must be a valid enum value"),
        (buttons(button(url="javascript:alert(1)")), "invalid_url"),
        (buttons(button(confirm={"title": plain("t")})), "missing required field: text"),
        (buttons({"type": "plain_text_input", "action_id": "a"}), "unsupported type: plain_text_input"),
        (with_element(type="static_select"), "exactly one of: options, option_groups"),
        (
            with_element(type="static_select", options=options(2), initial_option=option(7)),
            "must be one of the options",
        ),
        ({"type": "section"}, "at least one of: text, fields"),
        (section(text=mrkdwn("")), "must be more than 0 characters"),
        (section(text="x"), "must provide an object"),
        (section(text={"type": "mrkdwn", "text": 5}), "must provide a string"),
        (section(text={"type": "mrkdwn", "text": "x", "emoji": True}), "invalid additional property: emoji"),
        (section(text={"type": "plain_text", "text": "x", "verbatim": True}), "invalid additional property: verbatim"),
        (section(colour="red"), "invalid additional property: colour"),
        (section(accessory={"type": "datetimepicker", "action_id": "a"}), "unsupported type: datetimepicker"),
        ({"type": "image", "alt_text": "x"}, "exactly one of: image_url, slack_file"),
        ({"type": "blink"}, "unsupported type: blink"),
        ({"type": ["section"]}, "unsupported type"),
        ({"text": plain("x")}, "missing required field: type"),
        ("section", "must provide an object"),
        ({"type": "alert", "text": plain("x")}, "unsupported type: alert"),
        ({"type": "rich_text", "elements": [{"type": "text", "text": "x"}]}, "unsupported type: text"),
        (rich({"type": "text", "text": ""}), "must be more than 0 characters"),
        (rich({"type": "text", "text": "x", "style": {"bold": "yes"}}), "must provide a boolean"),
        (rich({"type": "broadcast", "range": "world"}), "must be a valid enum value"),
        (rich({"type": "rich_text_section", "elements": []}), "unsupported type: rich_text_section"),
        ({"type": "container", "child_blocks": [section()]}, "at least one of: title, rich_text_title"),
        (
            {"type": "container", "title": plain("t"), "child_blocks": [{"type": "container"}]},
            "unsupported type: container",
        ),
        ({"type": "data_table", "caption": "c", "rows": [row(1), row(2)]}, "same number of values"),
        (
            {"type": "data_table", "caption": "c", "rows": [[rich({"type": "text", "text": "x"})], row(1)]},
            "not allowed in the header row",
        ),
    ],
)
def test_a_malformed_block_is_refused_with_the_reason(block: Any, said: str) -> None:
    problems = message_problems({"blocks": [block]})
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({}, "no_text"),
        ({"text": "  \n"}, "no_text"),
        ({"text": "", "blocks": []}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": blocks_of(13_201)}, "msg_blocks_too_long"),
        ({"blocks": {"type": "section"}}, "invalid_blocks: must provide an array [json-pointer:/blocks]"),
        ({"blocks": [section(block_id="a"), section(block_id="a")]}, "`block_id` `a` already exists"),
        ({"text": "x", "metadata": {"event_type": "x"}}, "invalid_metadata_format: missing required field"),
        ({"text": "x", "attachments": [{"blocks": [{"type": "blink"}]}]}, "json-pointer:/attachments/0/blocks/0/type"),
    ],
)
def test_a_message_is_refused_with_slacks_code(payload: Json, said: str) -> None:
    problems = message_problems(payload)
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ({"type": "modal", "title": plain("x"), "blocks": [text_input()]}, "submit is required"),
        ({"type": "modal", "title": mrkdwn("x"), "blocks": [section()]}, "unsupported type: mrkdwn"),
        ({"type": "modal", "blocks": [section()]}, "missing required field: title"),
        ({"type": "modal", "title": plain("x"), "blocks": []}, "no less than 1 items"),
        ({"type": "home", "title": plain("x"), "blocks": [section()]}, "invalid additional property: title"),
        ({"type": "home", "blocks": [{"type": "markdown", "text": "x"}]}, "unsupported type: markdown"),
        ({"type": "tab", "blocks": [section()]}, "unsupported type: tab"),
        (None, "must provide an object"),
        (modal(text_input("a"), text_input("a")), "`block_id` `a` already exists"),
        (modal(asking("number_input")), "missing required field: is_decimal_allowed"),
        (modal(asking("number_input", is_decimal_allowed=True, min_value=1)), "must provide a number as a string"),
        (modal(asking("number_input", is_decimal_allowed=True, max_value="1e3")), "must provide a number as a string"),
        (
            modal(asking("number_input", is_decimal_allowed=True, min_value="10", max_value="9.5")),
            "must not be greater than max_value",
        ),
        (
            modal(asking("number_input", is_decimal_allowed=False, min_value="3", initial_value="2")),
            "must not be greater than initial_value",
        ),
        (
            modal(asking("number_input", is_decimal_allowed=False, max_value="1", initial_value="2")),
            "must not be greater than max_value",
        ),
        (
            modal(asking("number_input", is_decimal_allowed=False, initial_value="0.5")),
            "must be a whole number unless is_decimal_allowed",
        ),
        (modal(asking("plain_text_input", min_length=5, max_length=4)), "must not be greater than max_length"),
        (modal(asking("plain_text_input", multiline="yes")), "must provide a boolean"),
        (modal(asking("radio_buttons", options=options(2), initial_option=option(7))), "must be one of the options"),
        (modal(asking("checkboxes", options=options(11))), "no more than 10 items"),
        (modal(asking("static_select")), "exactly one of: options, option_groups"),
        (modal(asking("button", text=plain("Go"))), "unsupported type: button"),
        (
            modal(
                asking("plain_text_input", focus_on_load=True),
                asking("number_input", is_decimal_allowed=True, focus_on_load=True),
            ),
            "only one element may have focus_on_load",
        ),
    ],
)
def test_a_malformed_view_is_refused_with_the_reason(view: Any, said: str) -> None:
    problems = view_problems(view)
    assert any(said in problem for problem in problems), problems


def test_a_form_of_every_kind_of_input_is_accepted() -> None:
    form = modal(
        asking("number_input", is_decimal_allowed=True, min_value="-0.5", initial_value="0", max_value="1.25"),
        asking("number_input", is_decimal_allowed=False, focus_on_load=True),
        asking("plain_text_input", multiline=True, min_length=3, max_length=3, placeholder=plain("why")),
        asking("static_select", options=options(3), initial_option=option(2)),
        asking("radio_buttons", options=options(3), initial_option=option(2)),
        asking("checkboxes", options=options(3), initial_options=[option(0), option(2)]),
        asking("plain_text_input") | {"optional": True, "hint": plain("Nobody has to."), "block_id": "optional"},
        buttons(button("preview"), button("more")),
    )
    assert view_problems(form) == []


def test_a_message_of_text_or_of_blocks_alone_is_accepted() -> None:
    assert message_problems({"text": "hello"}) == []
    assert message_problems({"blocks": [section()]}) == []


def test_every_text_with_markup_is_found_and_no_other() -> None:
    blocks = [
        section(text=mrkdwn("one"), fields=[mrkdwn("two"), plain("no")]),
        {"type": "context", "elements": [mrkdwn("three")]},
        buttons(button(confirm=confirm(text=mrkdwn("four")))),
        {"type": "markdown", "text": "five"},
        rich({"type": "text", "text": "no"}),
        {"type": "header", "text": plain("no")},
    ]
    assert sorted(mrkdwn_nodes(blocks)) == ["five", "four", "one", "three", "two"]


# What the SDK's own models accept within the limits above, Slack accepts, and so must the validator.

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(str.strip)
ids = st.text("abcdefghijklmnopqrstuvwxyz._", min_size=1, max_size=40)
plain_objects = st.builds(lambda text: kit.PlainTextObject(text=text), words)
text_objects = st.one_of(plain_objects, st.builds(lambda text: kit.MarkdownTextObject(text=text), words))
confirms = st.builds(
    lambda title, text, yes, no, style: kit.ConfirmObject(
        title=title, text=text, confirm=yes[:30], deny=no[:30], style=style
    ),
    words,
    words,
    words,
    words,
    st.sampled_from([None, "primary", "danger"]),
)
button_elements = st.builds(
    lambda action_id, text, value, style, confirm, label: kit.ButtonElement(
        action_id=action_id, text=text, value=value, style=style, confirm=confirm, accessibility_label=label
    ),
    ids,
    words,
    words,
    st.sampled_from([None, "primary", "danger"]),
    st.one_of(st.none(), confirms),
    st.one_of(st.none(), words),
)
option_lists = st.lists(words, min_size=1, max_size=10, unique=True).map(
    lambda texts: [kit.Option(value=str(number), text=text) for number, text in enumerate(texts)]
)
select_elements = st.builds(
    lambda action_id, placeholder, listed: kit.StaticSelectElement(
        action_id=action_id, placeholder=placeholder, options=listed
    ),
    ids,
    words,
    option_lists,
)
rich_texts = st.builds(
    lambda texts, listed: kit.RichTextBlock(
        elements=[
            kit.RichTextSectionElement(elements=[kit.RichTextElementParts.Text(text=text) for text in texts]),
            kit.RichTextListElement(
                style="bullet",
                elements=[
                    kit.RichTextSectionElement(elements=[kit.RichTextElementParts.Text(text=text)]) for text in listed
                ],
            ),
            kit.RichTextPreformattedElement(elements=[kit.RichTextElementParts.Text(text=text) for text in texts]),
            kit.RichTextQuoteElement(elements=[kit.RichTextElementParts.Text(text=text) for text in texts]),
        ]
    ),
    st.lists(words, min_size=1, max_size=3),
    st.lists(words, min_size=1, max_size=3),
)
model_blocks = st.one_of(
    st.builds(lambda text: kit.SectionBlock(text=text), text_objects),
    st.builds(
        lambda text, fields, accessory: kit.SectionBlock(text=text, fields=fields, accessory=accessory),
        text_objects,
        st.lists(text_objects, min_size=1, max_size=10),
        st.one_of(button_elements, select_elements),
    ),
    st.builds(lambda text: kit.HeaderBlock(text=text), plain_objects),
    st.just(kit.DividerBlock()),
    st.builds(lambda listed: kit.ContextBlock(elements=listed), st.lists(text_objects, min_size=1, max_size=10)),
    st.builds(
        lambda listed: kit.ActionsBlock(elements=listed),
        st.lists(
            st.one_of(button_elements, select_elements), min_size=1, max_size=5, unique_by=lambda one: one.action_id
        ),
    ),
    st.builds(lambda alt: kit.ImageBlock(image_url="https://example.org/x.png", alt_text=alt), words),
    st.builds(
        lambda label, action_id: kit.InputBlock(
            label=label, element=kit.PlainTextInputElement(action_id=action_id, multiline=True)
        ),
        plain_objects,
        ids,
    ),
    st.builds(lambda text: kit.MarkdownBlock(text=text), words),
    rich_texts,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(model_blocks, min_size=1, max_size=4))
def test_what_the_sdk_builds_within_the_limits_is_accepted(built: list[kit.Block]) -> None:
    assert message_problems({"blocks": [block.to_dict() for block in built]}) == []


KEYS = [
    "type",
    "text",
    "elements",
    "element",
    "accessory",
    "fields",
    "rows",
    "options",
    "option_groups",
    "initial_option",
]
TYPES = [
    "section",
    "actions",
    "table",
    "data_table",
    "static_select",
    "radio_buttons",
    "input",
    "rich_text",
    "container",
]
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.builds(
            lambda kind, rest: rest | {"type": kind},
            st.sampled_from(TYPES),
            st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        ),
    ),
    max_leaves=20,
)
selects = st.builds(
    lambda kind, rest: with_element(**(rest | {"type": kind})),
    st.sampled_from(["static_select", "multi_static_select", "radio_buttons", "checkboxes"]),
    st.dictionaries(
        st.sampled_from(["options", "option_groups", "initial_option", "initial_options"]),
        st.recursive(json_values, lambda inner: st.lists(st.fixed_dictionaries({"options": inner}), max_size=2)),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(json_values, selects))
def test_no_payload_whatever_makes_the_validator_fail(value: Any) -> None:
    for payload in ({"text": "x", "blocks": [value]}, {"text": "x", "blocks": value}, {"text": value}):
        assert all(isinstance(problem, str) for problem in message_problems(payload))
    assert all(isinstance(problem, str) for problem in view_problems({"type": "modal", "blocks": value}))
