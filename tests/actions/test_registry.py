"""A typed function is all there is to an action: the rest is derived from it."""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from actions.canonical import Json
from actions.errors import DuplicateActionError, UnknownActionError
from actions.models import ActionType, Risk
from actions.registry import (
    ActionDefinition,
    ActionRegistry,
    Done,
    ParamDef,
    Parameters,
    Preview,
    Steps,
    Verdict,
    define,
)


class Alarm(StrEnum):
    NOSPACE = "NOSPACE"
    CORRUPT = "CORRUPT"


class Compact(Parameters):
    member: Annotated[str, Field(description="Which member")]
    keep: Annotated[int, Field(ge=1, le=1_000, description="How many revisions stay")] = 100
    alarm: Alarm = Alarm.NOSPACE
    method: Literal["slow", "fast"] = "slow"
    only: Literal["all"] = "all"
    force: bool = False
    share: Annotated[float, Field(ge=0, le=1)] = 0.5


async def compact(params: Compact, steps: Steps) -> Done:
    """Throw old revisions away.

    The newest stay.
    """
    raise NotImplementedError


async def preview(params: Compact) -> Preview:
    raise NotImplementedError


async def verify(params: Compact, before: Mapping[str, Json]) -> Verdict:
    raise NotImplementedError


def defined(execute: Callable[..., Awaitable[Done]] = compact, *, risk: Risk = Risk.MEDIUM) -> ActionDefinition[Any]:
    return define(
        subject="etcd", execute=execute, preview=preview, verify=verify, target=lambda params: params.member, risk=risk
    )


def test_name_title_and_description_come_from_the_function() -> None:
    definition = defined()

    assert definition.name == "etcd.compact"
    assert definition.subject == "etcd"
    assert definition.title == "Throw old revisions away"
    assert definition.description == "Throw old revisions away.\n\nThe newest stay."
    assert definition.parameters is Compact
    assert definition.type is ActionType.SUBJECT
    assert definition.undo is None


def test_parameters_are_described_in_the_order_of_the_model() -> None:
    assert defined().params == (
        ParamDef(name="member", type="string", description="Which member", required=True),
        ParamDef(
            name="keep",
            type="integer",
            description="How many revisions stay",
            required=False,
            default=100,
            minimum=1,
            maximum=1_000,
        ),
        ParamDef(name="alarm", type="one of NOSPACE, CORRUPT", description="", required=False, default="NOSPACE"),
        ParamDef(name="method", type="one of slow, fast", description="", required=False, default="slow"),
        ParamDef(name="only", type="one of all", description="", required=False, default="all"),
        ParamDef(name="force", type="boolean", description="", required=False, default=False),
        ParamDef(name="share", type="number", description="", required=False, default=0.5, minimum=0, maximum=1),
    )


def test_a_parameter_that_may_be_left_out_is_described_by_what_it_is() -> None:
    class Optional(Parameters):
        member: str
        limit: int | None = None

    async def act(params: Optional, steps: Steps) -> Done:
        """Act."""
        raise NotImplementedError

    assert [(param.name, param.type) for param in defined(act).params] == [("member", "string"), ("limit", "integer")]


def test_a_function_without_docstring_is_no_action() -> None:
    async def act(params: Compact, steps: Steps) -> Done:
        raise NotImplementedError

    with pytest.raises(TypeError, match="needs a docstring"):
        defined(act)


def test_a_function_whose_first_parameter_is_no_model_is_no_action() -> None:
    async def act(params: dict[str, Any], steps: Steps) -> Done:
        """Act."""
        raise NotImplementedError

    async def untyped(params, steps) -> Done:  # type: ignore[no-untyped-def]  # this is what is tested
        """Act."""
        raise NotImplementedError

    for wrong in (act, untyped):
        with pytest.raises(TypeError, match="must be typed as a Parameters model"):
            defined(wrong)


def test_the_same_action_has_the_same_hash() -> None:
    assert defined().definition_hash == defined().definition_hash


def test_the_hash_changes_with_everything_an_approval_relies_on() -> None:
    class MoreBounded(Parameters):
        member: str
        keep: Annotated[int, Field(ge=1, le=10)] = 100

    class LessBounded(Parameters):
        member: str
        keep: Annotated[int, Field(ge=1)] = 100

    def acting_on(model: type[Parameters], doc: str) -> Callable[..., Awaitable[Done]]:
        async def act(params: Any, steps: Steps) -> Done:
            raise NotImplementedError

        act.__annotations__["params"] = model
        act.__doc__ = doc
        return act

    hashes = [
        defined().definition_hash,
        defined(risk=Risk.HIGH).definition_hash,
        defined(acting_on(MoreBounded, "Act.")).definition_hash,
        defined(acting_on(LessBounded, "Act.")).definition_hash,
        defined(acting_on(LessBounded, "Act.\n\nWith care.")).definition_hash,
        defined(acting_on(LessBounded, "Act now.")).definition_hash,
    ]

    assert len(set(hashes)) == len(hashes)


def test_two_actions_of_one_name_are_refused() -> None:
    with pytest.raises(DuplicateActionError, match=r"'etcd\.compact'"):
        ActionRegistry([defined(), defined(risk=Risk.HIGH)])


def test_actions_are_found_by_name() -> None:
    definition = defined()
    registry = ActionRegistry([definition])

    assert registry.get("etcd.compact") is definition
    assert registry.find("etcd.compact") is definition
    assert registry.find("etcd.compactt") is None
    assert (list(registry), len(registry)) == ([definition], 1)


def test_a_misspelt_action_is_refused_with_what_may_have_been_meant() -> None:
    registry = ActionRegistry([defined()])

    with pytest.raises(UnknownActionError, match=r"Did you mean etcd\.compact\?"):
        registry.get("etcd.compactt")
    with pytest.raises(UnknownActionError, match="operator subjects list"):
        registry.get("something else")
