"""What people enter into a form is read as what it is, and each problem is told at its field."""

from typing import Annotated, Any, Final, Literal

import pytest
from pydantic import Field, model_validator

from actions.errors import BadParametersError, BadRequestError
from actions.registry import Parameters
from actions.validation import validate_action_params
from bot.parameter_entry import entered_parameters, field_errors
from bot.views.parameter_form import parameter_form
from tests.bot.views.forms import an_action, submitted, with_values


class Repair(Parameters):
    member: Annotated[str, Field(pattern="^n[0-9]$")]
    keep: Annotated[int, Field(ge=1, le=1_000)] = 100
    share: Annotated[float, Field(gt=0)] = 0.5
    most: int | None = None
    floor: int | None = 5
    force: bool = False
    method: Literal["slow", "fast"] = "slow"
    others: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    extra: Annotated[dict[str, int], Field(default_factory=dict)]

    @model_validator(mode="after")
    def _fits_together(self) -> "Repair":
        if self.most is not None and self.most < self.keep:
            raise ValueError("most is below keep")
        return self


REPAIR: Final = an_action(Repair)
FORM: Final = parameter_form(REPAIR, {"member": "n1"})


def read(**entered: Any) -> Any:
    return entered_parameters(REPAIR, submitted(FORM, **entered))


def refusal(**entered: Any) -> BadParametersError:
    with pytest.raises(BadParametersError) as caught:
        validate_action_params(REPAIR, read(**entered))
    return caught.value


def test_a_form_left_alone_gives_the_defaults_and_leaves_out_what_is_empty() -> None:
    assert read() == {"member": "n1", "keep": 100, "share": 0.5, "floor": 5, "force": False, "method": "slow"}


def test_everything_that_is_entered_is_read_as_what_it_is() -> None:
    entered = {
        "member": " n2 ", "keep": "3", "share": "1", "most": "7", "floor": "-1", "force": "true", "method": '"fast"',
        "others": "n1\n\n  n3 \n", "sizes": "1\n-2", "extra": '{"a": 1}',
    }  # fmt: skip
    found = read(**entered)

    assert found == {
        "member": "n2", "keep": 3, "share": 1.0, "most": 7, "floor": -1, "force": True, "method": "fast",
        "others": ["n1", "n3"], "sizes": [1, -2], "extra": {"a": 1},
    }  # fmt: skip
    assert [type(found[name]) for name in ("keep", "share", "force")] == [int, float, bool]
    assert validate_action_params(REPAIR, found)


def test_what_is_cleared_is_left_out_and_null_where_leaving_out_means_something_else() -> None:
    found = read(keep="", share="", most="", floor="")

    assert not found.keys() & {"keep", "share", "most"}
    assert found["floor"] is None


@pytest.mark.parametrize(
    ("name", "entered", "said"),
    [
        ("sizes", "1\n2.5", "'2.5' is not a whole number"),
        ("sizes", "1_000", "'1_000' is not a whole number"),
        ("extra", "{", "This is not JSON"),
        ("extra", '{"a": 1, "a": 2}', "comes twice"),
        ("extra", '{"a": NaN}', "NaN is not JSON"),
    ],
)
def test_what_reads_as_nothing_is_refused_at_its_field(name: str, entered: str, said: str) -> None:
    with pytest.raises(BadParametersError) as caught:
        read(**{name: entered})

    ((block, sentence),) = field_errors(REPAIR, caught.value).items()
    assert block == f"parameter.{name}"
    assert said in sentence


@pytest.mark.parametrize("number", ["one", "1e400", "0x1", "nan", "inf", "1_0", "--1", ""])
def test_only_numbers_are_read_as_numbers(number: str) -> None:
    values = submitted(FORM).model_dump()["values"]
    values["parameter.share"] = {"parameter.number": {"type": "number_input", "value": number}}
    form = with_values(values)

    if number:
        with pytest.raises(BadParametersError, match="is not a number, or is too large"):
            entered_parameters(REPAIR, form)
    else:
        assert "share" not in entered_parameters(REPAIR, form)


def test_every_problem_stands_at_its_field_and_says_what_is_allowed() -> None:
    error = refusal(member="n12", sizes=f"{2**70}", extra='{"a": "b"}')

    assert field_errors(REPAIR, error) == {
        "parameter.sizes": "Allowed is a list, each a whole number. Sizes: not storable as JSON "
        "(Integer exceeds 64-bit range).",
        "parameter.member": "Allowed is text of at most 1,000 characters that matches ^n[0-9]$. "
        "Member: string should match pattern '^n[0-9]$', got 'n12'.",
        "parameter.extra": "Allowed is a value written as JSON, such as \"text\", 3 or [\"a\", \"b\"]. "
        "Extra.a: input should be a valid integer, got 'b'.",
    }  # fmt: skip


def test_what_concerns_no_field_alone_stands_at_the_first() -> None:
    ((block, sentence),) = field_errors(REPAIR, refusal(most="7")).items()

    assert block == "parameter.member"
    assert sentence.startswith("Parameters: value error, most is below keep, got ")


def test_an_action_without_parameters_has_nothing_to_read_and_no_field_to_blame() -> None:
    nothing = an_action(Parameters)

    assert parameter_form(nothing, {}) == []
    assert entered_parameters(nothing, with_values({})) == {}
    assert field_errors(nothing, BadParametersError("etcd.act", ["size is unknown"], ["size"])) == {}


def test_a_form_of_another_version_of_the_action_is_refused() -> None:
    form = submitted(FORM)
    values = form.model_dump()["values"]
    fewer = {block: inputs for block, inputs in values.items() if block != "parameter.keep"}
    stranger = values | {"parameter.keep": {"something": {"value": "1"}}}
    doubled = values | {"parameter.keep": {"parameter.text": {}, "parameter.json": {}}}
    more = values | {"parameter.new": {"parameter.text": {"value": "1"}}}

    assert entered_parameters(REPAIR, with_values(values | {"reason.enter": {"reason.enter": {}}}))
    for other in (fewer, stranger, doubled, more):
        with pytest.raises(BadRequestError, match="has changed since the form was opened"):
            entered_parameters(REPAIR, with_values(other))
