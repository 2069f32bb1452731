"""docs/proof.md lists exactly the harnesses that there are, with what they promise and how often they try."""

from pathlib import Path

import pytest

from tests.prove.__main__ import NAMES, main
from tests.prove.bugs import BUGS
from tests.prove.one import proof_of

DOC = (Path(__file__).parent.parent / "docs" / "proof.md").read_text()
PROOFS = [proof_of(name) for name in NAMES]


def test_every_harness_is_listed_as_it_is() -> None:
    rows = [f"| `{proof.name}` | {proof.promise} | {proof.count:,} {proof.unit} |" for proof in PROOFS]

    assert [line for line in DOC.splitlines() if line.startswith("| `")] == rows


def test_every_harness_has_bugs_to_find_and_every_bug_a_harness() -> None:
    assert [proof.name for proof in PROOFS if not proof.bugs] == []
    assert {bug for proof in PROOFS for bug in proof.bugs} == set(BUGS)


def test_a_harness_that_is_not_there_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["rase"])

    assert stopped.value.code == 2
    assert "no such harness: rase. There are: card, crash-points" in capsys.readouterr().err
