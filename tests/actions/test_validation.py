"""Parameters are taken as they are meant, or refused with every problem told at once."""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from actions.canonical import Json, canonical_json
from actions.errors import BadParametersError
from actions.models import Risk
from actions.registry import ActionDefinition, Done, Parameters, Preview, Steps, Verdict, define
from actions.validation import MAX_PARAMETERS_BYTES, canonical_parameters, validate_action_params
from tests.actions.json_values import ANYTHING, JSON


class Alarm(StrEnum):
    NOSPACE = "NOSPACE"
    CORRUPT = "CORRUPT"


class Limits(Parameters):
    soft: Annotated[int, Field(ge=0, le=10)] = 1


class Repair(Parameters):
    member: str
    keep: Annotated[int, Field(ge=1, le=1_000)] = 100
    share: float = 0.5
    force: bool = False
    alarm: Alarm = Alarm.NOSPACE
    method: Literal["slow", "fast"] = "slow"
    limits: Limits = Limits()
    others: tuple[str, ...] = ()
    most: int | None = None


class Anyhow(Parameters):
    """Takes every integer and every text."""

    number: int = 0
    text: str = ""


async def repair(params: Repair, steps: Steps) -> Done:
    """Repair it."""
    raise NotImplementedError


async def anyhow(params: Anyhow, steps: Steps) -> Done:
    """Do it anyhow."""
    raise NotImplementedError


async def preview(params: Any) -> Preview:
    raise NotImplementedError


async def verify(params: Any, before: Any) -> Verdict:
    raise NotImplementedError


REPAIR: ActionDefinition[Repair] = define(
    subject="etcd", execute=repair, preview=preview, verify=verify, target=lambda params: params.member, risk=Risk.LOW
)
ANYHOW: ActionDefinition[Anyhow] = define(
    subject="etcd", execute=anyhow, preview=preview, verify=verify, target=lambda params: params.text, risk=Risk.LOW
)


def problems(parameters: Any, definition: ActionDefinition[Any] = REPAIR) -> tuple[str, ...]:
    with pytest.raises(BadParametersError) as caught:
        validate_action_params(definition, parameters)
    return caught.value.problems


def test_defaults_are_filled_in_and_stored() -> None:
    assert canonical_parameters(validate_action_params(REPAIR, {"member": "etcd-1"})) == {
        "member": "etcd-1",
        "keep": 100,
        "share": 0.5,
        "force": False,
        "alarm": "NOSPACE",
        "method": "slow",
        "limits": {"soft": 1},
        "others": [],
        "most": None,
    }


def test_choices_and_lists_are_taken_as_json_writes_them() -> None:
    given_ = {
        "member": "etcd-1",
        "alarm": "CORRUPT",
        "method": "fast",
        "others": ["a", "b"],
        "most": 3,
        "limits": {"soft": 2},
    }
    stored = canonical_parameters(validate_action_params(REPAIR, given_))

    assert {name: stored[name] for name in given_} == given_


def test_what_is_stored_can_be_read_again_as_it_was() -> None:
    model = validate_action_params(REPAIR, {"member": "etcd-1", "alarm": "CORRUPT", "others": ["a"], "share": 1})

    assert validate_action_params(REPAIR, canonical_parameters(model)) == model


def test_every_problem_is_told_at_once() -> None:
    told = problems({"keep": 0, "force": "yes", "size": 3, "limits": {"soft": 11, "hard": 1}, "method": "medium"})

    assert sorted(told) == [
        "force: input should be a valid boolean, got 'yes'",
        "keep: input should be greater than or equal to 1, got 0",
        "limits.hard is unknown",
        "limits.soft: input should be less than or equal to 10, got 11",
        "member is missing",
        "method: input should be 'slow' or 'fast', got 'medium'",
        "size is unknown",
    ]


