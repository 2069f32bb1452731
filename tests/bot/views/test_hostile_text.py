"""Whatever anybody writes into an alert, a diagnosis, a target or a parameter, Slack shows it as text and takes it.

`tests.prove.card` tries many more.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.views.command_answers import help_answer
from bot.views.parameters import render_parameters, spelled
from bot.views.plain import exact
from bot.views.refusal_modal import refusal_modal
from tests.bot.views.attacks import ATTACKS, ROOMS, faults_of_shown_parameters, faults_of_text
from tests.bot.views.hostile import Attacker, parameters, texts, values
from tests.bot.views.walking import message_faults, view_faults

many = settings(max_examples=150)
some = settings(max_examples=50)


@pytest.mark.parametrize("shown", ATTACKS)
@some
@given(seed=st.integers(0, 2**32))
def test_nothing_that_is_shown_can_be_turned_against_its_reader(shown: str, seed: int) -> None:
    assert ATTACKS[shown](Attacker(seed)) == []


@many
@given(parameters)
def test_parameters_are_read_back_exactly_or_not_at_all(stored: Any) -> None:
    assert faults_of_shown_parameters(render_parameters(stored), stored) == []


@many
@given(values, values)
def test_different_values_never_look_the_same(one: Any, other: Any) -> None:
    if spelled(one) != spelled(other):
        assert render_parameters({"value": one}) != render_parameters({"value": other})


@many
@given(texts, texts, st.sampled_from([60, 500, 200_000]))
def test_identifiers_that_differ_never_look_the_same_unless_cut(one: str, other: str, most: int) -> None:
    shown, also = exact(one, most), exact(other, most)

    assert shown.replace("…", "").isascii()
    assert (shown == also) <= (one == other or shown.endswith("(cut)"))


@many
@given(texts, st.sampled_from(ROOMS))
def test_nothing_is_longer_than_its_room_or_hidden_in_it(text: str, most: int) -> None:
    assert faults_of_text(text, most) == []


def test_the_fixed_texts_are_in_order() -> None:
    assert message_faults(help_answer()) == []
    assert view_faults(refusal_modal(12)) == []
