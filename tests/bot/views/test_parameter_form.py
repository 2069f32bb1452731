"""Every kind of parameter has an input that says what is allowed, and a form left alone gives back what it showed."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Final, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter

from actions.registry import ActionDefinition, Parameters
from actions.subjects.etcd.leadership import MoveLeaderParameters
from actions.subjects.etcd.reclaim import ReclaimSpaceParameters
from actions.subjects.etcd.space import CompactParameters, DisarmAlarmParameters
from actions.subjects.supervisor.actions import ProcessParameters
from actions.validation import canonical_parameters, validate_action_params
from bot.ids import Entry
from bot.parameter_entry import entered_parameters
from bot.views.blocks import Block
from bot.views.form import said
from bot.views.parameter_form import parameter_form
from tests.bot.views.forms import an_action, inputs, model, submitted
from tests.bot.views.hostile import FRAGMENTS, values
from tests.bot.views.walking import view_faults


class Speed(IntEnum):
    SLOW = 1
    FAST = 2


class Alarm(StrEnum):
    NOSPACE = "NOSPACE"
    CORRUPT = "CORRUPT"


class Window(Parameters):
    start: int = 0
    note: str | None = None


def one(annotation: Any, default: Any = ..., value: Any = None) -> Block:
    """The input of an action's only parameter."""
    given_ = {} if value is None else {"it": value}
    return inputs(parameter_form(an_action(model(it=(annotation, default))), given_))["it"]


def as_view(blocks: list[Block]) -> dict[str, Any]:
    text = {"type": "plain_text", "text": "x", "emoji": False}
    return {"type": "modal", "title": text, "submit": text, "blocks": [said("Enter it."), *blocks]}


@pytest.mark.parametrize(
    ("annotation", "kind", "entry"),
    [
        (int, "number_input", Entry.NUMBER),
        (float, "number_input", Entry.NUMBER),
        (int | None, "number_input", Entry.NUMBER),
        (bool, "radio_buttons", Entry.CHOICE),
        (bool | None, "radio_buttons", Entry.CHOICE),
        (str, "plain_text_input", Entry.TEXT),
        (datetime, "plain_text_input", Entry.TEXT),
        (Alarm, "radio_buttons", Entry.CHOICE),
        (Speed | None, "radio_buttons", Entry.CHOICE),
        (Literal["a"], "radio_buttons", Entry.CHOICE),
        (Literal["a", 1, 2.5, True, None], "radio_buttons", Entry.CHOICE),
        (Literal["a", "b", "c", "d", "e", "f"], "static_select", Entry.CHOICE),
        (list[str], "plain_text_input", Entry.LINES),
        (tuple[int, ...], "plain_text_input", Entry.LINES),
        (frozenset[Alarm], "plain_text_input", Entry.LINES),
        (list[int | None], "plain_text_input", Entry.JSON),
        (list[list[int]], "plain_text_input", Entry.JSON),
        (list[Speed], "plain_text_input", Entry.JSON),
        (tuple[int, str], "plain_text_input", Entry.JSON),
        (dict[str, int], "plain_text_input", Entry.JSON),
        (Window | None, "plain_text_input", Entry.JSON),
        (Decimal, "plain_text_input", Entry.JSON),
        (int | str, "plain_text_input", Entry.JSON),
        (Any, "plain_text_input", Entry.JSON),
    ],
    ids=str,
)
def test_every_kind_of_parameter_has_an_input(annotation: Any, kind: str, entry: Entry) -> None:
    element = one(annotation)["element"]

    assert (element["type"], element["action_id"]) == (kind, entry)


def test_the_actions_that_there_are_can_be_entered_without_knowing_json() -> None:
    for parameters in (
        CompactParameters, DisarmAlarmParameters, MoveLeaderParameters, ProcessParameters, ReclaimSpaceParameters
    ):  # fmt: skip
        drawn = inputs(parameter_form(an_action(parameters), {}))
        assert drawn.keys() == parameters.model_fields.keys()
        assert Entry.JSON not in {block["element"]["action_id"] for block in drawn.values()}
        assert view_faults(as_view(list(drawn.values()))) == []


@pytest.mark.parametrize(
    ("annotation", "ends"),
    [
        (Annotated[int, Field(ge=1, le=9)], ("1", "9")),
        (Annotated[int, Field(gt=1, lt=9)], ("2", "8")),
        (Annotated[int, Field(ge=3, gt=1)], ("3", None)),
        (Annotated[int | None, Field(ge=1)], ("1", None)),
        (Annotated[int, Field(gt=1, lt=2)], (None, None)),
        (Annotated[float, Field(gt=0, le=0.5)], ("0", "0.5")),
        (Annotated[float, Field(ge=-1e300, lt=1e300)], (None, None)),
        (int, (None, None)),
    ],
    ids=str,
)
def test_slack_is_told_the_ends_of_a_range(annotation: Any, ends: tuple[str | None, str | None]) -> None:
    element = one(annotation)["element"]

    assert (element.get("min_value"), element.get("max_value")) == ends


