"""docs/lifecycle.md says what the code does."""

from pathlib import Path

from actions.lifecycle import TRANSITIONS
from actions.models import ActionStatus

DOC = Path(__file__).parent.parent / "docs" / "lifecycle.md"


def test_the_table_in_the_docs_is_the_table_in_the_code() -> None:
    rows = [line for line in DOC.read_text().splitlines() if line.startswith("| T")]

    expected = []
    for row in TRANSITIONS:
        sources = ", ".join(status.value for status in ActionStatus if status in row.sources) or "\u2013"
        live, fenced = ("yes" if flag else "\u2013" for flag in (row.live, row.fenced))
        expected.append(f"| {row.id} | {sources} | {row.to.value} | {row.trigger} | {row.event} | {live} | {fenced} |")
    assert rows == expected