def test_every_problem_names_the_parameter_that_it_is_about() -> None:
    with pytest.raises(BadParametersError) as caught:
        validate_action_params(REPAIR, {"keep": 0, "limits": {"soft": 11}, "share": math.nan, "size": "x" * 20_000})

    about = dict(zip(caught.value.parameters, caught.value.problems, strict=True))
    assert {name: text.split()[0] for name, text in about.items()} == {
        "keep": "keep:",
        "limits": "limits.soft:",
        "member": "member",
        "share": "share:",
        "size": "size",
        None: "20041",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keep", True),
        ("keep", "2"),
        ("keep", 2.0),
        ("keep", None),
        ("keep", [2]),
        ("keep", 0),
        ("keep", 1_001),
        ("keep", -(2**63)),
        ("keep", 2**64),
        ("keep", 10**5_000),
        ("share", "0.5"),
        ("share", True),
        ("share", math.nan),
        ("share", math.inf),
        ("force", 1),
        ("force", "true"),
        ("member", 3),
        ("member", b"etcd-1"),
        ("member", "x" * 1_001),
        ("member", "half a character: \ud800"),
        ("alarm", "NONE"),
        ("method", "SLOW"),
        ("limits", 3),
        ("others", "etcd-1"),
        ("others", [1]),
        ("most", False),
    ],
    ids=lambda value: repr(value)[:30] if not isinstance(value, int) or abs(value) < 10**20 else "huge",
)
def test_nothing_is_converted_or_cut(name: str, value: Any) -> None:
    told = problems({"member": "etcd-1", name: value})

    assert any(problem.startswith(f"{name}") for problem in told), told


def test_an_integer_that_no_database_can_hold_is_refused_even_without_bounds() -> None:
    assert problems({"number": 2**64}, ANYHOW) == ("number: not storable as JSON (Integer exceeds 64-bit range)",)
    assert problems({"number": 10**5_000}, ANYHOW) == ("number: not storable as JSON (Integer exceeds 64-bit range)",)


def test_a_tower_of_lists_is_refused_not_climbed() -> None:
    tower: list[Any] = []
    for _ in range(100_000):
        tower = [tower]

    for name in ("member", "unheard_of"):
        assert problems({"member": "etcd-1", name: tower})


def test_sixteen_kibibytes_fit_and_one_more_does_not() -> None:
    class Bulk(Parameters):
        parts: tuple[str, ...]

    async def load(params: Bulk, steps: Steps) -> Done:
        """Load it."""
        raise NotImplementedError

    definition = define(
        subject="s", execute=load, preview=preview, verify=verify, target=lambda params: params.parts[0], risk=Risk.LOW
    )
    parts = ["x" * 1_000] * 16
    room = MAX_PARAMETERS_BYTES - len(canonical_json({"parts": [*parts, ""]}))
    fitting = {"parts": [*parts, "x" * room]}

    assert len(canonical_json(fitting)) == MAX_PARAMETERS_BYTES
    assert validate_action_params(definition, fitting).parts[-1] == "x" * room
    assert problems({"parts": [*parts, "x" * (room + 1)]}, definition) == ("16385 bytes altogether, at most 16384 fit",)


def test_a_name_that_others_chose_cannot_break_the_sentence() -> None:
    (told,) = problems({"member": "etcd-1", "x\n\x1b[31m\u202e": 1})

    assert told == r"x\n\x1b[31m\u202e is unknown"


@pytest.mark.parametrize("definition", [REPAIR, ANYHOW], ids=lambda definition: definition.name)
@given(
    parameters=st.dictionaries(
        st.sampled_from([*Repair.model_fields, *Anyhow.model_fields, "size"]) | st.text(max_size=5),
        ANYTHING,
        max_size=8,
    )
)
def test_whatever_comes_it_is_understood_or_refused(
    definition: ActionDefinition[Any], parameters: dict[str, Any]
) -> None:
    stored, refused = understood(definition, parameters)

    assert (stored is None) == bool(refused)
    assert all(problem.isprintable() for problem in refused)
    if stored is not None:
        assert understood(definition, stored) == (stored, ())


def understood(
    definition: ActionDefinition[Any], parameters: Mapping[str, Any]
) -> tuple[Mapping[str, Json] | None, tuple[str, ...]]:
    try:
        return canonical_parameters(validate_action_params(definition, parameters)), ()
    except BadParametersError as error:
        return None, error.problems


@given(st.dictionaries(st.sampled_from(list(Repair.model_fields)), JSON, max_size=4), st.text(max_size=50))
def test_what_was_given_is_what_is_stored(parameters: dict[str, Any], member: str) -> None:
    parameters["member"] = member
    stored, _ = understood(REPAIR, parameters)

    for name, value in parameters.items():
        if stored is not None and name != "limits":
            assert stored[name] == value
            assert isinstance(stored[name], bool) == isinstance(value, bool)