@pytest.mark.parametrize(
    ("annotation", "default", "hint"),
    [
        (Annotated[int, Field(ge=1, le=1_000, description="Revisions")], 100,
         "Revisions. A whole number from 1 to 1,000. Left empty: 100."),
        (Annotated[float, Field(gt=0, le=1)], ..., "A number above 0 and of at most 1."),
        (Annotated[int, Field(multiple_of=5)], ..., "A whole number in steps of 5."),
        (Annotated[int, Field(ge=2)] | None, None, "A whole number of at least 2. Left empty: nothing."),
        (int | None, 5, "A whole number. Left empty: nothing."),
        (Annotated[str, Field(min_length=1, max_length=9, pattern="^n")], ...,
         "Text of 1 to 9 characters that matches ^n."),
        (Annotated[bool, Field(description="Force it")], ..., "Force it."),
        (Annotated[Alarm, Field(description="Which one.")] , ..., "Which one."),
        (list[Literal["a"]], [], "A list, each only a. One item per line. Left empty: an empty list."),
        (Annotated[list[Alarm], Field(min_length=1)], ...,
         "A list of at least 1 items, each one of NOSPACE, CORRUPT. One item per line."),
        (Window, ..., 'A value written as JSON, such as "text", 3 or ["a", "b"].'),
    ],
)  # fmt: skip
def test_the_hint_says_what_is_allowed_and_what_holds_otherwise(annotation: Any, default: Any, hint: str) -> None:
    assert one(annotation, default)["hint"]["text"] == hint


def test_what_is_made_anew_each_time_may_be_left_empty() -> None:
    block = one(list[int], Field(default_factory=list))

    assert block["optional"]
    assert block["hint"]["text"] == "A list, each a whole number. One item per line. It may be left empty."


def test_a_bool_can_say_no_and_says_what_it_was() -> None:
    element = one(bool, True, value=False)["element"]

    assert [option["text"]["text"] for option in element["options"]] == ["Yes", "No"]
    assert element["initial_option"]["text"]["text"] == "No"
    assert one(bool, True)["element"]["initial_option"]["text"]["text"] == "Yes"
    assert "initial_option" not in one(bool)["element"]


def test_what_may_be_left_out_is_optional() -> None:
    assert [one(int)["optional"], one(int, 3)["optional"], one(int | None)["optional"]] == [False, True, True]


def test_the_label_is_the_name_as_words() -> None:
    drawn = inputs(parameter_form(an_action(model(target_member=(str, ...), keep=(int, 1))), {}))

    assert [block["label"]["text"] for block in drawn.values()] == ["Target member", "Keep"]


@pytest.mark.parametrize("count", [5, 6, 100, 101])
def test_more_choices_than_slack_shows_are_typed(count: int) -> None:
    names = tuple(f"member-{number}" for number in range(count))
    element = one(Literal[names], value=names[-1])["element"]

    kind = "radio_buttons" if count == 5 else "static_select" if count <= 100 else "plain_text_input"
    assert element["type"] == kind
    assert (element.get("initial_option", {}).get("value") or element["initial_value"]).strip('"') == names[-1]


def test_choices_that_look_the_same_or_do_not_fit_are_never_offered_as_options() -> None:
    labels = [option["text"]["text"] for option in one(Literal["1", 1])["element"]["options"]]

    assert labels == ['"1"', "1"]
    assert one(Literal["x" * 76, "y"])["element"]["action_id"] == Entry.TEXT
    assert one(Literal["Nothing", "x"] | None)["element"]["action_id"] == Entry.TEXT


@pytest.mark.parametrize("text", ["", " n1", "n1  n2", "n1\u202e", "\u200b", "x\r\ny", "a\tb", "z" + "\u0301" * 9])
def test_a_text_that_an_input_would_not_show_as_it_is_is_spelled_out(text: str) -> None:
    element = one(str, value=text)["element"]

    assert element["action_id"] == Entry.JSON
    assert element["initial_value"] == json.dumps(text)
    assert "a text stands in quotes" in one(str, value=text)["hint"]["text"]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "three"),
        (int, 2.5),
        (str, 3),
        (Annotated[int, Field(le=9)], 10),
        (Annotated[str, Field(max_length=2)], "n-12"),
    ],
)
def test_a_value_of_another_version_is_shown_as_it_is(annotation: Any, value: Any) -> None:
    element = one(annotation, value=value)["element"]

    assert (element["action_id"], element["initial_value"]) == (Entry.JSON, json.dumps(value))


