"""The actions that subjects offer, derived from typed functions, and how they are looked up."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, cast, get_type_hints

from pydantic import BaseModel, ConfigDict

from actions.canonical import Json, digest
from actions.errors import DuplicateActionError, UnknownActionError
from actions.models import ActionType, Fact, Risk


class Parameters(BaseModel):
    """What an action takes. Strict: no unknown names, no conversions, no NaN; texts are at most 1,000 characters."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, str_max_length=1_000, use_enum_values=True
    )


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would happen, read from the target a moment ago, without changing anything."""

    impact: tuple[Fact, ...]
    """Numbers for the card."""
    pins: Mapping[str, Json]
    """The facts that the decision rests on; when one of them changes, the decision is void."""
    before: Mapping[str, Json] = field(default_factory=dict)
    """The state before, as `verify` and `undo` need it."""
    refusal: str | None = None
    """Why it must not be done now, as a sentence; None if it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The target said yes."""

    detail: str


class Happened(StrEnum):
    """Whether the effect of an action is there."""

    YES = "yes"
    NO = "no"
    """Nothing of it is there; of an action of several calls, not even what the first of them does."""
    PARTLY = "partly"
    """Some of it is there and the rest is not; it will not come by itself."""
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the target's state says about an action, and the readings it rests on."""

    happened: Happened
    evidence: tuple[Fact, ...]


class Steps(Protocol):
    """How an action marks its calls, so that they are recorded and it can be stopped between them."""

    def __call__(self, name: str) -> AbstractAsyncContextManager[None]:
        """Enclose one call to the target: `async with steps("compact"): …`.

        On entry it raises `ActionFailedError` if the kill switch was thrown (nothing more is sent); on exit it records
        how the call went. An action without steps is one step.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamDef:
    """One parameter, as people and language models read it."""

    name: str
    type: str
    """Its JSON type, or the choices: `integer`, `string`, `one of NOSPACE, CORRUPT`."""
    description: str
    required: bool
    default: Json = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True)
class ActionDefinition(Generic[P]):
    """One action of one subject: the typed function that does it, and its other parts. Made by `define`."""

    name: str
    """`<subject name>.<function name>`."""
    subject: str
    title: str
    """One line for a card: what it does."""
    description: str
    """The function's whole docstring."""
    risk: Risk
    parameters: type[P]
    execute: Callable[[P, Steps], Awaitable[Done]]
    """Does it. Raises `ActionFailedError` only where the failure is known; lets transport errors pass."""
    preview: Callable[[P], Awaitable[Preview]]
    """Reads numbers, pins and state; changes nothing. Raises `TargetUnavailableError` if the target cannot be read."""
    verify: Callable[[P, Mapping[str, Json]], Awaitable[Verdict]]
    """Looks whether the effect is there, given the state before. Never guesses: `cannot_tell` is an answer."""
    target: Callable[[P], str]
    """The part of the subject that is changed; two actions on one target never overlap."""
    undo: Callable[[P, Mapping[str, Json]], tuple[str, Mapping[str, Json]] | None] | None = None
    """The action (without subject) and parameters that would restore the state before; None where nothing does."""
    type: ActionType = ActionType.SUBJECT
    timeout: float = 30.0
    """Seconds that `execute` may take altogether; after that the outcome is unknown."""
    verify_within: float = 10.0
    """Seconds within which the effect should be seen."""
    settle: float = 1.0
    """Seconds between the two equal observations that settle an unknown outcome."""

    @cached_property
    def params(self) -> tuple[ParamDef, ...]:
        """The parameters, in the order of the model."""
        schema = self.parameters.model_json_schema()
        required = set(schema.get("required", ()))
        return tuple(
            _param_def(name, prop, schema.get("$defs", {}), required=name in required)
            for name, prop in schema.get("properties", {}).items()
        )

    @cached_property
    def definition_hash(self) -> str:
        """The hash of everything that an approval of this action relies on; a changed action voids old proposals."""
        return digest(
            {
                "name": self.name,
                "title": self.title,
                "description": self.description,
                "risk": self.risk.value,
                "schema": self.parameters.model_json_schema(),
            }
        )


