"""The benchmark itself: every group still measures, and the table says what was found."""

from pathlib import Path

import pytest

from tests.bench.__main__ import GROUPS
from tests.bench.plan import Plan
from tests.bench.rounds import Rounds, Spread, percentile, taken_in_turns
from tests.bench.table import OVER, WITHIN, Row, at_least, at_most, markdown, summary, told

ELSEWHERE = {"memory", "postgresql"}
"""What takes its time however little is asked for; both have tests of their own."""


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.mark.timeout(240)  # each starts processes of its own, which on a busy machine takes its time
@pytest.mark.parametrize("name", sorted(GROUPS.keys() - ELSEWHERE))
def test_every_group_measures_something_of_each_of_its_lines(name: str, tmp_path: Path, bytecode: Path) -> None:
    rows = list(GROUPS[name](Plan(folder=tmp_path, bytecode=bytecode, rounds=1, scale=0.002)))

    assert rows
    assert all(row.measured[0].isdigit() or row.measured[0] == "-" for row in rows)
    assert any(row.verdict for row in rows)


def test_a_line_says_in_words_whether_it_keeps_its_budget() -> None:
    found = Spread([1.0, 3.0, 2.0])

    assert at_most("a", found, 2, "ms").verdict == WITHIN
    assert at_most("a", found, 1.9, "ms").verdict == OVER
    assert at_least("a", found, 2, "ms").verdict == WITHIN
    assert at_least("a", found, 2.1, "ms").verdict == OVER
    assert told("a", found, "ms").verdict == ""


def test_the_table_names_what_is_over_budget() -> None:
    rows = [at_most("quick", Spread([1.0]), 2, "ms"), at_most("slow", Spread([3.0, 4.0, 5.0]), 2, "ms", detail="why")]

    assert markdown(rows).splitlines() == [
        "| what  | measured           | budget | verdict     |",
        "| ----- | ------------------ | ------ | ----------- |",
        "| quick | 1 ms               | ≤ 2 ms | within      |",
        "| slow  | 4 ms (3 to 5); why | ≤ 2 ms | over budget |",
    ]
    assert summary(rows) == "1 of 2 budgets exceeded: slow"


def test_what_has_no_budget_exceeds_none() -> None:
    assert summary([Row(what="a", measured="1 ms")]) == "0 of 0 budgets exceeded"


def test_ratios_are_those_of_the_rounds_and_not_of_the_medians() -> None:
    rounds = Rounds()
    for ours, floor in ((1.0, 1.0), (20.0, 10.0), (300.0, 100.0)):
        rounds.add(ours=ours, floor=floor)

    assert rounds.of("ours").over(rounds.of("floor")).values == [1.0, 2.0, 3.0]


def test_everybody_takes_a_turn_in_every_round_and_the_first_does_not_count() -> None:
    turns: list[str] = []

    def contestant(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    rounds = taken_in_turns(5, {name: lambda name=name: contestant(name) for name in "abc"})  # type: ignore[misc] # bound

    assert [sorted(turns[first : first + 3]) for first in range(0, 18, 3)] == [["a", "b", "c"]] * 6
    assert all(min(rounds.of(name).values) > 3 for name in "abc")


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert percentile(values, 0.99) == 100.0
    assert percentile(values, 0.5) == 51.0
    assert percentile([7.0], 0.99) == 7.0