def test_what_cannot_be_taken_over_is_said() -> None:
    definition = an_action(model(alarm=(Alarm, ...), note=(Annotated[str, Field(max_length=9_000)], "")))
    why, lost, *fields = parameter_form(definition, {"alarm": "OTHER", "note": "x" * 4_000, "old": 3})

    assert [field["optional"] for field in fields] == [False, False]
    assert "Not taken over" in str(why)
    assert all(part in str(lost) for part in ('alarm = "OTHER"', "note = ", "old = 3"))
    assert "Not taken over" not in str(parameter_form(definition, {"alarm": "CORRUPT"}))


def _is_storable(value: Any) -> bool:
    written = json.dumps(value, ensure_ascii=False)
    # Four of them have to fit into one input, spelled out.
    return len(json.dumps(value)) < 700 and not re.search(rf"\\u0000|[\ud800-\udfff]|-{2**63}", written)


_TEXTS: Final = st.text(max_size=20).filter(_is_storable) | st.sampled_from(list(filter(_is_storable, FRAGMENTS)))
_WHOLE: Final = st.integers(-(2**63) + 1, 2**63 - 1)
_DECIMALS: Final = st.floats(allow_nan=False, allow_infinity=False)
_KINDS: Final[tuple[tuple[Any, st.SearchStrategy[Any]], ...]] = (
    (int, _WHOLE),
    (Annotated[int, Field(gt=-3, lt=40)], st.integers(-2, 39)),
    (Annotated[int, Field(ge=1, le=2**53, description="How many of them.")], st.integers(1, 2**53)),
    (float, _DECIMALS),
    (Annotated[float, Field(ge=0, lt=1)], st.floats(0, 1, exclude_max=True)),
    (bool, st.booleans()),
    (str, _TEXTS),
    (Annotated[str, Field(min_length=2, max_length=9)], st.text(min_size=2, max_size=9).filter(_is_storable)),
    (Annotated[str, Field(pattern=r"^n[0-9]+$")], st.integers(0, 99).map("n{}".format)),
    (Alarm, st.sampled_from(["NOSPACE", "CORRUPT"])),
    (Speed, st.sampled_from([1, 2])),
    (Literal["a", 1, True, None], st.sampled_from(["a", 1, True, None])),
    (Literal[tuple(f"m{number}" for number in range(120))], st.integers(0, 119).map("m{}".format)),
    (list[str], st.lists(_TEXTS, max_size=4)),
    (tuple[int, ...], st.lists(_WHOLE, max_size=4)),
    (list[float], st.lists(_DECIMALS, max_size=4)),
    (list[Alarm], st.lists(st.sampled_from(["NOSPACE", "CORRUPT"]), max_size=3)),
    (list[bool], st.lists(st.booleans(), max_size=3)),
    (dict[str, int], st.dictionaries(_TEXTS, _WHOLE, max_size=3)),
    (Window, st.fixed_dictionaries({"start": _WHOLE, "note": st.none() | _TEXTS})),
    (int | str, _WHOLE | _TEXTS),
    (Decimal, st.decimals(-1_000, 1_000, places=2).map(str)),
    (datetime, st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)),
    (Any, values.filter(_is_storable)),
)


@st.composite
def _actions(draw: st.DrawFn) -> tuple[ActionDefinition[Any], dict[str, Any]]:
    """An action whose parameters may be left out or null in every way, and parameters for it."""
    fields, given_ = {}, {}
    for number, (annotation, of_kind) in enumerate(draw(st.lists(st.sampled_from(_KINDS), max_size=6))):
        nullable = draw(st.booleans())
        some = st.none() | of_kind if nullable else of_kind
        taken = annotation | None if nullable else annotation
        default = draw(st.just(...) | some.map(TypeAdapter(taken).validate_python))
        fields[f"p_{number}"] = (taken, default)
        given_[f"p_{number}"] = draw(some)
    return an_action(model(**fields)), given_


@settings(max_examples=300, deadline=None)
@given(_actions())
def test_a_form_that_nobody_touched_gives_back_the_same_parameters(
    drawn: tuple[ActionDefinition[Any], dict[str, Any]],
) -> None:
    definition, given_ = drawn
    stored = canonical_parameters(validate_action_params(definition, given_))
    blocks = parameter_form(definition, stored)

    assert view_faults(as_view(blocks)) == []
    entered = entered_parameters(definition, submitted(blocks))
    again = canonical_parameters(validate_action_params(definition, entered))
    assert json.dumps(again, sort_keys=True) == json.dumps(stored, sort_keys=True)


@settings(max_examples=150, deadline=None)
@given(_actions(), st.dictionaries(st.sampled_from([f"p_{n}" for n in range(7)]) | st.text(max_size=5), values))
def test_slack_takes_the_form_whatever_it_is_filled_in_with(
    drawn: tuple[ActionDefinition[Any], dict[str, Any]], junk: dict[str, Any]
) -> None:
    assert view_faults(as_view(parameter_form(drawn[0], junk))) == []
