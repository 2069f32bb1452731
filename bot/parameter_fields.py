"""The parameters of an action as the fields of a form: what each takes, read from the JSON schema of the model."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeAlias

from actions.canonical import Json, digest
from actions.printable import sentence
from actions.registry import ActionDefinition
from bot.ids import PARAMETER

_LONGEST_NAME: Final = 200
_MOST_CHOICES: Final = 10
"""How many choices are told in words."""


class Absent(Enum):
    """Stands where there is no value, not even null."""

    ABSENT = auto()


ABSENT: Final = Absent.ABSENT
JsonOrAbsent: TypeAlias = "Json | Absent"


class Kind(Enum):
    """The kinds of values that people can enter without knowing JSON, and all others."""

    WHOLE = auto()
    DECIMAL = auto()
    TEXT = auto()
    CHOICE = auto()
    LIST = auto()
    """Of texts or numbers."""
    OTHER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What a parameter, or an item of a list, takes, as far as a form can say it; the model decides."""

    kind: Kind
    choices: tuple[Json, ...] = ()
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    step: float | None = None
    shortest: int = 0
    """Characters of a text, items of a list."""
    longest: int | None = None
    pattern: str = ""
    item: "Accepted | None" = None

    def in_words(self) -> str:
        """Return what is allowed, such as `a whole number from 1 to 1,000`."""
        match self.kind:
            case Kind.WHOLE:
                return " ".join(["a whole number", *self._range()])
            case Kind.DECIMAL:
                return " ".join(["a number", *self._range()])
            case Kind.TEXT:
                return " ".join(["text", *self._length("characters"), *self._pattern()])
            case Kind.CHOICE:
                return _alternatives(self.choices)
            case Kind.LIST:
                each = f", each {self.item.in_words()}" if self.item else ""
                return " ".join(["a list", *self._length("items")]) + each
            case Kind.OTHER:
                return 'a value written as JSON, such as "text", 3 or ["a", "b"]'

    def _range(self) -> Iterator[str]:
        if self.least is not None and self.most is not None:
            yield f"from {_number(self.least)} to {_number(self.most)}"
        else:
            ends = (
                ("of at least", self.least),
                ("above", self.above),
                ("of at most", self.most),
                ("below", self.below),
            )
            told = " and ".join(f"{word} {_number(end)}" for word, end in ends if end is not None)
            yield from [told] if told else []
        if self.step is not None:
            yield f"in steps of {_number(self.step)}"

    def _length(self, of_what: str) -> Iterator[str]:
        if self.shortest and self.longest is not None:
            yield f"of {self.shortest:,} to {self.longest:,} {of_what}"
        elif self.longest is not None:
            yield f"of at most {self.longest:,} {of_what}"
        elif self.shortest:
            yield f"of at least {self.shortest:,} {of_what}"

    def _pattern(self) -> Iterator[str]:
        if self.pattern:
            yield f"that matches {self.pattern}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterField:
    """One parameter."""

    name: str
    description: str
    required: bool
    nullable: bool
    default: JsonOrAbsent
    """What holds where it is left out; absent if the model makes that anew each time, or if it is required."""
    accepts: Accepted

    @property
    def label(self) -> str:
        """The name as words."""
        return sentence(self.name.replace("_", " ").strip() or self.name)

    @property
    def block_id(self) -> str:
        """The id of its input."""
        return f"{PARAMETER}{self.name if len(self.name) <= _LONGEST_NAME else digest(self.name)}"

    @property
    def optional(self) -> bool:
        """Whether its input may stay empty."""
        return self.nullable or not self.required

    @property
    def sends_null(self) -> bool:
        """Whether an empty input is null, which leaving the parameter out would not be."""
        return self.nullable and self.default is not None

    @property
    def when_empty(self) -> JsonOrAbsent:
        """The value that an empty input stands for; absent if nobody can say."""
        return None if self.sends_null else self.default


def fields_of(definition: ActionDefinition[Any]) -> tuple[ParameterField, ...]:
    """Return the fields, in the order of the model."""
    schema = definition.parameters.model_json_schema()
    required = set(schema.get("required", ()))
    defs = schema.get("$defs", {})
    return tuple(
        _field(name, prop, defs, required=name in required) for name, prop in schema.get("properties", {}).items()
    )


