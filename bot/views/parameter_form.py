"""The inputs for an action's parameters: one each, filled in, in which every value reads as what it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actions.canonical import Json
from actions.printable import sentence
from actions.registry import ActionDefinition
from bot.ids import Entry
from bot.parameter_fields import Absent, Accepted, JsonOrAbsent, Kind, ParameterField, fields_of
from bot.views import blocks, form, sections
from bot.views.blocks import Block
from bot.views.form import MOST_PARAMETERS, MOST_TYPED
from bot.views.parameters import spelled, whole
from bot.views.plain import cut, line, passage

MOST_FIELDS: Final = 80
"""A view holds 100 blocks."""
_MOST_OPTIONS: Final = 100
_LABEL: Final = 75
_VALUE: Final = 150
_PARAGRAPH: Final = 1_000
"""A text that may be as long as this gets several lines."""
_MOST_DIGITS: Final = 22
_NOTHING: Final = "Nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """How a field is entered, and with what it begins."""

    entry: Entry
    initial: str | None = None
    lost: bool = False
    """Whether there was a value that this field cannot hold."""


def parameter_form(definition: ActionDefinition[Any], values: Mapping[str, Json]) -> list[Block]:
    """Return an input per parameter, filled in with *values*, else with its default.

    What cannot be filled in, such as a value of another version of the action, is shown and not taken over.
    """
    fields = fields_of(definition)
    starts = [(field, _start(field, values.get(field.name, field.default))) for field in fields]
    known = {field.name for field, start in starts if not start.lost}
    lost = {name: value for name, value in values.items() if name not in known}
    return [*_not_taken_over(lost), *(_input(field, start) for field, start in starts)]


def _not_taken_over(lost: Mapping[str, Json]) -> list[Block]:
    if not lost:
        return []
    said = sections.labelled("Not taken over, because the form below cannot hold it")
    return [blocks.rich_text(said), whole(lost, most=MOST_PARAMETERS)]


def _start(field: ParameterField, value: JsonOrAbsent) -> _Start:
    natural = _natural(field)
    if isinstance(value, Absent):
        return _Start(entry=natural)
    written = _written(natural, field, value)
    if written is not None or _is_meant_by_empty(field, value):
        return _Start(entry=natural, initial=written)
    exactly = _written(Entry.JSON, field, value)
    if natural is Entry.CHOICE or exactly is None:
        return _Start(entry=natural, lost=True)
    return _Start(entry=Entry.JSON, initial=exactly)


def _is_meant_by_empty(field: ParameterField, value: Json) -> bool:
    meant = field.when_empty
    return field.optional and not isinstance(meant, Absent) and spelled(meant) == spelled(value)


def _natural(field: ParameterField) -> Entry:
    match field.accepts.kind:
        case Kind.WHOLE | Kind.DECIMAL:
            return Entry.NUMBER
        case Kind.TEXT:
            return Entry.TEXT
        case Kind.LIST:
            return Entry.LINES
        case Kind.CHOICE if _is_listable(_options(field)):
            return Entry.CHOICE
        case Kind.CHOICE if all(isinstance(choice, str) for choice in field.accepts.choices):
            return Entry.TEXT
        case _:
            return Entry.JSON


def _written(entry: Entry, field: ParameterField, value: Json) -> str | None:
    # What stands in the input so that it reads as exactly this value; None if nothing would.
    accepts = field.accepts
    match entry:
        case Entry.NUMBER:
            return _digits(value, accepts) if _is_within(value, accepts) else None
        case Entry.TEXT:
            return value if isinstance(value, str) and _is_visible(value, accepts.longest) else None
        case Entry.LINES:
            return _lines(value, accepts)
        case Entry.CHOICE:
            return next((one["value"] for one in _options(field) if one["value"] == spelled(value)), None)
        case Entry.JSON:
            exactly = spelled(value)
            return exactly if len(exactly) <= MOST_TYPED else None


def _digits(value: Json, accepts: Accepted) -> str | None:
    kinds = {int} if accepts.kind is Kind.WHOLE else {int, float}
    if type(value) not in kinds:
        return None
    written = repr(value)
    # Slack takes neither exponents nor more digits than a number of 64 bits has.
    return written if "e" not in written and len(written) <= _MOST_DIGITS else None


def _is_within(value: Json, accepts: Accepted) -> bool:
    low, high = _ends(accepts)
    if not isinstance(value, int | float):
        return False
    return (low is None or value >= low) and (high is None or value <= high)


def _is_visible(text: str, longest: int | None) -> bool:
    # Nothing is hidden in it, and no space of it might be lost.
    if len(text) > min(longest or MOST_TYPED, MOST_TYPED):
        return False
    return bool(text) and text in {line(text, MOST_TYPED), passage(text, MOST_TYPED, lines=MOST_TYPED)}


def _lines(value: Json, accepts: Accepted) -> str | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or accepts.item is None:
        return None
    written = [_one_line(item, accepts.item) for item in value]
    whole_lines = [one for one in written if one]
    together = "\n".join(whole_lines)
    return together if len(whole_lines) == len(written) and 0 < len(together) <= MOST_TYPED else None


def _one_line(value: Json, item: Accepted) -> str | None:
    if item.kind in {Kind.WHOLE, Kind.DECIMAL}:
        return _digits(value, item)
    return value if isinstance(value, str) and line(value, MOST_TYPED) == value else None


def _input(field: ParameterField, start: _Start) -> Block:
    return form.question(
        field.block_id,
        line(field.label, 150),
        _element(field, start),
        # What was lost must be answered anew, not become the default unnoticed.
        optional=field.optional and not start.lost,
        hint=line(" ".join(_hint(field, start)), 1_000),
    )


def _hint(field: ParameterField, start: _Start) -> Iterator[str]:
    if field.description:
        yield f"{field.description.rstrip('.')}."
    if start.entry is not Entry.CHOICE:
        yield f"{sentence(field.accepts.in_words())}."
    if start.entry is Entry.JSON and field.accepts.kind is not Kind.OTHER:
        yield "Written as JSON here: a text stands in quotes, a list in brackets."
    if start.entry is Entry.LINES:
        yield "One item per line."
    if field.optional and start.entry is not Entry.CHOICE:
        yield _left_empty(field)


def _left_empty(field: ParameterField) -> str:
    value = field.when_empty
    if isinstance(value, Absent):
        return "It may be left empty."
    if value is None:
        return "Left empty: nothing."
    return "Left empty: an empty list." if value == [] else f"Left empty: {cut(spelled(value), 100)}."


def _element(field: ParameterField, start: _Start) -> Block:
    match start.entry:
        case Entry.NUMBER:
            return _number_input(field.accepts, start.initial)
        case Entry.CHOICE:
            options = _options(field)
            initial = next((one for one in options if one["value"] == start.initial), None)
            return form.one_of(Entry.CHOICE.value, options, initial=initial)
        case Entry.TEXT if field.accepts.kind is Kind.TEXT:
            return _text_input(field.accepts, start.initial)
        case _:
            several = start.entry is not Entry.TEXT
            return form.typed(start.entry.value, multiline=several, initial=start.initial)


def _number_input(accepts: Accepted, initial: str | None) -> Block:
    low, high = _ends(accepts)
    made: Block = {
        "type": "number_input",
        "action_id": Entry.NUMBER.value,
        "is_decimal_allowed": accepts.kind is Kind.DECIMAL,
    }
    ends = {"min_value": low, "max_value": high}
    written = {name: digits for name, end in ends.items() if end is not None and (digits := _digits(end, accepts))}
    return made | written | ({"initial_value": initial} if initial else {})


def _ends(accepts: Accepted) -> tuple[float | None, float | None]:
    # Slack takes both as inclusive, and refuses a form in which they contradict each other.
    lows = [end for end in (accepts.least, accepts.above) if end is not None]
    highs = [end for end in (accepts.most, accepts.below) if end is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    return (None, None) if low is not None and high is not None and low > high else (low, high)


def _text_input(accepts: Accepted, initial: str | None) -> Block:
    most = max(min(accepts.longest or MOST_TYPED, MOST_TYPED), 1)
    return form.typed(
        Entry.TEXT.value,
        most=most,
        least=min(accepts.shortest, most),
        multiline="\n" in (initial or "") or (most >= _PARAGRAPH and not accepts.pattern),
        initial=initial,
    )


def _options(field: ParameterField) -> list[Block]:
    choices = field.accepts.choices
    plain = all(isinstance(choice, str) and line(choice, _LABEL) == choice for choice in choices)
    named = [form.option(str(choice) if plain else _named(choice), spelled(choice)) for choice in choices]
    return [*named, form.option(_NOTHING, spelled(None))] if field.nullable else named


def _named(choice: Json) -> str:
    return ("Yes" if choice else "No") if isinstance(choice, bool) else spelled(choice)


def _is_listable(options: Sequence[Block]) -> bool:
    labels = {one["text"]["text"] for one in options}
    return (
        len(labels) == len(options) <= _MOST_OPTIONS
        and max(map(len, labels)) <= _LABEL
        and all(len(one["value"]) <= _VALUE for one in options)
    )
