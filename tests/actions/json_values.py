"""Values as they come out of a JSON parser, for Hypothesis."""

from hypothesis import strategies as st

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT
)
JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4), max_leaves=12
)
"""What canonical JSON can hold."""
_WILD_TEXT = st.text(max_size=20) | st.sampled_from(["\ud800", "\0", "\u202e", "x" * 1_001, "x" * 20_000])
_WILD_LEAVES = _LEAVES | st.integers() | st.sampled_from([2**64, -(2**64), 10**400]) | st.floats() | _WILD_TEXT
ANYTHING = st.recursive(
    _WILD_LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WILD_TEXT, inner, max_size=4) | st.tuples(inner),
    max_leaves=12,
)
"""What some parser, or a program, may hand in."""