def define(
    *,
    subject: str,
    execute: Callable[[P, Steps], Awaitable[Done]],
    preview: Callable[[P], Awaitable[Preview]],
    verify: Callable[[P, Mapping[str, Json]], Awaitable[Verdict]],
    target: Callable[[P], str],
    risk: Risk,
    undo: Callable[[P, Mapping[str, Json]], tuple[str, Mapping[str, Json]] | None] | None = None,
    timeout: float = 30.0,
    verify_within: float = 10.0,
    settle: float = 1.0,
) -> ActionDefinition[P]:
    """Derive a definition from *execute*: its name, its docstring, and the model that its first parameter is typed as.

    Raises:
        TypeError: *execute* has no docstring, or its first parameter is not typed as a `Parameters` model.
    """
    name = execute.__name__
    description = inspect.getdoc(execute)
    if not description:
        raise TypeError(f"the action {name} needs a docstring: it is what people read on the card")
    return ActionDefinition(
        name=f"{subject}.{name}",
        subject=subject,
        title=description.splitlines()[0].rstrip("."),
        description=description,
        risk=risk,
        parameters=_parameters_of(execute),
        execute=execute,
        preview=preview,
        verify=verify,
        target=target,
        undo=undo,
        timeout=timeout,
        verify_within=verify_within,
        settle=settle,
    )


class ActionRegistry:
    """All actions of all configured subjects, by name."""

    def __init__(self, definitions: Iterable[ActionDefinition[Any]] = ()) -> None:
        self._definitions: dict[str, ActionDefinition[Any]] = {}
        for definition in definitions:
            self.register(definition)

    def register(self, definition: ActionDefinition[Any]) -> None:
        """Add an action. Raises `DuplicateActionError`."""
        if definition.name in self._definitions:
            raise DuplicateActionError(definition.name)
        self._definitions[definition.name] = definition

    def get(self, name: str) -> ActionDefinition[Any]:
        """Return the action of this name. Raises `UnknownActionError`, naming similar ones."""
        try:
            return self._definitions[name]
        except KeyError:
            raise UnknownActionError(name, get_close_matches(name, self._definitions)) from None

    def find(self, name: str) -> ActionDefinition[Any] | None:
        """Return the action of this name, or None if it is not offered (any more)."""
        return self._definitions.get(name)

    def __iter__(self) -> Iterator[ActionDefinition[Any]]:
        return iter(self._definitions.values())

    def __len__(self) -> int:
        return len(self._definitions)


def _parameters_of(execute: Callable[[P, Steps], Awaitable[Done]]) -> type[P]:
    first = next(iter(inspect.signature(execute).parameters))
    model = get_type_hints(execute).get(first)
    if not (isinstance(model, type) and issubclass(model, Parameters)):
        raise TypeError(f"the first parameter of {execute.__name__} must be typed as a Parameters model")
    return cast("type[P]", model)


def _param_def(name: str, prop: Mapping[str, Any], defs: Mapping[str, Any], *, required: bool) -> ParamDef:
    prop = _resolved(prop, defs)
    choices = prop.get("enum") or ([prop["const"]] if "const" in prop else None)
    return ParamDef(
        name=name,
        type=f"one of {', '.join(map(str, choices))}" if choices else prop.get("type", "object"),
        description=prop.get("description", ""),
        required=required,
        default=prop.get("default"),
        minimum=prop.get("minimum", prop.get("exclusiveMinimum")),
        maximum=prop.get("maximum", prop.get("exclusiveMaximum")),
    )


def _resolved(prop: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    # `int | None` is an integer that may be left out.
    choices = [choice for choice in prop.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        prop = {**choices[0], **prop}
    return {**defs[prop["$ref"].rsplit("/", 1)[-1]], **prop} if "$ref" in prop else prop