def _field(name: str, prop: Mapping[str, Any], defs: Mapping[str, Any], *, required: bool) -> ParameterField:
    found, nullable = _resolved(prop, defs)
    return ParameterField(
        name=name,
        description=found.get("description", ""),
        required=required,
        nullable=nullable,
        default=prop.get("default", ABSENT),
        accepts=_accepted(found, defs),
    )


def _resolved(prop: Mapping[str, Any], defs: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    # What it says beside null, with what it refers to written out, and whether it takes null.
    nullable = False
    while True:
        some = [one for one in prop.get("anyOf", ()) if one.get("type") != "null"]
        nullable = nullable or len(some) < len(prop.get("anyOf", ()))
        if "$ref" in prop:
            prop = {**defs[prop["$ref"].rsplit("/", 1)[-1]], **_without(prop, "$ref")}
        elif len(some) == 1:
            prop = {**some[0], **_without(prop, "anyOf")}
        else:
            return prop, nullable or None in prop.get("enum", ())


def _without(prop: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in prop.items() if name != key}


def _accepted(prop: Mapping[str, Any], defs: Mapping[str, Any]) -> Accepted:
    choices = prop.get("enum") or [prop.get("const")]
    named = tuple(choice for choice in choices if choice is not None)
    kind: str = prop.get("type", "anything")
    if named or kind == "boolean":
        return Accepted(kind=Kind.CHOICE, choices=named or (True, False))
    if kind == "array":
        return _list(prop, defs)
    return _SIMPLE[kind](prop) if kind in _SIMPLE else Accepted(kind=Kind.OTHER)


def _whole(prop: Mapping[str, Any]) -> Accepted:
    above, below = _bound(prop, "exclusiveMinimum"), _bound(prop, "exclusiveMaximum")
    lowest = (_bound(prop, "minimum"), None if above is None else above + 1)
    highest = (_bound(prop, "maximum"), None if below is None else below - 1)
    return Accepted(
        kind=Kind.WHOLE,
        least=max((end for end in lowest if end is not None), default=None),
        most=min((end for end in highest if end is not None), default=None),
        step=_bound(prop, "multipleOf"),
    )


def _decimal(prop: Mapping[str, Any]) -> Accepted:
    return Accepted(
        kind=Kind.DECIMAL,
        least=_bound(prop, "minimum"),
        most=_bound(prop, "maximum"),
        above=_bound(prop, "exclusiveMinimum"),
        below=_bound(prop, "exclusiveMaximum"),
        step=_bound(prop, "multipleOf"),
    )


def _bound(prop: Mapping[str, Any], name: str) -> float | None:
    value: float | None = prop.get(name)
    return value if value is not None and math.isfinite(value) else None


def _text(prop: Mapping[str, Any]) -> Accepted:
    return Accepted(
        kind=Kind.TEXT,
        shortest=prop.get("minLength", 0),
        longest=prop.get("maxLength"),
        pattern=prop.get("pattern", ""),
    )


_SIMPLE: Final[Mapping[str, Callable[[Mapping[str, Any]], Accepted]]] = {
    "integer": _whole,
    "number": _decimal,
    "string": _text,
}


def _list(prop: Mapping[str, Any], defs: Mapping[str, Any]) -> Accepted:
    items, nullable = _resolved(prop.get("items") or {}, defs)
    # A list in a list is not looked into: a type may contain itself.
    item = Accepted(kind=Kind.OTHER) if items.get("type") == "array" else _accepted(items, defs)
    if nullable or "prefixItems" in prop or not _is_one_line(item):
        return Accepted(kind=Kind.OTHER)
    return Accepted(kind=Kind.LIST, item=item, shortest=prop.get("minItems", 0), longest=prop.get("maxItems"))


def _is_one_line(item: Accepted) -> bool:
    if item.kind is Kind.CHOICE:
        return all(isinstance(choice, str) for choice in item.choices)
    return item.kind in {Kind.WHOLE, Kind.DECIMAL, Kind.TEXT}


def _alternatives(choices: tuple[Json, ...]) -> str:
    if set(map(type, choices)) == {bool}:
        return " or ".join("yes" if choice else "no" for choice in choices)
    told = [str(choice) for choice in choices[:_MOST_CHOICES]]
    more = [f"{len(choices) - _MOST_CHOICES} more"] if len(choices) > _MOST_CHOICES else []
    return f"one of {', '.join([*told, *more])}" if len(choices) > 1 else f"only {told[0]}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.15g}"
