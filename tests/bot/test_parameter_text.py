"""Parameters written as text are read by their types, and everything that is wrong with them is told at once."""

from typing import Annotated, Any, Final, Literal

import pytest
from pydantic import Field

from actions.errors import BadParametersError
from actions.registry import Parameters
from bot.parameter_text import changed_parameters
from tests.bot.views.forms import an_action


class Repair(Parameters):
    member: Annotated[str, Field(pattern="^n[0-9]$")]
    keep: Annotated[int, Field(ge=1, le=1_000)] = 100
    share: float = 0.5
    floor: int | None = 5
    force: bool = False
    method: Literal["slow", "fast"] = "slow"
    others: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    extra: Annotated[dict[str, int], Field(default_factory=dict)]


REPAIR: Final = an_action(Repair)
STORED: Final[dict[str, Any]] = {
    "member": "n1", "keep": 100, "share": 0.5, "floor": 5, "force": False, "method": "slow", "others": [], "sizes": [],
    "extra": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("member", "n2", "n2"),
        ("keep", "3", 3),
        ("share", "1", 1.0),
        ("floor", "-1", -1),
        ("floor", "null", None),
        ("force", "true", True),
        ("force", "no", False),
        ("method", "fast", "fast"),
        ("others", "a, b", ["a", "b"]),
        ("others", '["a,b"]', ["a,b"]),
        ("others", "", []),
        ("sizes", "1,-2", [1, -2]),
        ("extra", '{"a": 1}', {"a": 1}),
    ],
)
def test_each_is_read_by_its_type_and_what_is_not_written_stays(name: str, text: str, value: object) -> None:
    assert changed_parameters(REPAIR, STORED, {name: text}) == STORED | {name: value}


def test_all_problems_are_told_at_once() -> None:
    written = {"member": "x", "keep": "many", "method": "quick", "sizes": "1,b", "extra": "{", "othr": "a"}

    with pytest.raises(BadParametersError) as caught:
        changed_parameters(REPAIR, STORED, written)

    told = caught.value
    assert sorted(name or "" for name in told.parameters) == sorted(written)
    assert "keep: 'many' is not a whole number; allowed is a whole number from 1 to 1,000" in told.problems
    assert "method: 'quick' is none of its values; allowed is one of slow, fast" in told.problems
    assert "othr is unknown" in told.problems


@pytest.mark.parametrize(("name", "text"), [("keep", "1001"), ("keep", ""), ("force", "maybe"), ("member", "null")])
def test_what_does_not_fit_is_refused(name: str, text: str) -> None:
    with pytest.raises(BadParametersError):
        changed_parameters(REPAIR, STORED, {name: text})
