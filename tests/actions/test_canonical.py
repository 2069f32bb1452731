"""Equal things have equal hashes, and nothing that JSON does not have gets one."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.canonical import canonical_json, digest
from actions.models import Fact
from tests.actions.json_values import JSON


def test_keys_are_sorted_and_nothing_is_padded() -> None:
    assert (
        canonical_json({"b": [1, 2.5, None], "a": {"d": True, "c": "ü"}})
        == '{"a":{"c":"ü","d":true},"b":[1,2.5,null]}'.encode()
    )


def test_the_digest_is_that_of_the_canonical_form() -> None:
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        [-math.inf],
        {"deep": {"deeper": (math.nan,)}},
        2**64,
        -(2**63) - 1,
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        b"bytes",
        {1, 2},
        Path("file"),
        datetime(2026, 3, 1, tzinfo=UTC),
        Fact(label="keys", value="12"),
    ],
    ids=repr,
)
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_json(value)


@given(JSON)
def test_what_is_read_back_has_the_same_form(value: Any) -> None:
    text = canonical_json(value)

    assert canonical_json(orjson.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(0, 9)), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, int], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)

    assert canonical_json({key: value[key] for key in keys}) == canonical_json(value)


@given(JSON, JSON)
def test_different_values_have_different_forms(one: Any, other: Any) -> None:
    assert (canonical_json(one) == canonical_json(other)) == (_typed(one) == _typed(other))


def _typed(value: Any) -> Any:
    match value:
        case dict():
            return {key: _typed(item) for key, item in value.items()}
        case list():
            return [_typed(item) for item in value]
        case _:
            return type(value), repr(value)
