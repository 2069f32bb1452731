"""What goes into a column comes out of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.canonical import canonical_json
from actions.models import Fact, FailureOutcome, Step, SuccessOutcome
from storage.columns import Converted, EnumText, JsonText, Lines, Rows, UtcTime, from_microseconds, microseconds
from storage.row_digest import RowDigest
from storage.tables import PROPOSALS
from tests.factories import START, a_proposal

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_lose_nothing(at: datetime) -> None:
    assert from_microseconds(microseconds(at)) == at


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_times_sort_as_their_numbers(one: datetime, two: datetime) -> None:
    assert (one < two) == (microseconds(one) < microseconds(two))


@given(st.dictionaries(TEXT, VALUES))
def test_documents_come_back_as_they_were(document: dict[str, object]) -> None:
    column = JsonText()

    assert column.read(column.write(document)) == document  # type: ignore[arg-type]  # made of JSON values


@given(st.lists(TEXT), st.lists(st.tuples(TEXT, TEXT)), st.lists(st.tuples(TEXT, TEXT, TEXT)))
def test_tuples_come_back_as_they_were(
    lines: list[str], facts: list[tuple[str, str]], steps: list[tuple[str, str, str]]
) -> None:
    for column, value in (
        (Lines(), tuple(lines)),
        (Rows(Fact), tuple(Fact(label=label, value=value) for label, value in facts)),
        (Rows(Step), tuple(Step(name=name, state=state, detail=detail) for name, state, detail in steps)),
    ):
        assert column.read(column.write(value)) == value  # type: ignore[arg-type]  # each has its own


def test_a_member_is_kept_as_its_value() -> None:
    column = EnumText((FailureOutcome, SuccessOutcome))

    assert column.write(FailureOutcome.PARTIAL) == "partial"
    assert column.read("partial") is FailureOutcome.PARTIAL
    assert column.read("confirmed") is SuccessOutcome.CONFIRMED
    with pytest.raises(ValueError, match="'done' is none of no_effect, partial, accepted, confirmed"):
        column.read("done")


def test_sqlalchemy_converts_as_we_do() -> None:
    column: Converted = UtcTime()

    assert column.process_bind_param(START, None) == microseconds(START)  # type: ignore[arg-type]  # it is not looked at
    assert column.process_result_value(microseconds(START), None) == START  # type: ignore[arg-type]  # it is not looked at
    assert column.process_bind_param(None, None) is None  # type: ignore[arg-type]  # it is not looked at
    assert column.process_result_value(None, None) is None  # type: ignore[arg-type]  # it is not looked at


@given(st.dictionaries(TEXT, VALUES), TEXT, st.none() | st.datetimes(timezones=st.just(UTC)))
def test_the_digest_of_a_row_is_that_of_its_record(pins: dict[str, object], text: str, at: datetime | None) -> None:
    facts = (Fact(label=text, value="1"),)
    proposal = a_proposal(id=7, pins=pins, reason=text, risks=(text, "b"), impact=facts, not_before=at, lease_until=at)
    proposal = a_proposal(**{name: getattr(proposal, name) for name in proposal.__slots__})
    digest = RowDigest(PROPOSALS, left_out={"lease_until"})
    row = []
    for name in digest.names:
        kind, value = PROPOSALS.c[name].type, getattr(proposal, name)
        row.append(kind.write(value) if isinstance(kind, Converted) and value is not None else value)

    assert digest.of(tuple(row)) == proposal.row_digest()
    assert digest.of(tuple(row)) != a_proposal(id=8, pins=pins).row_digest()


def test_canonical_text_is_what_columns_hold() -> None:
    assert JsonText().write({"b": 1, "a": [START.year]}).encode() == canonical_json({"a": [2026], "b": 1})
    assert timedelta(microseconds=microseconds(START)) == START - datetime(1970, 1, 1, tzinfo=UTC)
